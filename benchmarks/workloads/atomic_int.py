# SPDX-License-Identifier: Apache-2.0
"""AtomicInt, its handle, and AtomicCounter."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pkgutil import resolve_name
from typing import Any

from harness.registry import (
    BUILTIN,
    CEREGGII,
    FT_UTILS,
    OURS,
    RACY,
    Setup,
    program,
    workload,
)


def start() -> int:
    """A value like that of a counter in use.

    It is not among the small ints, which CPython keeps ready, and not a constant of this module,
    which would be immortal: reading either takes no reference count.
    """
    return int("1000000")


class Spam:
    """An object with a counter, as in the seed's program."""

    def __init__(self, counter: Any) -> None:
        self.counter = counter


class LockedSpam(Spam):
    """The correct program without a library: an int and a lock."""

    def __init__(self, counter: int) -> None:
        super().__init__(counter)
        self.lock = threading.Lock()


def new(path: str) -> Setup:
    """A setup: the object itself."""
    return lambda _work: resolve_name(path)(start())


def new_spam(path: str) -> Setup:
    """A setup: an object that has it as its counter."""
    return lambda _work: Spam(resolve_name(path)(start()))


def racy_spam(_work: range) -> Spam:
    """A plain int: updates by two threads are lost."""
    return Spam(start())


def locked_spam(_work: range) -> LockedSpam:
    """A plain int with its lock."""
    return LockedSpam(start())


def new_get_handle(path: str) -> Setup:
    """A setup: the function that a thread calls to get its own handle."""
    return lambda _work: resolve_name(path)(start()).get_handle


def new_local_wrapper(_work: range) -> Callable[[], Any]:
    """The handle of ft_utils."""
    shared = resolve_name(FT_UTILS_INT)(start())
    local_wrapper = resolve_name(FT_UTILS_HANDLE)
    return lambda: local_wrapper(shared)


OUR_INT = "cereggii_atomicint:AtomicInt"
CEREGGII_INT = "cereggii:AtomicInt64"
FT_UTILS_INT = "ft_utils.concurrency:AtomicInt64"
FT_UTILS_HANDLE = "ft_utils.concurrency:LocalWrapper"

INTS = {OURS: new(OUR_INT), CEREGGII: new(CEREGGII_INT)}
SPAMS = {
    OURS: new_spam(OUR_INT),
    CEREGGII: new_spam(CEREGGII_INT),
    FT_UTILS: new_spam(FT_UTILS_INT),
}
HANDLES = {OURS: new_get_handle(OUR_INT), CEREGGII: new_get_handle(CEREGGII_INT)}


@workload("obj.counter += 1", SPAMS | {RACY: racy_spam})
def in_place_add(obj: Any, work: range) -> None:
    """The counter of a shared object: also reads and writes an attribute."""
    for _ in work:
        obj.counter += 1


@in_place_add.variant({BUILTIN: locked_spam})
def _(obj: Any, work: range) -> None:
    for _ in work:
        with obj.lock:
            obj.counter += 1


@workload("h += 1", HANDLES | {FT_UTILS: new_local_wrapper})
def handle_in_place_add(get_handle: Any, work: range) -> None:
    """The same counter through the thread's own handle."""
    h = get_handle()
    for _ in work:
        h += 1


@workload("x.increment_and_get()", INTS)
def increment_and_get(x: Any, work: range) -> None:
    """The new value is returned, as a new int."""
    for _ in work:
        x.increment_and_get()


@increment_and_get.variant({FT_UTILS: new(FT_UTILS_INT)})
def _(x: Any, work: range) -> None:
    for _ in work:
        x.incr()


@increment_and_get.variant({BUILTIN: locked_spam})
def _(obj: Any, work: range) -> None:
    for _ in work:
        with obj.lock:
            obj.counter = _value = obj.counter + 1


@workload("h.increment_and_get()", HANDLES)
def handle_increment_and_get(get_handle: Any, work: range) -> None:
    """The method of the thread's own handle."""
    h = get_handle()
    for _ in work:
        h.increment_and_get()


@handle_increment_and_get.variant({FT_UTILS: new_local_wrapper})
def _(get_handle: Any, work: range) -> None:
    h = get_handle()
    for _ in work:
        h.incr()


@workload("x.get()", INTS | {FT_UTILS: new(FT_UTILS_INT)})
def get(x: Any, work: range) -> None:
    """Threads only read."""
    for _ in work:
        x.get()


@get.variant({BUILTIN: racy_spam})
def _(obj: Any, work: range) -> None:
    """Reading an attribute needs no lock."""
    for _ in work:
        _value = obj.counter


@workload("h.get()", HANDLES | {FT_UTILS: new_local_wrapper})
def handle_get(get_handle: Any, work: range) -> None:
    """Threads only read, each through its own handle."""
    h = get_handle()
    for _ in work:
        h.get()


@workload("get and compare_and_set loop", INTS)
def compare_and_set(x: Any, work: range) -> None:
    """A loop until it succeeds: the way to apply any function to the value atomically."""
    for _ in work:
        while True:
            value = x.get()
            if x.compare_and_set(value, value + 1):
                break


@compare_and_set.variant({BUILTIN: locked_spam})
def _(obj: Any, work: range) -> None:
    for _ in work:
        while True:
            value = obj.counter
            with obj.lock:
                if obj.counter == value:
                    obj.counter = value + 1
                    break


@workload("AtomicCounter.add()", {OURS: new("cereggii_atomicint:AtomicCounter")})
def counter_add(counter: Any, work: range) -> None:
    """Write-mostly statistics; the peers' nearest is their increment."""
    for _ in work:
        counter.add()


counter_add.as_in(increment_and_get, CEREGGII, FT_UTILS, BUILTIN)


# The seed's program: `spam` is a global of the module, and each of two threads counts to 10**6.

spam: Any = None


def global_spam(setup: Setup) -> Setup:
    """Store the result of `setup` as the module's `spam`."""

    def set_global(work: range) -> None:
        global spam
        spam = setup(work)

    return set_global


def in_two_threads(target: Callable[[], None]) -> None:
    """Run the work in two threads, like the seed's program."""
    t1 = threading.Thread(target=target)
    t2 = threading.Thread(target=target)
    t1.start()
    t2.start()
    t1.join()
    t2.join()


SEED_SPAMS = {
    implementation: global_spam(setup)
    for implementation, setup in (SPAMS | {RACY: racy_spam}).items()
}


@program("seed: spam.counter += 1", SEED_SPAMS, threads=2, operations=1_000_000)
def seed_counter(_state: None, work: range) -> None:
    """The program of the seed's README."""

    def incr() -> None:
        for _ in work:
            spam.counter += 1

    in_two_threads(incr)


@seed_counter.variant({BUILTIN: global_spam(locked_spam)})
def _(_state: None, work: range) -> None:
    def incr() -> None:
        for _ in work:
            with spam.lock:
                spam.counter += 1

    in_two_threads(incr)


@program(
    "seed: h += 1",
    {OURS: SEED_SPAMS[OURS], CEREGGII: SEED_SPAMS[CEREGGII]},
    threads=2,
    operations=1_000_000,
)
def seed_counter_handle(_state: None, work: range) -> None:
    """The same program with a handle in each thread."""

    def incr() -> None:
        h = spam.counter.get_handle()
        for _ in work:
            h += 1

    in_two_threads(incr)


@seed_counter_handle.variant({FT_UTILS: SEED_SPAMS[FT_UTILS]})
def _(_state: None, work: range) -> None:
    local_wrapper = resolve_name(FT_UTILS_HANDLE)

    def incr() -> None:
        h = local_wrapper(spam.counter)
        for _ in work:
            h += 1

    in_two_threads(incr)


seed_counter_handle.as_in(seed_counter, BUILTIN, RACY)
