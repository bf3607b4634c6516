# SPDX-License-Identifier: Apache-2.0
"""AtomicFloat, its handle, and AtomicFloatSum.

No peer has an atomic float. Builtin is a float with a lock, and `math.fsum` for an exact sum.
"""

from __future__ import annotations

import math
import threading
from pkgutil import resolve_name
from typing import Any

from harness.registry import BUILTIN, OURS, RACY, Setup, program, workload
from workloads.atomic_int import in_two_threads
from workloads.dicts import SCATTER


def start() -> float:
    """A float that is not a constant of this module, which would be immortal."""
    return float("1000000.5")


class Timer:
    """An object with a total of seconds."""

    def __init__(self, seconds: Any) -> None:
        self.seconds = seconds


class LockedTimer(Timer):
    """The correct program without a library: a float and a lock."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.lock = threading.Lock()


def new(name: str) -> Setup:
    """A setup: the object itself."""
    return lambda _work: resolve_name(f"cereggii_atomicfloat:{name}")(start())


def new_get_handle(name: str) -> Setup:
    """A setup: the function that a thread calls to get its own handle."""
    return lambda _work: resolve_name(f"cereggii_atomicfloat:{name}")(start()).get_handle


def new_timer(_work: range) -> Timer:
    """An object that has an atomic float."""
    return Timer(resolve_name("cereggii_atomicfloat:AtomicFloat")(start()))


def racy_timer(_work: range) -> Timer:
    """A plain float: updates by two threads are lost."""
    return Timer(start())


def locked_timer(_work: range) -> LockedTimer:
    """A plain float with its lock."""
    return LockedTimer(start())


# ── AtomicFloat ─────────────────────────────────────────────────────────────────────────────────


@workload("obj.seconds += 0.25", {OURS: new_timer, RACY: racy_timer})
def in_place_add(obj: Any, work: range) -> None:
    """The total of a shared object: also reads and writes an attribute."""
    for _ in work:
        obj.seconds += 0.25


@in_place_add.variant({BUILTIN: locked_timer})
def _(obj: Any, work: range) -> None:
    for _ in work:
        with obj.lock:
            obj.seconds += 0.25


@workload("float handle += 0.25", {OURS: new_get_handle("AtomicFloat")})
def handle_in_place_add(get_handle: Any, work: range) -> None:
    """The same total through the thread's own handle."""
    h = get_handle()
    for _ in work:
        h += 0.25


@workload("float.increment_and_get(0.25)", {OURS: new("AtomicFloat")})
def increment_and_get(x: Any, work: range) -> None:
    """The new value is returned, as a new float."""
    for _ in work:
        x.increment_and_get(0.25)


@increment_and_get.variant({BUILTIN: locked_timer})
def _(obj: Any, work: range) -> None:
    for _ in work:
        with obj.lock:
            obj.seconds = _value = obj.seconds + 0.25


@workload("float.get()", {OURS: new("AtomicFloat")})
def get(x: Any, work: range) -> None:
    """Threads only read."""
    for _ in work:
        x.get()


@get.variant({BUILTIN: racy_timer})
def _(obj: Any, work: range) -> None:
    """Reading an attribute needs no lock."""
    for _ in work:
        _value = obj.seconds


def observed(_x: Any, work: range) -> list[float]:
    """A plan: values without order, so that a maximum changes ever more rarely."""
    size = len(work)
    return [1e6 + index * SCATTER % size for index in range(size)]


@workload("float.get_and_max(value)", {OURS: new("AtomicFloat")}, plan=observed)
def get_and_max(x: Any, values: Any) -> None:
    """The highest value that any thread has seen."""
    for value in values:
        x.get_and_max(value)


@get_and_max.variant({BUILTIN: locked_timer})
def _(obj: Any, values: Any) -> None:
    for value in values:
        with obj.lock:
            if value > obj.seconds:
                obj.seconds = value


@workload("float.get, compare_and_set loop", {OURS: new("AtomicFloat")})
def compare_and_set(x: Any, work: range) -> None:
    """A loop until it succeeds: the way to apply any function to the value atomically."""
    for _ in work:
        while True:
            value = x.get()
            if x.compare_and_set(value, value + 0.25):
                break


@compare_and_set.variant({BUILTIN: locked_timer})
def _(obj: Any, work: range) -> None:
    for _ in work:
        while True:
            value = obj.seconds
            with obj.lock:
                if obj.seconds == value:
                    obj.seconds = value + 0.25
                    break


# ── AtomicFloatSum ──────────────────────────────────────────────────────────────────────────────


@workload("AtomicFloatSum.add(0.1)", {OURS: new("AtomicFloatSum")})
def sum_add(total: Any, work: range) -> None:
    """Write-mostly statistics, with the rounding errors added up."""
    for _ in work:
        total.add(0.1)


@sum_add.variant({BUILTIN: locked_timer})
def _(obj: Any, work: range) -> None:
    """The rounding errors are lost."""
    for _ in work:
        with obj.lock:
            obj.seconds += 0.1


@workload("float sum handle.add(0.1)", {OURS: new_get_handle("AtomicFloatSum")})
def sum_handle_add(get_handle: Any, work: range) -> None:
    """The same through the thread's own handle."""
    h = get_handle()
    for _ in work:
        h.add(0.1)


@program(
    "a sum without rounding errors",
    {OURS: new("AtomicFloatSum")},
    threads=2,
    operations=1_000_000,
)
def exact_sum(total: Any, work: range) -> None:
    """Each of two threads adds a million numbers, then the sum is read."""

    def add() -> None:
        h = total.get_handle()
        for _ in work:
            h.add(0.1)

    in_two_threads(add)
    total.sum()


@exact_sum.variant({BUILTIN: lambda _work: []})
def _(lists: list[list[float]], work: range) -> None:
    """Each thread keeps its numbers in a list of its own: `math.fsum` needs all of them."""

    def add() -> None:
        own: list[float] = []
        for _ in work:
            own.append(0.1)
        lists.append(own)

    in_two_threads(add)
    math.fsum(number for own in lists for number in own)
