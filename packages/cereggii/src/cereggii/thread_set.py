# SPDX-License-Identifier: Apache-2.0
"""Threads that are started and joined together."""

from __future__ import annotations

import builtins
import functools
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any, ClassVar, ParamSpec, Self, overload

__all__ = ["ThreadSet"]

_P = ParamSpec("_P")


class ThreadSet:
    """A set of threads that are started and joined together.

    `ThreadSet(*threads)`. The decorators `with_args`, `repeat` and `range` make one of a function
    that all its threads run; `target` makes a function that makes threads. A subclass may set
    `thread_factory` to a class of threads of its own, or any function with its parameters.
    The set itself is not to be changed by several threads at once.
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
            # Or something else that can do what threads can.
            if not callable(getattr(thread, "start", None)):
                raise TypeError(f"a ThreadSet is made of threads, not of {thread!r}")
        self._threads: dict[Thread, None] = dict.fromkeys(threads)

    # ── making threads ─────────────────────────────────────────────────────────────────────────

    @classmethod
    def with_args(cls, *args: Args) -> Callable[[Callable[..., Any]], Self]:
        """Decorator: one thread for each of the `ThreadSet.Args`."""
        for arg in args:
            if not isinstance(arg, cls.Args):
                raise TypeError(f"{arg!r} is not an instance of {cls.Args.__qualname__}")

        def decorator(target: Callable[..., Any]) -> Any:
            if not callable(target):
                raise TypeError(f"the target of a thread must be callable, not {target!r}")
            return cls(
                *(cls.thread_factory(target=target, args=a.args, kwargs=a.kwargs) for a in args)
            )

        return decorator

    @classmethod
    def repeat(cls, times: int) -> Callable[[Callable[..., Any]], Self]:
        """Decorator: this many threads, which call the function without arguments."""
        return cls.with_args(*(cls.Args() for _ in builtins.range(times)))

    @overload
    @classmethod
    def range(cls, stop: int, /) -> Callable[[Callable[..., Any]], Self]: ...
    @overload
    @classmethod
    def range(
        cls, start: int, stop: int | None = None, step: int = 1
    ) -> Callable[[Callable[..., Any]], Self]: ...
    @classmethod
    def range(
        cls, start: int, stop: int | None = None, step: int = 1
    ) -> Callable[[Callable[..., Any]], Self]:
        """Decorator: one thread for each number of `range(…)`, which the function is given."""
        if stop is None:
            start, stop = 0, start
        return cls.with_args(*(cls.Args(number) for number in builtins.range(start, stop, step)))

    @classmethod
    def target(cls, target: Callable[_P, Any]) -> Callable[_P, Thread]:
        """Decorator: the function, called, makes a thread that calls it with these arguments."""

        @functools.wraps(target)
        def make_thread(*args: _P.args, **kwargs: _P.kwargs) -> Thread:
            return cls.thread_factory(target=target, args=args, kwargs=kwargs)

        return make_thread

    # ── what all of them do ────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Start each of the threads."""
        for thread in self._threads:
            thread.start()

    def join(self, timeout: float | None = None) -> None:
        """Wait until each of the threads has ended, `timeout` seconds at most for each of them."""
        for thread in self._threads:
            thread.join(timeout)

    def start_and_join(self, join_timeout: float | None = None) -> None:
        """Start the threads, then join them."""
        self.start()
        self.join(join_timeout)

    def is_alive(self) -> Iterator[bool]:
        """Of each thread, whether it has been started and has not ended."""
        return (thread.is_alive() for thread in self._threads)

    def any_is_alive(self) -> bool:
        """Whether at least one of the threads is alive."""
        return any(self.is_alive())

    def all_are_alive(self) -> bool:
        """Whether each of the threads is alive."""
        return all(self.is_alive())

    def all_are_not_alive(self) -> bool:
        """Whether none of the threads is alive."""
        return not self.any_is_alive()

    # ── as a set ───────────────────────────────────────────────────────────────────────────────

    def __or__(self, other: ThreadSet) -> Self:
        """A new set of the threads that are in one of the two."""
        return type(self)(*self._threads, *self._threads_of(other))

    def __ior__(self, other: ThreadSet) -> Self:
        """Add the threads of another set."""
        self._threads.update(dict.fromkeys(self._threads_of(other)))
        return self

    def _threads_of(self, other: ThreadSet) -> list[Thread]:
        if not isinstance(other, ThreadSet):
            raise TypeError(f"cannot make a union of a {type(self).__name__} and {other!r}")
        return [*other._threads]

    def __copy__(self) -> Self:
        return type(self)(*self._threads)

    def __len__(self) -> int:
        """How many threads there are."""
        return len(self._threads)

    def __iter__(self) -> Iterator[Thread]:
        """The threads, in the order in which they were given."""
        return iter([*self._threads])

    def __repr__(self) -> str:
        most = 80
        threads = ", ".join(map(repr, self._threads))
        if len(threads) > most:
            threads = f"{threads[:most]}... {len(self)} threads"
        return f"<{type(self).__qualname__}({threads})>"
