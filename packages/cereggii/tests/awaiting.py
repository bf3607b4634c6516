# SPDX-License-Identifier: Apache-2.0
"""Event loops for tests, and coroutine functions to be called once."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from tools.testing.concurrency import PATIENCE

from .calls import Thing


def on_a_loop(function: Callable[[], Coroutine[Any, Any, Any]]) -> Callable[[], Any]:
    """A function that runs a coroutine on an event loop of its own."""
    return lambda: asyncio.run(asyncio.wait_for(function(), PATIENCE))


def with_loop(test: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., None]:
    """Runs a test, which is a coroutine function, on an event loop."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(asyncio.wait_for(test(*args, **kwargs), PATIENCE))

    return run


async def outcome_of(awaitable: Awaitable[Any]) -> Any:
    try:
        return await awaitable
    except BaseException as error:
        return error


async def until(condition: Callable[[], Any]) -> None:
    """Wait without blocking the loop."""
    while not condition():
        await asyncio.sleep(0.001)


class Held:
    """A coroutine function that can be held while it runs."""

    def __init__(self, result: Any = None) -> None:
        self.calls: list[Any] = []
        self.ended: list[Any] = []
        self.may_go_on = threading.Event()
        self.result = Thing() if result is None else result

    async def __call__(self, *arguments: Any) -> Any:
        self.calls.append(arguments)
        try:
            await until(self.may_go_on.is_set)
        except BaseException as error:
            self.ended.append(type(error))
            raise
        self.ended.append(None)
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result
