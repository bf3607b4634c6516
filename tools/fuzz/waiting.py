# SPDX-License-Identifier: Apache-2.0
"""The game *waiting*: threads wait, one notifies, and none of them sleeps on."""

from __future__ import annotations

import functools
import random
import threading
import time
from collections.abc import Callable
from typing import Any

from tools.fuzz.programs import Program, Wrong
from tools.fuzz.together import run_together

# A thread that is woken goes on within microseconds. One that was forgotten sleeps until its
# timeout: nothing else may take so many seconds.
TIMEOUT = 20.0
TOO_LATE = 10.0

KINDS = ["int", "float", "ref", "bool", "event", "latch"]
WAKERS = ["all", "one by one"]


def generate(choose: random.Random) -> Program:
    """A random program: what each waiter does before it waits, and then the notifier."""
    waiters = choose.randrange(1, 3)
    delays = [["spin", choose.choice([0, 0, 1, 100, 1000])] for _ in range(waiters)]
    notifier = [
        ["sleep", choose.choice([0.0, 0.0, 0.0005, 0.01])],
        ["spin", choose.choice([0, 10, 100, 1000])],
    ]
    setup = {"kind": choose.choice(KINDS), "wake": choose.choice(WAKERS)}
    return Program("waiting", [*([delay] for delay in delays), notifier], setup)


def play(program: Program) -> None:
    """Raise Wrong if a thread was not woken."""
    *waiters, notifier = program.threads
    wait, wake = _pair(program.setup["kind"], program.setup["wake"], len(waiters))

    def run_waiter(steps: list[Any]) -> tuple[bool, float]:
        _delay(steps)
        return wait(), time.monotonic()

    def run_notifier() -> float:
        _delay(notifier)
        wake()
        return time.monotonic()

    works: list[Callable[[], Any]] = [functools.partial(run_waiter, steps) for steps in waiters]
    *ended, notified = run_together([*works, run_notifier])
    for number, (was_woken, when) in enumerate(ended):
        if not was_woken or when - notified > TOO_LATE:
            raise Wrong(
                f"thread {number} was not woken: its wait returned {was_woken}, "
                f"{when - notified:.3f} s after the notification"
            )


def _delay(steps: list[Any]) -> None:
    for name, amount in (step for step in steps if len(step) == 2):
        if name == "sleep":
            time.sleep(amount)
        else:
            for _ in range(amount):
                threading.get_ident()


def _pair(kind: str, how: str, waiters: int) -> tuple[Callable[[], bool], Callable[[], None]]:
    """A function that waits, and one that wakes all waiters."""
    import cereggii

    if kind == "event":
        event = cereggii.AtomicEvent()
        return lambda: event.wait(TIMEOUT), event.set
    if kind == "latch":
        latch = cereggii.CountDownLatch(1)
        return lambda: latch.wait(TIMEOUT), latch.decrement
    made: Any = {
        "int": cereggii.AtomicInt,
        "float": cereggii.AtomicFloat,
        "ref": cereggii.AtomicRef,
        "bool": cereggii.AtomicBool,
    }
    shared = made[kind](False)
    handle = shared.get_handle()

    def wake() -> None:
        handle.set(True)
        if how == "all":
            shared.notify_all()
        else:
            for _ in range(waiters):
                shared.notify_one()

    return lambda: shared.wait_while(False, TIMEOUT), wake
