# SPDX-License-Identifier: Apache-2.0
"""wait_while blocks while the value is the one given; no wake-up is lost."""

from __future__ import annotations

import functools
import threading
import time
from typing import Any

import pytest
from cereggii_atomicfloat import AtomicFloat

from tools.testing.concurrency import PATIENCE, background, give_time_to_block
from tools.testing.waiting import (
    check_enough_consumers_wake,
    check_error_of_timeout,
    check_negative_timeout,
    check_timeout_of_another_type,
    check_timeout_too_large,
    every_negative_timeout,
    every_timeout_of_another_type,
    every_timeout_too_large,
    take_turns,
)

from .forms import INF, MAX, NAN, Make, both_forms

pytestmark = [
    pytest.mark.thread_unsafe(reason="starts threads of its own, and measures time"),
    pytest.mark.usefixtures("switch_often"),
]

SLACK = 10.0  # seconds that a busy machine may be late


@both_forms
def test_returns_at_once_when_the_value_differs(make: Make) -> None:
    number = make(5)
    for timeout in (None, 0, 0.0, 1000, threading.TIMEOUT_MAX, float("inf")):
        assert number.wait_while(6, timeout) is True
    assert number.wait_while(NAN) is True
    assert make(NAN).wait_while(5) is True


@both_forms
@pytest.mark.parametrize("timeout", [0, 0.0, 0.05, 0.2, 1e-9, True - 1])
def test_times_out_while_the_value_stays(make: Make, timeout: float) -> None:
    number = make(5)
    start = time.monotonic()
    assert number.wait_while(5, timeout) is False
    assert timeout * 0.99 <= time.monotonic() - start < timeout + SLACK


@both_forms
@pytest.mark.parametrize("value", [5, -0.0, MAX, INF, NAN])
@pytest.mark.parametrize("notify", ["notify_one", "notify_all"])
def test_is_woken_by_a_notification_after_a_change(make: Make, value: float, notify: str) -> None:
    number = make(value)
    with background(lambda: number.wait_while(value)) as [task]:
        give_time_to_block()
        assert task.is_alive()
        number.set(6)
        getattr(number, notify)()
        assert task.result() is True


@both_forms
@pytest.mark.parametrize(("stored", "value"), [(0.0, -0.0), (-0.0, 0), (NAN, -NAN), (2.0, 2)])
def test_waits_while_the_value_matches(make: Make, stored: float, value: float) -> None:
    assert make(stored).wait_while(value, 0.01) is False


@both_forms
def test_is_woken_before_its_timeout(make: Make) -> None:
    number = make(5)
    start = time.monotonic()
    with background(lambda: number.wait_while(5, PATIENCE)) as [task]:
        give_time_to_block()
        number += 1
        number.notify_all()
        assert task.result() is True
    assert time.monotonic() - start < SLACK


@both_forms
def test_a_notification_without_a_change_wakes_nobody(make: Make) -> None:
    number = make(5)
    with background(lambda: number.wait_while(5)) as [task]:
        give_time_to_block()
        for _ in range(100):
            number.notify_one()
            number.notify_all()
            number.set(5)
        give_time_to_block()
        assert task.is_alive()
        number.set(6)
        number.notify_one()


@both_forms
def test_notifications_without_a_change_do_not_put_the_timeout_off(make: Make) -> None:
    number = make(5)
    done = threading.Event()

    def annoy() -> None:
        while not done.wait(0.001):
            number.notify_all()

    with background(annoy):
        start = time.monotonic()
        try:
            assert number.wait_while(5, 0.3) is False
        finally:
            done.set()
        assert 0.29 <= time.monotonic() - start < 0.3 + SLACK


@both_forms
def test_a_value_that_changed_and_came_back_is_the_same_value(make: Make) -> None:
    number = make(5)
    with background(lambda: number.wait_while(5, 0.5)) as [task]:
        give_time_to_block()
        number.set(6)
        number.set(5)
        number.notify_all()
        assert task.result() is False


@both_forms
def test_notifications_without_waiters_do_nothing(make: Make) -> None:
    number = make(5)
    assert number.notify_one() is None  # type: ignore[func-returns-value]
    assert number.notify_all() is None  # type: ignore[func-returns-value]
    assert number.get() == 5
    assert number.wait_while(5, 0.01) is False  # they are not kept for later


@both_forms
def test_a_notification_for_each_waiter_wakes_all(make: Make) -> None:
    number = make(0)
    with background(*[lambda: number.wait_while(0)] * 8) as tasks:
        give_time_to_block()
        number.set(1)
        for _ in tasks:
            number.notify_one()
        assert [task.result() for task in tasks] == [True] * 8


@both_forms
def test_one_notification_for_all_wakes_all(make: Make) -> None:
    number = make(0)
    with background(*[lambda: number.wait_while(0)] * 8) as tasks:
        give_time_to_block()
        number.set(1)
        number.notify_all()
        assert [task.result() for task in tasks] == [True] * 8


def test_waiters_of_other_floats_are_left_alone() -> None:
    numbers = [AtomicFloat() for _ in range(200)]  # more than there are queues to wait in
    with background(
        *[functools.partial(number.wait_while, 0) for number in numbers[::10]]
    ) as tasks:
        give_time_to_block()
        for number in numbers:
            number.notify_all()
        give_time_to_block()
        assert all(task.is_alive() for task in tasks)
        for number in numbers:
            number.set(1)
            number.notify_one()


def test_a_float_and_its_handles_wake_each_other() -> None:
    number = AtomicFloat()
    with background(
        lambda: number.wait_while(0),
        lambda: number.get_handle().wait_while(0),
    ):
        give_time_to_block()
        handle = number.get_handle()
        handle += 1
        handle.notify_all()
    with background(lambda: handle.wait_while(1)):
        give_time_to_block()
        number.set(2)
        number.notify_one()


@both_forms
def test_other_threads_run_while_one_is_blocked(make: Make) -> None:
    number = make(0)
    with background(lambda: number.wait_while(0, PATIENCE)):
        start = time.monotonic()
        assert sum(range(100_000)) == 4999950000
        assert time.monotonic() - start < PATIENCE / 2
        number.set(1)
        number.notify_all()


@both_forms
@every_negative_timeout
def test_a_negative_timeout_is_refused_and_named(make: Make, timeout: Any) -> None:
    check_negative_timeout(make(5), timeout)


@both_forms
@every_timeout_too_large
def test_a_timeout_beyond_the_longest_is_refused_and_named(make: Make, timeout: float) -> None:
    check_timeout_too_large(make(5), timeout)


@both_forms
@every_timeout_of_another_type
def test_a_timeout_that_is_not_a_number_is_refused_and_named(make: Make, timeout: Any) -> None:
    check_timeout_of_another_type(make(5), timeout)


@both_forms
def test_an_error_of_the_timeout_propagates(make: Make) -> None:
    check_error_of_timeout(functools.partial(make(5).wait_while, 5))


@pytest.mark.parametrize("notify", ["notify_one", "notify_all"])
@pytest.mark.parametrize("through_handles", [False, True], ids=["float", "handles"])
def test_two_threads_that_take_turns_lose_no_wake_up(notify: str, through_handles: bool) -> None:
    take_turns(
        AtomicFloat(),
        players=2,
        turns=4000,
        access=lambda shared: shared.get_handle() if through_handles else shared,
        advance=lambda mine, _: mine.increment_and_get(),
        notify=notify,
    )


def test_many_threads_that_take_turns_lose_no_wake_up() -> None:
    take_turns(AtomicFloat(), players=5, turns=2000)


def test_as_many_notifications_as_items_wake_enough_consumers(seed: int) -> None:
    """A semaphore: nobody sleeps on while there is something to take, timeouts or not."""
    items = AtomicFloat()
    check_enough_consumers_wake(items, 1500, seed, add=items.increment_and_get, empty=lambda: 0)
    assert items == 0


def test_a_waiting_thread_keeps_what_it_waits_for_alive() -> None:
    handle = AtomicFloat().get_handle()
    with background(functools.partial(handle.wait_while, 0)):
        give_time_to_block()
        other = handle.get_handle()
        del handle
        other.set(1)
        other.notify_all()
