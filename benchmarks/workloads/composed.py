# SPDX-License-Identifier: Apache-2.0
"""The types that the meta-package builds of the atomic types, against those of cereggii 1.x.

Both are called `cereggii`, each in its own environment. Builtin is what the standard library has:
`threading.Event`, `functools.cache`, `collections.Counter` with a lock.
"""

from __future__ import annotations

import functools
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from pkgutil import resolve_name
from typing import Any

from harness.registry import BUILTIN, CEREGGII, OURS, Setup, workload
from workloads.dicts import FEW, filled, int_key

BATCH = 1000


def few_keys(_shared: Any, work: range) -> list[int]:
    """A plan: a few keys at random, others in each thread."""
    chance = random.Random(work.start)
    return [int_key(chance.randrange(FEW)) for _ in work]


def made(name: str, *arguments: Any) -> Setup:
    """A setup: an object of this class."""
    return lambda _work: resolve_name(f"cereggii:{name}")(*arguments)


def both(make: Callable[[], Setup]) -> dict[Any, Setup]:
    """The same setup for both packages with the name `cereggii`."""
    return {OURS: make(), CEREGGII: make()}


# ── flags and events ────────────────────────────────────────────────────────────────────────────


@workload("AtomicBool.get()", both(lambda: made("AtomicBool", True)))
def bool_get(flag: Any, work: range) -> None:
    """Threads only read."""
    for _ in work:
        flag.get()


@workload("AtomicRef.get() of a bool", both(lambda: made("AtomicRef", True)))
def ref_get(ref: Any, work: range) -> None:
    """To compare with AtomicBool.get(), which should cost the same."""
    for _ in work:
        ref.get()


@workload("AtomicBool.set()", both(lambda: made("AtomicBool", True)))
def bool_set(flag: Any, work: range) -> None:
    """The argument is checked to be a bool."""
    for _ in work:
        flag.set(True)


def builtin_event(_work: range) -> threading.Event:
    """An event with a lock."""
    return threading.Event()


@workload("AtomicEvent.is_set()", both(lambda: made("AtomicEvent")) | {BUILTIN: builtin_event})
def is_set(event: Any, work: range) -> None:
    """A look at the flag, as in a loop that ends when it is set."""
    for _ in work:
        event.is_set()


def event_that_is_set(path: str) -> Setup:
    """A setup: an event, set."""

    def setup(_work: range) -> Any:
        event = resolve_name(path)()
        event.set()
        return event

    return setup


SET = both(lambda: event_that_is_set("cereggii:AtomicEvent"))


@workload("AtomicEvent.wait(), set", SET | {BUILTIN: event_that_is_set("threading:Event")})
def wait(event: Any, work: range) -> None:
    """There is nothing to wait for."""
    for _ in work:
        event.wait()


def latch(work: range) -> Any:
    """A latch that is not opened by two threads, nor by eight."""
    return resolve_name("cereggii:CountDownLatch")(10 * len(work))


@workload("CountDownLatch.decrement()", {OURS: latch, CEREGGII: latch})
def decrement(latch: Any, work: range) -> None:
    """Each call subtracts one."""
    for _ in work:
        latch.decrement()


# ── once ────────────────────────────────────────────────────────────────────────────────────────


def once(_work: range) -> Callable[[], Any]:
    """A function that has been called."""
    function: Callable[[], Any] = resolve_name("cereggii:call_once")(lambda: object())
    function()
    return function


@workload("call_once, called", {OURS: once, CEREGGII: once})
def called(function: Any, work: range) -> None:
    """The result is there."""
    for _ in work:
        function()


# ── caches ──────────────────────────────────────────────────────────────────────────────────────


def cache(**limits: Any) -> Setup:
    """A setup: a cache that is filled with a few keys."""

    def setup(_work: range) -> Any:
        filled_cache = resolve_name("cereggii:AtomicCache")(lambda key: object(), **limits)
        for number in range(FEW):
            _ = filled_cache[int_key(number)]
        return filled_cache

    return setup


def few(path: str) -> Setup:
    """A setup: the dict that a cache is compared with."""
    return filled(path, entries=FEW, per_operation=1)


@workload("AtomicCache, hit", both(cache), plan=few_keys)
def hit(cache: Any, keys: Iterable[int]) -> None:
    """One of 64 keys."""
    for key in keys:
        _value = cache[key]


@workload("AtomicDict lookup, the same", both(lambda: few("cereggii:AtomicDict")), plan=few_keys)
def same_lookup(d: Any, keys: Iterable[int]) -> None:
    """To compare with a hit."""
    for key in keys:
        _value = d[key]


@workload("AtomicCache with a ttl, hit", both(lambda: cache(ttl=3600.0)), plan=few_keys)
def hit_ttl(cache: Any, keys: Iterable[int]) -> None:
    """Each hit looks at the clock."""
    for key in keys:
        _value = cache[key]


@workload("AtomicCache with a maxsize, hit", {OURS: cache(maxsize=1000)}, plan=few_keys)
def hit_maxsize(cache: Any, keys: Iterable[int]) -> None:
    """Only our cache has a maximal size."""
    for key in keys:
        _value = cache[key]


def memoized(_work: range) -> Any:
    """A memoized function, filled with a few keys."""
    function = resolve_name("cereggii:AtomicCache").memoize()(lambda number: object())
    for number in range(FEW):
        function(int_key(number))
    return function


def builtin_memoized(_work: range) -> Any:
    """Two threads may compute the same key."""
    return functools.cache(lambda number: object())


MEMOIZED = {OURS: memoized, CEREGGII: memoized, BUILTIN: builtin_memoized}


@workload("memoized function, hit", MEMOIZED, plan=few_keys)
def memoized_hit(function: Any, keys: Iterable[int]) -> None:
    """The function has one argument."""
    for key in keys:
        function(key)


# ── locks ───────────────────────────────────────────────────────────────────────────────────────


def lock(_work: range) -> Any:
    """A readers-writer lock."""
    return resolve_name("cereggii.locks:ReadersWriterLock")()


@workload("with lock.reader()", {OURS: lock, CEREGGII: lock}, operations=100_000)
def read(lock: Any, work: range) -> None:
    """Readers only."""
    for _ in work:
        with lock.reader():
            pass


@workload("with lock.writer()", {OURS: lock, CEREGGII: lock}, operations=20_000)
def write(lock: Any, work: range) -> None:
    """Writers only, one at a time."""
    for _ in work:
        with lock.writer():
            pass


# ── counting ────────────────────────────────────────────────────────────────────────────────────


class LockedCounter:
    """The correct program without a library."""

    def __init__(self) -> None:
        self.counter: Counter[int] = Counter()
        self.lock = threading.Lock()

    def update(self, keys: list[int]) -> None:
        """A lock is taken once for all of them."""
        with self.lock:
            self.counter.update(keys)


def locked_counter(_work: range) -> LockedCounter:
    """A Counter and its lock."""
    return LockedCounter()


COUNTERS = {OURS: made("AtomicKeyedCounter"), BUILTIN: locked_counter}


@workload("AtomicKeyedCounter.update()", COUNTERS, plan=few_keys)
def count(counter: Any, keys: Iterable[int]) -> None:
    """A thousand keys at a time; in cereggii 1.x, `reduce_count` of an AtomicDict."""
    batch = []
    for key in keys:
        batch.append(key)
        if len(batch) == BATCH:
            counter.update(batch)
            batch.clear()


@count.variant({CEREGGII: made("AtomicDict")})
def _(counter: Any, keys: Iterable[int]) -> None:
    batch = []
    for key in keys:
        batch.append(key)
        if len(batch) == BATCH:
            counter.reduce_count(batch)
            batch.clear()
