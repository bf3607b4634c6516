# SPDX-License-Identifier: Apache-2.0
"""AtomicDict, one operation at a time.

Its peers are AtomicDict of cereggii, ConcurrentDict of ft_utils (a fixed number of builtin dicts,
each with a lock) and the builtin dict, each operation of which is thread-safe in itself: it has no
racy variant, and needs no lock here.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pkgutil import resolve_name
from typing import Any

from harness.registry import BUILTIN, CEREGGII, FT_UTILS, OURS, Setup, workload
from workloads.dicts import (
    EMPTY,
    FILLED,
    FILLED_WITH_FEW,
    FILLED_WITH_OWN,
    KEYS,
    OWN,
    PATHS,
    PRESENT,
    absent_keys,
    filled,
    in_each,
    one_key,
    own_keys,
    present_keys,
    str_key,
)

STR_KEYS = 200_000


# ── lookups ─────────────────────────────────────────────────────────────────────────────────────


@workload("dict lookup, int keys", FILLED, plan=PRESENT)
def lookup(d: Any, keys: Iterable[int]) -> None:
    """Keys at random, in a dict of a million."""
    for key in keys:
        _value = d[key]


@workload(
    "dict lookup, str keys",
    in_each(partial(filled, entries=STR_KEYS, make_key=str_key)),
    plan=present_keys(str_key),
)
def lookup_str(d: Any, keys: Iterable[str]) -> None:
    """The key has to be compared: it is not the object in the dict."""
    for key in keys:
        _value = d[key]


@workload("dict lookup, absent keys", FILLED, plan=absent_keys)
def lookup_absent(d: Any, keys: Iterable[int]) -> None:
    """`get` is used, since cereggii 1.x has no `in`."""
    for key in keys:
        d.get(key)


@workload("dict lookup, one hot key", FILLED_WITH_FEW, plan=one_key)
def lookup_hot(d: Any, keys: Iterable[int]) -> None:
    """All threads take references to the same value."""
    for key in keys:
        _value = d[key]


@workload("dict lookup, 64 keys", FILLED_WITH_FEW, plan=PRESENT)
def lookup_few(d: Any, keys: Iterable[int]) -> None:
    """A small dict, as most are: no cache misses."""
    for key in keys:
        _value = d[key]


# ── inserts ─────────────────────────────────────────────────────────────────────────────────────


def presized(path: str) -> Setup:
    """A setup: an empty dict with room for all that comes."""
    return lambda work: resolve_name(path)({}, min_size=len(work))


@workload("dict insert, int keys", EMPTY, plan=OWN)
def insert(d: Any, keys: Iterable[int]) -> None:
    """The dict is empty at first, and grows."""
    for key in keys:
        d[key] = key


@workload("dict insert, str keys", EMPTY, operations=200_000, plan=own_keys(str_key))
def insert_str(d: Any, keys: Iterable[str]) -> None:
    """Like the row above, with strings."""
    for key in keys:
        d[key] = key


@workload(
    "dict insert, min_size",
    {implementation: presized(PATHS[implementation]) for implementation in (OURS, CEREGGII)},
    plan=OWN,
)
def insert_presized(d: Any, keys: Iterable[int]) -> None:
    """The dict is empty, and large enough: the others cannot be told how large they will be."""
    for key in keys:
        d[key] = key


# ── updates and deletes ─────────────────────────────────────────────────────────────────────────


@workload("dict update, int keys", FILLED, plan=PRESENT)
def update(d: Any, keys: Iterable[int]) -> None:
    """Keys at random, in a dict of a million; the key becomes its own value."""
    for key in keys:
        d[key] = key


@workload("dict update, 64 keys", FILLED_WITH_FEW, plan=PRESENT)
def update_few(d: Any, keys: Iterable[int]) -> None:
    """Threads get in each other's way."""
    for key in keys:
        d[key] = key


@workload("dict delete", FILLED_WITH_OWN, plan=OWN)
def delete(d: Any, keys: Iterable[int]) -> None:
    """Each thread deletes its own keys, until none is left."""
    for key in keys:
        del d[key]


# ── iteration ───────────────────────────────────────────────────────────────────────────────────


def passes(d: Any, work: range) -> range:
    """The number of iterations over the dict that see as many entries as there are operations."""
    return range(max(1, len(work) // len(d)))


ITERATED = in_each(partial(filled, entries=KEYS // 2, per_operation=0.5))


@workload("dict items()", ITERATED, operations=KEYS)
def items(d: Any, work: range) -> None:
    """Each thread iterates twice over half a million entries; the time is per entry."""
    for _ in passes(d, work):
        for _item in d.items():
            pass


@workload("dict fast_iter()", ITERATED, operations=KEYS)
def fast_iter(d: Any, work: range) -> None:
    """The same iteration by `fast_iter`, the method of cereggii 1.x."""
    for _ in passes(d, work):
        for _item in d.fast_iter():
            pass


# Each by its own name for it.
items.as_in(fast_iter, CEREGGII)
fast_iter.as_in(items, FT_UTILS, BUILTIN)
