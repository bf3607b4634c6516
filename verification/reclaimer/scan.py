# SPDX-License-Identifier: Apache-2.0
"""Scans of the active list, as atomic steps. A scan takes no lock.

`t.scan` says what a scan is for, and `t.after` is the step that follows it:

    others     others_are_pinned()   is anybody else pinned? Ends at the first who is
    oldest     oldest_epoch()        the oldest epoch of those who are pinned
    writers    wait_for_writers()    waits for each that is pinned for writing to the map
    readers    wait_for_pinned()     waits for each that is pinned with the tag's epoch or an older

A participant that is linked from the load of the head to the end of the scan is passed: unlinking
leaves the `next` of what is unlinked as it is, and linking leads through the whole list. A thread
whose participant is linked later loads nothing of the structure before that. These are A1 to A3 of
reclamation/participants.hpp.
"""

from __future__ import annotations

from .state import NONE, PINNED, THE_MAP, WAITS_UNTIL, WRITING, Shared, Step, Thread

# Where `others_are_pinned` goes on when it has found somebody; see retiring.py.
SOMEBODY_IS_PINNED: list[Step] = []


def load_own_next(s: Shared, t: Thread) -> Step:
    """`others_are_pinned`: begin behind our own participant, so that not all ask the same thread.

    It may be unlinked. Its `next` leads to the end of the list all the same.
    """
    t.scan, t.from_first, t.at = "others", False, s.next[t.own]
    return look_at_state if t.at != NONE else load_first


def load_first(s: Shared, t: Thread) -> Step:
    """`first`: a thread whose participant is linked after this load finds no removed item."""
    t.at, t.from_first = s.first, True
    return arrive(s, t)


def arrive(s: Shared, t: Thread) -> Step:
    """At the end of the list, or at a participant; local."""
    # On the way from the head, all that comes before our own participant is all that is missing.
    # On the way that began behind our own, it may have been linked again: the list begins there.
    to_own = t.scan == "others" and (t.from_first or s.mistaken("end at the own participant"))
    if t.at == NONE or (t.at == t.own and to_own):
        if not t.from_first:
            return load_first
        assert t.after is not None
        return t.after
    return load_next if t.at == t.own else look_at_state


def look_at_state(s: Shared, t: Thread) -> Step:
    """Load the state of another participant. `readers` waits here."""
    state = s.state[t.at]
    if t.scan == "others" and state & PINNED:
        t.at = NONE
        return SOMEBODY_IS_PINNED[0]
    if t.scan == "oldest" and state & PINNED:
        t.oldest = min(t.oldest, state >> 2)
    if t.scan == "writers" and state & PINNED and state & WRITING:
        return look_at_written
    return load_next


def is_waited_for(s: Shared, t: Thread) -> bool:
    """Whether the participant is pinned with an epoch in which its thread may have found an item.

    An item is removed before the epoch is advanced from the tag. So a thread that is pinned with a
    larger epoch has loaded the epoch after that, and has not found the item.
    """
    if t.scan != "readers" or not s.is_pinned(t.at):
        return False
    epoch = s.epoch_of(t.at)
    return epoch < t.tag if s.mistaken("wait for older epochs only") else epoch <= t.tag


def look_at_written(s: Shared, t: Thread) -> Step:
    """`wait_for_writers`: load what the writer writes to. Another map: it is not waited for.

    The load may find the name that belongs to the next pin. Then the pin that was seen is over.
    """
    return wait_for_writer if s.written[t.at] == THE_MAP else load_next


def wait_for_writer(s: Shared, t: Thread) -> Step:
    """`wait_for_writers`: pause, and look again."""
    return look_at_state


def _writer_is_gone(s: Shared, t: Thread) -> bool:
    both = PINNED | WRITING
    return s.state[t.at] & both != both or s.written[t.at] != THE_MAP


def load_next(s: Shared, t: Thread) -> Step:
    """`after`: go on, even from a participant that was unlinked meanwhile, or linked again."""
    t.at = s.next[t.at]
    return arrive(s, t)


WAITS_UNTIL[look_at_state] = lambda s, t: not is_waited_for(s, t)
WAITS_UNTIL[wait_for_writer] = _writer_is_gone
