# SPDX-License-Identifier: Apache-2.0
"""Signals, fork and the end of the interpreter; and the program that the README began with."""

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
@pytest.mark.parametrize("target", ["AtomicRef()", "AtomicRef().get_handle()"])
def test_ctrl_c_ends_a_wait_at_once(target: str, timeout: str) -> None:
    program = f"""
        import signal, threading
        from cereggii_atomicref import AtomicRef
        # A shell's background jobs ignore SIGINT, so Python has not installed this handler there.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        target = {target}
        print("waiting", flush=True)
        try:
            target.wait_while(None{timeout})
        except KeyboardInterrupt:
            assert target.get() is None
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
        from cereggii_atomicref import AtomicRef
        ref = AtomicRef()
        count = []
        signal.signal(signal.SIGALRM, lambda *_: count.append(1))
        signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
        start = time.monotonic()
        assert ref.wait_while(None, 0.5) is False
        elapsed = time.monotonic() - start
        assert 0.49 <= elapsed < 20, elapsed
        assert len(count) >= 2, count
        signal.setitimer(signal.ITIMER_REAL, 0)  # not while the interpreter ends
    """)


@needs_timer_signals
def test_a_signal_handler_may_use_the_ref_that_is_waited_for() -> None:
    run_program("""
        import signal
        from cereggii_atomicref import AtomicRef
        ref = AtomicRef()
        def handler(*_):
            assert ref.wait_while(None, 0.01) is False
            ref.set(1)
            ref.notify_one()
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        assert ref.wait_while(None, 20) is True
    """)


@needs_timer_signals
def test_an_interrupted_wait_passes_its_wake_up_on() -> None:
    """One of two waiters is interrupted as it is notified: the other must not sleep on."""
    run_program("""
        import signal, threading, time
        from cereggii_atomicref import AtomicRef

        class Interrupted(Exception):
            pass

        armed = []
        def handler(*_):
            if armed:
                armed.clear()
                raise Interrupted
        signal.signal(signal.SIGUSR1, handler)

        def change(ref, trial):
            time.sleep(0.002)  # until both are blocked, the main thread first
            ref.set(1)
            if trial % 3 == 0:
                signal.raise_signal(signal.SIGUSR1)
            elif trial % 3 == 1:
                signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
            ref.notify_one()
            if trial % 3 == 2:
                signal.raise_signal(signal.SIGUSR1)

        def wait_second(ref):
            time.sleep(0.001)
            ref.wait_while(None)
            ref.notify_one()  # if this one was the first after all

        interrupted = 0
        for trial in range(300):
            ref = AtomicRef()
            other = threading.Thread(target=wait_second, args=(ref,), daemon=True)
            changer = threading.Thread(target=change, args=(ref, trial))
            other.start()
            changer.start()
            returned = []
            try:
                armed.append(True)
                # No bytecode, so no signal handler, between the return and the record of it.
                returned.extend(map(ref.wait_while, (None,)))
                armed.clear()
            except Interrupted:
                interrupted += 1
            if returned:  # the wake-up was this thread's: it passes it on itself
                ref.notify_one()
            other.join(20)
            assert not other.is_alive(), trial
            changer.join()
        assert interrupted > 50, interrupted
    """)


# ── fork ───────────────────────────────────────────────────────────────────────────────────────

FORK = """
    import faulthandler, os, sys, threading, time, warnings
    warnings.simplefilter("ignore", DeprecationWarning)
    from cereggii_atomicref import AtomicRef, AtomicStampedRef

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
    ref = AtomicRef()
    threads = [threading.Thread(target=ref.wait_while, args=(None,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)

    def work():
        assert ref.wait_while(None, 0.01) is False
        ref.notify_one()
        ref.notify_all()
        thread = threading.Thread(target=ref.wait_while, args=(None,))
        thread.start()
        time.sleep(0.05)
        ref.set(1)
        ref.notify_one()
        thread.join(10)
        assert not thread.is_alive()
        assert ref.wait_while(1, 0.01) is False
        ref.get_handle().notify_all()

    in_child(work)
    assert ref.get() is None
    ref.set(1)
    ref.notify_all()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    """
    )


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
    start = time.monotonic()
    run_program("""
        import threading, time
        from cereggii_atomicref import AtomicRef
        ref = AtomicRef()
        for timeout in (None, 1000, threading.TIMEOUT_MAX, float("inf"), 0.3, 0.31):
            threading.Thread(target=ref.wait_while, args=(None, timeout), daemon=True).start()
        time.sleep(0.2)
    """)
    assert time.monotonic() - start < STARTUP / 2


END = """
    import copy, pickle, sys, threading, time
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
    run_program(END, operation)


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
