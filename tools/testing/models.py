# SPDX-License-Identifier: Apache-2.0
"""dict, set, int, float and Counter with the methods that our types have besides.

They show what a step has to do: by their results, and by the types of the exceptions that they
raise. They are for one thread.
"""

from __future__ import annotations

import math
import operator
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

NOT_FOUND = "NOT_FOUND"
ANY = "ANY"


class ExpectationFailed(Exception):  # noqa: N818 - its name in our packages
    """Of the same name as the one in our packages: only the names are compared."""


def matches(found: Any, expected: Any) -> bool:
    """Whether a stored object matches an expected one."""
    by_value = type(found) is type(expected) and type(found) in (int, str, bytes)
    return found is expected or (by_value and found == expected)


class ModelDict(dict[Any, Any]):
    """A dict with the methods of AtomicDict."""

    def snapshot(self) -> dict[Any, Any]:
        """An AtomicDict has this for an exact copy."""
        return dict(self)

    def get_and_set(self, key: Any, updated: Any) -> Any:
        """Store, and return what was there."""
        found = self.get(key, NOT_FOUND)
        self[key] = updated
        return found

    def _expects(self, key: Any, expected: Any) -> bool:
        if expected == ANY:
            return True
        if expected == NOT_FOUND or key not in self:
            return expected == NOT_FOUND and key not in self
        return matches(self[key], expected)

    def compare_and_set(self, key: Any, expected: Any, updated: Any) -> None:
        """Store if the value is the expected one."""
        if not self._expects(key, expected):
            raise ExpectationFailed
        self[key] = updated

    def compare_and_exchange(self, key: Any, expected: Any, updated: Any) -> Any:
        """Store if the value is the expected one, and return what was there."""
        found = self.get(key, NOT_FOUND)
        if self._expects(key, expected):
            self[key] = updated
        return found

    def compare_and_delete(self, key: Any, expected: Any) -> None:
        """Delete if the value is the expected one."""
        if expected == NOT_FOUND:
            raise ValueError
        if key not in self or not self._expects(key, expected):
            raise ExpectationFailed
        del self[key]

    def get_or_compute(self, key: Any, factory: Callable[[Any], Any]) -> Any:
        """Store what the factory returns if the key is absent."""
        if key not in self:
            self[key] = factory(key)
        return self[key]

    def compute(self, key: Any, fn: Callable[[Any, Any], Any]) -> Any:
        """Store what fn returns; NOT_FOUND deletes."""
        return self._store(key, fn(key, self.get(key, NOT_FOUND)))

    def merge(self, key: Any, value: Any, fn: Callable[[Any, Any], Any]) -> Any:
        """Store the value, or what fn makes of both."""
        return self._store(key, fn(self[key], value) if key in self else value)

    def _store(self, key: Any, value: Any) -> Any:
        if value == NOT_FOUND:
            self.pop(key, None)
        else:
            self[key] = value
        return value

    def remove_if(self, predicate: Callable[[Any, Any], object]) -> int:
        """Delete the items for which it is true."""
        gone = [key for key, value in self.items() if predicate(key, value)]
        for key in gone:
            del self[key]
        return len(gone)

    def reduce(self, pairs: Iterable[Any], fn: Callable[[Any, Any, Any], Any]) -> None:
        """Store fn(key, current, new) for each pair."""
        for key, value in [*pairs]:
            self[key] = fn(key, self.get(key, NOT_FOUND), value)

    def reduce_sum(self, pairs: Iterable[Any]) -> None:
        """Add each value to that of its key."""
        for key, value in [*pairs]:
            self[key] = self[key] + value if key in self else value

    def reduce_count(self, keys: Iterable[Any]) -> None:
        """Count each key."""
        self.reduce_sum([(key, 1) for key in keys])

    def batch_getitem(self, batch: dict[Any, Any]) -> dict[Any, Any]:
        """Fill in the values."""
        for key in batch:
            batch[key] = self.get(key, NOT_FOUND)
        return batch

    def reserve(self, n: int) -> None:
        """An AtomicDict makes room."""

    def approx_len(self) -> int:
        """Exact while no other thread writes."""
        return len(self)


class ModelSet(set[Any]):
    """A set with the methods of AtomicSet."""

    def add(self, element: Any) -> bool:  # type: ignore[override]
        """Add, and return whether it was absent."""
        before = len(self)
        super().add(element)
        return len(self) > before

    def discard(self, element: Any) -> bool:  # type: ignore[override]
        """Remove, and return whether it was there."""
        before = len(self)
        super().discard(element)
        return len(self) < before

    def remove_if(self, predicate: Callable[[Any], object]) -> int:
        """Remove the elements for which it is true."""
        gone = [element for element in self if predicate(element)]
        self.difference_update(gone)
        return len(gone)

    def snapshot(self) -> frozenset[Any]:
        """An AtomicSet has this for an exact copy."""
        return frozenset(self)

    def reserve(self, n: int) -> None:
        """An AtomicSet makes room."""

    def approx_len(self) -> int:
        """Exact while no other thread writes."""
        return len(self)


class ModelCounter(Counter[Any]):
    """A Counter with the methods of AtomicKeyedCounter."""

    def snapshot(self) -> dict[Any, int]:
        """A keyed counter has this for an exact copy."""
        return dict(self)

    def add(self, key: Any, amount: int = 1) -> int:
        """Add to the count of a key."""
        self[key] += amount
        return self[key]


def _in_range(value: Any) -> int:
    number = operator.index(value)
    if not -(2**63) <= number < 2**63:
        raise OverflowError
    return number


Value = TypeVar("Value", int, float)


class _ModelNumber(Generic[Value]):
    """What a ModelInt and a ModelFloat have in common."""

    def __init__(self, value: Value) -> None:
        self._value: Value = value

    @staticmethod
    def _stored(argument: Any) -> Value:
        """What is stored for an argument, which is refused if it is wrong."""
        raise NotImplementedError

    @staticmethod
    def _matches(found: Value, expected: Value) -> bool:
        return found == expected

    @staticmethod
    def _greater(a: Value, b: Value) -> Value:
        return max(a, b)

    @staticmethod
    def _smaller(a: Value, b: Value) -> Value:
        return min(a, b)

    def get(self) -> Value:
        """The value."""
        return self._value

    def set(self, updated: Any) -> None:
        """Store it."""
        self._value = self._stored(updated)

    def get_and_set(self, updated: Any) -> Value:
        """Store, and return what was there."""
        before, self._value = self._value, self._stored(updated)
        return before

    def compare_and_set(self, expected: Any, updated: Any) -> bool:
        """Store if the value is the expected one."""
        return self._matches(self.compare_and_exchange(expected, updated), self._stored(expected))

    def compare_and_exchange(self, expected: Any, updated: Any) -> Value:
        """Store if the value is the expected one, and return what was there."""
        before, wanted, new = self._value, self._stored(expected), self._stored(updated)
        if self._matches(before, wanted):
            self._value = new
        return before

    def _add(self, amount: Any, sign: int) -> tuple[Value, Value]:
        before = self._value
        self._value = self._stored(before + sign * self._stored(1 if amount is None else amount))
        return before, self._value

    def increment_and_get(self, amount: Any = 1) -> Value:
        """Add, and return the sum."""
        return self._add(amount, 1)[1]

    def get_and_increment(self, amount: Any = 1) -> Value:
        """Add, and return what was there."""
        return self._add(amount, 1)[0]

    def decrement_and_get(self, amount: Any = 1) -> Value:
        """Subtract, and return the difference."""
        return self._add(amount, -1)[1]

    def get_and_decrement(self, amount: Any = 1) -> Value:
        """Subtract, and return what was there."""
        return self._add(amount, -1)[0]

    def _combine(self, operand: Any, function: Callable[[Value, Value], Value]) -> Value:
        before, self._value = self._value, function(self._value, self._stored(operand))
        return before

    def get_and_max(self, value: Any) -> Value:
        """Store the larger one, and return what was there."""
        return self._combine(value, self._greater)

    def get_and_min(self, value: Any) -> Value:
        """Store the smaller one, and return what was there."""
        return self._combine(value, self._smaller)

    def update_and_get(self, fn: Callable[[Value], Any]) -> Value:
        """Store what fn makes of the value, and return it."""
        self._value = self._stored(fn(self._value))
        return self._value

    def get_and_update(self, fn: Callable[[Value], Any]) -> Value:
        """Store what fn makes of the value, and return what was there."""
        before, self._value = self._value, self._stored(fn(self._value))
        return before

    def accumulate_and_get(self, x: Any, fn: Callable[[Value, Any], Any]) -> Value:
        """The same for a function of two arguments."""
        return self.update_and_get(lambda value: fn(value, x))

    def get_and_accumulate(self, x: Any, fn: Callable[[Value, Any], Any]) -> Value:
        """The same for a function of two arguments."""
        return self.get_and_update(lambda value: fn(value, x))


class ModelInt(_ModelNumber[int]):
    """An int with the methods and the limits of AtomicInt."""

    def __init__(self, value: int = 0) -> None:
        super().__init__(value)

    @staticmethod
    def _stored(argument: Any) -> int:
        return _in_range(argument)

    def get_and_or(self, mask: Any) -> int:
        """Set bits, and return what was there."""
        return self._combine(mask, operator.or_)

    def get_and_and(self, mask: Any) -> int:
        """Clear bits, and return what was there."""
        return self._combine(mask, operator.and_)

    def get_and_xor(self, mask: Any) -> int:
        """Flip bits, and return what was there."""
        return self._combine(mask, operator.xor)

    def in_place(self, symbol: str, operand: Any) -> None:
        """An in-place operator."""
        if symbol in ("/=", "@="):
            raise TypeError
        right = operator.index(operand)
        if self._surely_overflows(symbol, right):
            raise OverflowError
        result = PLAIN[symbol[:-1]](self._value, right)
        if not isinstance(result, int):
            raise TypeError
        self._value = _in_range(result)

    def _surely_overflows(self, symbol: str, right: int) -> bool:
        if symbol == "<<=":
            return right >= 64 and self._value != 0
        return symbol == "**=" and right >= 64 and self._value not in (0, 1, -1)


class ModelFloat(_ModelNumber[float]):
    """A float with the methods of AtomicFloat."""

    def __init__(self, value: float = 0.0) -> None:
        super().__init__(float(value))

    @staticmethod
    def _stored(argument: Any) -> float:
        if isinstance(argument, str | bytes | bytearray):
            raise TypeError
        return float(argument)

    @staticmethod
    def _matches(found: float, expected: float) -> bool:
        return found == expected or (math.isnan(found) and math.isnan(expected))

    @staticmethod
    def _greater(a: float, b: float) -> float:
        if math.isnan(a) or math.isnan(b):
            return b if math.isnan(a) else a
        return max(a, b, key=lambda x: (x, math.copysign(1, x)))

    @staticmethod
    def _smaller(a: float, b: float) -> float:
        return -ModelFloat._greater(-a, -b)

    def in_place(self, symbol: str, operand: Any) -> None:
        """An in-place operator."""
        if symbol != "/=" and symbol[:-1] not in ("+", "-", "*", "//", "%", "**"):
            raise TypeError
        plain = operator.truediv if symbol == "/=" else PLAIN[symbol[:-1]]
        result = plain(self._value, self._stored(operand))
        if not isinstance(result, float):
            raise TypeError
        self._value = result


PLAIN: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "<<": operator.lshift,
    ">>": operator.rshift,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
}
IN_PLACE: dict[str, Callable[[Any, Any], Any]] = {
    "+=": operator.iadd,
    "-=": operator.isub,
    "*=": operator.imul,
    "//=": operator.ifloordiv,
    "%=": operator.imod,
    "**=": operator.ipow,
    "<<=": operator.ilshift,
    ">>=": operator.irshift,
    "&=": operator.iand,
    "|=": operator.ior,
    "^=": operator.ixor,
    "/=": operator.itruediv,
    "@=": operator.imatmul,
}
