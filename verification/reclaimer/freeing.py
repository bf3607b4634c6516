# SPDX-License-Identifier: Apache-2.0
"""free_everything(), and the child of a fork, as atomic steps.

free_everything() takes all lists, advances the epoch and waits until each thread is unpinned or has
pinned with the new epoch. Meanwhile the items are held in the thread's own participant, where other
threads find them, and the child of a fork.
"""

from __future__ import annotations

from .retiring import free_taken, note_litter
from .scan import load_first, look_at_state
from .state import (
    ACQUIRE,
    DETACHED,
    FORK,
    FREE,
    LOST,
    NONE,
    PINNED,
    START,
    Items,
    Shared,
    Step,
    Thread,
    done,
    free,
)

# -- free_everything() -----------------------------------------------------------------------------


def take_littered(s: Shared, t: Thread) -> Step:
    """`free_everything`: exchange the littered list. The participants in it are ours to visit."""
    t.at, s.littered_first = s.littered_first, NONE
    if s.mistaken("advance first"):
        t.tag, s.epoch = s.epoch, s.epoch + 1
    return next_littered(s, t)


def next_littered(s: Shared, t: Thread) -> Step:
    """Go on to the next littered participant; local."""
    if t.at == NONE:
        return take_orphans_too
    if s.mistaken("clear the mark afterwards"):
        return take_waiting_of
    return clear_littered if s.mistaken("next after the mark") else load_next_littered


def load_next_littered(s: Shared, t: Thread) -> Step:
    """`free_everything`: load the link, before the mark is cleared: then its thread may link it."""
    t.following = s.next_littered[t.at]
    return take_waiting_of if s.mistaken("next after the mark") else clear_littered


def clear_littered(s: Shared, t: Thread) -> Step:
    """`free_everything`: clear the mark, before the lists are taken.

    A thread that adds to them later sees that, and puts its participant into the list again.
    """
    s.littered[t.at] = False
    if s.mistaken("clear the mark afterwards"):
        return leave_littered(s, t)
    return load_next_littered if s.mistaken("next after the mark") else take_waiting_of


def take_waiting_of(s: Shared, t: Thread) -> Step:
    """`Garbage::take_all`: exchange what waits in the participant."""
    t.mine, s.waiting[t.at] = (*t.mine, *s.waiting[t.at]), ()
    t.i = 0
    return take_bag_of


def take_bag_of(s: Shared, t: Thread) -> Step:
    """`Garbage::take_all`: exchange a bag. Its tag does not matter: the wait is for all items."""
    t.mine = (*t.mine, *s.take_bag(t.at, t.i))
    t.i += 1
    return take_bag_of if t.i < s.scenario.bags else take_held_of


def take_held_of(s: Shared, t: Thread) -> Step | None:
    """`Garbage::take_all`: exchange what the thread of the participant holds.

    We do not know whether that thread has waited. So we wait ourselves.
    """
    t.i = 0
    held, s.held[t.at] = s.held[t.at], ()
    if s.mistaken("trust what is held"):
        kept, t.mine = t.mine, held
        free(s, t, leave_littered, lambda s, t: None)
        held, t.mine = (), kept
    t.mine = (*t.mine, *held)
    if s.mistaken("clear the mark afterwards"):
        t.following = s.next_littered[t.at]
        return clear_littered
    return leave_littered(s, t)


def leave_littered(s: Shared, t: Thread) -> Step:
    """Go on to the next; local."""
    t.at, t.following = t.following, NONE
    return next_littered(s, t)


def take_orphans_too(s: Shared, t: Thread) -> Step | None:
    """`take_what_is_left_for_all`."""
    t.mine, s.orphans = (*t.mine, *s.orphans), []
    if t.own == NONE or s.mistaken("wait without holding"):
        return wait_unheld(s, t)
    return hold_all(s, t) if s.mistaken("overwrite what is held") else take_own_held


def wait_unheld(s: Shared, t: Thread) -> Step | None:
    """`wait_and_free`: a thread without a participant has nowhere to hold the items; local."""
    return advance_epoch if t.mine else done(s, t)


def take_own_held(s: Shared, t: Thread) -> Step | None:
    """`wait_and_free`: take what an outer call holds, if this one is in a finalizer of its items.

    Otherwise hold() would overwrite that.
    """
    t.mine, s.held[t.own] = (*t.mine, *s.held[t.own]), ()
    return hold_all(s, t)


def hold_all(s: Shared, t: Thread) -> Step | None:
    """There may be nothing to free; local."""
    return hold if t.mine else done(s, t)


def hold(s: Shared, t: Thread) -> Step | None:
    """`hold`: store the items where others find them, since a finalizer may take its time."""
    s.held[t.own], t.mine = t.mine, ()
    if s.mistaken("wait while pinned"):
        s.state[t.own] = s.epoch << 2 | PINNED
    t.after = wait if s.mistaken("advance first") else advance_epoch
    return note_litter


def advance_epoch(s: Shared, t: Thread) -> Step:
    """`wait_for_pinned`: advance the epoch, after everything was taken.

    A thread that pins with the new epoch has found none of it.
    """
    t.tag, s.epoch = s.epoch, s.epoch + 1
    return wait(s, t)


def wait(s: Shared, t: Thread) -> Step:
    """`wait_for_pinned`: begin to wait; local."""
    t.scan, t.after = "readers", free_taken if t.mine else take_held
    return load_first


def take_held(s: Shared, t: Thread) -> Step | None:
    """`wait_and_free`: exchange what we hold. Empty: another thread has taken it, and waits itself.

    One item is freed. The others are held again.
    """
    held = s.held[t.own]
    if s.mistaken("wait while pinned"):
        s.state[t.own] = 0
    if s.mistaken("free while it is held"):
        t.mine = held
        return free_while_held
    s.held[t.own] = ()
    if not held:
        return done(s, t)
    t.mine, t.rest = held[:1], held[1:]
    return hold_rest if t.rest else free_one


def hold_rest(s: Shared, t: Thread) -> Step | None:
    """`hold`: store the others, where other threads find them during the finalizer."""
    s.held[t.own], t.rest, t.after = t.rest, (), free_one
    return note_litter


def free_one(s: Shared, t: Thread) -> Step | None:
    """`Items::free`, and then the next one. No list holds the item any more."""
    return free(s, t, take_held, take_held_next)


def take_held_next(s: Shared, t: Thread) -> Step:
    """Go on; local."""
    return take_held


def free_while_held(s: Shared, t: Thread) -> Step | None:
    """(Mistake) Free the items in the list, and empty the list only then."""
    return free(s, t, free_while_held, let_go)


def let_go(s: Shared, t: Thread) -> Step | None:
    """(Mistake) Empty the list."""
    s.held[t.own] = ()
    return done(s, t)


START[FREE] = take_littered

# -- the child of a fork ---------------------------------------------------------------------------


def world_is_stopped(others: list[Thread]) -> bool:
    """Whether every other thread is where it may be detached: a fork stops the world.

    That is between operations, and so in finalizers; where it waits; and at its end.
    """
    return all(_is_detached(other) for other in others)


def _is_detached(t: Thread) -> bool:
    pc = t.pc
    if pc is None or pc in DETACHED or pc in START.values() or pc in ACQUIRE:
        return True
    # It may be in a pause, even if whom it waits for has left meanwhile.
    return pc is look_at_state and t.scan == "readers"


def lose_threads(s: Shared, others: list[Thread]) -> None:
    """What other threads were freeing is lost. In the parent they free it.

    That is what retire() has taken, and what a thread without a participant has. Everything else
    must be in a list.
    """
    for other in others:
        for packed in (Thread.pack(other), *other.frames):
            frame = Thread(other.me, packed)
            for item in frame.mine:
                if frame.own == NONE or frame.kind != FREE:
                    s.items[item] = LOST
        s.found[other.me], s.writers[other.me] = NONE, 0


def fork(s: Shared, t: Thread) -> Step | None:
    """`forget_other_threads`, in one step, since no other thread is left that could see it."""
    s.gate = NONE  # it counts as open: see gate_closed() in guard.hpp
    if not s.mistaken("keep the lock"):
        s.lock = NONE
    s.first, s.littered_first, s.free = NONE, NONE, []
    left: Items = ()
    for participant in reversed(range(len(s.state))):
        if not s.mistaken("leave it to the others"):
            left = (*left, *s.waiting[participant], *s.held[participant])
            s.waiting[participant] = s.held[participant] = ()
            for number in range(s.scenario.bags):
                left = (*left, *s.take_bag(participant, number))
        s.linked[participant] = s.littered[participant] = False
        if participant != t.own:
            s.state[participant] = 0
            s.free.append(participant)
    if t.own != NONE:
        s.next[t.own], s.first, s.linked[t.own] = NONE, t.own, True
    heir = t.own if t.own != NONE else s.free[-1]
    if left:
        s.waiting[heir] = left
        s.littered[heir], s.next_littered[heir], s.littered_first = True, NONE, heir
    return done(s, t)


START[FORK] = fork
