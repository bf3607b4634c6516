# SPDX-License-Identifier: Apache-2.0
"""snapshot() and len() are exact: they show the dict as of one instant of the call.

The writers keep an invariant at every instant, by the order in which they write. A thread that
looks at one key after the other sees it broken.
"""

from __future__ import annotations

import copy
import functools
import itertools
import pickle
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from cereggii_atomicdict import AtomicDict

from tools.testing.concurrency import beside, run_threads

from .workloads import access, check_whole, in_threads, resizing

pytestmark = [
    pytest.mark.thread_unsafe(reason="starts threads of its own"),
    pytest.mark.usefixtures("switch_often"),
]

LOOKING = 0.3  # seconds

SNAPSHOT: dict[str, Callable[[Any], Any]] = {
    "snapshot": lambda d: d.snapshot(),
    "copy": lambda d: d.copy(),
    "copy.copy": copy.copy,
    "pickle": lambda d: pickle.loads(pickle.dumps(d)),
    "or": lambda d: d | {},
}
every_snapshot = pytest.mark.parametrize("snapshot", SNAPSHOT.values(), ids=SNAPSHOT)


def while_writing(
    write: Callable[[int], None], *looks: Callable[[], None], seconds: float = LOOKING
) -> None:
    """Call write(0), write(1), … one after the other, and meanwhile look again and again."""
    end = time.monotonic() + seconds

    def write_on() -> None:
        for count in itertools.count():
            write(count)
            if time.monotonic() > end:
                return

    def look_on(look: Callable[[], None]) -> None:
        while time.monotonic() < end:
            look()

    run_threads(write_on, *(functools.partial(look_on, look) for look in looks))


# ── snapshot ───────────────────────────────────────────────────────────────────────────────────


@every_snapshot
@pytest.mark.parametrize("resized", [False, True], ids=["at rest", "resized"])
def test_a_snapshot_of_keys_written_in_turn_is_of_one_instant(
    snapshot: Callable[[Any], Any], resized: bool
) -> None:
    keys = range(12)
    shared: AtomicDict[Any, Any] = AtomicDict(dict.fromkeys(keys, -1))
    seen: set[int] = set()

    def write(count: int) -> None:
        for key in keys:
            shared[key] = count

    def look() -> None:
        found = snapshot(shared)
        values = [found[key] for key in keys]
        done = values.count(values[0])
        # The first few have the new value already, all others still the one before.
        assert values == [values[0]] * done + [values[0] - 1] * (len(keys) - done), values
        seen.add(done)

    if resized:
        with resizing(shared):
            while_writing(write, look, look)
    else:
        while_writing(write, look)


@every_snapshot
def test_a_snapshot_shows_a_token_that_is_moved_at_most_twice_and_never_nowhere(
    snapshot: Callable[[Any], Any],
) -> None:
    """Each token is put into its next place before it is taken out of its last."""
    places, tokens = 40, 5
    shared: AtomicDict[int, int] = AtomicDict({token: token for token in range(tokens)})

    def write(count: int) -> None:
        for token in range(tokens):
            shared[(count + 1) * tokens % (places * tokens) + token] = token
            assert shared.get_and_set(count * tokens % (places * tokens) + token, -1) == token
            del shared[count * tokens % (places * tokens) + token]

    def look() -> None:
        found = [value for value in snapshot(shared).values() if value >= 0]
        assert {*found} == {*range(tokens)}
        assert len(found) <= tokens + 1

    while_writing(write, look, look)
    check_whole(shared)


def test_a_snapshot_of_a_queue_is_a_run_of_keys() -> None:
    shared: AtomicDict[int, int] = AtomicDict()
    length = 30

    def write(count: int) -> None:
        shared[count] = count
        if count >= length:
            del shared[count - length]

    def look() -> None:
        found = sorted(shared.snapshot().values())
        assert found == ([*range(found[0], found[-1] + 1)] if found else [])
        assert len(found) <= length + 1

    while_writing(write, look, look)


def test_snapshots_and_lengths_follow_each_other() -> None:
    """One thread only inserts, so no look shows less than an earlier one."""
    shared: AtomicDict[int, int] = AtomicDict()

    def write(count: int) -> None:
        shared[count] = count

    def look() -> None:
        first = len(shared)
        second = len(shared.snapshot())
        third = len(shared)
        assert first <= second <= third
        if third:
            assert shared[third - 1] == third - 1

    while_writing(write, look, look)


# ── len, bool ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("length", [0, 1, 50])
@pytest.mark.parametrize("writers", [1, 2])
def test_len_is_exact(length: int, writers: int) -> None:
    """A writer inserts a key, then deletes another: the length is n or n + 1 for each writer."""
    shared: AtomicDict[Any, int] = AtomicDict()
    for number in range(writers):
        shared.update({(number, n): n for n in range(length)})
    counts = [itertools.count(length) for _ in range(writers)]

    def write(number: int) -> None:
        last = next(counts[number])
        shared[number, last] = last
        del shared[number, last - length]

    def look() -> None:
        assert length * writers <= len(shared) <= (length + 1) * writers
        assert length * writers <= len(shared.keys()) <= (length + 1) * writers

    with beside(*(functools.partial(write, number) for number in range(1, writers))):
        while_writing(lambda _: write(0), look, look)
    assert len(shared) == length * writers


def test_len_is_exact_where_one_thread_deletes_what_another_inserts() -> None:
    """It never counts a deletion without the insertion that came before it."""
    shared: AtomicDict[str, int] = AtomicDict({"kept": 0})

    def look() -> None:
        assert 1 <= len(shared) <= 2

    with beside(lambda: shared.pop("key", None)):
        while_writing(lambda count: shared.__setitem__("key", count), look, seconds=2)


def test_len_is_exact_where_a_key_is_deleted_first() -> None:
    shared: AtomicDict[int, int] = AtomicDict({n: n for n in range(100)})

    def write(count: int) -> None:
        key = count % 100
        del shared[key]
        shared.setdefault(key, key)

    with resizing_by_reserve(shared):
        while_writing(write, lambda: check_between(99, len(shared), 100))
    assert len(shared) == 100


def check_between(least: int, found: int, most: int) -> None:
    assert least <= found <= most


def resizing_by_reserve(shared: AtomicDict[Any, Any]) -> Any:
    sizes = itertools.cycle([10, 1000, 100, 5000])
    return beside(lambda: shared.reserve(next(sizes)))


def test_a_dict_that_is_never_empty_is_never_false_and_never_equal_to_one() -> None:
    shared: AtomicDict[int, int] = AtomicDict({0: 0})

    def write(count: int) -> None:
        shared[count + 1] = count + 1
        del shared[count]

    def look() -> None:
        assert shared
        assert shared != {}
        assert 1 <= len(shared) <= 2

    while_writing(write, look, look)


def test_many_exact_operations_at_once_all_end() -> None:
    shared: AtomicDict[int, int] = AtomicDict({n: n for n in range(20)})

    def look(number: int) -> None:
        mine = access(shared, number)
        for _ in range(300):
            assert 20 <= len(mine) <= 24
            assert len(mine.snapshot()) <= 24
            mine[100 + number] = number
            del mine[100 + number]

    in_threads(look)
    check_whole(shared, {n: n for n in range(20)})


# ── approx_len ─────────────────────────────────────────────────────────────────────────────────


def test_approx_len_is_exact_while_no_thread_writes() -> None:
    shared: AtomicDict[int, int] = AtomicDict()

    def write(number: int) -> None:
        mine = access(shared, number)
        for key in range(number, 4000, 4):
            mine[key] = key
            if key % 3 == 0:
                del mine[key]

    in_threads(write)
    assert shared.approx_len() == len(shared)
    low, high = shared.len_bounds()
    assert low <= len(shared) <= high


def test_approx_len_does_not_wait_for_exact_operations() -> None:
    """One that closes the gate again and again keeps writers waiting, but not this."""
    shared: AtomicDict[int, int] = AtomicDict({n: n for n in range(50_000)})
    done = threading.Event()
    counts = [0, 0]

    def look() -> None:
        while not done.is_set():
            shared.snapshot()
            counts[0] += 1

    def approximate() -> None:
        while counts[0] < 5:
            assert shared.approx_len() == 50_000
            counts[1] += 1
        done.set()

    run_threads(look, look, approximate)
    assert counts[1] > counts[0]
