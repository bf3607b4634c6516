# SPDX-License-Identifier: Apache-2.0
"""Each call raises its own copy of the function's exception, which keeps nothing of others."""

from __future__ import annotations

import asyncio
import functools
import gc
import traceback
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from cereggii import AtomicInt, call_once

from tools.testing.concurrency import Task, concurrent, eventually, give_time_to_block, meet

from .calls import THREADS, FailedError, Held, Thing, names_of_frames, outcome_of, raising

# ── the exception of each caller ───────────────────────────────────────────────────────────────


def test_an_exception_is_the_result_for_all() -> None:
    calls: list[int] = []
    error = FailedError("failed")

    @call_once
    def fail() -> None:
        calls.append(1)
        raise error

    found = [outcome_of(fail) for _ in range(4)]
    assert found[0] is error  # the call that ran the function has the original
    assert [(type(one), one.args) for one in found] == [(FailedError, ("failed",))] * 4
    assert len({id(one) for one in found}) == 4
    assert calls == [1]


@concurrent
def test_waiters_get_the_same_exception() -> None:
    held = Held(FailedError("failed"))
    once = call_once(held)
    tasks = [Task(functools.partial(outcome_of, once, number)) for number in range(THREADS)]
    for task in tasks:
        task.start()
    held.wait_until_entered()
    give_time_to_block()
    assert all(task.is_alive() for task in tasks)
    held.proceed.release()
    found = [task.result() for task in tasks]
    assert [(type(one), one.args) for one in found] == [(FailedError, ("failed",))] * THREADS
    assert sum(one is held.result for one in found) == 1
    assert len(held.calls) == 1


@concurrent
def test_many_threads_raise_it_at_the_same_time() -> None:
    class Failing:
        def __init__(self) -> None:
            self.calls = AtomicInt()
            self.call = call_once(self.fail)

        def fail(self) -> None:
            self.calls.increment_and_get()
            raise FailedError(self) from KeyError(1)

    def call(failing: Failing) -> list[BaseException]:
        mine = LookupError()
        found = []
        for _ in range(5):
            try:
                raise mine
            except LookupError:
                found.append(outcome_of(failing.call))
        assert all(one.__context__ is mine or one.__cause__ is not None for one in found)
        assert all(traceback.format_exception(one) for one in found)
        return found

    functions = [Failing() for _ in range(50)]
    for failing, found in zip(functions, meet(functions, *[call] * THREADS), strict=True):
        errors = [error for of_one_thread in found for error in of_one_thread]
        assert len({id(error) for error in errors}) == len(errors)
        assert all(error.args == (failing,) for error in errors)
        assert all(type(error.__cause__) is KeyError for error in errors)
        assert failing.calls.get() == 1


@pytest.mark.parametrize(
    "ending", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError]
)
def test_an_exception_that_ends_a_program_is_not_shared(ending: type[BaseException]) -> None:
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

    for _ in range(3):  # that was the result
        error = outcome_of(recurse)
        assert isinstance(error, RuntimeError)
        assert "recurse" in str(error)


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


# ── tracebacks and context ─────────────────────────────────────────────────────────────────────


def test_the_traceback_leads_from_the_caller_to_the_function_and_does_not_grow() -> None:
    def helper() -> None:
        raise FailedError

    @call_once
    def fail() -> None:
        helper()

    def other_caller() -> Any:
        return outcome_of(fail)

    first = names_of_frames(outcome_of(fail))
    assert first[0] == "outcome_of"
    assert first[-2:] == ["fail", "helper"]
    assert "_lead" not in first  # which calls the function in one of the calls only
    later = [names_of_frames(outcome_of(fail)) for _ in range(5)]
    assert later == [first] * 5
    assert names_of_frames(other_caller()) == first


def test_the_traceback_shows_the_lines_of_the_function() -> None:
    @call_once
    def fail() -> None:
        raise FailedError("one line")  # this very line

    outcome_of(fail)
    text = "".join(traceback.format_exception(outcome_of(fail)))
    assert 'raise FailedError("one line")  # this very line' in text
    assert __file__ in text


@pytest.mark.parametrize("make", [lambda: 1 / 0, lambda: int("x"), len], ids=["/", "int", "len"])
def test_an_exception_of_a_builtin_is_raised_again(make: Callable[..., Any]) -> None:
    once = call_once(make)
    first, second = outcome_of(once), outcome_of(once)
    assert type(first) is type(second)
    assert str(first) == str(second)


def test_no_frame_and_no_variable_of_another_caller_is_kept() -> None:
    def fail() -> None:
        in_function = Thing()
        references.append(weakref.ref(in_function))
        try:
            raise KeyError(in_function.__class__)
        except KeyError as error:
            raise FailedError(error) from ExceptionGroup("several", [ValueError(1), error])

    once = call_once(fail)
    references: list[weakref.ref[Thing]] = []

    def call() -> None:
        mine = Thing()
        references.append(weakref.ref(mine))
        try:
            raise LookupError
        except LookupError:
            assert isinstance(outcome_of(once), FailedError)

    for _ in range(3):
        call()
    assert len(references) == 4
    assert eventually(lambda: gc.collect() >= 0 and not any(one() for one in references))
    error = outcome_of(once)
    shown = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    of_function = [frame for frame in shown if frame.f_code.co_name == "fail"]
    assert of_function
    assert all(frame.f_back is None and frame.f_locals == {} for frame in of_function)


def test_the_context_is_that_of_the_caller() -> None:
    once = raising(FailedError())
    mine = ValueError()
    try:
        raise mine
    except ValueError:
        first, second = outcome_of(once), outcome_of(once)
    assert first.__context__ is second.__context__ is mine
    assert outcome_of(once).__context__ is None
    assert outcome_of(once).__traceback__ is not first.__traceback__


def test_a_context_of_the_function_is_kept_without_that_of_its_caller() -> None:
    @call_once
    def fail() -> None:
        try:
            try:
                raise KeyError("innermost")
            except KeyError:
                raise LookupError("inner") from None
        except LookupError:
            raise FailedError("outer")  # noqa: B904

    def chain(error: BaseException | None) -> list[Any]:
        found = []
        while error is not None:
            found.append((type(error), error.__suppress_context__))
            error = error.__context__
        return found

    own = [(FailedError, False), (LookupError, True), (KeyError, False)]
    try:
        raise ValueError("of the caller")
    except ValueError:
        first = outcome_of(fail)
        second = outcome_of(fail)
    assert chain(first) == [*own, (ValueError, False)]  # it is part of the leader's own call
    assert chain(second) == own
    assert chain(outcome_of(fail)) == own
    text = "".join(traceback.format_exception(second))
    assert "outer" in text
    assert "inner" in text


def test_the_function_can_raise_again_the_exception_that_its_caller_handles() -> None:
    @call_once
    def fail() -> None:
        raise  # what the caller handles

    try:
        try:
            raise KeyError("before")
        except KeyError:
            raise ValueError("handled")  # noqa: B904
    except ValueError as error:
        handled, first = error, outcome_of(fail)
    assert first is handled
    second = outcome_of(fail)
    assert (type(second), second.args, second.__context__) == (ValueError, ("handled",), None)


def test_changes_of_one_callers_copy_are_not_seen_by_others() -> None:
    cause = KeyError("cause")
    error = FailedError("failed")
    error.add_note("of the function")
    error.__cause__ = cause
    once = raising(error)
    for _ in range(3):
        found = outcome_of(once)
        assert found.__notes__ == ["of the function"]
        assert found.args == ("failed",)
        assert found.__cause__.args == ("cause",)
        assert not hasattr(found, "mark")
        found.add_note("of a caller")
        found.mark = 1
        found.args = ()
        found.__cause__.args = ()
        found.__cause__ = None
