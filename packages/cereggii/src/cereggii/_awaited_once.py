# SPDX-License-Identifier: Apache-2.0
"""A call of a coroutine function that is made once for all its awaiters, on any event loop."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from cereggii_atomicint import AtomicInt
from cereggii_atomicref import AtomicRef

from cereggii._deadline import end_after, remaining
from cereggii._once import PENDING, Outcome, failure
from cereggii._shared_error import raise_error

__all__ = ["AwaitedCalls"]

# A loop that is closed tells no awaiter. So awaiters look again after so many seconds.
_LOOK_AGAIN = 1.0


class AwaitedCalls:
    """The calls of a coroutine function between two resets: the first one runs it for all."""

    __slots__ = ("_seconds", "func", "name", "outcome", "result", "run")

    def __init__(self, func: Callable[..., Any], name: str, seconds: float) -> None:
        self.func = func
        self.name = name
        self._seconds = seconds
        self.run: AtomicRef[_Run | None] = AtomicRef()
        self.outcome: AtomicRef[Outcome | None] = AtomicRef()
        self.result = PENDING

    async def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result of the first of these calls that comes to an end."""
        end = end_after(self._seconds)
        while (outcome := self.outcome.get()) is None:
            run = self.run.get()
            if run is not None and not run.is_lost():
                await run.follow(end)
                continue
            mine = _Run(self)
            try:
                # A run sets its outcome before it makes room for the next one: so look again.
                if self.run.compare_and_set(run, mine) and self.outcome.get() is None:
                    mine.start(args, kwargs)
            finally:
                if not mine.has_started:
                    mine.end()
            if mine.has_started:
                await mine.lead()
        if outcome.error is not None:
            raise_error(outcome.error.copy())
        self.result = outcome.result
        return outcome.result


class _Run:
    """One execution of the function, as a task of the leader's event loop.

    Awaiters are woken when `has_ended` is set. If there is no outcome then, one of them leads the
    next run.
    """

    __slots__ = ("_awaiting", "_calls", "_error", "_has_leader", "_loop", "_process", "_task",
                 "_waiters", "_waits_for", "has_ended", "has_started")  # fmt: skip

    def __init__(self, calls: AwaitedCalls) -> None:
        self._calls = calls
        self._loop = asyncio.get_running_loop()
        self._process = os.getpid()
        self._task: asyncio.Task[None] | None = None
        self._has_leader = True
        self._error: BaseException | None = None  # the exception that the leader raises
        self._awaiting = AtomicInt(1, immortal=False)  # the number of awaiters, with the leader
        self._waiters: dict[asyncio.Future[None], asyncio.AbstractEventLoop] = {}
        self._waits_for: _Run | None = None  # the run that the function itself awaits
        self.has_started = False
        self.has_ended = False

    def is_lost(self) -> bool:
        """Whether no thread will ever go on with it."""
        # In the child of a fork there are no other threads.
        return self._loop.is_closed() or self._process != os.getpid()

    def end(self) -> None:
        """Wake all awaiters. It may be called again."""
        self.has_ended = True
        self._task = None
        self._calls.run.compare_and_set(self, None)
        while self._waiters:
            try:
                future, loop = self._waiters.popitem()
            except KeyError:  # another thread has taken the last one
                break
            with contextlib.suppress(RuntimeError):  # its loop is closed
                loop.call_soon_threadsafe(_wake, future)

    # ── the leader ─────────────────────────────────────────────────────────────────────────────

    def start(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Make the task that calls the function."""
        coroutine = self._execute(args, kwargs)
        try:
            self._task = task = self._loop.create_task(coroutine, name=f"once {self._calls.name}")
        except BaseException:
            coroutine.close()
            raise
        self.has_started = True
        task.add_done_callback(self._on_done)

    async def lead(self) -> None:
        """Wait for the function, and raise its exception."""
        try:
            await self._attend(math.inf)
        except BaseException:
            self._has_leader = False
            self._error = None
            raise
        if self._error is not None:
            raise_error(self._take_error())
        if self._calls.outcome.get() is None:  # cancelled before it began
            raise asyncio.CancelledError

    def _take_error(self) -> BaseException:
        error, self._error = self._error, None
        assert error is not None
        return error

    async def _execute(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        handled = sys.exception()
        self._task = asyncio.current_task()  # tasks may begin before `create_task` returns
        _current.set(self)
        try:
            outcome = Outcome(await self._calls.func(*args, **kwargs))
        except Exception as error:
            outcome = failure(error, handled)
            if self._has_leader:
                self._error = error
        except GeneratorExit:  # the task is destroyed, or the thread of the loop ends
            self.end()
            raise
        except BaseException as error:
            # It is raised where it occurred: in the leader's task, or else in this one.
            if not self._has_leader:
                raise
            self._error = error
            return
        # Another run may have come to an end if this one counted as lost.
        self._calls.outcome.compare_and_set(None, outcome)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            task.exception()  # retrieved: it has been raised elsewhere
        self.end()

    # ── awaiters ───────────────────────────────────────────────────────────────────────────────

    async def follow(self, end: float) -> None:
        """Wait until the run has ended, or is lost; TimeoutError after the deadline."""
        self._awaiting.increment_and_get()
        if not await self._attend(end):
            raise TimeoutError(f"another task is still computing the value of {self._calls.name!r}")

    async def _attend(self, end: float) -> bool:
        """Wait, counted as an awaiter; False after the deadline.

        If the last awaiter leaves before the run has ended, the function is cancelled.
        """
        has_ended = False
        try:
            with self._as_one_that_waits():
                has_ended = await self._wait(end)
        except asyncio.CancelledError:
            task = self._task
            if task is not None and self._loop is asyncio.get_running_loop():
                has_ended = True  # nothing is left to do afterwards
                if self._awaiting.decrement_and_get() == 0:
                    await _cancel(task)
            raise
        finally:
            if not has_ended and self._awaiting.decrement_and_get() == 0:
                self._cancel_soon()
        return has_ended

    async def _wait(self, end: float) -> bool:
        loop = asyncio.get_running_loop()
        while not self.has_ended:
            if self.is_lost():
                self.end()
                break
            left = remaining(end)
            if left == 0:
                return False
            future = loop.create_future()
            self._waiters[future] = loop
            timer = loop.call_later(min(left, _LOOK_AGAIN), _wake, future)
            try:
                # It may have ended before it could see the future.
                if not self.has_ended:
                    await future
            finally:
                timer.cancel()
                self._waiters.pop(future, None)
        return True

    def _cancel_soon(self) -> None:
        task = self._task
        if task is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(task.cancel)

    # ── waiting for oneself ────────────────────────────────────────────────────────────────────

    @contextlib.contextmanager
    def _as_one_that_waits(self) -> Any:
        """RuntimeError if this run would wait for a function that waits for it.

        A run has one task, which awaits one run at most: that is a graph without branches. A run
        that is about to wait enters its edge first, and then follows the graph. So if several runs
        would close a circle at the same time, at least one of them sees it.
        """
        asking = _current.get()
        if asking is None or asking.has_ended:
            yield
            return
        is_own = asking._task is asyncio.current_task()
        if not is_own and not _is_awaited_by(asking._task):
            yield  # a task that the function has started, and does not wait for
            return
        if is_own:
            asking._waits_for = self
        try:
            seen = set()
            run: _Run | None = self
            while run is not None and run not in seen:
                if run is asking:
                    raise RuntimeError(
                        f"to compute the value of {run._calls.name!r}, its own value is asked for"
                    )
                seen.add(run)
                run = run._waits_for
            yield
        finally:
            if is_own:
                asking._waits_for = None


# The run whose function is being executed, in its task and in the tasks that the task starts.
_current: ContextVar[_Run | None] = ContextVar("cereggii_current_run", default=None)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def _cancel(task: asyncio.Task[None]) -> None:
    """Cancel a task of this loop, and wait for its end, like an awaiter of its coroutine."""
    task.cancel()
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()


def _is_awaited_by(task: asyncio.Task[Any] | None) -> bool:
    """Whether a task waits for the current one, maybe through others. Python 3.14 can tell."""
    capture = getattr(asyncio, "capture_call_graph", None)
    graph = None if capture is None else capture(limit=0)
    found = [] if graph is None else [graph]
    for each in found:
        if each.future is task:
            return True
        found.extend(each.awaited_by)
    return False
