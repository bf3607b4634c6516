# SPDX-License-Identifier: Apache-2.0
"""Calling a function once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, overload

from cereggii_atomicdict import AtomicDict

__all__ = ["call_once"]

_F = TypeVar("_F", bound=Callable[..., Any])


@overload
def call_once(func: _F, *, timeout: float | None = None) -> _F: ...
@overload
def call_once(*, timeout: float | None = None) -> Callable[[_F], _F]: ...
def call_once(func: Any = None, *, timeout: float | None = None) -> Any:
    """Have a function called once in the life of the process, whatever threads call it.

    The first call, with its arguments, is the one that counts: the others wait for it, and get the
    same result, or the same exception if it raised one. What ends threads or the program, such as
    KeyboardInterrupt or SystemExit, is no result: it is raised where it occurred, and one of those
    who wait makes the call instead. RuntimeError if the function waits for its own result, also
    by way of other functions and threads. Others wait for `timeout` seconds at most, after which
    they get a TimeoutError; None waits for ever.

    As a decorator, `@call_once` or `@call_once(timeout=…)`. Once there is a result, it is
    wait-free; waiting is detached from the interpreter, and ends for signals. After Go's
    `sync.Once` and `std::call_once`.
    """
    if func is None:
        return functools.partial(call_once, timeout=timeout)
    if not callable(func):
        raise TypeError(f"func must be callable, not {func!r}")
    name = getattr(func, "__qualname__", None) or repr(func)  # for messages
    outcomes: AtomicDict[str, _Outcome] = AtomicDict()
    outcomes.get_or_compute(name, lambda _: _pending, timeout)  # a look at the timeout
    del outcomes[name]
    result: Any = _pending

    @functools.wraps(func)
    def once(*args: Any, **kwargs: Any) -> Any:
        nonlocal result
        if result is not _pending:
            return result
        # Not a lambda: to have the arguments in its closure would cost every call.
        make_outcome = functools.partial(_Outcome, func, args, kwargs)
        outcome = outcomes.get_or_compute(name, make_outcome, timeout)
        if outcome.exception is not None:
            # Without the frames of those who raised it before.
            raise outcome.exception.with_traceback(outcome.traceback)
        result = outcome.result
        return result

    return once


_pending: Any = object()  # the result of what has none yet


class _Outcome:
    __slots__ = ("exception", "result", "traceback")

    def __init__(self, func: Callable[..., Any], args: Any, kwargs: Any, _name: str) -> None:
        self.exception: Exception | None = None
        self.traceback: Any = None
        self.result: Any = None
        try:
            self.result = func(*args, **kwargs)
        except Exception as error:
            self.exception = error
            self.traceback = error.__traceback__
