# SPDX-License-Identifier: Apache-2.0
"""A CountDownLatch opens when it has been decremented to zero: once, for all, and for good."""

from __future__ import annotations

import copy
import functools
import gc
import random
import re
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from cereggii import AtomicInt, CountDownLatch

from tools.testing.concurrency import (
    PATIENCE,
    background,
    concurrent,
    eventually,
    give_time_to_block,
    meet,
    run_threads,
)
from tools.testing.copying import copy_of_slotted, every_copy
from tools.testing.interpreters import run_program
from tools.testing.platforms import needs_fork, needs_thread_signals
from tools.testing.processes import IN_CHILD, INTERRUPTED
from tools.testing.timeouts import Broken, every_wrong_timeout

THREADS = 4


class Index:
    """An object that `operator.index` makes an int of."""

    def __init__(self, value: int) -> None:
        self._value = value

    def __index__(self) -> int:
        return self._value


# ── in one thread ──────────────────────────────────────────────────────────────────────────────


def test_a_latch_counts_down_and_stays_at_zero() -> None:
    latch = CountDownLatch(3)
    assert latch.get() == 3
    assert latch.decrement() is None  # type: ignore[func-returns-value]
    assert latch.get() == 2
    assert [latch.decrement_and_get() for _ in range(4)] == [1, 0, 0, 0]
    assert latch.decrement() is None  # type: ignore[func-returns-value]
    assert latch.get() == 0
    assert latch.wait() is True


def test_a_latch_of_zero_is_open() -> None:
    latch = CountDownLatch(0)
    assert latch.get() == 0
    assert latch.wait() is True
    assert latch.decrement_and_get() == 0


@pytest.mark.parametrize("count", [0, 1, 1000, 2**40, 2**63 - 1])
def test_a_latch_can_begin_anywhere(count: int) -> None:
    for latch in (CountDownLatch(count), CountDownLatch(count=count), CountDownLatch(Index(count))):  # type: ignore[arg-type]
        assert latch.get() == count
        assert latch.decrement_and_get() == max(count - 1, 0)


def test_latches_are_independent() -> None:
    first, second = CountDownLatch(1), CountDownLatch(1)
    first.decrement()
    assert (first.wait(0), second.wait(0)) == (True, False)
    shared = AtomicInt(2)
    latch = CountDownLatch(shared)  # type: ignore[arg-type]
    shared.set(5)
    assert latch.get() == 2


@pytest.mark.parametrize("count", [-1, -5, -(2**63)])
def test_a_negative_count_is_refused_and_named(count: int) -> None:
    with pytest.raises(ValueError, match=f"{count}"):
        CountDownLatch(count)


@pytest.mark.parametrize("count", [2**63, 10**30, -(2**64)])
def test_a_count_beyond_64_bits_is_refused_and_named(count: int) -> None:
    with pytest.raises((OverflowError, ValueError), match=f"{count}"):
        CountDownLatch(count)


@pytest.mark.parametrize("count", ["3", 1.5, 2.0, None, [1], 1j])
def test_a_count_that_is_not_an_integer_is_refused_and_named(count: Any) -> None:
    with pytest.raises(TypeError, match=re.escape(repr(count))):
        CountDownLatch(count)


def test_wrong_arguments_change_nothing() -> None:
    latch: Any = CountDownLatch(3)
    for call in (
        lambda: CountDownLatch(),  # type: ignore[call-arg]
        lambda: CountDownLatch(1, 2),  # type: ignore[call-arg]
        lambda: latch.decrement(2),
        lambda: latch.decrement_and_get(2),
        lambda: latch.get(2),
        lambda: latch.wait(1, 2),
    ):
        with pytest.raises(TypeError):
            call()
    assert latch.get() == 3


@pytest.mark.parametrize("timeout", [None, 0, 0.0, 0.5, 1000, True])
def test_a_wait_for_an_open_latch_returns_at_once(timeout: float | None) -> None:
    latch = CountDownLatch(1)
    latch.decrement()
    assert latch.wait(timeout) is True
    assert latch.wait(timeout=timeout) is True


@pytest.mark.parametrize("timeout", [0, 0.0, 1e-9, 0.05, 0.2, False])
def test_a_wait_ends_when_its_time_is_over(timeout: float) -> None:
    latch = CountDownLatch(2)
    waits: list[Callable[[], bool]] = [
        lambda: latch.wait(timeout),
        lambda: latch.wait(timeout=timeout),
    ]
    for wait in waits:
        start = time.monotonic()
        assert wait() is False
        assert time.monotonic() - start >= timeout * 0.99
    assert latch.get() == 2


@pytest.mark.parametrize("count", [0, 2])
@every_wrong_timeout
def test_a_wrong_timeout_is_named_and_changes_nothing(
    count: int, timeout: Any, error: type[Exception]
) -> None:
    """The same holds where there is nothing to wait for."""
    latch = CountDownLatch(count)
    with pytest.raises(error) as caught:
        latch.wait(timeout)
    assert str(timeout) in str(caught.value)
    assert latch.get() == count


def test_an_error_of_the_timeout_itself_propagates() -> None:
    with pytest.raises(LookupError, match="no float"):
        CountDownLatch(1).wait(Broken())  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_timeout_need_be_no_more_than_a_float_and_the_count_may_change_meanwhile(
    count: int,
) -> None:
    latch = CountDownLatch(count)

    class Timeout:
        """The count changes between the look at it and the wait."""

        def __float__(self) -> float:
            latch.decrement()
            return 0.02

    assert latch.wait(Timeout()) == (latch.get() == 0)  # type: ignore[arg-type]
    assert latch.get() < count


# ── across threads ─────────────────────────────────────────────────────────────────────────────


@concurrent
def test_all_waiters_are_released_at_zero_and_not_before() -> None:
    latch = CountDownLatch(3)
    with background(*[latch.wait, lambda: latch.wait(PATIENCE)] * 4) as tasks:
        for _ in range(3):
            give_time_to_block()
            assert all(task.is_alive() for task in tasks)
            latch.decrement()
        assert [task.result() for task in tasks] == [True] * 8
    assert latch.wait() is True


@concurrent
@pytest.mark.parametrize("count", [1, 3, 500])
def test_every_count_is_reached_once(count: int) -> None:
    """Zero is reached once, too: all threads that come after it find it there."""
    latch = CountDownLatch(count)

    def decrement() -> list[int]:
        return [latch.decrement_and_get() for _ in range(count)]

    found = sorted(left for lists in run_threads(*[decrement] * THREADS) for left in lists)
    assert found == [0] * (THREADS * count - count) + [*range(count)]


@concurrent
def test_no_more_decrements_are_needed_than_were_asked_for() -> None:
    latch = CountDownLatch(THREADS * 500)

    def decrement() -> None:
        for _ in range(500):
            latch.decrement()

    with background(latch.wait):
        run_threads(*[decrement] * THREADS)
    assert latch.get() == 0


@concurrent
def test_a_released_thread_sees_all_writes_before_each_decrement() -> None:
    latches = [(CountDownLatch(THREADS), []) for _ in range(200)]  # type: ignore[var-annotated]

    def work(latch: tuple[CountDownLatch, list[int]]) -> None:
        latch[1].append(1)
        latch[0].decrement()

    def wait(latch: tuple[CountDownLatch, list[int]]) -> int:
        assert latch[0].wait(PATIENCE)
        return len(latch[1])

    found = meet(latches, *[work] * THREADS, wait, wait)
    assert all(seen[THREADS:] == (THREADS, THREADS) for seen in found)


@concurrent
def test_threads_that_decrement_and_wait_go_on_together() -> None:
    """They meet as at a barrier: none passes before the last has come."""
    latches = [(CountDownLatch(THREADS), AtomicInt()) for _ in range(200)]

    def come(latch: tuple[CountDownLatch, AtomicInt]) -> int:
        latch[1].increment_and_get()
        latch[0].decrement()
        assert latch[0].wait(PATIENCE)
        return latch[1].get()

    assert all(seen == (THREADS,) * THREADS for seen in meet(latches, *[come] * THREADS))


@concurrent
def test_a_wait_that_times_out_is_right_that_the_latch_was_not_open(seed: int) -> None:
    rounds = 100
    latches = [CountDownLatch(5) for _ in range(rounds)]
    choose = random.Random(seed)
    timeouts = iter([choose.random() / 500 for _ in range(2 * rounds)])

    def decrement(latch: CountDownLatch) -> None:
        for _ in range(5):
            latch.decrement()
            time.sleep(0)

    def wait(latch: CountDownLatch) -> None:
        assert latch.get() > 0 or latch.wait(0)
        if not latch.wait(next(timeouts)):
            assert latch.wait(PATIENCE)
        assert latch.get() == 0
        assert latch.wait(0)

    meet(latches, decrement, wait)


@concurrent
def test_a_thread_that_waits_keeps_the_latch() -> None:
    latch = CountDownLatch(1)
    held: list[Callable[[], None]] = [latch.decrement]
    with background(latch.wait) as (task,):
        give_time_to_block()
        del latch
        gc.collect()
        held.pop()()
        assert task.result() is True


# ── signals and fork ───────────────────────────────────────────────────────────────────────────


@pytest.mark.thread_unsafe(reason="starts processes")
@needs_thread_signals
@pytest.mark.parametrize("timeout", ["", "1000", "threading.TIMEOUT_MAX", "float('inf')"])
def test_ctrl_c_ends_a_wait_and_others_wait_on(timeout: str) -> None:
    run_program(
        INTERRUPTED
        + f"""
    from cereggii import CountDownLatch
    latch = CountDownLatch(2)
    others = [threading.Thread(target=latch.wait, daemon=True) for _ in range(3)]
    for thread in others:
        thread.start()
    interrupted(lambda: latch.wait({timeout}))
    assert latch.get() == 2
    latch.decrement()
    assert all(thread.is_alive() for thread in others)
    latch.decrement()
    assert latch.wait({timeout})
    for thread in others:
        thread.join(20)
        assert not thread.is_alive()
    """
    )


@pytest.mark.thread_unsafe(reason="starts processes")
@needs_thread_signals
def test_waiters_go_on_at_zero_even_if_decrement_is_interrupted(
    seed: int,
) -> None:
    run_program(
        """
        import random, signal, sys, threading, time
        from cereggii import CountDownLatch, count_down_latch

        class Interrupted(Exception):
            pass

        def handler(_signal, frame):
            if frame.f_code.co_filename == count_down_latch.__file__:
                raise Interrupted

        interrupted = 0
        signal.signal(signal.SIGALRM, handler)
        choose = random.Random(int(sys.argv[1]))
        begin = time.monotonic()
        while time.monotonic() - begin < 1:
            latches = [CountDownLatch(1) for _ in range(20)]
            waiters = [threading.Thread(target=latch.wait, daemon=True) for latch in latches]
            for waiter in waiters:
                waiter.start()
            signal.setitimer(signal.ITIMER_REAL, choose.uniform(1e-6, 5e-5))
            for latch in latches:
                try:
                    latch.decrement()
                except Interrupted:
                    interrupted += 1
                    if latch.get():  # too early
                        latch.decrement()
            signal.setitimer(signal.ITIMER_REAL, 0)
            for waiter in waiters:
                waiter.join(20)
                assert not waiter.is_alive(), interrupted
        assert interrupted
        """,
        str(seed),
    )


@pytest.mark.thread_unsafe(reason="starts processes, and measures time")
@needs_thread_signals
def test_a_wait_goes_on_after_a_signal_and_its_handler_may_decrement() -> None:
    run_program("""
        import signal, time
        from cereggii import CountDownLatch
        latch, count = CountDownLatch(3), []
        signal.signal(signal.SIGALRM, lambda *_: count.append(1))
        signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
        start = time.monotonic()
        assert latch.wait(0.3) is False
        assert time.monotonic() - start >= 0.29
        assert len(count) >= 2, count
        signal.signal(signal.SIGALRM, lambda *_: latch.decrement())
        assert latch.wait(20) is True
        signal.setitimer(signal.ITIMER_REAL, 0)  # not while the interpreter ends
    """)


@pytest.mark.thread_unsafe(reason="starts processes")
@needs_fork
def test_a_forked_child_can_use_what_a_thread_of_its_parent_waits_for() -> None:
    run_program(
        IN_CHILD
        + """
    from cereggii import CountDownLatch
    latch = CountDownLatch(1)
    thread = threading.Thread(target=latch.wait)
    thread.start()
    time.sleep(0.1)

    def work():
        assert latch.wait(0.01) is False
        own = threading.Thread(target=latch.wait)
        own.start()
        time.sleep(0.02)
        latch.decrement()
        own.join()

    in_child(work)
    assert latch.get() == 1
    latch.decrement()
    thread.join(20)
    assert not thread.is_alive()
    """
    )


# ── as an object ───────────────────────────────────────────────────────────────────────────────


class Named(CountDownLatch):
    extra: Any
    itself: Any

    def __init__(self, name: str, *, count: int) -> None:
        super().__init__(count)
        self.name = name


class Slotted(CountDownLatch):
    __slots__ = ("name",)


def test_the_repr_shows_the_count() -> None:
    latch = CountDownLatch(2)
    assert repr(latch) == f"<CountDownLatch(count=2) at {id(latch):#x}>"
    latch.decrement()
    assert repr(latch) == f"<CountDownLatch(count=1) at {id(latch):#x}>"
    named = Named("mine", count=7)
    assert repr(named) == f"<Named(count=7) at {id(named):#x}>"


def test_latches_compare_and_hash_by_identity() -> None:
    latch, other = CountDownLatch(1), CountDownLatch(1)
    assert latch == latch
    assert latch != other
    assert len({latch, other, latch}) == 2


@every_copy
@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_copy_has_the_count_and_is_independent(
    make_copy: Callable[[Any], Any], count: int
) -> None:
    latch = CountDownLatch(count + 1)
    latch.decrement()
    copied = make_copy(latch)
    assert type(copied) is CountDownLatch
    assert copied is not latch
    assert copied.get() == count
    assert copied.wait(0) == (count == 0)
    copied.decrement()
    assert latch.get() == count
    latch.decrement()
    assert copied.get() == latch.get()


@every_copy
def test_a_copy_of_a_subclass_keeps_its_attributes(make_copy: Callable[[Any], Any]) -> None:
    latch: Any = Named("mine", count=3)
    latch.extra = [1]
    copied = make_copy(latch)
    assert type(copied) is Named
    assert (copied.name, copied.extra, copied.get()) == ("mine", [1], 3)
    assert (copied.extra is latch.extra) == (make_copy is copy.copy)
    copied.decrement()
    assert latch.get() == 3


@every_copy
def test_a_copy_of_a_subclass_with_slots_keeps_them(make_copy: Callable[[Any], Any]) -> None:
    latch: Any = Slotted(3)
    latch.name = "mine"
    copied = copy_of_slotted(make_copy, latch)
    if copied is None:
        return
    assert (copied.name, copied.get()) == ("mine", 3)
    copied.decrement()
    assert latch.get() == 3


@every_copy
def test_a_copy_of_what_refers_to_itself_refers_to_itself(make_copy: Callable[[Any], Any]) -> None:
    latch: Any = CountDownLatch(3)
    latch.itself = [latch]
    copied = make_copy(latch)
    assert copied is not latch
    assert copied.itself[0] is (latch if make_copy is copy.copy else copied)


def test_a_subclass_may_override_methods() -> None:
    class Eager(CountDownLatch):
        def decrement_and_get(self) -> int:
            super().decrement_and_get()
            return super().decrement_and_get()

    latch = Eager(5)
    assert latch.decrement_and_get() == 3
    assert latch.get() == 3


@pytest.mark.parametrize("make", [CountDownLatch, functools.partial(Named, "mine")])
def test_a_latch_dies_with_its_last_reference(make: Callable[..., Any]) -> None:
    latch = make(count=1)
    reference = weakref.ref(latch)
    latch.decrement()
    latch.wait()
    assert reference() is latch
    del latch
    assert reference() is None


def test_a_cycle_through_a_latch_is_collected() -> None:
    latch: Any = CountDownLatch(1)
    latch.itself = [latch, latch.wait]
    reference = weakref.ref(latch)
    del latch
    assert eventually(lambda: gc.collect() >= 0 and reference() is None)
