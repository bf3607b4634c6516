# SPDX-License-Identifier: Apache-2.0
"""Every history of calls by many threads is linearizable: some order of them explains the results.

Short ones are made by threads that meet on a dict of their own, time and again; long ones by
threads that go on and on while the table is resized. Fillers, which do that, are keys like any
other.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import pytest
from cereggii_atomicdict import ANY, NOT_FOUND, AtomicDict, ExpectationFailed

from tools.testing.concurrency import meet, run_threads
from tools.testing.linearizability import Call, Step, assert_linearizable, is_linearizable, timed

from .crowd import KEYS, MakeKey, access

pytestmark = [
    pytest.mark.thread_unsafe(reason="starts threads of its own"),
    pytest.mark.usefixtures("switch_often"),
]

# ── what a dict does ───────────────────────────────────────────────────────────────────────────

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

# What is about all keys.
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
    """Makes random calls on a dict, and keeps the history of them."""

    def __init__(self, shared: Any, make: MakeKey, keys: int, choose: random.Random) -> None:
        self.calls: list[Call] = []
        self._shared = shared
        self._make = make
        self._numbers = {make(number): number for number in range(keys)}
        self._choose = choose

    def one(self, name: str, number: int) -> None:
        choose = self._choose
        arguments = Arguments(
            self._make(number),
            number,
            choose.choice([0, 1, 2, NOT_FOUND, NOT_FOUND, ANY]),
            choose.randrange(3),
        )
        call = CALLS[name]
        step = step_of(name, arguments)
        label = f"{name} {number} {arguments.expected} {arguments.updated}"
        self.calls.append(timed(label, step, lambda: call(self._shared, arguments)))

    def whole(self, name: str) -> None:
        call, numbers = WHOLE_CALLS[name], self._numbers
        step = WHOLE_STEPS[name]
        self.calls.append(timed(name, step, lambda: call(self._shared, numbers)))

    def any(self, keys: int, share_of_whole: float) -> None:
        if self._choose.random() < share_of_whole:
            self.whole(self._choose.choice([*WHOLE_CALLS]))
        else:
            self.one(self._choose.choice([*CALLS]), self._choose.randrange(keys))

    def fill_and_drain(self, first: int, last: int) -> None:
        for name in ("set", "delete"):
            for number in range(first, last):
                self.one(name, number)


def check(players: list[Player], keys: int) -> None:
    """All that was called, and at the end what is left."""
    players[0].whole("snapshot")
    players[0].whole("len")
    history = [call for player in players for call in player.calls]
    assert_linearizable((None,) * keys, history)


some_keys = pytest.mark.parametrize("kind", ["int", "str", "own", "own of few hashes"])


@some_keys
@pytest.mark.parametrize("keys", [1, 2])
def test_short_histories_are_linearizable(kind: str, keys: int, seed: int) -> None:
    threads, calls, rounds = 3, 4, 400
    choose = random.Random(seed)
    games = []
    for _ in range(rounds):
        shared: AtomicDict[Any, int] = AtomicDict()
        games.append(
            [
                Player(access(shared, number), KEYS[kind], keys, random.Random(choose.random()))
                for number in range(threads)
            ]
        )

    def work(number: int) -> Callable[[list[Player]], None]:
        def play(game: list[Player]) -> None:
            for _ in range(calls):
                game[number].any(keys, 0.2)

        return play

    meet(games, *map(work, range(threads)))
    for game in games:
        check(game, keys)


@some_keys
@pytest.mark.parametrize("share_of_whole", [0.0, 0.15], ids=["single keys", "all operations"])
def test_long_histories_are_linearizable_while_the_table_is_resized(
    kind: str, share_of_whole: float, seed: int
) -> None:
    threads, keys, all_keys, calls = 3, 2, 26, 400
    choose = random.Random(seed)
    for _ in range(3):
        shared: AtomicDict[Any, int] = AtomicDict()
        players = [
            Player(access(shared, number), KEYS[kind], all_keys, random.Random(choose.random()))
            for number in range(threads + 1)
        ]

        def play(player: Player) -> None:
            for _ in range(calls):
                player.any(keys, share_of_whole)

        def resize(player: Player) -> None:
            for _ in range(calls // 50):
                player.fill_and_drain(keys, all_keys)

        run_threads(
            *(lambda player=player: play(player) for player in players[:threads]),  # type: ignore[misc]
            lambda player=players[threads]: resize(player),  # type: ignore[misc]
        )
        check(players, all_keys)


# ── the check itself ───────────────────────────────────────────────────────────────────────────


def history_of(shared: Any) -> list[Call]:
    player = Player(shared, KEYS["int"], 2, random.Random(5))
    for name in [*CALLS] * 20:
        player.one(name, 0)
    for name in [*WHOLE_CALLS] * 5:
        player.one("set", 1)
        player.whole(name)
    return player.calls


def test_a_history_of_one_thread_is_explained_and_one_with_another_result_is_not() -> None:
    history = history_of(AtomicDict())
    assert is_linearizable((None, None), history)
    for index, call in enumerate(history):
        changed = [*history]
        changed[index] = call._replace(result="another")
        assert not is_linearizable((None, None), changed), call
