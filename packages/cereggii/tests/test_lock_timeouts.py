# SPDX-License-Identifier: Apache-2.0
"""A wait for a ReadersWriterLock lasts as long as its timeout says, and leaves no trace."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from cereggii import ReadersWriterLock

from tools.testing.concurrency import concurrent, run_threads

from .lock_threads import THREADS, Other, both_sides, can_enter, inside, is_free, queued, side_of


@concurrent
@both_sides
@pytest.mark.parametrize("timeout", [0, 0.0, 1e-9, 0.05, 0.2])
def test_a_thread_whose_timeout_ends_has_not_acquired_the_lock(side: str, timeout: float) -> None:
    lock = ReadersWriterLock()
    writer = inside(lock, "writer")
    one = side_of(lock, side)
    for attempt in (
        lambda: one.acquire(timeout),
        lambda: one.acquire(timeout=timeout),
        side_of(lock, side, timeout).acquire,
        lambda: side_of(lock, side, 1000).acquire(timeout),
    ):
        start = time.monotonic()
        assert attempt() is False
        assert time.monotonic() - start >= timeout * 0.99
        with pytest.raises(RuntimeError):
            one.release()
    writer.leave()
    assert is_free(lock)


@both_sides
@pytest.mark.parametrize("timeout", [0, 0.01])
def test_with_raises_a_timeout_error_that_names_the_lock_and_the_time(
    side: str, timeout: float
) -> None:
    lock = ReadersWriterLock()
    writer = inside(lock, "writer")
    purpose = "reading" if side == "reader" else "writing"
    with pytest.raises(TimeoutError) as caught, side_of(lock, side, timeout):
        pytest.fail("in the body")
    assert all(part in str(caught.value) for part in (repr(lock), purpose, str(timeout)))
    writer.leave()
    assert is_free(lock)


WRONG_TIMEOUTS: dict[str, tuple[Any, type[Exception]]] = {
    "text": ("soon", TypeError),
    "list": ([1], TypeError),
    "negative": (-2, ValueError),
    "a little negative": (-0.25, ValueError),
    "nan": (float("nan"), ValueError),
    "too large": (2 * threading.TIMEOUT_MAX, OverflowError),
}
wrong_timeouts = pytest.mark.parametrize(
    ("timeout", "error"), WRONG_TIMEOUTS.values(), ids=WRONG_TIMEOUTS
)


@both_sides
@wrong_timeouts
@pytest.mark.parametrize("state", ["free", "held by another", "held"])
def test_a_wrong_timeout_is_named_and_changes_nothing(
    side: str, state: str, timeout: Any, error: type[Exception]
) -> None:
    """The same holds where there is nothing to wait for."""
    lock = ReadersWriterLock()
    other = inside(lock, "writer") if state == "held by another" else None
    with contextlib.ExitStack() as stack:
        if state == "held":
            stack.enter_context(lock.writer())
        before = repr(lock)
        attempts: list[Callable[[], Any]] = [
            lambda: side_of(lock, side).acquire(timeout),
            lambda: side_of(lock, side, timeout).acquire(),
            lambda: side_of(lock, side, timeout).__enter__(),
        ]
        for attempt in attempts:
            with pytest.raises(error) as caught:
                attempt()
            assert str(timeout) in str(caught.value)
            assert repr(lock) == before
    if other is not None:
        other.leave()
    assert is_free(lock)


@both_sides
def test_an_error_of_the_timeout_itself_propagates(side: str) -> None:
    class Broken:
        def __float__(self) -> float:
            raise LookupError("no float")

    lock = ReadersWriterLock()
    writer = inside(lock, "writer")
    with pytest.raises(LookupError, match="no float"):
        side_of(lock, side).acquire(Broken())
    writer.leave()
    assert is_free(lock)


@concurrent
def test_readers_behind_a_writer_that_gives_up_go_in() -> None:
    lock = ReadersWriterLock()
    reader = inside(lock, "reader")
    writer = queued(lock, "writer", timeout=0.5)
    behind = [Other(lock, "reader") for _ in range(2)]
    assert writer.has_given_up()
    for other in behind:
        assert other.enters()  # beside the first reader
    assert not reader.waits()
    for other in [reader, *behind]:
        other.leave()
    assert is_free(lock)


@concurrent
def test_a_thread_that_gives_up_in_the_middle_of_the_queue_is_skipped() -> None:
    lock = ReadersWriterLock()
    holder = inside(lock, "writer")
    first = queued(lock, "reader")
    givers = [queued(lock, side, timeout=0.2) for side in ("writer", "reader", "writer")]
    second = queued(lock, "reader")
    last = queued(lock, "writer")
    assert all(giver.has_given_up() for giver in givers)
    holder.leave()
    assert first.enters()
    assert second.enters()
    assert not last.is_inside.is_set()
    first.leave()
    second.leave()
    assert last.enters()
    last.leave()
    assert is_free(lock)


@concurrent
@both_sides
def test_the_queue_is_empty_after_all_have_given_up(side: str) -> None:
    lock = ReadersWriterLock()
    holder = inside(lock, "reader")
    run_threads(*[lambda: lock.writer().acquire(0.05)] * THREADS)
    assert can_enter(lock, "reader")
    holder.leave()
    assert can_enter(lock, side)
    assert is_free(lock)
