# SPDX-License-Identifier: Apache-2.0
"""A ReadersWriterLock beside signals, forks and the end of the interpreter."""

from __future__ import annotations

import pytest

from tools.testing.interpreters import run_program
from tools.testing.platforms import needs_fork, needs_thread_signals

from .lock_threads import both_sides


@pytest.mark.thread_unsafe(reason="starts processes")
@needs_thread_signals
@pytest.mark.parametrize("timeout", ["", "1000", "threading.TIMEOUT_MAX", "float('inf')"])
@pytest.mark.parametrize("how", ["acquire", "__enter__"])
@pytest.mark.parametrize(
    ("holder", "side"), [("writer", "reader"), ("reader", "writer"), ("writer", "writer")]
)
def test_ctrl_c_ends_a_wait_and_those_behind_go_on(
    holder: str, side: str, how: str, timeout: str
) -> None:
    run_program(f"""
        import signal, threading, time
        from cereggii import ReadersWriterLock
        # A shell's background jobs ignore SIGINT, so Python has not installed this handler there.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        lock = ReadersWriterLock()
        held, go, behind_is_in = threading.Event(), threading.Event(), threading.Event()

        def hold():
            with lock.{holder}():
                held.set()
                assert go.wait(20)

        def wait_behind():
            time.sleep(0.1)
            with lock.reader():
                behind_is_in.set()

        def interrupt():
            time.sleep(0.3)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

        threads = [threading.Thread(target=work, daemon=True)
                   for work in (hold, wait_behind, interrupt)]
        threads[0].start()
        assert held.wait(20)
        threads[1].start()
        threads[2].start()
        try:
            lock.{side}({timeout}).{how}()
        except KeyboardInterrupt:
            pass
        else:
            raise AssertionError("not interrupted")
        for one in (lock.reader(), lock.writer()):
            try:
                one.release()
            except RuntimeError:
                pass
            else:
                raise AssertionError("held")
        if {holder!r} == "reader":
            assert behind_is_in.wait(20)
        go.set()
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()
        assert behind_is_in.is_set()
        with lock.writer(timeout=0):
            pass
    """)


BESIDE = """
    import contextlib, random, signal, sys, threading, time
    from cereggii import ReadersWriterLock, locks

    choose = random.Random(int(sys.argv[1]))
    lock = ReadersWriterLock()

    @contextlib.contextmanager
    def others(count):
        # Threads that use the lock, too, and never wait for long.
        done, stuck = threading.Event(), []

        def use(number):
            while not done.is_set():
                one = lock.writer() if number % 2 else lock.reader()
                if not one.acquire(timeout=15):
                    stuck.append(number)
                    return
                one.release()

        threads = [threading.Thread(target=use, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            done.set()
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()
        assert not stuck
        assert lock.writer().acquire(timeout=0), lock

    armed = []

    def signal_soon():
        # In the next microseconds; so, often, while the main thread is in the lock's code.
        armed.append(True)
        signal.setitimer(signal.ITIMER_REAL, 10 ** choose.uniform(-6, -4))

    def release_all():
        # How often the main thread had it.
        released = 0
        for one in (lock.writer(), lock.reader()):
            with contextlib.suppress(RuntimeError):
                while True:
                    one.release()
                    released += 1
        return released
"""


@pytest.mark.thread_unsafe(reason="starts processes")
@needs_thread_signals
@pytest.mark.parametrize("others", [0, 2])
@pytest.mark.parametrize("method", ["acquire", "__enter__", "release"])
def test_a_method_that_is_interrupted_leaves_the_lock_held_or_not_but_never_in_between(
    method: str, others: int, seed: int
) -> None:
    """Whatever the moment: who is interrupted in acquire has nothing, in release at most that."""
    run_program(
        BESIDE
        + f"""
    class Interrupted(Exception):
        pass

    def handler(_signal, frame):
        # The method of a side that it interrupts, if any: the outermost of the lock's functions.
        method = None
        while frame is not None:
            if frame.f_code.co_filename == locks.__file__:
                method = frame.f_code.co_name
            frame = frame.f_back
        if armed and method == {method!r}:
            raise Interrupted

    def acquire(one):
        signal_soon()
        assert one.acquire(timeout)
        return 1

    def __enter__(one):
        signal_soon()
        with one:
            pass
        return 0

    def release(one):
        assert one.acquire(timeout)
        also_reads = choose.random() < 0.3
        if also_reads:
            lock.reader().acquire()
        signal_soon()
        one.release()
        return also_reads

    signal.signal(signal.SIGALRM, handler)
    timeout = 15 if {others} else None
    interrupted = 0
    begin = time.monotonic()
    with others({others}):
        while (elapsed := time.monotonic() - begin) < 0.7 or (not interrupted and elapsed < 15):
            one = choose.choice([lock.reader, lock.writer])({"timeout" * (method == "__enter__")})
            try:
                has = {method}(one)
            except Interrupted:
                armed.clear()
                interrupted += 1
                assert release_all() <= 2 * ({method!r} == "release"), interrupted
            else:
                armed.clear()
                assert release_all() == has
            if not {others}:
                assert lock.writer().acquire(timeout=0), (lock, interrupted)
                lock.writer().release()
    assert interrupted
    """,
        str(seed),
    )


@pytest.mark.thread_unsafe(reason="starts processes")
@needs_thread_signals
def test_a_signal_handler_may_use_the_lock_whatever_it_interrupts(seed: int) -> None:
    run_program(
        BESIDE
        + """
    def handler(*_):
        handled.append(True)
        for one in (lock.reader(), lock.writer()):
            with contextlib.suppress(RuntimeError):  # it may have interrupted a reader, or a wait
                if one.acquire(timeout=0.0005):
                    one.release()
    handled = []
    signal.signal(signal.SIGALRM, handler)

    begin = time.monotonic()
    with others(2):
        while (elapsed := time.monotonic() - begin) < 1 or (not handled and elapsed < 15):
            for one in (lock.reader(), lock.writer()):
                signal_soon()
                assert one.acquire(timeout=15)
                one.release()
        signal.setitimer(signal.ITIMER_REAL, 0)
    assert handled
    """,
        str(seed),
    )


@pytest.mark.thread_unsafe(reason="starts processes")
@needs_thread_signals
@pytest.mark.parametrize("handled", ["reader", "writer"])
@both_sides
def test_a_signal_handler_that_interrupts_a_wait_is_told_that_it_would_wait_for_itself(
    side: str, handled: str
) -> None:
    run_program(f"""
        import signal, threading, time
        from cereggii import ReadersWriterLock
        lock, told = ReadersWriterLock(), []
        held, go = threading.Event(), threading.Event()

        def hold():
            with lock.writer():
                held.set()
                go.wait(20)

        def handler(*_):
            try:
                lock.{handled}().acquire()
            except RuntimeError as error:
                told.append(str(error))
            go.set()

        signal.signal(signal.SIGUSR1, handler)
        thread = threading.Thread(target=hold)
        thread.start()
        assert held.wait(20)
        def interrupt():
            time.sleep(0.2)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
        interrupter = threading.Thread(target=interrupt)
        interrupter.start()
        with lock.{side}():
            pass
        assert len(told) == 1 and "ReadersWriterLock" in told[0], told
        thread.join()
        interrupter.join()
        with lock.writer(timeout=0), lock.{side}(timeout=0):
            pass
    """)


@pytest.mark.thread_unsafe(reason="starts processes, and measures time")
@needs_thread_signals
def test_a_wait_goes_on_after_a_signal_that_raises_nothing() -> None:
    run_program("""
        import signal, threading, time
        from cereggii import ReadersWriterLock
        lock = ReadersWriterLock()
        held, go = threading.Event(), threading.Event()
        def hold():
            with lock.writer():
                held.set()
                go.wait(20)
        thread = threading.Thread(target=hold)
        thread.start()
        assert held.wait(20)
        count = []
        signal.signal(signal.SIGALRM, lambda *_: count.append(1))
        signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
        for side in (lock.reader(), lock.writer()):
            start = time.monotonic()
            assert side.acquire(timeout=0.3) is False
            assert time.monotonic() - start >= 0.29
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert len(count) >= 2, count
        go.set()
        thread.join()
        assert lock.writer().acquire(timeout=0)
    """)


@pytest.mark.thread_unsafe(reason="starts processes")
@needs_fork
@both_sides
@pytest.mark.parametrize("timeout", [0, 5])
def test_the_child_can_release_and_acquire_locks_of_the_forking_thread(
    side: str, timeout: int
) -> None:
    """The threads that waited are not in the child: nobody waits for them there."""
    run_program(f"""
        import faulthandler, os, threading, time, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        from cereggii import ReadersWriterLock
        lock = ReadersWriterLock()
        lock.{side}().acquire()
        entered = []
        def wait(one):
            with one:
                entered.append(one)
        threads = [threading.Thread(target=wait, args=(one,), daemon=True)
                   for one in (lock.writer(), lock.reader(), lock.writer())]
        for thread in threads:
            thread.start()
            time.sleep(0.05)
        child = os.fork()
        if child == 0:
            faulthandler.dump_traceback_later(20, exit=True)
            code = 1
            try:
                lock.{side}().release()
                for one in (lock.reader(), lock.writer(), lock.reader()):
                    assert one.acquire({timeout}), lock
                    thread = threading.Thread(target=wait, args=(lock.writer(),))
                    thread.start()
                    time.sleep(0.02)
                    one.release()
                    thread.join()
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0, status
        assert not entered
        lock.{side}().release()
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()
        assert lock.writer().acquire(timeout=0)
    """)


@pytest.mark.thread_unsafe(reason="starts processes")
@needs_fork
@both_sides
def test_a_thread_that_is_about_to_queue_up_is_not_counted_in_the_child(side: str) -> None:
    """The thread is stopped where others have not seen it yet."""
    run_program(f"""
        import faulthandler, os, threading, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        from cereggii import ReadersWriterLock
        lock = ReadersWriterLock()
        last, reached, go = lock._last, threading.Event(), threading.Event()
        class Slow:
            def __getattr__(self, name):
                if threading.current_thread() is thread:
                    reached.set()
                    go.wait(20)
                return getattr(last, name)
        def wait():
            with lock.{side}():
                pass
        thread = threading.Thread(target=wait, daemon=True)
        with lock.writer():
            lock._last = Slow()
            thread.start()
            assert reached.wait(20)
            child = os.fork()
        if child == 0:
            faulthandler.dump_traceback_later(20, exit=True)
            code = 1
            try:
                lock._last = last
                for one in (lock.reader(), lock.writer()):
                    assert one.acquire(timeout=0), lock
                    one.release()
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0, status
        go.set()
        thread.join(20)
        assert not thread.is_alive()
        assert lock.writer().acquire(timeout=0)
    """)


@pytest.mark.thread_unsafe(reason="starts processes")
@needs_fork
def test_a_fork_of_a_fork_forgets_threads_that_waited_before_the_first() -> None:
    """The thread that forks is likely to have the id of the one that waited."""
    run_program("""
        import os, threading, time, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        from cereggii import ReadersWriterLock
        lock = ReadersWriterLock()
        writer = lock.writer()
        writer.acquire()
        def wait():
            with lock.writer():
                pass
        threading.Thread(target=wait, daemon=True).start()
        time.sleep(0.1)
        def fork(action):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    action()
                    code = 0
                finally:
                    os._exit(code)
            _, status = os.waitpid(child, 0)
            assert os.waitstatus_to_exitcode(status) == 0, status
        def in_grandchild():
            assert lock.writer().acquire(timeout=5), lock
        def in_child():
            writer.release()
            errors = []
            def fork_again():
                try:
                    fork(in_grandchild)
                except BaseException as error:
                    errors.append(error)
            thread = threading.Thread(target=fork_again)
            thread.start()
            thread.join()
            assert not errors, errors
        fork(in_child)
        os._exit(0)
    """)


@pytest.mark.thread_unsafe(reason="starts processes")
def test_daemon_threads_that_wait_do_not_keep_the_interpreter_from_ending() -> None:
    assert "the end" in run_program("""
        import threading, time
        from cereggii import ReadersWriterLock
        lock = ReadersWriterLock()
        lock.writer().acquire()
        for side in (lock.reader(), lock.writer()):
            threading.Thread(target=side.acquire, daemon=True).start()
        time.sleep(0.1)
        print("the end")
    """)
