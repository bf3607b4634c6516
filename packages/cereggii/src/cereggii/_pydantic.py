# SPDX-License-Identifier: Apache-2.0
"""Atomic objects as fields of pydantic models."""

from __future__ import annotations

from collections.abc import Callable
from types import GenericAlias
from typing import Any, get_args

from cereggii_atomicdict import AtomicDict
from cereggii_atomicint import AtomicEvent
from cereggii_atomicref import AtomicRef, AtomicStampedRef

from cereggii.atomic_bool import AtomicBool
from cereggii.atomic_dict._contents import contents
from cereggii.atomic_dict.atomic_cache import AtomicCache
from cereggii.atomic_dict.atomic_keyed_counter import AtomicKeyedCounter

_INT64 = {"ge": -(2**63), "le": 2**63 - 1}


def get_pydantic_core_schema(cls: Any, source: Any, handler: Any) -> Any:
    """What pydantic asks a class for, to have fields of it: `__get_pydantic_core_schema__`.

    A field takes an instance, and keeps that object, which other threads may share. What is in it
    is not checked. A field also takes what `to_builtin` makes of an instance, and makes a new one
    of it, except for caches.
    """
    from pydantic_core import core_schema

    content, read = _content_of(cls, get_args(source), handler)

    def validate(value: Any, validate_content: Callable[[Any], Any]) -> Any:
        if isinstance(value, cls):
            return value
        made_of = validate_content(value)
        return cls(*made_of) if issubclass(cls, AtomicStampedRef) else cls(made_of)

    written = core_schema.plain_serializer_function_ser_schema(read, return_schema=content)
    if issubclass(cls, AtomicCache):
        return core_schema.is_instance_schema(cls, serialization=written)
    return core_schema.no_info_wrap_validator_function(validate, content, serialization=written)


def _content_of(
    cls: Any, arguments: tuple[Any, ...], handler: Any
) -> tuple[Any, Callable[[Any], Any]]:
    """The schema of what is in an instance, and how that is read."""
    from pydantic_core import core_schema

    first, second = (*arguments, Any, Any)[:2]
    if issubclass(cls, AtomicKeyedCounter):
        return handler.generate_schema(GenericAlias(dict, (first, int))), contents
    if issubclass(cls, AtomicDict):
        return handler.generate_schema(GenericAlias(dict, (first, second))), contents
    if issubclass(cls, AtomicRef):
        return handler.generate_schema(first), _get
    if issubclass(cls, AtomicStampedRef):
        value = handler.generate_schema(first)
        return core_schema.tuple_schema([value, core_schema.int_schema(**_INT64)]), _get
    if issubclass(cls, AtomicBool):
        return core_schema.bool_schema(), _get
    if issubclass(cls, AtomicEvent):
        return core_schema.bool_schema(), lambda event: event.is_set()
    return core_schema.int_schema(**_INT64), _get


def _get(x: Any) -> Any:
    return x.get()
