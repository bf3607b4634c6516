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
        self.used = False  # whether it was used since it came, or since it was spared

    def has_expired(self) -> bool:
        return self.expires is not None and self.expires <= time.monotonic()


class _Entries(AtomicDict[Any, _Entry]):
    """The entries of a cache that has limits, and the order in which they are evicted.

    It is a separate dict, so that threads do not contend for its reference count.
    """

    __slots__ = ("maxsize", "queue", "ttl")

    def __init__(self, ttl: float | None, maxsize: int | None) -> None:
        super().__init__()
        self.ttl = ttl
        self.maxsize = maxsize
        # From the oldest on. The references are weak: the queue does not keep an entry alive that
        # is taken out of the dict. Each step of a deque is atomic.
        self.queue: deque[weakref.ref[_Entry]] = deque()

    def find(self, key: Any) -> _Entry | None:
        """The entry of a key, unless it has expired; None if there is none."""
        entry = self.get(key)
        return None if entry is None or entry.has_expired() else entry

    def fill(self, key: Any, function: Callable[[Any], Any]) -> Any:
        """Compute the value of a key that has not been found, or has expired."""
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
        # An exception at any moment, as of a signal handler, may have kept others out of the queue.
        if 2 * len(self.queue) <= self.approx_len():
            self.queue.extendleft([weakref.ref(each) for each in self.values()])
        # Other threads may have found the queue without this entry, and with none to evict.
        self.make_room(self.maxsize)
        # References to dropped entries are at most as many as the others.
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
        # has come, but not that another has gone. A value would then be dropped for no reason.
        while self.approx_len() > maxsize and len(self) > maxsize:
            try:
                oldest = queue.popleft()
            except IndexError:  # other threads are about to append theirs, and then look again
                break
            entry = oldest()
            if entry is None:
                continue
            # If all of them are in use, the oldest is evicted after all.
            if entry.used and spared <= maxsize and not entry.has_expired():
                entry.used = False
                queue.append(oldest)
                spared += 1
                continue
            try:
                self.drop(entry)
            except BaseException:
                queue.append(oldest)  # a comparison of its key has failed
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
    """Raised if there is no value and none has to be computed."""


def _compute_nothing(_key: Any) -> NoReturn:
    raise _NothingError


class AtomicCache(AtomicDict[_K, _V]):
    """A cache that computes missing values, once for each key.

        pages = AtomicCache(download, ttl=60.0, maxsize=1000)
        pages[url]          # calls download(url) if there is no value, or only an expired one

    **Values.** `AtomicCache(fill, ttl=None, maxsize=None)`. `cache[key]` is the value of the key.
    If there is none, one thread computes it with `fill(key)`. Other threads that ask for the key
    meanwhile wait, and get the same object.

    **Limits.** A value expires `ttl` seconds after it was computed: a number from 0 on. An expired
    value is removed when its key is asked for. There are at most `maxsize` values, a positive int,
    and one more for each `fill` that is about to return. If there is one too many, the oldest value
    is evicted. But a value that was used since it came, or since it was last spared, is spared and
    counts as new (the second-chance algorithm, also called CLOCK). None means no limit.

    **Reading.** `in`, `len`, iteration, `get`, `keys`, `values`, `items` and `snapshot` show the
    values in the cache, and compute nothing. The cache is an AtomicDict to which only `fill`
    writes. Except `invalidate` and `clear`, all methods that would store or remove a value raise
    NotImplementedError.

    **Errors.** An exception of `fill` goes to its caller and is not cached: one of the waiters
    tries next. RuntimeError if a `fill` would wait for itself, even through other keys and threads.
    TypeError or ValueError for a wrong `fill`, `ttl` or `maxsize`.

    A hit is lock-free; without limits it is one lookup in an AtomicDict. A wait is detached from
    the interpreter, and ends for signals. After `functools.cache`, and Caffeine.
    """

    __slots__ = ("__dict__", "_entries", "_fill")
    _refuses_handles = True  # a handle would know neither `fill` nor the limits

    def __init__(
        self, fill: Callable[[_K], _V], ttl: float | None = None, maxsize: int | None = None
    ) -> None:
        if not callable(fill):
            raise TypeError(f"fill must be callable, not {fill!r}")
        ttl = None if ttl is None else _seconds(ttl)
        maxsize = None if maxsize is None else _positive_int(maxsize)
        super().__init__()
        self._fill = fill
        # With limits, `_entries` holds the values, and the dict itself is empty.
        self._entries = None if ttl is None and maxsize is None else _Entries(ttl, maxsize)

    def __missing__(self, key: _K) -> _V:
        entries = self._entries
        if entries is None:
            return AtomicDict.get_or_compute(self, key, self._fill)
        entry = entries.get(key)
        # The same as `has_expired`: a call would take longer than all the rest.
        if entry is None or (
            (expires := entry.expires) is not None and expires <= time.monotonic()
        ):
            return entries.fill(key, self._fill)  # type: ignore[no-any-return]
        if not entry.used:
            entry.used = True
        return entry.value  # type: ignore[no-any-return]

    def invalidate(self, key: _K, timeout: Seconds | None = None) -> None:
        """Remove the value of the key. A later read computes a new one.

        If the value is being computed, wait until that has ended and remove it, since it may depend
        on old data. TimeoutError after `timeout` seconds, a number from 0 to
        `threading.TIMEOUT_MAX`; None and inf mean no limit. RuntimeError in the `fill` of the same
        key. The wait is detached from the interpreter, and ends for signals.
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
        """Remove all values. Values that are being computed are not removed."""
        if self._entries is None:
            AtomicDict.clear(self)
        else:
            for entry in self._entries.values():
                self._entries.drop(entry)

    # ── reading ────────────────────────────────────────────────────────────────────────────────

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
        """A dict of the values: as of one instant without limits, and weak with limits."""
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
        """A cache is true like any object, even if it is empty."""
        return True

    def approx_len(self) -> int:
        """About how many values there are, including expired ones. Weak."""
        if self._entries is None:
            return AtomicDict.approx_len(self)
        return self._entries.approx_len()

    def len_bounds(self) -> tuple[int, int]:
        """The number of values, twice. Deprecated: for cereggii 1.x, like that of AtomicDict."""
        length = len(self)
        return length, length

    def __sizeof__(self) -> int:
        """The memory of the cache in bytes, including its entries if it has limits."""
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
            # The copy gets its own entries, among the slots of its state.
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
        """Decorator: caches a function's results by its arguments, which must be hashable.

            @AtomicCache.memoize(ttl=60.0)      # or @AtomicCache.memoize
            def download(url): ...              # download.invalidate(url) forgets a result

        `ttl` and `maxsize` are those of AtomicCache. The function has `clear()`, and
        `invalidate(*args, **kwargs)`, which forgets one result. An argument by position differs
        from the same argument by name. One cache has the results of a method for all instances, and
        keeps the instances alive.

        A class method or static method is memoized under that decorator:
        `@classmethod @AtomicCache.memoize`. `C.method.invalidate(…)` forgets the result of `C`; on
        Python 3.13 and later, it forgets the results of all classes that have the method.
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
