# SPDX-License-Identifier: Apache-2.0
"""clear(), as atomic steps.

It closes the gate, and exchanges the root while no writer is pinned. So nobody inserts into the
old chain, and nobody unlinks from it: the shares that its tables have are the clear's to give up.
A leader may still store its value until the clear has made its entry dead.
"""

from __future__ import annotations

from ..search import ViolationError
from .guard import DETACHED, ENTRY, WAITS_UNTIL, finish
from .removal import give_up_tables_share, load_removed_head, pushes
from .state import NOWHERE, TOMB, WRITING, Step, Thread, World, is_dead


def start(w: World, t: Thread) -> Step:
    """A clear begins; local."""
    return swap_root(w, t) if w.mistaken("clear without the gate") else close_gate(w, t)


def close_gate(w: World, t: Thread) -> Step:
    """`Guard::close_gate`: CAS the gate, before the pins are loaded. Wait for another closer."""
    if w.closer != NOWHERE:
        return close_gate
    w.closer = t.me
    return await_writers


def await_writers(w: World, t: Thread) -> Step:
    """`Reclaimer::wait_for_writers`: wait for each thread that is pinned for writing.

    A thread that pins later sees the closed gate.
    """
    t.i += 1
    return await_writers if t.i < len(w.threads) else swap_root


WAITS_UNTIL[close_gate] = lambda w, t: w.closer == NOWHERE
WAITS_UNTIL[await_writers] = lambda w, t: t.i == t.me or w.pinned[t.i] != WRITING


def swap_root(w: World, t: Thread) -> Step:
    """Exchange the root. Readers that are pinned may still be in the old chain."""
    if not w.mistaken("clear without the gate"):
        for entry in w.dead_in_tables():
            raise ViolationError(f"the gate is closed while e{entry} is dead and in a table")
    t.chain, t.i = w.root, 0
    w.root = len(w.chains)
    w.chains = (*w.chains, ((),) * len(w.chains[t.chain]))
    return load_old_slot if w.mistaken("clear without the gate") else open_gate


def open_gate(w: World, t: Thread) -> Step:
    """`Guard::open_gate`: let the writers in. They find the new chain."""
    w.closer = NOWHERE
    return load_old_slot


ENTRY["clear"] = start


def load_old_slot(w: World, t: Thread) -> Step:
    """Load the next slot of the old chain, which nobody changes."""
    slots = [slot for path in w.chains[t.chain] for slot in path]
    if t.i == len(slots):
        return finish(w, t)
    t.entry = slots[t.i]
    t.i += 1
    if t.entry == TOMB:
        return load_old_slot
    if w.mistaken("shares before death"):
        t.ret = load_old_value
        return give_up_tables_share
    return load_old_value


DETACHED.add(load_old_slot)  # in a pause: a clear takes long


def load_old_value(w: World, t: Thread) -> Step:
    """Load the value word. No entry is dead here: each writer unlinks what it has made dead."""
    t.value = w.entry(t.entry).value
    return gone(w, t) if is_dead(t.value) else make_old_dead


def make_old_dead(w: World, t: Thread) -> Step:
    """CAS the value word to dead. Lost to the leader, which stores its value: load it again."""
    if not w.cas_value(t.entry, t.value, NOWHERE):
        return load_old_value
    if not pushes(w, t):
        return gone(w, t)
    t.then = gone(w, t)
    return load_removed_head


def gone(w: World, t: Thread) -> Step:
    """The entry is dead: give up the share that the old tables had; local."""
    if w.mistaken("shares before death"):
        return load_old_slot
    t.ret = load_old_slot
    return give_up_tables_share
