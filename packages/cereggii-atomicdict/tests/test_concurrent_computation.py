# SPDX-License-Identifier: Apache-2.0
"""Values that many threads ask for are computed once, and no thread waits forever."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from cereggii_atomicdict import NOT_FOUND, AtomicDict

from tools.testing.concurrency import (
    PATIENCE,
    FailedError,
    Gate,
    Task,
    Thing,
    background,
    give_time_to_block,
    meet,
    run_threads,
)

from .workloads import THREADS, MakeKey, access, check_whole, every_key, flat, in_threads, resizing

pytestmark = [
    pytest.mark.thread_unsafe(reason="has threads of its own"),
    pytest.mark.usefixtures("switch_often"),
]


# ── once ───────────────────────────────────────────────────────────────────────────────────────


@every_key
def test_many_threads_ask_and_one_computes(key: MakeKey) -> None:
    shared: AtomicDict[Any, Thing] = AtomicDict()
    computed: list[list[int]] = [[] for _ in range(THREADS)]

    def ask_as(number: int) -> Callable[[int], Thing]:
        def factory(of: int) -> Callable[[Any], Thing]:
            return lambda _key: computed[number].append(of) or Thing()

        return lambda of: access(shared, number).get_or_compute(key(of), factory(of))

    for of, found in enumerate(meet([*range(300)], *map(ask_as, range(THREADS)))):
        assert len({id(thing) for thing in found}) == 1
        assert found[0] is shared[key(of)]
    assert sorted(of for own in computed for of in own) == [*range(300)]
    check_whole(shared)


@every_key
def test_values_are_computed_once_between_removals_while_the_table_is_resized(
    key: MakeKey, seed: int
) -> None:
    """Each computed value was removed, or is left."""
    shared: AtomicDict[Any, Thing] = AtomicDict()

    def work(number: int) -> tuple[list[Thing], list[Thing]]:
        choose = random.Random(seed + number)
        made: list[Thing] = []
        removed: list[Thing] = []
        mine = access(shared, number)

        def factory(_key: Any) -> Thing:
            made.append(Thing())
            return made[-1]

        for _ in range(600):
            of = key(choose.randrange(20))
            if choose.random() < 0.7:
                assert isinstance(mine.get_or_compute(of, factory), Thing)
            elif (thing := mine.pop(of, None)) is not None:
                removed.append(thing)
        return made, removed

    with resizing(shared):
        results = in_threads(work)
    made = [id(thing) for own, _ in results for thing in own]
    removed = [id(thing) for _, own in results for thing in own]
    left = [id(thing) for thing in shared.values() if isinstance(thing, Thing)]
    assert sorted(made) == sorted(removed + left)


def test_waiters_get_the_computed_object_even_if_it_is_removed_at_once() -> None:
    shared: AtomicDict[str, Thing] = AtomicDict()
    gate = Gate()

    def compute_and_remove() -> Thing:
        thing = shared.get_or_compute("key", gate)
        assert shared.pop("key") is thing  # before the others have woken up
        return thing

    late: list[Thing] = []  # of threads that had not begun to wait: none, as a rule

    def too_late(_key: str) -> Thing:
        late.append(Thing())
        return late[-1]

    with background(compute_and_remove) as (leader,):
        gate.wait_until_entered()
        waiters = [Task(lambda: shared.get_or_compute("key", too_late)) for _ in range(THREADS)]
        for waiter in waiters:
            waiter.start()
        give_time_to_block()
        gate.opened.set()
        found = [waiter.result() for waiter in waiters]
    assert found.count(leader.result()) >= THREADS - len(late)
    assert {*found} <= {leader.result(), *late}


def test_a_waiter_whose_timeout_ends_leaves_and_the_others_wait_on() -> None:
    shared: AtomicDict[str, Thing] = AtomicDict()
    gate = Gate()
    with background(*[lambda: shared.get_or_compute("key", gate)] * 2) as tasks:
        gate.wait_until_entered()
        for timeout in (0, 0.05):
            with pytest.raises(TimeoutError, match="'key'"):
                shared.get_or_compute("key", gate, timeout=timeout)
        assert all(task.is_alive() for task in tasks)
        gate.opened.set()
        found = [task.result() for task in tasks]
    assert found == [shared["key"]] * 2
    assert shared.get_or_compute("key", gate, 0) is found[0]
    assert gate.calls == ["key"]


def test_other_operations_go_on_meanwhile() -> None:
    shared: AtomicDict[Any, Any] = AtomicDict()
    gate = Gate()
    with background(lambda: shared.get_or_compute("key", gate)) as (task,):
        gate.wait_until_entered()
        assert "key" not in shared
        assert shared.get_or_compute("other", lambda _: 1) == 1
        for n in range(2000):
            shared[n] = n
        assert len(shared) == 2001
        shared["key"] = "stored meanwhile"
        assert shared.get_or_compute("key", gate) == "stored meanwhile"
        gate.opened.set()
        assert task.result() == "stored meanwhile"
    assert shared["key"] == "stored meanwhile"
    assert gate.calls == ["key"]


def test_factories_of_different_keys_run_at_the_same_time() -> None:
    shared: AtomicDict[int, int] = AtomicDict()
    together = threading.Barrier(THREADS)

    def factory(key: int) -> int:
        together.wait(PATIENCE)
        return key

    assert in_threads(lambda n: shared.get_or_compute(n, factory)) == [*range(THREADS)]


# ── failures ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("error", [FailedError, KeyboardInterrupt, SystemExit])
def test_one_waiter_tries_next_if_a_factory_raises(
    error: type[BaseException],
) -> None:
    shared: AtomicDict[str, Thing] = AtomicDict()
    entered = threading.Semaphore(0)
    proceed = threading.Semaphore(0)
    running: list[None] = []

    def factory(_key: str) -> Thing:
        running.append(None)
        assert len(running) == 1  # one at a time
        entered.release()
        assert proceed.acquire(timeout=PATIENCE)
        running.pop()
        raise error("failed")

    def ask() -> str:
        try:
            shared.get_or_compute("key", factory)
        except error:
            return "failed"
        return "computed"

    tasks = [Task(ask) for _ in range(THREADS)]
    for task in tasks:
        task.start()
    for turn in range(THREADS):
        assert entered.acquire(timeout=PATIENCE)
        give_time_to_block()
        # Nobody but the one that is in its factory has come back, or gone in.
        assert sum(not task.is_alive() for task in tasks) <= turn
        proceed.release()
    assert [task.result() for task in tasks] == ["failed"] * THREADS
    assert shared == {}


def test_failures_and_successes_of_many_threads(seed: int) -> None:
    shared: AtomicDict[int, int] = AtomicDict()
    keys = 300
    choose = [random.Random(seed + number) for number in range(THREADS)]
    computed: list[list[int]] = [[] for _ in range(THREADS)]

    def ask_as(number: int) -> Callable[[int], int | None]:
        def factory(key: int) -> int:
            if choose[number].random() < 0.5:
                raise FailedError
            computed[number].append(key)
            return key

        def ask(key: int) -> int | None:
            try:
                return shared.get_or_compute(key, factory)
            except FailedError:
                return None

        return ask

    for key, found in enumerate(meet([*range(keys)], *map(ask_as, range(THREADS)))):
        assert set(found) <= {key, None}
        assert (key in shared) == (key in found)
    assert sorted(key for own in computed for key in own) == sorted(shared)


# ── circles ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("dicts", [1, 2])
@pytest.mark.parametrize("threads", [2, 3, THREADS])
def test_a_thread_that_would_close_a_circle_gets_an_error(threads: int, dicts: int) -> None:
    """Each computes a key from the next one: the last to ask gets an error, and the rest go on."""
    shared: list[AtomicDict[int, int]] = [AtomicDict() for _ in range(dicts)]
    all_compute = threading.Barrier(threads)
    told: dict[int, str] = {}

    def ask(key: int) -> int:
        return shared[key % dicts].get_or_compute(key, factory)

    def factory(key: int) -> int:
        if key not in told:
            all_compute.wait(PATIENCE)
        try:
            return ask((key + 1) % threads) + 1
        except RuntimeError as error:
            told[key] = str(error)
            return 0

    values = run_threads(*(lambda key=key: ask(key) for key in range(threads)))  # type: ignore[misc]
    assert len(told) == 1
    assert "own value" in told.popitem()[1]
    assert sorted(values) == [*range(threads)]


def test_circles_at_random_never_block(seed: int) -> None:
    shared: AtomicDict[int, int] = AtomicDict()

    def work(number: int) -> None:
        choose = random.Random(seed + number)

        def factory(key: int) -> int:
            for _ in range(2):
                shared.get_or_compute(choose.randrange(12), factory)
            return key

        for _ in range(300):
            try:
                key = choose.randrange(12)
                assert shared.get_or_compute(key, factory) == key
            except (RuntimeError, RecursionError):
                pass
            shared.pop(choose.randrange(12), None)

    in_threads(work)


# ── compute, merge, remove_if ──────────────────────────────────────────────────────────────────


@every_key
def test_no_computed_change_is_lost(key: MakeKey, seed: int) -> None:
    shared: AtomicDict[Any, int] = AtomicDict()
    rounds, keys = 600, 3

    def work(number: int) -> None:
        choose = random.Random(seed + number)
        mine = access(shared, number)
        for n in range(rounds):
            of = key(n % keys)
            if choose.random() < 0.5:
                mine.merge(of, 1, lambda current, value: current + value)
            else:
                mine.compute(of, lambda _, value: 1 if value is NOT_FOUND else value + 1)

    with resizing(shared):
        in_threads(work)
    assert [shared[key(n)] for n in range(keys)] == [THREADS * rounds // keys] * keys


def test_tokens_that_are_merged_in_and_computed_out_are_neither_lost_nor_doubled(seed: int) -> None:
    """A value may be replaced, and its key removed, while it is being looked at."""
    rounds, tokens = 20, 500

    def work_on(shared: AtomicDict[int, tuple[int, ...]], number: int) -> list[int]:
        choose = random.Random(seed + number)
        taken: list[int] = []
        for n in range(tokens):
            key = choose.randrange(4)
            if n % 2:
                shared.merge(key, (n * THREADS + number,), lambda old, new: old + new)
            else:
                seen: list[tuple[int, ...]] = []

                def take(_key: int, current: Any, seen: list[Any] = seen) -> Any:
                    seen.append(() if current is NOT_FOUND else current)
                    return NOT_FOUND

                shared.compute(key, take)
                taken.extend(seen[-1])
        return taken

    dicts: list[AtomicDict[int, tuple[int, ...]]] = [AtomicDict() for _ in range(rounds)]
    works = [lambda one, number=number: work_on(one, number) for number in range(THREADS)]  # type: ignore[misc]
    given = [n * THREADS + number for n in range(1, tokens, 2) for number in range(THREADS)]
    for shared, taken in zip(dicts, meet(dicts, *works), strict=True):
        left = [token for tokens in shared.values() for token in tokens]
        assert sorted(flat([*taken]) + left) == given


def test_remove_if_beside_threads_that_change_values() -> None:
    """Each removed value was one of which the predicate was true: none that was seen as even."""
    shared: AtomicDict[int, int] = AtomicDict(dict.fromkeys(range(200), 0))
    done = threading.Event()

    def change() -> int:
        inserted = 200
        for n in range(20_000):
            key = n % 200
            inserted += shared.get_and_set(key, n) is NOT_FOUND
            if n % 2 == 0:
                assert shared[key] == n
        done.set()
        return inserted

    def remove() -> int:
        removed = 0
        while not done.is_set():
            removed += shared.remove_if(lambda _, value: value % 2 == 1)
        return removed

    inserted, *removed = run_threads(change, remove, remove)
    assert inserted - sum(removed) == len(shared)
    check_whole(shared)
