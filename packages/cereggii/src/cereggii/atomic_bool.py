# SPDX-License-Identifier: Apache-2.0
"""A flag that threads share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cereggii_atomicdict import ExpectationFailed
from cereggii_atomicref import AtomicRef, AtomicRefHandle

__all__ = ["AtomicBool", "AtomicBoolHandle"]


def _check(name: str, value: object) -> Any:
    if type(value) is not bool:
        raise TypeError(f"{name} must be a bool, not {value!r}")
    return value


def _checked(fn: Callable[..., bool]) -> Callable[..., Any]:
    """The function, with a check of what it returns."""
    if not callable(fn):
        raise TypeError(f"fn must be callable, not {fn!r}")
    return lambda *arguments: _check("the result of fn", fn(*arguments))


_missing: Any = object()


def _strict(cls: Any) -> Any:
    """Gives a class the writing methods of its base, with a check that what is stored is a bool."""
    base = cls.__base__

    def set(self: Any, updated: Any = _missing, *, desired: Any = _missing) -> None:  # noqa: A001
        base.set(self, _updated("set", updated, desired))

    def get_and_set(self: Any, updated: Any = _missing, *, desired: Any = _missing) -> bool:
        return base.get_and_set(self, _updated("get_and_set", updated, desired))  # type: ignore[no-any-return]

    def compare_and_set(
        self: Any, expected: bool, updated: Any = _missing, *, desired: Any = _missing
    ) -> bool:
        _check("expected", expected)
        updated = _updated("compare_and_set", updated, desired)
        return base.compare_and_set(self, expected, updated)  # type: ignore[no-any-return]

    def compare_and_exchange(
        self: Any, expected: bool, updated: Any = _missing, *, desired: Any = _missing
    ) -> bool:
        _check("expected", expected)
        updated = _updated("compare_and_exchange", updated, desired)
        return base.compare_and_exchange(self, expected, updated)  # type: ignore[no-any-return]

    def update_and_get(self: Any, fn: Any) -> bool:
        return base.update_and_get(self, _checked(fn))  # type: ignore[no-any-return]

    def get_and_update(self: Any, fn: Any) -> bool:
        return base.get_and_update(self, _checked(fn))  # type: ignore[no-any-return]

    def accumulate_and_get(self: Any, x: Any, fn: Any) -> bool:
        return base.accumulate_and_get(self, x, _checked(fn))  # type: ignore[no-any-return]

    def get_and_accumulate(self: Any, x: Any, fn: Any) -> bool:
        return base.get_and_accumulate(self, x, _checked(fn))  # type: ignore[no-any-return]

    for method in (
        set,
        get_and_set,
        compare_and_set,
        compare_and_exchange,
        update_and_get,
        get_and_update,
        accumulate_and_get,
        get_and_accumulate,
    ):
        method.__qualname__ = f"{cls.__qualname__}.{method.__name__}"
        method.__doc__ = (
            f"As `{base.__name__}.{method.__name__}`; TypeError for what is not a bool."
        )
        setattr(cls, method.__name__, method)
    return cls


def _updated(method: str, updated: Any, desired: Any) -> Any:
    if (updated is _missing) is (desired is _missing):
        problem = "missing required argument" if updated is _missing else "multiple values for"
        raise TypeError(f"{method}() {problem} 'updated'")
    return _check("updated", desired if updated is _missing else updated)


@_strict
class AtomicBool(AtomicRef[bool]):
    """A bool that threads share: an AtomicRef that holds nothing else.

    `AtomicBool(initial_value=False, *, immortal=False)`. The members are those of AtomicRef, with
    its guarantees: each is one linearizable step, and lock-free. What is to be stored or expected
    has to be True or False itself: anything else is a TypeError, and nothing is changed. A flag is
    true if its value is.
    """

    __slots__ = ()

    def __init__(self, initial_value: bool = False, *, immortal: bool = False) -> None:
        super().__init__(_check("initial_value", initial_value), immortal=immortal)

    def __bool__(self) -> bool:
        return self.get()

    def set_or_raise(self) -> None:
        """Change False to True; ExpectationFailed if it is True already. Linearizable."""
        if not AtomicRef.compare_and_set(self, False, True):
            raise ExpectationFailed("already set to True")

    def reset_or_raise(self) -> None:
        """Change True to False; ExpectationFailed if it is False already. Linearizable."""
        if not AtomicRef.compare_and_set(self, True, False):
            raise ExpectationFailed("already set to False")

    def get_handle(self) -> AtomicBoolHandle:
        """One thread's own reference to this flag, with the same members."""
        return AtomicBoolHandle(self)


@_strict
class AtomicBoolHandle(AtomicRefHandle[bool]):
    """One thread's own reference to an AtomicBool: the same members, without contention for it.

    `AtomicBoolHandle(target)`, of an AtomicBool or of another handle of one.
    """

    __slots__ = ()

    def __init__(self, target: AtomicBool | AtomicBoolHandle) -> None:
        if not isinstance(target, (AtomicBool, AtomicBoolHandle)):
            raise TypeError(f"target must be an AtomicBool, not {target!r}")
        super().__init__(target)

    def __bool__(self) -> bool:
        return self.get()

    def set_or_raise(self) -> None:
        """Change False to True; ExpectationFailed if it is True already. Linearizable."""
        if not AtomicRefHandle.compare_and_set(self, False, True):
            raise ExpectationFailed("already set to True")

    def reset_or_raise(self) -> None:
        """Change True to False; ExpectationFailed if it is False already. Linearizable."""
        if not AtomicRefHandle.compare_and_set(self, True, False):
            raise ExpectationFailed("already set to False")

    def get_handle(self) -> AtomicBoolHandle:
        """Another handle of the same flag."""
        return AtomicBoolHandle(self)
