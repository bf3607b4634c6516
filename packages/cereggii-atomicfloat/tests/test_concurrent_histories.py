# SPDX-License-Identifier: Apache-2.0
"""Every history of calls by many threads is linearizable: some order of them explains the results.

The numbers include those that compare in other ways than their bits: zeros of both signs and NaN.
"""

from __future__ import annotations

import functools
import math
import operator
import random
from typing import Any

import pytest
from cereggii_atomicfloat import AtomicFloat

from tools.testing.concurrency import meet
from tools.testing.linearizability import Call, Step, assert_linearizable, timed
from tools.testing.models import ModelFloat

pytestmark = [
    pytest.mark.thread_unsafe(reason="starts threads of its own"),
    pytest.mark.usefixtures("switch_often"),
]

THREADS = 3
CALLS = 6

# Each gets an AtomicFloat, a handle or the model, and two numbers.
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
    "get_and_min": lambda a, x, y: a.get_and_min(x),
    "update_and_get": lambda a, x, y: a.update_and_get(operator.neg),
    "accumulate": lambda a, x, y: a.get_and_accumulate(x, operator.sub),
    "+=": lambda a, x, y: in_place(a, "+=", operator.iadd, x),
    "*=": lambda a, x, y: in_place(a, "*=", operator.imul, -0.1),
    "/=": lambda a, x, y: in_place(a, "/=", operator.itruediv, x),
    "%=": lambda a, x, y: in_place(a, "%=", operator.imod, 0.3),
    "**=": lambda a, x, y: in_place(a, "**=", operator.ipow, 3),
}


def in_place(shared: Any, symbol: str, operation: Any, operand: float) -> None:
    if isinstance(shared, ModelFloat):
        shared.in_place(symbol, operand)
    else:
        operation(shared, operand)


def outcome(shared: Any, name: str, x: float, y: float) -> Any:
    try:
        return repr(CALLS_OF[name](shared, x, y))  # which tells zeros, and NaN is equal to NaN
    except ArithmeticError as error:
        return type(error)


def step_of(name: str, x: float, y: float) -> Step:
    def step(state: str) -> list[tuple[str, Any]]:
        model = ModelFloat(float(state))
        result = outcome(model, name, x, y)
        return [(repr(model.get()), result)]

    return step


@pytest.mark.parametrize(
    "numbers",
    [(0.1, 1.0, 2.5, -3.0), (0.0, -0.0, 1.0, math.nan), (1e308, -1e308, math.inf, 5e-324)],
    ids=["small", "zeros and nan", "at the ends"],
)
def test_histories_are_linearizable(numbers: tuple[float, ...], seed: int) -> None:
    rounds = 1000
    choose = random.Random(seed)
    starts = choose.choices(numbers, k=rounds)
    floats = [AtomicFloat(start) for start in starts]

    def plan(names: list[str]) -> list[tuple[str, float, float]]:
        return [
            (choose.choice(names), choose.choice(numbers), choose.choice(numbers))
            for _ in range(CALLS)
        ]

    def plans_of_all() -> list[Any]:
        names = choose.sample([*CALLS_OF], choose.randrange(1, 4))  # few, so that they meet
        return [plan(names) for _ in range(THREADS)]

    games = [(atomic, plans_of_all()) for atomic in floats]

    def play(number: int, game: tuple[AtomicFloat, list[Any]]) -> list[Call]:
        atomic, plans = game
        shared: Any = atomic.get_handle() if number == 0 else atomic
        return [
            timed(str(each), step_of(*each), functools.partial(outcome, shared, *each))
            for each in plans[number]
        ]

    works = [functools.partial(play, number) for number in range(THREADS)]
    for start, atomic, by_thread in zip(starts, floats, meet(games, *works), strict=True):
        history = [call for calls in by_thread for call in calls]
        history.append(
            timed("the end", step_of("get", 0, 0), functools.partial(outcome, atomic, "get", 0, 0))
        )
        assert_linearizable(repr(start), history)
