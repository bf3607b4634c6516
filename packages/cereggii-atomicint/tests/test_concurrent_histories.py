# SPDX-License-Identifier: Apache-2.0
"""Every history of calls by many threads is linearizable: some order of them explains the results.

The numbers are near the edge where an AtomicInt changes the form in which it keeps its value, and
near the ends of its range.
"""

from __future__ import annotations

import functools
import operator
import random
from typing import Any

import pytest
from cereggii_atomicint import AtomicInt

from tools.testing.concurrency import meet
from tools.testing.linearizability import Call, Step, assert_linearizable, timed
from tools.testing.models import ModelInt

pytestmark = [
    pytest.mark.thread_unsafe(reason="starts threads of its own"),
    pytest.mark.usefixtures("switch_often"),
]

THREADS = 3
CALLS = 6

# Each gets an AtomicInt, a handle or the model, and two numbers.
CALLS_OF: dict[str, Any] = {
    "get": lambda a, x, y: a.get(),
    "set": lambda a, x, y: a.set(x),
    "get_and_set": lambda a, x, y: a.get_and_set(x),
    "compare_and_set": lambda a, x, y: a.compare_and_set(x, y),
    "compare_and_exchange": lambda a, x, y: a.compare_and_exchange(x, y),
    "increment_and_get": lambda a, x, y: a.increment_and_get(),
    "get_and_decrement": lambda a, x, y: a.get_and_decrement(),
    "add": lambda a, x, y: a.increment_and_get(x),
    "subtract": lambda a, x, y: a.decrement_and_get(x),
    "get_and_max": lambda a, x, y: a.get_and_max(x),
    "get_and_xor": lambda a, x, y: a.get_and_xor(x),
    "update_and_get": lambda a, x, y: a.update_and_get(operator.invert),
    "accumulate": lambda a, x, y: a.get_and_accumulate(x, operator.sub),
    "+=": lambda a, x, y: in_place(a, "+=", operator.iadd, x),
    "*=": lambda a, x, y: in_place(a, "*=", operator.imul, 2),
    "//=": lambda a, x, y: in_place(a, "//=", operator.ifloordiv, 2),
}


def in_place(shared: Any, symbol: str, operation: Any, operand: int) -> None:
    if isinstance(shared, ModelInt):
        shared.in_place(symbol, operand)
    else:
        operation(shared, operand)


def outcome(shared: Any, name: str, x: int, y: int) -> Any:
    try:
        return CALLS_OF[name](shared, x, y)
    except OverflowError:
        return OverflowError


def step_of(name: str, x: int, y: int) -> Step:
    def step(state: int) -> list[tuple[int, Any]]:
        model = ModelInt(state)
        result = outcome(model, name, x, y)
        return [(model.get(), result)]

    return step


@pytest.mark.parametrize(
    "numbers",
    [(0, 1, 2, 3), (2**61 - 1, 2**61, 2**61 + 1, -1), (2**63 - 1, 2**62, -(2**63), 1)],
    ids=["small", "about to be widened", "at the ends"],
)
def test_histories_are_linearizable(numbers: tuple[int, ...], seed: int) -> None:
    rounds = 1000
    choose = random.Random(seed)
    starts = choose.choices(numbers, k=rounds)
    integers = [AtomicInt(start) for start in starts]

    def plan(names: list[str]) -> list[tuple[str, int, int]]:
        return [
            (choose.choice(names), choose.choice(numbers), choose.choice(numbers))
            for _ in range(CALLS)
        ]

    def plans_of_all() -> list[Any]:
        names = choose.sample([*CALLS_OF], choose.randrange(1, 4))  # few, so that they meet
        return [plan(names) for _ in range(THREADS)]

    games = [(integer, plans_of_all()) for integer in integers]

    def play(number: int, game: tuple[AtomicInt, list[Any]]) -> list[Call]:
        integer, plans = game
        shared: Any = integer.get_handle() if number == 0 else integer
        return [
            timed(str(each), step_of(*each), functools.partial(outcome, shared, *each))
            for each in plans[number]
        ]

    works = [functools.partial(play, number) for number in range(THREADS)]
    for start, integer, by_thread in zip(starts, integers, meet(games, *works), strict=True):
        history = [call for calls in by_thread for call in calls]
        history.append(timed("the end", step_of("get", 0, 0), integer.get))
        assert_linearizable(start, history)
