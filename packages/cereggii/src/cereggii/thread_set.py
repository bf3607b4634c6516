# SPDX-License-Identifier: Apache-2.0
"""Threads that are started and joined together."""

from __future__ import annotations

import builtins
import functools
import threading
from collections.abc import Callable, Iterator
from threading import Thread
from types import TracebackType
from typing import Any, ClassVar, ParamSpec, Self, overload

from cereggii_atomicint import AtomicInt

from cereggii._deadline import Seconds, end_after, to_seconds
from cereggii._thread_record import Gate, Record, make_thread, record_of

__all__ = ["ThreadSet"]

_P = ParamSpec("_P")


class ThreadSet:
    """A set of threads that are started and joined together.

        @ThreadSet.range(4)
        def total(part): return add_up(part)        # four threads

        with total:                                 # starts them, and joins them at the end
            ...
        print(sum(total.results()))

    **Making.** `ThreadSet(*threads)` is a set of given threads. The decorators `with_args`,
    `repeat` and `range` turn a function into a set whose threads all run it. `target` turns a
    function into one that makes threads. A subclass may set `thread_factory` to its own class of
    threads, or to any function with the parameters `target`, `args` and `kwargs` (and `name` and
    `daemon`, if these are given).

    **Starting.** Either all threads run or none: each waits until the last one has been started. If
    one cannot be started, the others end without running. This does not hold if one of the threads
    has its own `start` method, or is not a `threading.Thread`: then each thread runs as soon as it
    is started.

    **Exceptions.** `join` raises the exceptions of the threads that the set has started, and
    `threading.excepthook` is not called for them. If no `join` has raised an exception when the
    last set with the thread is freed, or at exit, `threading.excepthook` is called after all.
    SystemExit ends a thread silently. A thread that was started in another way reports its
    exceptions itself, as any thread does.

    Several threads may call all methods at the same time. Waits are detached from the interpreter,
    and end for signals. After Python's `concurrent.futures` and `asyncio.TaskGroup`.
    """

    thread_factory: ClassVar[Callable[..., Thread]] = Thread

    class Args:
        """The arguments of one thread's target."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.args = args
            self.kwargs = kwargs

        def __repr__(self) -> str:
            shown = [repr(value) for value in self.args]
            shown += [f"{name}={value!r}" for name, value in self.kwargs.items()]
            return f"ThreadSet.Args({', '.join(shown)})"

    def __init__(self, *threads: Thread) -> None:
        for thread in threads:
            # Anything with the methods of a thread will do.
            if not callable(getattr(thread, "start", None)):
                raise TypeError(f"a ThreadSet is made of threads, not of {thread!r}")
        self._records: dict[Thread, Record] = {thread: record_of(thread) for thread in threads}

    # ── making threads ─────────────────────────────────────────────────────────────────────────

    @classmethod
    def with_args(
        cls, *args: Args, name: str | None = None, daemon: bool | None = None
    ) -> Callable[[Callable[..., Any]], Self]:
        """Decorator: makes one thread for each of the `ThreadSet.Args`.

            @ThreadSet.with_args(ThreadSet.Args("a", limit=5), ThreadSet.Args("b"))
            def copy(name, limit=None): ...

        With a `name`, the threads are called `name-0`, `name-1`, and so on. `daemon` is that of
        `threading.Thread`. Both are given to the `thread_factory` only if they are not None.
        TypeError if one of `args` is not a `ThreadSet.Args`.
        """
        for arg in args:
            if not isinstance(arg, cls.Args):
                raise TypeError(f"{arg!r} is not an instance of {cls.Args.__qualname__}")
        make_options = _numbered_options(name, daemon)

        def decorator(target: Callable[..., Any]) -> Any:
            _check_target(target)
            factory = cls.thread_factory
            return cls(
                *(
                    make_thread(factory, target, arg.args, arg.kwargs, make_options(number))
                    for number, arg in enumerate(args)
                )
            )

        return decorator

    @classmethod
    def repeat(
        cls, times: int, *, name: str | None = None, daemon: bool | None = None
    ) -> Callable[[Callable[..., Any]], Self]:
        """Decorator: makes `times` threads, which call the function without arguments.

        `name` and `daemon` as in `with_args`.
        """
        args = [cls.Args() for _ in builtins.range(times)]
        return cls.with_args(*args, name=name, daemon=daemon)

    @overload
    @classmethod
    def range(
        cls, stop: int, /, *, name: str | None = None, daemon: bool | None = None
    ) -> Callable[[Callable[..., Any]], Self]: ...
    @overload
    @classmethod
    def range(
        cls,
        start: int,
        stop: int | None = None,
        step: int = 1,
        *,
        name: str | None = None,
        daemon: bool | None = None,
    ) -> Callable[[Callable[..., Any]], Self]: ...
    @classmethod
    def range(
        cls,
        start: int,
        stop: int | None = None,
        step: int = 1,
        *,
        name: str | None = None,
        daemon: bool | None = None,
    ) -> Callable[[Callable[..., Any]], Self]:
        """Decorator: makes one thread for each number of `range(…)`, which is its argument.

        `name` and `daemon` as in `with_args`.
        """
        if stop is None:
            start, stop = 0, start
        args = [cls.Args(number) for number in builtins.range(start, stop, step)]
        return cls.with_args(*args, name=name, daemon=daemon)

    @overload
    @classmethod
    def target(
        cls, target: Callable[_P, Any], *, name: str | None = None, daemon: bool | None = None
    ) -> Callable[_P, Thread]: ...
    @overload
    @classmethod
    def target(
        cls, *, name: str | None = None, daemon: bool | None = None
    ) -> Callable[[Callable[_P, Any]], Callable[_P, Thread]]: ...
    @classmethod
    def target(
        cls, target: Any = None, *, name: str | None = None, daemon: bool | None = None
    ) -> Any:
        """Decorator: a call of the function makes a thread that calls it with these arguments.

        `name` and `daemon` as in `with_args`.
        """
        make_options = _numbered_options(name, daemon)
        if target is None:
            return functools.partial(cls.target, name=name, daemon=daemon)
        _check_target(target)
        made = AtomicInt()

        @functools.wraps(target)
        def make(*args: Any, **kwargs: Any) -> Thread:
            options = make_options(made.get_and_increment())
            return make_thread(cls.thread_factory, target, args, kwargs, options)

        return make

    # ── what all of them do ────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Start all threads. Either all run, or none (see `ThreadSet`).

        RuntimeError, which names the thread, if one has been started before, or if the system
        cannot start another thread. Threads that were started by then have ended without running,
        and cannot be started again.
        """
        records = [*self._records.items()]
        for thread, _ in records:
            if getattr(thread, "ident", None) is not None:
                raise RuntimeError(f"threads can only be started once: {thread!r}")
        gate = Gate()
        waits = all(map(_can_wait, self._records))
        if not waits:
            gate.open()
        begun: list[Thread] = []
        try:
            for thread, record in records:
                record.start(gate)
                begun.append(thread)
        except BaseException:
            gate.cancel()
            if waits:
                for thread in begun:
                    thread.join()
            raise
        gate.open()

    def join(self, timeout: Seconds | None = None) -> bool:
        """Wait until all threads have ended, and return True. False after `timeout` seconds.

        The timeout is one for all threads together: a number from 0 to `threading.TIMEOUT_MAX`.
        None and inf mean no limit.

        If threads have raised exceptions, `join` raises these as an ExceptionGroup, in the order of
        the threads, once all threads have ended. It is a BaseExceptionGroup if one of them is not
        an Exception. Every later `join`, in any thread, raises them again.

        RuntimeError if a thread has not been started, or would wait for itself. The wait ends for
        signals. The threads then go on, and may be joined again.
        """
        if not self._wait(timeout):
            return False
        failed = self._failed()
        if failed:
            raise self._group([], failed)
        return True

    def start_and_join(self, join_timeout: Seconds | None = None) -> bool:
        """Start the threads, then join them: see `start` and `join`."""
        to_seconds(join_timeout)  # nothing is started if it is wrong
        self.start()
        return self.join(join_timeout)

    def __enter__(self) -> Self:
        """Start the threads."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Join the threads, even if the body has raised an exception.

        Exceptions of threads are raised as `join` raises them. If the body has raised an Exception,
        it is raised alone, or as the first one of the group with those of threads. Any other
        exception of the body, such as KeyboardInterrupt, is raised alone. Those of threads are then
        its `__context__`.
        """
        if error is None:
            self.join()
            return
        self._wait(None)
        failed = self._failed()
        if not failed:
            return
        if isinstance(error, Exception):
            raise self._group([error], failed) from None
        group = self._group([], failed)
        group.__context__ = error.__context__
        error.__context__ = group

    def results(self, default: Any = None) -> list[Any]:
        """The results of the targets, in the order of the threads.

        `default` stands for a missing result: the thread has not ended, an exception has ended it,
        or it was not made by a decorator of ThreadSet, so that its result is not known. Wait-free
        for each thread.
        """
        records = [*self._records.values()]
        return [record.returned[0] if record.returned else default for record in records]

    def is_alive(self) -> Iterator[bool]:
        """Iterate over the threads: whether each has been started and has not ended."""
        return (thread.is_alive() for thread in [*self._records])

    def any_is_alive(self) -> bool:
        """Whether at least one of the threads is alive."""
        return any(self.is_alive())

    def all_are_alive(self) -> bool:
        """Whether each of the threads is alive."""
        return all(self.is_alive())

    def all_are_not_alive(self) -> bool:
        """Whether none of the threads is alive."""
        return not self.any_is_alive()

    def _wait(self, timeout: Seconds | None) -> bool:
        end = end_after(to_seconds(timeout))
        records = [*self._records.items()]
        # Checked before the first wait: other threads of the set may wait for this one.
        current = threading.current_thread()
        for thread, _ in records:
            if thread is current:
                raise RuntimeError(f"cannot join current thread: {thread!r}")
            if getattr(thread, "ident", 0) is None:
                raise RuntimeError(f"cannot join thread before it is started: {thread!r}")
        for _, record in records:
            record.join(end)
        return not any(thread.is_alive() for thread, _ in records)

    def _failed(self) -> list[Record]:
        return [record for record in [*self._records.values()] if record.error is not None]

    def _group(
        self, others: list[BaseException], failed: list[Record]
    ) -> BaseExceptionGroup[BaseException]:
        errors = [record.error for record in failed if record.error is not None]
        text = f"{len(errors)} of {len(self)} threads raised an exception"
        group = BaseExceptionGroup(text, [*others, *errors])
        for record in failed:
            record.is_retrieved = True
        return group

    # ── as a set ───────────────────────────────────────────────────────────────────────────────

    def __or__(self, other: ThreadSet) -> Self:
        """A new set of the threads of both."""
        return type(self)(*self._records, *self._records_of(other))

    def __ior__(self, other: ThreadSet) -> Self:
        """Add the threads of another set."""
        self._records.update(self._records_of(other))
        return self

    def _records_of(self, other: ThreadSet) -> dict[Thread, Record]:
        if not isinstance(other, ThreadSet):
            raise TypeError(f"cannot make a union of a {type(self).__name__} and {other!r}")
        return other._records.copy()

    def __copy__(self) -> Self:
        return type(self)(*self._records)

    def __len__(self) -> int:
        """The number of threads."""
        return len(self._records)

    def __iter__(self) -> Iterator[Thread]:
        """The threads, in the order in which they were given."""
        return iter([*self._records])

    def __repr__(self) -> str:
        most = 80
        threads = ", ".join(map(repr, self))
        if len(threads) > most:
            threads = f"{threads[:most]}... {len(self)} threads"
        return f"<{type(self).__qualname__}({threads})>"


def _check_target(target: Any) -> None:
    if not callable(target):
        raise TypeError(f"the target of a thread must be callable, not {target!r}")


def _numbered_options(name: str | None, daemon: bool | None) -> Callable[[int], dict[str, Any]]:
    """The keyword arguments for the factory of threads, besides the target, by thread number."""
    if name is not None and not isinstance(name, str):
        raise TypeError(f"name must be a string, not {name!r}")
    if daemon is not None and not isinstance(daemon, bool):
        raise TypeError(f"daemon must be True, False or None, not {daemon!r}")
    fixed = {} if daemon is None else {"daemon": daemon}
    return lambda number: fixed if name is None else {"name": f"{name}-{number}", **fixed}


def _can_wait(thread: Thread) -> bool:
    """Whether it may wait at a gate. Its own `start` method might wait until the thread runs."""
    return isinstance(thread, Thread) and getattr(thread.start, "__func__", None) is Thread.start
