# SPDX-License-Identifier: Apache-2.0
"""AtomicFloatSum: a compensated total of additions by any number of threads."""

from __future__ import annotations

import functools
import math
import random
import threading
from collections.abc import Callable
from fractions import Fraction
from typing import Any, TypeAlias

import pytest
from cereggii_atomicfloat import AtomicFloat, AtomicFloatSum, AtomicFloatSumHandle
from hypothesis import given
from hypothesis import strategies as st

from tools.testing.concurrency import background, run_threads

from .forms import EDGES, INF, MAX, NAN, bits

Total: TypeAlias = AtomicFloatSum | AtomicFloatSumHandle
Make: TypeAlias = Callable[[float], Total]

starts_threads = pytest.mark.thread_unsafe(reason="starts threads of its own")


def sum_handle(value: float) -> AtomicFloatSumHandle:
    return AtomicFloatSum(value).get_handle()


both_forms = pytest.mark.parametrize("make", [AtomicFloatSum, sum_handle], ids=["sum", "handle"])


def bound(amounts: list[float]) -> float:
    """How far the total may be from the exact sum: see striped_float_sum.hpp."""
    unit = 2.0**-53
    exact = sum(map(Fraction, amounts))
    size = sum(abs(Fraction(amount)) for amount in amounts)
    return float(abs(exact) * Fraction(unit) + ((len(amounts) + 8) * Fraction(unit)) ** 2 * size)


# ── one thread ─────────────────────────────────────────────────────────────────────────────────


@both_forms
def test_add_adds_one_or_the_given_amount(make: Make) -> None:
    total = make(10.5)
    assert total.add() is None  # type: ignore[func-returns-value]
    total.add(5)
    total.add(-20)
    total.add(n=100.25)
    total.add(True)
    total.add(Fraction(1, 4))
    assert total.sum() == total.get() == 98
    assert type(total.sum()) is float


@both_forms
def test_in_place_operators_keep_the_object(make: Make) -> None:
    total = original = make(10)
    total += 5.5
    total -= 20
    total += AtomicFloat(3)
    assert total is original
    assert total.sum() == -1.5


@both_forms
@given(
    initial=st.floats(-1e200, 1e200),
    added=st.lists(st.tuples(st.floats(-1e200, 1e200) | st.floats(-9, 9), st.integers(0, 2))),
)
def test_the_total_is_nearly_exact(
    make: Make, initial: float, added: list[tuple[float, int]]
) -> None:
    total = make(initial)
    amounts = [initial]
    for amount, how in added:
        if how == 0:
            total.add(amount)
        elif how == 1:
            total += amount
        else:
            total -= amount
        amounts.append(-amount if how == 2 else amount)
    exact = sum(map(Fraction, amounts))
    found = total.sum()
    # An error of less than the smallest float above 0 is none.
    assert abs(Fraction(found) - exact) <= bound(amounts) + Fraction(5e-324)
    assert total.sum_and_reset() == found
    assert total.sum() == 0


@both_forms
def test_many_additions_are_rounded_once(make: Make) -> None:
    """Where a plain sum is wrong: or this would show nothing."""
    amounts = [0.1] * 100_000
    total = make(0)
    plain = 0.0
    for amount in amounts:
        total += amount
        plain += amount
    assert plain != math.fsum(amounts) == total.sum() == 10_000


@both_forms
def test_small_amounts_beside_large_ones_are_not_lost(make: Make) -> None:
    total = make(1.0)
    for amount in (1e100, 1.0, -1e100):
        total += amount
    assert total.sum() == 2.0


@both_forms
def test_infinities_and_nan_stay_until_a_reset(make: Make) -> None:
    total = make(0)
    total += INF
    total += 1
    assert total.sum() == INF
    total -= INF
    total += 1
    assert math.isnan(total.sum())
    assert math.isnan(total.sum_and_reset())
    total += NAN
    assert math.isnan(total.sum())
    total.reset()
    total += MAX
    total += MAX
    total -= MAX
    assert total.sum() == INF
    total.reset()
    total += 5
    assert total.sum() == 5


@both_forms
def test_a_zero_is_positive(make: Make) -> None:
    total = make(-0.0)
    assert bits(total.sum()) == bits(0.0)
    total += -0.0
    assert bits(total.sum_and_reset()) == bits(0.0)


@both_forms
def test_an_initial_value_is_the_total(make: Make) -> None:
    for value in EDGES:
        assert repr(make(value).sum()) == repr(value + 0.0)
        assert repr(value + 0.0) in repr(make(value))


@both_forms
def test_reset_makes_the_total_zero(make: Make) -> None:
    total = make(1e300)
    total.add(5)
    assert total.reset() is None  # type: ignore[func-returns-value]
    assert total.sum() == 0
    total.add(3.5)
    assert total.sum_and_reset() == 3.5
    assert total.sum_and_reset() == 0


ADDING: list[Callable[[Any, Any], Any]] = [
    lambda total, amount: total.add(amount),
    lambda total, amount: total.__iadd__(amount),
    lambda total, amount: total.__isub__(amount),
]


@both_forms
@pytest.mark.parametrize(
    ("amount", "error"),
    [("1", TypeError), (b"1", TypeError), (None, TypeError), (1j, TypeError), ([1], TypeError),
     (2**1024, OverflowError)],
    ids=repr,
)  # fmt: skip
def test_a_wrong_amount_is_refused_and_named(
    make: Make, amount: Any, error: type[Exception]
) -> None:
    for add in ADDING:
        total = make(5)
        with pytest.raises(error) as caught:
            add(total, amount)
        assert repr(amount)[:200] in str(caught.value)
        assert total.sum() == 5


@both_forms
def test_an_error_of_the_amount_propagates(make: Make) -> None:
    class Broken:
        def __float__(self) -> float:
            raise LookupError("no float")

    for add in ADDING:
        total = make(5)
        with pytest.raises(LookupError, match="no float"):
            add(total, Broken())
        assert total.sum() == 5


@both_forms
def test_wrong_arguments_are_type_errors(make: Make) -> None:
    total: Any = make(5)
    for call in (
        lambda: total.add(1, 2),
        lambda: total.add(amount=1),
        lambda: total.add(1, n=1),
        lambda: total.sum(1),
        lambda: total.get(1),
        lambda: total.reset(1),
        lambda: total.sum_and_reset(1),
        lambda: total.get_handle(1),
        lambda: total + 1,
        lambda: 1 - total,
        lambda: total < 1,
    ):
        with pytest.raises(TypeError):
            call()
    assert total.sum() == 5


def test_handles_add_to_their_sum() -> None:
    total = AtomicFloatSum(1)
    handle = total.get_handle()
    assert type(handle) is AtomicFloatSumHandle
    handle += 2.5
    handle.get_handle().add(3)
    assert total.sum() == handle.sum() == 6.5
    assert handle.sum_and_reset() == 6.5
    assert total.sum() == 0


def test_repr_shows_the_total() -> None:
    total = AtomicFloatSum(-5)
    assert repr(total) == "AtomicFloatSum(-5.0)"
    assert repr(total.get_handle()) == "AtomicFloatSumHandle(AtomicFloatSum(-5.0))"


def test_sums_compare_and_hash_by_identity() -> None:
    total, other = AtomicFloatSum(5), AtomicFloatSum(5)
    for one in (total, total.get_handle()):
        assert one == total == one.get_handle()
        assert hash(one) == hash(total)
        assert one != other
        assert one != 5
    assert len({total, other, total.get_handle()}) == 2


# ── many threads ───────────────────────────────────────────────────────────────────────────────

THREADS = 4
REPEATS = 10_000
USE: dict[str, Callable[[AtomicFloatSum, int], Total]] = {
    "sum": lambda total, _: total,
    "handles": lambda total, _: total.get_handle(),
    "both": lambda total, number: total if number % 2 else total.get_handle(),
}
every_use = pytest.mark.parametrize("use", USE.values(), ids=USE)


def add_at_random(use: Callable[..., Total], total: AtomicFloatSum, seed: int) -> int:
    """Add whole numbers beside much larger ones, which are taken away again; what is left."""
    choose = random.Random(seed)
    mine = use(total, seed)
    left = 0
    for _ in range(REPEATS):
        large = 2.0 ** choose.randrange(60, 100)
        amount = choose.randint(-100, 100)
        mine += large
        if choose.random() < 0.5:
            mine.add(amount)
        else:
            mine -= -amount
        mine -= large
        left += amount
    return left


@starts_threads
@pytest.mark.usefixtures("switch_often")
@every_use
def test_additions_of_many_threads_and_their_errors_add_up(
    use: Callable[..., Total], seed: int
) -> None:
    total = AtomicFloatSum(5)
    works = [
        functools.partial(add_at_random, use, total, seed + number) for number in range(THREADS)
    ]
    assert total.sum() == 5
    added = sum(run_threads(*works))
    assert total.sum() == 5 + added


@starts_threads
@pytest.mark.usefixtures("switch_often")
@every_use
def test_every_addition_is_taken_out_once(use: Callable[..., Total], seed: int) -> None:
    total = AtomicFloatSum(2**40)
    done = threading.Event()
    taken: list[float] = []

    def take() -> None:
        while not done.is_set():
            taken.append(total.sum_and_reset())

    def add(number: int) -> int:
        choose = random.Random(seed + number)
        mine = use(total, number)
        amounts = [choose.randint(-(2**30), 2**30) for _ in range(REPEATS)]
        for amount in amounts:
            mine += amount
        return sum(amounts)

    with background(take, take):
        try:
            added = sum(run_threads(*(functools.partial(add, n) for n in range(THREADS))))
        finally:
            done.set()
    assert sum(taken) + total.sum() == 2**40 + added


@starts_threads
@pytest.mark.usefixtures("switch_often")
def test_a_total_that_only_grows_is_never_seen_to_shrink() -> None:
    total = AtomicFloatSum()
    done = threading.Event()

    def watch() -> None:
        last = 0.0
        while not done.is_set():
            now = total.sum()
            assert last <= now <= 3 * REPEATS
            last = now

    def add() -> None:
        for _ in range(REPEATS):
            total.add()

    with background(watch):
        try:
            run_threads(add, add, add)
        finally:
            done.set()
    assert total.sum() == 3 * REPEATS


@starts_threads
def test_more_threads_than_stripes_add_up() -> None:
    total = AtomicFloatSum()

    def add() -> None:
        for _ in range(100):
            total.add(0.5)

    for _ in range(4):
        run_threads(*[add] * 40)
    assert total.sum() == 4 * 40 * 100 * 0.5


@starts_threads
def test_sums_die_with_what_threads_added_to_them() -> None:
    for _ in range(300):
        total = AtomicFloatSum()
        run_threads(total.add, total.add)
        assert total.sum() == 2


@starts_threads
def test_a_sum_that_threads_add_to_one_after_the_other_stays_small() -> None:
    total = AtomicFloatSum()
    total.add()
    alone = total.__sizeof__()
    assert alone < 150
    for _ in range(100):
        run_threads(total.add)
    assert alone < total.__sizeof__() <= alone + 3 * 128  # two cells
    assert total.get_handle().__sizeof__() < 100
    assert total.sum() == 101
