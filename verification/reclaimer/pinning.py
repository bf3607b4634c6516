# SPDX-License-Identifier: Apache-2.0
"""Pins of readers and writers, and the gate, as atomic steps."""

from __future__ import annotations

from ..search import ViolationError
from .participants import lock_to_link
from .scan import load_first
from .state import (
    ANOTHER_MAP,
    CLOSE,
    DETACHED,
    FREED,
    NONE,
    PINNED,
    READ,
    START,
    THE_MAP,
    WAITS_UNTIL,
    WRITE,
    WRITE_ELSEWHERE,
    WRITING,
    Shared,
    Step,
    Thread,
    done,
)

# -- pins ------------------------------------------------------------------------------------------


def name_map(s: Shared, t: Thread) -> Step:
    """`pin_writing`: store the map that is written to, before the pin.

    A closer that waits for an older pin of this thread may find it, and then waits no longer.
    """
    if s.mistaken("name the map after the gate") and not s.is_pinned(t.own):
        return load_epoch(s, t)
    s.written[t.own] = THE_MAP if t.kind == WRITE else ANOTHER_MAP
    return be_inside if s.is_pinned(t.own) else load_epoch


def load_epoch(s: Shared, t: Thread) -> Step:
    """`pin_as`: load the epoch that the pin is to have."""
    t.tag = s.epoch
    return look_early if s.mistaken("look before the pin") else pin


def look_early(s: Shared, t: Thread) -> Step:
    """(Mistake) Load the mark before the pin."""
    t.i = s.dormant[t.own]
    return pin


def pin(s: Shared, t: Thread) -> Step:
    """`pin_as`: exchange the state. From here on no pass unlinks the participant unseen."""
    s.state[t.own] = t.tag << 2 | (WRITING if t.kind != READ else 0) | PINNED
    t.after = what_is_pinned_for(t)
    if s.mistaken("look before the pin"):
        was_dormant, t.i = t.i, 0
        return lock_to_link if was_dormant else t.after
    if s.mistaken("no look at the mark"):
        return t.after
    if s.mistaken("link after the load"):
        return load_slot if t.kind == READ else look_at_gate
    return look_at_mark


def what_is_pinned_for(t: Thread) -> Step:
    """What the operation does under its pin; local."""
    if t.kind == WRITE_ELSEWHERE:
        return unpin
    return load_slot if t.kind == READ else look_at_gate


def look_at_mark(s: Shared, t: Thread) -> Step:
    """`pin_as`: load the mark. Either we see it, or the pass that has set it sees the pin."""
    assert t.after is not None
    return lock_to_link if s.dormant[t.own] else t.after


def load_slot(s: Shared, t: Thread) -> Step:
    """Load from the structure: find the item that is there."""
    s.found[t.me] = s.slot
    if s.mistaken("link after the load"):
        t.after = use
        return look_at_mark
    return use


def use(s: Shared, t: Thread) -> Step:
    """Look at the item that was found."""
    if s.items[s.found[t.me]] == FREED:
        raise ViolationError(f"use after free: T{t.me} looks at i{s.found[t.me]}")
    return unpin


def unpin(s: Shared, t: Thread) -> Step | None:
    """`unpin`: store the state."""
    s.state[t.own], s.found[t.me], s.writers[t.me] = 0, NONE, 0
    return done(s, t)


# -- the gate --------------------------------------------------------------------------------------


def look_at_gate(s: Shared, t: Thread) -> Step:
    """`Guard::pin_writing`: load the gate, after the pin and after the participant is linked.

    Either the closer sees the pin, or we see the closed gate.
    """
    if s.gate != NONE:
        return back_off
    if s.mistaken("link after the load"):
        t.after = be_inside
        return look_at_mark
    return name_map if s.mistaken("name the map after the gate") else be_inside


def be_inside(s: Shared, t: Thread) -> Step:
    """Write."""
    if s.gate != NONE and s.writers[s.gate] == 2:
        raise ViolationError(f"T{t.me} writes while T{s.gate} is alone")
    s.writers[t.me] = 1
    return unpin


def back_off(s: Shared, t: Thread) -> Step:
    """`Guard::pin_writing`: the gate is closed. Unpin, so that the closer does not wait for us."""
    s.state[t.own] = 0
    return wait_for_gate


def wait_for_gate(s: Shared, t: Thread) -> Step:
    """`Guard::pin_writing`: wait, detached. Then pin again, since the gate may be closed again."""
    return START[WRITE]


def close_gate(s: Shared, t: Thread) -> Step:
    """`Guard::close_gate`: one closer at a time. Then wait for the writers that are pinned."""
    s.gate = t.me
    t.scan, t.after = "writers", be_alone
    return load_first


def be_alone(s: Shared, t: Thread) -> Step:
    """All writers have been waited for."""
    if 1 in s.writers:
        raise ViolationError(f"T{t.me} is alone while T{s.writers.index(1)} writes")
    s.writers[t.me] = 2
    return open_gate


def open_gate(s: Shared, t: Thread) -> Step | None:
    """`Guard::open_gate`: let the writers in."""
    s.gate, s.writers[t.me] = NONE, 0
    return done(s, t)


START.update({READ: load_epoch, WRITE: name_map, WRITE_ELSEWHERE: name_map, CLOSE: close_gate})
DETACHED.add(wait_for_gate)
WAITS_UNTIL[wait_for_gate] = WAITS_UNTIL[close_gate] = lambda s, t: s.gate == NONE
