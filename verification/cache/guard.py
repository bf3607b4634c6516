# SPDX-License-Identifier: Apache-2.0
"""How a call begins and ends, as atomic steps: guard.hpp. It pins, and passes the gate.

A step makes one access to shared memory, and returns the step that follows. What a thread does
between two accesses belongs to the step before. The comment of a step names the function of the
code that it stands for, and the race that it handles. A function whose comment says "local" is a
part of other steps. `w.mistaken(...)` marks where a mistake can be switched on.
"""

from __future__ import annotations

from collections.abc import Callable

from .state import NOWHERE, READING, WRITING, Op, Step, Thread, World

# What an operation does first. The modules of the operations add themselves.
ENTRY: dict[str, Step] = {}
# How a call goes on that has pushed an entry; see maintenance.py.
MAINTENANCE: list[Step] = []
# A step that can wait, and what it waits for.
WAITS_UNTIL: dict[Step, Callable[[World, Thread], bool]] = {}
# Where a thread is between calls, computes a value, or waits for one: it is outside the cache.
OUTSIDE: set[Step] = set()
# Where else a thread may be detached. So the world may be stopped when all threads are at one of
# these steps or outside.
DETACHED: set[Step] = set()


def op_of(w: World, t: Thread) -> Op:
    """The call that a thread is in."""
    return w.cfg.programs[t.me][t.op]


def begin(w: World, t: Thread) -> Step:
    """A call begins. The next step makes its first access."""
    op = op_of(w, t)
    if op.kind in ("get", "call", "fail"):
        t.floor = w.floors[op.key]
    else:
        t.noted = len(w.entries)
    if op.kind == "get":
        w.watch(t.me, op.key)
    t.after = None
    return ENTRY[op.kind](w, t)


def pin_writing(w: World, t: Thread, after: Step) -> Step:
    """Pin, and go on with `after`; local."""
    t.after = after
    return pin


def pin(w: World, t: Thread) -> Step:
    """`Guard::pin_reading`, `pin_writing`: store the pin, before all later loads."""
    reads = op_of(w, t).kind == "get"
    w.pin(t.me, READING if reads else WRITING)
    return pinned(t) if reads or not is_gated(w) else look_at_gate


def pinned(t: Thread) -> Step:
    """Go on with what the pin is for; local."""
    after, t.after = t.after, None
    assert after is not None
    return after


def is_gated(w: World) -> bool:
    """Whether some thread closes the gate. Otherwise nobody looks at it, to save states; local."""
    return any(op.kind == "clear" for program in w.cfg.programs for op in program)


def look_at_gate(w: World, t: Thread) -> Step:
    """`Guard::pin_writing`: load the gate, after the pin.

    So either the closer sees the pin, or the writer sees the closed gate.
    """
    return pinned(t) if w.closer == NOWHERE else back_off


def back_off(w: World, t: Thread) -> Step:
    """`Guard::pin_writing`: the gate is closed. Unpin, so that the closer does not wait for us."""
    w.unpin(t.me)
    return wait_for_gate


def wait_for_gate(w: World, t: Thread) -> Step:
    """`Guard::pin_writing`: wait, detached, until the gate is open. It may close before the pin."""
    return pin


WAITS_UNTIL[wait_for_gate] = lambda w, t: w.closer == NOWHERE


def unpin(w: World, t: Thread) -> Step:
    """`Guard::unpin`: store that the thread is not pinned."""
    w.unpin(t.me)
    after, t.after = t.after, None
    return after or finish(w, t)


def unpin_for_long(w: World, t: Thread, then: Step) -> Step:
    """Unpin before something that takes any time; local.

    What the thread has pushed is not left waiting for that.
    """
    t.forget_probe()
    if t.has_pushed and not w.mistaken("maintenance afterwards"):
        t.then = then
    else:
        t.after = then
    return unpin


def finish(w: World, t: Thread) -> Step:
    """Do the maintenance, if there is something for it, and go on; local."""
    if t.has_pushed:
        t.forget_probe()
        return MAINTENANCE[0]
    then, t.then = t.then, None
    return then or end(w, t)


def end(w: World, t: Thread) -> Step:
    """The call returns; local."""
    op = op_of(w, t)
    if op.kind == "get":
        w.unwatch(t.me)
    elif op.kind == "invalidate":
        w.raise_floor(op.key, t.noted)
    elif op.kind == "put":
        w.raise_floor(op.key, t.own)
    elif op.kind == "clear":
        for key in range(len(w.floors)):
            w.raise_floor(key, t.noted)
    t.reset(t.op + 1)
    return begin


OUTSIDE.add(begin)
DETACHED.add(wait_for_gate)
