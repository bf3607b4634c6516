# SPDX-License-Identifier: Apache-2.0
"""How a call begins and ends, as atomic steps: guard.hpp. It pins, passes the gate, and retires.

What happens between a removal and the moment when the memory is freed is a model of its own: see
reclaimer/.

A step makes one access to shared memory, and returns the step that follows. What a thread does
between two accesses belongs to the step before. The comment of a step names the function of the
code that it stands for, and the race that it handles. A function whose comment says "local" is a
part of other steps. `w.mistaken(...)` marks where a mistake can be switched on.
"""

from __future__ import annotations

from collections.abc import Callable

from .state import NOWHERE, READING, WRITING, Op, Step, Thread, World

SETTLE = Op("settle")
READERS = frozenset({"get", "iterate"})
# What an operation does once it is pinned. The modules of the operations add themselves.
ENTRY: dict[str, Step] = {}
# A step that can wait, and what it waits for.
WAITS_UNTIL: dict[Step, Callable[[World, Thread], bool]] = {}
# Where a thread may be detached, and so where the world may be stopped.
SAFE_POINTS: set[Step] = set()


def op_of(w: World, t: Thread) -> Op:
    """The call that a thread is in."""
    return SETTLE if t.op == -1 else w.cfg.programs[t.me][t.op]


def begin(w: World, t: Thread) -> Step:
    """A call begins. The next step makes its first access. Between calls a thread is detached."""
    kind = op_of(w, t).kind
    w.called(t.me, t.op)
    if kind == "len":
        w.watch_for(t.me, ("len", frozenset({len(w.live_keys())})))
        return ENTRY[kind]
    if kind == "iterate":
        w.watch_for(t.me, ("keys", w.live_keys(), w.live_keys()))
    t.after = ENTRY[kind]
    if w.mistaken("pin without fence"):
        # The store of the pin is still in the store buffer when the root is loaded.
        t.table = w.root
    return pin(w, t)


def pin(w: World, t: Thread) -> Step:
    """`Guard::pin_reading`, `pin_writing`: store the pin, before all later loads.

    A writer also says which map it writes to.
    """
    if w.mistaken("pin without fence") and t.pc is begin:
        return pin
    reader = op_of(w, t).kind in READERS
    gated = not reader and w.cfg.counting
    if gated and w.mistaken("look at gate before pin") and t.pc is not pin:
        return pin if w.closer == NOWHERE else wait_for_gate
    w.pin(t.me, READING if reader else WRITING)
    assert t.after is not None
    return look_at_gate if gated and not w.mistaken("look at gate before pin") else t.after


def look_at_gate(w: World, t: Thread) -> Step:
    """`Guard::pin_writing`: load the gate, after the pin.

    So either the closer sees the pin, or the writer sees the closed gate.
    """
    assert t.after is not None
    return t.after if w.closer == NOWHERE else back_off


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
    return retire if t.retired else end(w, t)


def retire(w: World, t: Thread) -> Step:
    """`~Guard`, `Reclaimer::retire`: load the pins of others, after the items are unreachable.

    The thread itself is not pinned any more, so that the items do not wait for it.
    """
    w.retire_list(t)
    return end(w, t)


def end(w: World, t: Thread) -> Step:
    """The call returns; local."""
    w.returns(t.me, t.op, t.value)
    t.reset(t.op + 1 if t.op != -1 else -2)
    return begin


SAFE_POINTS |= {begin, wait_for_gate}
