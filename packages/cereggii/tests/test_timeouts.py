# SPDX-License-Identifier: Apache-2.0
"""Every wait takes every timeout that Python has, and names a wrong one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cereggii import (
    AtomicBool,
    AtomicCache,
    AtomicEvent,
    AtomicInt,
    CountDownLatch,
    ReadersWriterLock,
    call_once,
)

from tools.testing import timeouts
from tools.testing.concurrency import Gate, Task

from .lock_threads import inside


def flag_wait(flag: Any) -> timeouts.Wait:
    def let_go() -> None:
        flag.set(True)
        flag.notify_all()

    return lambda timeout: flag.wait_while(False, timeout), let_go


def event_wait() -> timeouts.Wait:
    event = AtomicEvent()
    return event.wait, event.set


def latch_wait() -> timeouts.Wait:
    latch = CountDownLatch(1)
    return latch.wait, latch.decrement


def lock_wait(side: str, how: str) -> timeouts.Wait:
    """Another thread has the lock."""
    lock = ReadersWriterLock()
    holder = inside(lock, "writer")
    make_side: Any = getattr(lock, side)

    def acquire(timeout: Any) -> bool:
        one = make_side(timeout) if how == "own" else make_side()
        if not (one.acquire() if how == "own" else one.acquire(timeout=timeout)):
            return False
        one.release()
        return True

    def enter(timeout: Any) -> bool:
        try:
            with make_side(timeout=timeout):
                return True
        except TimeoutError:
            return False

    return enter if how == "with" else acquire, holder.leave


def entered(call: Callable[[], Any], gate: Gate) -> Callable[[], None]:
    """Another thread makes the call, and is in it; what lets it go on."""
    leader = Task(call)
    leader.start()
    gate.wait_until_entered()

    def let_go() -> None:
        gate.opened.set()
        leader.result()

    return let_go


def once_wait() -> timeouts.Wait:
    """Each timeout gets its own call_once, whose function another thread runs."""
    let_go_all: list[Callable[[], None]] = []
    gone: list[bool] = []

    def go_on(timeout: Any) -> bool:
        gate = Gate()
        once = call_once(gate, timeout=timeout)
        let_go_all.append(entered(lambda: once(1), gate))
        if gone:
            let_go_all[-1]()
        try:
            once(2)
        except TimeoutError:
            return False
        assert gate.calls == [1]
        return True

    def let_go() -> None:
        gone.append(True)
        for each in let_go_all:
            each()

    return go_on, let_go


def invalidate_wait(**limits: Any) -> timeouts.Wait:
    """Another thread computes the value that is to be dropped."""
    gate = Gate()
    cache: Any = AtomicCache(gate, **limits)

    def go_on(timeout: Any) -> bool:
        try:
            cache.invalidate("key", timeout)
        except TimeoutError:
            return False
        return True

    return go_on, entered(lambda: cache["key"], gate)


WAITS: dict[str, timeouts.MakeWait] = {
    "AtomicBool": lambda: flag_wait(AtomicBool(False)),
    "AtomicBoolHandle": lambda: flag_wait(AtomicBool(False).get_handle()),
    "AtomicEvent": event_wait,
    "CountDownLatch": latch_wait,
    "call_once": once_wait,
    "AtomicCache.invalidate": invalidate_wait,
    "AtomicCache.invalidate, with limits": lambda: invalidate_wait(maxsize=3),
} | {
    f"{side}, {how}": lambda side=side, how=how: lock_wait(side, how)  # type: ignore[misc]
    for side in ("reader", "writer")
    for how in ("acquire", "own", "with")
}


class TestTimeouts(timeouts.TimeoutTests):
    waits = WAITS
    keep_timeout = ("call_once",)

    def takes_as_endless(self, name: str, timeout: Any) -> bool:
        # As for the locks of `threading`, -1 means that there is no limit.
        return name.endswith("acquire") and isinstance(timeout, (int, float)) and timeout == -1

    @pytest.mark.parametrize("handle", [False, True], ids=["AtomicInt", "AtomicIntHandle"])
    def test_an_atomic_is_a_number_of_seconds(self, make: timeouts.MakeWait, handle: bool) -> None:
        number: Any = AtomicInt(0)
        timeouts.ends(make(), number.get_handle() if handle else number)
