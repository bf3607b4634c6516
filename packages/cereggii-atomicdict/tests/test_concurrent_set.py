# SPDX-License-Identifier: Apache-2.0
"""Threads that share a set: nothing is lost or found twice, and exact operations are exact."""

from __future__ import annotations

import contextlib
import copy
import itertools
import pickle
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from cereggii_atomicdict import AtomicSet

from tools.testing.concurrency import beside, eventually, run_threads

from .mapping_forms import Thing
from .workloads import KEYS, MakeKey, access, every_key, flat, in_threads

pytestmark = [
    pytest.mark.thread_unsafe(reason="starts threads of its own"),
    pytest.mark.usefixtures("switch_often"),
]

LOOKING = 0.3  # seconds


# ── one element ────────────────────────────────────────────────────────────────────────────────


@every_key
def test_each_element_is_added_by_one_thread_and_removed_by_one(key: MakeKey) -> None:
    shared: AtomicSet[Any] = AtomicSet()
    count = 2000

    def add(number: int) -> list[int]:
        mine = access(shared, number)
        return [n for n in range(count) if mine.add(key(n))]

    def discard(number: int) -> list[int]:
        mine = access(shared, number)
        return [n for n in range(count) if mine.discard(key(n))]

    for _ in range(3):
        assert sorted(flat(in_threads(add))) == [*range(count)]
        assert len(shared) == count
        assert sorted(flat(in_threads(discard))) == [*range(count)]
        assert len(shared) == 0


def test_threads_that_add_and_discard_agree_on_who_did_what() -> None:
    """Each element is added once more than it is removed if it is there, and otherwise as often."""
    shared: AtomicSet[int] = AtomicSet()
    elements = 50

    def work(number: int) -> list[int]:
        balance = [0] * elements
        mine = access(shared, number)
        for turn in range(200):
            for element in range(elements):
                if (turn + element + number) % 2:
                    balance[element] += mine.add(element)
                else:
                    balance[element] -= mine.discard(element)
        return balance

    balances = in_threads(work)
    for element in range(elements):
        assert sum(balance[element] for balance in balances) == (element in shared)


def test_each_element_is_popped_once_while_others_are_added() -> None:
    shared: AtomicSet[int] = AtomicSet()
    count = 5000

    def pop(_: int) -> list[int]:
        found = []
        end = time.monotonic() + 60
        while time.monotonic() < end:
            all_are_added = bool(done)  # before the set is found empty
            try:
                found.append(shared.pop())
            except KeyError:
                if all_are_added:
                    break
        return found

    done: list[int] = []

    def add() -> list[int]:
        for number in range(count):
            shared.add(number)
        done.append(1)
        return []

    found = run_threads(add, lambda: pop(1), lambda: pop(2))
    assert sorted(flat(found)) == [*range(count)]


def test_an_element_that_is_toggled_by_threads_ends_as_their_number_says() -> None:
    for turns in (500, 501):
        shared: AtomicSet[int] = AtomicSet([3])

        def toggle(number: int, shared: Any = shared, turns: int = turns) -> None:
            mine = access(shared, number)
            for _ in range(turns):
                mine ^= {1, 2}
                mine.symmetric_difference_update([1, 1])

        in_threads(toggle, 3)
        # Each turn toggles 1 twice, and 2 once.
        assert shared == ({2, 3} if turns % 2 else {3})


# ── exact operations ───────────────────────────────────────────────────────────────────────────

EXACT: dict[str, Callable[[Any], Any]] = {
    "snapshot": lambda s: s.snapshot(),
    "copy": lambda s: s.copy(),
    "copy.copy": copy.copy,
    "pickle": lambda s: pickle.loads(pickle.dumps(s)),
    "or": lambda s: s | frozenset(),
    "reflected or": lambda s: frozenset() | s,
    "intersection": lambda s: s.intersection(range(10_000)),
    "difference": lambda s: s - {-1},
    "xor": lambda s: s ^ set(),
    "union of another": lambda s: AtomicSet().union(s),
    "init": AtomicSet,
    "update of another": lambda s: _updated(s),
}


def _updated(shared: Any) -> AtomicSet[Any]:
    made: AtomicSet[Any] = AtomicSet()
    made |= shared
    return made


def while_moving(look: Callable[[Any], None], resized: bool) -> None:
    """Move tokens through a set, each into its next place before out of its last; look meanwhile.

    At each instant there are `tokens` elements, or one more.
    """
    places, tokens = 40, 5
    shared: AtomicSet[int] = AtomicSet(range(tokens))
    end = time.monotonic() + LOOKING

    def write() -> None:
        for count in itertools.count():
            for token in range(tokens):
                assert shared.add((count + 1) * tokens % (places * tokens) + token)
                shared.remove(count * tokens % (places * tokens) + token)
            if time.monotonic() > end:
                return

    def look_on() -> None:
        while time.monotonic() < end:
            look(shared)

    def resize() -> None:
        others = range(1000, 1800)
        shared.update(others)
        shared.difference_update(others)

    if resized:
        with beside(resize):
            run_threads(write, look_on, look_on)
    else:
        run_threads(write, look_on, look_on)


@pytest.mark.parametrize("resized", [False, True], ids=["at rest", "resized"])
@pytest.mark.parametrize("read", EXACT.values(), ids=EXACT)
def test_all_elements_are_of_one_instant(read: Callable[[Any], Any], resized: bool) -> None:
    def look(shared: Any) -> None:
        found = [number for number in read(shared) if number < 1000]
        assert 5 <= len(found) <= 6
        assert {number % 5 for number in found} == {*range(5)}

    while_moving(look, resized)


def test_len_and_comparisons_are_of_one_instant() -> None:
    every, none = frozenset(range(200)), frozenset(range(200, 300))

    def look(shared: Any) -> None:
        assert len(shared) in (5, 6)
        assert shared < every
        assert not shared.isdisjoint(every)
        assert shared.isdisjoint(none)
        # No pair of tokens is ever in two places each, so no superset has seven elements.
        assert not shared >= {*range(10)}
        assert shared == shared

    while_moving(look, False)


def test_a_set_is_never_seen_with_an_element_and_its_opposite() -> None:
    """At each instant the set has one of two elements, or both; never neither."""
    shared: AtomicSet[int] = AtomicSet([1])
    end = time.monotonic() + LOOKING

    def write() -> None:
        while time.monotonic() < end:
            for new, old in ((-1, 1), (1, -1)):
                shared.add(new)
                shared.discard(old)

    def look() -> None:
        while time.monotonic() < end:
            assert not shared.isdisjoint([1, -1])
            assert not shared.isdisjoint({1, -1})
            assert shared & {1, -1}
            assert {1, -1} & shared
            assert shared != set()

    run_threads(write, look, look)


def test_a_set_that_changes_is_equal_to_itself() -> None:
    shared: AtomicSet[int] = AtomicSet(range(3000))
    end = time.monotonic() + LOOKING

    def write() -> None:
        while time.monotonic() < end:
            for number in range(100):
                shared.discard(number)
            for number in range(100):
                shared.add(number)

    def look() -> None:
        mine = shared.get_handle()
        while time.monotonic() < end:
            assert shared == mine
            assert mine <= shared
            assert not shared - mine
            assert not shared ^ shared
            assert len(shared & mine) >= 2900

    run_threads(write, look)


# ── sets that other threads change ─────────────────────────────────────────────────────────────


def test_a_builtin_set_that_is_changed_meanwhile_is_read_as_of_one_instant() -> None:
    """The writer puts each number in before it takes the one before out."""
    builtin = {0}
    end = time.monotonic() + LOOKING

    def write() -> None:
        for number in itertools.count(1):
            builtin.add(number)
            builtin.discard(number - 1)
            if time.monotonic() > end:
                return

    def look() -> None:
        while time.monotonic() < end:
            made = AtomicSet(builtin)
            assert 1 <= len(made) <= 2, made

    run_threads(write, look, look)


def test_a_large_builtin_set_that_grows_meanwhile_is_an_error_or_complete() -> None:
    builtin = {*range(50_000)}
    old = frozenset(builtin)
    grown = threading.Event()

    def write() -> None:
        for number in range(100_000, 300_000):
            builtin.add(number)
        grown.set()

    def look() -> None:
        while not grown.is_set():
            with contextlib.suppress(RuntimeError):
                assert AtomicSet(builtin) >= old

    run_threads(write, look, look)
    assert AtomicSet(builtin) == builtin


@pytest.mark.parametrize("kind", ["int", "own of few hashes"])
def test_sets_that_are_combined_while_both_change(kind: str) -> None:
    key = KEYS[kind]
    left, right = (AtomicSet(map(key, range(100))) for _ in range(2))
    kept = {key(number) for number in range(50)}

    def change() -> None:
        for number in range(50, 100):
            (left if number % 2 else right).discard(key(number))
        for number in range(50, 100):
            (left if number % 2 else right).add(key(number))

    with beside(change, change):
        end = time.monotonic() + LOOKING
        while time.monotonic() < end:
            assert left & right >= kept
            assert (left | right) >= kept
            assert (left - right).isdisjoint(kept)
            assert (left ^ right).isdisjoint(kept)
            assert left.intersection(right, left) <= {key(number) for number in range(100)}
            mine = left.copy()
            mine &= right
            assert mine >= kept
    assert left == right == {key(number) for number in range(100)}


def test_iteration_beside_writers_finds_each_element_once() -> None:
    shared: AtomicSet[int] = AtomicSet(range(500))

    def change() -> None:
        shared.update(range(1000, 3000))
        shared.difference_update(range(1000, 3000))

    with beside(change, change):
        for _ in range(20):
            found = [*shared]
            assert len(found) == len({*found})
            assert {*range(500)} <= {*found}
            parts = [number for part in range(3) for number in shared.fast_iter(3, part)]
            assert {*range(500)} <= {*parts}


def test_what_is_removed_is_freed() -> None:
    things = [Thing() for _ in range(3000)]
    references = [weakref.ref(thing) for thing in things]
    shared: Any = AtomicSet(things)
    slices = [things[number::4] for number in range(4)]
    things.clear()

    def remove(number: int) -> None:
        mine = access(shared, number)
        for thing in slices[number]:
            mine.remove(thing)
        slices[number].clear()

    in_threads(remove)
    assert eventually(lambda: not any(reference() for reference in references))
