# SPDX-License-Identifier: Apache-2.0
"""Retiring, as atomic steps: retire() of reclamation.hpp, and garbage.hpp.

A thread frees what it has removed itself, at once or later:

    nobody else is pinned    it frees the item, and all that waits in its participant
    another thread is        the item waits. Now and then, what waits is put into a bag with a tag,
                             and the bags are freed that are older than all threads that are pinned
"""

from __future__ import annotations

from .scan import SOMEBODY_IS_PINNED, load_first, load_own_next
from .state import (
    MOVE,
    NEVER,
    PACK,
    REMOVE,
    REMOVED,
    START,
    THERE,
    Shared,
    Step,
    Thread,
    done,
    free,
)

# -- removing --------------------------------------------------------------------------------------


def exchange(s: Shared, t: Thread) -> Step | None:
    """Replace the item in the slot. A thread that loads the slot from now on does not find it.

    The caller of retire() does this, by an unlink() in the code. It is pinned then, and is not any
    more when it calls retire().
    """
    if t.kind == PACK and s.mistaken("tag before the removal") and t.i == 0:
        t.tag, t.i = s.epoch, 1
        return exchange
    old, s.slot, t.i = s.slot, len(s.items), 0
    s.items[old] = REMOVED
    s.items.append(THERE)
    if t.kind == MOVE and not s.mistaken("free for another"):
        s.orphans.append(old)  # leave_for_all()
        return done(s, t)
    t.mine = (old,)
    t.after = nobody_is_pinned
    if t.kind == MOVE or s.mistaken("take orphans after the scan"):
        return load_own_next
    return take_orphans


def take_orphans(s: Shared, t: Thread) -> Step:
    """`take_what_is_left_for_all`: before the scan, so that it asks for these items, too."""
    t.mine, s.orphans = (*t.mine, *s.orphans), []
    return load_own_next


def nobody_is_pinned(s: Shared, t: Thread) -> Step | None:
    """`retire`: what waits in the thread's participant was removed before the scan as well; local.

    It is taken before anything is freed, since a finalizer may come back and retire more.
    """
    t.oldest = NEVER
    return free_first if s.mistaken("free before taking") else take_own(s, t)


def free_first(s: Shared, t: Thread) -> Step | None:
    """(Mistake) Free the item, and take what waits only then."""
    return free(s, t, free_first, take_own)


# -- bags and what waits ---------------------------------------------------------------------------


def take_own(s: Shared, t: Thread) -> Step | None:
    """Begin with the first bag; local."""
    t.i = 0
    return next_own_bag(s, t)


def next_own_bag(s: Shared, t: Thread) -> Step | None:
    """Go on to the next bag that is old enough; local, as only the thread itself fills bags."""
    tags, bags = s.tags[t.own], s.bags[t.own]
    while t.i < len(tags):
        old = tags[t.i] < t.oldest
        if (old or (s.mistaken("free the same epoch") and tags[t.i] == t.oldest)) and bags[t.i]:
            return take_own_bag
        t.i += 1
    t.i = 0
    return take_own_waiting if t.oldest == NEVER else free_taken(s, t)


def take_own_bag(s: Shared, t: Thread) -> Step | None:
    """`Garbage::take_older_than`: exchange a bag. Others may have taken it."""
    t.mine = (*t.mine, *s.take_bag(t.own, t.i))
    t.i += 1
    return next_own_bag(s, t)


def take_own_waiting(s: Shared, t: Thread) -> Step | None:
    """`Garbage::take_older_than`: if nobody was found pinned, exchange what waits as well.

    It was there before the scan.
    """
    t.mine, s.waiting[t.own] = (*t.mine, *s.waiting[t.own]), ()
    if s.mistaken("take orphans after the scan"):
        t.mine, s.orphans = (*t.mine, *s.orphans), []
    return free_taken(s, t)


def free_taken(s: Shared, t: Thread) -> Step | None:
    """`ItemList::free_all`: no list holds the items, so a finalizer may come back; local."""
    return free(s, t, free_taken, done)


def push_waiting(s: Shared, t: Thread) -> Step:
    """`ItemList::push`: somebody else is pinned. CAS the items into the thread's own list."""
    s.waiting[t.own] = (*s.waiting[t.own], *t.mine)
    t.mine = ()
    t.after = start_bag if t.kind == PACK else done
    return note_litter


def start_bag(s: Shared, t: Thread) -> Step:
    """`Garbage::find_empty_bag`: load the bags. Only the thread itself fills bags.

    The code makes a bag of 32 items or more.
    """
    empty = [number for number, bag in enumerate(s.bags[t.own]) if not bag]
    if not empty:
        return find_oldest(s, t)
    t.i = empty[0]
    return take_waiting


def take_waiting(s: Shared, t: Thread) -> Step:
    """`fill_bag`: exchange what waits, for the bag. Others may have taken it."""
    t.mine, s.waiting[t.own] = s.waiting[t.own], ()
    if not t.mine:
        return find_oldest(s, t)
    return advance_epoch_if_same if s.mistaken("tag before the removal") else load_tag


def load_tag(s: Shared, t: Thread) -> Step:
    """`fill_bag`: load the epoch, after the removal, as the tag of the bag.

    A thread that pins with a larger epoch has not found what is in the bag.
    """
    t.tag = s.epoch
    # Another thread may have advanced the epoch since the last bag. Otherwise it is up to us.
    same, s.last_tag[t.own] = s.last_tag[t.own] == t.tag, t.tag
    return advance_epoch_if_same if same else store_bag


def advance_epoch_if_same(s: Shared, t: Thread) -> Step:
    """`end_epoch`: CAS the epoch to the next. Lost: another thread has just done so."""
    if s.epoch == t.tag:
        s.epoch += 1
    return store_bag


def store_bag(s: Shared, t: Thread) -> Step:
    """`fill_bag`: store the bag with its tag. Only the thread itself looks at the tag."""
    s.set_bag(t.own, t.i, t.mine)
    tags = s.tags[t.own]
    s.tags[t.own] = (*tags[: t.i], t.tag, *tags[t.i + 1 :])
    t.mine, t.tag, t.i = (), 0, 0
    t.after = find_oldest
    # Until now the items were in no list. If another thread took everything meanwhile, it cleared
    # the mark and did not find them.
    return find_oldest(s, t) if s.mistaken("no note after the bag") else note_litter


def find_oldest(s: Shared, t: Thread) -> Step:
    """`oldest_epoch`: begin the scan; local."""
    t.scan, t.after, t.oldest, t.tag = "oldest", take_own, NEVER, 0
    return load_first


# -- the littered list -----------------------------------------------------------------------------


def note_litter(s: Shared, t: Thread) -> Step | None:
    """`note_litter`: load the mark, after the items are in a list.

    A thread that takes everything clears the mark first. So it finds the items, or we find no mark.
    """
    return after_note(s, t) if s.littered[t.own] else mark_littered


def after_note(s: Shared, t: Thread) -> Step | None:
    """Go on; local."""
    assert t.after is not None
    return done(s, t) if t.after is done else t.after


def mark_littered(s: Shared, t: Thread) -> Step:
    """`note_litter`: set the mark. Nobody else sets it."""
    s.littered[t.own] = True
    return link_littered


def link_littered(s: Shared, t: Thread) -> Step:
    """`note_litter`: load the head of the littered list, and link to it."""
    s.next_littered[t.own] = s.littered_first
    return push_littered


def push_littered(s: Shared, t: Thread) -> Step | None:
    """`note_litter`: CAS the head. Lost to another thread: link to the new head, and try again."""
    if s.littered_first != s.next_littered[t.own]:
        s.next_littered[t.own] = s.littered_first
        return push_littered
    s.littered_first = t.own
    return after_note(s, t)


SOMEBODY_IS_PINNED.append(push_waiting)
START.update({REMOVE: exchange, MOVE: exchange, PACK: exchange})
