# SPDX-License-Identifier: Apache-2.0
"""An operation on all keys lets others stop the world, fork and be interrupted, and is exact."""

from __future__ import annotations

import functools
import gc
import operator
import pickle
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest
from cereggii_atomicdict import AtomicDict

from tools.testing.interpreters import FREE_THREADED, run_program
from tools.testing.platforms import needs_fork, needs_timer_signals

pytestmark = pytest.mark.thread_unsafe(reason="starts threads of its own, and processes")

Dict: TypeAlias = AtomicDict[Any, Any]
COUNT = 500_000

# Each prepares what is needed, and returns the operation.
OPERATIONS: dict[str, Callable[[Dict], Callable[[], object]]] = {
    "snapshot": lambda d: d.snapshot,
    "copy": lambda d: d.copy,
    "update": lambda d: functools.partial(AtomicDict().update, d),
    "update of itself": lambda d: lambda: d.update(d.snapshot()),
    "or": lambda d: lambda: d | {0: 0},
    "constructor": lambda d: lambda: AtomicDict(d, a=1),
    "fromkeys": lambda _: functools.partial(AtomicDict.fromkeys, range(COUNT)),
    "equal": lambda d: functools.partial(operator.eq, d, AtomicDict(d)),
    "equal to a dict": lambda d: functools.partial(operator.eq, d, dict.fromkeys(range(COUNT))),
    "repr": lambda d: functools.partial(repr, d),
    "pickle": lambda d: functools.partial(pickle.dumps, d),
    "reserve": lambda d: functools.partial(d.reserve, 8 * COUNT),
    "clear": lambda d: d.clear,
    "release": lambda d: [AtomicDict(d)].clear,
    "remove_if": lambda d: functools.partial(d.remove_if, lambda key, value: True),
    "batch_getitem": lambda d: functools.partial(d.batch_getitem, dict.fromkeys(range(COUNT))),
    "reduce_count": lambda _: functools.partial(AtomicDict().reduce_count, range(COUNT)),
    "list": lambda d: functools.partial(list, d),
    "values": lambda d: functools.partial(set, d.values()),
}


def longest_stop(operation: Callable[[], object]) -> float:
    """How long another thread had to wait for the world to stop, or for the GIL.

    As a share of the time that the operation took.
    """
    stops: list[tuple[float, float]] = []
    met, over = threading.Barrier(2), False

    def stop_again_and_again() -> None:
        met.wait()
        while not over:
            begin = time.monotonic()
            gc.get_referents(())
            stops.append((begin, time.monotonic()))
            time.sleep(0.0005)

    thread = threading.Thread(target=stop_again_and_again)
    thread.start()
    met.wait()
    begin = time.monotonic()
    try:
        operation()
    finally:
        end = time.monotonic()
        over = True
        thread.join()
    # With a GIL, the time from one stop to the next.
    ends = [begin, *(ended for _, ended in stops if begin < ended < end), end]
    return max(map(operator.sub, ends[1:], ends)) / (end - begin)


@pytest.fixture
def short_switch_interval() -> Iterator[None]:
    """With a GIL, a waiting thread asks for it only after this time."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.0001)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("short_switch_interval")
@pytest.mark.parametrize("operation", OPERATIONS)
def test_others_can_stop_the_world_meanwhile(operation: str) -> None:
    # Where other processes use the cores, the other thread may come late.
    shares: list[float] = []
    while len(shares) < 100 and min(shares, default=1) >= 1 / 3:
        d: Dict = AtomicDict({i: str(i) for i in range(COUNT)})
        shares.append(longest_stop(OPERATIONS[operation](d)))
    assert min(shares) < 1 / 3


@pytest.mark.parametrize("look", [lambda d: d.snapshot(), lambda d: d.copy(), pickle.dumps])
def test_a_snapshot_stays_exact_when_the_world_is_stopped(
    look: Callable[[Dict], Any],
) -> None:
    d: Dict = AtomicDict(dict.fromkeys(range(100_000)))
    d["a"] = d["b"] = 0
    over = False

    def write() -> None:
        count = 0
        while not over:
            count += 1
            d["a"] = count
            d["b"] = count
            d[-count] = count
            del d[-count]

    thread = threading.Thread(target=write)
    thread.start()
    try:

        def look_at_it() -> None:
            for _ in range(3):
                seen = look(d)
                if isinstance(seen, bytes):
                    seen = pickle.loads(seen)
                assert 0 <= seen["a"] - seen["b"] <= 1
                assert len(seen) in (100_002, 100_003)

        longest_stop(look_at_it)
    finally:
        over = True
        thread.join()


# ── fork, signals, and the end ─────────────────────────────────────────────────────────────────


@needs_fork
def test_a_child_that_is_forked_meanwhile_can_write() -> None:
    run_program(
        """
        import faulthandler, os, sys, threading, warnings
        from cereggii_atomicdict import AtomicDict
        warnings.simplefilter("ignore", DeprecationWarning)
        d = AtomicDict(dict.fromkeys(range(200_000)))
        over = False
        def look():
            while not over:
                d.snapshot()
        threads = [threading.Thread(target=look) for _ in range(2)]
        for thread in threads: thread.start()
        for round in range(15):
            child = os.fork()
            if child == 0:
                faulthandler.dump_traceback_later(20, exit=True)
                d["child"] = round
                del d[round]
                os._exit(0 if len(d) == 200_000 else 3)
            assert os.waitpid(child, 0)[1] == 0
        over = True
        for thread in threads: thread.join()
        """,
        timeout=120,
    )


def test_another_thread_goes_on_beside_one_that_does_nothing_else() -> None:
    """With a GIL, a thread that drops it too often is never asked for it."""
    d: Dict = AtomicDict(dict.fromkeys(range(COUNT)))
    steps = 0

    def go_on() -> None:
        nonlocal steps
        for _ in range(20):
            time.sleep(0.0001)
            steps += 1

    thread = threading.Thread(target=go_on)
    thread.start()
    copies = 0
    while steps < 20:
        d.copy()
        copies += 1
    thread.join()
    assert copies < 400


@pytest.mark.skipif(not FREE_THREADED, reason="PYTHON_GIL=1 is for free-threaded builds")
def test_a_free_threaded_build_that_runs_with_a_gil_hands_it_on() -> None:
    run_program(
        """
        import sys, pytest
        assert sys._is_gil_enabled()
        tests = "stop_the_world and (snapshot or copy or clear or reserve)"
        sys.exit(pytest.main([sys.argv[1], "-k", tests, "-p", "no:cacheprovider"]))
        """,
        __file__,
        environment={"PYTHON_GIL": "1"},
        timeout=120,
    )


@needs_timer_signals
def test_signals_are_answered_however_seldom_threads_take_turns() -> None:
    """With a GIL, other threads wait for it as long as the switch interval says."""
    run_program(
        """
        import signal, sys, time
        from cereggii_atomicdict import AtomicDict
        class Answer(Exception):
            pass
        def answer(*_):
            raise Answer
        signal.signal(signal.SIGALRM, answer)
        sys.setswitchinterval(1000)
        d = AtomicDict(dict.fromkeys(range(1_000_000)))
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        try:
            d.copy()
        except Answer:
            sys.exit()
        sys.exit("too late")
        """
    )


@needs_timer_signals
def test_an_interrupt_is_answered_meanwhile() -> None:
    run_program(
        """
        import signal
        from cereggii_atomicdict import AtomicDict
        # A timer of the system: a thread that interrupts this one may do so while it is started,
        # and then `threading` itself fails.
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        d = AtomicDict(dict.fromkeys(range(300_000)))
        other = d.copy()
        looks = d.snapshot, d.copy, lambda: d == other, lambda: repr(d), lambda: d.update(other)
        for look in looks:
            for _ in range(4):
                try:
                    signal.setitimer(signal.ITIMER_REAL, 0.02)
                    while True:
                        look()
                except KeyboardInterrupt:
                    pass
                d["after"] = 1
                del d["after"]
        # A handler that writes, and raises nothing.
        handled = 0
        def handle(*_):
            global handled
            handled += 1
            d["handled"] = handled
        signal.signal(signal.SIGALRM, handle)
        for count in range(5):
            signal.setitimer(signal.ITIMER_REAL, 0.02)
            while handled == count:
                assert len(d.snapshot()) in (300_000, 300_001)
        assert d["handled"] == 5
        """,
        timeout=120,
    )


def test_the_interpreter_can_end_meanwhile() -> None:
    for _ in range(3):
        run_program(
            """
            import atexit, threading, time
            from cereggii_atomicdict import AtomicDict
            d = AtomicDict(dict.fromkeys(range(200_000)))
            class AtTheEnd:
                def __del__(self, d=d):
                    d["end"] = 1
                    len(d)
            kept = AtTheEnd()
            atexit.register(lambda: d.__setitem__("exit", 1))
            def look():
                while True:
                    d.snapshot()
            threading.Thread(target=look, daemon=True).start()
            time.sleep(0.1)
            """
        )
