# SPDX-License-Identifier: Apache-2.0
"""The sides of a ReadersWriterLock are locks, with the calls and the rules of threading.Lock."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

import pytest
from cereggii import ReadersWriterLock

from tools.testing.concurrency import Task, background, concurrent, give_time_to_block, run_threads
from tools.testing.timeouts import LONGEST

from .lock_threads import both_sides, can_enter, inside, is_free, side_of

# Calls that mean the same to a threading.Lock. Those of the first list do not wait for long.
SHORT_CALLS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    *(((value,), {}) for value in (False, 0)),
    *(((), {"blocking": value}) for value in (False, 0)),
    *(((True, value), {}) for value in (0, 0.0, 0.01, False, 5e-324)),
    *(((1, value), {}) for value in (0, 0.01)),
    *(((), {"timeout": value}) for value in (0, 0.0, 0.01, False)),
    *(((), {"blocking": True, "timeout": value}) for value in (0, 0.01)),
    *(((value, -1), {}) for value in (False, 0)),
    *(((), {"blocking": value, "timeout": -1}) for value in (False, 0)),
    *(((False,), {"timeout": value}) for value in (-1, -1.0)),
]
LONG_CALLS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    *(((), {}), ((True,), {}), ((True, -1), {}), ((1, -1), {}), ((2, -1.0), {}), ((-1,), {})),
    *(((), {"blocking": value}) for value in (True, 1)),
    *(((), {"timeout": value}) for value in (-1, -1.0, 1000, LONGEST, int(LONGEST), True + 99)),
    *(((True, value), {}) for value in (1000, LONGEST)),
    *(((2, value), {}) for value in (1000, LONGEST)),
    *(((), {"blocking": True, "timeout": value}) for value in (-1, LONGEST)),
]
WRONG_CALLS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    *(((value, 0), {}) for value in (False, 0)),
    *(((False, value), {}) for value in (0.0, 5, 0.25, LONGEST, -2, math.nan, 2 * LONGEST, "soon")),
    *(((), {"blocking": False, "timeout": value}) for value in (0, 5, 1.5, True, -2, "soon")),
    *(((), {"timeout": value}) for value in (-2, -0.5, -1.5, -1e-9, math.nan)),
    *(((), {"timeout": value}) for value in (2 * LONGEST, LONGEST + 1, 10**30, 10**400)),
    *(((), {"timeout": value}) for value in ("soon", b"1", [1], 1j, object())),
    *(((True, value), {}) for value in (-2, math.nan, 10**30, "soon")),
    *(((True, 1, 1), {}), ((), {"block": True}), ((False,), {"blocking": False})),
]


def outcome(lock: Any, call: tuple[tuple[Any, ...], dict[str, Any]]) -> Any:
    """The result of `acquire`, or the type of its exception; the lock is as before."""
    arguments, keywords = call
    try:
        result = lock.acquire(*arguments, **keywords)
    except (TypeError, ValueError, OverflowError) as error:
        return type(error)
    if result:
        lock.release()
    return result


def called(call: tuple[tuple[Any, ...], dict[str, Any]]) -> str:
    arguments, keywords = call
    words = [repr(value)[:12] for value in arguments]
    return ", ".join([*words, *(f"{name}={value!r:.12}" for name, value in keywords.items())])


@both_sides
@pytest.mark.parametrize("call", SHORT_CALLS + LONG_CALLS + WRONG_CALLS, ids=called)
def test_a_free_lock_answers_a_call_as_a_lock_of_threading_does(side: str, call: Any) -> None:
    lock = ReadersWriterLock()
    assert outcome(side_of(lock, side), call) == outcome(threading.Lock(), call)
    assert is_free(lock)


@both_sides
@pytest.mark.parametrize("call", SHORT_CALLS + WRONG_CALLS, ids=called)
def test_a_lock_that_is_held_answers_a_call_as_a_lock_of_threading_does(
    side: str, call: Any
) -> None:
    lock, oracle = ReadersWriterLock(), threading.Lock()
    oracle.acquire()
    holder = inside(lock, "writer")
    before = repr(lock)
    expected = outcome(oracle, call)
    assert expected is not True
    assert outcome(side_of(lock, side), call) == expected
    assert repr(lock) == before
    holder.leave()
    assert is_free(lock)


@concurrent
@both_sides
def test_calls_without_a_limit_or_with_a_long_one_wait_for_the_lock(side: str) -> None:
    lock = ReadersWriterLock()
    holder = inside(lock, "writer")
    one = side_of(lock, side)
    with background(*[lambda call=call: outcome(one, call) for call in LONG_CALLS]) as tasks:  # type: ignore[misc]
        give_time_to_block()
        assert all(task.is_alive() for task in tasks)
        holder.leave()
        assert [task.result() for task in tasks] == [True] * len(LONG_CALLS)
    assert is_free(lock)


@both_sides
def test_any_truth_value_says_whether_to_wait(side: str) -> None:
    """The lock of Python 3.12 and later does the same."""
    lock = ReadersWriterLock()
    one = side_of(lock, side)
    holder = inside(lock, "writer")
    for value in ("", [], None, 0.0):
        assert one.acquire(blocking=value) is False
        assert one.acquire(value, -1) is False
    for value in ("no", [0], 2, 0.5):
        assert one.acquire(value, 0) is False
        assert one.acquire(blocking=value, timeout=0) is False
    holder.leave()
    assert is_free(lock)


@both_sides
@pytest.mark.parametrize(
    ("arguments", "keywords"),
    [
        ((False,), {"blocking": False}),
        ((1, -1), {"blocking": 0}),
        ((5, 5), {"blocking": False}),
    ],
)
def test_blocking_is_not_given_twice(side: str, arguments: Any, keywords: Any) -> None:
    lock = ReadersWriterLock()
    with pytest.raises(TypeError, match="blocking"):
        side_of(lock, side).acquire(*arguments, **keywords)
    assert is_free(lock)


@both_sides
def test_a_call_that_does_not_wait_names_the_timeout_that_it_is_given(side: str) -> None:
    lock = ReadersWriterLock()
    for call in (
        lambda: side_of(lock, side).acquire(False, 12.5),
        lambda: side_of(lock, side).acquire(12.5, blocking=False),
    ):
        with pytest.raises(ValueError, match=r"12\.5"):
            call()
    assert is_free(lock)


# ── the timeout of the call, and that of the side ──────────────────────────────────────────────

OWN: dict[str, Callable[[Any], bool]] = {
    "()": lambda one: one.acquire(),
    "(None)": lambda one: one.acquire(None),
    "(True)": lambda one: one.acquire(True),
    "(timeout=None)": lambda one: one.acquire(timeout=None),
    "(blocking=True)": lambda one: one.acquire(blocking=True),
    "(True, None)": lambda one: one.acquire(True, None),
}
UNLIMITED: dict[str, Callable[[Any], bool]] = {
    "(-1)": lambda one: one.acquire(-1),
    "(timeout=-1)": lambda one: one.acquire(timeout=-1),
    "(True, -1)": lambda one: one.acquire(True, -1),
    "(inf)": lambda one: one.acquire(math.inf),
    "(timeout=inf)": lambda one: one.acquire(timeout=math.inf),
    "(True, inf)": lambda one: one.acquire(True, math.inf),
}


@both_sides
@pytest.mark.parametrize("own", [0, 0.01])
@pytest.mark.parametrize("acquire", OWN.values(), ids=OWN)
def test_a_call_without_a_timeout_has_that_of_the_side(
    side: str, own: float, acquire: Callable[[Any], bool]
) -> None:
    lock = ReadersWriterLock()
    holder = inside(lock, "writer")
    assert acquire(side_of(lock, side, own)) is False
    holder.leave()
    assert is_free(lock)


@concurrent
@both_sides
@pytest.mark.parametrize("own", [0, 0.01, None])
def test_minus_one_and_inf_are_without_a_limit_whatever_the_side_says(side: str, own: Any) -> None:
    lock = ReadersWriterLock()
    holder = inside(lock, "writer")
    one = side_of(lock, side, own)

    def use(acquire: Callable[[Any], bool]) -> bool:
        entered = acquire(one)
        one.release()
        return entered

    with background(*[lambda each=each: use(each) for each in UNLIMITED.values()]) as tasks:  # type: ignore[misc]
        give_time_to_block()
        assert all(task.is_alive() for task in tasks)
        holder.leave()
        assert [task.result() for task in tasks] == [True] * len(UNLIMITED)
    assert is_free(lock)


@both_sides
def test_a_call_that_does_not_wait_does_not_wait_whatever_the_side_says(side: str) -> None:
    lock = ReadersWriterLock()
    holder = inside(lock, "writer")
    for own in (None, 1000, math.inf):
        assert side_of(lock, side, own).acquire(False) is False
        assert side_of(lock, side, own).acquire(blocking=False) is False
    holder.leave()
    assert is_free(lock)


@both_sides
def test_a_side_has_no_timeout_of_minus_one(side: str) -> None:
    with pytest.raises(ValueError, match="-1"):
        side_of(ReadersWriterLock(), side, -1)


# ── locked ─────────────────────────────────────────────────────────────────────────────────────


def locked(lock: ReadersWriterLock) -> tuple[bool, bool]:
    """Whether the lock is held for reading, and for writing; the same in each thread."""
    here = lock.reader().locked(), lock.writer().locked()
    (there,) = run_threads(lambda: (lock.reader().locked(), lock.writer().locked()))
    assert here == there
    assert all(type(answer) is bool for answer in here)
    return here


def test_locked_tells_whether_any_thread_has_the_lock_in_that_way() -> None:
    lock = ReadersWriterLock()
    assert locked(lock) == (False, False)
    with lock.reader(), lock.reader():
        assert locked(lock) == (True, False)
    assert locked(lock) == (False, False)
    with lock.writer(), lock.writer():
        assert locked(lock) == (False, True)
        with lock.reader():
            assert locked(lock) == (True, True)
            with lock.reader():
                assert locked(lock) == (True, True)
        assert locked(lock) == (False, True)
    assert locked(lock) == (False, False)


@both_sides
def test_locked_tells_of_other_threads(side: str) -> None:
    lock = ReadersWriterLock()
    holders = [inside(lock, side)]
    if side == "reader":
        holders.append(inside(lock, side))
    for holder in holders:
        assert locked(lock) == (side == "reader", side == "writer")
        holder.leave()
    assert locked(lock) == (False, False)


def test_a_writer_that_goes_on_reading_has_the_lock_for_reading_only() -> None:
    lock = ReadersWriterLock()
    lock.writer().acquire()
    lock.reader().acquire()
    lock.writer().release()
    assert locked(lock) == (True, False)
    assert can_enter(lock, "reader")
    lock.reader().release()
    assert locked(lock) == (False, False)


@concurrent
def test_a_lock_that_is_only_waited_for_is_not_locked_in_that_way() -> None:
    lock = ReadersWriterLock()
    with lock.reader():
        waiting = Task(lock.writer().acquire)
        waiting.start()
        give_time_to_block()
        assert locked(lock) == (True, False)
    assert waiting.result() is True
    assert locked(lock) == (False, True)
