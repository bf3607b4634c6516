# SPDX-License-Identifier: Apache-2.0
"""Explores a scenario of the cache: its steps, what must hold in the end, and traces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..search import Search, State, ViolationError, search
from . import clearing, lookup, maintenance, migration  # noqa: F401  their steps
from .guard import DETACHED, OUTSIDE, WAITS_UNTIL, begin
from .state import (
    FREED,
    NOWHERE,
    RESERVED,
    STORED,
    Config,
    Op,
    Step,
    Thread,
    World,
    is_dead,
)


class Result(NamedTuple):
    """What an exploration found; `trace` leads to the violation."""

    states: int
    ends: int
    seconds: float
    violation: str | None
    trace: list[str]
    taken: frozenset[str]  # the names of the steps


def explore(cfg: Config, limit: int = 5_000_000) -> Result:
    """Visits all states that can be reached, until one violates a promise."""
    taken: set[Step] = set()

    def take(state: State, me: int) -> State:
        taken.add(state[-1][me][1])
        return step(cfg, state, me)

    found = search(
        World.initial(cfg, begin),
        lambda state: enabled(cfg, state),
        take,
        lambda state: check_end(cfg, state),
        limit,
    )
    names = frozenset(pc.__name__ for pc in taken)
    trace = trace_of(cfg, found) if found.violation else []
    return Result(found.states, found.ends, found.seconds, found.violation, trace, names)


def enabled(cfg: Config, state: State) -> list[int]:
    """The threads that can take a step, by number."""
    w = World(cfg, state)
    able: list[int] = []
    for me, packed in enumerate(w.threads):
        pc, op = packed[1], packed[2]
        if pc is begin and op == len(cfg.programs[me]):
            continue
        condition = WAITS_UNTIL.get(pc)
        if condition is None or condition(w, Thread(packed)):
            able.append(me)
    return able


def step(cfg: Config, state: State, me: int) -> State:
    """Lets a thread take its step."""
    w = World(cfg, state)
    t = Thread(w.threads[me])
    t.pc = t.pc(w, t)
    w.threads = (*w.threads[:me], Thread.pack(t), *w.threads[me + 1 :])
    w.observe(lambda other: cfg.programs[other][w.threads[other][2]].key)
    places = {packed[1] for packed in w.threads}
    if places <= OUTSIDE:
        check_outside(w)
    elif places <= OUTSIDE | DETACHED:
        check_stopped(w)
    after: State = World.pack(w)
    return after


# -- what must hold in the end ---------------------------------------------------------------------


def check_end(cfg: Config, state: State) -> None:
    """All calls have returned, or nobody can go on."""
    w = World(cfg, state)
    for me, packed in enumerate(w.threads):
        if packed[1] is not begin:
            raise ViolationError(f"T{me} waits forever in {packed[1].__name__}")
    for address, entry in enumerate(w.entries):
        if entry.value == RESERVED:
            raise ViolationError(f"e{address} is reserved, and its leader is gone")
        if entry.value != STORED and entry.status != FREED:
            raise ViolationError(f"e{address} is dead, and nobody will retire it")


def check_stopped(w: World) -> None:
    """The world may be stopped, for a collection or a fork. A child lacks the other threads."""
    if any(w.pinned) or w.closer != NOWHERE or w.lock != NOWHERE:
        raise ViolationError("a thread is pinned, the gate is closed or the lock is held by nobody")
    for address in w.dead_in_tables():
        raise ViolationError(f"e{address} is dead, and nobody will unlink it")
    for packed in w.threads:
        for address in Thread(packed).victims:
            raise ViolationError(f"the world is stopped while e{address} is a victim in no list")


def check_outside(w: World) -> None:
    """Every thread is between calls, computes a value, or waits for one.

    The lists know of everything, and the policy has not more than it may have.
    """
    check_stopped(w)
    if w.stored != NOWHERE or w.removed != NOWHERE:
        raise ViolationError("an event is left in a stack")
    for address, entry in enumerate(w.entries):
        if entry.value == STORED and not w.is_linked(address):
            raise ViolationError(f"e{address} has a value, and is in no table")
        if is_dead(entry.value) and address in w.queue:
            raise ViolationError(f"e{address} is dead, and in the queue")
        if entry.value == STORED and w.cfg.maxsize is not None and w.queue.count(address) != 1:
            raise ViolationError(f"e{address} has a value, and is not once in the queue")


# -- traces ----------------------------------------------------------------------------------------


def trace_of(cfg: Config, found: Search) -> list[str]:
    """The steps that lead to a violation, and the one that fails there."""
    after = [state for state, _ in found.path[1:]] + [found.last]
    lines = [
        describe(cfg, before, me, then)
        for (before, me), then in zip(found.path, after, strict=True)
    ]
    if found.failing is not None:
        lines.append(f"{_who(cfg, found.last, found.failing)}  ← here")
    return lines


def describe(cfg: Config, before: State, me: int, after: State) -> str:
    """One line for a step: the thread, the step, and what changed in memory."""
    changes = list(_changes(World(cfg, before), World(cfg, after)))
    return f"{_who(cfg, before, me)}  {'; '.join(changes)}".rstrip()


def _who(cfg: Config, state: State, me: int) -> str:
    t = Thread(World(cfg, state).threads[me])
    return f"T{me:<2}{call(cfg.programs[me][t.op]):16}{t.pc.__name__:22}"


def call(op: Op) -> str:
    """A call as one would write it."""
    return f"{op.kind}({f'k{op.key}' if op.kind != 'clear' else ''})"


def _changes(old: World, new: World) -> Iterator[str]:
    for address, entry in enumerate(new.entries):
        if address == len(old.entries):
            yield f"new entry e{address} {{k{entry.key}: {_word(entry.value)}}}"
            continue
        was = old.entries[address]
        if was.status != entry.status and entry.status == FREED:
            yield f"e{address} is freed"
            continue
        if was.value != entry.value:
            yield f"e{address}: {_word(was.value)} → {_word(entry.value)}"
        if was.shares != entry.shares:
            yield f"e{address}.shares = {entry.shares}"
        if was.next != entry.next:
            yield f"e{address}.next = {_name(entry.next)}"
        for field in ("status", "stored_seen", "removed_seen"):
            if getattr(was, field) != getattr(entry, field):
                yield f"e{address}.{field} = {getattr(entry, field)}"
    for chain, paths in enumerate(old.chains):
        for before, after in zip(paths, new.chains[chain], strict=True):
            for left, right in zip(before, after, strict=False):
                if left != right:
                    yield f"e{left} is unlinked"
    for name in ("stored", "removed"):
        if getattr(old, name) != getattr(new, name):
            yield f"{name} = {_name(getattr(new, name))}"
    for name in ("root", "queue", "lock", "closer", "pinned", "computations"):
        if getattr(old, name) != getattr(new, name):
            yield f"{name} = {getattr(new, name)}"


def _word(value: int) -> str:
    if is_dead(value):
        return "dead" if value == NOWHERE else f"dead, e{value} next"
    return "reserved" if value == RESERVED else "stored"


def _name(address: int) -> str:
    return "nothing" if address == NOWHERE else f"e{address}"
