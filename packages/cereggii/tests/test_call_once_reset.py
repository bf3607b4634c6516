# SPDX-License-Identifier: Apache-2.0
"""reset() of what call_once makes: later calls have nothing to do with earlier ones."""

from __future__ import annotations

import functools
import gc
import inspect
import itertools
import threading
import weakref
from typing import Any

import pytest
from cereggii import AtomicInt, call_once

from tools.testing.concurrency import (
    PATIENCE,
    Task,
    background,
    concurrent,
    eventually,
    give_time_to_block,
    run_threads,
)

from .calls import THREADS, FailedError, Held, Thing, outcome_of


@pytest.mark.parametrize("fails", [False, True])
def test_the_next_call_runs_the_function_again(fails: bool) -> None:
    calls: list[Any] = []

    @call_once
    def compute(number: int) -> int:
        calls.append(number)
        if fails:
            raise FailedError(number)
        return number

    for number in range(3):
        found = [outcome_of(compute, number), outcome_of(compute, -1)]
        assert [one.args[0] if fails else one for one in found] == [number, number]
        assert compute.reset() is None
        compute.reset()
    assert calls == [0, 1, 2]


def test_a_reset_before_the_first_call_does_nothing() -> None:
    compute = call_once(lambda: [])
    compute.reset()
    assert compute() is compute()


def test_it_is_there_for_methods_and_documented() -> None:
    class Service:
        @call_once
        def connect(self) -> object:
            return self

    first, second = Service(), Service()
    assert first.connect() is second.connect() is first
    second.connect.reset()
    assert second.connect() is first.connect() is second
    assert len(inspect.getdoc(Service.connect.reset) or "") > 15


def test_a_function_may_reset_itself() -> None:
    numbers = itertools.count()

    @call_once
    def compute() -> int:
        compute.reset()
        return next(numbers)

    assert [compute() for _ in range(3)] == [0, 1, 2]


@pytest.mark.parametrize("fails", [False, True])
def test_the_outcome_is_freed(fails: bool) -> None:
    def compute() -> Thing:
        if fails:
            raise FailedError(Thing())
        return Thing()

    once = call_once(compute)
    found = outcome_of(once)
    reference = weakref.ref(found.args[0] if fails else found)
    del found
    once.reset()
    assert eventually(lambda: gc.collect() >= 0 and reference() is None)


@concurrent
@pytest.mark.parametrize("fails", [False, True])
def test_calls_that_began_before_get_the_old_outcome_and_later_ones_do_not(fails: bool) -> None:
    held: list[Held] = []
    once = call_once(lambda number: held[number](number))
    for number in range(2):
        held.append(Held(FailedError(number) if fails else [number]))

    def ask(number: int) -> Any:
        found = outcome_of(once, number)
        return found.args[0] if fails else found[0]

    old = [Task(functools.partial(ask, 0)) for _ in range(THREADS)]
    for task in old:
        task.start()
    held[0].wait_until_entered()
    give_time_to_block()
    once.reset()
    new = [Task(functools.partial(ask, 1)) for _ in range(THREADS)]
    for task in new:
        task.start()
    held[1].wait_until_entered()  # although the first run has not ended
    held[1].proceed.release()
    assert [task.result() for task in new] == [1] * THREADS
    assert all(task.is_alive() for task in old)
    held[0].proceed.release()
    assert [task.result() for task in old] == [0] * THREADS
    assert ask(1) == 1
    assert [len(each.calls) for each in held] == [1, 1]


@concurrent
def test_a_base_exception_in_a_run_from_before_a_reset_lets_its_waiters_go_on() -> None:
    proceed = threading.Semaphore(0)
    entered = threading.Semaphore(0)
    calls = AtomicInt()

    @call_once
    def compute() -> int:
        number = calls.increment_and_get()
        entered.release()
        assert proceed.acquire(timeout=PATIENCE)
        if number == 1:
            raise KeyboardInterrupt
        return number

    with background(*[functools.partial(outcome_of, compute)] * 3) as tasks:
        assert entered.acquire(timeout=PATIENCE)
        give_time_to_block()
        compute.reset()
        proceed.release(2)
        found = [task.result() for task in tasks]
    assert sum(isinstance(one, KeyboardInterrupt) for one in found) == 1
    assert found.count(2) == 2
    proceed.release()
    assert compute() == 3


@concurrent
def test_no_call_gets_the_result_of_a_run_from_before_a_reset_that_it_has_seen() -> None:
    calls, resets_begun, resets_done = AtomicInt(), AtomicInt(), AtomicInt()

    @call_once
    def compute() -> int:
        calls.increment_and_get()
        return resets_begun.get()

    def ask() -> bool:
        for _ in range(300):
            before = resets_done.get()
            if compute() < before:
                return False
        return True

    def reset() -> bool:
        for _ in range(300):
            resets_begun.increment_and_get()
            compute.reset()
            resets_done.increment_and_get()
        return True

    assert all(run_threads(ask, ask, ask, reset))
    assert compute() == compute()
    assert calls.get() <= 301
