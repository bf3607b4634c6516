# SPDX-License-Identifier: Apache-2.0
"""Atomic objects as fields of pydantic models.

Every package has this module; it is installed with the extension module. No package needs pydantic:
this module imports it only when pydantic asks for the schema of a field.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import GenericAlias
from typing import Any, get_args


def schema_of(
    content: Callable[..., Any],
    read: Callable[[Any], Any] = lambda x: x.get(),
    make: Callable[[Any, Any], Any] | None = lambda cls, value: cls(value),
) -> Any:
    """The class method `__get_pydantic_core_schema__`, which pydantic asks a type for.

    `content(core_schema, generate, *arguments)` is the schema of an instance's value. `generate`
    makes the schema of a type; `arguments` are those of a generic type, and then `Any` twice.
    `read(instance)` is the value. `make(cls, value)` makes an instance; without `make`, a field
    takes instances only.
    """

    def __get_pydantic_core_schema__(cls: Any, source: Any, handler: Any) -> Any:  # noqa: N807
        """How pydantic validates a field of this type, and writes it.

        A field takes an instance, and keeps that object, which other threads may share. Its value
        is not checked. Plain data are checked, and become an instance.
        """
        core_schema: Any = importlib.import_module("pydantic_core.core_schema")
        inside = content(core_schema, handler.generate_schema, *get_args(source), Any, Any)
        written = core_schema.plain_serializer_function_ser_schema(read, return_schema=inside)
        if make is None:
            return core_schema.is_instance_schema(cls, serialization=written)

        def validate(value: Any, validate_inside: Callable[[Any], Any]) -> Any:
            return value if isinstance(value, cls) else make(cls, validate_inside(value))

        return core_schema.no_info_wrap_validator_function(validate, inside, serialization=written)

    return classmethod(__get_pydantic_core_schema__)


def int64(core_schema: Any, *_: Any) -> Any:
    """The schema of an int that an AtomicInt can hold."""
    return core_schema.int_schema(ge=-(2**63), le=2**63 - 1)


def float64(core_schema: Any, *_: Any) -> Any:
    """The schema of a float."""
    return core_schema.float_schema()


def boolean(core_schema: Any, *_: Any) -> Any:
    """The schema of a bool."""
    return core_schema.bool_schema()


def mapping(
    _core_schema: Any, generate: Callable[[Any], Any], key: Any, value: Any, *_: Any
) -> Any:
    """The schema of a dict."""
    return generate(GenericAlias(dict, (key, value)))


def set_of(_core_schema: Any, generate: Callable[[Any], Any], element: Any, *_: Any) -> Any:
    """The schema of a set."""
    return generate(GenericAlias(set, (element,)))
