# SPDX-License-Identifier: Apache-2.0
"""call_once of a coroutine function: all who await it, on any event loops, share one run."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import gc
import inspect
import sys
import threading
import traceback
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from cereggii import AtomicInt, call_once

from tools.testing.concurrency import PATIENCE, background, concurrent, eventually

from .awaiting import Held, on_a_loop, outcome_of, until, with_loop
from .calls import THREADS, FailedError, Thing

# ── functions ──────────────────────────────────────────────────────────────────────────────────


async def compute(*arguments: Any) -> list[Any]:
    """The documentation."""
    return [*arguments]


class Asynchronous:
    async def __call__(self, *arguments: Any) -> list[Any]:
        return [*arguments]

    async def method(self, *arguments: Any) -> list[Any]:
        return [*arguments]


KINDS: dict[str, Callable[..., Any]] = {
    "function": compute,
    "partial": functools.partial(compute, 1),
    "method": Asynchronous().method,
    "callable": Asynchronous(),
    "partial of a callable": functools.partial(Asynchronous()),
    "staticmethod": staticmethod(compute),
    "called once": call_once(compute),
}


@pytest.mark.parametrize("kind", KINDS)
def test_any_kind_of_coroutine_function_is_called_once(kind: str) -> None:
    for decorate in (call_once, call_once(timeout=5)):
        once: Any = decorate(KINDS[kind])
        assert inspect.iscoroutinefunction(once)

        async def main(once: Any = once) -> None:
            first = await once()
            assert isinstance(first, list)
            assert await once(2) is first

        asyncio.run(main())
        asyncio.run(main())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="inspect has no such mark")
def test_a_function_that_is_marked_is_a_coroutine_function() -> None:
    mark: Any = getattr(inspect, "markcoroutinefunction", None)
    once: Any = call_once(mark(lambda: compute(1)))
    assert inspect.iscoroutinefunction(once)
    assert asyncio.run(once()) is asyncio.run(once())


def test_it_looks_like_the_function() -> None:
    once: Any = call_once(compute)
    assert (once.__name__, once.__doc__, once.__wrapped__) == (
        "compute",
        "The documentation.",
        compute,
    )


@with_loop
async def test_it_is_a_method_in_a_class() -> None:
    class Service:
        @call_once
        async def connect(self) -> object:
            return self

    first, second = Service(), Service()
    assert inspect.iscoroutinefunction(first.connect)
    assert await first.connect() is await second.connect() is first


@with_loop
async def test_a_call_that_is_not_awaited_does_not_count() -> None:
    once = call_once(compute)
    coroutine = once(1)
    assert await once(2) == [2]
    assert await coroutine == [2]


def test_a_result_can_be_had_without_a_loop() -> None:
    once = call_once(compute)
    first = asyncio.run(once())
    with pytest.raises(StopIteration) as stopped:
        once().send(None)
    assert stopped.value.value is first


@with_loop
async def test_it_runs_in_the_context_of_the_first_awaiter() -> None:
    variable = contextvars.ContextVar("variable", default=0)

    @call_once
    async def find() -> int:
        return variable.get()

    variable.set(5)
    assert await find() == 5
    variable.set(6)
    assert await find() == 5


# ── one run for all ────────────────────────────────────────────────────────────────────────────


@with_loop
async def test_tasks_share_one_run() -> None:
    held = Held()
    once = call_once(held)
    tasks = [asyncio.create_task(once(number)) for number in range(10)]
    await until(lambda: held.calls)
    held.may_go_on.set()
    assert await asyncio.gather(*tasks) == [held.result] * 10
    assert await once() is held.result
    assert held.calls == [(0,)]


@concurrent
def test_tasks_of_many_loops_share_one_run_and_no_loop_is_blocked() -> None:
    held = Held()
    once = call_once(held)
    beats = AtomicInt()

    async def ask() -> Any:
        tasks = [asyncio.create_task(once()) for _ in range(3)]
        before = beats.get()
        for _ in range(20):  # the loop goes on while its tasks wait
            beats.increment_and_get()
            await asyncio.sleep(0.001)
        assert beats.get() >= before + 20
        return await asyncio.gather(*tasks)

    with background(*[on_a_loop(ask)] * THREADS) as threads:
        assert eventually(lambda: beats.get() == 20 * THREADS)
        held.may_go_on.set()
        assert [thread.result() for thread in threads] == [[held.result] * 3] * THREADS
    assert len(held.calls) == 1


@concurrent
def test_loops_that_ask_at_the_same_time_share_one_run() -> None:
    for _ in range(30):
        calls = AtomicInt()

        async def find(calls: AtomicInt = calls) -> Thing:
            calls.increment_and_get()
            await asyncio.sleep(0)
            return Thing()

        once = call_once(find)
        barrier = threading.Barrier(THREADS)

        async def ask(once: Any = once, barrier: threading.Barrier = barrier) -> Any:
            barrier.wait(PATIENCE)
            return await once()

        with background(*[on_a_loop(ask)] * THREADS) as threads:
            assert len({id(thread.result()) for thread in threads}) == 1
        assert calls.get() == 1


@with_loop
async def test_an_exception_is_shared_by_copies() -> None:
    held = Held(FailedError("failed"))
    once = call_once(held)
    tasks = [asyncio.create_task(outcome_of(once())) for _ in range(4)]
    await until(lambda: held.calls)
    held.may_go_on.set()
    found = [*await asyncio.gather(*tasks), await outcome_of(once())]
    assert found[0] is held.result  # of the task that made the call
    assert [(type(one), one.args) for one in found] == [(FailedError, ("failed",))] * 5
    assert len({id(one) for one in found}) == 5
    for one in found:
        names = [frame.name for frame in traceback.extract_tb(one.__traceback__)]
        assert names[0] == "outcome_of"
        assert names[-1] == "__call__"


@with_loop
async def test_wrong_arguments_are_an_outcome_too() -> None:
    @call_once
    async def find(argument: int) -> int:
        return argument

    anything: Any = find
    for arguments in ((), (1,)):
        assert isinstance(await outcome_of(anything(*arguments)), TypeError)


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_kept_but_the_outcome(fails: bool) -> None:
    async def find(argument: Thing) -> str:
        mine = Thing()
        references.append(weakref.ref(mine))
        await asyncio.sleep(0)
        if fails:
            raise FailedError(type(mine))
        return "found"

    async def main() -> None:
        argument, in_caller = Thing(), Thing()
        references.append(weakref.ref(argument))
        references.append(weakref.ref(in_caller))
        await outcome_of(once(argument))
        references.append(weakref.ref(asyncio.get_running_loop()))

    references: list[weakref.ref[Any]] = []
    once = call_once(find)
    asyncio.run(main())
    assert len(references) == 4
    assert eventually(lambda: gc.collect() >= 0 and not any(one() for one in references))


@with_loop
async def test_an_exception_has_the_context_of_each_awaiter() -> None:
    @call_once
    async def fail() -> None:
        raise FailedError

    mine = ValueError()
    for _ in range(2):
        try:
            raise mine
        except ValueError:
            assert (await outcome_of(fail())).__context__ is mine
    assert (await outcome_of(fail())).__context__ is None


# ── timeouts ───────────────────────────────────────────────────────────────────────────────────


@with_loop
@pytest.mark.parametrize("timeout", [0, 1e-9, 0.05])
async def test_an_awaiter_whose_timeout_ends_leaves_and_the_run_goes_on(timeout: float) -> None:
    held = Held()

    @call_once(timeout=timeout)
    async def find_slowly() -> Any:
        return await held()

    leader = asyncio.create_task(find_slowly())
    await until(lambda: held.calls)
    for _ in range(2):
        with pytest.raises(TimeoutError, match="find_slowly"):
            await find_slowly()
    assert not leader.done()
    held.may_go_on.set()
    assert await leader is held.result  # which takes as long as it takes
    assert await find_slowly() is held.result
    assert len(held.calls) == 1


# ── waiting for oneself ────────────────────────────────────────────────────────────────────────


@with_loop
async def test_a_function_that_awaits_itself_is_told_so() -> None:
    @call_once
    async def recurse() -> Any:
        found = await outcome_of(recurse())
        await asyncio.sleep(0)
        return found

    found = await recurse()
    assert isinstance(found, RuntimeError)
    assert "recurse" in str(found)
    assert await recurse() is found


@with_loop
@pytest.mark.parametrize("length", [2, 3, 5])
async def test_functions_that_await_each_other_in_a_circle_are_told_so(length: int) -> None:
    def make(number: int) -> Any:
        @call_once
        async def find() -> Any:
            return await functions[(number + 1) % length]()

        return find

    functions = [make(number) for number in range(length)]
    found = await asyncio.gather(*(outcome_of(function()) for function in functions))
    assert all(isinstance(one, RuntimeError) for one in found)


@concurrent
def test_functions_on_loops_of_their_own_that_await_each_other_are_told_so() -> None:
    for _ in range(20):
        functions = pair_that_awaits_each_other()
        with background(*[on_a_loop(lambda f=f: outcome_of(f())) for f in functions]) as threads:
            assert all(isinstance(thread.result(), RuntimeError) for thread in threads)


def pair_that_awaits_each_other() -> list[Any]:
    both_run = threading.Barrier(2)

    def make(number: int) -> Any:
        @call_once
        async def find() -> Any:
            both_run.wait(PATIENCE)
            return await functions[1 - number]()

        return find

    functions = [make(0), make(1)]
    return functions


@pytest.mark.skipif(sys.version_info < (3, 14), reason="tasks do not tell what awaits them")
@pytest.mark.parametrize("way", ["gather", "task", "group", "wait"])
def test_a_function_whose_tasks_await_it_is_told_so(way: str) -> None:
    @call_once
    async def find() -> Any:
        if way == "gather":
            return await asyncio.gather(find(), asyncio.sleep(0))
        task = asyncio.create_task(find())
        if way == "task":
            return await task
        if way == "wait":
            async with asyncio.timeout(PATIENCE):
                return await asyncio.shield(task)
        async with asyncio.TaskGroup() as group:
            group.create_task(find())
        return None

    found = on_a_loop(lambda: outcome_of(find()))()
    assert isinstance(found, RuntimeError) or found.subgroup(RuntimeError)


@with_loop
async def test_a_task_that_the_function_starts_may_await_it() -> None:
    @call_once
    async def find() -> Any:
        started.append(asyncio.create_task(find()))
        await asyncio.sleep(0.01)
        return "found"

    started: list[asyncio.Task[Any]] = []
    assert await find() == "found"
    assert await started[0] == "found"


@with_loop
async def test_different_functions_await_each_other() -> None:
    first = call_once(compute)

    @call_once
    async def second() -> Any:
        return await asyncio.gather(first(1), first(2))

    assert await second() == [[1], [1]]


# ── reset ──────────────────────────────────────────────────────────────────────────────────────


@with_loop
async def test_after_a_reset_the_next_one_runs_it_again() -> None:
    held = [Held(), Held()]
    once: Any = call_once(pick(held))
    old = [asyncio.create_task(once(0)) for _ in range(3)]
    late = once(1)  # awaited after the reset
    await until(lambda: held[0].calls)
    once.reset()
    new = [asyncio.create_task(one) for one in (late, once(1))]
    await until(lambda: held[1].calls)
    held[1].may_go_on.set()
    assert await asyncio.gather(*new) == [held[1].result] * 2
    assert not any(task.done() for task in old)
    held[0].may_go_on.set()
    assert await asyncio.gather(*old) == [held[0].result] * 3
    assert await once(1) is held[1].result


def pick(functions: list[Held]) -> Callable[[int], Coroutine[Any, Any, Any]]:
    async def call(number: int) -> Any:
        return await functions[number]()

    return call


# ── eager tasks ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.skipif(sys.version_info < (3, 12), reason="there are no eager tasks")
@pytest.mark.parametrize("pauses", [0, 1])
def test_it_can_be_awaited_on_a_loop_with_eager_tasks(pauses: int) -> None:
    @call_once
    async def find() -> Any:
        told.append(await outcome_of(find()))
        for _ in range(pauses):
            await asyncio.sleep(0)
        return Thing()

    told: list[Any] = []

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(getattr(asyncio, "eager_task_factory", None))
        first = await find()
        assert await asyncio.gather(find(), find()) == [first] * 2

    asyncio.run(main())
    assert [type(one) for one in told] == [RuntimeError]


@with_loop
async def test_a_task_that_cannot_be_made_is_an_error_and_the_next_one_tries_again() -> None:
    once = call_once(compute)

    def refuse(*_: Any, **__: Any) -> Any:
        raise MemoryError

    asyncio.get_running_loop().set_task_factory(refuse)
    with contextlib.suppress(MemoryError):
        await once(1)
    asyncio.get_running_loop().set_task_factory(None)
    assert await once(2) == [2]
