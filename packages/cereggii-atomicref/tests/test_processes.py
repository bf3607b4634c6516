# SPDX-License-Identifier: Apache-2.0
"""Signals, fork and the end of the interpreter; and the program that the README began with."""

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

REF = Atomic("cereggii_atomicref", "AtomicRef", first="None")


# ── signals ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT cannot be sent to one process")
@every_long_timeout
@pytest.mark.parametrize("target", ["AtomicRef()", "AtomicRef().get_handle()"])
def test_ctrl_c_ends_a_wait_at_once(target: str, timeout: str) -> None:
    check_ctrl_c(REF, target, timeout)


@needs_timer_signals
def test_a_wait_goes_on_after_a_signal_that_raises_nothing() -> None:
    check_signal_that_raises_nothing(REF)


@needs_timer_signals
def test_a_signal_handler_may_use_the_ref_that_is_waited_for() -> None:
    check_signal_handler_that_changes_it(REF)


@needs_timer_signals
def test_an_interrupted_wait_passes_its_wake_up_on() -> None:
    """One of two waiters is interrupted as it is notified: the other must not sleep on."""
    check_interrupted_wake_up(REF)


# ── fork ───────────────────────────────────────────────────────────────────────────────────────

FORK = (
    IN_CHILD
    + """
    from cereggii_atomicref import AtomicRef, AtomicStampedRef
"""
)


@needs_fork
def test_a_forked_child_can_use_what_a_thread_of_its_parent_waits_for() -> None:
    check_wait_in_forked_child(REF)


@needs_fork
def test_a_fork_at_any_moment_leaves_nothing_broken() -> None:
    run_program(
        FORK
        + """
    sys.setswitchinterval(1e-5)
    left, right, stamped = AtomicRef([0]), AtomicRef([0]), AtomicStampedRef(0, 0)
    stop = threading.Event()

    def play(mine, yours):
        while not stop.is_set():
            mine.update_and_get(lambda found: [found[0] + 1])
            mine.notify_all()
            yours.wait_while(yours.get(), 0.001)

    def strain():
        while not stop.is_set():
            value, stamp = stamped.get()
            stamped.compare_and_set(value, value + 1, stamp, stamp + 1)

    threads = [
        threading.Thread(target=play, args=(left, right)),
        threading.Thread(target=play, args=(right, left)),
        threading.Thread(target=strain),
        threading.Thread(target=strain),
    ]
    for thread in threads:
        thread.start()

    def work():
        for ref in (left, right, AtomicRef([0])):
            assert type(ref.get()[0]) is int
            ref.notify_all()
            ref.wait_while(ref.get(), 0.0001)
        value, stamp = stamped.get()
        assert value == stamp
        assert stamped.compare_and_set(value, None, stamp, 0)
        AtomicRef(immortal=True)
        thread = threading.Thread(target=left.wait_while, args=(left.get(),))
        thread.start()
        left.set(None)
        left.notify_all()
        thread.join()

    try:
        for _ in range(30):
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
    check_blocked_daemons(REF)


END = """
    import copy, time
    from cereggii_atomicref import AtomicRef, AtomicRefHandle, AtomicStampedRef
    class Slow:
        def __index__(self):
            time.sleep(0.0001)
            return 5
        def __repr__(self):
            time.sleep(0.0001)
            return "slow"
        def __reduce__(self):
            time.sleep(0.0001)
            return Slow, ()
    class SlowToDie:
        def __del__(self):
            sleep(0.0001)
            assert shared is not None
    class SlowRef(AtomicRef):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            time.sleep(0.0001)
    sleep = time.sleep
    shared, stamped, slow = AtomicRef(), AtomicStampedRef(), Slow()
    def slow_error():
        try:
            AtomicRefHandle(slow)
        except TypeError:
            pass
    def wrong_argument():
        try:
            shared.update_and_get(slow)
        except TypeError:
            pass
    operations = {
        "a constructor": lambda: SlowRef(5).get_handle(),
        "a stamp": lambda: stamped.set(None, slow),
        "another stamp": lambda: stamped.compare_and_set(None, None, slow, slow),
        "a failing constructor": slow_error,
        "an error": wrong_argument,
        "a copy": lambda: copy.copy(SlowRef(1)),
        "a deep copy": lambda: copy.deepcopy(AtomicRef(slow)),
        "a callback": lambda: shared.update_and_get(lambda value: time.sleep(0.0001)),
        "a finalizer": lambda: shared.set(SlowToDie()),
        "a repr": lambda: repr(AtomicRef(slow)),
        "a wait": lambda: shared.wait_while(shared.get(), 0.0001),
        "a shared ref": lambda: [shared.set([shared.get()][:0]) for _ in range(100)],
        "new shared refs": lambda: [AtomicRef([]).get_handle().get() for _ in range(100)],
    }
"""


@pytest.mark.parametrize(
    "operation",
    [
        "a constructor",
        "a stamp",
        "another stamp",
        "a failing constructor",
        "an error",
        "a copy",
        "a deep copy",
        "a callback",
        "a finalizer",
        "a repr",
        "a wait",
        "a shared ref",
        "new shared refs",
    ],
)
def test_the_interpreter_may_end_while_a_daemon_thread_is_in(operation: str) -> None:
    run_program(END + END_AMID_DAEMONS, operation)


def test_objects_in_a_module_are_finalized_at_the_end() -> None:
    output = run_program("""
        from cereggii_atomicref import AtomicRef
        class Last:
            def __del__(self):
                print("finalized", flush=True)
        ref = AtomicRef(Last())
        cycle = AtomicRef()
        cycle.set([cycle, Last()])
        handle = AtomicRef(Last()).get_handle()
    """)
    assert output.splitlines() == ["finalized"] * 3


def test_an_object_in_an_immortal_ref_does_not_keep_the_interpreter_from_ending() -> None:
    run_program("""
        from cereggii_atomicref import AtomicRef
        class Last:
            def __del__(self):
                print(self.kept, len, flush=True)
        last = Last()
        last.kept = AtomicRef(last, immortal=True)
        last.kept.set([last, last.kept, last.kept.get_handle()])
    """)


# ── cereggii 1.x ───────────────────────────────────────────────────────────────────────────────


def test_the_program_of_the_first_readme_runs_unchanged() -> None:
    run_program("""
        import cereggii_atomicref as cereggii


        o = object()
        d = {}
        i = 0

        r = cereggii.AtomicRef()
        assert r.get() is None
        assert r.compare_and_set(expected=None, updated=o)
        assert r.get_and_set(d) == o
        r.set(i)  # always returns None
    """)


@needs_fork
@pytest.mark.parametrize("timeout", [None, 60])
def test_a_waiting_thread_that_forks_in_a_signal_handler_goes_on_waiting(
    timeout: float | None,
) -> None:
    program = f"""
        import os, signal, threading, time
        from cereggii_atomicref import AtomicRef

        ref = AtomicRef(1)
        child = None

        def notify_later():
            time.sleep(0.3)
            ref.set(2)
            ref.notify_all()

        def fork(*_):
            global child
            if child is None:
                child = os.fork()
                threading.Thread(target=notify_later, daemon=True).start()

        signal.signal(signal.SIGUSR1, fork)
        threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGUSR1)).start()
        assert ref.wait_while(1, {timeout})
        if child == 0:
            os._exit(0)
        for _ in range(500):
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                break
            time.sleep(0.01)
        else:
            os.kill(child, signal.SIGKILL)
            raise AssertionError("the child is still waiting")
        assert status == 0, status
    """
    run_program(program)
