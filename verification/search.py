# SPDX-License-Identifier: Apache-2.0
"""What all models share: the breadth-first search through all interleavings, and mistakes.

Nothing is reduced: each thread that can take a step leads to a successor of the state. A state
holds everything that a step reads, so two interleavings that reach the same state are the same from
there on. Breadth first, so that the trace to a violation is as short as possible.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

State: TypeAlias = tuple[Any, ...]


class ViolationError(Exception):
    """A promise is broken; the message says which."""


class TooManyStatesError(Exception):
    """There are more states than were allowed."""


class Mistake(NamedTuple):
    """A step that is left out or done wrong, and the scenarios in which that breaks a promise."""

    about: str
    shown_by: dict[str, str]  # scenario: what the violation says, in part


class Search(NamedTuple):
    """What a search has found."""

    states: int
    steps: int
    ends: int  # states in which nobody can take a step
    seconds: float
    violation: str | None
    path: list[tuple[State, int]]  # the states up to the violation, and who takes a step in each
    last: State  # where the violation is
    failing: int | None  # whose step fails there; nobody's if the state itself is wrong


def search(
    first: State,
    actors: Callable[[State], list[int]],
    step: Callable[[State, int], State],
    check_end: Callable[[State], None],
    limit: int | None = None,
) -> Search:
    """Visits all states that can be reached, until one violates a promise.

    `actors` are those who can take a step in a state. `check_end` looks at a state in which nobody
    can.
    """
    started = time.perf_counter()
    parents: dict[State, tuple[State, int] | None] = {first: None}
    frontier = [first]
    steps = ends = 0

    def result(violation: str | None, last: State, failing: int | None) -> Search:
        seconds = time.perf_counter() - started
        path = _path(parents, last) if violation else []
        return Search(len(parents), steps, ends, seconds, violation, path, last, failing)

    while frontier:
        following: list[State] = []
        for state in frontier:
            failing: int | None = None
            try:
                able = actors(state)
                if not able:
                    ends += 1
                    check_end(state)
                for failing in able:
                    steps += 1
                    after = step(state, failing)
                    if after not in parents:
                        parents[after] = (state, failing)
                        following.append(after)
            except ViolationError as violation:
                return result(str(violation), state, failing)
        if limit is not None and len(parents) > limit:
            raise TooManyStatesError(f"more than {limit} states")
        frontier = following
    return result(None, first, None)


def _path(parents: dict[State, tuple[State, int] | None], state: State) -> list[tuple[State, int]]:
    path: list[tuple[State, int]] = []
    while (link := parents[state]) is not None:
        path.append(link)
        state = link[0]
    return path[::-1]
