# SPDX-License-Identifier: Apache-2.0
"""Explores a scenario of the reclaimer: its steps, what must hold in the end, and traces."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from ..search import Search, State, ViolationError, search
from . import pinning, retiring  # noqa: F401  their steps
from .freeing import fork, lose_threads, world_is_stopped
from .state import (
    NONE,
    REMOVED,
    THERE,
    UNUSED,
    WAITS_UNTIL,
    Scenario,
    Shared,
    Step,
    Thread,
    first_step,
)


class Result(NamedTuple):
    """What an exploration found; `trace` leads to the violation."""

    states: int
    seconds: float
    violation: str | None
    trace: list[str]
    taken: frozenset[str]  # the names of the steps
    dormant_ends: int  # ends in which a participant is not linked


def explore(scenario: Scenario, mistakes: frozenset[str] = frozenset()) -> Result:
    """Visits all states that can be reached, until one violates a promise."""
    taken: set[Step] = set()
    dormant_ends = 0

    def take(state: State, me: int) -> State:
        taken.add(state[1][me][0])
        return step(scenario, mistakes, state, me)

    def end(state: State) -> None:
        nonlocal dormant_ends
        dormant_ends += check_end(scenario, mistakes, state)

    found = search(initial(scenario), lambda state: enabled(scenario, mistakes, state), take, end)
    names = frozenset(pc.__name__ for pc in taken)
    trace = trace_of(found) if found.violation else []
    return Result(found.states, found.seconds, found.violation, trace, names, dormant_ends)


def initial(scenario: Scenario) -> State:
    """The state in which the threads start."""
    n = len(scenario.programs)
    nothing = (0, NONE, NONE, NONE, 0, NONE, *[()] * len(Shared.LISTS))
    s = Shared(nothing, scenario, frozenset())
    s.items, s.found, s.writers = [THERE], [NONE] * n, [0] * n
    participants = n - scenario.newcomers
    for _ in range(participants):
        s.new_participant()
    linked = [me for me in reversed(range(participants)) if me not in scenario.dormant]
    s.first = linked[0]  # the newest
    for before, behind in pairwise(linked):
        s.next[before] = behind
    for me in range(participants):
        s.linked[me] = me not in scenario.dormant
        s.dormant[me] = me in scenario.dormant
        s.state[me] = UNUSED if me in scenario.unused else 0
    # A participant that is not linked was at the head of the list, before it was unlinked.
    for me in scenario.dormant:
        s.next[me] = s.first
    threads = []
    for me, program in enumerate(scenario.programs):
        own = me if me < participants else NONE
        threads.append(Thread.fresh(first_step(program[0], own), program, 0, own))
    return (s.pack(), tuple(threads))


def enabled(scenario: Scenario, mistakes: frozenset[str], state: State) -> list[int]:
    """The threads that can take a step."""
    shared, threads = state
    s = Shared(shared, scenario, mistakes)
    able: list[int] = []
    for me, packed in enumerate(threads):
        pc: Step | None = packed[0]
        if pc is None:
            continue
        condition = WAITS_UNTIL.get(pc)
        if condition is not None and not condition(s, Thread(me, packed)):
            continue
        if pc is fork and not world_is_stopped(_others(threads, me)):
            continue
        able.append(me)
    return able


def _others(threads: tuple[State, ...], me: int) -> list[Thread]:
    return [Thread(other, packed) for other, packed in enumerate(threads) if other != me]


def step(scenario: Scenario, mistakes: frozenset[str], state: State, me: int) -> State:
    """Lets a thread take its step. After a fork, what goes on is the child, with that thread."""
    shared, threads = state
    s, t = Shared(shared, scenario, mistakes), Thread(me, threads[me])
    pc = t.pc
    assert pc is not None
    if pc is fork:
        lose_threads(s, _others(threads, me))
        gone = Thread.fresh(None, (), 0, NONE)
        threads = (gone,) * len(threads)
    t.pc = pc(s, t)
    return (s.pack(), (*threads[:me], Thread.pack(t), *threads[me + 1 :]))


def check_end(scenario: Scenario, mistakes: frozenset[str], state: State) -> bool:
    """All operations are over, or nobody can go on. Says whether a participant is not linked."""
    shared, threads = state
    for me, packed in enumerate(threads):
        if packed[0] is not None:
            raise ViolationError(f"T{me} waits forever in {packed[0].__name__}")
    s = Shared(shared, scenario, mistakes)
    if s.lock != NONE or s.gate != NONE:
        raise ViolationError("the lock is held, or the gate closed, by nobody")
    if any(map(s.is_pinned, range(len(s.state)))):
        raise ViolationError("all operations are over, and a participant is pinned")
    can_be_found = {*s.orphans}
    participant = s.littered_first
    while participant != NONE:
        can_be_found |= {*s.waiting[participant], *s.held[participant]}
        can_be_found |= {item for bag in s.bags[participant] for item in bag}
        participant = s.next_littered[participant]
    for item, status in enumerate(s.items):
        if status == REMOVED and item not in can_be_found:
            raise ViolationError(f"nobody will free i{item}")
    return not all(s.linked)


def trace_of(found: Search) -> list[str]:
    """The steps that lead to a violation, and the one that fails there."""
    after = [state for state, _ in found.path[1:]] + [found.last]
    lines: list[str] = []
    for (before, me), then in zip(found.path, after, strict=True):
        changes = [
            f"{name} {old} → {new}"
            for name, old, new in zip(Shared.FIELDS, before[0], then[0], strict=True)
            if old != new
        ]
        lines.append(f"T{me}  {before[1][me][0].__name__:24}{'; '.join(changes)}".rstrip())
    if found.failing is not None:
        lines.append(f"T{found.failing}  {found.last[1][found.failing][0].__name__}  ← here")
    return lines
