# SPDX-License-Identifier: Apache-2.0
"""The active list: which participants a scan looks at, as atomic steps.

A participant is linked when a thread gets it, and unlinked when the thread ends. tidy() marks
one dormant that was not used for a while, and unlinks it. Its thread sees the mark after the next
pin, and links it again. Every change of the list is under the lock; scans take no lock.

    tidy()                           its thread
    1. store the mark                1. store the pin
    2. load the state                2. load the mark
       UNUSED as before: unlink         set: take the lock, link again, clear the mark

So either tidy() sees the pin, or the thread sees the mark. In the second case the thread waits for
the lock, and knows by then whether its participant is linked.
"""

from __future__ import annotations

from .state import (
    ACQUIRE,
    DETACHED,
    END,
    NONE,
    START,
    TIDY,
    UNUSED,
    WAITS_UNTIL,
    Shared,
    Step,
    Thread,
    done,
    first_step,
)

# -- linking ---------------------------------------------------------------------------------------


def acquire(s: Shared, t: Thread) -> Step:
    """`acquire`: take a participant of a thread that has ended, under the lock, or allocate one."""
    t.own = s.free.pop() if s.free else s.new_participant()
    return lock_to_link_first


def lock_to_link_first(s: Shared, t: Thread) -> Step:
    """`acquire`: take the lock of the lists."""
    s.lock = t.me
    return clear_old_mark


def clear_old_mark(s: Shared, t: Thread) -> Step:
    """`acquire`: the thread that had the participant before may have left it dormant."""
    s.dormant[t.own] = False
    return link


def lock_to_link(s: Shared, t: Thread) -> Step:
    """`link_again`: wait until a pass has decided, or others have linked their participants.

    Pinned, so no pass unlinks the participant after that.
    """
    if not s.mistaken("no lock"):
        s.lock = t.me
    return clear_mark if s.linked[t.own] or s.mistaken("no link") else link


def link(s: Shared, t: Thread) -> Step:
    """`link`: store `next`. A scan that stands on the participant goes through the whole list."""
    if s.mistaken("head before next") and s.first == t.own:
        s.next[t.own], t.following = t.following, NONE
        return clear_mark if s.is_pinned(t.own) else unlock
    if s.mistaken("head before next"):
        t.following = s.first
        return link_first(s, t)
    s.next[t.own] = s.first
    return link_first


def link_first(s: Shared, t: Thread) -> Step:
    """`link`: store the head. A scan that loads it from now on passes the participant."""
    s.first, s.linked[t.own] = t.own, True
    if s.mistaken("head before next"):
        return link
    return clear_mark if s.is_pinned(t.own) else unlock


def clear_mark(s: Shared, t: Thread) -> Step:
    """`link_again`: clear the mark under the lock, as it was set."""
    s.dormant[t.own] = False
    return unlock


def unlock(s: Shared, t: Thread) -> Step:
    """`~Locked`: drop the lock. The thread has loaded nothing of the structure before this."""
    if s.lock == t.me:
        s.lock = NONE
    return once_linked(s, t) if s.is_pinned(t.own) else first_step(t.kind, t.own)


def once_linked(s: Shared, t: Thread) -> Step:
    """Go on under the pin; local."""
    assert t.after is not None
    return t.after


# -- tidying ---------------------------------------------------------------------------------------


def tidy(s: Shared, t: Thread) -> Step:
    """`tidy`: take the lock, so that nobody changes the list meanwhile."""
    s.lock = t.me
    t.at = s.first
    return next_to_tidy(s, t)


def next_to_tidy(s: Shared, t: Thread) -> Step:
    """Go on to the next participant but our own; local, since we hold the lock."""
    if t.at == t.own and t.at != NONE:
        t.at = s.next[t.at]
    return load_state_to_tidy if t.at != NONE else end_tidy


def skip(s: Shared, t: Thread) -> Step:
    """Leave the participant where it is; local."""
    t.at = s.next[t.at]
    return next_to_tidy(s, t)


def load_state_to_tidy(s: Shared, t: Thread) -> Step:
    """`unlink_if_unused`: load the state. UNUSED is what an earlier pass has left there."""
    if s.is_pinned(t.at):
        return skip(s, t)
    if s.state[t.at] != UNUSED:
        t.tag = s.state[t.at]
        return note_unused
    return unlink if s.mistaken("mark after the look") else mark_dormant


def note_unused(s: Shared, t: Thread) -> Step:
    """`unlink_if_unused`: CAS the state to UNUSED. Lost to a pin: it is in use.

    The next pin overwrites the note.
    """
    if s.state[t.at] == t.tag or s.mistaken("note by a store"):
        s.state[t.at] = UNUSED
    t.tag = 0
    return skip(s, t)


def mark_dormant(s: Shared, t: Thread) -> Step:
    """`unlink_if_unused`: set the mark, before the second look at the state."""
    s.dormant[t.at] = True
    if s.mistaken("mark after the look"):
        return skip(s, t)
    return unlink if s.mistaken("unlink without a look") else load_state_again


def load_state_again(s: Shared, t: Thread) -> Step:
    """`unlink_if_unused`: either we see the pin, or its thread sees the mark."""
    return unlink if s.state[t.at] == UNUSED else clear_mark_of_other


def clear_mark_of_other(s: Shared, t: Thread) -> Step:
    """`unlink_if_unused`: the participant was pinned meanwhile, so it stays in the list."""
    s.dormant[t.at] = False
    return skip(s, t)


def unlink(s: Shared, t: Thread) -> Step:
    """`unlink`: store the `next` of the participant before it. Its own stays, for scans there."""
    following = s.next[t.at]
    take_off_list(s, t.at)
    if s.mistaken("mark after the look"):
        return mark_dormant
    t.at = following
    return next_to_tidy(s, t)


def take_off_list(s: Shared, participant: int) -> None:
    """The store of `unlink`. The code finds the place by `previous`, which is under the lock."""
    if s.first == participant:
        s.first = s.next[participant]
    else:
        at = s.first
        while s.next[at] != participant:
            at = s.next[at]
        s.next[at] = s.next[participant]
    s.linked[participant] = False
    if s.mistaken("forget next"):
        s.next[participant] = NONE


def end_tidy(s: Shared, t: Thread) -> Step | None:
    """`~Locked`: drop the lock."""
    s.lock = NONE
    return done(s, t)


# -- the end of a thread ---------------------------------------------------------------------------


def end(s: Shared, t: Thread) -> Step:
    """`~ReleaseAtThreadEnd`: take the lock. The thread is detached from the interpreter."""
    s.lock = t.me
    return unlink_own if s.linked[t.own] else put_back


def unlink_own(s: Shared, t: Thread) -> Step:
    """`~ReleaseAtThreadEnd`: scans pass the participant no more. It is not pinned."""
    take_off_list(s, t.own)
    return put_back


def put_back(s: Shared, t: Thread) -> Step:
    """`put_back`: the participant is free for another thread, with all that waits in it."""
    s.state[t.own] = 0
    s.free.append(t.own)
    t.own = NONE
    return unlock_at_end


def unlock_at_end(s: Shared, t: Thread) -> Step | None:
    """`~Locked`: drop the lock."""
    s.lock = NONE
    return done(s, t)


def _lock_is_free(s: Shared, t: Thread) -> bool:
    return s.lock == NONE


ACQUIRE.append(acquire)
START.update({TIDY: tidy, END: end})
DETACHED |= {unlink_own, put_back, unlock_at_end}
WAITS_UNTIL.update(dict.fromkeys((acquire, lock_to_link_first, tidy, end), _lock_is_free))
WAITS_UNTIL[lock_to_link] = lambda s, t: s.lock == NONE or s.mistaken("no lock")
