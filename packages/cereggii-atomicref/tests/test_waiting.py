# SPDX-License-Identifier: Apache-2.0
"""wait_while blocks while the object matches the one given; no wake-up is lost."""

from __future__ import annotations

import functools
import random
import threading
import time
import weakref
from typing import Any

import pytest
from cereggii_atomicref import AtomicRef

from tools.testing.concurrency import (
    PATIENCE,
    background,
    eventually,
    give_time_to_block,
    run_threads,
)
from tools.testing.matching import twin
from tools.testing.waiting import (
    check_enough_consumers_wake,
    check_error_of_timeout,
    check_negative_timeout,
    check_timeout_of_another_type,
    check_timeout_too_large,
    every_negative_timeout,
    every_timeout_of_another_type,
    every_timeout_too_large,
    take_turns,
)

from .forms import Make, NeverCompared, Thing, both_forms, new_number

pytestmark = [
    pytest.mark.thread_unsafe(reason="starts threads of its own, and measures time"),
    pytest.mark.usefixtures("switch_often"),
]

SLACK = 10.0  # seconds that a busy machine may be late


@both_forms
def test_returns_at_once_when_the_object_does_not_match(make: Make) -> None:
    for stored, value in [(Thing(), Thing()), (5, 6), (1, True), (1.0, 1), ([], []), ("a", b"a")]:
        ref = make(stored)
        for timeout in (None, 0, 0.0, 1000, threading.TIMEOUT_MAX, float("inf")):
            assert ref.wait_while(value, timeout) is True


@both_forms
@pytest.mark.parametrize("timeout", [0, 0.0, 0.05, 0.2, 1e-9, True - 1])
def test_times_out_while_the_object_stays(make: Make, timeout: float) -> None:
    thing = Thing()
    ref = make(thing)
    start = time.monotonic()
    assert ref.wait_while(thing, timeout) is False
    assert timeout * 0.99 <= time.monotonic() - start < timeout + SLACK


@both_forms
@pytest.mark.parametrize("value", [None, 5, 10**20, "some text", b"some bytes", Thing()])
@pytest.mark.parametrize("notify", ["notify_one", "notify_all"])
def test_is_woken_by_a_notification_after_a_change(make: Make, value: Any, notify: str) -> None:
    ref = make(value)
    expected = value if value is None or isinstance(value, Thing) else twin(value)
    with background(lambda: ref.wait_while(expected)) as [task]:
        give_time_to_block()
        assert task.is_alive()
        ref.set(6)
        getattr(ref, notify)()
        assert task.result() is True


@both_forms
def test_is_woken_before_its_timeout(make: Make) -> None:
    ref = make(None)
    start = time.monotonic()
    with background(lambda: ref.wait_while(None, PATIENCE)) as [task]:
        give_time_to_block()
        assert ref.compare_and_set(None, 5)
        ref.notify_all()
        assert task.result() is True
    assert time.monotonic() - start < SLACK


@both_forms
def test_a_notification_without_a_change_wakes_nobody(make: Make) -> None:
    thing = Thing()
    ref = make(thing)
    with background(lambda: ref.wait_while(thing)) as [task]:
        give_time_to_block()
        for _ in range(100):
            ref.notify_one()
            ref.notify_all()
            ref.set(thing)
        give_time_to_block()
        assert task.is_alive()
        ref.set(6)
        ref.notify_one()


@both_forms
def test_notifications_without_a_change_do_not_put_the_timeout_off(make: Make) -> None:
    ref = make(10**20)
    done = threading.Event()

    def annoy() -> None:
        while not done.wait(0.001):
            ref.set(new := 10**19 * len("0123456789"))
            assert new == 10**20
            ref.notify_all()

    with background(annoy):
        start = time.monotonic()
        try:
            assert ref.wait_while(10**20, 0.3) is False
        finally:
            done.set()
        assert 0.29 <= time.monotonic() - start < 0.3 + SLACK


@both_forms
def test_an_object_that_was_replaced_and_came_back_is_the_same_object(make: Make) -> None:
    thing = Thing()
    ref = make(thing)
    with background(lambda: ref.wait_while(thing, 0.5)) as [task]:
        give_time_to_block()
        ref.set(6)
        ref.set(thing)
        ref.notify_all()
        assert task.result() is False


@both_forms
def test_notifications_without_waiters_do_nothing(make: Make) -> None:
    ref = make(5)
    assert ref.notify_one() is None
    assert ref.notify_all() is None
    assert ref.get() == 5
    assert ref.wait_while(5, 0.01) is False  # they are not kept for later


@both_forms
def test_a_notification_for_each_waiter_wakes_all(make: Make) -> None:
    ref = make(None)
    with background(*[lambda: ref.wait_while(None)] * 8) as tasks:
        give_time_to_block()
        ref.set(1)
        for _ in tasks:
            ref.notify_one()
        assert [task.result() for task in tasks] == [True] * 8


@both_forms
def test_one_notification_for_all_wakes_all(make: Make) -> None:
    ref = make(None)
    with background(*[lambda: ref.wait_while(None)] * 8) as tasks:
        give_time_to_block()
        ref.set(1)
        ref.notify_all()
        assert [task.result() for task in tasks] == [True] * 8


# ── equal objects ──────────────────────────────────────────────────────────────────────────────


@both_forms
@pytest.mark.parametrize("value", [10**20, "some text", b"some bytes"])
@pytest.mark.parametrize("notify", ["notify_one", "notify_all"])
def test_an_equal_object_is_not_a_change(make: Make, value: Any, notify: str) -> None:
    ref = make(value)
    with background(functools.partial(ref.wait_while, value)) as [task]:
        give_time_to_block()
        for _ in range(50):
            before = ref.get_and_set(twin(value))
            assert before is not ref.get()
            getattr(ref, notify)()
        give_time_to_block()
        assert task.is_alive()
        ref.set(None)
        getattr(ref, notify)()
        assert task.result() is True


@both_forms
def test_a_waiter_that_goes_back_to_sleep_passes_the_notification_on(make: Make) -> None:
    """Waiters wait for two objects: a notification reaches one that the change is for."""
    for _ in range(20):
        first, second = 10**20, 10**20 + 1
        ref = make(first)
        # The first waiter is the one that has been blocked longest, but an equal object is no
        # change to it. The others wait for an object that is stored, and then replaced.
        with background(lambda: ref.wait_while(10**19 * 10)) as [patient]:  # noqa: B023
            time.sleep(0.005)
            ref.set(second)
            with background(lambda: ref.wait_while(10**20 + 1)) as [other]:  # noqa: B023
                time.sleep(0.005)
                ref.set(twin(first))
                ref.notify_one()
                assert other.result(PATIENCE) is True
            ref.set(None)
            ref.notify_one()
            assert patient.result() is True


@both_forms
def test_one_notification_is_enough_among_waiters_that_look_at_stale_objects(make: Make) -> None:
    """Each waiter may have gone to sleep on another object, all of one value."""
    value = 10**20
    ref = make(value)
    waiters = 4
    tasks: list[Any] = []

    def add_waiter() -> None:
        tasks.append(threading.Thread(target=ref.wait_while, args=(value,), daemon=True))
        tasks[-1].start()
        time.sleep(0.01)

    for _ in range(waiters):
        add_waiter()
        ref.set(twin(value))  # not notified
    ref.notify_one()  # wakes somebody for nothing
    give_time_to_block()
    assert all(task.is_alive() for task in tasks)
    ref.set(None)
    for remaining in reversed(range(waiters)):
        ref.notify_one()
        assert eventually(lambda: sum(task.is_alive() for task in tasks) <= remaining)  # noqa: B023


@both_forms
def test_a_wait_compares_nothing_in_python(make: Make) -> None:
    stored = NeverCompared()
    ref = make(stored)
    assert ref.wait_while(NeverCompared()) is True
    with background(lambda: ref.wait_while(stored)):
        give_time_to_block()
        ref.set(NeverCompared())
        ref.notify_one()


# ── other threads, other refs ──────────────────────────────────────────────────────────────────


def test_waiters_of_other_refs_are_left_alone() -> None:
    refs = [AtomicRef() for _ in range(200)]  # more than there are queues to wait in
    with background(*[functools.partial(ref.wait_while, None) for ref in refs[::10]]) as tasks:
        give_time_to_block()
        for ref in refs:
            ref.notify_all()
        give_time_to_block()
        assert all(task.is_alive() for task in tasks)
        for ref in refs:
            ref.set(1)
            ref.notify_one()


def test_a_ref_and_its_handles_wake_each_other() -> None:
    ref = AtomicRef()
    with background(lambda: ref.wait_while(None), lambda: ref.get_handle().wait_while(None)):
        give_time_to_block()
        handle = ref.get_handle()
        handle.set(1)
        handle.notify_all()
    with background(lambda: handle.wait_while(1)):
        give_time_to_block()
        ref.set(2)
        ref.notify_one()


@both_forms
def test_other_threads_run_while_one_is_blocked(make: Make) -> None:
    ref = make(None)
    with background(lambda: ref.wait_while(None, PATIENCE)):
        start = time.monotonic()
        assert sum(range(100_000)) == 4999950000
        assert time.monotonic() - start < PATIENCE / 2
        ref.set(1)
        ref.notify_all()


def test_a_waiting_thread_keeps_its_ref_alive() -> None:
    handle = AtomicRef().get_handle()
    with background(functools.partial(handle.wait_while, None)):
        give_time_to_block()
        other = handle.get_handle()
        del handle
        other.set(1)
        other.notify_all()


def test_a_wait_keeps_no_object_afterwards() -> None:
    thing = Thing()
    reference = weakref.ref(thing)
    ref: AtomicRef[Any] = AtomicRef(thing)
    for _ in range(5):
        assert ref.wait_while(thing, 0) is False
        assert ref.wait_while(None, 0) is True
    with background(lambda: ref.wait_while(ref.get())):
        give_time_to_block()
        del thing
        ref.set(None)
        ref.notify_all()
    assert eventually(lambda: reference() is None)


@both_forms
def test_the_object_waited_for_may_use_the_ref_as_it_dies(make: Make) -> None:
    ref = make(None)
    died: list[int] = []

    class Finalized:
        def __del__(self) -> None:
            assert ref.wait_while("nothing like it") is True
            ref.set("from the finalizer")
            ref.notify_all()
            died.append(1)

    ref.set(Finalized())
    with background(lambda: ref.wait_while(ref.get())) as [task]:
        give_time_to_block()
        ref.set(None)
        ref.notify_all()
        assert task.result() is True
    assert eventually(lambda: died == [1])
    assert ref.get() == "from the finalizer"


# ── timeouts ───────────────────────────────────────────────────────────────────────────────────


@both_forms
@every_negative_timeout
def test_a_negative_timeout_is_refused_and_named(make: Make, timeout: Any) -> None:
    check_negative_timeout(make(5), timeout)


@both_forms
@every_timeout_too_large
def test_a_timeout_beyond_the_longest_is_refused_and_named(make: Make, timeout: float) -> None:
    check_timeout_too_large(make(5), timeout)


@both_forms
@every_timeout_of_another_type
def test_a_timeout_that_is_not_a_number_is_refused_and_named(make: Make, timeout: Any) -> None:
    check_timeout_of_another_type(make(5), timeout)


@both_forms
def test_an_error_of_the_timeout_propagates(make: Make) -> None:
    check_error_of_timeout(functools.partial(make(5).wait_while, 5))


# ── no wake-up is lost ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("notify", ["notify_one", "notify_all"])
@pytest.mark.parametrize("through_handles", [False, True], ids=["ref", "handles"])
def test_two_threads_that_take_turns_lose_no_wake_up(notify: str, through_handles: bool) -> None:
    take_turns(
        AtomicRef(0),
        players=2,
        turns=3000,
        access=lambda shared: shared.get_handle() if through_handles else shared,
        notify=notify,
    )


def test_many_threads_that_take_turns_lose_no_wake_up() -> None:
    take_turns(AtomicRef(0), players=5, turns=1500)


def test_objects_are_handed_over_one_by_one(seed: int) -> None:
    """A place for one object: who puts waits until it is empty, who takes until it is not."""
    place: AtomicRef[Any] = AtomicRef()
    count, givers, takers = 600, 2, 2

    def put(number: int) -> None:
        for item in range(number * count, (number + 1) * count):
            while not place.compare_and_set(None, [item]):
                found = place.get()
                if found is not None:
                    assert place.wait_while(found, PATIENCE)
            place.notify_all()

    def take(number: int) -> list[int]:
        choose = random.Random(seed + number)
        taken: list[int] = []
        while len(taken) < count * givers // takers:
            found = place.get()
            if found is None:
                timeout = choose.random() / 1000 if choose.random() < 0.3 else PATIENCE
                place.wait_while(None, timeout)  # may give up when notified
            elif place.compare_and_set(found, None):
                taken.append(found[0])
                place.notify_all()
        return taken

    results = run_threads(
        *(functools.partial(put, number) for number in range(givers)),
        *(functools.partial(take, number) for number in range(takers)),
    )
    taken = [item for items in results[givers:] for item in items]
    assert sorted(taken) == [*range(count * givers)]


def test_as_many_notifications_as_items_wake_enough_consumers(seed: int) -> None:
    """A semaphore: nobody sleeps on while there is something to take, timeouts or not.

    The numbers are large, so that each is another object and all waiting is for equal ones.
    """
    empty = new_number()
    items = AtomicRef(empty)
    check_enough_consumers_wake(
        items,
        600,
        seed,
        add=lambda: items.update_and_get(lambda value: value + 1),
        empty=lambda: twin(empty),
    )
