# SPDX-License-Identifier: Apache-2.0
"""The checker of histories accepts what an order explains, and nothing else."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from typing import Any

import pytest

from tools.testing.linearizability import (
    Call,
    NotLinearizable,
    Step,
    assert_linearizable,
    is_linearizable,
    timed,
)

# ── a register ─────────────────────────────────────────────────────────────────────────────────


def read(began: int, ended: int, result: Any) -> Call:
    return Call(began, ended, lambda value: [(value, value)], result, "read")


def write(began: int, ended: int, value: int) -> Call:
    return Call(began, ended, lambda _: [(value, None)], None, f"write {value}")


def add(began: int, ended: int, result: int) -> Call:
    return Call(began, ended, lambda value: [(value + 1, value)], result, "add")


def take_any(began: int, ended: int, result: Any) -> Call:
    """Take any element out of a frozenset."""

    def step(value: frozenset[int]) -> Iterable[tuple[frozenset[int], int]]:
        return [(value - {one}, one) for one in value]

    return Call(began, ended, step, result, "take")


def test_calls_one_after_the_other_are_explained_in_their_order_only() -> None:
    assert is_linearizable(0, [])
    assert is_linearizable(0, [write(0, 1, 5), read(2, 3, 5), write(4, 5, 6), read(6, 7, 6)])
    assert not is_linearizable(0, [write(0, 1, 5), read(2, 3, 0)])
    assert not is_linearizable(0, [read(0, 1, 5), write(2, 3, 5)])


def test_the_order_in_which_calls_are_given_does_not_matter() -> None:
    calls = [write(0, 1, 5), read(2, 3, 5), write(4, 5, 6), read(6, 7, 6)]
    for order in itertools.permutations(calls):
        assert is_linearizable(0, order)


def test_calls_that_overlap_are_explained_in_any_order() -> None:
    assert is_linearizable(0, [write(0, 9, 5), read(1, 2, 0), read(3, 4, 5)])
    assert is_linearizable(0, [write(0, 9, 5), read(1, 2, 5), read(3, 4, 5)])
    assert is_linearizable(0, [write(0, 5, 1), write(0, 5, 2), read(6, 7, 1)])
    assert is_linearizable(0, [write(0, 5, 1), write(0, 5, 2), read(6, 7, 2)])


def test_a_history_that_no_order_explains_is_refused() -> None:
    # A value that was there before must not come back.
    assert not is_linearizable(0, [write(0, 9, 5), read(1, 2, 5), read(3, 4, 0)])
    # Two that read must agree on the order of two writes.
    writes = [write(0, 9, 1), write(0, 9, 2)]
    assert not is_linearizable(0, [*writes, *(read(t, t + 1, t // 2 % 2 + 1) for t in (2, 4, 6))])
    # An addition must not be lost.
    assert is_linearizable(0, [add(0, 5, 0), add(1, 6, 1), read(7, 8, 2)])
    assert not is_linearizable(0, [add(0, 5, 0), add(1, 6, 0), read(7, 8, 1)])
    assert not is_linearizable(0, [add(0, 5, 0), add(1, 6, 1), read(7, 8, 1)])


def test_calls_that_touch_in_time_count_as_overlapping() -> None:
    assert is_linearizable(0, [write(0, 5, 1), read(5, 6, 0)])
    assert not is_linearizable(0, [write(0, 5, 1), read(6, 7, 0)])


def test_results_are_told_apart_by_type() -> None:
    assert not is_linearizable(1, [read(0, 1, True)])
    assert not is_linearizable(0, [read(0, 1, None)])


def test_a_call_may_be_free_to_choose() -> None:
    start = frozenset({1, 2})
    assert is_linearizable(start, [take_any(0, 1, 1), take_any(2, 3, 2)])
    assert is_linearizable(start, [take_any(0, 1, 2), take_any(2, 3, 1)])
    assert not is_linearizable(start, [take_any(0, 9, 2), take_any(0, 9, 2)])
    assert not is_linearizable(start, [take_any(t, t + 1, t + 1) for t in range(3)])


def test_the_message_says_where_the_search_ended() -> None:
    with pytest.raises(NotLinearizable, match="read -> 7") as caught:
        assert_linearizable(0, [write(0, 1, 5), read(2, 3, 5), read(4, 5, 7), read(6, 7, 5)])
    assert "2 of 4" in str(caught.value)
    assert "state 5" in str(caught.value)


def test_a_call_is_timed_around() -> None:
    step: Step = lambda value: [(value, value)]  # noqa: E731
    first = timed("get", step, lambda: 7)
    second = timed("get", step, lambda: 8)
    assert first.began <= first.ended <= second.began <= second.ended
    assert (first.result, second.result, first.name) == (7, 8, "get")


# ── against histories whose order is known ─────────────────────────────────────────────────────


def known_history(choose: random.Random, calls: int, threads: int) -> list[Call]:
    """A history that was made from an order: each call's point is within its time."""
    free_from = [0.0] * threads
    value, history = 0, []
    for point in range(1, calls + 1):
        thread = choose.randrange(threads)
        began = int(10 * choose.uniform(max(free_from[thread], point - 3), point))
        end = choose.uniform(point, point + 3)
        if free_from[thread] >= point:  # that thread is still in a call
            continue
        free_from[thread] = end
        if choose.random() < 0.5:
            history.append(add(began, int(10 * end), value))
            value += 1
        else:
            history.append(read(began, int(10 * end), value))
    return history


def test_a_long_history_made_from_an_order_is_accepted_and_a_lost_update_in_it_is_not() -> None:
    choose = random.Random(7)
    for _ in range(20):
        history = known_history(choose, 2000, 4)
        assert len(history) > 500
        assert is_linearizable(0, history)
        last = max(call.ended for call in history)
        total = sum(call.name == "add" for call in history)
        assert is_linearizable(0, [*history, read(last + 1, last + 2, total)])
        assert not is_linearizable(0, [*history, read(last + 1, last + 2, total - 1)])


def test_short_histories_are_judged_as_by_trying_all_orders() -> None:
    choose = random.Random(8)
    verdicts = []
    for _ in range(1000):
        calls = []
        for _ in range(5):
            began = choose.randrange(20)
            ended = began + choose.randrange(1, 8)
            make = choose.choice([add, read, write])
            calls.append(make(began, ended, choose.randrange(3)))
        verdicts.append(is_linearizable(0, calls))
        assert verdicts[-1] == any(explains(order) for order in itertools.permutations(calls))
    assert 50 < sum(verdicts) < 950


def explains(order: tuple[Call, ...]) -> bool:
    state: Any = 0
    for index, call in enumerate(order):
        if any(later.ended < call.began for later in order[index + 1 :]):
            return False
        [(state, result)] = call.step(state)
        if result != call.result:
            return False
    return True
