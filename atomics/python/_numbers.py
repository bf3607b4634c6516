# SPDX-License-Identifier: Apache-2.0
"""What the packages of atomic numbers have in common; installed with their extension modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def array_ufunc(convert: Callable[[Any], Any], *atomics: type[Any]) -> Any:
    """The method `__array_ufunc__` of these types. `convert(instance)` is the current value."""

    def __array_ufunc__(  # noqa: N807
        _self: Any, ufunc: Any, method: str, *inputs: Any, **keywords: Any
    ) -> Any:
        """Give numpy's functions the current value, so that results keep their dtype."""
        if any(isinstance(each, atomics) for each in keywords.get("out", ())):
            return NotImplemented

        def value(x: Any) -> Any:
            return convert(x) if isinstance(x, atomics) else x

        named = {name: value(x) for name, x in keywords.items()}
        return getattr(ufunc, method)(*map(value, inputs), **named)

    return __array_ufunc__
