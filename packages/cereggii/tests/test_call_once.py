# SPDX-License-Identifier: Apache-2.0
"""call_once has a function called once: all who call it get that result, nobody waits for ever."""

from __future__ import annotations

import asyncio
import copy
import functools
import gc
import os
import pickle
import random
import signal
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from cereggii import NOT_FOUND, AtomicInt, call_once

from tools.testing.concurrency import (
    PATIENCE,
    Task,
    background,
    eventually,
    give_time_to_block,
    meet,
    run_threads,
)
from tools.testing.interpreters import FREE_THREADED, run_program

THREADS = 4

needs_posix_signals = pytest.mark.skipif(
    not hasattr(signal, "pthread_kill"), reason="there is no signal.pthread_kill here"
)


def concurrent(test: Any) -> Any:
    """Marks a test that has threads of its own."""
    mark = pytest.mark.thread_unsafe(reason="has threads of its own")
    return mark(pytest.mark.usefixtures("switch_often")(test))


class Thing:
    """Each is another."""


class FailedError(Exception):
    """What functions raise."""


class Held:
    """A function that can be held while it runs, and that keeps the arguments of its calls."""

    def __init__(self, result: Any = None) -> None:
        self.calls: list[Any] = []
        self.entered = threading.Semaphore(0)
        self.proceed = threading.Semaphore(0)
        self.result = Thing() if result is None else result

    def __call__(self, *arguments: Any) -> Any:
        self.calls.append(arguments)
        self.entered.release()
        assert self.proceed.acquire(timeout=PATIENCE)
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result

    def wait_until_entered(self) -> None:
        assert self.entered.acquire(timeout=PATIENCE)


def outcome_of(call: Callable[..., Any], *arguments: Any) -> Any:
    """What a call returned or raised."""
    try:
        return call(*arguments)
    except BaseException as error:
        return error


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


@pytest.mark.parametrize("timeout", [None, 0, 0.5, 1000])
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


def test_whatever_can_be_called_can_be_called_once() -> None:
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
def test_what_cannot_be_called_is_refused_and_named(func: Any) -> None:
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
        (-1, ValueError),
        (float("nan"), ValueError),
        (2 * threading.TIMEOUT_MAX, OverflowError),
    ],
)
def test_a_wrong_timeout_is_named_and_the_function_is_not_called(
    timeout: Any, error: type[Exception]
) -> None:
    calls: list[int] = []

    def use() -> None:
        call_once(lambda: calls.append(1), timeout=timeout)()

    with pytest.raises(error) as caught:
        use()
    assert str(timeout) in str(caught.value)
    assert calls == []


# ── exceptions ─────────────────────────────────────────────────────────────────────────────────


def test_an_exception_is_the_result_for_all() -> None:
    calls: list[int] = []
    error = FailedError("failed")

    @call_once
    def fail() -> None:
        calls.append(1)
        raise error

    assert [outcome_of(fail) is error for _ in range(3)] == [True] * 3
    assert calls == [1]


def test_the_traceback_leads_to_the_function_and_does_not_grow() -> None:
    @call_once
    def fail() -> None:
        raise FailedError

    def frames() -> list[str]:
        return [frame.name for frame in traceback.extract_tb(outcome_of(fail).__traceback__)]

    first = frames()
    assert first[0] == "outcome_of"
    assert first[-1] == "fail"
    for _ in range(5):
        later = frames()
    assert (later[0], later[-1]) == (first[0], "fail")
    assert len(later) <= len(first)


@pytest.mark.parametrize(
    "ending", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError]
)
def test_what_ends_a_program_is_no_result(ending: type[BaseException]) -> None:
    calls: list[int] = []

    @call_once
    def compute(number: int) -> int:
        calls.append(number)
        if len(calls) < 3:
            raise ending(number)
        return number

    for number in (1, 2):
        with pytest.raises(ending) as caught:
            compute(number)
        assert caught.value.args == (number,)
    assert [compute(number) for number in (3, 4)] == [3, 3]
    assert calls == [1, 2, 3]


def test_a_function_that_asks_for_its_own_result_is_told_so() -> None:
    @call_once
    def recurse() -> Any:
        return recurse()

    first = outcome_of(recurse)
    assert isinstance(first, RuntimeError)
    assert "recurse" in str(first)
    assert outcome_of(recurse) is first  # that was the result


def test_a_function_that_asked_for_its_own_result_may_go_on() -> None:
    @call_once
    def recurse(depth: int) -> Any:
        error = outcome_of(recurse, depth + 1)
        assert isinstance(error, RuntimeError)
        assert isinstance(outcome_of(also_asks), RuntimeError)
        return depth

    def also_asks() -> Any:
        return call_once(recurse)(7)

    assert recurse(0) == 0
    assert recurse(1) == 0


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
def test_those_who_wait_get_the_same_exception() -> None:
    held = Held(FailedError("failed"))
    once = call_once(held)
    tasks = [Task(functools.partial(outcome_of, once, number)) for number in range(THREADS)]
    for task in tasks:
        task.start()
    held.wait_until_entered()
    give_time_to_block()
    assert all(task.is_alive() for task in tasks)
    held.proceed.release()
    assert [task.result() is held.result for task in tasks] == [True] * THREADS
    assert outcome_of(once) is held.result
    assert len(held.calls) == 1


@concurrent
@pytest.mark.skipif(
    FREE_THREADED and sys.version_info < (3, 14),
    reason="free-threaded CPython 3.13 crashes when threads raise one exception at once",
)
def test_many_threads_raise_one_exception_at_the_same_time() -> None:
    class Failing:
        def __init__(self) -> None:
            self.calls = AtomicInt()
            self.error = FailedError()
            self.call = call_once(self.fail)

        def fail(self) -> None:
            self.calls.increment_and_get()
            raise self.error

    def call(failing: Failing) -> bool:
        try:
            raise LookupError  # the context of the next
        except LookupError:
            found = [outcome_of(failing.call) for _ in range(5)]
        assert all(traceback.format_exception(type(one), one, one.__traceback__) for one in found)
        return all(one is failing.error for one in found)

    functions = [Failing() for _ in range(50)]
    assert all(all(found) for found in meet(functions, *[call] * THREADS))
    assert all(failing.calls.get() == 1 for failing in functions)


@concurrent
def test_nobody_gets_a_result_that_is_not_complete() -> None:
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
def test_if_a_leader_is_ended_one_of_those_who_wait_calls_next(
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
def test_calls_that_are_ended_at_random_leave_nobody_behind(seed: int) -> None:
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
def test_who_would_close_a_circle_of_functions_and_threads_is_told_so(threads: int) -> None:
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
def test_who_has_waited_long_enough_leaves_and_the_call_goes_on(timeout: float) -> None:
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


# ── signals and fork ───────────────────────────────────────────────────────────────────────────


@pytest.mark.thread_unsafe(reason="starts processes")
@needs_posix_signals
@pytest.mark.parametrize("timeout", ["None", "1000", "threading.TIMEOUT_MAX", "float('inf')"])
def test_ctrl_c_ends_a_wait_and_the_call_goes_on(timeout: str) -> None:
    run_program(f"""
        import signal, threading, time
        from cereggii import call_once
        # Not installed where the tests run in the background of a shell, with SIGINT ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        entered, proceed, calls, found = threading.Event(), threading.Event(), [], []

        @call_once(timeout={timeout})
        def compute():
            calls.append(1)
            entered.set()
            assert proceed.wait(20)
            return "computed"

        threads = [threading.Thread(target=lambda: found.append(compute()), daemon=True)
                   for _ in range(3)]
        def interrupt():
            time.sleep(0.2)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        threads[0].start()
        assert entered.wait(20)
        for thread in threads[1:]:
            thread.start()
        interrupter = threading.Thread(target=interrupt)
        interrupter.start()
        try:
            compute()
        except KeyboardInterrupt:
            pass
        else:
            raise AssertionError("not interrupted")
        interrupter.join()
        assert all(thread.is_alive() for thread in threads)
        proceed.set()
        for thread in threads:
            thread.join(20)
        assert found == ["computed"] * 3
        assert compute() == "computed"
        assert calls == [1]
    """)


@pytest.mark.thread_unsafe(reason="starts processes")
@needs_posix_signals
def test_ctrl_c_in_the_function_lets_one_of_those_who_wait_call_it() -> None:
    run_program("""
        import signal, threading, time
        from cereggii import call_once
        signal.signal(signal.SIGINT, signal.default_int_handler)
        calls, found = [], []
        entered = threading.Event()

        @call_once
        def compute():
            calls.append(threading.current_thread())
            if len(calls) == 1:
                entered.set()
                time.sleep(20)
            return "computed"

        def wait():
            assert entered.wait(20)
            found.append(compute())

        def interrupt():
            assert entered.wait(20)
            time.sleep(0.2)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

        threads = [threading.Thread(target=work, daemon=True) for work in (interrupt, *[wait] * 4)]
        for thread in threads:
            thread.start()
        try:
            compute()
        except KeyboardInterrupt:
            pass
        else:
            raise AssertionError("not interrupted")
        for thread in threads:
            thread.join(20)
        assert found == ["computed"] * 4
        assert len(calls) == 2
        assert compute() == "computed"
    """)


@pytest.mark.thread_unsafe(reason="starts processes")
@needs_posix_signals
def test_a_signal_handler_that_interrupts_the_function_is_told_that_it_waits_for_itself() -> None:
    run_program("""
        import signal
        from cereggii import call_once
        told = []

        def handler(*_):
            try:
                compute()
            except RuntimeError as error:
                told.append(error)
        signal.signal(signal.SIGUSR1, handler)

        @call_once
        def compute():
            signal.raise_signal(signal.SIGUSR1)
            return "computed"

        assert compute() == "computed"
        assert len(told) == 1
        signal.raise_signal(signal.SIGUSR1)
        assert len(told) == 1
    """)


@pytest.mark.thread_unsafe(reason="starts processes")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no os.fork here")
def test_a_forked_child_makes_the_call_that_another_thread_of_its_parent_was_making() -> None:
    run_program("""
        import faulthandler, os, threading, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        from cereggii import call_once
        entered, proceed, found = threading.Event(), threading.Event(), []

        @call_once
        def compute(wait):
            if wait:
                entered.set()
                assert proceed.wait(20)
            return os.getpid()

        thread = threading.Thread(target=lambda: found.append(compute(True)))
        thread.start()
        assert entered.wait(20)
        child = os.fork()
        if child == 0:
            faulthandler.dump_traceback_later(20, exit=True)
            code = 1
            try:
                assert compute(False) == compute(False) == os.getpid()
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0, status
        proceed.set()
        thread.join(20)
        assert found == [os.getpid()] == [compute(False)]
    """)


# ── what is kept ───────────────────────────────────────────────────────────────────────────────


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
            raise Error
        return Thing()

    once: Any = call_once(compute)
    once.itself = once
    reference = weakref.ref(outcome_of(once))
    gc.collect()
    assert reference() is not None
    assert outcome_of(once) is reference()
    del once
    assert eventually(lambda: gc.collect() >= 0 and reference() is None)
