# SPDX-License-Identifier: Apache-2.0
"""How the thread that made an entry dead removes it, as atomic steps.

It unlinks the entry from the tables, and gives up the share of the tables if it was the one that
did so. If the entry had a value, it pushes it on the stack `removed`, so that the maintenance takes
it out of the lists. A reservation is in no list.
"""

from __future__ import annotations

from .guard import finish, unpin
from .state import NOWHERE, STORED, Step, Thread, World


def start_unlink(w: World, t: Thread, then: Step) -> Step:
    """Begin to remove an entry that had the value `t.value`; local."""
    t.then = then
    if w.mistaken("no unlink"):
        return load_removed_head if pushes(w, t) else removed(w, t)
    t.ret = load_removed_head if pushes(w, t) else None
    if w.mistaken("unlink unpinned") and t.ret is None and then is unpin:
        t.then, t.after = None, unlink
        return unpin
    return unlink


def pushes(w: World, t: Thread) -> bool:
    """Whether the lists have to hear of the removal; local."""
    return t.value == STORED and w.cfg.maxsize is not None


def unlink(w: World, t: Thread) -> Step:
    """`unlink`: take the entry out of the tables. True for one thread.

    A migrator is about to insert the entry further on: leave it to that.
    """
    if t.entry in w.moving:
        return defer_unlink
    return give_up_tables_share if w.unlink(t.entry) else unlinked(w, t)


def defer_unlink(w: World, t: Thread) -> Step:
    """`unlink`: add to the counter that the migrator loads after it has written MOVED."""
    w.deferred_unlinks += 1
    return look_after_deferring


def look_after_deferring(w: World, t: Thread) -> Step:
    """`unlink`: load the slot again. Still MOVING: the migrator gives up the tables' share."""
    return unlinked(w, t) if t.entry in w.moving else unlink


def unlinked(w: World, t: Thread) -> Step:
    """Go on when the entry is out of the tables, or will be; local."""
    ret, t.ret = t.ret, None
    return ret or removed(w, t)


def give_up_tables_share(w: World, t: Thread) -> Step:
    """`give_up_share`, when no slot names the entry that a new reader can find."""
    if w.mistaken("retire without shares"):
        w.retire(t.me, t.entry)
    else:
        w.give_up_share(t.me, t.entry)
    return unlinked(w, t)


def load_removed_head(w: World, t: Thread) -> Step:
    """`push_removed`: load the head of the stack."""
    t.head = w.removed
    return write_link


def write_link(w: World, t: Thread) -> Step:
    """`push_removed`: store the link into the value word. Readers only see that it is dead.

    Nobody else writes to it: the compare-and-swap of each other thread expects another value.
    """
    w.set_entry(t.entry, value=t.head)
    return push_removed


def push_removed(w: World, t: Thread) -> Step:
    """`push_removed`: CAS the head.

    Lost to another push, or to a thread that has taken all: load the head again.
    """
    if w.removed != t.head:
        return load_removed_head
    w.removed = t.entry
    t.has_pushed = True
    return removed(w, t)


def removed(w: World, t: Thread) -> Step:
    """Go on; local."""
    then, t.then = t.then, None
    t.value = t.head = NOWHERE
    return then or finish(w, t)
