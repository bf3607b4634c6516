# SPDX-License-Identifier: Apache-2.0
"""AtomicDict with mixed operations: lookups beside writes, hot keys, read-modify-write.

A thread's operations are drawn before the clock starts, the same in each run. It inserts, updates
and deletes keys of its own, so that each operation finds what it expects, and looks up all.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pkgutil import resolve_name
from typing import Any

from harness.registry import BUILTIN, CEREGGII, OURS, Loop, Plan, Setup, Workload, workload
from workloads.dicts import FILLED_WITH_OWN, KEYS, PATHS, SCATTER, filled, in_each, int_key

OPERATIONS = 250_000

# Small ints, as these are immortal: threads do not contend for the count of references to them.
READ, WRITE, DELETE = range(3)

Steps = list[tuple[int, int]]
"""An operation, and the key for it."""


def run(d: Any, steps: Iterable[tuple[int, int]]) -> None:
    """Do the step. For a dict, inserting and updating are the same."""
    for operation, key in steps:
        if operation == READ:
            d.get(key)
        elif operation == WRITE:
            d[key] = key
        else:
            del d[key]


# ── mixes ───────────────────────────────────────────────────────────────────────────────────────


def mix(reads: int, inserts: int, deletes: int, updates: int) -> Plan:
    """A plan: steps of these kinds, as parts of a hundred, with all keys equally likely."""
    kinds = ("read", "insert", "delete", "update")
    weights = (reads, inserts, deletes, updates)

    def plan(d: Any, work: range) -> Steps:
        chance = random.Random(work.start)
        size = len(d)
        in_dict = [int_key(number) for number in work]
        chance.shuffle(in_dict)
        steps = []
        for number, kind in zip(work, chance.choices(kinds, weights, k=len(work)), strict=True):
            if kind == "read":
                steps.append((READ, int_key(int(chance.random() * size))))
            elif kind == "insert":
                # Keys that are deleted do not come back: a dict has to clean up.
                steps.append((WRITE, int_key(size + number)))
                in_dict.append(steps[-1][1])
            elif kind == "update":
                steps.append((WRITE, in_dict[int(chance.random() * len(in_dict))]))
            else:
                index = int(chance.random() * len(in_dict))
                in_dict[index], in_dict[-1] = in_dict[-1], in_dict[index]
                steps.append((DELETE, in_dict.pop()))
        return steps

    return plan


def dict_mix(title: str, plan: Plan) -> Callable[[Loop], Workload]:
    """A workload that starts with one entry for each step that is to come."""
    return workload(title, FILLED_WITH_OWN, operations=OPERATIONS, plan=plan)


@dict_mix("dict mix, 10 % writes", mix(reads=90, inserts=0, deletes=0, updates=10))
def writes_10(d: Any, steps: Steps) -> None:
    """Lookups and updates."""
    run(d, steps)


@dict_mix("dict mix, 50 % writes", mix(reads=50, inserts=0, deletes=0, updates=50))
def writes_50(d: Any, steps: Steps) -> None:
    """Lookups and updates."""
    run(d, steps)


@dict_mix("dict mix, read-heavy", mix(reads=98, inserts=1, deletes=1, updates=0))
def read_heavy(d: Any, steps: Steps) -> None:
    """The mix that conc-map-bench has by this name."""
    run(d, steps)


@dict_mix("dict mix, exchange", mix(reads=10, inserts=40, deletes=40, updates=10))
def exchange(d: Any, steps: Steps) -> None:
    """The mix that conc-map-bench has by this name."""
    run(d, steps)


# ── hot keys ────────────────────────────────────────────────────────────────────────────────────

SKEW = 0.99
"""The exponent of Zipf's distribution. With a million numbers, one draw in twenty gives the most
frequent number, and every second draw gives one of the thousand most frequent."""


def zipf_number(chance: random.Random, size: int) -> int:
    """One of `size` numbers, the r-th most frequent r**SKEW times less often than the first.

    Nearly so: the sum whose inverse that takes is replaced by an integral.
    """
    power = 1 - SKEW
    rank = ((size**power - 1) * chance.random() + 1) ** (1 / power)
    return int(rank) * SCATTER % size


def zipf_keys(d: Any, work: range) -> list[int]:
    """A plan: keys of the dict, few of them often."""
    chance = random.Random(work.start)
    size = len(d)
    return [int_key(zipf_number(chance, size)) for _ in work]


def zipf_mix(d: Any, work: range) -> Steps:
    """A plan: 10 % updates, 45 % lookups of present keys and 45 % of absent keys."""
    chance = random.Random(work.start)
    size = len(d)
    steps = []
    for _ in work:
        number = zipf_number(chance, size)
        kind = chance.random()
        if kind < 0.1:
            steps.append((WRITE, int_key(number)))
        else:
            steps.append((READ, int_key(number if kind < 0.55 else number + size)))
    return steps


@workload(
    "dict mix, Zipf, 10 % updates",
    in_each(partial(filled, entries=KEYS // 2)),
    operations=OPERATIONS,
    plan=zipf_mix,
)
def zipf(d: Any, steps: Steps) -> None:
    """The proportions of the benchmarks of boost::concurrent_flat_map."""
    run(d, steps)


# ── read-modify-write ───────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Counters:
    """A dict of ints to count with."""

    d: Any

    def __len__(self) -> int:
        """The number of keys, for the plan."""
        return len(self.d)


@dataclass(frozen=True)
class ComparedCounters(Counters):
    """The dict can compare and set."""

    failure: type[Exception]
    """The exception that it raises if the value is another."""


@dataclass(frozen=True)
class LockedCounters(Counters):
    """The dict has one lock for all of it."""

    lock: threading.Lock


def compared(path: str) -> Setup:
    """A setup: counters in a dict that can compare and set."""
    fill = filled(path, entries=KEYS // 2)
    failure = f"{path.partition(':')[0]}:ExpectationFailed"
    return lambda work: ComparedCounters(fill(work), resolve_name(failure))


def locked(path: str) -> Setup:
    """A setup: counters in a dict with a lock."""
    fill = filled(path, entries=KEYS // 2)
    return lambda work: LockedCounters(fill(work), threading.Lock())


@workload(
    "dict get and compare_and_set loop",
    {of: compared(PATHS[of]) for of in (OURS, CEREGGII)},
    operations=OPERATIONS,
    plan=zipf_keys,
)
def compare_and_set(counters: ComparedCounters, keys: Iterable[int]) -> None:
    """A loop until it succeeds: the way to apply any function atomically, here on hot keys."""
    d = counters.d
    failure = counters.failure
    for key in keys:
        while True:
            value = d[key]
            try:
                d.compare_and_set(key, value, value + 1)
                break
            except failure:
                pass


@compare_and_set.variant({BUILTIN: locked(PATHS[BUILTIN])})
def _(counters: LockedCounters, keys: Iterable[int]) -> None:
    d = counters.d
    lock = counters.lock
    for key in keys:
        with lock:
            d[key] += 1
