# SPDX-License-Identifier: Apache-2.0
"""Every wait takes every timeout that Python has, and names a wrong one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

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

Make: TypeAlias = Callable[[], timeouts.Wait]


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
    """For each timeout another call_once, whose call another thread makes."""
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


WAITS: dict[str, Make] = {
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

pytestmark = [
    pytest.mark.thread_unsafe(reason="starts threads of its own"),
    pytest.mark.usefixtures("switch_often"),
]

WORDS = timeouts.ids([timeout for timeout, _ in timeouts.REFUSED])
each_wait = pytest.mark.parametrize("make", WAITS.values(), ids=WAITS)


@each_wait
@pytest.mark.parametrize("timeout", timeouts.ACCEPTED, ids=timeouts.ids(timeouts.ACCEPTED))
def test_a_right_timeout_is_accepted_where_there_is_nothing_to_wait_for(
    make: Make, timeout: Any
) -> None:
    timeouts.accepts_at_once(make(), timeout)


@each_wait
@pytest.mark.parametrize("timeout", timeouts.SHORT, ids=timeouts.ids(timeouts.SHORT))
def test_a_wait_ends_when_its_time_is_over(make: Make, timeout: Any) -> None:
    timeouts.ends(make(), timeout)


@each_wait
def test_a_wait_with_a_long_timeout_or_none_lasts_until_it_is_let_go(make: Make) -> None:
    timeouts.waits_with(make(), [*timeouts.LONG, *timeouts.ENDLESS])


@pytest.mark.parametrize(
    ("make", "timeout", "error"),
    [
        pytest.param(make, timeout, error, id=f"{name}-{word}")
        for name, make in WAITS.items()
        for (timeout, error), word in zip(timeouts.REFUSED, WORDS, strict=True)
        # To acquire a lock, it means that there is no limit.
        if not (name.endswith("acquire") and isinstance(timeout, (int, float)) and timeout == -1)
    ],
)
def test_a_wrong_timeout_is_refused_and_named(
    make: Make, timeout: Any, error: type[Exception]
) -> None:
    timeouts.refuses(make(), timeout, error)


@pytest.mark.parametrize("name", sorted({*WAITS} - {"call_once"}))  # which keeps it for many waits
def test_a_timeout_is_asked_for_its_value_once(name: str) -> None:
    timeouts.asks_once(WAITS[name]())


@each_wait
def test_what_the_timeout_itself_raises_propagates(make: Make) -> None:
    go_on, let_go = make()
    try:
        with pytest.raises(LookupError, match="no float"):
            go_on(timeouts.Broken())
    finally:
        let_go()
    assert go_on(None) is True


@each_wait
@pytest.mark.parametrize("handle", [False, True], ids=["AtomicInt", "AtomicIntHandle"])
def test_an_atomic_is_a_number_of_seconds(make: Make, handle: bool) -> None:
    number: Any = AtomicInt(0)
    timeouts.ends(make(), number.get_handle() if handle else number)
