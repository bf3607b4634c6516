# SPDX-License-Identifier: Apache-2.0
"""AtomicSet against the builtin set; no other peer has a set.

Each single operation of a builtin set is thread-safe in itself, so it has a lock only where a
program has to know whether it has changed the set.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf
from pkgutil import resolve_name
from typing import Any

from harness.registry import BUILTIN, OURS, Setup, workload
from workloads.dicts import FEW, KEYS, OWN, PRESENT, SCATTER, Setups, absent_keys, int_key

PATHS = {OURS: "cereggii_atomicdict:AtomicSet", BUILTIN: "builtins:set"}


def empty(path: str) -> Setup:
    """A setup: a set that has to grow."""
    return lambda _work: resolve_name(path)()


def filled(path: str, elements: float = KEYS, per_operation: float = 2) -> Setup:
    """A setup: a set that has grown to this size, or to less if there is little work."""

    def setup(work: range) -> Any:
        s = resolve_name(path)()
        size = max(1, int(min(elements, per_operation * len(work))))
        for element in [int_key(number) for number in range(size)]:
            s.add(element)
        return s

    return setup


EMPTY: Setups = {of: empty(path) for of, path in PATHS.items()}
FILLED: Setups = {of: filled(path) for of, path in PATHS.items()}
FILLED_WITH_FEW: Setups = {of: filled(path, FEW) for of, path in PATHS.items()}
FILLED_WITH_OWN: Setups = {of: filled(path, inf, 1) for of, path in PATHS.items()}
"""Filled with the own elements of all threads."""


@dataclass
class LockedSet:
    """The correct program without a library."""

    elements: set[int] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)


# ── lookups ─────────────────────────────────────────────────────────────────────────────────────


@workload("x in set, int elements", FILLED, plan=PRESENT)
def contains(s: Any, elements: Iterable[int]) -> None:
    """Elements at random, in a set of a million."""
    for element in elements:
        _found = element in s


@workload("x in set, absent", FILLED, plan=absent_keys)
def contains_absent(s: Any, elements: Iterable[int]) -> None:
    """As many elements that are not in the set."""
    for element in elements:
        _found = element in s


@workload("x in set, 64 elements", FILLED_WITH_FEW, plan=PRESENT)
def contains_few(s: Any, elements: Iterable[int]) -> None:
    """A small set, as most are: no cache misses."""
    for element in elements:
        _found = element in s


# ── changes ─────────────────────────────────────────────────────────────────────────────────────


@workload("set add", EMPTY, plan=OWN)
def add(s: Any, elements: Iterable[int]) -> None:
    """The set is empty at first, and grows; no two threads add the same."""
    for element in elements:
        s.add(element)


@workload("set add, 64 elements", FILLED_WITH_FEW, plan=PRESENT)
def add_few(s: Any, elements: Iterable[int]) -> None:
    """What is added is there already."""
    for element in elements:
        s.add(element)


@workload("set discard", FILLED_WITH_OWN, plan=OWN)
def discard(s: Any, elements: Iterable[int]) -> None:
    """Each thread discards its own elements, until none is left."""
    for element in elements:
        s.discard(element)


def both_halves(_s: Any, work: range) -> list[int]:
    """A plan: the same elements for all threads, each twice."""
    half = max(1, len(work) // 2)
    return [int_key(index * SCATTER % half) for index in range(len(work))]


@workload("if set.add(x), new or not", {OURS: empty(PATHS[OURS])}, plan=both_halves)
def add_first(s: Any, elements: Iterable[int]) -> None:
    """One thread gets to know that it was the first with an element: to visit each page once."""
    first = 0
    for element in elements:
        if s.add(element):
            first += 1


@add_first.variant({BUILTIN: lambda _work: LockedSet()})
def _(locked: LockedSet, elements: Iterable[int]) -> None:
    s = locked.elements
    lock = locked.lock
    first = 0
    for element in elements:
        with lock:
            if element not in s:
                s.add(element)
                first += 1


@workload("set add and discard", EMPTY, plan=OWN)
def add_and_discard(s: Any, elements: Iterable[int]) -> None:
    """What a thread is working on: the set stays small."""
    for element in elements:
        s.add(element)
        s.discard(element)


# ── all elements ────────────────────────────────────────────────────────────────────────────────


def passes(s: Any, work: range) -> range:
    """The number of passes over the set that see as many elements as there are operations."""
    return range(max(1, len(work) // len(s)))


ITERATED: Setups = {of: filled(path, KEYS // 2, 0.5) for of, path in PATHS.items()}


@workload("set iteration", ITERATED, operations=KEYS)
def iterate(s: Any, work: range) -> None:
    """Each thread iterates twice over half a million elements; the time is per element."""
    for _ in passes(s, work):
        for _element in s:
            pass


@workload("set copy()", ITERATED, operations=KEYS)
def copy(s: Any, work: range) -> None:
    """Each thread copies it twice, as of one instant; the time is per element."""
    for _ in passes(s, work):
        s.copy()
