# SPDX-License-Identifier: Apache-2.0
"""A property that is computed once for each instance."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from typing import Any, Generic, NoReturn, TypeVar, overload

from cereggii_atomicdict import AtomicDict, ExpectationFailed

from cereggii._deadline import Seconds, to_seconds
from cereggii._once import PENDING, Outcome, is_kind
from cereggii._shared_error import drop_frame, raise_error

__all__ = ["once_property"]

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)


class once_property(Generic[_T_co]):  # noqa: N801 - it is used like `property`
    """A `functools.cached_property` that is computed once, no matter how many threads ask.

        class Report:
            @once_property
            def total(self): return add_up(self.rows)    # report.total: once for each report

    **Values.** The first thread that asks is the leader: it calls the function, and other threads
    wait for it. The value is stored in the `__dict__` of the instance under the name of the
    property, so later reads are those of an attribute. Nothing else is kept: no lock, and no
    reference to the instance, which need not be hashable. An instance may be copied and pickled at
    any time. The copy has the value if it is computed by then.

    **Like `cached_property`.** `del report.total` makes the next read compute the value again.
    `report.total = 5` stores a value, which also wins over a computation that is running. The class
    attribute is the property itself.

    **Slots.** `@once_property(slot="_total")` is for classes with `__slots__` and no `__dict__`.
    The value is stored in that slot, which the class has to list and nothing else may set. Each
    read is then a call. `del report._total` makes the next read compute the value again.

    **Subclasses.** If a subclass overrides the property, `super().total` calls the function of the
    base class and stores nothing: the name belongs to the value of the subclass.

    **Errors.** If the function raises, its caller gets the exception, nothing is stored, and one of
    the waiters calls the function next. TimeoutError after a wait of `@once_property(timeout=…)`
    seconds: from 0 to `threading.TIMEOUT_MAX`; None and inf mean no limit. RuntimeError if the
    function would wait for its own value, even through other properties and threads. TypeError if
    the instance has no `__dict__`, if one property gets two names, or if the function is a
    coroutine function or a generator function.

    Reading, setting and deleting are linearizable. A read of a stored value is wait-free. A wait is
    detached from the interpreter, and ends for signals. After `functools.cached_property`.
    """

    attrname: str | None
    func: Callable[[Any], _T_co]
    _name: str
    _slot: str | None
    _seconds: float
    _label: str
    # The running computations by the id of the instance. Their threads keep the instance alive.
    _computations: AtomicDict[int, _Computation]

    @overload
    def __new__(
        cls, func: Callable[[Any], _T], *, slot: str | None = None, timeout: Seconds | None = None
    ) -> once_property[_T]: ...
    @overload
    def __new__(
        cls, func: None = None, *, slot: str | None = None, timeout: Seconds | None = None
    ) -> _Options: ...
    def __new__(
        cls,
        func: Callable[[Any], Any] | None = None,
        *,
        slot: str | None = None,
        timeout: Seconds | None = None,
    ) -> once_property[Any]:
        """Make a property of a function, or a decorator that does."""
        if slot is not None and not isinstance(slot, str):
            raise TypeError(f"slot must be the name of a slot, not {slot!r}")
        seconds = to_seconds(timeout)
        if func is None:
            return _Options._make(cls, slot, timeout)
        _check(func)
        self = super().__new__(cls)
        self.func = func
        self.__doc__ = func.__doc__
        self.__module__ = getattr(func, "__module__", None) or cls.__module__
        self.attrname = None
        self._slot = slot
        self._seconds = seconds
        self._computations = AtomicDict()
        return self

    def __set_name__(self, owner: type, name: str) -> None:
        if self.attrname is None:
            self.attrname = self._name = name
            self._label = f"{owner.__qualname__}.{name}"
        elif name != self.attrname:
            raise TypeError(
                "Cannot assign the same once_property to two different names "
                f"({self.attrname!r} and {name!r})."
            )
        if self._slot is not None:
            self._slot_of(owner)

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> once_property[_T_co]: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> _T_co: ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        # Only called while the value is not in the `__dict__` of the instance.
        if instance is None:
            return self
        if self.attrname is None:
            raise TypeError("Cannot use once_property instance without calling __set_name__ on it.")
        if self._is_overridden(type(instance)):
            return self.func(instance)
        while (value := self._stored(instance)) is PENDING:
            value = self._compute(instance)
            if value is not PENDING:
                break
        return value

    def _compute(self, instance: object) -> Any:
        """Compute the value, or wait until another thread has done so.

        PENDING if it has failed, or if the value may have been deleted before this call began.
        """
        key = id(instance)
        computation = self._computations.setdefault(key, _Computation())
        began_before_the_end = computation.is_running
        mine = _Attempt(self, instance, computation)
        has_ended = False
        try:
            outcome = computation.outcomes.get_or_compute(self._label, mine.lead, self._seconds)
            has_ended = True
        finally:
            # Waiters do this, too: the leader may not have come to it yet. No function of ours is
            # called, since a signal handler could raise when it is entered.
            if has_ended or mine.leads:
                try:  # noqa: SIM105
                    self._computations.compare_and_delete(key, computation)
                except (ExpectationFailed, KeyError):
                    pass
        if mine.error is not None:
            mine.raise_error()
        if outcome is not None and (mine.leads or began_before_the_end):
            return outcome.result
        return PENDING

    def _is_overridden(self, cls: type) -> bool:
        name = self._name
        found = (vars(each)[name] for each in cls.__mro__ if name in vars(each))
        return next(found, self) is not self

    # ── where values are stored ────────────────────────────────────────────────────────────────

    def _slot_of(self, cls: type) -> types.MemberDescriptorType:
        slot = inspect.getattr_static(cls, self._slot or "", None)
        if not isinstance(slot, types.MemberDescriptorType):
            raise TypeError(f"{cls.__qualname__!r} has no slot {self._slot!r}")
        return slot

    def _dict_of(self, instance: object) -> dict[str, Any]:
        values = getattr(instance, "__dict__", None)
        if not isinstance(values, dict):
            raise TypeError(
                f"No '__dict__' attribute on {type(instance).__name__!r} instance to cache "
                f"{self.attrname!r} property. Name a slot for it: @once_property(slot=...)"
            )
        return values

    def _stored(self, instance: object) -> Any:
        if self._slot is None:
            return self._dict_of(instance).get(self._name, PENDING)
        try:
            return self._slot_of(type(instance)).__get__(instance)
        except AttributeError:
            return PENDING

    def _store(self, instance: object, value: Any) -> Any:
        """Store a value, unless there is one; the one that is stored."""
        if self._slot is None:
            return self._dict_of(instance).setdefault(self._name, value)
        self._slot_of(type(instance)).__set__(instance, value)
        return value


class _Options(once_property[Any]):
    """The decorator that `once_property` makes if it gets no function."""

    _kind: Any
    _options: dict[str, Any]

    @classmethod
    def _make(cls, kind: type, slot: str | None, timeout: Seconds | None) -> _Options:
        # An instance of `kind`, which may be derived from `once_property`.
        bases = (cls,) if issubclass(cls, kind) else (cls, kind)
        names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
        made: _Options = object.__new__(type(kind.__name__, bases, names))
        made._kind = kind
        made._options = {"slot": slot, "timeout": timeout}
        return made

    def __call__(self, func: Callable[[Any], _T]) -> once_property[_T]:
        made: once_property[_T] = self._kind(func, **self._options)
        return made


class _Computation:
    """One computation of the value of one instance. It has one leader.

    `is_running` is set while the leader calls the function. Before that, the leader looks for a
    value that another computation has stored. After that, it stores its own value, which may be
    deleted again at once: a thread that comes after the deletion must not get it.
    """

    __slots__ = ("is_running", "outcomes")

    def __init__(self) -> None:
        self.is_running = False
        self.outcomes: AtomicDict[str, Outcome | None] = AtomicDict()  # None: it has failed


class _Attempt:
    """The attempt of one thread to get a value."""

    __slots__ = ("_computation", "_instance", "_property", "error", "leads")

    def __init__(
        self, prop: once_property[Any], instance: object, computation: _Computation
    ) -> None:
        self._property = prop
        self._instance = instance
        self._computation = computation
        self.leads = False
        self.error: BaseException | None = None

    def lead(self, _label: str) -> Outcome | None:
        self.leads = True
        try:
            value = self._property._stored(self._instance)
            if value is PENDING:
                self._computation.is_running = True
                value = self._property.func(self._instance)
                self._computation.is_running = False
                value = self._property._store(self._instance, value)
            return Outcome(value)
        except BaseException as error:
            self._computation.is_running = False
            self.error = error
            return None

    def raise_error(self) -> NoReturn:
        error, self.error = self.error, None
        assert error is not None
        try:
            drop_frame(error)
            raise_error(error)
        finally:
            del error


def _check(func: Any) -> None:
    if not callable(func):
        raise TypeError(f"func must be callable, not {func!r}")
    for kind in (
        inspect.iscoroutinefunction,
        inspect.isgeneratorfunction,
        inspect.isasyncgenfunction,
    ):
        if is_kind(func, kind):
            raise TypeError(
                f"func must return a value, and not be a coroutine or generator function: {func!r}"
            )
