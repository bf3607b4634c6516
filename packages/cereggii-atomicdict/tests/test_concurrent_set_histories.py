# SPDX-License-Identifier: Apache-2.0
"""Every history of calls on a set is linearizable: some order of them explains the results."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from cereggii_atomicdict import AtomicSet

from tools.testing.concurrency import meet
from tools.testing.linearizability import Call, Step, assert_linearizable, is_linearizable

from .workloads import KEYS, MakeKey, access

pytestmark = [
    pytest.mark.thread_unsafe(reason="starts threads of its own"),
    pytest.mark.usefixtures("switch_often"),
]

# The numbers of the elements that are there.
State: TypeAlias = "frozenset[int]"


def removed(shared: Any, element: Any) -> bool:
    """remove(), and whether the element was there."""
    try:
        shared.remove(element)
    except KeyError:
        return False
    return True


def popped(shared: Any, numbers: dict[Any, int]) -> int | None:
    """pop(), with the number of the element; None if the set was empty."""
    try:
        return numbers[shared.pop()]
    except KeyError:
        return None


# What is called with an element; what the set becomes, and the result. Operations that work
# element by element are one step if they are given one element.
CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda s, element: s.add(element),
    "discard": lambda s, element: s.discard(element),
    "remove": removed,
    "in": lambda s, element: element in s,
    "update": lambda s, element: s.update([element]),
    "difference_update": lambda s, element: s.difference_update({element}),
    "toggle": lambda s, element: s.symmetric_difference_update([element]),
}
EFFECTS: dict[str, Callable[[State, int], tuple[State, Any]]] = {
    "add": lambda state, number: (state | {number}, number not in state),
    "discard": lambda state, number: (state - {number}, number in state),
    "remove": lambda state, number: (state - {number}, number in state),
    "in": lambda state, number: (state, number in state),
    "update": lambda state, number: (state | {number}, None),
    "difference_update": lambda state, number: (state - {number}, None),
    "toggle": lambda state, number: (state ^ {number}, None),
}


def numbers_of(elements: Any, numbers: dict[Any, int]) -> State:
    return frozenset(numbers[element] for element in elements)


# What is called without an element, with the numbers of all; what it may do.
WHOLE_CALLS: dict[str, Callable[[Any, dict[Any, int]], Any]] = {
    "len": lambda s, numbers: len(s),
    "snapshot": lambda s, numbers: numbers_of(s.snapshot(), numbers),
    "union": lambda s, numbers: numbers_of(s | set(), numbers),
    "intersection": lambda s, numbers: numbers_of(s & numbers.keys(), numbers),
    "difference": lambda s, numbers: numbers_of({*numbers} - s, numbers),
    "is full": lambda s, numbers: s >= numbers.keys(),
    "is empty": lambda s, numbers: s.isdisjoint(numbers),
    "clear": lambda s, numbers: s.clear(),
    "pop": popped,
}


def whole_steps(count: int) -> dict[str, Step]:
    every = frozenset(range(count))
    return {
        "len": lambda state: [(state, len(state))],
        "snapshot": lambda state: [(state, state)],
        "union": lambda state: [(state, state)],
        "intersection": lambda state: [(state, state)],
        "difference": lambda state: [(state, every - state)],
        "is full": lambda state: [(state, state == every)],
        "is empty": lambda state: [(state, not state)],
        "clear": lambda state: [(frozenset(), None)],
        "pop": lambda state: [(state - {number}, number) for number in state] or [(state, None)],
    }


def step_of(name: str, number: int) -> Step:
    return lambda state: [EFFECTS[name](state, number)]


class Player:
    """Makes random calls on a set, which are drawn before the first, and keeps their history."""

    def __init__(self, shared: Any, make: MakeKey, count: int, choose: random.Random) -> None:
        self._shared = shared
        self._make = make
        self._numbers = {make(number): number for number in range(count)}
        self._steps = whole_steps(count)
        self._choose = choose
        self._plan: list[tuple[Callable[[Any, Any], Any], Any, Step, str]] = []
        self._times: list[tuple[int, int, Any]] = []

    def draw_one(self, name: str, number: int) -> None:
        step = step_of(name, number)
        self._plan.append((CALLS[name], self._make(number), step, f"{name} {number}"))

    def draw_whole(self, name: str) -> None:
        self._plan.append((WHOLE_CALLS[name], self._numbers, self._steps[name], name))

    def draw_any(self, calls: int, elements: int, share_of_whole: float) -> None:
        for _ in range(calls):
            if self._choose.random() < share_of_whole:
                self.draw_whole(self._choose.choice([*WHOLE_CALLS]))
            else:
                self.draw_one(self._choose.choice([*CALLS]), self._choose.randrange(elements))

    def draw_fill_and_drain(self, first: int, last: int) -> None:
        for name in ("add", "discard"):
            for number in range(first, last):
                self.draw_one(name, number)

    def play(self) -> None:
        """Make the calls that are left, with nothing in between but looks at the clock."""
        shared, note, clock = self._shared, self._times.append, time.perf_counter_ns
        for call, argument, _, _ in self._plan[len(self._times) :]:
            began = clock()
            result = call(shared, argument)
            note((began, clock(), result))

    def history(self) -> list[Call]:
        return [
            Call(began, ended, step, result, name)
            for (began, ended, result), (_, _, step, name) in zip(
                self._times, self._plan, strict=True
            )
        ]


def play_all(games: list[list[Player]]) -> None:
    """Let the players of each game play it at the same time; then check what came of it."""

    def play(number: int) -> Callable[[list[Player]], None]:
        return lambda game: game[number].play()

    meet(games, *map(play, range(len(games[0]))))
    for game in games:
        for name in ("snapshot", "len"):
            game[0].draw_whole(name)
        game[0].play()
        assert_linearizable(frozenset(), [call for player in game for call in player.history()])


def new_game(kind: str, players: int, elements: int, choose: random.Random) -> list[Player]:
    shared: Any = AtomicSet()
    return [
        Player(access(shared, number), KEYS[kind], elements, random.Random(choose.random()))
        for number in range(players)
    ]


some_keys = pytest.mark.parametrize("kind", ["int", "str", "own", "own of few hashes"])


@some_keys
@pytest.mark.parametrize("elements", [1, 2])
def test_short_histories_are_linearizable(kind: str, elements: int, seed: int) -> None:
    choose = random.Random(seed)
    games = [new_game(kind, 3, elements, choose) for _ in range(400)]
    for game in games:
        for player in game:
            player.draw_any(5, elements, 0.2)
    play_all(games)


@some_keys
@pytest.mark.parametrize("share_of_whole", [0.0, 0.15], ids=["elements", "all operations"])
def test_long_histories_are_linearizable_while_the_table_is_resized(
    kind: str, share_of_whole: float, seed: int
) -> None:
    choose = random.Random(seed)
    games = [new_game(kind, 4, 26, choose) for _ in range(10)]
    for *game, resizer in games:
        for player in game:
            player.draw_any(250, 2, share_of_whole)
        for _ in range(5):
            resizer.draw_fill_and_drain(2, 26)
    play_all(games)


def test_a_history_of_one_thread_is_explained_and_one_with_another_result_is_not() -> None:
    player = Player(AtomicSet(), KEYS["int"], 2, random.Random(5))
    for name in [*CALLS] * 10:
        player.draw_one(name, 0)
    for name in [*WHOLE_CALLS] * 5:
        player.draw_one("add", 1)
        player.draw_whole(name)
    player.play()
    history = player.history()
    assert is_linearizable(frozenset(), history)
    for index, call in enumerate(history):
        changed = [*history]
        changed[index] = call._replace(result="another")
        assert not is_linearizable(frozenset(), changed), call
