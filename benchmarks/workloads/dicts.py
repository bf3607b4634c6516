# SPDX-License-Identifier: Apache-2.0
"""The dicts that the workloads of AtomicDict compare, and keys for them.

Keys and values are made before the clock starts. Those that a dict is filled with are made by the
main thread. Those that a thread looks up are its own: they are equal to the keys in the dict and
not the same objects, as in a program that parses or computes what it looks for.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from math import inf
from pkgutil import resolve_name
from typing import Any

from harness.registry import BUILTIN, CEREGGII, FT_UTILS, OURS, Implementation, Plan, Setup

KEYS = 1_000_000
"""Entries of a big dict: most lookups miss the caches of the processor."""

FEW = 64
"""Entries of a small dict, which all threads keep in their caches."""

FIRST_KEY = 1_000_000
FIRST_VALUE = 10_000_000
"""Not among the small ints, which are immortal: to read one takes no reference count."""

PATHS = {
    OURS: "cereggii_atomicdict:AtomicDict",
    CEREGGII: "cereggii:AtomicDict",
    FT_UTILS: "ft_utils.concurrency:ConcurrentDict",
    BUILTIN: "builtins:dict",
}

SCATTER = 2_654_435_761
"""A prime. Its multiples, modulo a size below it, are all numbers below that size, and each is far
from the one before."""

Setups = dict[Implementation, Setup]
MakeKey = Callable[[int], Any]


def int_key(number: int) -> int:
    """Consecutive ints, hashed to themselves: the best case of a builtin dict."""
    return FIRST_KEY + number


def str_key(number: int) -> str:
    """A name. It keeps its hash, which is computed here."""
    key = f"user:{number}"
    hash(key)
    return key


# ── setups ──────────────────────────────────────────────────────────────────────────────────────


def in_each(make: Callable[[str], Setup]) -> Setups:
    """The setup that `make` makes of each implementation's dict."""
    return {implementation: make(path) for implementation, path in PATHS.items()}


def empty(path: str) -> Setup:
    """A setup: a dict that has to grow."""
    return lambda _work: resolve_name(path)()


def filled(
    path: str, entries: float = KEYS, per_operation: float = 2, make_key: MakeKey = int_key
) -> Setup:
    """A setup: a dict that has grown to this size, or to less if there is little work.

    There is in a warm-up, and where instructions are counted.
    """

    def setup(work: range) -> Any:
        d = resolve_name(path)()
        size = max(1, int(min(entries, per_operation * len(work))))
        # One after the other: a value next to its key in memory would be read along with it.
        keys = [make_key(number) for number in range(size)]
        values = [FIRST_VALUE + number for number in range(size)]
        for key, value in zip(keys, values, strict=True):
            d[key] = value
        return d

    return setup


EMPTY = in_each(empty)
FILLED = in_each(filled)
FILLED_WITH_FEW = in_each(partial(filled, entries=FEW))
FILLED_WITH_OWN = in_each(partial(filled, entries=inf, per_operation=1))
"""Filled with the own keys of all threads."""


# ── plans ───────────────────────────────────────────────────────────────────────────────────────


def own_keys(make_key: MakeKey = int_key) -> Plan:
    """A plan: the keys with the thread's own numbers, once each, in no simple order.

    It leaves no garbage: a dict that grows into the place of some seems to take no memory.
    """

    def plan(_d: Any, work: range) -> list[Any]:
        size = len(work)
        return [make_key(work.start + index * SCATTER % size) for index in range(size)]

    return plan


def present_keys(make_key: MakeKey = int_key) -> Plan:
    """A plan: keys of the dict at random, the same in each run and others in each thread."""

    def plan(d: Any, work: range) -> list[Any]:
        chance = random.Random(work.start)
        size = len(d)
        return [make_key(int(chance.random() * size)) for _ in work]

    return plan


def absent_keys(d: Any, work: range) -> list[int]:
    """A plan: as many absent keys at random."""
    chance = random.Random(work.start)
    size = len(d)
    return [int_key(size + int(chance.random() * size)) for _ in work]


def one_key(d: Any, work: range) -> list[int]:
    """A plan: the same key each time, the same for all threads."""
    return [int_key(len(d) // 2)] * len(work)


OWN = own_keys()
PRESENT = present_keys()
