# SPDX-License-Identifier: Apache-2.0
"""Is a history of calls linearizable? Whether some order of them explains all their results.

After J. M. Wing and C. Gong, "Testing and verifying concurrent objects" (1993), with the memory of
visited configurations of G. Lowe, "Testing for linearizability" (2017). That makes long histories
cheap, too: the search is as wide as the number of calls that overlap, and no wider.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

State: TypeAlias = Hashable

# All that a call may do to a state: what the state becomes, and what the call then returns.
Step: TypeAlias = Callable[[Any], Iterable[tuple[State, Any]]]

# How many of the first calls are explained, which of the later ones are, and the state by then.
_Configuration: TypeAlias = tuple[int, frozenset[int], State]


class Call(NamedTuple):
    """A call that was made: when it began and ended, what it may do, and what it returned."""

    began: int
    ended: int
    step: Step
    result: Any
    name: str = ""

    def __str__(self) -> str:
        return f"[{self.began} … {self.ended}] {self.name} -> {self.result!r}"


class NotLinearizable(AssertionError):  # noqa: N818 - a verdict
    """No order of the calls explains their results; the message shows where the search ended."""


def timed(name: str, step: Step, call: Callable[[], Any]) -> Call:
    """Make a call, and note when."""
    began = time.perf_counter_ns()
    result = call()
    return Call(began, time.perf_counter_ns(), step, result, name)


def assert_linearizable(state: State, calls: Iterable[Call]) -> None:
    """Raise NotLinearizable unless an order of the calls, each within its time, explains them."""
    history = sorted(calls, key=lambda call: call.began)
    farthest: _Configuration = (0, frozenset(), state)
    seen = {farthest}
    to_do = [farthest]
    while to_do:
        configuration = to_do.pop()
        done, ahead, now = configuration
        if done == len(history):
            return
        if done + len(ahead) > farthest[0] + len(farthest[1]):
            farthest = configuration
        for index in _may_be_next(history, done, ahead):
            for after, result in history[index].step(now):
                if _same(result, history[index].result):
                    found = (*_advance(done, ahead, index), after)
                    if found not in seen:
                        seen.add(found)
                        to_do.append(found)
    raise NotLinearizable(_describe(history, farthest))


def is_linearizable(state: State, calls: Iterable[Call]) -> bool:
    """Whether an order of the calls, each within its time, explains all their results."""
    try:
        assert_linearizable(state, calls)
    except NotLinearizable:
        return False
    return True


def _same(left: object, right: object) -> bool:
    return type(left) is type(right) and left == right


def _may_be_next(history: list[Call], done: int, ahead: frozenset[int]) -> Iterator[int]:
    """The calls that are left and began before any of those that are left had ended."""
    first_end: int | None = None
    for index in range(done, len(history)):
        if index in ahead:
            continue
        call = history[index]
        if first_end is not None and call.began > first_end:
            return  # and so did all after it
        first_end = call.ended if first_end is None else min(first_end, call.ended)
        yield index


def _advance(done: int, ahead: frozenset[int], index: int) -> tuple[int, frozenset[int]]:
    if index != done:
        return done, ahead | {index}
    done += 1
    while done in ahead:
        done += 1
    return done, frozenset(later for later in ahead if later > done)


def _describe(history: list[Call], farthest: _Configuration) -> str:
    done, ahead, now = farthest
    lines = [f"{done + len(ahead)} of {len(history)} calls are explained; the last of them:"]
    lines += [f"  {call}" for call in history[max(0, done - 10) : done]]
    lines += [f"  {history[index]}" for index in sorted(ahead)]
    lines += [f"but in state {now!r} none of these can be next:"]
    lines += [f"  {history[index]}" for index in _may_be_next(history, done, ahead)]
    return "\n".join(lines)
