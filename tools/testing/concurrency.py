# SPDX-License-Identifier: Apache-2.0
"""Threads for tests: they start together, end in bounded time, and their exceptions count."""

from __future__ import annotations

import contextlib
import functools
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

_T = TypeVar("_T")

PATIENCE = 90.0  # seconds until a thread counts as stuck
THREADS = 4  # as many as meet in most tests


def concurrent(test: Any) -> Any:
    """Mark a test that starts threads of its own."""
    mark = pytest.mark.thread_unsafe(reason="has threads of its own")
    return mark(pytest.mark.usefixtures("switch_often")(test))


class Task(threading.Thread):
    """A thread that keeps the result or the exception of its target."""

    def __init__(self, target: Callable[[], Any], start: threading.Barrier | None = None) -> None:
        super().__init__(daemon=True)  # a stuck thread fails its test, not the whole run
        self._work = target
        self._gate = start
        self._result: Any = None
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            if self._gate is not None:
                self._gate.wait(PATIENCE)
            self._result = self._work()
        except BaseException as error:
            self._error = error

    def result(self, timeout: float = PATIENCE) -> Any:
        """The result of the target, or its exception. AssertionError if it is stuck."""
        self.join(timeout)
        assert not self.is_alive(), f"still running after {timeout} s: {self._work}"
        if self._error is not None:
            raise self._error
        return self._result


class Thing:
    """An object that equals only itself."""


class FailedError(Exception):
    """Raised by a Gate."""


class Gate:
    """A function of a key that the test can hold. It notes the keys of its calls."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.opened = threading.Event()
        self.calls: list[Any] = []
        self.fails = False

    def __call__(self, key: Any) -> Thing:
        self.calls.append(key)
        self.entered.release()
        assert self.opened.wait(PATIENCE)
        if self.fails:
            raise FailedError(key)
        return Thing()

    def wait_until_entered(self) -> None:
        """Wait until one more thread has called it."""
        assert self.entered.acquire(timeout=PATIENCE)


def run_threads(*targets: Callable[[], Any]) -> list[Any]:
    """Run each target in its own thread, started on a barrier. Their results, in order."""
    barrier = threading.Barrier(len(targets))
    tasks = [Task(target, barrier) for target in targets]
    for task in tasks:
        task.start()
    return [task.result() for task in tasks]


def in_threads(work: Callable[[int], Any], threads: int = THREADS) -> list[Any]:
    """Run work(number) in as many threads as there are numbers, which start at the same time."""
    return run_threads(*(functools.partial(work, number) for number in range(threads)))


def meet(things: list[_T], *works: Callable[[_T], Any]) -> list[tuple[Any, ...]]:
    """Run each work on each thing. Each work has its own thread; all meet at one thing at a time.

    The results for each thing, in the order of the works.
    """
    arrived = [0] * len(works)  # the number of things at which each work has been

    def wait_for_all(index: int) -> None:
        # The threads look again and again: if they slept, they would wake one after the other.
        end = time.monotonic() + PATIENCE
        for looks in itertools.count():
            if min(arrived) > index:
                return
            if looks >= 2000:  # there may be more threads than cores
                time.sleep(0)
                assert time.monotonic() < end, "another thread does not come"

    def follow(number: int, work: Callable[[_T], Any]) -> list[Any]:
        results = []
        for index, thing in enumerate(things):
            arrived[number] = index + 1
            wait_for_all(index)
            results.append(work(thing))
        return results

    by_thread = run_threads(*(functools.partial(follow, *each) for each in enumerate(works)))
    return list(zip(*by_thread, strict=True))


@contextlib.contextmanager
def background(*targets: Callable[[], Any]) -> Iterator[list[Task]]:
    """Run the targets while the body runs. At its end, wait for them and raise their exceptions."""
    tasks = [Task(target) for target in targets]
    for task in tasks:
        task.start()
    yield tasks
    for task in tasks:
        task.result()


@contextlib.contextmanager
def beside(*works: Callable[[], Any]) -> Iterator[None]:
    """Call each work again and again, in its own thread, while the body runs."""
    done = threading.Event()

    def repeat(work: Callable[[], Any]) -> None:
        while not done.is_set():
            work()

    with background(*(functools.partial(repeat, work) for work in works)):
        try:
            yield
        finally:
            done.set()


def give_time_to_block() -> None:
    """Sleep for long enough, as a rule, that a started thread blocks. No test relies on it."""
    time.sleep(0.1)


def eventually(condition: Callable[[], bool], timeout: float = PATIENCE) -> bool:
    """Whether the condition holds before the timeout."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.001)
    return True
