# SPDX-License-Identifier: Apache-2.0
"""once_property for many threads: one computes, the others wait, and none waits forever."""

from __future__ import annotations

import copy
import functools
import pickle
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from cereggii import AtomicCache, AtomicInt, call_once, once_property, properties
from cereggii.properties import _Computation

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
from tools.testing.interpreters import run_program
from tools.testing.platforms import needs_fork, needs_thread_signals

from .calls import THREADS, FailedError, Held, Thing, outcome_of


class Holder:
    """Has a property whose computation the test can hold."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    @once_property
    def value(self) -> Any:
        return self.function(self)


class SlottedHolder:
    __slots__ = ("_value", "function")

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    @once_property(slot="_value")
    def value(self) -> Any:
        return self.function(self)


def reset(holder: Any) -> None:
    if isinstance(holder, SlottedHolder):
        del holder._value
    else:
        del holder.value


both_kinds = pytest.mark.parametrize("kind", [Holder, SlottedHolder])


def read(holder: Any) -> Any:
    return holder.value


# ── once ───────────────────────────────────────────────────────────────────────────────────────


@concurrent
@both_kinds
def test_many_threads_read_and_one_computes(kind: Any) -> None:
    calls = AtomicInt()

    def compute(_: Any) -> Thing:
        calls.increment_and_get()
        time.sleep(0)
        return Thing()

    holders = [kind(compute) for _ in range(300)]
    for holder, found in zip(holders, meet(holders, *[read] * THREADS), strict=True):
        assert {id(one) for one in found} == {id(holder.value)}
    assert calls.get() == 300
    assert eventually(lambda: len(kind.value._computations) == 0)


@concurrent
@both_kinds
def test_no_thread_gets_an_incomplete_value(kind: Any) -> None:
    held = Held()
    holder = kind(held)
    with background(*[lambda: holder.value] * THREADS) as tasks:
        held.wait_until_entered()
        give_time_to_block()
        assert all(task.is_alive() for task in tasks)
        held.proceed.release()
        assert [task.result() for task in tasks] == [held.result] * THREADS
    assert len(held.calls) == 1


@concurrent
@both_kinds
def test_instances_are_computed_at_the_same_time(kind: Any) -> None:
    together = threading.Barrier(THREADS)
    holders = [kind(lambda _: together.wait(PATIENCE)) for _ in range(THREADS)]
    found = run_threads(*(functools.partial(read, holder) for holder in holders))
    assert sorted(found) == [*range(THREADS)]


# ── exceptions ─────────────────────────────────────────────────────────────────────────────────


@concurrent
@both_kinds
@pytest.mark.parametrize("error", [FailedError, KeyboardInterrupt, SystemExit])
def test_one_waiter_computes_next_if_it_fails(kind: Any, error: type[BaseException]) -> None:
    calls = AtomicInt()
    running = AtomicInt()
    entered, proceed = threading.Semaphore(0), threading.Semaphore(0)

    def compute(_: Any) -> str:
        number = calls.increment_and_get()
        assert running.increment_and_get() == 1
        entered.release()
        assert proceed.acquire(timeout=PATIENCE)
        running.decrement_and_get()
        if number < THREADS:
            raise error(number)
        return "computed"

    holder = kind(compute)
    tasks = [Task(functools.partial(outcome_of, read, holder)) for _ in range(THREADS + 1)]
    for task in tasks:
        task.start()
    for number in range(THREADS):
        assert entered.acquire(timeout=PATIENCE)
        give_time_to_block()
        assert calls.get() == number + 1
        proceed.release()
    found = [task.result() for task in tasks]
    numbers = sorted(one.args[0] for one in found if isinstance(one, error))
    assert numbers == [*range(1, THREADS)]
    assert found.count("computed") == 2
    assert holder.value == "computed"


@both_kinds
def test_an_exception_is_raised_with_its_context_and_not_kept(kind: Any) -> None:
    error = FailedError("failed")
    cause = KeyError("cause")

    def compute(_: Any) -> Any:
        try:
            raise LookupError("inner")
        except LookupError:
            raise error from cause

    holder = kind(compute)
    for _ in range(3):
        try:
            raise ValueError
        except ValueError:
            found = outcome_of(read, holder)
        assert found is error
        assert isinstance(found.__context__, LookupError)
        assert found.__cause__ is cause
    assert eventually(lambda: len(kind.value._computations) == 0)
    holder.function = lambda _: "computed"
    assert holder.value == "computed"


# ── reset ──────────────────────────────────────────────────────────────────────────────────────


@concurrent
@both_kinds
def test_no_read_gets_a_value_that_was_deleted_before_it_began(kind: Any) -> None:
    numbers = AtomicInt()
    deleted = AtomicInt(-1)  # the largest value that has been deleted
    holder = kind(lambda _: numbers.get_and_increment())

    def ask() -> bool:
        for _ in range(500):
            before = deleted.get()
            if holder.value <= before:
                return False
        return True

    def delete() -> bool:
        for _ in range(500):
            value = holder.value
            reset(holder)
            deleted.get_and_max(value)
        return True

    assert all(run_threads(ask, ask, ask, delete))
    assert eventually(lambda: len(kind.value._computations) == 0)


@concurrent
@both_kinds
def test_a_value_that_is_deleted_at_once_is_not_got_from_its_computation(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = AtomicInt()
    holder = kind(lambda _: numbers.increment_and_get())
    store = once_property._store
    reading = threading.Event()
    found: list[int] = []

    def delete_and_read() -> None:
        found.append(holder.value)
        reset(holder)
        reading.set()
        found.append(holder.value)

    task = Task(delete_and_read)

    def store_slowly(self: Any, instance: object, value: Any) -> Any:
        stored = store(self, instance, value)
        if value == 1:
            task.start()
            assert reading.wait(PATIENCE)
            give_time_to_block()
        return stored

    with monkeypatch.context() as patched:
        patched.setattr(once_property, "_store", store_slowly)
        assert holder.value == 1
        task.result()
    assert found == [1, 2]
    assert holder.value == 2


@pytest.mark.thread_unsafe(reason="changes a module")
def test_a_signal_at_the_end_of_a_computation_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Interrupted:
        def get_or_compute(self, label: str, lead: Any, timeout: Any) -> Any:
            lead(label)
            raise KeyboardInterrupt

    class Computation(_Computation):
        def __init__(self) -> None:
            super().__init__()
            self.outcomes = Interrupted()  # type: ignore[assignment]

    class Mine:
        @once_property
        def value(self) -> Thing:
            return Thing()

    mine = Mine()
    with monkeypatch.context() as patched:
        patched.setattr(properties, "_Computation", Computation)
        with pytest.raises(KeyboardInterrupt):
            _ = mine.value
    assert len(Mine.value._computations) == 0
    assert type(mine.value) is Thing


@concurrent
def test_a_value_that_is_set_is_never_lost() -> None:
    holders: list[Any] = [Holder(lambda _: time.sleep(0)) for _ in range(300)]

    def set_it(holder: Any) -> Any:
        holder.value = "set"
        return holder.value

    for holder, found in zip(holders, meet(holders, read, read, set_it), strict=True):
        assert found[2] == holder.value == "set"
        assert all(one in (None, "set") for one in found[:2])


# ── waiting for oneself ────────────────────────────────────────────────────────────────────────


@both_kinds
def test_a_value_that_depends_on_itself_is_an_error(kind: Any) -> None:
    holder = kind(read)
    for _ in range(2):
        with pytest.raises(RuntimeError, match=rf"{kind.__name__}\.value"):
            _ = holder.value
    asked = []

    def compute(_: Any) -> str:
        asked.append(outcome_of(read, holder))
        asked.append(outcome_of(read, holder))
        return "computed"

    holder.function = compute
    assert holder.value == holder.value == "computed"
    assert [type(one) for one in asked] == [RuntimeError] * 2


@concurrent
@both_kinds
@pytest.mark.parametrize("threads", [2, 3, THREADS])
def test_a_thread_that_would_close_a_circle_gets_an_error(kind: Any, threads: int) -> None:
    all_called = threading.Barrier(threads)
    told: list[int] = []

    def make(number: int) -> Any:
        def compute(_: Any) -> int:
            all_called.wait(PATIENCE)
            following = outcome_of(read, holders[(number + 1) % threads])
            if isinstance(following, RuntimeError):
                told.append(number)
                return 0
            assert isinstance(following, int)
            return following + 1

        return kind(compute)

    holders = [make(number) for number in range(threads)]
    found = run_threads(*(functools.partial(read, holder) for holder in holders))
    assert sorted(found) == [*range(threads)]
    assert len(told) == 1


@concurrent
def test_a_circle_through_other_parts_of_the_library_is_told_too() -> None:
    both_run = threading.Barrier(2)

    @call_once
    def once() -> Any:
        both_run.wait(PATIENCE)
        return cache[1]

    cache = AtomicCache[int, Any](lambda _: holder.value)

    calls: list[int] = []

    def compute(_: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:  # it is tried again after it has failed
            both_run.wait(PATIENCE)
        return once()

    holder = Holder(compute)
    found = run_threads(
        functools.partial(outcome_of, once), functools.partial(outcome_of, read, holder)
    )
    assert all(isinstance(one, RuntimeError) for one in found)


def test_instances_may_depend_on_each_other() -> None:
    last: Any = Holder(lambda _: 0)
    for _ in range(50):
        last = Holder(lambda _, before=last: before.value + 1)
    assert last.value == 50


# ── timeouts ───────────────────────────────────────────────────────────────────────────────────


@concurrent
@pytest.mark.parametrize("timeout", [0, 1e-9, 0.05])
def test_a_waiter_whose_timeout_ends_leaves_and_the_computation_goes_on(timeout: float) -> None:
    class Limited:
        @once_property(timeout=timeout)
        def value(self) -> Any:
            return held(self)

    held = Held()
    limited = Limited()
    with background(lambda: limited.value) as (leader,):
        held.wait_until_entered()
        for _ in range(2):
            start = time.monotonic()
            with pytest.raises(TimeoutError, match=r"Limited\.value"):
                _ = limited.value
            assert time.monotonic() - start >= timeout * 0.99
        held.proceed.release()
        assert leader.result() is held.result
    assert limited.value is held.result
    assert len(held.calls) == 1


# ── copies, signals and forks ──────────────────────────────────────────────────────────────────


class Picklable:
    """Has no function of its own, which could not be pickled."""

    held: Held

    def __init__(self) -> None:
        self.name = "x"

    @once_property
    def value(self) -> Any:
        return Picklable.held(self)


@concurrent
def test_copies_and_pickles_can_be_made_while_another_thread_computes_it() -> None:
    held = Picklable.held = Held("computed")
    instance = Picklable()
    with background(lambda: instance.value) as (leader,):
        held.wait_until_entered()
        made = [copy.copy(instance), copy.deepcopy(instance), pickle.loads(pickle.dumps(instance))]
        assert [vars(each) for each in made] == [{"name": "x"}] * 3
        held.proceed.release(4)
        assert leader.result() == "computed"
        assert [each.value for each in made] == ["computed"] * 3
    assert len(held.calls) == 4


@pytest.mark.thread_unsafe(reason="starts processes")
@needs_thread_signals
def test_ctrl_c_ends_a_wait_and_the_computation_goes_on() -> None:
    run_program("""
        import signal, threading, time
        from cereggii import once_property
        signal.signal(signal.SIGINT, signal.default_int_handler)
        entered, proceed, found = threading.Event(), threading.Event(), []

        class Holder:
            @once_property
            def value(self):
                entered.set()
                assert proceed.wait(20)
                return "computed"

        holder = Holder()
        thread = threading.Thread(target=lambda: found.append(holder.value))
        def interrupt():
            time.sleep(0.2)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        thread.start()
        assert entered.wait(20)
        threading.Thread(target=interrupt).start()
        try:
            holder.value
        except KeyboardInterrupt:
            pass
        else:
            raise AssertionError("not interrupted")
        assert thread.is_alive()
        proceed.set()
        thread.join(20)
        assert found == ["computed"] == [holder.value]
        assert not len(Holder.value._computations)
    """)


@pytest.mark.thread_unsafe(reason="starts processes")
@needs_fork
def test_a_forked_child_computes_what_another_thread_of_its_parent_was_computing() -> None:
    run_program("""
        import faulthandler, os, threading, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        from cereggii import once_property
        entered, proceed, found = threading.Event(), threading.Event(), []

        class Holder:
            @once_property
            def value(self):
                if os.getpid() == parent:
                    entered.set()
                    assert proceed.wait(20)
                return os.getpid()

        parent, holder = os.getpid(), Holder()
        thread = threading.Thread(target=lambda: found.append(holder.value))
        thread.start()
        assert entered.wait(20)
        child = os.fork()
        if child == 0:
            faulthandler.dump_traceback_later(20, exit=True)
            code = 1
            try:
                assert holder.value == holder.value == os.getpid()
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0, status
        proceed.set()
        thread.join(20)
        assert found == [parent] == [holder.value]
    """)
