# SPDX-License-Identifier: Apache-2.0
"""Functions to be called once, and what calls of them gave."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import Any

from cereggii import call_once

from tools.testing.concurrency import PATIENCE

THREADS = 4


class Thing:
    """An object that equals only itself."""


class FailedError(Exception):
    """Raised by functions."""


class Held:
    """A function that can be held while it runs, and that keeps the arguments of its calls."""

    def __init__(self, result: Any = None) -> None:
        self.calls: list[Any] = []
        self.entered = threading.Semaphore(0)
        self.proceed = threading.Semaphore(0)
        self.result = Thing() if result is None else result

    def __call__(self, *arguments: Any) -> Any:
        self.calls.append(arguments)
        self.entered.release()
        assert self.proceed.acquire(timeout=PATIENCE)
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result

    def wait_until_entered(self) -> None:
        assert self.entered.acquire(timeout=PATIENCE)


def outcome_of(call: Callable[..., Any], *arguments: Any) -> Any:
    """The result of a call, or its exception."""
    try:
        return call(*arguments)
    except BaseException as error:
        return error


def raising(error: BaseException) -> Callable[..., Any]:
    """A function that raises it, to be called once."""

    @call_once
    def fail(*_: Any) -> None:
        raise error

    return fail


def names_of_frames(error: BaseException) -> list[str]:
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]
