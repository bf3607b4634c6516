# SPDX-License-Identifier: Apache-2.0
"""One of the threads that want the same object gets it: each object is handed on once."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from cereggii_atomicdict import NOT_FOUND, AtomicDict, ExpectationFailed

from tools.testing.concurrency import meet

from .workloads import (
    KEYS,
    THREADS,
    MakeKey,
    access,
    check_whole,
    every_key,
    flat,
    in_threads,
    resizing,
)

pytestmark = [
    pytest.mark.thread_unsafe(reason="starts threads of its own"),
    pytest.mark.usefixtures("switch_often"),
]

REPEATS = 1500
RACES = 250


class Token:
    """An object that equals only itself."""


# ── one winner for each key ────────────────────────────────────────────────────────────────────


def insert_by_compare_and_set(shared: Any, key: Any, token: Token) -> bool:
    try:
        shared.compare_and_set(key, NOT_FOUND, token)
    except ExpectationFailed:
        return False
    return True


# Each inserts a token where there is none, and says whether it did.
INSERT: dict[str, Callable[[Any, Any, Token], bool]] = {
    "setdefault": lambda shared, key, token: shared.setdefault(key, token) is token,
    "compare_and_set": insert_by_compare_and_set,
    "compare_and_exchange": lambda shared, key, token: (
        shared.compare_and_exchange(key, NOT_FOUND, token) is NOT_FOUND
    ),
}


def race(things: list[Any], attempt: Callable[[int, Any], bool]) -> list[list[bool]]:
    """Whether attempt(number, thing) was successful, for each thing, in each thread."""

    def attempt_of(number: int) -> Callable[[Any], bool]:
        return lambda thing: attempt(number, thing)

    return [[*wins] for wins in meet(things, *map(attempt_of, range(THREADS)))]


@every_key
@pytest.mark.parametrize("insert", [*INSERT.values(), None], ids=[*INSERT, "all"])
def test_one_thread_inserts_a_key_and_all_find_its_token(
    insert: Callable[[Any, Any, Token], bool] | None, key: MakeKey, seed: int
) -> None:
    shared: AtomicDict[Any, Token] = AtomicDict()
    choose = [random.Random(seed + number) for number in range(THREADS)]
    tokens: list[list[tuple[Token, Any]]] = [[] for _ in range(RACES)]

    def attempt(number: int, which: int) -> bool:
        one = insert or choose[number].choice([*INSERT.values()])
        token = Token()
        won = one(access(shared, number), key(which), token)
        tokens[which].append((token, shared[key(which)]))
        return won

    for which, wins in enumerate(race([*range(RACES)], attempt)):
        assert sum(wins) == 1
        stored = shared[key(which)]
        assert sum(token is stored for token, _ in tokens[which]) == 1
        assert all(found is stored for _, found in tokens[which])
    check_whole(shared)
    assert len(shared) == RACES


def delete_item(shared: Any, key: Any) -> bool:
    try:
        del shared[key]
    except KeyError:
        return False
    return True


def pop_item(shared: Any, key: Any) -> bool:
    try:
        shared.pop(key)
    except KeyError:
        return False
    return True


def compare_and_delete(shared: Any, key: Any) -> bool:
    try:
        shared.compare_and_delete(key, "stored")
    except ExpectationFailed:
        return False
    return True


# Each removes a key, and says whether it was there.
REMOVE: dict[str, Callable[[Any, Any], bool]] = {
    "del": delete_item,
    "pop": pop_item,
    "pop with a default": lambda shared, key: shared.pop(key, None) == "stored",
    "compare_and_delete": compare_and_delete,
}


@every_key
@pytest.mark.parametrize("remove", [*REMOVE.values(), None], ids=[*REMOVE, "all"])
def test_one_thread_removes_a_key(
    remove: Callable[[Any, Any], bool] | None, key: MakeKey, seed: int
) -> None:
    shared: AtomicDict[Any, str] = AtomicDict({key(which): "stored" for which in range(RACES)})
    choose = [random.Random(seed + number) for number in range(THREADS)]

    def attempt(number: int, which: int) -> bool:
        one = remove or choose[number].choice([*REMOVE.values()])
        won = one(access(shared, number), key(which))
        assert key(which) not in shared
        return won

    for wins in race([*range(RACES)], attempt):
        assert sum(wins) == 1
    check_whole(shared, {})


def test_one_thread_wins_each_compare_and_set() -> None:
    shared: AtomicDict[int, Any] = AtomicDict(dict.fromkeys(range(RACES)))

    def attempt(number: int, key: int) -> bool:
        try:
            access(shared, number).compare_and_set(key, None, number)
        except ExpectationFailed:
            return False
        return True

    for key, wins in enumerate(race([*range(RACES)], attempt)):
        assert sum(wins) == 1
        assert wins[shared[key]]


# ── each token is handed on once ───────────────────────────────────────────────────────────────


def check_conserved(tokens: list[Any], *places: list[Any]) -> None:
    """Whether each token is in exactly one place."""
    assert sorted(map(id, flat([*places]))) == sorted(map(id, tokens))


@every_key
def test_swapped_tokens_are_neither_lost_nor_doubled(key: MakeKey, seed: int) -> None:
    shared: AtomicDict[Any, Token] = AtomicDict()
    tokens = [[Token() for _ in range(3 * REPEATS)] for _ in range(THREADS)]

    def work(number: int) -> list[Any]:
        choose = random.Random(seed + number)
        mine = access(shared, number)
        received = []
        for token in tokens[number]:
            found = mine.get_and_set(key(choose.randrange(20)), token)
            if found is not NOT_FOUND:
                received.append(found)
        return received

    with resizing(shared):
        received = in_threads(work)
    left = [value for value in shared.values() if isinstance(value, Token)]
    check_conserved(flat(tokens), left, *received)


def take_by_popitem(shared: Any, _: Any) -> Any:
    try:
        return shared.popitem()[1]
    except KeyError:
        return None


def take_by_compare_and_delete(shared: Any, key: Any) -> Any:
    found = shared.get(key)
    if found is not None:
        try:
            shared.compare_and_delete(key, found)
        except ExpectationFailed:
            return None
    return found


TAKE: dict[str, Callable[[Any, Any], Any]] = {
    "pop": lambda shared, key: shared.pop(key, None),
    "popitem": take_by_popitem,
    "compare_and_delete": take_by_compare_and_delete,
}


@pytest.mark.parametrize("take", [*TAKE.values(), None], ids=[*TAKE, "all"])
@pytest.mark.parametrize("key", ["int", "own of few hashes"])
def test_removed_tokens_are_neither_lost_nor_doubled(
    take: Callable[[Any, Any], Any] | None, key: str, seed: int
) -> None:
    shared: AtomicDict[Any, Token] = AtomicDict()
    tokens = [[Token() for _ in range(10)] for _ in range(THREADS)]
    make = KEYS[key]

    def work(number: int) -> list[Token]:
        choose = random.Random(seed + number)
        mine = access(shared, number)
        hand = list(tokens[number])
        for _ in range(2 * REPEATS):
            place = make(choose.randrange(30))
            if hand and choose.random() < 0.5:
                insert = choose.choice([*INSERT.values()])
                if insert(mine, place, hand[-1]):
                    hand.pop()
                continue
            one = take or choose.choice([*TAKE.values()])
            if (taken := one(mine, place)) is not None:
                hand.append(taken)
        return hand

    hands = in_threads(work)
    check_conserved(flat(tokens), list(shared.values()), *hands)
    check_whole(shared)


@every_key
def test_popitem_gives_each_item_once(key: MakeKey) -> None:
    shared: AtomicDict[Any, int] = AtomicDict()
    each = 1000

    def work(number: int) -> list[tuple[Any, int]]:
        mine = access(shared, number)
        taken = []
        for which in range(number, each * THREADS, THREADS):
            mine[key(which)] = which
            if which % 3:
                taken.append(mine.popitem())
        return taken

    def drain(number: int) -> list[tuple[Any, int]]:
        mine = access(shared, number)
        taken = []
        while True:
            try:
                taken.append(mine.popitem())
            except KeyError:
                return taken

    taken = flat(in_threads(work)) + flat(in_threads(drain))
    assert sorted(value for _, value in taken) == [*range(each * THREADS)]
    assert all(found == key(value) for found, value in taken)
    check_whole(shared, {})


@pytest.mark.parametrize("threads", [2, THREADS])
@pytest.mark.parametrize("room", [0, 20_000])
def test_popitem_finds_something_wherever_a_dict_is_never_empty(room: int, threads: int) -> None:
    shared: AtomicDict[Any, int] = AtomicDict({n: n for n in range(threads)})
    shared.reserve(room)  # in much of which it has to look for a few keys

    def work(number: int) -> None:
        mine = access(shared, number)
        for count in range(3 * REPEATS):
            # The others have taken out one each, at the most: one is left.
            _, token = mine.popitem()
            mine[count, token] = token

    in_threads(work, threads)
    assert sorted(shared.values()) == [*range(threads)]
    check_whole(shared)
