# SPDX-License-Identifier: Apache-2.0
"""Moving an entry to the next table, as atomic steps, as far as its shares are concerned.

While the slot is MOVING, an unlink leaves its entry to the migrator. So it is the migrator that
gives up the share of the tables. The rest is explored in the model of the hash table.
"""

from __future__ import annotations

from .guard import ENTRY, op_of, pin, unpin
from .removal import give_up_tables_share
from .state import TOMB, Step, Thread, World, is_dead


def start(w: World, t: Thread) -> Step:
    """A migrator pins itself; local."""
    t.after = claim_slot
    return pin(w, t)


ENTRY["move"] = start


def claim_slot(w: World, t: Thread) -> Step:
    """`move_slot`: CAS the first NODE slot of the path to MOVING. An unlink may be faster."""
    for entry in w.path(w.root, op_of(w, t).key):
        if entry != TOMB:
            t.entry, w.moving = entry, w.moving | {entry}
            return finish_move
    return unpin


def finish_move(w: World, t: Thread) -> Step:
    """`move_slot`: the next table names the entry: store MOVED. The path is the same here."""
    w.moving -= {t.entry}
    return load_deferred


def load_deferred(w: World, t: Thread) -> Step:
    """`recheck`: load the counter, after the store. The entry may have been left to us."""
    return recheck if w.deferred_unlinks else unpin


def recheck(w: World, t: Thread) -> Step:
    """`recheck`: load the value word. If it is dead, unlink the entry."""
    return unlink_moved if is_dead(w.entry(t.entry).value) else unpin


def unlink_moved(w: World, t: Thread) -> Step:
    """`unlink`, `leave_for_all`: the thread that made it dead may be faster."""
    t.ret = unpin
    found = w.unlink(t.entry)
    return give_up_tables_share if found and not w.mistaken("migrator without shares") else unpin
