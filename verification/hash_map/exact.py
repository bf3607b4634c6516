# SPDX-License-Identifier: Apache-2.0
"""The operations on all keys at once, as atomic steps: exact.cpp. Clear, exact length, collection.

An exact length closes the gate: writers that come find it closed, and those that are pinned are
waited for. Then the counters stand still.
"""

from __future__ import annotations

from ..search import ViolationError
from .guard import ENTRY, SAFE_POINTS, WAITS_UNTIL, end, unpin
from .scan import names_of
from .state import CLAIMED, NOWHERE, WRITING, Step, Thread, World

# -- clear -----------------------------------------------------------------------------------------


def clear(w: World, t: Thread) -> Step:
    """`clear`: exchange the root. A call that is in the old chain is ordered before.

    The chain is retired as a whole. Threads that are in it may still add tables and nodes to it,
    and its nodes are freed with it. The new chain has counters of its own.
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
    """`Guard::close_gate`: CAS the gate, before the pins are loaded. One closer at a time."""
    if w.mistaken("count twice"):
        return read_counter
    w.closer = t.me
    t.i = 0
    return await_writers


def await_writers(w: World, t: Thread) -> Step:
    """`Reclaimer::wait_for_writers`: wait for each thread that is pinned for writing.

    A thread that pins later sees the closed gate.
    """
    t.i += 1
    if t.i < len(w.threads):
        return await_writers
    t.i = 0
    return read_counter


WAITS_UNTIL[close_gate] = lambda w, t: w.closer == NOWHERE
WAITS_UNTIL[await_writers] = lambda w, t: t.i == t.me or w.pinned[t.i] != WRITING


def read_counter(w: World, t: Thread) -> Step:
    """`LiveCount::live`: load the counters, one by one. They stand still: no writer is pinned."""
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
    """`Guard::open_gate`: let the writers in."""
    w.closer = NOWHERE
    return return_length(w, t)


def return_length(w: World, t: Thread) -> Step:
    """The length must have been right at an instant of the call; local."""
    allowed: frozenset[int] = w.watch[t.me][1]
    w.watch_for(t.me, None)
    if t.j not in allowed:
        raise ViolationError(f"len() returns {t.j}, and the dict had {sorted(allowed)} keys")
    return end(w, t)


ENTRY.update(clear=clear, len=close_gate)


# -- stopping the world ----------------------------------------------------------------------------


def world_can_stop(w: World) -> bool:
    """The world stops when every thread is where it may be detached."""
    return w.collections > 0 and all(Thread(packed).pc in SAFE_POINTS for packed in w.threads)


def collect_garbage(w: World) -> None:
    """`traverse`: nobody is pinned, the gate is open, and each live node is visited once.

    The child of a fork finds the same: no chunk is claimed, and no node is being moved by a thread
    that the child lacks.
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
        raise ViolationError(f"the collector visits {names_of(seen)} of {names_of(w.live_keys())}")
