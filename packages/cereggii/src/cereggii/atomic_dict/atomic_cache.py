# SPDX-License-Identifier: Apache-2.0
"""A cache that fills itself."""

from __future__ import annotations

import contextlib
import math
import operator
import sys
import time
import weakref
from collections import deque
from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, ValuesView
from reprlib import recursive_repr
from typing import Any, Concatenate, NoReturn, ParamSpec, TypeVar, overload

from cereggii_atomicdict import NOT_FOUND, AtomicDict, ExpectationFailed
from cereggii_atomicdict._pydantic import mapping, schema_of

from cereggii._deadline import Seconds
from cereggii.atomic_dict import memoization
from cereggii.atomic_dict.memoization import MemoizedFunction

__all__ = ["AtomicCache", "MemoizedFunction"]

_K = TypeVar("_K")
_V = TypeVar("_V")
_T = TypeVar("_T")
_R = TypeVar("_R")
_P = ParamSpec("_P")


class _Entry:
    """A value of a cache that has limits."""

    __slots__ = ("__weakref__", "expires", "key", "used", "value")

    def __init__(self, key: Any, value: Any, expires: float | None) -> None:
        self.key = key
        self.value = value
        self.expires = expires
        self.used = False  # since it came, or was spared

    def has_expired(self) -> bool:
        return self.expires is not None and self.expires <= time.monotonic()


class _Entries(AtomicDict[Any, _Entry]):
    """The entries of a cache that has limits, and the order in which they go.

    As a dict of its own it is not slowed down by threads that count references to it.
    """

    __slots__ = ("maxsize", "queue", "ttl")

    def __init__(self, ttl: float | None, maxsize: int | None) -> None:
        super().__init__()
        self.ttl = ttl
        self.maxsize = maxsize
        # From the oldest on. Weak: an entry that is taken out of the dict is not kept alive here.
        # Each step of a deque is atomic.
        self.queue: deque[weakref.ref[_Entry]] = deque()

    def find(self, key: Any) -> _Entry | None:
        """What is in the cache and has not expired."""
        entry = self.get(key)
        return None if entry is None or entry.has_expired() else entry

    def fill(self, key: Any, function: Callable[[Any], Any]) -> Any:
        """The value of a key that has not been found, or has expired."""
        entry = self.get(key)
        if entry is not None and entry.has_expired():
            self.drop(entry)
        mine: _Entry | None = None

        def make_entry(key: Any) -> _Entry:
            nonlocal mine
            mine = self.make_entry(key, function(key))
            return mine

        entry = self.get_or_compute(key, make_entry)
        if entry is mine:
            self.admit(entry)
        return entry.value

    def make_entry(self, key: Any, value: Any, seconds: float | None = None) -> _Entry:
        if type(value) is type(NOT_FOUND):
            raise ValueError(f"{value!r} cannot be a value")
        seconds = self.ttl if seconds is None else seconds
        return _Entry(key, value, None if seconds is None else time.monotonic() + seconds)

    def live(self) -> list[_Entry]:
        return [entry for entry in self.values() if not entry.has_expired()]

    def drop(self, entry: _Entry) -> None:
        """Take an entry out, unless another one has its place."""
        with contextlib.suppress(ExpectationFailed):
            self.compare_and_delete(entry.key, entry)

    def admit(self, entry: _Entry) -> None:
        """Make room for an entry that is in the dict now."""
        if self.maxsize is None:
            return
        try:
            self.make_room(self.maxsize)
        finally:
            self.queue.append(weakref.ref(entry))
        # An exception that came at any time, as from a signal, may have kept others out of it.
        if 2 * len(self.queue) <= self.approx_len():
            self.queue.extendleft([weakref.ref(each) for each in self.values()])
        # Others may have found the queue without this one, and with none to go.
        self.make_room(self.maxsize)
        # Of those that are gone, no more are kept than there are others.
        if len(self.queue) > 2 * self.approx_len() + 8:
            for _ in range(len(self.queue)):
                try:
                    oldest = self.queue.popleft()
                except IndexError:
                    break
                if oldest() is not None:
                    self.queue.append(oldest)

    def make_room(self, maxsize: int) -> None:
        queue = self.queue
        spared = 0
        # `approx_len` is quick, but beside writers it may be too high: it may count an entry that
        # has come, and not the one that has gone. Then a value would be dropped for no reason.
        while self.approx_len() > maxsize and len(self) > maxsize:
            try:
                oldest = queue.popleft()
            except IndexError:  # others are about to put theirs in, and look again then
                break
            entry = oldest()
            if entry is None:
                continue
            # All of them may be in use: then the oldest goes after all.
            if entry.used and spared <= maxsize and not entry.has_expired():
                entry.used = False
                queue.append(oldest)
                spared += 1
                continue
            try:
                self.drop(entry)
            except BaseException:
                queue.append(oldest)  # its key cannot be compared now
                raise

    def copy(self) -> _Entries:
        copied = _Entries(self.ttl, self.maxsize)
        copied.__setstate__(self.__reduce__()[2])
        return copied

    def __reduce__(self) -> tuple[Any, ...]:
        now = time.monotonic()
        values = [
            (each.key, each.value, None if each.expires is None else each.expires - now)
            for each in self.live()
        ]
        return _Entries, (self.ttl, self.maxsize), values

    def __setstate__(self, values: Iterable[Any]) -> None:
        for key, value, seconds in values:
            self[key] = entry = self.make_entry(key, value, seconds)
            self.admit(entry)


class _NothingError(Exception):
    """There is no value, and none is to be computed."""


def _compute_nothing(_key: Any) -> NoReturn:
    raise _NothingError


class AtomicCache(AtomicDict[_K, _V]):
    """A cache that computes what is missing, once for each key.

    `AtomicCache(fill, ttl=None, maxsize=None)`. `cache[key]` is the value of the key; where there
    is none, it is what `fill(key)` returns: one thread calls it, and whoever else asks for the key
    meanwhile waits, and gets the same object. What `fill` raises goes to its caller and is not
    cached: one of those who wait tries next. RuntimeError if a `fill` would wait for itself, also
    by way of other keys and threads.

    A value lives for `ttl` seconds, a number from 0 on, from when it was computed; what has expired
    is removed when its key is asked for. There are at most `maxsize` values, a positive int, and
    one more for each `fill` that is about to return. For one too many the oldest goes; but one that
    was used since it came, or was spared, is spared and counts as new (the second-chance algorithm,
    also called CLOCK). None stands for no limit.

    `in`, `len`, iteration, `get`, `keys`, `values`, `items` and `snapshot` show what is in the
    cache, and compute nothing. It is an AtomicDict that only `fill` writes to: what else would
    store or remove a value, but for `invalidate` and `clear`, raises NotImplementedError.

    A hit without limits is a lookup in an AtomicDict, and as any hit it is lock-free. Waiting is
    detached from the interpreter, and ends for signals. After `functools.cache`, and Caffeine.
    """

    __slots__ = ("__dict__", "_entries", "_fill")
    _refuses_handles = True  # a handle would not know of `fill`, nor of limits

    def __init__(
        self, fill: Callable[[_K], _V], ttl: float | None = None, maxsize: int | None = None
    ) -> None:
        if not callable(fill):
            raise TypeError(f"fill must be callable, not {fill!r}")
        ttl = None if ttl is None else _seconds(ttl)
        maxsize = None if maxsize is None else _positive_int(maxsize)
        super().__init__()
        self._fill = fill
        # With limits, the values are in there, and none is in the dict itself.
        self._entries = None if ttl is None and maxsize is None else _Entries(ttl, maxsize)

    def __missing__(self, key: _K) -> _V:
        entries = self._entries
        if entries is None:
            return AtomicDict.get_or_compute(self, key, self._fill)
        entry = entries.get(key)
        # As `has_expired`; a call would take longer than all the rest.
        if entry is None or (
            (expires := entry.expires) is not None and expires <= time.monotonic()
        ):
            return entries.fill(key, self._fill)  # type: ignore[no-any-return]
        if not entry.used:
            entry.used = True
        return entry.value  # type: ignore[no-any-return]

    def invalidate(self, key: _K, timeout: Seconds | None = None) -> None:
        """Remove the value of the key: who asks for it afterwards gets a new one.

        If it is just being computed, wait until it has been, since it may be of before:
        TimeoutError after `timeout` seconds, from 0 to `threading.TIMEOUT_MAX`; None and inf stand
        for no limit. RuntimeError in the `fill` of the same key.
        """
        entries = self._entries
        try:
            if entries is None:
                AtomicDict.get_or_compute(self, key, _compute_nothing, timeout)
                AtomicDict.pop(self, key, None)
            else:
                entries.drop(entries.get_or_compute(key, _compute_nothing, timeout))
        except _NothingError:
            pass

    def clear(self) -> None:
        """Remove all values. What is just being computed is not among them."""
        if self._entries is None:
            AtomicDict.clear(self)
        else:
            for entry in self._entries.values():
                self._entries.drop(entry)

    # ── what is there ──────────────────────────────────────────────────────────────────────────

    def __contains__(self, key: object) -> bool:
        """Whether the key has a value. Computes nothing, and never blocks."""
        if self._entries is None:
            return AtomicDict.__contains__(self, key)
        return self._entries.find(key) is not None

    @overload
    def get(self, key: _K, default: None = None) -> _V | None: ...
    @overload
    def get(self, key: _K, default: _V) -> _V: ...
    @overload
    def get(self, key: _K, default: _T) -> _V | _T: ...
    def get(self, key: _K, default: Any = None) -> Any:
        """The value of the key, or `default`. Computes nothing, and never blocks."""
        if self._entries is None:
            return AtomicDict.get(self, key, default)
        entry = self._entries.find(key)
        return default if entry is None else entry.value

    def snapshot(self) -> dict[_K, _V]:
        """A dict of the values that there are; with limits, as of no single instant."""
        if self._entries is None:
            return AtomicDict.snapshot(self)
        return {entry.key: entry.value for entry in self._entries.live()}

    def __len__(self) -> int:
        return AtomicDict.__len__(self) if self._entries is None else len(self._entries.live())

    def __iter__(self) -> Iterator[_K]:
        return AtomicDict.__iter__(self) if self._entries is None else iter(self.snapshot())

    def keys(self) -> KeysView[_K]:
        """The keys of a snapshot."""
        return self.snapshot().keys()

    def values(self) -> ValuesView[_V]:
        """The values of a snapshot."""
        return self.snapshot().values()

    def items(self) -> ItemsView[_K, _V]:
        """The items of a snapshot."""
        return self.snapshot().items()

    def __bool__(self) -> bool:
        """A cache is true, as an object is, also if it is empty."""
        return True

    def approx_len(self) -> int:
        """About how many values there are, with limits also of such that have expired."""
        if self._entries is None:
            return AtomicDict.approx_len(self)
        return self._entries.approx_len()

    def len_bounds(self) -> tuple[int, int]:
        """The same number twice; as that of AtomicDict, for cereggii 1.x."""
        length = len(self)
        return length, length

    def __sizeof__(self) -> int:
        """The memory of the cache in bytes, with limits also of its entries."""
        size = AtomicDict.__sizeof__(self)
        entries = self._entries
        if entries is None:
            return size
        places = sys.getsizeof(entries.queue) + len(entries.queue) * weakref.ref.__basicsize__
        return size + sys.getsizeof(entries) + places + sum(map(sys.getsizeof, entries.values()))

    # Caches are told apart by identity.
    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    __hash__ = object.__hash__  # type: ignore[assignment]

    @recursive_repr()
    def __repr__(self) -> str:
        entries = self._entries
        shown = "" if entries is None else f", ttl={entries.ttl!r}, maxsize={entries.maxsize!r}"
        return f"<{type(self).__name__}({self._fill!r}{shown}): {len(self)} values>"

    def __reduce_ex__(self, protocol: Any, /) -> tuple[Any, ...]:
        reduced = AtomicDict.__reduce_ex__(self, protocol)
        if self._entries is not None:
            # The copy's own, in the slots of its state.
            reduced[2][-1][1]["_entries"] = self._entries.copy()
        return reduced

    @classmethod
    def fromkeys(cls, iterable: Any, value: Any = None) -> NoReturn:
        """Not for caches: raises NotImplementedError."""
        raise NotImplementedError(f"{cls.__name__}.fromkeys: only the cache itself stores values")

    __get_pydantic_core_schema__ = schema_of(mapping, lambda x: x.snapshot(), make=None)

    # ── memoization ────────────────────────────────────────────────────────────────────────────

    MemoizedFunction = memoization.MemoizedFunction

    @overload
    @classmethod
    def memoize(
        cls, function: Callable[Concatenate[type[_T], _P], _R], /
    ) -> memoization.MemoizedClassFunction[_T, _P, _R]: ...
    @overload
    @classmethod
    def memoize(cls, function: Callable[_P, _R], /) -> memoization.MemoizedFunction[_P, _R]: ...
    @overload
    @classmethod
    def memoize(
        cls, ttl: float | None = None, maxsize: int | None = None
    ) -> memoization.Memoizer: ...
    @classmethod
    def memoize(cls, *args: Any, **kwargs: Any) -> Any:
        """Decorator: the function's results are cached, by its arguments, which must be hashable.

        `@AtomicCache.memoize(ttl=None, maxsize=None)`, or without parentheses. The function has
        `invalidate(*args, **kwargs)`, which forgets one result, and `clear()`. Arguments that are
        given by position and by name are different ones. Of a method, one cache has the results
        of all instances, which it keeps alive.

        A class method or static method is memoized under that decorator:
        `@classmethod @AtomicCache.memoize`. What `C.method.invalidate(…)` forgets is the result of
        `C`; on Python 3.13 and later, the results of all classes that have the method.
        """
        if len(args) == 1 and not kwargs and callable(args[0]):
            return memoization.MemoizedFunction(cls, args[0])

        def decorator(function: Callable[..., Any]) -> Any:
            return memoization.MemoizedFunction(cls, function, *args, **kwargs)

        return decorator


def _refuse(name: str) -> Any:
    def refused(self: Any, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise NotImplementedError(
            f"{type(self).__name__}.{name}: only the cache itself stores values, so that each is "
            "computed once; see invalidate() and clear(), or use an AtomicDict"
        )

    refused.__name__ = name
    refused.__qualname__ = f"AtomicCache.{name}"
    refused.__doc__ = "Not for caches: raises NotImplementedError."
    return refused


# fmt: off
for _name in (
    "__delitem__", "__ior__", "__or__", "__ror__", "__setitem__", "batch_getitem",
    "compare_and_delete", "compare_and_exchange", "compare_and_set", "compute", "copy", "fast_iter",
    "get_and_set", "get_handle", "get_or_compute", "merge", "pop", "popitem", "reduce",
    "reduce_and", "reduce_count", "reduce_list", "reduce_max", "reduce_min", "reduce_or",
    "reduce_sum", "remove_if", "reserve", "setdefault", "update",
):
    setattr(AtomicCache, _name, _refuse(_name))
# fmt: on


def _seconds(ttl: Any) -> float:
    try:
        seconds = math.fsum((ttl,))  # float() would also take a str
    except TypeError:
        raise TypeError(f"ttl must be a number of seconds, not {ttl!r}") from None
    if not seconds >= 0:
        raise ValueError(f"ttl must be a number of seconds from 0 on, not {ttl!r}")
    return seconds


def _positive_int(maxsize: Any) -> int:
    try:
        number = operator.index(maxsize)
    except TypeError:
        raise TypeError(f"maxsize must be an int, not {maxsize!r}") from None
    if number < 1:
        raise ValueError(f"maxsize must be 1 or more, not {maxsize!r}")
    return number
