# SPDX-License-Identifier: Apache-2.0
"""Signals, fork and the end of the interpreter, whatever other threads do at that time."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from tools.testing.interpreters import STARTUP, command, run_program
from tools.testing.platforms import needs_fork, needs_timer_signals

pytestmark = pytest.mark.thread_unsafe(reason="starts processes, and measures time")


# ── signals ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT cannot be sent to one process")
@pytest.mark.parametrize("timeout", ["", ", 1000", ", threading.TIMEOUT_MAX", ", float('inf')"])
@pytest.mark.parametrize("target", ["AtomicInt()", "AtomicInt().get_handle()"])
def test_ctrl_c_ends_a_wait_at_once(target: str, timeout: str) -> None:
    program = f"""
        import signal, threading
        from cereggii_atomicint import AtomicInt
        # A shell's background jobs ignore SIGINT, so Python has not installed this handler there.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        target = {target}
        print("waiting", flush=True)
        try:
            target.wait_while(0{timeout})
        except KeyboardInterrupt:
            assert target.get() == 0
            print("interrupted", flush=True)
    """
    with subprocess.Popen(command(program), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "waiting\n"
            time.sleep(0.2)
            assert process.poll() is None
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=STARTUP)
        finally:
            process.kill()
    assert process.returncode == 0
    assert output == "interrupted\n"


@needs_timer_signals
def test_a_wait_goes_on_after_a_signal_that_raises_nothing() -> None:
    run_program("""
        import signal, time
        from cereggii_atomicint import AtomicInt
        integer = AtomicInt()
        count = []
        signal.signal(signal.SIGALRM, lambda *_: count.append(1))
        signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
        start = time.monotonic()
        assert integer.wait_while(0, 0.5) is False
        elapsed = time.monotonic() - start
        assert 0.49 <= elapsed < 20, elapsed
        assert len(count) >= 2, count
        signal.setitimer(signal.ITIMER_REAL, 0)  # not while the interpreter ends
    """)


@needs_timer_signals
def test_a_signal_handler_may_use_the_integer_that_is_waited_for() -> None:
    run_program("""
        import signal
        from cereggii_atomicint import AtomicInt
        integer = AtomicInt()
        def handler(*_):
            assert integer.wait_while(0, 0.01) is False
            integer.set(1)
            integer.notify_one()
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        assert integer.wait_while(0, 20) is True
    """)


@needs_timer_signals
def test_an_interrupted_wait_passes_its_wake_up_on() -> None:
    """One of two waiters is interrupted as it is notified: the other must not sleep on."""
    run_program("""
        import signal, threading, time
        from cereggii_atomicint import AtomicInt

        class Interrupted(Exception):
            pass

        armed = []
        def handler(*_):
            if armed:
                armed.clear()
                raise Interrupted
        signal.signal(signal.SIGUSR1, handler)

        def change(integer, trial):
            time.sleep(0.002)  # until both are blocked, the main thread first
            integer.set(1)
            if trial % 3 == 0:
                signal.raise_signal(signal.SIGUSR1)
            elif trial % 3 == 1:
                signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
            integer.notify_one()
            if trial % 3 == 2:
                signal.raise_signal(signal.SIGUSR1)

        def wait_second(integer):
            time.sleep(0.001)
            integer.wait_while(0)
            integer.notify_one()  # if this one was the first after all

        interrupted = 0
        for trial in range(300):
            integer = AtomicInt()
            other = threading.Thread(target=wait_second, args=(integer,), daemon=True)
            changer = threading.Thread(target=change, args=(integer, trial))
            other.start()
            changer.start()
            returned = []
            try:
                armed.append(True)
                # No bytecode, so no signal handler, between the return and the record of it.
                returned.extend(map(integer.wait_while, (0,)))
                armed.clear()
            except Interrupted:
                interrupted += 1
            if returned:  # the wake-up was this thread's: it passes it on itself
                integer.notify_one()
            other.join(20)
            assert not other.is_alive(), trial
            changer.join()
        assert interrupted > 50, interrupted
    """)


# ── fork ───────────────────────────────────────────────────────────────────────────────────────

FORK = """
    import faulthandler, os, sys, threading, time, warnings
    warnings.simplefilter("ignore", DeprecationWarning)
    from cereggii_atomicint import AtomicCounter, AtomicInt

    def in_child(work):
        # Runs work() in a forked process; it has to end in time, and well.
        child = os.fork()
        if child == 0:
            faulthandler.dump_traceback_later(20, exit=True)
            code = 1
            try:
                work()
                code = 0
            except BaseException:
                import traceback
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0, status
"""


@needs_fork
def test_a_forked_child_can_use_what_a_thread_of_its_parent_waits_for() -> None:
    run_program(
        FORK
        + """
    integer = AtomicInt()
    threads = [threading.Thread(target=integer.wait_while, args=(0,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)

    def work():
        assert integer.wait_while(0, 0.01) is False
        integer.notify_one()
        integer.notify_all()
        thread = threading.Thread(target=integer.wait_while, args=(0,))
        thread.start()
        time.sleep(0.05)
        integer.set(1)
        integer.notify_one()
        thread.join(10)
        assert not thread.is_alive()
        assert integer.wait_while(1, 0.01) is False
        integer.get_handle().notify_all()

    in_child(work)
    assert integer.get() == 0
    integer.set(1)
    integer.notify_all()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    """
    )


@needs_fork
def test_a_fork_at_any_moment_leaves_no_lock_behind() -> None:
    run_program(
        FORK
        + """
    sys.setswitchinterval(1e-5)
    left, right, far, counter = AtomicInt(), AtomicInt(), [], AtomicCounter(2**62)
    stop = threading.Event()

    def play(mine, yours):
        while not stop.is_set():
            mine.increment_and_get()
            mine.notify_all()
            yours.wait_while(yours.get(), 0.001)

    def strain():
        # The short locks: a first value that is far out, a sum, an amount that is carried.
        while not stop.is_set():
            AtomicInt().set(2**62)
            counter.add(2**62)
            counter.sum_and_reset()

    threads = [
        threading.Thread(target=play, args=(left, right)),
        threading.Thread(target=play, args=(right, left)),
        threading.Thread(target=strain),
    ]
    for thread in threads:
        thread.start()

    def work():
        for integer in (left, right, AtomicInt()):
            integer.notify_all()
            integer.wait_while(integer.get(), 0.0001)
        AtomicInt().set(2**62)
        counter.add(2**62)
        counter.sum()
        AtomicInt(immortal=True)
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
    start = time.monotonic()
    run_program("""
        import threading, time
        from cereggii_atomicint import AtomicInt
        integer = AtomicInt()
        for timeout in (None, 1000, threading.TIMEOUT_MAX, float("inf"), 0.3, 0.31):
            threading.Thread(target=integer.wait_while, args=(0, timeout), daemon=True).start()
        time.sleep(0.2)
    """)
    assert time.monotonic() - start < STARTUP / 2


END = """
    import copy, sys, threading, time
    from cereggii_atomicint import AtomicCounter, AtomicInt, AtomicIntHandle
    class Slow:
        def __index__(self):
            time.sleep(0.0001)
            return 5
        def __repr__(self):
            time.sleep(0.0001)
            return "slow"
    class SlowDict(dict):
        def keys(self):
            time.sleep(0.0001)
            return super().keys()
    class SlowInt(AtomicInt):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            time.sleep(0.0001)
    class SlowHandle(AtomicIntHandle):
        def __init__(self, *arguments):
            time.sleep(0.0001)
            super().__init__(*arguments)
    shared, counter, slow = AtomicInt(), AtomicCounter(), Slow()
    def wrong_argument():
        try:
            shared.set(Slow)
        except TypeError:
            pass
    def slow_error():
        try:
            AtomicIntHandle(slow)
        except TypeError:
            pass
    operations = {
        "a constructor": lambda: AtomicInt(Slow()),
        "a counter's constructor": lambda: AtomicCounter(Slow()),
        "a failing constructor": slow_error,
        "a copy": lambda: copy.copy(SlowInt(1)),
        "a copy of a handle": lambda: copy.copy(SlowHandle(shared)),
        "a state": lambda: SlowInt.__new__(SlowInt).__setstate__((1, SlowDict())),
        "a callback": lambda: shared.update_and_get(lambda value: time.sleep(0.0001) or value + 1),
        "an operator": lambda: shared.__iadd__(slow),
        "another operator": lambda: shared.__ixor__(slow),
        "an amount": lambda: counter.add(slow),
        "an error": wrong_argument,
        "a wait": lambda: shared.wait_while(shared.get(), 0.0001),
        "a shared integer": lambda: [shared.__iadd__(1) for _ in range(100)],
        "new shared integers": lambda: [AtomicInt().get_handle().get() for _ in range(100)],
    }
    operation = operations[sys.argv[1]]
    def work():
        while True:
            operation()
    for _ in range(4):
        threading.Thread(target=work, daemon=True).start()
    time.sleep(0.1)
"""


@pytest.mark.parametrize(
    "operation",
    [
        "a constructor",
        "a counter's constructor",
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
        "a shared integer",
        "new shared integers",
    ],
)
def test_the_interpreter_may_end_while_a_daemon_thread_is_in(operation: str) -> None:
    run_program(END, operation)
