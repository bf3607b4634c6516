# SPDX-License-Identifier: Apache-2.0
"""Threads wait for an AtomicEvent until it is set, and a set releases all who wait."""

from __future__ import annotations

import copy
import functools
import gc
import random
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from cereggii_atomicint import AtomicEvent

from tools.testing.concurrency import (
    PATIENCE,
    Task,
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


def new_event(is_set: bool = False) -> AtomicEvent:
    event = AtomicEvent()
    if is_set:
        event.set()
    return event


# ── in one thread ──────────────────────────────────────────────────────────────────────────────


def test_an_event_is_not_set_at_first() -> None:
    event = AtomicEvent()
    assert event.is_set() is False
    assert event.wait(0) is False
    assert event.is_set() is False


def test_set_and_clear() -> None:
    event = AtomicEvent()
    for _ in range(3):
        for _ in range(2):
            assert event.set() is None  # type: ignore[func-returns-value]
            assert event.is_set() is True
        for _ in range(2):
            assert event.clear() is None  # type: ignore[func-returns-value]
            assert event.is_set() is False
            assert event.wait(0) is False


def test_events_are_independent() -> None:
    first, second = AtomicEvent(), AtomicEvent()
    first.set()
    assert not second.is_set()
    second.set()
    first.clear()
    assert second.is_set()


@pytest.mark.parametrize("timeout", [None, 0, 0.0, 0.5, 1000, True])
def test_a_wait_for_what_is_set_returns_at_once_and_leaves_it_set(timeout: float | None) -> None:
    event = new_event(True)
    for _ in range(2):
        assert event.wait() is True
        assert event.wait(timeout) is True
        assert event.wait(timeout=timeout) is True
    assert event.is_set()


@pytest.mark.parametrize("timeout", [0, 0.0, 1e-9, 0.05, 0.2, False])
def test_a_wait_ends_when_its_time_is_over(timeout: float) -> None:
    event = AtomicEvent()
    waits: list[Callable[[], bool]] = [
        lambda: event.wait(timeout),
        lambda: event.wait(timeout=timeout),
    ]
    for wait in waits:
        start = time.monotonic()
        assert wait() is False
        assert time.monotonic() - start >= timeout * 0.99
    assert not event.is_set()


@pytest.mark.parametrize("is_set", [False, True])
@every_wrong_timeout
def test_a_wrong_timeout_is_named_and_changes_nothing(
    is_set: bool, timeout: Any, error: type[Exception]
) -> None:
    event = new_event(is_set)
    with pytest.raises(error) as caught:
        event.wait(timeout)
    assert str(timeout) in str(caught.value)
    assert event.is_set() is is_set


def test_an_error_of_the_timeout_itself_propagates() -> None:
    with pytest.raises(LookupError, match="no float"):
        AtomicEvent().wait(Broken())


@pytest.mark.parametrize("is_set", [False, True])
def test_wrong_arguments_change_nothing(is_set: bool) -> None:
    event: Any = new_event(is_set)
    calls: list[Callable[[], Any]] = [
        lambda: event.set(True),
        lambda: event.clear(False),
        lambda: event.is_set(0),
        lambda: event.wait(1, 2),
        lambda: event.wait(seconds=1),
    ]
    for call in calls:
        with pytest.raises(TypeError):
            call()
    assert event.is_set() is is_set


# ── across threads ─────────────────────────────────────────────────────────────────────────────


@concurrent
@pytest.mark.parametrize("timeout", [None, PATIENCE])
def test_a_set_releases_all_waiters(timeout: float | None) -> None:
    event = AtomicEvent()
    with background(*[lambda: event.wait(timeout)] * 8) as tasks:
        give_time_to_block()
        assert all(task.is_alive() for task in tasks)
        event.set()
        assert [task.result() for task in tasks] == [True] * 8
    assert event.is_set()


@concurrent
def test_threads_that_come_after_a_set_do_not_wait() -> None:
    event = AtomicEvent()
    with background(event.set):
        assert event.wait() is True
        assert event.wait() is True
    assert run_threads(*[event.wait] * THREADS) == [True] * THREADS


@concurrent
def test_only_a_set_of_this_event_releases_a_waiter() -> None:
    event, others = AtomicEvent(), [AtomicEvent() for _ in range(200)]
    with background(*[event.wait] * 3) as tasks:
        give_time_to_block()
        event.clear()
        for other in others:
            other.set()
            other.clear()
        give_time_to_block()
        assert all(task.is_alive() for task in tasks)
        event.set()


@concurrent
def test_a_pulse_releases_all_waiters() -> None:
    """The event is cleared at once; only a thread that has not begun to wait may miss the set."""
    missed = 0
    rounds = 10
    for _ in range(rounds):
        event = AtomicEvent()
        tasks = [Task(event.wait) for _ in range(THREADS)]
        for task in tasks:
            task.start()
        time.sleep(0.02)
        event.set()
        event.clear()
        for task in tasks:
            task.join(1)
            missed += task.is_alive()
        while any(task.is_alive() for task in tasks):
            event.set()
            event.clear()
            time.sleep(0.001)
        assert [task.result() for task in tasks] == [True] * THREADS
        assert not event.is_set()
    assert missed < rounds * THREADS / 2


@concurrent
def test_a_write_before_a_set_is_seen_after_the_wait() -> None:
    rounds = 300
    boxes: list[tuple[list[int], AtomicEvent]] = [([], AtomicEvent()) for _ in range(rounds)]

    def write(box: tuple[list[int], AtomicEvent]) -> None:
        box[0].append(1)
        box[1].set()

    def read(box: tuple[list[int], AtomicEvent]) -> list[int]:
        assert box[1].wait(PATIENCE)
        return [*box[0]]

    assert all(seen[1:] == ([1], [1]) for seen in meet(boxes, write, read, read))


@concurrent
def test_after_a_clear_nothing_is_left_of_the_set_before_it() -> None:
    """The call of set may not have returned yet."""

    def clear(event: AtomicEvent) -> tuple[bool, bool, bool]:
        assert event.wait(PATIENCE)
        event.clear()
        return event.is_set(), event.wait(0), event.wait(1e-5)

    events = [AtomicEvent() for _ in range(1000)]
    assert all(seen[1] == (False,) * 3 for seen in meet(events, AtomicEvent.set, clear))


@concurrent
def test_two_threads_that_take_turns_lose_no_wake_up() -> None:
    request, answer = AtomicEvent(), AtomicEvent()
    rounds = 1000

    def serve() -> None:
        for _ in range(rounds):
            assert request.wait(PATIENCE)
            request.clear()
            answer.set()

    def ask() -> None:
        for _ in range(rounds):
            request.set()
            assert answer.wait(PATIENCE)
            answer.clear()

    run_threads(serve, ask)
    assert not request.is_set()
    assert not answer.is_set()


@concurrent
def test_threads_may_set_clear_and_wait_at_the_same_time(seed: int) -> None:
    event = AtomicEvent()
    done = threading.Event()

    def disturb(number: int) -> None:
        choose = random.Random(seed + number)
        while not done.is_set():
            choose.choice([event.set, event.clear])()
            time.sleep(choose.random() / 2000)

    def wait(number: int) -> None:
        choose = random.Random(seed + 100 + number)
        for _ in range(100):
            timeout = choose.choice([None, PATIENCE, choose.random() / 1000, 0])
            assert event.wait(timeout) or timeout not in (None, PATIENCE)

    with background(*(functools.partial(disturb, number) for number in range(2))):
        try:
            run_threads(*(functools.partial(wait, number) for number in range(3)))
        finally:
            done.set()
    event.set()
    assert event.wait() is True
    event.clear()
    assert event.wait(0) is False


@concurrent
def test_a_thread_that_waits_keeps_the_event() -> None:
    event = AtomicEvent()
    held: list[Any] = [event.set]
    with background(event.wait) as (task,):
        give_time_to_block()
        del event
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
    from cereggii_atomicint import AtomicEvent
    event = AtomicEvent()
    others = [threading.Thread(target=event.wait, daemon=True) for _ in range(3)]
    for thread in others:
        thread.start()
    interrupted(lambda: event.wait({timeout}))
    assert not event.is_set()
    assert all(thread.is_alive() for thread in others)
    event.set()
    assert event.wait({timeout})
    for thread in others:
        thread.join(20)
        assert not thread.is_alive()
    """
    )


@pytest.mark.thread_unsafe(reason="starts processes, and measures time")
@needs_thread_signals
def test_a_wait_goes_on_after_a_signal_and_its_handler_may_set_the_event() -> None:
    run_program("""
        import signal, time
        from cereggii_atomicint import AtomicEvent
        event, count = AtomicEvent(), []
        signal.signal(signal.SIGALRM, lambda *_: count.append(1))
        signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
        start = time.monotonic()
        assert event.wait(0.3) is False
        assert time.monotonic() - start >= 0.29
        assert len(count) >= 2, count
        signal.signal(signal.SIGALRM, lambda *_: event.set())
        assert event.wait(20) is True
        signal.setitimer(signal.ITIMER_REAL, 0)  # not while the interpreter ends
    """)


@pytest.mark.thread_unsafe(reason="starts processes")
@needs_fork
def test_a_forked_child_can_use_what_a_thread_of_its_parent_waits_for() -> None:
    run_program(
        IN_CHILD
        + """
    from cereggii_atomicint import AtomicEvent
    event = AtomicEvent()
    thread = threading.Thread(target=event.wait)
    thread.start()
    time.sleep(0.1)

    def work():
        assert event.wait(0.01) is False
        own = threading.Thread(target=event.wait)
        own.start()
        time.sleep(0.02)
        event.set()
        own.join()

    in_child(work)
    assert not event.is_set()
    event.set()
    thread.join(20)
    assert not thread.is_alive()
    """
    )


# ── as an object ───────────────────────────────────────────────────────────────────────────────


class Named(AtomicEvent):
    extra: Any
    itself: Any

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


class Slotted(AtomicEvent):
    __slots__ = ("name",)


class Counting(AtomicEvent):
    """Counts how often it is set, and tells that it is set when it has been twice."""

    count = 0

    def set(self) -> None:
        self.count += 1
        super().set()

    def is_set(self) -> bool:
        return self.count >= 2


def test_the_repr_tells_whether_it_is_set() -> None:
    event = AtomicEvent()
    where = f"AtomicEvent at {id(event):#x}"
    assert repr(event) == f"<{where}: unset>"
    event.set()
    assert repr(event) == f"<{where}: set>"
    event.clear()
    assert repr(event) == f"<{where}: unset>"
    named = Named("mine")
    assert repr(named) == f"<Named at {id(named):#x}: unset>"


def test_events_compare_and_hash_by_identity() -> None:
    event, other = AtomicEvent(), AtomicEvent()
    assert event == event
    assert event != other
    assert len({event, other, event}) == 2
    assert bool(event) is True  # whether it is set is for is_set() to tell


def test_an_event_is_constructed_once() -> None:
    event = new_event(True)
    with pytest.raises(RuntimeError):
        event.__init__()  # type: ignore[misc]
    assert event.is_set()
    for call in (AtomicEvent.set, AtomicEvent.is_set, AtomicEvent.clear, AtomicEvent.wait, repr):
        with pytest.raises(RuntimeError):
            call(AtomicEvent.__new__(AtomicEvent))


def test_an_event_may_be_immortal() -> None:
    event = AtomicEvent(immortal=True)
    event.set()
    assert event.wait() is True
    assert copy.copy(event).is_set()


@every_copy
@pytest.mark.parametrize("is_set", [False, True])
def test_a_copy_is_set_or_not_and_independent(
    make_copy: Callable[[Any], Any], is_set: bool
) -> None:
    event = new_event(is_set)
    copied = make_copy(event)
    assert type(copied) is AtomicEvent
    assert copied is not event
    assert copied.is_set() is is_set
    assert copied.wait(0) is is_set
    copied.clear() if is_set else copied.set()
    assert event.is_set() is is_set


@every_copy
def test_a_copy_of_a_subclass_keeps_its_attributes(make_copy: Callable[[Any], Any]) -> None:
    event: Any = Named("mine")
    event.extra = [1]
    event.set()
    copied = make_copy(event)
    assert type(copied) is Named
    assert (copied.name, copied.extra, copied.is_set()) == ("mine", [1], True)
    assert (copied.extra is event.extra) == (make_copy is copy.copy)


@every_copy
def test_a_copy_of_a_subclass_with_slots_keeps_them(make_copy: Callable[[Any], Any]) -> None:
    event: Any = Slotted()
    event.name = "mine"
    copied = copy_of_slotted(make_copy, event)
    assert copied is None or (copied.name, copied.is_set()) == ("mine", False)


@every_copy
def test_a_copy_of_what_refers_to_itself_refers_to_itself(make_copy: Callable[[Any], Any]) -> None:
    event: Any = Named("mine")
    event.itself = [event]
    copied = make_copy(event)
    assert copied is not event
    assert copied.itself[0] is (event if make_copy is copy.copy else copied)


@concurrent
def test_a_copy_does_not_release_waiters_of_the_original() -> None:
    event = AtomicEvent()
    with background(event.wait) as (task,):
        give_time_to_block()
        copied = copy.copy(event)
        copied.set()
        give_time_to_block()
        assert task.is_alive()
        event.set()


def test_a_subclass_may_override_methods() -> None:
    event = Counting()
    event.set()
    assert not event.is_set()
    event.set()
    assert event.is_set()
    assert event.wait() is True


@pytest.mark.parametrize("make", [AtomicEvent, lambda: Named("mine")])
def test_an_event_dies_with_its_last_reference(make: Callable[[], Any]) -> None:
    event = make()
    reference = weakref.ref(event)
    event.set()
    event.wait()
    assert reference() is event
    del event
    assert reference() is None


def test_a_cycle_through_an_event_is_collected() -> None:
    event: Any = Named("mine")
    event.itself = [event, event.wait]
    reference = weakref.ref(event)
    del event
    assert eventually(lambda: gc.collect() >= 0 and reference() is None)
