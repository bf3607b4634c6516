# SPDX-License-Identifier: Apache-2.0
"""call_once calls a function once: all callers get that result, and none waits forever."""

from __future__ import annotations

import asyncio
import copy
import functools
import gc
import pickle
import random
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from fractions import Fraction
from typing import Any

import pytest
from cereggii import NOT_FOUND, AtomicInt, call_once

from tools.testing.concurrency import (
    PATIENCE,
    Task,
    background,
    concurrent,
    eventually,
    give_time_to_block,
    meet,
    run_threads,
)

from .calls import THREADS, FailedError, Held, Thing, outcome_of

# ── results ────────────────────────────────────────────────────────────────────────────────────


def test_the_function_is_called_once_and_not_before() -> None:
    calls: list[int] = []

    @call_once
    def compute() -> Thing:
        calls.append(1)
        return Thing()

    assert calls == []
    first = compute()
    assert isinstance(first, Thing)
    assert all(compute() is first for _ in range(3))
    assert calls == [1]


def test_the_arguments_of_the_first_call_count() -> None:
    @call_once
    def collect(*arguments: int, **keywords: int) -> Any:
        return arguments, keywords

    assert collect(1, 2, key=3) == ((1, 2), {"key": 3})
    assert collect() is collect(4, other=5) is collect(1, 2, key=3)


@pytest.mark.parametrize(
    "result", [None, False, 0, (), NOT_FOUND, NotImplemented, FailedError("x")]
)
def test_any_object_can_be_the_result(result: Any) -> None:
    calls: list[int] = []

    @call_once
    def compute() -> Any:
        calls.append(1)
        return result

    assert [compute() is result for _ in range(3)] == [True] * 3
    assert calls == [1]


@pytest.mark.parametrize(
    "timeout",
    [None, 0, 0.5, Fraction(1, 3), True, 1000, threading.TIMEOUT_MAX, float("inf")],
)
def test_it_is_a_decorator_with_and_without_a_timeout(timeout: float | None) -> None:
    def compute(value: int) -> list[int]:
        return [value]

    bare = call_once(compute)
    for once in (call_once(compute, timeout=timeout), call_once(timeout=timeout)(compute)):
        assert once(1) == [1]
        assert once(2) is once(3)
        assert once(2) == [1]
    assert call_once()(compute)(4) == [4]
    assert bare(5) == [5]  # each is called once on its own


def test_the_decorated_function_looks_like_the_function() -> None:
    def compute(value: int) -> int:
        """The documentation."""
        return value

    once = call_once(compute)
    assert (once.__name__, once.__doc__, once.__module__) == (
        "compute",
        "The documentation.",
        __name__,
    )
    assert once.__wrapped__ is compute  # type: ignore[attr-defined]


def test_any_callable_can_be_called_once() -> None:
    class Callable_:  # noqa: N801
        __hash__ = None  # type: ignore[assignment]

        def __call__(self) -> list[int]:
            return []

        def method(self) -> list[int]:
            return []

    functions: list[Callable[[], list[Any]]] = [
        Callable_(),
        Callable_().method,
        functools.partial(sorted, [2, 1]),
        lambda: [],
        list,
    ]
    for function in functions:
        once = call_once(function)
        assert once() is once()


def test_a_method_is_called_once_for_its_class() -> None:
    class Service:
        @call_once
        def connect(self) -> object:
            return self

    first, second = Service(), Service()
    assert first.connect() is second.connect() is first


@pytest.mark.parametrize("func", [5, "name", [len]])
def test_an_argument_that_is_not_callable_is_refused_and_named(func: Any) -> None:
    for decorate in (call_once, call_once(timeout=1)):
        with pytest.raises(TypeError) as caught:
            decorate(func)
        assert repr(func) in str(caught.value)


def test_wrong_arguments_are_refused() -> None:
    anything: Any = call_once
    calls: list[Callable[[], Any]] = [
        lambda: anything(len, 1),
        lambda: anything(len, seconds=1),
    ]
    for call in calls:
        with pytest.raises(TypeError):
            call()


@pytest.mark.parametrize(
    ("timeout", "error"),
    [
        ("soon", TypeError),
        ([1], TypeError),
        (1j, TypeError),
        (-1, ValueError),
        (-1e-9, ValueError),
        (float("-inf"), ValueError),
        (-(10**309), ValueError),
        (float("nan"), ValueError),
        (threading.TIMEOUT_MAX * 2, OverflowError),
        (10**309, OverflowError),
    ],
    ids=repr,
)
def test_a_wrong_timeout_is_named_before_anything_is_decorated(
    timeout: Any, error: type[Exception]
) -> None:
    for use in (lambda: call_once(len, timeout=timeout), lambda: call_once(timeout=timeout)):
        with pytest.raises(error) as caught:
            use()
        assert repr(timeout)[:40] in str(caught.value)


def test_generator_functions_are_refused_of_whatever_kind() -> None:
    def generate() -> Iterator[int]:
        yield 1

    async def generate_async() -> AsyncIterator[int]:
        yield 1

    class Generating:
        def __call__(self) -> Iterator[int]:
            yield 1

        async def method(self) -> AsyncIterator[int]:
            yield 1

    functions = [
        generate,
        generate_async,
        functools.partial(generate),
        functools.partial(Generating()),
        staticmethod(generate),
        Generating(),
        Generating().method,
    ]
    for function in functions:
        for decorate in (call_once, call_once(timeout=1)):
            with pytest.raises(TypeError, match="generator") as caught:
                decorate(function)
            assert repr(function) in str(caught.value)


# ── many threads ───────────────────────────────────────────────────────────────────────────────


@concurrent
def test_many_threads_call_and_one_is_called() -> None:
    class Once:
        def __init__(self) -> None:
            self.calls = AtomicInt()
            self.call = call_once(self.compute)

        def compute(self, caller: int) -> Any:
            self.calls.increment_and_get()
            time.sleep(0)
            return Thing(), caller

    def call_as(caller: int) -> Callable[[Once], Any]:
        return lambda once: once.call(caller)

    functions = [Once() for _ in range(200)]
    for once, found in zip(functions, meet(functions, *map(call_as, range(THREADS))), strict=True):
        assert once.calls.get() == 1
        assert {id(one) for one in found} == {id(once.call(-1))}
        assert found[0][1] in range(THREADS)


@concurrent
def test_no_thread_gets_an_incomplete_result() -> None:
    held = Held()
    once = call_once(held)
    with background(*[once] * THREADS) as tasks:
        held.wait_until_entered()
        give_time_to_block()
        assert all(task.is_alive() for task in tasks)
        held.proceed.release()
        assert [task.result() for task in tasks] == [held.result] * THREADS
    assert len(held.calls) == 1


@concurrent
def test_different_functions_run_at_the_same_time() -> None:
    together = threading.Barrier(THREADS)
    functions = [call_once(functools.partial(together.wait, PATIENCE)) for _ in range(THREADS)]
    assert sorted(run_threads(*functions)) == [*range(THREADS)]


@concurrent
@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_one_waiter_calls_next_if_a_leader_is_ended(
    ending: type[BaseException],
) -> None:
    entered, proceed = threading.Semaphore(0), threading.Semaphore(0)
    running: list[int] = []
    callers: list[int] = []

    @call_once
    def end(caller: int) -> str:
        running.append(caller)
        callers.append(caller)
        assert running == [caller]  # one at a time
        entered.release()
        assert proceed.acquire(timeout=PATIENCE)
        running.pop()
        if len(callers) < THREADS:
            raise ending(caller)
        return f"from {caller}"

    # One more than it takes: that one waits for the last, and gets its result.
    tasks = [Task(functools.partial(outcome_of, end, caller)) for caller in range(THREADS + 1)]
    for task in tasks:
        task.start()
    for turn in range(THREADS):
        assert entered.acquire(timeout=PATIENCE)
        give_time_to_block()
        # Nobody but the one that is called has come back, or gone in.
        assert sum(not task.is_alive() for task in tasks) <= turn
        assert len(callers) == turn + 1
        proceed.release()
    found = [task.result() for task in tasks]
    ended = [one for one in found if isinstance(one, ending)]
    assert sorted(one.args[0] for one in ended) == sorted(callers[:-1])
    assert [one for one in found if one not in ended] == [f"from {callers[-1]}"] * 2


@concurrent
def test_calls_that_are_ended_at_random_leave_no_waiter_behind(seed: int) -> None:
    class Once:
        def __init__(self, number: int) -> None:
            self.choose = random.Random(seed + number)
            self.running = AtomicInt()
            self.returned = AtomicInt()
            self.call = call_once(self.compute)

        def compute(self) -> Once:
            assert self.running.increment_and_get() == 1
            time.sleep(0)
            ends = self.choose.random() < 0.5
            self.running.decrement_and_get()
            if ends:
                raise KeyboardInterrupt
            self.returned.increment_and_get()
            return self

    def call(once: Once) -> bool:
        found = outcome_of(once.call)
        return found is once or isinstance(found, KeyboardInterrupt)

    functions = [Once(number) for number in range(200)]
    assert all(all(found) for found in meet(functions, *[call] * THREADS))
    for once in functions:
        while not once.returned.get():
            assert call(once)
        assert once.call() is once
        assert once.returned.get() == 1


@concurrent
@pytest.mark.parametrize("threads", [2, 3, THREADS])
def test_a_thread_that_would_close_a_circle_gets_an_error(threads: int) -> None:
    """Each function asks for the result of the next one, in a thread of its own."""
    all_called = threading.Barrier(threads)
    told: list[int] = []

    def make(number: int) -> Callable[[], int]:
        @call_once
        def compute() -> int:
            all_called.wait(PATIENCE)
            following = outcome_of(functions[(number + 1) % threads])
            if isinstance(following, RuntimeError):
                told.append(number)
                return 0
            assert isinstance(following, int)
            return following + 1

        return compute

    functions = [make(number) for number in range(threads)]
    assert sorted(run_threads(*functions)) == [*range(threads)]
    assert len(told) == 1


# ── timeouts ───────────────────────────────────────────────────────────────────────────────────


@concurrent
@pytest.mark.parametrize("timeout", [0, 0.0, 1e-9, 0.05])
def test_a_waiter_whose_timeout_ends_leaves_and_the_call_goes_on(timeout: float) -> None:
    held = Held()

    @call_once(timeout=timeout)
    def compute_slowly() -> Any:
        return held()

    with background(compute_slowly) as (leader,):
        held.wait_until_entered()
        for _ in range(2):
            start = time.monotonic()
            with pytest.raises(TimeoutError, match="compute_slowly"):
                compute_slowly()
            assert time.monotonic() - start >= timeout * 0.99
        assert leader.is_alive()
        held.proceed.release()
        assert leader.result() is held.result
    assert compute_slowly() is held.result
    assert len(held.calls) == 1


@concurrent
def test_the_one_that_is_called_takes_as_long_as_it_takes() -> None:
    @call_once(timeout=0)
    def sleep() -> str:
        time.sleep(0.05)
        return "slept"

    assert sleep() == "slept"


# ── references ─────────────────────────────────────────────────────────────────────────────────


@call_once
def of_this_module() -> Thing:
    return Thing()


def test_a_decorated_function_is_copied_and_pickled_by_name() -> None:
    assert copy.copy(of_this_module) is copy.deepcopy(of_this_module) is of_this_module
    assert pickle.loads(pickle.dumps(of_this_module)) is of_this_module


def test_arguments_are_not_kept() -> None:
    def compute(argument: Thing, *, keyword: Thing) -> str:
        return "computed"

    once = call_once(compute)
    argument, keyword = Thing(), Thing()
    references = [weakref.ref(argument), weakref.ref(keyword)]
    once(argument, keyword=keyword)
    del argument, keyword
    assert eventually(lambda: gc.collect() >= 0 and not any(one() for one in references))
    assert once(Thing(), keyword=Thing()) == "computed"


@pytest.mark.parametrize("fails", [False, True])
def test_the_result_lives_as_long_as_the_decorated_function(fails: bool) -> None:
    class Error(Exception):
        pass

    def compute() -> Thing:
        if fails:
            raise Error(Thing())
        return Thing()

    once: Any = call_once(compute)
    once.itself = once
    once_called = outcome_of(once)
    reference = weakref.ref(once_called.args[0] if fails else once_called)
    del once_called
    gc.collect()
    assert reference() is not None
    found = outcome_of(once)
    assert (found.args[0] if fails else found) is reference()
    del once, found
    assert eventually(lambda: gc.collect() >= 0 and reference() is None)
