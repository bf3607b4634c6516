# SPDX-License-Identifier: Apache-2.0
"""Iteration, as atomic steps: scan.cpp.

The iterator cuts the hashes into ranges. For each range it pins, notes the nodes whose hash is in
it, in all tables of the chain, and returns the keys of those that are alive.
"""

from __future__ import annotations

from ..search import ViolationError
from .guard import ENTRY, SAFE_POINTS, unpin
from .state import (
    EMPTY,
    FROZEN,
    HASH_BITS,
    NAMES_A_NODE,
    NOWHERE,
    READING,
    Step,
    Thread,
    World,
)

# One range for each pin. In the code a range is a bundle of cells.
RANGES = ((0, (1 << HASH_BITS) // 2), ((1 << HASH_BITS) // 2, 1 << HASH_BITS))


def scan_root(w: World, t: Thread) -> Step:
    """`Scan::collect`: load the root. `t.chunk` is the number of the range."""
    t.table = w.root
    return scan_table(w, t)


def scan_table(w: World, t: Thread) -> Step:
    """Begin at the home of the range's first hash; local."""
    t.i = RANGES[t.chunk][0] >> _shift(w, t)
    t.j = 0
    return scan_slot


def scan_slot(w: World, t: Thread) -> Step:
    """`Scan::scan_cell`: load a slot.

    Its node is noted if the hash is in the range and no earlier table had the node.
    """
    size = len(w.table(t.table).slots)
    state, node = slot = w.slot(t.table, t.i % size)
    if state in NAMES_A_NODE and node not in t.out[t.returned :]:
        low, high = RANGES[t.chunk]
        if low <= w.cfg.hashes[w.node(node).key] < high:
            t.out = (*t.out, node)
    last = (RANGES[t.chunk][1] - 1) >> _shift(w, t)
    t.i += 1
    t.j += 1
    # Beyond the range's end up to a slot where each path has ended, around the end of the table.
    if t.j == size or (t.i > last and slot in (EMPTY, FROZEN)):
        return scan_further
    return scan_slot


def _shift(w: World, t: Thread) -> int:
    return HASH_BITS - (len(w.table(t.table).slots).bit_length() - 1)


def scan_further(w: World, t: Thread) -> Step:
    """`Scan::collect`: load `next`, after the slots of the table.

    So what is moved on meanwhile is seen in the one table or in the other. What was inserted
    meanwhile may be skipped.
    """
    following = w.table(t.table).next
    if following != NOWHERE:
        t.table = following
        return scan_table(w, t)
    t.i = t.returned
    return collect_node(w, t)


def collect_node(w: World, t: Thread) -> Step:
    """Go on to the next node that was noted, or to the end of the range; local."""
    if t.i < len(t.out):
        return take_if_alive
    t.returned = len(t.out)
    t.i = t.j = 0
    t.table = NOWHERE
    return unpin_scan


def take_if_alive(w: World, t: Thread) -> Step:
    """`Scan::take_all_with`: load the value.

    A key that was deleted and inserted again meanwhile has two nodes, one of which is dead.
    """
    node = w.node(t.out[t.i])
    alive = node.value is not None or w.mistaken("iterate over the dead")
    t.out = (*t.out[: t.i], *((node.key,) if alive else ()), *t.out[t.i + 1 :])
    t.i += alive
    return collect_node(w, t)


def unpin_scan(w: World, t: Thread) -> Step:
    """`Guard::unpin`, at the end of a range. After the last one, what was returned is checked."""
    if t.chunk + 1 < len(RANGES):
        w.unpin(t.me)
        t.chunk += 1
        return pin_scan
    _, stayers, possible = w.watch[t.me]
    w.watch_for(t.me, None)
    returned = set(t.out)
    if len(returned) < len(t.out):
        raise ViolationError(f"the iterator returns a key twice: {names_of(t.out)}")
    if missing := stayers - returned:
        raise ViolationError(f"the iterator misses {names_of(missing)}, present throughout")
    if gone := returned - possible:
        raise ViolationError(f"the iterator returns {names_of(gone)}, absent throughout")
    return unpin(w, t)


def pin_scan(w: World, t: Thread) -> Step:
    """`Guard::pin_reading`, for the next range."""
    w.pin(t.me, READING)
    return scan_root


def names_of(keys: object) -> str:
    """Keys, as messages name them."""
    assert isinstance(keys, (tuple, frozenset, set))
    return ", ".join(f"k{key}" for key in sorted(keys))


SAFE_POINTS.add(pin_scan)
ENTRY["iterate"] = scan_root
