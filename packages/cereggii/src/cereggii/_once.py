# SPDX-License-Identifier: Apache-2.0
"""A call that is made once for all its callers."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

from cereggii_atomicdict import AtomicDict

from cereggii._shared_error import SharedError, drop_frame, raise_error

__all__ = ["PENDING", "Calls", "Outcome", "failure", "is_kind"]

PENDING: Any = object()  # stands for a result that does not exist yet


def is_kind(func: Callable[..., Any], is_it: Callable[[Any], bool]) -> bool:
    """Whether `is_it`, a function of inspect, holds for a callable of any sort."""
    while isinstance(func, (functools.partial, staticmethod)):
        func = func.func if isinstance(func, functools.partial) else func.__func__
    return is_it(func) or is_it(getattr(type(func), "__call__", None))  # noqa: B004


class Outcome:
    """The result of a call, or its exception."""

    __slots__ = ("error", "result")

    def __init__(self, result: Any = None, error: SharedError | None = None) -> None:
        self.result = result
        self.error = error


def failure(error: BaseException, handled: BaseException | None) -> Outcome:
    """The outcome of a call that has raised `error`, which was caught where the call was made.

    `handled` is the exception that the caller was handling, if any. The frame of the call is taken
    out of the traceback.
    """
    drop_frame(error)
    return Outcome(error=SharedError(error, handled))


class Calls:
    """The calls of a function between two resets: the first one runs it for all."""

    __slots__ = ("_func", "_name", "_outcomes", "_seconds", "result")

    def __init__(self, func: Callable[..., Any], name: str, seconds: float) -> None:
        self._func = func
        self._name = name
        self._seconds = seconds
        self._outcomes: AtomicDict[str, Outcome] = AtomicDict()
        self.result = PENDING

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result of the first of these calls."""
        raised: list[BaseException] = []
        # Not a lambda: arguments in its closure would cost every call some time.
        lead = functools.partial(self._lead, args, kwargs, raised)
        outcome = self._outcomes.get_or_compute(self._name, lead, self._seconds)
        if outcome.error is not None:
            # The call that ran the function has the original.
            raise_error(raised.pop() if raised else outcome.error.copy())
        self.result = outcome.result
        return outcome.result

    def _lead(
        self,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        raised: list[BaseException],
        _name: str,
    ) -> Outcome:
        handled = sys.exception()
        try:
            return Outcome(self._func(*args, **kwargs))
        except Exception as error:
            outcome = failure(error, handled)
            raised.append(error)
            return outcome
