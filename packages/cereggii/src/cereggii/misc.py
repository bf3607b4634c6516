# SPDX-License-Identifier: Apache-2.0
"""Functions that are called once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar, overload

from cereggii._awaited_once import AwaitedCalls
from cereggii._deadline import Seconds, to_seconds
from cereggii._once import PENDING, Calls, is_kind

__all__ = ["call_once"]

_P = ParamSpec("_P")
_R = TypeVar("_R")
_R_co = TypeVar("_R_co", covariant=True)


class _CalledOnce(Protocol[_P, _R_co]):
    """The result of `call_once`. In a class it is a method, as the function would be."""

    __name__: str
    __qualname__: str

    @property
    def __wrapped__(self) -> Callable[_P, _R_co]: ...
    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R_co: ...
    @overload
    def __get__(self, instance: None, owner: Any = None, /) -> _CalledOnce[_P, _R_co]: ...
    @overload
    def __get__(self, instance: object, owner: Any = None, /) -> _CalledOnce[..., _R_co]: ...
    def reset(self) -> None: ...


@overload
def call_once(func: Callable[_P, _R], *, timeout: Seconds | None = None) -> _CalledOnce[_P, _R]: ...
@overload
def call_once(
    *, timeout: Seconds | None = None
) -> Callable[[Callable[_P, _R]], _CalledOnce[_P, _R]]: ...
def call_once(func: Any = None, *, timeout: Seconds | None = None) -> Any:
    """Make a function run once in the life of the process, whatever threads call it.

        @call_once                                # or @call_once(timeout=…)
        def connect(): return Connection()        # the same one for every thread

    **Results.** The first caller is the leader: it runs the function with its arguments. All other
    callers wait for it and get the same result.

    **Exceptions.** If the function raised an `Exception`, each other caller raises its own copy,
    with the type, arguments, attributes, notes, cause and traceback of the original. A copy keeps
    nothing of other callers alive, so the frames of its traceback have no variables. (An exception
    with hidden fields, which only some C code makes, becomes a RuntimeError if `copy.copy` fails.)
    Any other exception, such as KeyboardInterrupt or SystemExit, is not shared: it is raised where
    it occurred, and one of the waiters becomes the leader.

    **Reset.** `reset()` of the decorated function makes the next call run the function again. A run
    that began before goes on: calls that began before `reset()` get its outcome, and later calls do
    not wait for it.

    **Coroutine functions.** They are decorated in the same way. All awaiters share one run,
    whichever asyncio event loops their tasks are on. The run is a task of its own, on the loop of
    the first awaiter. Cancelling an awaiter does not disturb the others. It cancels the run only if
    there are no others. If the run is cancelled otherwise, or its loop is closed, one of the
    awaiters runs the function again.

    **Errors.** TimeoutError after a wait of `timeout` seconds: a number from 0 to
    `threading.TIMEOUT_MAX`; None and inf mean no limit. RuntimeError if the function would wait for
    its own result, even through other functions and threads. (If tasks that the function started
    and waits for ask for the result, only Python 3.14 and later can tell.) TypeError for a
    generator function or an asynchronous one: all callers would share one iterator.

    Every call and every `reset` is linearizable. Once there is a result, a call is wait-free. A
    wait is detached from the interpreter, and ends for signals. An awaited call blocks no event
    loop. After Go's `sync.Once` and C++'s `std::call_once`.
    """
    seconds = to_seconds(timeout)
    if func is None:
        return functools.partial(call_once, timeout=timeout)
    if not callable(func):
        raise TypeError(f"func must be callable, not {func!r}")
    if is_kind(func, inspect.isgeneratorfunction) or is_kind(func, inspect.isasyncgenfunction):
        raise TypeError(f"func must not be a generator function: {func!r}")
    name = getattr(func, "__qualname__", None) or repr(func)  # for messages
    decorate = _await_once if is_kind(func, inspect.iscoroutinefunction) else _call_once
    return decorate(func, name, seconds)


def _call_once(func: Callable[..., Any], name: str, seconds: float) -> Any:
    calls = Calls(func, name, seconds)

    @functools.wraps(func)
    def once(*args: Any, **kwargs: Any) -> Any:
        current = calls
        result = current.result
        return current.call(args, kwargs) if result is PENDING else result

    def reset() -> None:
        """Make the next call run the function again."""
        nonlocal calls
        calls = Calls(func, name, seconds)  # calls that have begun go on with the old ones

    once.reset = reset  # type: ignore[attr-defined]
    return once


def _await_once(func: Callable[..., Any], name: str, seconds: float) -> Any:
    calls = AwaitedCalls(func, name, seconds)

    @functools.wraps(func)
    async def once(*args: Any, **kwargs: Any) -> Any:
        current = calls
        result = current.result
        return await current.call(args, kwargs) if result is PENDING else result

    def reset() -> None:
        """Make the next call run the function again."""
        nonlocal calls
        calls = AwaitedCalls(func, name, seconds)

    once.reset = reset  # type: ignore[attr-defined]
    return once
