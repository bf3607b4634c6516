# SPDX-License-Identifier: Apache-2.0
"""What the leader does once its reservation is inserted, as atomic steps.

It computes the value while it is not pinned. Its share keeps the entry alive. Then it stores the
value, or makes the entry dead if the computation has failed. In both cases an invalidation may have
been faster.
"""

from __future__ import annotations

from .guard import OUTSIDE, finish, op_of, pin, unpin, unpin_for_long
from .removal import start_unlink
from .state import DONE, FAILED, NOWHERE, RESERVED, STORED, Step, Thread, World


def start_fill(w: World, t: Thread) -> Step:
    """Unpin, and compute the value, which takes any time; local."""
    if op_of(w, t).kind == "fail":
        return unpin_for_long(w, t, fail)
    if w.mistaken("push first"):
        return unpin_for_long(w, t, push_early)
    return unpin_for_long(w, t, end_computation if w.mistaken("wake first") else store)


def fail(w: World, t: Thread) -> Step:
    """The computation has failed. Pin, to take the reservation out of the tables."""
    t.after = find_reservation
    return pin(w, t)


def find_reservation(w: World, t: Thread) -> Step:
    """`find_node`: look for a slot that names the entry.

    There is none: it was removed. Or a clear has the tables, and makes the entry dead.
    """
    t.after = end_computation
    return drop_reservation if w.is_linked(t.own) else unpin


def drop_reservation(w: World, t: Thread) -> Step:
    """CAS the reservation to dead. Lost to an invalidation, which unlinks the entry."""
    if not w.cas_value(t.own, RESERVED, NOWHERE):
        return unpin
    t.entry, t.value = t.own, RESERVED
    return start_unlink(w, t, unpin)


def store(w: World, t: Thread) -> Step:
    """CAS the reservation to the value. The leader's share becomes that of the lists.

    Lost to an invalidation: the value is not stored.
    """
    t.value = STORED
    if w.mistaken("plain store"):
        w.set_entry(t.own, value=STORED)
    elif not w.cas_value(t.own, RESERVED, STORED):
        t.value = NOWHERE
    w.stores(t.own)
    if w.mistaken("wake first"):
        return stored(w, t)
    return end_computation


def push_early(w: World, t: Thread) -> Step:
    """(Mistake) Push the entry before the value is stored."""
    w.set_entry(t.own, next=w.stored)
    w.stored, t.has_pushed = t.own, True
    return store_late


def store_late(w: World, t: Thread) -> Step:
    """(Mistake) Store the value now."""
    return store(w, t)


OUTSIDE |= {store, fail, push_early}  # their first access ends the fill


def end_computation(w: World, t: Thread) -> Step:
    """Store the state of the computation, and wake those that wait for it.

    Only now: they may look for the key again at once.
    """
    state = FAILED if op_of(w, t).kind == "fail" else DONE
    w.computations = (*w.computations[: t.own], state, *w.computations[t.own + 1 :])
    if w.mistaken("wake first") and state == DONE:
        return store
    return stored(w, t)


def stored(w: World, t: Thread) -> Step:
    """Tell the lists of the entry, or give up the share; local."""
    if w.mistaken("push first"):
        if t.value == STORED:
            return finish(w, t)
    elif t.value == STORED and w.cfg.maxsize is not None:
        return load_stored_head
    elif t.value == NOWHERE and w.mistaken("keep the share"):
        return finish(w, t)
    return give_up_leaders_share


def give_up_leaders_share(w: World, t: Thread) -> Step:
    """`give_up_share`: nothing was stored, or there are no lists."""
    if not w.mistaken("retire without shares"):
        w.give_up_share(t.me, t.own)
    return finish(w, t)


def start_push(w: World, t: Thread) -> Step:
    """Unpin, and tell the lists of the value that was put; local."""
    t.after = give_up_leaders_share if w.cfg.maxsize is None else load_stored_head
    t.forget_probe()
    return unpin


def load_stored_head(w: World, t: Thread) -> Step:
    """`push_stored`: load the head of the stack, and link the entry before it.

    The share of the lists keeps the entry alive, even if it is dead by now.
    """
    t.head = w.stored
    w.set_entry(t.own, next=t.head)
    return push_stored


def push_stored(w: World, t: Thread) -> Step:
    """`push_stored`: CAS the head. From now on the entry is not ours.

    Lost to another push, or to a thread that has taken all: load the head again.
    """
    if w.stored != t.head:
        return load_stored_head
    w.stored = t.own
    t.has_pushed, t.head = True, NOWHERE
    return look_at_entry if w.mistaken("look after the push") else finish(w, t)


def look_at_entry(w: World, t: Thread) -> Step:
    """(Mistake) Look at the entry once more."""
    w.entry(t.own)
    return finish(w, t)
