# SPDX-License-Identifier: Apache-2.0
"""The maintenance of the lists, as atomic steps: maintenance.hpp.

A thread that has pushed an entry tries to take the lock. The holder handles all events. What it
does under the lock is seen by nobody else, except for what it does to a value word or to shares.
"""

from __future__ import annotations

from ..search import ViolationError
from .guard import MAINTENANCE, finish, pin, pin_writing, unpin
from .removal import give_up_tables_share, unlink
from .state import NOWHERE, STORED, Step, Thread, World, is_dead


def start(w: World, t: Thread) -> Step:
    """Pin for writing, until the victims are removed.

    So the world is not stopped while there is a victim that is in no list.
    """
    t.after = look_at_stored
    return look_at_stored(w, t) if w.mistaken("unpinned maintenance") else pin(w, t)


def look_at_stored(w: World, t: Thread) -> Step:
    """`has_events`: load the head of the stack `stored`.

    After the unlock: a thread that has pushed since, and found the lock taken, has left its event
    to this one.
    """
    return try_lock if w.stored != NOWHERE else look_at_removed


def look_at_removed(w: World, t: Thread) -> Step:
    """`has_events`: load the head of the stack `removed`."""
    return try_lock if w.removed != NOWHERE else leave(w, t)


MAINTENANCE.append(start)


def try_lock(w: World, t: Thread) -> Step:
    """`try_lock`. Lost to another holder, which looks at the stacks after its unlock."""
    if w.lock != NOWHERE and not w.mistaken("no lock of the lists"):
        return leave(w, t)
    w.lock = t.me
    return take_stored


def take_stored(w: World, t: Thread) -> Step:
    """`handle`: exchange the stack `stored`, and bring it into the order of the pushes."""
    taken: tuple[int, ...] = ()
    address, w.stored = w.stored, NOWHERE
    while address != NOWHERE:
        taken = (address, *taken)
        if taken.count(address) > 1:
            raise ViolationError(f"e{address} is in the stack twice")
        address = w.entry(address).next
    t.stored = taken
    return take_removed


def take_removed(w: World, t: Thread) -> Step:
    """`handle`: exchange the stack `removed`. An entry in it may not have been in `stored` yet."""
    t.removed, w.removed = w.removed, NOWHERE
    return next_event(w, t)


def next_event(w: World, t: Thread) -> Step:
    """Go on to the next event; local."""
    if t.stored:
        return handle_stored
    return handle_removed if t.removed != NOWHERE else unlock


def handle_stored(w: World, t: Thread) -> Step:
    """`stored`: note the event, and load the value word. If it is not dead, insert the entry.

    It may become dead meanwhile: then its other event comes, and finds it in the queue.
    """
    t.entry, t.stored = t.stored[0], t.stored[1:]
    entry = w.entry(t.entry)
    if entry.removed_seen:
        return give_up_lists_share
    w.set_entry(t.entry, stored_seen=True)
    if is_dead(entry.value):
        return next_event(w, t)
    w.queue = (*w.queue, t.entry)
    assert w.cfg.maxsize is not None
    return choose if len(w.queue) > w.cfg.maxsize else next_event(w, t)


def choose(w: World, t: Thread) -> Step:
    """`Handler::choose`: take a victim out of the queue, and give it one more share.

    It is removed after the unlock. Another removal may be faster, and then the event of that gives
    up the share of the lists.
    """
    victim = w.queue[-1 if w.cfg.newest else 0]
    w.queue = tuple(entry for entry in w.queue if entry != victim)
    t.victims = (*t.victims, victim)
    if not w.mistaken("victim without a share"):
        w.set_entry(victim, shares=w.entry(victim).shares + 1)
    return next_event(w, t)


def handle_removed(w: World, t: Thread) -> Step:
    """`removed`: load the link. If both events are there, the lists have no more to do with it."""
    t.entry = t.removed
    entry = w.entry(t.entry)
    if not w.mistaken("link afterwards"):
        t.removed = entry.value
    if not entry.stored_seen:
        if not w.mistaken("forget removed"):
            w.set_entry(t.entry, removed_seen=True)
        return next_link(w, t) if w.mistaken("link afterwards") else next_event(w, t)
    if not w.mistaken("leave in the queue"):
        w.queue = tuple(listed for listed in w.queue if listed != t.entry)
    return give_up_lists_share


def next_link(w: World, t: Thread) -> Step:
    """(Mistake) Load the link after the event was handled; local."""
    t.removed = w.entry(t.entry).value
    return next_event(w, t)


def give_up_lists_share(w: World, t: Thread) -> Step:
    """`give_up_share`: for the events, under the lock; for the victims, after it."""
    if not w.mistaken("retire without shares"):
        w.give_up_share(t.me, t.entry)
    if w.lock != t.me:
        return give_up_chosen_share
    if w.mistaken("link afterwards") and not t.stored:
        return load_link
    return next_event(w, t)


def load_link(w: World, t: Thread) -> Step:
    """(Mistake) Load the link after the share was given up."""
    return next_link(w, t)


def unlock(w: World, t: Thread) -> Step:
    """`unlock`. Then look at the stacks again."""
    maxsize = w.cfg.maxsize
    assert maxsize is not None
    if len(w.queue) > maxsize:
        raise ViolationError(f"the queue has {len(w.queue)} entries")
    w.lock = NOWHERE
    return leave(w, t) if w.mistaken("no second look") else look_at_stored


def leave(w: World, t: Thread) -> Step:
    """There is nothing more for this thread, except for the victims; local."""
    t.has_pushed = False
    if w.mistaken("unpinned maintenance") and t.victims:
        return pin_writing(w, t, first_victim)
    return next_victim(w, t)


def first_victim(w: World, t: Thread) -> Step:
    """(Mistake) Begin with the victims, after a pin for them."""
    return next_victim(w, t)


# -- victims ---------------------------------------------------------------------------------------


def next_victim(w: World, t: Thread) -> Step:
    """Remove the next victim, or unpin; local."""
    if t.victims:
        t.entry, t.victims = t.victims[0], t.victims[1:]
        return find_victim
    return unpin_and_release(w, t)


def unpin_and_release(w: World, t: Thread) -> Step:
    """Unpin, and give up the shares in the victims that this thread has removed; local."""
    t.entry = NOWHERE
    if t.evicted:
        t.after = give_up_lists_share
        t.entry, t.evicted = t.evicted[0], t.evicted[1:]
    return finish(w, t) if w.mistaken("unpinned maintenance") and not w.pinned[t.me] else unpin


def find_victim(w: World, t: Thread) -> Step:
    """`find_node`: look for a slot that names the victim.

    There is none: a removal was faster. Or a clear has the tables, and makes the entry dead.
    """
    w.entry(t.entry)  # for its hash
    if w.is_linked(t.entry) or w.mistaken("share of a clear"):
        return make_victim_dead
    return give_up_chosen_share


def make_victim_dead(w: World, t: Thread) -> Step:
    """CAS the value word to dead, under the pin under which the entry is unlinked.

    Lost to a removal, whose event gives up the share of the lists.
    """
    if not w.cas_value(t.entry, STORED, NOWHERE):
        if w.mistaken("victim that was removed"):
            return evicted(w, t)
        return give_up_chosen_share
    t.ret = forget_victim
    if w.mistaken("share of a clear") and not w.is_linked(t.entry):
        return give_up_tables_share
    if w.mistaken("victim unlinked later"):
        t.after = pin_again
        return unpin
    return unlink


def pin_again(w: World, t: Thread) -> Step:
    """(Mistake) The victim is dead. Pin again, and unlink it then."""
    t.after = unlink
    return pin(w, t)


def forget_victim(w: World, t: Thread) -> Step:
    """Link the victim into the list of those whose values and shares are given up after the pin."""
    w.entry(t.entry)
    return evicted(w, t)


def evicted(w: World, t: Thread) -> Step:
    """Go on to the next victim; local."""
    t.evicted = (*t.evicted, t.entry)
    return next_victim(w, t)


def give_up_chosen_share(w: World, t: Thread) -> Step:
    """`give_up_share`: of having been chosen."""
    if not w.mistaken("victim without a share") and not w.mistaken("retire without shares"):
        w.give_up_share(t.me, t.entry)
    if w.pinned[t.me]:
        return next_victim(w, t)
    if not t.evicted:
        return finish(w, t)
    t.entry, t.evicted = t.evicted[0], t.evicted[1:]
    return give_up_lists_share
