# SPDX-License-Identifier: Apache-2.0
"""call_once beside signals and forks."""

from __future__ import annotations

import pytest

from tools.testing.interpreters import run_program
from tools.testing.platforms import needs_fork, needs_thread_signals


@pytest.mark.thread_unsafe(reason="starts processes")
@needs_thread_signals
@pytest.mark.parametrize("timeout", ["None", "1000", "threading.TIMEOUT_MAX", "float('inf')"])
def test_ctrl_c_ends_a_wait_and_the_call_goes_on(timeout: str) -> None:
    run_program(f"""
        import signal, threading, time
        from cereggii import call_once
        # A shell's background jobs ignore SIGINT, so Python has not installed this handler there.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        entered, proceed, calls, found = threading.Event(), threading.Event(), [], []

        @call_once(timeout={timeout})
        def compute():
            calls.append(1)
            entered.set()
            assert proceed.wait(20)
            return "computed"

        threads = [threading.Thread(target=lambda: found.append(compute()), daemon=True)
                   for _ in range(3)]
        def interrupt():
            time.sleep(0.2)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        threads[0].start()
        assert entered.wait(20)
        for thread in threads[1:]:
            thread.start()
        interrupter = threading.Thread(target=interrupt)
        interrupter.start()
        try:
            compute()
        except KeyboardInterrupt:
            pass
        else:
            raise AssertionError("not interrupted")
        interrupter.join()
        assert all(thread.is_alive() for thread in threads)
        proceed.set()
        for thread in threads:
            thread.join(20)
        assert found == ["computed"] * 3
        assert compute() == "computed"
        assert calls == [1]
    """)


@pytest.mark.thread_unsafe(reason="starts processes")
@needs_thread_signals
def test_ctrl_c_in_the_function_lets_one_waiter_call_it() -> None:
    run_program("""
        import signal, threading, time
        from cereggii import call_once
        signal.signal(signal.SIGINT, signal.default_int_handler)
        calls, found = [], []
        entered = threading.Event()

        @call_once
        def compute():
            calls.append(threading.current_thread())
            if len(calls) == 1:
                entered.set()
                time.sleep(20)
            return "computed"

        def wait():
            assert entered.wait(20)
            found.append(compute())

        def interrupt():
            assert entered.wait(20)
            time.sleep(0.2)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

        threads = [threading.Thread(target=work, daemon=True) for work in (interrupt, *[wait] * 4)]
        for thread in threads:
            thread.start()
        try:
            compute()
        except KeyboardInterrupt:
            pass
        else:
            raise AssertionError("not interrupted")
        for thread in threads:
            thread.join(20)
        assert found == ["computed"] * 4
        assert len(calls) == 2
        assert compute() == "computed"
    """)


@pytest.mark.thread_unsafe(reason="starts processes")
@needs_thread_signals
def test_a_signal_handler_that_interrupts_the_function_is_told_that_it_waits_for_itself() -> None:
    run_program("""
        import signal
        from cereggii import call_once
        told = []

        def handler(*_):
            try:
                compute()
            except RuntimeError as error:
                told.append(error)
        signal.signal(signal.SIGUSR1, handler)

        @call_once
        def compute():
            signal.raise_signal(signal.SIGUSR1)
            return "computed"

        assert compute() == "computed"
        assert len(told) == 1
        signal.raise_signal(signal.SIGUSR1)
        assert len(told) == 1
    """)


@pytest.mark.thread_unsafe(reason="starts processes")
@needs_fork
def test_a_forked_child_makes_the_call_that_another_thread_of_its_parent_was_making() -> None:
    run_program("""
        import faulthandler, os, threading, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        from cereggii import call_once
        entered, proceed, found = threading.Event(), threading.Event(), []

        @call_once
        def compute(wait):
            if wait:
                entered.set()
                assert proceed.wait(20)
            return os.getpid()

        thread = threading.Thread(target=lambda: found.append(compute(True)))
        thread.start()
        assert entered.wait(20)
        child = os.fork()
        if child == 0:
            faulthandler.dump_traceback_later(20, exit=True)
            code = 1
            try:
                assert compute(False) == compute(False) == os.getpid()
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0, status
        proceed.set()
        thread.join(20)
        assert found == [os.getpid()] == [compute(False)]
    """)
