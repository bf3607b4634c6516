# SPDX-License-Identifier: Apache-2.0
"""Every history of an AtomicKeyedCounter is linearizable: a Counter explains the results."""

from __future__ import annotations

import functools
import random
from typing import Any

import pytest
from cereggii import AtomicKeyedCounter

from tools.testing.concurrency import meet
from tools.testing.linearizability import Call, Step, assert_linearizable, timed
from tools.testing.models import ModelCounter

pytestmark = [
    pytest.mark.thread_unsafe(reason="starts threads of its own"),
    pytest.mark.usefixtures("switch_often"),
]

THREADS = 3
CALLS = 6
KEYS = ["a", 1]

# Each gets the keyed counter, a handle or the model, and a key and a number.
CALLS_OF: dict[str, Any] = {
    "get": lambda c, key, n: c[key],
    "add": lambda c, key, n: c.add(key, n),
    "set": lambda c, key, n: c.__setitem__(key, n),
    "update": lambda c, key, n: c.update([key] * n),
    "subtract": lambda c, key, n: c.subtract({key: n}),
    "delete": lambda c, key, n: c.__delitem__(key),
    "pop": lambda c, key, n: c.pop(key, None),
    "in": lambda c, key, n: key in c,
    "total": lambda c, key, n: c.total(),
    "len": lambda c, key, n: len(c),
    "clear": lambda c, key, n: c.clear(),
    "most_common": lambda c, key, n: sorted(count for _, count in c.most_common()),
    "snapshot": lambda c, key, n: dict(c.items()) if isinstance(c, ModelCounter) else c.snapshot(),
}


def step_of(name: str, key: Any, number: int) -> Step:
    def step(state: frozenset[Any]) -> list[tuple[frozenset[Any], Any]]:
        model = ModelCounter(dict(state))
        result = CALLS_OF[name](model, key, number)
        return [(frozenset(model.items()), result)]

    return step


def test_histories_are_linearizable(seed: int) -> None:
    rounds = 1000
    choose = random.Random(seed)
    counters: list[AtomicKeyedCounter[Any]] = [AtomicKeyedCounter() for _ in range(rounds)]

    def plan(names: list[str]) -> list[tuple[str, Any, int]]:
        return [
            (choose.choice(names), choose.choice(KEYS), choose.randrange(3)) for _ in range(CALLS)
        ]

    def plans_of_all() -> list[Any]:
        names = choose.sample([*CALLS_OF], choose.randrange(1, 4))  # few, so that they meet
        return [plan(names) for _ in range(THREADS)]

    games = [(counter, plans_of_all()) for counter in counters]

    def play(number: int, game: tuple[AtomicKeyedCounter[Any], list[Any]]) -> list[Call]:
        counter, plans = game
        shared: Any = counter.get_handle() if number == 0 else counter
        return [
            timed(
                str(each), step_of(*each), functools.partial(CALLS_OF[each[0]], shared, *each[1:])
            )
            for each in plans[number]
        ]

    works = [functools.partial(play, number) for number in range(THREADS)]
    for counter, by_thread in zip(counters, meet(games, *works), strict=True):
        history = [call for calls in by_thread for call in calls]
        history.append(timed("the end", step_of("snapshot", 0, 0), counter.snapshot))
        assert_linearizable(frozenset(), history)
