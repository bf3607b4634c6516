# SPDX-License-Identifier: Apache-2.0
"""Checks of `wait_while`. Every type that has this method must pass them."""

from __future__ import annotations

import functools
import random
import textwrap
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from tools.testing.concurrency import PATIENCE, run_threads
from tools.testing.interpreters import STARTUP, run_program
from tools.testing.processes import IN_CHILD, run_until_ctrl_c

# ── in threads ─────────────────────────────────────────────────────────────────────────────────


def take_turns(
    shared: Any,
    players: int,
    turns: int,
    *,
    access: Callable[[Any], Any] = lambda shared: shared,
    advance: Callable[[Any, int], Any] = lambda mine, following: mine.set(following),
    notify: str = "notify_all",
) -> None:
    """Each player waits until it is its turn, makes it the turn of the next one, and says so.

    What is shared is 0 at first.
    """

    def play(number: int) -> None:
        mine = access(shared)
        for turn in range(number, turns, players):
            while (found := mine.get()) != turn:
                assert mine.wait_while(found, PATIENCE)
            advance(mine, turn + 1)
            getattr(mine, notify)()

    run_threads(*(functools.partial(play, number) for number in range(players)))
    assert shared.get() == turns


def check_enough_consumers_wake(
    items: Any, rounds: int, seed: int, *, add: Callable[[], Any], empty: Callable[[], Any]
) -> None:
    """A semaphore: nobody sleeps on while there is something to take, timeouts or not.

    `add` adds one to the items. `empty` returns what they equal when there are none.
    """
    consumers = 4

    def produce() -> None:
        for _ in range(rounds * consumers):
            add()
            items.notify_one()

    def consume(number: int) -> int:
        choose = random.Random(seed + number)
        taken = 0
        while taken < rounds:
            found = items.get()
            if found == empty():
                if choose.random() < 0.3:
                    items.wait_while(empty(), choose.random() / 1000)  # may give up when notified
                else:
                    assert items.wait_while(empty(), PATIENCE)
            elif items.compare_and_set(found, found - 1):
                taken += 1
        return taken

    results = run_threads(produce, *(functools.partial(consume, n) for n in range(consumers)))
    assert results[1:] == [rounds] * consumers
    assert items.get() == empty()


# ── timeouts ───────────────────────────────────────────────────────────────────────────────────

every_negative_timeout = pytest.mark.parametrize(
    "timeout", [-1, -0.001, float("nan"), float("-inf"), -(10**400)]
)
every_timeout_too_large = pytest.mark.parametrize("timeout", [1e30, 2 * threading.TIMEOUT_MAX])
every_timeout_of_another_type = pytest.mark.parametrize("timeout", ["1", b"1", [], 1j])


def check_negative_timeout(target: Any, timeout: Any) -> None:
    """A negative timeout is refused and named. The target is 5."""
    with pytest.raises((ValueError, OverflowError)) as caught:
        target.wait_while(5, timeout)
    assert str(timeout)[:20] in str(caught.value) or abs(timeout) > 1e300


def check_timeout_too_large(target: Any, timeout: float) -> None:
    """A timeout beyond the longest is refused and named. The target is 5."""
    with pytest.raises(OverflowError) as caught:
        target.wait_while(5, timeout)
    assert str(timeout) in str(caught.value)


def check_timeout_of_another_type(target: Any, timeout: Any) -> None:
    """A timeout that is not a number is refused and named. The target is 5."""
    with pytest.raises(TypeError) as caught:
        target.wait_while(5, timeout)
    assert str(timeout) in str(caught.value)
    with pytest.raises(TypeError):
        target.wait_while(6, timeout)  # even if there is nothing to wait for


def check_error_of_timeout(wait: Callable[[Any], Any]) -> None:
    """An exception that the conversion of a timeout raises reaches the caller of the wait."""

    class Broken:
        def __float__(self) -> float:
            raise LookupError("no float")

    with pytest.raises(LookupError, match="no float"):
        wait(Broken())


# ── in processes ───────────────────────────────────────────────────────────────────────────────


class Atomic(NamedTuple):
    """How a program makes an object that it waits for, and the value that the object begins with.

    In the program, `target` is such an object, and FIRST the value.
    """

    package: str
    name: str
    first: str

    def start(self, target: str | None = None) -> str:
        """The beginning of a program. `target` is the expression that makes the target."""
        return (
            f"from {self.package} import {self.name}\n"
            f"make, FIRST = {self.name}, {self.first}\n"
            f"target = {target or 'make()'}\n"
        )

    def run(self, program: str, timeout: float = STARTUP) -> None:
        """Run a program with this beginning."""
        run_program(self.start() + textwrap.dedent(program), timeout=timeout)


# The text of the arguments after the first, for a wait without end.
every_long_timeout = pytest.mark.parametrize(
    "timeout", ["", ", 1000", ", threading.TIMEOUT_MAX", ", float('inf')"]
)


def check_ctrl_c(atomic: Atomic, target: str, timeout: str) -> None:
    """Ctrl-C ends a wait for this target at once, with one of the timeouts above."""
    program = f"""
        import signal, threading
        # A shell's background jobs ignore SIGINT, so Python has not installed this handler there.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print("waiting", flush=True)
        try:
            target.wait_while(FIRST{timeout})
        except KeyboardInterrupt:
            assert target.get() == FIRST
            print("interrupted", flush=True)
    """
    assert run_until_ctrl_c(atomic.start(target) + textwrap.dedent(program)) == "interrupted\n"


def check_signal_that_raises_nothing(atomic: Atomic) -> None:
    """A wait goes on after a signal whose handler raises nothing, for as long as before."""
    atomic.run("""
        import signal, time
        count = []
        signal.signal(signal.SIGALRM, lambda *_: count.append(1))
        signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
        start = time.monotonic()
        assert target.wait_while(FIRST, 0.5) is False
        elapsed = time.monotonic() - start
        assert 0.49 <= elapsed < 20, elapsed
        assert len(count) >= 2, count
        signal.setitimer(signal.ITIMER_REAL, 0)  # not while the interpreter ends
    """)


def check_signal_handler_that_changes_it(atomic: Atomic) -> None:
    """A signal handler may use the object that its thread waits for."""
    atomic.run("""
        import signal
        def handler(*_):
            assert target.wait_while(FIRST, 0.01) is False
            target.set(1)
            target.notify_one()
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        assert target.wait_while(FIRST, 20) is True
    """)


def check_interrupted_wake_up(atomic: Atomic) -> None:
    """One of two waiters is interrupted as it is notified: the other must not sleep on."""
    atomic.run("""
        import signal, threading, time

        class Interrupted(Exception):
            pass

        armed = []
        def handler(*_):
            if armed:
                armed.clear()
                raise Interrupted
        signal.signal(signal.SIGUSR1, handler)

        def change(target, trial):
            time.sleep(0.002)  # until both are blocked, the main thread first
            target.set(1)
            if trial % 3 == 0:
                signal.raise_signal(signal.SIGUSR1)
            elif trial % 3 == 1:
                signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
            target.notify_one()
            if trial % 3 == 2:
                signal.raise_signal(signal.SIGUSR1)

        def wait_second(target):
            time.sleep(0.001)
            target.wait_while(FIRST)
            target.notify_one()  # if this one was the first after all

        # Where the processor is busy, the change often comes before the wait. So it goes on until
        # enough waits were interrupted.
        trial = interrupted = 0
        while trial < 300 or interrupted <= 50:
            trial += 1
            target = make()
            other = threading.Thread(target=wait_second, args=(target,), daemon=True)
            changer = threading.Thread(target=change, args=(target, trial))
            other.start()
            changer.start()
            returned = []
            try:
                armed.append(True)
                # No bytecode, so no signal handler, between the return and the record of it.
                returned.extend(map(target.wait_while, (FIRST,)))
                armed.clear()
            except Interrupted:
                interrupted += 1
            if returned:  # the wake-up was this thread's: it passes it on itself
                target.notify_one()
            other.join(20)
            assert not other.is_alive(), trial
            changer.join()
    """, timeout=240.0)  # fmt: skip


def check_wait_in_forked_child(atomic: Atomic) -> None:
    """A forked child can use what threads of its parent wait for, and they wait on."""
    atomic.run(
        textwrap.dedent(IN_CHILD)
        + textwrap.dedent("""
            threads = [threading.Thread(target=target.wait_while, args=(FIRST,)) for _ in range(3)]
            for thread in threads:
                thread.start()
            time.sleep(0.2)

            def work():
                assert target.wait_while(FIRST, 0.01) is False
                target.notify_one()
                target.notify_all()
                thread = threading.Thread(target=target.wait_while, args=(FIRST,))
                thread.start()
                time.sleep(0.05)
                target.set(1)
                target.notify_one()
                thread.join(10)
                assert not thread.is_alive()
                assert target.wait_while(1, 0.01) is False
                target.get_handle().notify_all()

            in_child(work)
            assert target.get() == FIRST
            target.set(1)
            target.notify_all()
            for thread in threads:
                thread.join(10)
                assert not thread.is_alive()
        """)
    )


def check_blocked_daemons(atomic: Atomic) -> None:
    """Daemon threads that are blocked do not keep the interpreter from ending."""
    start = time.monotonic()
    atomic.run("""
        import threading, time
        for timeout in (None, 1000, threading.TIMEOUT_MAX, float("inf"), 0.3, 0.31):
            threading.Thread(target=target.wait_while, args=(FIRST, timeout), daemon=True).start()
        time.sleep(0.2)
    """)
    assert time.monotonic() - start < STARTUP / 2
