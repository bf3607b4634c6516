# SPDX-License-Identifier: Apache-2.0
"""AtomicCounter: an exact total of any size, of additions by any number of threads."""

from __future__ import annotations

import functools
import os
import random
import threading
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from cereggii_atomicint import AtomicCounter, AtomicCounterHandle, AtomicInt
from hypothesis import given
from hypothesis import strategies as st

from tools.testing.concurrency import PATIENCE, background, run_threads

from .forms import EDGES, HIGHEST, LOWEST, STORABLE_EDGES

Counter: TypeAlias = AtomicCounter | AtomicCounterHandle
Make: TypeAlias = Callable[[int], Counter]

starts_threads = pytest.mark.thread_unsafe(reason="starts threads of its own")


def counter_handle(value: int) -> AtomicCounterHandle:
    return AtomicCounter(value).get_handle()


both_forms = pytest.mark.parametrize(
    "make", [AtomicCounter, counter_handle], ids=["counter", "handle"]
)

amounts = st.integers(LOWEST, HIGHEST) | st.sampled_from(STORABLE_EDGES) | st.integers(-9, 9)


# ── one thread ─────────────────────────────────────────────────────────────────────────────────


@both_forms
def test_add_adds_one_or_the_given_amount(make: Make) -> None:
    counter = make(10)
    assert counter.add() is None  # type: ignore[func-returns-value]
    counter.add(5)
    counter.add(-20)
    counter.add(n=100)
    counter.add(True)
    assert counter.sum() == counter.get() == 97


@both_forms
def test_in_place_operators_keep_the_object(make: Make) -> None:
    counter = original = make(10)
    counter += 5
    counter -= 20
    counter += AtomicInt(3)
    assert counter is original
    assert counter.sum() == -2


@both_forms
@given(
    initial=st.integers(-(2**124), 2**124 - 1),
    added=st.lists(st.tuples(amounts, st.integers(0, 2))),
)
def test_the_total_is_exact_whatever_its_size(
    make: Make, initial: int, added: list[tuple[int, int]]
) -> None:
    counter = make(initial)
    total = initial
    for amount, how in added:
        if how == 0:
            counter.add(amount)
        elif how == 1:
            counter += amount
        else:
            counter -= amount
        total += -amount if how == 2 else amount
    assert counter.sum() == total
    assert type(counter.sum()) is int
    assert counter.sum_and_reset() == total
    assert counter.sum() == 0


@both_forms
def test_amounts_at_the_edges_are_exact(make: Make) -> None:
    for initial in EDGES:
        for amount in STORABLE_EDGES:
            counter = make(initial)
            counter.add(amount)
            counter += amount
            assert counter.sum() == initial + 2 * amount
            counter -= amount
            counter -= amount
            assert counter.sum() == initial


@both_forms
@pytest.mark.parametrize("amount", [HIGHEST, LOWEST])
def test_totals_go_far_beyond_64_bits(make: Make, amount: int) -> None:
    counter = make(0)
    for _ in range(1000):
        counter.add(amount)
    assert counter.sum() == 1000 * amount
    for _ in range(2000):
        counter -= amount
    assert counter.sum() == -1000 * amount


@both_forms
@pytest.mark.parametrize("amount", [2**32, -(2**32), 2**32 + 1, 2**61])
def test_many_large_amounts_of_one_thread_are_exact(make: Make, amount: int) -> None:
    counter = make(0)
    for _ in range(5000):
        counter.add(amount)
    assert counter.sum() == 5000 * amount


@both_forms
@pytest.mark.parametrize(
    "initial", [2**62, 2**63, 2**64, 2**124 - 1, -(2**62), -(2**63), -(2**124)]
)
def test_initial_values_may_be_large(make: Make, initial: int) -> None:
    counter = make(initial)
    assert counter.sum() == initial
    assert str(initial) in repr(counter)
    step = 1 if initial > 0 else -1
    counter += step
    assert counter.sum() == initial + step


@pytest.mark.parametrize("initial", [2**124, -(2**124) - 1, 2**200])
def test_an_initial_value_beyond_125_bits_is_refused_and_named(initial: int) -> None:
    with pytest.raises(OverflowError, match=str(initial)):
        AtomicCounter(initial)


@both_forms
def test_reset_makes_the_total_zero(make: Make) -> None:
    counter = make(2**70)
    counter.add(5)
    assert counter.reset() is None  # type: ignore[func-returns-value]
    assert counter.sum() == 0
    counter.add(3)
    assert counter.sum_and_reset() == 3
    assert counter.sum_and_reset() == 0


@both_forms
@pytest.mark.parametrize("amount", ["1", 1.0, 1.5, None, [1], 1j])
def test_an_amount_that_is_not_an_integer_is_refused_and_named(make: Make, amount: Any) -> None:
    for add in (
        lambda counter: counter.add(amount),
        lambda counter: counter.__iadd__(amount),
        lambda counter: counter.__isub__(amount),
    ):
        counter = make(5)
        with pytest.raises(TypeError) as caught:
            add(counter)
        assert repr(amount) in str(caught.value)
        assert counter.sum() == 5


@both_forms
@pytest.mark.parametrize("amount", [2**63, -(2**63) - 1, 2**100])
def test_an_amount_beyond_64_bits_is_refused_and_named(make: Make, amount: int) -> None:
    for add in (
        lambda counter: counter.add(amount),
        lambda counter: counter.__iadd__(amount),
        lambda counter: counter.__isub__(amount),
    ):
        counter = make(5)
        with pytest.raises(OverflowError) as caught:
            add(counter)
        assert str(amount) in str(caught.value)
        assert counter.sum() == 5


@both_forms
def test_wrong_arguments_are_type_errors(make: Make) -> None:
    counter: Any = make(5)
    for call in (
        lambda: counter.add(1, 2),
        lambda: counter.add(amount=1),
        lambda: counter.add(1, n=1),
        lambda: counter.sum(1),
        lambda: counter.get(1),
        lambda: counter.reset(1),
        lambda: counter.sum_and_reset(1),
        lambda: counter.get_handle(1),
        lambda: counter + 1,
        lambda: 1 - counter,
    ):
        with pytest.raises(TypeError):
            call()
    assert counter.sum() == 5


@both_forms
def test_an_error_of_the_amount_propagates(make: Make) -> None:
    class Broken:
        def __index__(self) -> int:
            raise LookupError("no index")

    counter = make(5)
    with pytest.raises(LookupError, match="no index"):
        counter += Broken()
    assert counter.sum() == 5


def test_handles_add_to_their_counter() -> None:
    counter = AtomicCounter(1)
    handle = counter.get_handle()
    assert type(handle) is AtomicCounterHandle
    handle += 2
    handle.get_handle().add(3)
    assert counter.sum() == handle.sum() == 6
    assert handle.sum_and_reset() == 6
    assert counter.sum() == 0


def test_repr_shows_the_total() -> None:
    counter = AtomicCounter(-5)
    assert repr(counter) == "AtomicCounter(-5)"
    assert repr(counter.get_handle()) == "AtomicCounterHandle(AtomicCounter(-5))"


def test_counters_compare_and_hash_by_identity() -> None:
    counter, other = AtomicCounter(5), AtomicCounter(5)
    assert counter == counter
    assert counter != other
    assert len({counter, other}) == 2


# ── many threads ───────────────────────────────────────────────────────────────────────────────

THREADS = 4
REPEATS = 10_000
USE: dict[str, Callable[[AtomicCounter, int], Counter]] = {
    "counter": lambda counter, _: counter,
    "handles": lambda counter, _: counter.get_handle(),
    "both": lambda counter, number: counter if number % 2 else counter.get_handle(),
}
every_use = pytest.mark.parametrize("use", USE.values(), ids=USE)


def add_at_random(use: Callable[..., Counter], counter: AtomicCounter, bits: int, seed: int) -> int:
    """Add random amounts in every way; what was added in all. The seed is the thread's."""
    choose = random.Random(seed)
    mine = use(counter, seed)
    total = 0
    for _ in range(REPEATS):
        amount = choose.randint(-(2**bits), 2**bits - 1)
        how = choose.randrange(3)
        if how == 0:
            mine.add(amount)
        elif how == 1:
            mine += amount
        else:
            mine -= -amount - 1
            mine.add(-1)
        total += amount
    return total


@starts_threads
@pytest.mark.usefixtures("switch_often")
@every_use
@pytest.mark.parametrize("bits", [3, 33, 63])
def test_additions_of_many_threads_add_up(
    use: Callable[..., Counter], bits: int, seed: int
) -> None:
    counter = AtomicCounter(5)
    works = [
        functools.partial(add_at_random, use, counter, bits, seed + number)
        for number in range(THREADS)
    ]
    added = sum(run_threads(*works))
    assert counter.sum() == 5 + added


@starts_threads
@pytest.mark.usefixtures("switch_often")
@every_use
@pytest.mark.parametrize("bits", [3, 63])
def test_every_addition_is_taken_out_once(
    use: Callable[..., Counter], bits: int, seed: int
) -> None:
    counter = AtomicCounter(2**70)
    done = threading.Event()
    taken: list[int] = []

    def take() -> None:
        while not done.is_set():
            taken.append(counter.sum_and_reset())

    works = [
        functools.partial(add_at_random, use, counter, bits, seed + number)
        for number in range(THREADS)
    ]
    with background(take, take):
        try:
            added = sum(run_threads(*works))
        finally:
            done.set()
    assert sum(taken) + counter.sum() == 2**70 + added


@starts_threads
@pytest.mark.usefixtures("switch_often")
def test_a_total_that_only_grows_is_never_seen_to_shrink() -> None:
    counter = AtomicCounter()
    done = threading.Event()

    def watch() -> None:
        last = 0
        while not done.is_set():
            now = counter.sum()
            assert last <= now <= 3 * REPEATS
            last = now

    def add() -> None:
        for _ in range(REPEATS):
            counter.add()

    with background(watch):
        try:
            run_threads(add, add, add)
        finally:
            done.set()
    assert counter.sum() == 3 * REPEATS


@starts_threads
def test_more_threads_than_stripes_add_up() -> None:
    counter = AtomicCounter()

    def add() -> None:
        for _ in range(100):
            counter.add(7)

    for _ in range(4):
        run_threads(*[add] * 40)
    assert counter.sum() == 4 * 40 * 100 * 7


@starts_threads
@pytest.mark.usefixtures("switch_often")
def test_small_and_large_additions_to_one_stripe_add_up() -> None:
    """Amounts beyond 2**32 empty the stripe that the other thread adds to."""
    counter = AtomicCounter()
    counter.add(0)  # this thread has a cell of its own
    begun, done = threading.Event(), threading.Event()

    def add_small() -> int:
        total = 0
        while not done.is_set():
            counter.add(7)
            total += 7
            begun.set()
        return total

    def add_large() -> None:
        for _ in range(20 * REPEATS):
            counter.add(2**33)

    with background(add_small) as [small]:
        assert begun.wait(PATIENCE)
        # Stripes are given out in turn to the threads that add for the first time.
        stripes = 1 << (2 * (os.cpu_count() or 1)).bit_length()  # or a fraction of it
        for _ in range(stripes - 1):
            run_threads(counter.add)
        try:
            run_threads(add_large)
        finally:
            done.set()
        added = small.result() + stripes - 1 + 20 * REPEATS * 2**33
    assert counter.sum() == added


@starts_threads
def test_counters_die_with_what_threads_added_to_them() -> None:
    for _ in range(300):
        counter = AtomicCounter()
        run_threads(counter.add, counter.add)
        assert counter.sum() == 2


@starts_threads
def test_a_counter_that_threads_add_to_one_after_the_other_stays_small() -> None:
    counter = AtomicCounter()
    counter.add()
    alone = counter.__sizeof__()
    assert alone < 150
    for _ in range(100):
        run_threads(counter.add)
    assert alone < counter.__sizeof__() <= alone + 3 * 128  # two cells
    assert counter.get_handle().__sizeof__() < 100
    assert counter.sum() == 101
