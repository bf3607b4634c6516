# SPDX-License-Identifier: Apache-2.0
"""Signals, fork and the end of the interpreter, whatever other threads do at that time."""

from __future__ import annotations

import sys

import pytest

from tools.testing.interpreters import run_program
from tools.testing.platforms import needs_fork, needs_timer_signals
from tools.testing.processes import END_AMID_DAEMONS, IN_CHILD
from tools.testing.waiting import (
    Atomic,
    check_blocked_daemons,
    check_ctrl_c,
    check_interrupted_wake_up,
    check_signal_handler_that_changes_it,
    check_signal_that_raises_nothing,
    check_wait_in_forked_child,
    every_long_timeout,
)

pytestmark = pytest.mark.thread_unsafe(reason="starts processes, and measures time")

FLOAT = Atomic("cereggii_atomicfloat", "AtomicFloat", first="0.0")


# ── signals ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT cannot be sent to one process")
@every_long_timeout
@pytest.mark.parametrize("target", ["AtomicFloat()", "AtomicFloat().get_handle()"])
def test_ctrl_c_ends_a_wait_at_once(target: str, timeout: str) -> None:
    check_ctrl_c(FLOAT, target, timeout)


@needs_timer_signals
def test_a_wait_goes_on_after_a_signal_that_raises_nothing() -> None:
    check_signal_that_raises_nothing(FLOAT)


@needs_timer_signals
def test_a_signal_handler_may_use_the_integer_that_is_waited_for() -> None:
    check_signal_handler_that_changes_it(FLOAT)


@needs_timer_signals
def test_an_interrupted_wait_passes_its_wake_up_on() -> None:
    """One of two waiters is interrupted as it is notified: the other must not sleep on."""
    check_interrupted_wake_up(FLOAT)


# ── fork ───────────────────────────────────────────────────────────────────────────────────────

FORK = (
    IN_CHILD
    + """
    from cereggii_atomicfloat import AtomicFloatSum, AtomicFloat
"""
)


@needs_fork
def test_a_forked_child_can_use_what_a_thread_of_its_parent_waits_for() -> None:
    check_wait_in_forked_child(FLOAT)


@needs_fork
def test_a_fork_at_any_moment_leaves_no_lock_behind() -> None:
    run_program(
        FORK
        + """
    sys.setswitchinterval(1e-5)
    left, right, total = AtomicFloat(), AtomicFloat(), AtomicFloatSum(2**62)
    stop = threading.Event()

    def play(mine, yours):
        while not stop.is_set():
            mine.increment_and_get()
            mine.notify_all()
            yours.wait_while(yours.get(), 0.001)

    def strain():
        while not stop.is_set():
            total.add(2**62)
            total.add(0.1)
            total.sum_and_reset()

    threads = [
        threading.Thread(target=play, args=(left, right)),
        threading.Thread(target=play, args=(right, left)),
        threading.Thread(target=strain),
    ]
    for thread in threads:
        thread.start()

    def work():
        for number in (left, right, AtomicFloat()):
            number.notify_all()
            number.wait_while(number.get(), 0.0001)
        total.add(0.1)
        total.sum()
        AtomicFloat(immortal=True)
        thread = threading.Thread(target=left.wait_while, args=(left.get(), ))
        thread.start()
        left.increment_and_get()
        left.notify_all()
        thread.join()

    try:
        for _ in range(40):
            in_child(work)
    finally:
        stop.set()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    """
    )


# ── the end of the interpreter ─────────────────────────────────────────────────────────────────


def test_a_blocked_daemon_thread_does_not_keep_the_interpreter_from_ending() -> None:
    check_blocked_daemons(FLOAT)


END = """
    import copy, time
    from cereggii_atomicfloat import AtomicFloatSum, AtomicFloat, AtomicFloatHandle
    class Slow:
        def __float__(self):
            time.sleep(0.0001)
            return 5.0
        def __repr__(self):
            time.sleep(0.0001)
            return "slow"
    class SlowDict(dict):
        def keys(self):
            time.sleep(0.0001)
            return super().keys()
    class SlowFloat(AtomicFloat):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            time.sleep(0.0001)
    class SlowHandle(AtomicFloatHandle):
        def __init__(self, *arguments):
            time.sleep(0.0001)
            super().__init__(*arguments)
    shared, total, slow = AtomicFloat(), AtomicFloatSum(), Slow()
    def wrong_argument():
        try:
            shared.set(Slow)
        except TypeError:
            pass
    def slow_error():
        try:
            AtomicFloatHandle(slow)
        except TypeError:
            pass
    operations = {
        "a constructor": lambda: AtomicFloat(Slow()),
        "a total's constructor": lambda: AtomicFloatSum(Slow()),
        "a failing constructor": slow_error,
        "a copy": lambda: copy.copy(SlowFloat(1)),
        "a copy of a handle": lambda: copy.copy(SlowHandle(shared)),
        "a state": lambda: SlowFloat.__new__(SlowFloat).__setstate__((1, SlowDict())),
        "a callback": lambda: shared.update_and_get(lambda value: time.sleep(0.0001) or value + 1),
        "an operator": lambda: shared.__iadd__(slow),
        "another operator": lambda: shared.__ifloordiv__(slow),
        "an amount": lambda: total.add(slow),
        "an error": wrong_argument,
        "a wait": lambda: shared.wait_while(shared.get(), 0.0001),
        "a shared float": lambda: [shared.__iadd__(1) for _ in range(100)],
        "new shared floats": lambda: [AtomicFloat().get_handle().get() for _ in range(100)],
    }
"""


@pytest.mark.parametrize(
    "operation",
    [
        "a constructor",
        "a total's constructor",
        "a failing constructor",
        "a copy",
        "a copy of a handle",
        "a state",
        "a callback",
        "an operator",
        "another operator",
        "an amount",
        "an error",
        "a wait",
        "a shared float",
        "new shared floats",
    ],
)
def test_the_interpreter_may_end_while_a_daemon_thread_is_in(operation: str) -> None:
    run_program(END + END_AMID_DAEMONS, operation)
