# SPDX-License-Identifier: Apache-2.0
"""A ThreadSet starts all of its threads or none, names them, and joins them in one time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from cereggii import NOT_FOUND, AtomicInt, ThreadSet
from cereggii._thread_record import Record

from tools.testing.concurrency import PATIENCE, eventually, run_threads
from tools.testing.interpreters import run_program
from tools.testing.platforms import needs_fork

pytestmark = pytest.mark.thread_unsafe(reason="has threads of its own")


def set_of(ran: list[int], count: int = 4) -> ThreadSet:
    return ThreadSet.range(count)(ran.append)


@pytest.fixture
def cannot_start(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, BaseException], None]:
    """Lets so many threads be started, and then raises."""

    def arrange(threads: int, error: BaseException) -> None:
        left = [None] * threads
        name = "_start_joinable_thread"
        if not hasattr(threading, name):
            name = "_start_new_thread"
        original = getattr(threading, name)

        def start(*args: Any, **kwargs: Any) -> Any:
            if not left:
                raise error
            left.pop()
            return original(*args, **kwargs)

        monkeypatch.setattr(threading, name, start)

    return arrange


# ── all or none ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("started", [0, 1, 3])
@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), MemoryError()])
def test_if_one_cannot_be_started_none_has_run(
    started: int, error: Exception, cannot_start: Callable[..., None]
) -> None:
    ran: list[int] = []
    threads = set_of(ran)
    cannot_start(started, error)
    with pytest.raises(type(error)) as caught:
        threads.start()
    assert caught.value is error
    assert threads.all_are_not_alive()
    assert ran == []
    assert threads.results(NOT_FOUND) == [NOT_FOUND] * 4


def test_after_a_failed_start_those_that_never_began_can_be_started(
    cannot_start: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[int] = []
    threads = set_of(ran)
    cannot_start(2, RuntimeError("can't start new thread"))
    with pytest.raises(RuntimeError, match="new thread"):
        threads.start()
    monkeypatch.undo()
    with pytest.raises(RuntimeError, match="once"):
        threads.start()
    with pytest.raises(RuntimeError, match="before it is started"):
        threads.join()
    rest = [*threads][2:]
    assert ThreadSet(rest[0]).start_and_join(PATIENCE) is True
    rest[1].start()
    rest[1].join(PATIENCE)
    assert ran == [2, 3]


def test_an_exception_of_a_signal_handler_during_the_start_leaves_nothing_running() -> None:
    interrupts = [False, True, False]
    original = threading.Event.wait
    ran: list[int] = []
    threads = set_of(ran, 3)

    def wait(event: threading.Event, timeout: float | None = None) -> bool:
        found = original(event, timeout)
        # In Thread.start, which waits until the thread is there.
        if threading.current_thread() is threading.main_thread() and interrupts.pop(0):
            raise KeyboardInterrupt
        return found

    if threading.current_thread() is not threading.main_thread():
        pytest.skip("has to run in the main thread")
    threading.Event.wait = wait  # type: ignore[method-assign]
    try:
        with pytest.raises(KeyboardInterrupt):
            threads.start()
    finally:
        threading.Event.wait = original  # type: ignore[method-assign]
    assert eventually(lambda: not threads.any_is_alive())
    assert ran == []


def test_threads_that_have_been_started_are_named_and_nothing_is_started() -> None:
    ran: list[int] = []
    ended = threading.Thread(name="TheOne")
    ended.start()
    ended.join()
    threads = set_of(ran) | ThreadSet(ended)
    for start in (threads.start, threads.start_and_join, threads.__enter__):
        with pytest.raises(RuntimeError, match=r"once.*TheOne"):
            start()
    assert [thread.ident for thread in threads][:-1] == [None] * 4
    assert ran == []


def test_a_wrong_timeout_starts_nothing() -> None:
    threads = set_of([])
    with pytest.raises(ValueError, match="-1"):
        threads.start_and_join(-1)
    assert all(thread.ident is None for thread in threads)


def test_no_thread_runs_before_all_have_been_started() -> None:
    for _ in range(20):

        @ThreadSet.repeat(5)
        def work() -> int:
            return sum(thread.ident is not None for thread in work)

        assert work.start_and_join(PATIENCE) is True
        assert work.results() == [5] * 5


@pytest.mark.parametrize("sets", [1, 2])
def test_one_of_the_threads_that_start_a_set_at_the_same_time_starts_it(sets: int) -> None:
    for _ in range(50):
        ran = AtomicInt()
        first = ThreadSet.repeat(3)(ran.increment_and_get)
        second = ThreadSet(*first) if sets == 2 else first

        def start(threads: ThreadSet) -> bool:
            try:
                threads.start()
            except RuntimeError:
                return False
            return True

        starts = [lambda s=each: start(s) for each in (first, second, first)]
        assert sum(run_threads(*starts)) <= 1
        if first.all_are_not_alive() and ran.get() == 0:
            # Each was in the way of the other: then nothing has run.
            assert not first.any_is_alive()
            continue
        assert first.join(PATIENCE) is True
        assert second.join(PATIENCE) is True
        assert ran.get() == 3


def test_a_thread_that_others_start_meanwhile_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[int] = []
    threads = set_of(ran, 3)
    second = [*threads][1]
    before = Record._begin

    def begin(self: Record, gate: Any) -> None:
        before(self, gate)
        if self._thread is second:
            second.start()

    monkeypatch.setattr(Record, "_begin", begin)
    with pytest.raises(RuntimeError, match="once"):
        threads.start()
    second.join(PATIENCE)
    assert not second.is_alive()
    assert ran == [1]


# ── names and daemons ──────────────────────────────────────────────────────────────────────────


def made(**options: Any) -> dict[str, ThreadSet]:
    make = ThreadSet.target(print, **options)
    make_too = ThreadSet.target(**options)(print)
    return {
        "with_args": ThreadSet.with_args(*[ThreadSet.Args()] * 3, **options)(print),
        "repeat": ThreadSet.repeat(3, **options)(print),
        "range": ThreadSet.range(3, **options)(print),
        "range of two": ThreadSet.range(1, 4, **options)(print),
        "target": ThreadSet(make(), make(), make()),
        "target()": ThreadSet(make_too(), make_too(), make_too()),
    }


@pytest.mark.parametrize("how", made())
def test_threads_are_named_and_numbered(how: str) -> None:
    threads = made(name="worker")[how]
    assert [thread.name for thread in threads] == ["worker-0", "worker-1", "worker-2"]
    assert all("print" in thread.name for thread in made()[how])  # as threading does


@pytest.mark.parametrize("how", made())
@pytest.mark.parametrize("daemon", [True, False, None])
def test_threads_are_daemons_or_not(how: str, daemon: bool | None) -> None:
    threads = made(daemon=daemon)[how]
    expected = threading.current_thread().daemon if daemon is None else daemon
    assert [thread.daemon for thread in threads] == [expected] * 3


def test_a_factory_is_given_no_more_than_is_asked_for() -> None:
    class Threads(ThreadSet):
        thread_factory = staticmethod(  # type: ignore[assignment]
            lambda target, args, kwargs: threading.Thread(None, target, None, args, kwargs)
        )

    assert len(Threads.repeat(2)(print)) == 2
    assert Threads.target(print)(5).ident is None
    with pytest.raises(TypeError, match="name"):
        Threads.repeat(2, name="worker")(print)


@pytest.mark.parametrize("option", [{"name": 5}, {"name": b"x"}, {"daemon": 1}, {"daemon": "no"}])
def test_wrong_options_are_named(option: dict[str, Any]) -> None:
    kind: Any = ThreadSet
    (value,) = option.values()
    calls: list[Callable[[], Any]] = [
        lambda: kind.with_args(**option),
        lambda: kind.repeat(2, **option),
        lambda: kind.range(2, **option),
        lambda: kind.target(print, **option),
        lambda: kind.target(**option),
    ]
    for call in calls:
        with pytest.raises(TypeError, match=repr(value)):
            call()


# ── results ────────────────────────────────────────────────────────────────────────────────────


def test_results_are_what_the_targets_returned_in_order() -> None:
    objects = [object(), None, [1], NOT_FOUND]
    threads = ThreadSet.range(4)(objects.__getitem__)
    assert threads.results() == [None] * 4
    assert threads.results(default=0) == [0] * 4
    assert threads.start_and_join(PATIENCE) is True
    assert all(map(lambda one, other: one is other, threads.results(0), objects))


def test_results_of_threads_that_others_made_are_not_known() -> None:
    make = ThreadSet.target(lambda number: number)
    foreign = threading.Thread(target=lambda: 5)
    threads = ThreadSet(make(1), foreign, make(2))
    assert threads.start_and_join(PATIENCE) is True
    assert threads.results() == [1, None, 2]
    assert threads.results("unknown") == [1, "unknown", 2]


def test_the_result_of_a_thread_that_was_started_by_itself_is_known() -> None:
    thread = ThreadSet.target(lambda number: number)(5)
    thread.start()
    thread.join(PATIENCE)
    assert ThreadSet(thread).results() == [5]
    assert (ThreadSet() | ThreadSet(thread)).results() == [5]


def test_results_are_there_as_soon_as_a_thread_returns() -> None:
    go = threading.Event()
    threads = ThreadSet.range(2)(lambda number: number if number else go.wait(PATIENCE))
    threads.start()
    assert eventually(lambda: threads.results() == [None, 1])
    go.set()
    assert threads.join(PATIENCE) is True
    assert threads.results() == [True, 1]


# ── join ───────────────────────────────────────────────────────────────────────────────────────


def test_the_timeout_is_for_all_together() -> None:
    go = threading.Event()
    threads = ThreadSet.repeat(20)(lambda: go.wait(PATIENCE))
    threads.start()
    begin = time.monotonic()
    assert threads.join(0.2) is False
    assert 0.19 <= time.monotonic() - begin < 2  # not 20 times that
    go.set()
    assert threads.join(PATIENCE) is True


@pytest.mark.parametrize(
    "timeout",
    [None, 0, 1e-9, 1, Fraction(1, 3), AtomicInt(5), threading.TIMEOUT_MAX, float("inf"), True],
    ids=repr,
)
def test_every_timeout_from_zero_to_infinity_is_accepted(timeout: Any) -> None:
    threads = set_of([])
    threads.start_and_join()
    assert threads.join(timeout) is True
    assert set_of([], 1).start_and_join(join_timeout=timeout) in (True, False)


@pytest.mark.parametrize(
    ("timeout", "error"),
    [
        (-1, ValueError),
        (-1e-9, ValueError),
        (float("-inf"), ValueError),
        (float("nan"), ValueError),
        (-(10**309), ValueError),
        (threading.TIMEOUT_MAX * 2, OverflowError),
        (10**309, OverflowError),
        ("1", TypeError),
        ([], TypeError),
        (1j, TypeError),
    ],
    ids=repr,
)
def test_a_wrong_timeout_is_named(timeout: Any, error: type[Exception]) -> None:
    threads = ThreadSet()
    for join in (threads.join, threads.start_and_join):
        with pytest.raises(error) as caught:
            join(timeout)
        assert repr(timeout)[:40] in str(caught.value)


def test_a_thread_cannot_wait_for_itself() -> None:
    @ThreadSet.range(2)
    def workers(number: int) -> str:
        try:
            workers.join(PATIENCE)
        except RuntimeError as error:
            return str(error)
        return "joined"

    workers.start()
    assert workers.join(PATIENCE) is True
    assert all("cannot join current thread" in text for text in workers.results())


def test_a_thread_that_has_not_been_started_is_named_before_any_wait() -> None:
    go = threading.Event()
    running = threading.Thread(target=go.wait, args=(PATIENCE,))
    running.start()
    threads = ThreadSet(running, threading.Thread(name="TheOne"))
    with pytest.raises(RuntimeError, match=r"before it is started.*TheOne"):
        threads.join()
    go.set()
    running.join()


@needs_fork
def test_a_forked_child_does_not_wait_for_threads_of_its_parent() -> None:
    run_program("""
        import faulthandler, os, threading, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        from cereggii import ThreadSet
        go = threading.Event()
        threads = ThreadSet.range(3)(lambda number: go.wait(20) and number)
        threads.start()
        child = os.fork()
        if child == 0:
            faulthandler.dump_traceback_later(20, exit=True)
            code = 1
            try:
                assert threads.join() is True
                assert threads.results() == [None] * 3
                more = ThreadSet.range(2)(lambda number: number)
                assert more.start_and_join() is True
                assert more.results() == [0, 1]
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0, status
        go.set()
        assert threads.join(20) is True
        assert threads.results() == [0, 1, 2]
    """)
