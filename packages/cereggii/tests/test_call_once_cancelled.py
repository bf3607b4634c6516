# SPDX-License-Identifier: Apache-2.0
"""call_once of a coroutine function, when tasks are cancelled and event loops end."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from cereggii import AtomicInt, call_once
from cereggii._awaited_once import AwaitedCalls
from cereggii._once import Outcome

from tools.testing.concurrency import PATIENCE, background, concurrent, eventually
from tools.testing.interpreters import run_program
from tools.testing.platforms import needs_fork, needs_thread_signals

from .awaiting import Held, on_a_loop, outcome_of, until, with_loop
from .calls import THREADS, FailedError


async def cancel(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError):
            await task


# ── one of several leaves ──────────────────────────────────────────────────────────────────────


@with_loop
@pytest.mark.parametrize("who", [[0], [1], [0, 1], [1, 2, 0], [3]])
async def test_cancelling_some_disturbs_neither_the_others_nor_the_run(who: list[int]) -> None:
    held = Held()
    once = call_once(held)
    tasks = [asyncio.create_task(once(number)) for number in range(4)]
    await until(lambda: held.calls)
    await cancel(*(tasks[number] for number in who))
    assert all(tasks[number].cancelled() for number in who)
    late = asyncio.create_task(once())
    held.may_go_on.set()
    staying = [task for number, task in enumerate(tasks) if number not in who]
    assert await asyncio.gather(*staying, late) == [held.result] * (len(staying) + 1)
    assert held.calls == [(0,)]
    assert held.ended == [None]


@with_loop
async def test_the_exception_is_for_the_awaiters_that_stay() -> None:
    held = Held(FailedError("failed"))
    once = call_once(held)
    tasks = [asyncio.create_task(outcome_of(once())) for _ in range(3)]
    await until(lambda: held.calls)
    await cancel(tasks[0])
    held.may_go_on.set()
    found = await asyncio.gather(*tasks[1:])
    assert [(type(one), one.args) for one in found] == [(FailedError, ("failed",))] * 2
    assert not any(one is held.result for one in found)


@with_loop
async def test_a_timeout_of_the_first_one_disturbs_no_other() -> None:
    held = Held()
    once = call_once(held)
    first = asyncio.create_task(asyncio.wait_for(once(), 0.05))
    await until(lambda: held.calls)
    second = asyncio.create_task(once())
    assert isinstance(await outcome_of(first), TimeoutError)
    held.may_go_on.set()
    assert await second is held.result
    assert len(held.calls) == 1


# ── all leave ──────────────────────────────────────────────────────────────────────────────────


@with_loop
@pytest.mark.parametrize("tasks", [1, 3])
async def test_the_run_is_cancelled_with_its_last_awaiter(tasks: int) -> None:
    held = Held()
    once = call_once(held)
    asking = [asyncio.create_task(once()) for _ in range(tasks)]
    await until(lambda: held.calls)
    await cancel(*asking[:-1])
    assert held.ended == []
    await cancel(asking[-1])
    assert held.ended == [asyncio.CancelledError]
    held.may_go_on.set()
    assert await once() is held.result
    assert held.ended == [asyncio.CancelledError, None]


@with_loop
async def test_a_cancelling_task_waits_until_the_run_has_cleaned_up() -> None:
    @call_once
    async def find() -> None:
        log.append("begin")
        try:
            await asyncio.sleep(PATIENCE)
        finally:
            await asyncio.sleep(0.02)
            log.append("cleaned up")

    log: list[str] = []
    task = asyncio.create_task(find())
    await until(lambda: log)
    task.cancel()
    assert isinstance(await outcome_of(task), asyncio.CancelledError)
    assert log == ["begin", "cleaned up"]


@with_loop
async def test_an_awaiter_that_comes_during_the_clean_up_makes_the_next_run() -> None:
    running = most = 0

    @call_once
    async def find() -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            await asyncio.sleep(PATIENCE if not others else 0)
            return len(others)
        finally:
            await until(may_end.is_set)
            running -= 1

    others: list[asyncio.Task[Any]] = []
    may_end = asyncio.Event()
    first = asyncio.create_task(find())
    await until(lambda: running)
    first.cancel()
    await asyncio.sleep(0.01)
    others.extend(asyncio.create_task(find()) for _ in range(3))
    await asyncio.sleep(0.01)
    may_end.set()
    assert await asyncio.gather(*others) == [3] * 3
    assert first.cancelled() or await outcome_of(first)
    assert most == 1


@with_loop
async def test_a_function_that_goes_on_although_it_is_cancelled_has_a_result() -> None:
    @call_once
    async def find() -> str:
        calls.append(1)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(PATIENCE)
        await asyncio.sleep(0)
        return "found"

    calls: list[int] = []
    task = asyncio.create_task(find())
    await until(lambda: calls)
    await cancel(task)
    assert task.cancelled()
    assert await find() == "found"
    assert calls == [1]


@with_loop
async def test_it_may_be_cancelled_again_while_it_cleans_up() -> None:
    @call_once
    async def find() -> None:
        calls.append("begin")
        try:
            await asyncio.sleep(PATIENCE)
        finally:
            calls.append("clean up")
            await asyncio.sleep(PATIENCE)

    calls: list[str] = []
    task = asyncio.create_task(find())
    await until(lambda: len(calls) == 1)
    task.cancel()
    await until(lambda: len(calls) == 2)
    task.cancel()
    assert isinstance(await outcome_of(task), asyncio.CancelledError)


@concurrent
def test_the_last_one_may_be_on_another_loop() -> None:
    held = Held()
    once = call_once(held)
    leave = [threading.Event(), threading.Event()]
    go = threading.Event()

    def asking(number: int) -> Callable[[], Any]:
        async def ask() -> None:
            task = asyncio.create_task(once())
            if number == 0:
                await until(lambda: held.calls)
                go.set()
            await until(leave[number].is_set)
            await cancel(task)
            await until(lambda: held.ended)  # its loop has to go on for that

        return on_a_loop(ask)

    with background(asking(0)):
        assert go.wait(PATIENCE)
        with background(asking(1)):
            assert eventually(lambda: True)
            leave[0].set()
            leave[1].set()
    assert held.ended == [asyncio.CancelledError]


# ── the run ends by itself ─────────────────────────────────────────────────────────────────────


@with_loop
@pytest.mark.parametrize("ending", [asyncio.CancelledError, GeneratorExit])
async def test_a_base_exception_is_raised_where_it_occurred_and_another_awaiter_runs_it(
    ending: type[BaseException],
) -> None:
    may_go_on = asyncio.Event()
    calls: list[int] = []

    @call_once
    async def find(number: int) -> int:
        calls.append(number)
        await may_go_on.wait()
        if number == 0:
            raise ending("message")
        return number

    tasks = [asyncio.create_task(outcome_of(find(number))) for number in range(3)]
    await until(lambda: calls)
    may_go_on.set()
    found = await asyncio.gather(*tasks)
    assert type(found[0]) is ending or ending is GeneratorExit
    assert calls[0] == 0
    assert len(calls) == 2
    assert found[1:] == [calls[1]] * 2


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit])
def test_an_exception_that_ends_the_program_leaves_the_loop_once(
    ending: type[BaseException],
) -> None:
    @call_once
    async def find() -> str:
        calls.append(1)
        await asyncio.sleep(0)
        if len(calls) == 1:
            raise ending("message")
        return "found"

    async def main() -> None:
        try:
            await find()
        except ending as error:
            seen.append(error.args)
            raise

    calls: list[int] = []
    seen: list[Any] = []
    with pytest.raises(ending, match="message"):
        asyncio.run(main())
    assert seen == [("message",)]
    assert asyncio.run(find()) == "found"


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit])
def test_an_exception_ends_the_program_even_if_the_first_awaiter_has_left(
    ending: type[BaseException],
) -> None:
    may_go_on = threading.Event()

    @call_once
    async def find() -> str:
        calls.append(1)
        await until(may_go_on.is_set)
        if len(calls) == 1:
            raise ending("message")
        return "found"

    async def main() -> Any:
        first = asyncio.create_task(find())
        await until(lambda: calls)
        second = asyncio.create_task(find())
        await cancel(first)
        may_go_on.set()
        return await second

    calls: list[int] = []
    with pytest.raises(ending, match="message"):
        asyncio.run(main())
    assert asyncio.run(find()) == "found"


@with_loop
async def test_a_run_that_ended_just_before_another_would_begin_is_the_only_one() -> None:
    class Ending:
        """Another run ends after the caller has found no outcome, and before it looks for a run."""

        def get(self) -> None:
            calls.outcome.set(Outcome("found"))

        def compare_and_set(self, expected: Any, updated: Any) -> bool:
            return True

    calls = AwaitedCalls(Held(), "find", math.inf)
    calls.run = Ending()  # type: ignore[assignment]
    assert await calls.call((), {}) == "found"
    assert calls.func.calls == []  # type: ignore[attr-defined]


@with_loop
async def test_a_run_whose_task_is_cancelled_by_others_is_made_again() -> None:
    held = Held()
    once = call_once(held)
    known = asyncio.all_tasks()
    tasks = [asyncio.create_task(outcome_of(once())) for _ in range(3)]
    await until(lambda: held.calls)
    (run,) = asyncio.all_tasks() - known - {*tasks}
    assert "Held" in run.get_name()
    run.cancel()
    await until(lambda: len(held.calls) == 2)
    held.may_go_on.set()
    found = await asyncio.gather(*tasks)
    assert isinstance(found[0], asyncio.CancelledError)
    assert found[1:] == [held.result] * 2


# ── loops end ──────────────────────────────────────────────────────────────────────────────────


@concurrent
def test_another_loop_makes_the_call_if_the_one_that_made_it_ends() -> None:
    held = Held()
    once = call_once(held)

    async def lead() -> None:
        asyncio.get_running_loop().create_task(once())
        await until(lambda: len(others) == THREADS)
        await asyncio.sleep(0.01)

    async def follow() -> Any:
        await until(lambda: held.calls)
        others.append(1)
        return await once()

    others: list[int] = []
    with background(on_a_loop(lead), *[on_a_loop(follow)] * THREADS) as (leader, *threads):
        leader.result()
        assert eventually(lambda: len(held.calls) == 2)
        held.may_go_on.set()
        assert [thread.result() for thread in threads] == [held.result] * THREADS
    assert held.ended == [asyncio.CancelledError, None]


@pytest.mark.thread_unsafe(reason="starts processes")
@pytest.mark.parametrize("begins", [False, True])
def test_a_loop_that_is_closed_with_its_tasks_delays_no_awaiter(begins: bool) -> None:
    # In a process of its own, since Python complains of tasks that are destroyed.
    program = """
        import asyncio, sys, threading, time
        from cereggii import call_once
        begins, calls, may_go_on = sys.argv[1] == "True", [], threading.Event()

        @call_once
        async def find():
            calls.append(1)
            while not may_go_on.is_set():
                await asyncio.sleep(0.001)
            return "found"

        async def has_begun():
            while not calls:
                await asyncio.sleep(0.001)

        async def follow():
            asyncio.get_running_loop().call_later(0.1, following.release)
            found.append(await find())

        loop = asyncio.new_event_loop()
        task = loop.create_task(find())
        if begins:
            loop.run_until_complete(has_begun())
        else:
            loop.call_soon(loop.stop)  # when the task of the run has been made
            loop.run_forever()
        assert len(calls) == begins
        following, found = threading.Semaphore(0), []
        threads = [threading.Thread(target=lambda: asyncio.run(follow())) for _ in range(2)]
        for thread in threads:
            thread.start()
        for _ in threads:
            assert following.acquire(timeout=20)
        loop.close()
        end = time.monotonic() + 20
        while len(calls) == begins:
            assert time.monotonic() < end
            time.sleep(0.001)
        may_go_on.set()
        for thread in threads:
            thread.join(20)
        assert found == ["found"] * 2
        assert asyncio.run(find()) == "found"
        assert len(calls) == begins + 1
    """
    run_program(program, str(begins))


@concurrent
def test_tasks_that_are_cancelled_at_random_leave_no_awaiter_behind(seed: int) -> None:
    class Once:
        def __init__(self, number: int) -> None:
            self.number = number
            self.running = AtomicInt()
            self.found = AtomicInt()
            self.call: Any = call_once(self.find)

        async def find(self) -> Once:
            assert self.running.increment_and_get() == 1
            try:
                await asyncio.sleep(0.001)
            finally:
                self.running.decrement_and_get()
            self.found.increment_and_get()
            return self

    functions = [Once(number) for number in range(40)]

    def asking(number: int) -> Callable[[], Any]:
        choose = random.Random(seed + number)

        async def ask() -> bool:
            for once in functions:
                tasks = [asyncio.create_task(outcome_of(once.call())) for _ in range(3)]
                await asyncio.sleep(choose.choice([0, 0, 0.0005, 0.001, 0.002]))
                for task in tasks:
                    if choose.random() < 0.6:
                        task.cancel()
                for found in await asyncio.gather(*tasks, return_exceptions=True):
                    assert found is once or isinstance(found, asyncio.CancelledError), found
            return True

        return on_a_loop(ask)

    with background(*map(asking, range(THREADS))) as threads:
        assert all(thread.result() for thread in threads)

    async def ask_for_all() -> None:
        for once in functions:
            assert await once.call() is once
            assert once.found.get() == 1

    asyncio.run(ask_for_all())


# ── processes ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.thread_unsafe(reason="starts processes")
@needs_thread_signals
def test_ctrl_c_ends_a_program_that_awaits() -> None:
    run_program("""
        import asyncio, signal, threading
        from cereggii import call_once
        signal.signal(signal.SIGINT, signal.default_int_handler)
        log = []

        @call_once
        async def find():
            log.append("begin")
            threading.Timer(0.2, signal.pthread_kill,
                            [threading.main_thread().ident, signal.SIGINT]).start()
            try:
                await asyncio.sleep(60)
            finally:
                log.append("end")

        try:
            asyncio.run(find())
        except KeyboardInterrupt:
            log.append("interrupted")
        assert log == ["begin", "end", "interrupted"], log
    """)


@pytest.mark.thread_unsafe(reason="starts processes")
@needs_fork
def test_a_forked_child_makes_the_call_that_a_loop_of_its_parent_was_making() -> None:
    run_program("""
        import asyncio, faulthandler, os, threading, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        from cereggii import call_once
        entered, proceed = threading.Event(), threading.Event()

        @call_once
        async def find(wait):
            entered.set()
            while wait and not proceed.is_set():
                await asyncio.sleep(0.001)
            return os.getpid()

        found = []
        thread = threading.Thread(target=lambda: found.append(asyncio.run(find(True))))
        thread.start()
        assert entered.wait(20)
        child = os.fork()
        if child == 0:
            faulthandler.dump_traceback_later(20, exit=True)
            code = 1
            try:
                assert asyncio.run(find(False)) == os.getpid()
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0, status
        proceed.set()
        thread.join(20)
        assert found == [os.getpid()]
    """)
