# SPDX-License-Identifier: Apache-2.0
"""wait_while blocks while the value is the one given; no wake-up is lost."""

from __future__ import annotations

import functools
import random
import threading
import time
from typing import Any

import pytest
from cereggii_atomicint import AtomicInt

from tools.testing.concurrency import PATIENCE, background, give_time_to_block, run_threads

from .forms import HIGHEST, LOWEST, Integer, Make, both_forms

pytestmark = [
    pytest.mark.thread_unsafe(reason="starts threads of its own, and measures time"),
    pytest.mark.usefixtures("switch_often"),
]

SLACK = 10.0  # seconds that a busy machine may be late


@both_forms
def test_returns_at_once_when_the_value_differs(make: Make) -> None:
    integer = make(5)
    for timeout in (None, 0, 0.0, 1000, threading.TIMEOUT_MAX, float("inf")):
        assert integer.wait_while(6, timeout) is True
    assert integer.wait_while(LOWEST) is True
    assert integer.wait_while(HIGHEST) is True


@both_forms
@pytest.mark.parametrize("timeout", [0, 0.0, 0.05, 0.2, 1e-9, True - 1])
def test_times_out_while_the_value_stays(make: Make, timeout: float) -> None:
    integer = make(5)
    start = time.monotonic()
    assert integer.wait_while(5, timeout) is False
    assert timeout * 0.99 <= time.monotonic() - start < timeout + SLACK


@both_forms
@pytest.mark.parametrize("value", [5, LOWEST, HIGHEST])
@pytest.mark.parametrize("notify", ["notify_one", "notify_all"])
def test_is_woken_by_a_notification_after_a_change(make: Make, value: int, notify: str) -> None:
    integer = make(value)
    with background(lambda: integer.wait_while(value)) as [task]:
        give_time_to_block()
        assert task.is_alive()
        integer.set(6)
        getattr(integer, notify)()
        assert task.result() is True


@both_forms
def test_is_woken_before_its_timeout(make: Make) -> None:
    integer = make(5)
    start = time.monotonic()
    with background(lambda: integer.wait_while(5, PATIENCE)) as [task]:
        give_time_to_block()
        integer += 1
        integer.notify_all()
        assert task.result() is True
    assert time.monotonic() - start < SLACK


@both_forms
def test_a_notification_without_a_change_wakes_nobody(make: Make) -> None:
    integer = make(5)
    with background(lambda: integer.wait_while(5)) as [task]:
        give_time_to_block()
        for _ in range(100):
            integer.notify_one()
            integer.notify_all()
            integer.set(5)
        give_time_to_block()
        assert task.is_alive()
        integer.set(6)
        integer.notify_one()


@both_forms
def test_notifications_without_a_change_do_not_put_the_timeout_off(make: Make) -> None:
    integer = make(5)
    done = threading.Event()

    def annoy() -> None:
        while not done.wait(0.001):
            integer.notify_all()

    with background(annoy):
        start = time.monotonic()
        try:
            assert integer.wait_while(5, 0.3) is False
        finally:
            done.set()
        assert 0.29 <= time.monotonic() - start < 0.3 + SLACK


@both_forms
def test_a_value_that_changed_and_came_back_is_the_same_value(make: Make) -> None:
    integer = make(5)
    with background(lambda: integer.wait_while(5, 0.5)) as [task]:
        give_time_to_block()
        integer.set(6)
        integer.set(5)
        integer.notify_all()
        assert task.result() is False


@both_forms
def test_notifications_without_waiters_do_nothing(make: Make) -> None:
    integer = make(5)
    assert integer.notify_one() is None  # type: ignore[func-returns-value]
    assert integer.notify_all() is None  # type: ignore[func-returns-value]
    assert integer.get() == 5
    assert integer.wait_while(5, 0.01) is False  # they are not kept for later


@both_forms
def test_a_notification_for_each_waiter_wakes_all(make: Make) -> None:
    integer = make(0)
    with background(*[lambda: integer.wait_while(0)] * 8) as tasks:
        give_time_to_block()
        integer.set(1)
        for _ in tasks:
            integer.notify_one()
        assert [task.result() for task in tasks] == [True] * 8


@both_forms
def test_one_notification_for_all_wakes_all(make: Make) -> None:
    integer = make(0)
    with background(*[lambda: integer.wait_while(0)] * 8) as tasks:
        give_time_to_block()
        integer.set(1)
        integer.notify_all()
        assert [task.result() for task in tasks] == [True] * 8


def test_waiters_of_other_integers_are_left_alone() -> None:
    integers = [AtomicInt() for _ in range(200)]  # more than there are queues to wait in
    with background(
        *[functools.partial(integer.wait_while, 0) for integer in integers[::10]]
    ) as tasks:
        give_time_to_block()
        for integer in integers:
            integer.notify_all()
        give_time_to_block()
        assert all(task.is_alive() for task in tasks)
        for integer in integers:
            integer.set(1)
            integer.notify_one()


def test_an_integer_and_its_handles_wake_each_other() -> None:
    integer = AtomicInt()
    with background(
        lambda: integer.wait_while(0),
        lambda: integer.get_handle().wait_while(0),
    ):
        give_time_to_block()
        handle = integer.get_handle()
        handle += 1
        handle.notify_all()
    with background(lambda: handle.wait_while(1)):
        give_time_to_block()
        integer.set(2)
        integer.notify_one()


@both_forms
def test_other_threads_run_while_one_is_blocked(make: Make) -> None:
    integer = make(0)
    with background(lambda: integer.wait_while(0, PATIENCE)):
        start = time.monotonic()
        assert sum(range(100_000)) == 4999950000
        assert time.monotonic() - start < PATIENCE / 2
        integer.set(1)
        integer.notify_all()


@both_forms
@pytest.mark.parametrize("timeout", [-1, -0.001, float("nan"), float("-inf"), -(10**400)])
def test_a_negative_timeout_is_refused_and_named(make: Make, timeout: Any) -> None:
    with pytest.raises((ValueError, OverflowError)) as caught:
        make(5).wait_while(5, timeout)
    assert str(timeout)[:20] in str(caught.value) or abs(timeout) > 1e300


@both_forms
@pytest.mark.parametrize("timeout", [1e30, 2 * threading.TIMEOUT_MAX])
def test_a_timeout_beyond_the_longest_is_refused_and_named(make: Make, timeout: float) -> None:
    with pytest.raises(OverflowError) as caught:
        make(5).wait_while(5, timeout)
    assert str(timeout) in str(caught.value)


@both_forms
@pytest.mark.parametrize("timeout", ["1", b"1", [], 1j])
def test_a_timeout_that_is_not_a_number_is_refused_and_named(make: Make, timeout: Any) -> None:
    integer = make(5)
    with pytest.raises(TypeError) as caught:
        integer.wait_while(5, timeout)
    assert str(timeout) in str(caught.value)
    with pytest.raises(TypeError):
        integer.wait_while(6, timeout)  # even if there is nothing to wait for


@both_forms
def test_an_error_of_the_timeout_propagates(make: Make) -> None:
    class Broken:
        def __float__(self) -> float:
            raise LookupError("no float")

    with pytest.raises(LookupError, match="no float"):
        make(5).wait_while(5, Broken())  # type: ignore[arg-type]


@pytest.mark.parametrize("notify", ["notify_one", "notify_all"])
@pytest.mark.parametrize("through_handles", [False, True], ids=["int", "handles"])
def test_two_threads_that_take_turns_lose_no_wake_up(notify: str, through_handles: bool) -> None:
    shared = AtomicInt()
    turns = 4000

    def play(number: int) -> None:
        mine: Integer = shared.get_handle() if through_handles else shared
        for turn in range(number, turns, 2):
            while (found := mine.get()) != turn:
                assert mine.wait_while(found, PATIENCE)
            mine.increment_and_get()
            getattr(mine, notify)()

    run_threads(functools.partial(play, 0), functools.partial(play, 1))
    assert shared == turns


def test_many_threads_that_take_turns_lose_no_wake_up() -> None:
    shared = AtomicInt()
    players, turns = 5, 2000

    def play(number: int) -> None:
        for turn in range(number, turns, players):
            while (found := shared.get()) != turn:
                assert shared.wait_while(found, PATIENCE)
            shared.set(turn + 1)
            shared.notify_all()

    run_threads(*(functools.partial(play, number) for number in range(players)))
    assert shared == turns


def test_as_many_notifications_as_items_wake_enough_consumers(seed: int) -> None:
    """A semaphore: nobody sleeps on while there is something to take, timeouts or not."""
    items = AtomicInt()
    rounds, consumers = 1500, 4

    def produce() -> None:
        for _ in range(rounds * consumers):
            items.increment_and_get()
            items.notify_one()

    def consume(number: int) -> int:
        choose = random.Random(seed + number)
        taken = 0
        while taken < rounds:
            found = items.get()
            if found == 0:
                if choose.random() < 0.3:
                    items.wait_while(0, choose.random() / 1000)  # may give up when notified
                else:
                    assert items.wait_while(0, PATIENCE)
            elif items.compare_and_set(found, found - 1):
                taken += 1
        return taken

    results = run_threads(produce, *(functools.partial(consume, n) for n in range(consumers)))
    assert results[1:] == [rounds] * consumers
    assert items == 0


def test_a_waiting_thread_keeps_what_it_waits_for_alive() -> None:
    handle = AtomicInt().get_handle()
    with background(functools.partial(handle.wait_while, 0)):
        give_time_to_block()
        other = handle.get_handle()
        del handle
        other.set(1)
        other.notify_all()
