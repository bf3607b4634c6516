# SPDX-License-Identifier: Apache-2.0
"""A fork, a signal or the end of the interpreter while threads compute values, or wait for one."""

from __future__ import annotations

import pytest

from tools.testing.interpreters import run_program
from tools.testing.platforms import needs_fork, needs_timer_signals

from .forks import FORK

pytestmark = pytest.mark.thread_unsafe(reason="starts processes, and measures memory")


@needs_fork
def test_a_child_does_not_wait_for_what_its_parent_computes() -> None:
    run_program(
        FORK
        + """
    entered, proceed = threading.Event(), threading.Event()

    def slowly(key):
        entered.set()
        proceed.wait(20)
        return "by the parent"

    def wait():
        assert d.get_or_compute("key", quickly) == "by the parent"

    def quickly(key):
        return "by the child"

    def compute_in_child():
        assert d.get_or_compute("key", quickly) == "by the child"
        use(d)

    def fork_while_computing(key):
        # The thread that forks is its leader in the child, too.
        def work():
            thread = threading.Thread(target=lambda: found.append(d.get_or_compute(key, quickly)))
            found = []
            thread.start()
            time.sleep(0.02)
            assert not found
            d[key] = "stored"
            return thread, found
        if os.fork() == 0:
            try:
                faulthandler.dump_traceback_later(20, exit=True)
                in_forked.extend(work())
            except BaseException:
                os._exit(1)
        return "by whoever forked"

    leader = threading.Thread(target=d.get_or_compute, args=("key", slowly))
    waiters = [threading.Thread(target=wait) for _ in range(2)]
    leader.start()
    entered.wait(20)
    for waiter in waiters: waiter.start()
    time.sleep(0.02)
    for _ in range(3):
        in_child(compute_in_child)
    proceed.set()
    for thread in (leader, *waiters):
        thread.join(20)
        assert not thread.is_alive()
    assert d["key"] == "by the parent"

    in_forked = []
    parent = os.getpid()
    value = d.get_or_compute("forked", fork_while_computing)
    if os.getpid() != parent:
        thread, found = in_forked
        thread.join(20)
        os._exit(0 if value == "stored" and found == ["stored"] else 2)
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
    assert value == "by whoever forked"
    """
    )


@needs_timer_signals
def test_ctrl_c_ends_waiting_for_a_value_and_nothing_else() -> None:
    run_program("""
        import signal, threading
        from cereggii_atomicdict import AtomicDict
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        d = AtomicDict()
        entered, proceed = threading.Event(), threading.Event()

        def slowly(key):
            entered.set()
            proceed.wait(20)
            return "computed"

        leader = threading.Thread(target=d.get_or_compute, args=("key", slowly))
        leader.start()
        entered.wait(20)
        for _ in range(3):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            try:
                d.get_or_compute("key", slowly)
            except KeyboardInterrupt:
                continue
            raise AssertionError("not interrupted")
        proceed.set()
        assert d.get_or_compute("key", slowly) == "computed"
        leader.join(20)
    """)


def test_the_interpreter_ends_while_daemons_compute_and_wait() -> None:
    for _ in range(3):
        run_program("""
            import threading, time
            from cereggii_atomicdict import AtomicDict
            d = AtomicDict()
            entered = threading.Semaphore(0)

            def slowly(key):
                entered.release()
                while True:
                    time.sleep(0.0001)

            for n in range(6):
                threading.Thread(
                    target=d.get_or_compute, args=(n % 2, slowly), daemon=True
                ).start()
            for _ in range(2):
                entered.acquire()
            time.sleep(0.01)
        """)
