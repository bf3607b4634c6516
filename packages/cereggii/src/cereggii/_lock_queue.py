# SPDX-License-Identifier: Apache-2.0
"""The state of a readers-writer lock, and the queue of the threads that wait for it."""

from __future__ import annotations

import os
import sys
import threading
import time

from cereggii_atomicint import AtomicInt
from cereggii_atomicref import AtomicRef

from cereggii._deadline import end_after, remaining

# The state of a lock is one number:
#
#     bits  0-23   how many readers have the lock, or try to get it
#     bits 24-39   how many writers do
#     bits 40-59   how many threads are in the queue
#     bit  60      TURN: the first of the queue has waited for so long that no writer may pass it
READER = 1
WRITER = 1 << 24
QUEUED = 1 << 40
TURN = 1 << 60
READERS = WRITER - READER
WRITERS = QUEUED - WRITER
INSIDE = QUEUED - 1

# The bits that send a thread to the queue: of a reader, and of a writer.
SHUT_TO_READERS = -WRITER
SHUT_TO_WRITERS = INSIDE | TURN

# A writer that comes may pass the first of the queue until that has waited for so many seconds.
# Handing the lock to a sleeping thread takes a hundred times as long as most uses of the lock, and
# no thread can have it meanwhile.
PATIENCE = 0.001

# How often a thread looks before it goes to sleep. With a GIL nothing changes while it looks.
LOOKS = 1 if getattr(sys, "_is_gil_enabled", lambda: True)() else 20

# Signal handlers and finalizers run between two steps of a thread, and may raise. CPython looks for
# them after a call, at the beginning of a function, and where it jumps back. So steps that must not
# be torn apart are written without calls and branches, in operators: `+=` on an AtomicInt is one
# atomic update and keeps the object; a bool is added or subtracted as 1 or 0, and `x & -a_bool` is
# x or 0. (The multiplication of a large int may run signal handlers, too.) No lock is held that
# such code could find held.


class Holds:
    """How often a thread has the lock, and whether it waits for it."""

    __slots__ = ("reads", "state", "waits", "writes")

    def __init__(self, state: AtomicInt) -> None:
        # A handle of the lock's state, so that threads do not contend for its reference count.
        self.state = state.get_handle()
        self.waits = False
        self.reads = 0
        self.writes = 0


class HoldsOfThreads(threading.local):
    """The Holds of each thread. One attribute, since each call reads it from a thread-local."""

    def __init__(self, state: AtomicInt) -> None:  # in each thread
        self.mine = Holds(state)


class Place:
    """A thread's place in the queue."""

    __slots__ = ("ahead", "counts", "forks", "left", "thread")

    def __init__(self) -> None:
        self.forks = len(_forkers)
        self.thread = threading.get_ident()
        self.left = AtomicInt()  # 1 once the thread has left the queue, with or without the lock
        self.counts = 0  # what the state counts of this thread: QUEUED, and perhaps TURN
        self.ahead: Place | None = None


# The thread that each fork has left, from the first fork of an ancestor down to this process.
_forkers: list[int] = []


def _forked() -> None:
    _forkers.append(threading.get_ident())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


# The queue is a linked list, after Craig, Landin and Hagersten (a queue lock):
#
#     _last ──► place ──ahead──► place ──ahead──► place of the head
#
# - Each thread waits until the one ahead has left. A thread with none ahead is the head: it waits
#   for room, takes it, and leaves the queue.
# - No reader passes the queue. Once TURN is set, no writer does, so room that is there stays.
# - A thread that gives up leaves like any other. The one behind it then waits for the next ahead.
class LockQueue:
    """The state of a lock, the Holds of each thread, and the queue."""

    __slots__ = ("_holds", "_last", "_state")

    def __init__(self) -> None:
        self._state = AtomicInt()
        self._holds = HoldsOfThreads(self._state)
        self._last: AtomicRef[Place | None] = AtomicRef()

    def _enter(self, holds: Holds, writes: bool, seconds: float) -> bool:
        if holds.waits:
            raise RuntimeError(
                f"this thread waits for {self!r} already, and would wait for itself in what has"
                " interrupted it"
            )
        state, place = holds.state, Place()
        left, amount = place.left, WRITER if writes else READER
        try:
            holds.waits = True
            # No loop here: CPython takes an exception where a loop jumps back as outside of `try`.
            return self._queue_up(place, holds, writes, seconds)
        except BaseException:
            if left == 1:  # with the lock
                holds.writes -= writes
                holds.reads -= not writes
                state -= amount
                state.notify_all()
            raise
        finally:
            holds.waits = False
            still = left == 0
            state -= place.counts & -still
            left += still
            left.notify_all()

    def _queue_up(self, place: Place, holds: Holds, writes: bool, seconds: float) -> bool:
        state, last = holds.state, self._last
        end = end_after(seconds)
        self._forget_threads_of_ancestors()
        shut = SHUT_TO_WRITERS if writes else SHUT_TO_READERS
        if self._looks(place, holds, writes, shut):
            return True
        place.ahead = last.get()
        while not last.compare_and_set(place.ahead, place):
            place.ahead = last.get()
        # Only now, so that the child of a fork finds every thread that the state counts.
        state += QUEUED
        place.counts = QUEUED
        while (ahead := place.ahead) is not None:
            for _ in range(LOOKS):
                if ahead.left == 1:
                    break
            if not ahead.left.wait_while(0, remaining(end)):
                return False
            place.ahead = ahead.ahead
        # At the head.
        shut = INSIDE if writes else WRITERS
        turn = time.monotonic() + PATIENCE
        while not self._looks(place, holds, writes, shut):
            seen = state | 0
            if place.counts & TURN:
                until = end
            elif time.monotonic() >= turn:
                state += TURN
                place.counts += TURN
                continue
            else:
                until = min(turn, end)
            if (
                seen & shut
                and not state.wait_while(seen, remaining(until))
                and time.monotonic() >= end
            ):
                return False
        return True

    def _looks(self, place: Place, holds: Holds, writes: bool, shut: int) -> bool:
        """Whether there was room. The thread has then taken it, and left its place."""
        state, left = holds.state, place.left
        amount, alone = (WRITER, WRITER) if writes else (READER, 0)
        for _ in range(LOOKS):
            if not state & shut:
                state += amount
                inside = (state & shut) == alone
                holds.writes += inside & writes
                holds.reads += inside & (not writes)
                state -= place.counts & -inside | amount & -(not inside)
                # Only now, since the thread behind may set TURN at once.
                left += inside
                if inside:
                    return True
                state.notify_all()
        return False

    def _forget_threads_of_ancestors(self) -> None:
        """In the child of a fork, take threads out of the queue that are not in this process."""
        if not _forkers:
            return
        place = self._last.get()
        while place is not None:
            # The id may belong to another thread by now.
            if any(forker != place.thread for forker in _forkers[place.forks :]):
                (done,) = map(place.left.compare_and_set, (0,), (1,))
                self._state -= place.counts & -done
                place.left.notify_all()
            place = place.ahead
