# SPDX-License-Identifier: Apache-2.0
"""The operations on the whole dict, as atomic steps: clear, exact length, iteration, collection."""

from __future__ import annotations

from .pinning import ENTRY, SAFE_POINTS, WAITS_UNTIL, end, unpin
from .search import ViolationError
from .state import (
    CLAIMED,
    EMPTY,
    FROZEN,
    HASH_BITS,
    NAMES_A_NODE,
    NOWHERE,
    READING,
    WRITING,
    Step,
    Thread,
    World,
)

# -- clear -----------------------------------------------------------------------------------------


def clear(w: World, t: Thread) -> Step:
    """Exchange the root. Whoever is in the old chain began before, and is ordered before.

    The chain is retired as a whole: those who are in it may still add tables and nodes to it, and
    its nodes are freed with it. The counters are those of the new chain.
    """
    old, chain = w.root, len(w.ghost)
    if w.mistaken("enumerate at the clear"):
        retire_what_is_there(w, t, old)
    w.root = w.new_table(w.cfg.size, chain)
    if not w.mistaken("enumerate at the clear"):
        w.retire(t, "chain", old)
    w.ghost = (*w.ghost, (None,) * len(w.cfg.hashes))
    w.counters = (*w.counters, (0,) * len(w.threads))
    w.observe()
    return unpin


def retire_what_is_there(w: World, t: Thread, address: int) -> None:
    """(Mistake) Retire the tables and nodes that the old chain has now."""
    while address != NOWHERE:
        for state, node in w.table(address).slots:
            if state == "NODE":
                w.retire(t, "node", node)
        w.retire(t, "table", address)
        address = w.table(address).next


# -- exact length ----------------------------------------------------------------------------------


def close_gate(w: World, t: Thread) -> Step:
    """Close the gate, one closer at a time; the fence keeps the loads of the records behind it."""
    if w.mistaken("count twice"):
        return read_counter
    w.closer = t.me
    t.i = 0
    return await_writers


def await_writers(w: World, t: Thread) -> Step:
    """Wait, attached, for each record in turn: a pin that comes later sees the closed gate."""
    t.i += 1
    if t.i < len(w.threads):
        return await_writers
    t.i = 0
    return read_counter


WAITS_UNTIL[close_gate] = lambda w, t: w.closer == NOWHERE
WAITS_UNTIL[await_writers] = lambda w, t: t.i == t.me or w.pinned[t.i] != WRITING


def read_counter(w: World, t: Thread) -> Step:
    """Load the counters one by one: they stand still, since every writer is out."""
    chain = w.table(w.root).chain
    t.j += w.counters[chain][t.i]
    t.i += 1
    if t.i < len(w.threads):
        return read_counter
    if not w.mistaken("count twice"):
        return open_gate
    before, t.value, t.i, t.j = t.value, t.j, 0, 0
    if before != t.value:
        return read_counter
    t.j = before
    return return_length(w, t)


def open_gate(w: World, t: Thread) -> Step:
    """Let the writers in."""
    w.closer = NOWHERE
    return return_length(w, t)


def return_length(w: World, t: Thread) -> Step:
    """The length must have been right at an instant of the call."""
    allowed: frozenset[int] = w.watch[t.me][1]
    w.watch_for(t.me, None)
    if t.j not in allowed:
        raise ViolationError(f"len() returns {t.j}, and the dict had {sorted(allowed)} keys")
    return end(w, t)


# -- iteration -------------------------------------------------------------------------------------

# The iterator cuts the hash space into these ranges, and takes a step for each.
RANGES = ((0, (1 << HASH_BITS) // 2), ((1 << HASH_BITS) // 2, 1 << HASH_BITS))


def scan_root(w: World, t: Thread) -> Step:
    """Start a step of the iterator in the root of now; `t.chunk` is the range."""
    t.table = w.root
    return scan_table(w, t)


def scan_table(w: World, t: Thread) -> Step:
    """Begin at the bucket of the range's first hash; local."""
    t.i = RANGES[t.chunk][0] >> _shift(w, t)
    t.j = 0
    return scan_slot


def scan_slot(w: World, t: Thread) -> Step:
    """Load a slot; note its node if its hash is in the range and no earlier table had it."""
    size = len(w.table(t.table).slots)
    state, node = slot = w.slot(t.table, t.i % size)
    if state in NAMES_A_NODE and node not in t.out[t.returned :]:
        low, high = RANGES[t.chunk]
        if low <= w.cfg.hashes[w.node(node).key] < high:
            t.out = (*t.out, node)
    last = (RANGES[t.chunk][1] - 1) >> _shift(w, t)
    t.i += 1
    t.j += 1
    # Past the range's end until a slot where every path has ended, around the end of the table.
    if t.j == size or (t.i > last and slot in (EMPTY, FROZEN)):
        return scan_further
    return scan_slot


def _shift(w: World, t: Thread) -> int:
    return HASH_BITS - (len(w.table(t.table).slots).bit_length() - 1)


def scan_further(w: World, t: Thread) -> Step:
    """Load `next`, after the scan: what has been inserted there meanwhile may be skipped."""
    following = w.table(t.table).next
    if following != NOWHERE:
        t.table = following
        return scan_table(w, t)
    t.i = t.returned
    return collect_node(w, t)


def collect_node(w: World, t: Thread) -> Step:
    """Go to the next node that was noted, or to the next step; local."""
    if t.i < len(t.out):
        return take_if_alive
    t.returned = len(t.out)
    t.i = t.j = 0
    t.table = NOWHERE
    return unpin_scan


def take_if_alive(w: World, t: Thread) -> Step:
    """Load the value. A key deleted and inserted again meanwhile was noted twice: one is dead."""
    node = w.node(t.out[t.i])
    alive = node.value is not None or w.mistaken("iterate over the dead")
    t.out = (*t.out[: t.i], *((node.key,) if alive else ()), *t.out[t.i + 1 :])
    t.i += alive
    return collect_node(w, t)


def unpin_scan(w: World, t: Thread) -> Step:
    """Unpin; the next step of the iterator pins again."""
    if t.chunk + 1 < len(RANGES):
        w.unpin(t.me)
        t.chunk += 1
        return pin_scan
    _, stayers, possible = w.watch[t.me]
    w.watch_for(t.me, None)
    returned = set(t.out)
    if len(returned) < len(t.out):
        raise ViolationError(f"the iterator returns a key twice: {_keys(t.out)}")
    if missing := stayers - returned:
        raise ViolationError(f"the iterator misses {_keys(missing)}, present throughout")
    if gone := returned - possible:
        raise ViolationError(f"the iterator returns {_keys(gone)}, absent throughout")
    return unpin(w, t)


def pin_scan(w: World, t: Thread) -> Step:
    """Pin for the next range."""
    w.pin(t.me, READING)
    return scan_root


def _keys(keys: object) -> str:
    assert isinstance(keys, (tuple, frozenset, set))
    return ", ".join(f"k{key}" for key in sorted(keys))


SAFE_POINTS.add(pin_scan)
ENTRY.update(clear=clear, len=close_gate, iterate=scan_root)


# -- stopping the world ----------------------------------------------------------------------------


def world_can_stop(w: World) -> bool:
    """The world stops when every thread is where it may be detached."""
    return w.collections > 0 and all(Thread(packed).pc in SAFE_POINTS for packed in w.threads)


def collect_garbage(w: World) -> None:
    """Nobody is pinned, the gate is open, and the traversal visits each live node once.

    A forked child finds the same: no chunk is claimed, and no node is moved by a thread it lacks.
    """
    w.collections -= 1
    for me, how in enumerate(w.pinned):
        if how:
            raise ViolationError(f"the world is stopped while T{me} is pinned")
    if w.closer != NOWHERE:
        raise ViolationError("the world is stopped while the gate is closed")
    visited: list[int] = []
    address = w.root
    while address != NOWHERE:
        table = w.table(address)
        if CLAIMED in table.chunks:
            raise ViolationError(f"the world is stopped while a chunk of t{address} is claimed")
        for state, node in table.slots:
            if state == "MOVING":
                raise ViolationError(f"the world is stopped while n{node} is MOVING")
            if state == "NODE" or (state == "MOVED" and w.mistaken("traverse moved")):
                w.node(node)
                visited.append(node)
        address = table.next
    for node in set(visited):
        if visited.count(node) > 1:
            raise ViolationError(f"the collector visits n{node} {visited.count(node)} times")
        if w.nodes[node].value is None:
            raise ViolationError(f"the world is stopped while n{node} is dead and in a table")
    seen = {w.nodes[node].key for node in visited}
    if seen != w.live_keys():
        raise ViolationError(f"the collector visits {_keys(seen)} of {_keys(w.live_keys())}")
