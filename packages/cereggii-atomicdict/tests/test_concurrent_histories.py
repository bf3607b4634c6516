# SPDX-License-Identifier: Apache-2.0
"""Every history of calls by many threads is linearizable: some order of them explains the results.

Short ones are made by threads that meet on a dict of their own, time and again; long ones by
threads that go on and on while the table is resized. Fillers, which do that, are keys like any
other.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import pytest
from cereggii_atomicdict import ANY, NOT_FOUND, AtomicDict, ExpectationFailed

from tools.testing.concurrency import meet
from tools.testing.linearizability import Call, Step, assert_linearizable, is_linearizable

from .workloads import KEYS, MakeKey, access

pytestmark = [
    pytest.mark.thread_unsafe(reason="starts threads of its own"),
    pytest.mark.usefixtures("switch_often"),
]

# ── the model of a dict ────────────────────────────────────────────────────────────────────────

# The value of each key by its number; None: absent. Values are a few ints, so that they come back.
State: TypeAlias = "tuple[int | None, ...]"


class Arguments(NamedTuple):
    """The key, its number, and what the operation needs of an expected and a new value."""

    key: Any
    number: int
    expected: Any
    updated: int


def outcome(error: type[Exception], call: Callable[[], Any]) -> Any:
    try:
        return call()
    except error:
        return error


def found(value: Any) -> Any:
    return None if value is NOT_FOUND else value


def matches(before: int | None, expected: Any) -> bool:
    return expected is ANY or before == found(expected)


def item(shared: Any, numbers: dict[Any, int]) -> Any:
    """popitem(), with the number of the key; None if the dict was empty."""
    try:
        key, value = shared.popitem()
    except KeyError:
        return None
    return numbers[key], value


# Each makes the call.
CALLS: dict[str, Callable[[Any, Arguments], Any]] = {
    "get": lambda d, a: d.get(a.key),
    "getitem": lambda d, a: outcome(KeyError, lambda: d[a.key]),
    "in": lambda d, a: a.key in d,
    "set": lambda d, a: d.__setitem__(a.key, a.updated),
    "update": lambda d, a: d.update({a.key: a.updated}),
    "setdefault": lambda d, a: d.setdefault(a.key, a.updated),
    "delete": lambda d, a: outcome(KeyError, lambda: d.__delitem__(a.key)),
    "pop": lambda d, a: d.pop(a.key, None),
    "get_and_set": lambda d, a: found(d.get_and_set(a.key, a.updated)),
    "compare_and_set": lambda d, a: outcome(
        ExpectationFailed, lambda: d.compare_and_set(a.key, a.expected, a.updated)
    ),
    "compare_and_exchange": lambda d, a: found(
        d.compare_and_exchange(a.key, a.expected, a.updated)
    ),
    "compare_and_delete": lambda d, a: outcome(
        ExpectationFailed, lambda: d.compare_and_delete(a.key, a.updated)
    ),
}

# Each says what the value of the key becomes, and the result.
EFFECTS: dict[str, Callable[[int | None, Arguments], tuple[int | None, Any]]] = {
    "get": lambda before, a: (before, before),
    "getitem": lambda before, a: (before, KeyError if before is None else before),
    "in": lambda before, a: (before, before is not None),
    "set": lambda before, a: (a.updated, None),
    "update": lambda before, a: (a.updated, None),
    "setdefault": lambda before, a: (a.updated if before is None else before,) * 2,
    "delete": lambda before, a: (None, KeyError if before is None else None),
    "pop": lambda before, a: (None, before),
    "get_and_set": lambda before, a: (a.updated, before),
    "compare_and_set": lambda before, a: (
        (a.updated, None) if matches(before, a.expected) else (before, ExpectationFailed)
    ),
    "compare_and_exchange": lambda before, a: (
        a.updated if matches(before, a.expected) else before,
        before,
    ),
    "compare_and_delete": lambda before, a: (
        (None, None) if before == a.updated else (before, ExpectationFailed)
    ),
}

# Operations on all keys.
WHOLE_CALLS: dict[str, Callable[[Any, dict[Any, int]], Any]] = {
    "clear": lambda d, numbers: d.clear(),
    "len": lambda d, numbers: len(d),
    "bool": lambda d, numbers: bool(d),
    "snapshot": lambda d, numbers: tuple(map(d.snapshot().get, numbers)),
    "copy": lambda d, numbers: tuple(map(d.copy().get, numbers)),
    "popitem": item,
}


def take_any(state: State) -> list[tuple[State, Any]]:
    there = [(number, value) for number, value in enumerate(state) if value is not None]
    return [(replaced(state, number, None), (number, value)) for number, value in there] or [
        (state, None)
    ]


def count(state: State) -> int:
    return len(state) - state.count(None)


WHOLE_STEPS: dict[str, Step] = {
    "clear": lambda state: [((None,) * len(state), None)],
    "len": lambda state: [(state, count(state))],
    "bool": lambda state: [(state, count(state) > 0)],
    "snapshot": lambda state: [(state, state)],
    "copy": lambda state: [(state, state)],
    "popitem": take_any,
}


def replaced(state: State, number: int, value: int | None) -> State:
    return (*state[:number], value, *state[number + 1 :])


def step_of(name: str, arguments: Arguments) -> Step:
    effect = EFFECTS[name]

    def step(state: State) -> list[tuple[State, Any]]:
        after, result = effect(state[arguments.number], arguments)
        return [(replaced(state, arguments.number, after), result)]

    return step


# ── making histories ───────────────────────────────────────────────────────────────────────────


class Player:
    """Makes random calls on a dict, which are drawn before the first, and keeps their history."""

    def __init__(self, shared: Any, make: MakeKey, keys: int, choose: random.Random) -> None:
        self._shared = shared
        self._make = make
        self._numbers = {make(number): number for number in range(keys)}
        self._choose = choose
        self._plan: list[tuple[Callable[[Any, Any], Any], Any]] = []
        self._steps: list[tuple[Step, str]] = []
        self._times: list[tuple[int, int, Any]] = []

    def draw_one(self, name: str, number: int) -> None:
        choose = self._choose
        arguments = Arguments(
            self._make(number),
            number,
            choose.choice([0, 1, 2, NOT_FOUND, NOT_FOUND, ANY]),
            choose.randrange(3),
        )
        self._plan.append((CALLS[name], arguments))
        label = f"{name} {number} {arguments.expected} {arguments.updated}"
        self._steps.append((step_of(name, arguments), label))

    def draw_whole(self, name: str) -> None:
        self._plan.append((WHOLE_CALLS[name], self._numbers))
        self._steps.append((WHOLE_STEPS[name], name))

    def draw_any(self, count: int, keys: int, share_of_whole: float) -> None:
        for _ in range(count):
            if self._choose.random() < share_of_whole:
                self.draw_whole(self._choose.choice([*WHOLE_CALLS]))
            else:
                self.draw_one(self._choose.choice([*CALLS]), self._choose.randrange(keys))

    def draw_fill_and_drain(self, first: int, last: int) -> None:
        for name in ("set", "delete"):
            for number in range(first, last):
                self.draw_one(name, number)

    def play(self) -> None:
        """Make the calls that are left, with nothing in between but looks at the clock."""
        shared, note, clock = self._shared, self._times.append, time.perf_counter_ns
        for call, argument in self._plan[len(self._times) :]:
            began = clock()
            result = call(shared, argument)
            note((began, clock(), result))

    def history(self) -> list[Call]:
        return [
            Call(began, ended, step, result, name)
            for (began, ended, result), (step, name) in zip(self._times, self._steps, strict=True)
        ]


def check(players: list[Player], keys: int) -> None:
    """All that was called, and at the end what is left."""
    players[0].draw_whole("snapshot")
    players[0].draw_whole("len")
    players[0].play()
    history = [call for player in players for call in player.history()]
    assert_linearizable((None,) * keys, history)


def play_all(games: list[list[Player]], keys: int) -> None:
    """Let the players of each game play it at the same time; then check what came of it."""

    def play(number: int) -> Callable[[list[Player]], None]:
        return lambda game: game[number].play()

    meet(games, *map(play, range(len(games[0]))))
    for game in games:
        check(game, keys)


def new_game(kind: str, players: int, keys: int, choose: random.Random) -> list[Player]:
    shared: AtomicDict[Any, int] = AtomicDict()
    return [
        Player(access(shared, number), KEYS[kind], keys, random.Random(choose.random()))
        for number in range(players)
    ]


some_keys = pytest.mark.parametrize("kind", ["int", "str", "own", "own of few hashes"])


@some_keys
@pytest.mark.parametrize("keys", [1, 2])
def test_short_histories_are_linearizable(kind: str, keys: int, seed: int) -> None:
    rounds, threads, calls = 500, 3, 5
    choose = random.Random(seed)
    games = [new_game(kind, threads, keys, choose) for _ in range(rounds)]
    for game in games:
        for player in game:
            player.draw_any(calls, keys, 0.2)
    play_all(games, keys)


@some_keys
@pytest.mark.parametrize("share_of_whole", [0.0, 0.15], ids=["single keys", "all operations"])
def test_long_histories_are_linearizable_while_the_table_is_resized(
    kind: str, share_of_whole: float, seed: int
) -> None:
    rounds, threads, keys, all_keys, calls = 12, 3, 2, 26, 250
    choose = random.Random(seed)
    games = [new_game(kind, threads + 1, all_keys, choose) for _ in range(rounds)]
    for *game, resizer in games:
        for player in game:
            player.draw_any(calls, keys, share_of_whole)
        for _ in range(calls // 50):
            resizer.draw_fill_and_drain(keys, all_keys)
    play_all(games, all_keys)


# ── the check itself ───────────────────────────────────────────────────────────────────────────


def history_of(shared: Any) -> list[Call]:
    player = Player(shared, KEYS["int"], 2, random.Random(5))
    for name in [*CALLS] * 20:
        player.draw_one(name, 0)
    for name in [*WHOLE_CALLS] * 5:
        player.draw_one("set", 1)
        player.draw_whole(name)
    player.play()
    return player.history()


def test_a_history_of_one_thread_is_explained_and_one_with_another_result_is_not() -> None:
    history = history_of(AtomicDict())
    assert is_linearizable((None, None), history)
    for index, call in enumerate(history):
        changed = [*history]
        changed[index] = call._replace(result="another")
        assert not is_linearizable((None, None), changed), call
