# SPDX-License-Identifier: Apache-2.0
"""A join raises the exceptions of all threads of a ThreadSet: none is lost."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import threading
import traceback
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cereggii import ThreadSet

from tools.testing.concurrency import PATIENCE, eventually, give_time_to_block, run_threads
from tools.testing.interpreters import run_program

has_threads = pytest.mark.thread_unsafe(reason="has threads of its own")
pytestmark = has_threads


class FailedError(Exception):
    """Raised by threads."""


class Thing:
    """Can be referred to weakly."""


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The calls of threading.excepthook: the exception and the name of the thread."""
    found: list[Any] = []

    def hook(args: threading.ExceptHookArgs) -> None:
        assert args.exc_value is not None
        assert args.exc_type is type(args.exc_value)
        assert args.exc_traceback is args.exc_value.__traceback__
        assert args.thread is not None
        found.append((args.exc_value, args.thread.name))

    monkeypatch.setattr(threading, "excepthook", hook)
    return found


def failing(*errors: BaseException | None, **options: Any) -> ThreadSet:
    """Threads that raise these, or return their numbers."""

    @ThreadSet.range(len(errors), **options)
    def fail(number: int) -> int:
        error = errors[number]
        if error is not None:
            raise error
        return number

    return fail


def group_of(join: Callable[..., Any], *arguments: Any) -> BaseExceptionGroup[BaseException]:
    with pytest.raises(BaseExceptionGroup) as caught:
        join(*arguments)
    return caught.value


def wait_until_ended(threads: ThreadSet) -> None:
    """Without a join."""
    assert eventually(threads.all_are_not_alive)


# ── join ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("failed", [[0], [1], [2, 4], [0, 1, 2, 3, 4]])
def test_join_raises_what_threads_raised_in_their_order(
    failed: list[int], reported: list[Any]
) -> None:
    errors = [FailedError(number) if number in failed else None for number in range(5)]
    threads = failing(*errors)
    threads.start()
    group = group_of(threads.join, PATIENCE)
    assert type(group) is ExceptionGroup
    assert [*group.exceptions] == [error for error in errors if error]
    assert f"{len(failed)} of 5 threads" in str(group)
    assert threads.results() == [None if number in failed else number for number in range(5)]
    assert reported == []


def test_start_and_join_raises_it_too() -> None:
    error = FailedError()
    assert [*group_of(failing(None, error).start_and_join).exceptions] == [error]


@pytest.mark.parametrize("ending", [KeyboardInterrupt, GeneratorExit, asyncio.CancelledError])
def test_a_base_exception_makes_a_base_exception_group(ending: type[BaseException]) -> None:
    errors = [FailedError(), ending()]
    threads = failing(*errors)
    threads.start()
    group = group_of(threads.join)
    assert type(group) is BaseExceptionGroup
    assert [*group.exceptions] == errors


@pytest.mark.parametrize("code", [None, 0, 1, "text"])
def test_system_exit_ends_a_thread_silently(code: Any, reported: list[Any]) -> None:
    threads = failing(SystemExit(code), None)
    assert threads.start_and_join(PATIENCE) is True
    assert threads.results() == [None, 1]
    assert reported == []


def test_a_group_that_a_thread_raised_is_one_exception() -> None:
    inner = ExceptionGroup("inner", [FailedError()])
    assert [*group_of(failing(inner).start_and_join).exceptions] == [inner]


def test_parts_can_be_caught() -> None:
    caught: list[Any] = []
    try:
        failing(KeyError(1), None, ValueError(2)).start_and_join()
    except* KeyError as keys:
        caught.append(keys.exceptions[0].args)
    except* ValueError as values:
        caught.append(values.exceptions[0].args)
    assert caught == [(1,), (2,)]


def test_the_traceback_leads_to_the_function() -> None:
    (error,) = group_of(failing(FailedError()).start_and_join).exceptions
    assert traceback.extract_tb(error.__traceback__)[-1].name == "fail"


def test_every_join_raises_it_again(reported: list[Any]) -> None:
    error = FailedError()
    threads = failing(error)
    groups = [group_of(threads.start_and_join), *(group_of(threads.join, 0) for _ in range(3))]
    assert [group.exceptions for group in groups] == [(error,)] * 4
    assert len({id(group) for group in groups}) == 4
    del threads
    gc.collect()
    assert reported == []


def test_threads_that_join_at_the_same_time_get_it_all() -> None:
    for _ in range(30):
        errors = [FailedError(number) for number in range(3)]
        threads = failing(*errors)
        threads.start()
        join = functools.partial(group_of, threads.join, PATIENCE)
        groups = run_threads(join, join, join)
        assert [[*group.exceptions] for group in groups] == [errors] * 3


def test_a_join_that_times_out_raises_nothing_and_loses_nothing(reported: list[Any]) -> None:
    error = FailedError()
    go = threading.Event()

    @ThreadSet.range(2)
    def work(number: int) -> None:
        if number == 0:
            raise error
        assert go.wait(PATIENCE)

    work.start()
    assert eventually(lambda: [*work.is_alive()] == [False, True])
    assert work.join(0) is False
    assert work.join(0.01) is False
    go.set()
    assert [*group_of(work.join).exceptions] == [error]
    assert reported == []


# ── which threads ──────────────────────────────────────────────────────────────────────────────


class OwnRun(threading.Thread):
    def run(self) -> None:
        raise FailedError(self.name)


def fail(text: str) -> None:
    raise FailedError(text)


def given_run() -> threading.Thread:
    thread = threading.Thread()
    thread.run = functools.partial(fail, "given")  # type: ignore[method-assign]
    return thread


def by_target(text: str) -> threading.Thread:
    make: Callable[[str], threading.Thread] = ThreadSet.target(fail)
    return make(text)


THREADS: dict[str, Callable[[], threading.Thread]] = {
    "Thread": lambda: threading.Thread(target=fail, args=("Thread",)),
    "Timer": lambda: threading.Timer(0, fail, ("Timer",)),
    "own": lambda: OwnRun(name="own"),
    "given": given_run,
    "target": lambda: by_target("target"),
}


@pytest.mark.parametrize("kind", THREADS)
def test_it_holds_for_threads_of_any_kind_that_the_set_starts(
    kind: str, reported: list[Any]
) -> None:
    threads = ThreadSet(THREADS[kind]())
    (error,) = group_of(threads.start_and_join, PATIENCE).exceptions
    assert (type(error), error.args) == (FailedError, (kind,))
    assert reported == []


@pytest.mark.parametrize("kind", THREADS)
def test_a_thread_that_is_started_by_itself_reports_as_any_does(
    kind: str, reported: list[Any]
) -> None:
    thread = THREADS[kind]()
    threads = ThreadSet(thread)
    thread.start()
    assert threads.join(PATIENCE) is True
    assert [(type(error), error.args) for error, _ in reported] == [(FailedError, (kind,))]


def test_a_thread_with_its_own_start_method_is_treated_alike(reported: list[Any]) -> None:
    class Starting(threading.Thread):
        def start(self) -> None:
            super().start()
            assert self.runs.wait(PATIENCE)  # so it must not be held back

        def run(self) -> None:
            self.runs.set()
            raise FailedError

        runs = threading.Event()

    threads = ThreadSet(threading.Thread(), Starting())
    (error,) = group_of(threads.start_and_join, PATIENCE).exceptions
    assert type(error) is FailedError
    assert reported == []


def test_a_thread_that_handles_its_exceptions_itself_does_so(reported: list[Any]) -> None:
    class Handling(threading.Thread):
        error: BaseException | None = None

        def run(self) -> None:
            try:
                super().run()
            except FailedError as error:
                self.error = error

    class Threads(ThreadSet):
        thread_factory = Handling

    threads = Threads.repeat(2)(functools.partial(fail, "text"))
    assert threads.start_and_join(PATIENCE) is True
    assert [type(thread.error) for thread in threads] == [FailedError] * 2  # type: ignore[attr-defined]
    assert reported == []


def test_all_sets_that_a_thread_is_in_raise_it(reported: list[Any]) -> None:
    first, second = FailedError(1), FailedError(2)
    one, other = failing(first, None), failing(None, second)
    (one | other).start()  # a set that nobody keeps
    assert [*group_of(one.join).exceptions] == [first]
    assert [*group_of(other.join).exceptions] == [second]
    both = ThreadSet(*one, *other)
    assert [*group_of(both.join).exceptions] == [first, second]
    one |= other
    assert [*group_of(one.join).exceptions] == [first, second]
    assert reported == []


def test_others_may_wrap_what_a_thread_does(
    monkeypatch: pytest.MonkeyPatch, reported: list[Any]
) -> None:
    """Tools that trace threads replace Thread.start for all threads."""
    original = threading.Thread.start
    seen: list[Any] = []

    def start(self: threading.Thread) -> None:
        run = getattr(self.run, "__func__", self.run)

        def wrapped(*args: Any) -> None:
            seen.append(threading.current_thread())
            run(threading.current_thread(), *args[1:])

        self.run = wrapped  # type: ignore[method-assign]
        original(self)

    monkeypatch.setattr(threading.Thread, "start", start)
    threads = failing(None, FailedError(1), None) | ThreadSet(OwnRun(name="own"))
    group = group_of(threads.start_and_join, PATIENCE)
    assert [error.args for error in group.exceptions] == [(1,), ("own",)]
    assert threads.results() == [0, None, 2, None]
    assert {*seen} == {*threads}
    assert reported == []


# ── exceptions that no join has raised ─────────────────────────────────────────────────────────


def test_it_is_reported_when_the_set_is_freed(reported: list[Any]) -> None:
    error = FailedError()
    threads = failing(None, error, name="worker")
    threads.start()
    wait_until_ended(threads)
    gc.collect()
    assert reported == []
    del threads
    assert eventually(lambda: gc.collect() >= 0 and bool(reported))
    assert reported == [(error, "worker-1")]


def test_it_is_reported_when_the_thread_ends_after_the_set(reported: list[Any]) -> None:
    error = FailedError()
    go = threading.Event()

    def work() -> None:
        assert go.wait(PATIENCE)
        raise error

    (ThreadSet.repeat(1, name="late")(work)).start()
    gc.collect()
    assert reported == []
    go.set()
    assert eventually(lambda: gc.collect() >= 0 and bool(reported))
    assert reported == [(error, "late-0")]


def test_it_is_reported_after_a_join_that_did_not_raise_it(reported: list[Any]) -> None:
    go = threading.Event()

    @ThreadSet.repeat(1)
    def work() -> None:
        assert go.wait(PATIENCE)
        raise FailedError

    work.start()
    assert work.join(0) is False
    go.set()
    wait_until_ended(work)
    del work
    assert eventually(lambda: gc.collect() >= 0 and len(reported) == 1)


def test_a_program_that_never_joins_shows_it_at_its_end() -> None:
    program = """
        import sys, threading
        from cereggii import ThreadSet

        @ThreadSet.range(2)
        def work(number):
            raise LookupError(f"of thread {number}")

        work.start()
        threading.excepthook = lambda args: print("reported", args.exc_value)
    """
    assert sorted(run_program(program).split("\n")) == [
        "",
        "reported of thread 0",
        "reported of thread 1",
    ]


# ── references ─────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def without_collections() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.mark.parametrize("how", ["join", "with", "made", "given"])
def test_nothing_is_kept_in_a_circle(how: str) -> None:
    references: list[weakref.ref[Any]] = []

    def work(argument: Thing) -> None:
        mine = Thing()
        references.append(weakref.ref(mine))
        raise FailedError(type(argument))

    def run() -> None:
        argument = Thing()
        references.append(weakref.ref(argument))
        if how == "given":
            threads = ThreadSet(threading.Thread(target=work, args=(argument,)))
        else:
            threads = ThreadSet.with_args(ThreadSet.Args(argument))(work)
        references.append(weakref.ref(threads))
        references.extend(weakref.ref(thread) for thread in threads)
        try:
            if how == "with":
                with threads:
                    pass
            else:
                threads.start_and_join(PATIENCE)
        except* FailedError:
            pass

    with without_collections():
        run()
        assert len(references) == 4
        assert eventually(lambda: not any(one() for one in references))


def test_targets_and_arguments_are_not_kept() -> None:
    class Target:
        def __call__(self, argument: Thing) -> int:
            return 1

    target, argument = Target(), Thing()
    references = [weakref.ref(target), weakref.ref(argument)]
    threads = ThreadSet.with_args(ThreadSet.Args(argument))(target)
    del target, argument
    assert threads.start_and_join(PATIENCE) is True
    assert eventually(lambda: gc.collect() >= 0 and not any(one() for one in references))
    assert threads.results() == [1]


def test_a_thread_is_itself_again_when_it_has_ended() -> None:
    threads = ThreadSet(OwnRun(), THREADS["given"](), threading.Thread())
    assert len(group_of(threads.start_and_join).exceptions) == 2
    assert ["run" in vars(thread) for thread in threads] == [False, True, False]


# ── with ───────────────────────────────────────────────────────────────────────────────────────


def test_with_starts_the_threads_and_joins_them(reported: list[Any]) -> None:
    go = threading.Event()
    threads = ThreadSet.range(3)(lambda number: go.wait(PATIENCE) and number)
    with threads as entered:
        assert entered is threads
        assert threads.all_are_alive()
        go.set()
    assert threads.all_are_not_alive()
    assert threads.results() == [0, 1, 2]


def test_with_raises_what_threads_raise() -> None:
    error = FailedError()
    threads = failing(None, error)
    with pytest.raises(ExceptionGroup) as caught, threads:
        pass
    assert [*caught.value.exceptions] == [error]


def test_an_exception_of_the_body_is_raised_as_it_is_after_the_threads_have_ended() -> None:
    go = threading.Event()
    threads = ThreadSet.repeat(2)(lambda: go.wait(PATIENCE))
    error = FailedError()
    threading.Timer(0.02, go.set).start()
    with pytest.raises(FailedError) as caught, threads:
        raise error
    assert caught.value is error
    assert threads.all_are_not_alive()


def test_exceptions_of_the_body_and_of_threads_are_raised_together(reported: list[Any]) -> None:
    of_body, of_thread = KeyError("body"), FailedError("thread")
    with pytest.raises(ExceptionGroup) as caught, failing(None, of_thread):
        raise of_body
    assert [*caught.value.exceptions] == [of_body, of_thread]
    assert "KeyError" in (text := "".join(traceback.format_exception(caught.value)))
    assert text.count("KeyError") == 1  # not as its context, too
    gc.collect()
    assert reported == []


def raise_while_handling(handled: BaseException | None, error: BaseException) -> None:
    if handled is None:
        raise error
    try:
        raise handled
    except type(handled):
        raise error  # noqa: B904


@pytest.mark.parametrize("has_context", [False, True])
@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_an_exception_that_ends_a_program_is_raised_with_those_of_threads_as_context(
    ending: type[BaseException], has_context: bool, reported: list[Any]
) -> None:
    of_body, of_thread = ending("body"), FailedError("thread")
    context = KeyError("context")
    with pytest.raises(ending) as caught, failing(None, of_thread):
        raise_while_handling(context if has_context else None, of_body)
    assert caught.value is of_body
    group = of_body.__context__
    assert isinstance(group, ExceptionGroup)
    assert [*group.exceptions] == [of_thread]
    assert not has_context or group.__context__ is context
    gc.collect()
    assert reported == []


def test_threads_that_cannot_be_started_are_not_entered() -> None:
    threads = failing(None)
    threads.start_and_join()
    entered = []
    with pytest.raises(RuntimeError, match="once"), threads:
        entered.append(1)
    assert entered == []


@pytest.mark.parametrize("where", ["body", "join"])
def test_ctrl_c_gets_through(where: str) -> None:
    program = """
        import signal, sys, threading, time
        from cereggii import ThreadSet
        signal.signal(signal.SIGINT, signal.default_int_handler)
        go, log = threading.Event(), []

        def interrupt():
            time.sleep(0.3)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            if sys.argv[1] == "body":
                time.sleep(0.2)  # the threads are joined now, and it is answered there, too
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

        workers = ThreadSet.repeat(2)(lambda: go.wait(20) and log.append("ended"))
        threading.Thread(target=interrupt, daemon=True).start()
        try:
            with workers:
                if sys.argv[1] == "body":
                    time.sleep(20)
        except KeyboardInterrupt:
            log.append("interrupted")
        assert workers.all_are_alive()
        go.set()
        assert workers.join() is True
        assert log == ["interrupted", "ended", "ended"], log
    """
    if not hasattr(__import__("signal"), "pthread_kill"):
        pytest.skip("there is no signal.pthread_kill here")
    run_program(program, where)


def test_the_wait_of_a_join_does_not_hold_up_others() -> None:
    go = threading.Event()
    threads = ThreadSet.repeat(2)(lambda: go.wait(PATIENCE))
    threads.start()
    joining = [threading.Thread(target=threads.join, daemon=True) for _ in range(3)]
    for thread in joining:
        thread.start()
    give_time_to_block()
    assert threads.join(0) is False
    assert threads.results(default="none yet") == ["none yet"] * 2
    go.set()
    for thread in joining:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert threads.results() == [True] * 2
