# SPDX-License-Identifier: Apache-2.0
"""A latch that opens when its count has reached zero."""

from __future__ import annotations

from typing import Any, SupportsIndex

from cereggii_atomicint import AtomicInt

from cereggii._deadline import Seconds, end_after, remaining, to_seconds

__all__ = ["CountDownLatch"]


class CountDownLatch:
    """Lets threads wait until other threads have counted it down to zero.

        latch = CountDownLatch(2)
        latch.decrement()           # in each of two threads, when its work is done
        latch.wait()                # returns when both have done so

    `count` is an int from 0 to 2**63 - 1. ValueError if it is negative, OverflowError if it is
    larger, TypeError if it is not an int. At 0 the latch opens, and it stays open. Every method is
    linearizable. After java.util.concurrent.CountDownLatch.
    """

    __slots__ = ("__dict__", "__weakref__", "_count")

    def __init__(self, count: SupportsIndex) -> None:
        left = AtomicInt(count)
        if left.get() < 0:
            raise ValueError(f"count must be 0 or more, not {count!r}")
        self._count = left

    def get(self) -> int:
        """The count that is left. Wait-free."""
        return self._count.get()

    def decrement(self) -> None:
        """Subtract one from the count, unless it is 0. At 0, all waiters go on. Lock-free."""
        self.decrement_and_get()

    def decrement_and_get(self) -> int:
        """Subtract one like `decrement`, and return the count that is left. Lock-free."""
        count = self._count
        while (before := count.get()) > 0:
            try:
                done = count.compare_and_set(before, before - 1)
            finally:
                # In `finally`, since a signal handler may raise before the result is looked at.
                if before == 1:
                    count.notify_all()
            if done:
                return before - 1
        return 0

    def wait(self, timeout: Seconds | None = None) -> bool:
        """Wait until the count is 0, and return True. False after `timeout` seconds.

        `timeout` is a real number from 0 to `threading.TIMEOUT_MAX`. None and inf mean no limit.
        ValueError for a negative number or nan, OverflowError for a larger one. The wait is
        detached from the interpreter, and ends at once for signals (Ctrl-C).
        """
        end = end_after(to_seconds(timeout))
        count = self._count
        while (left := count.get()) > 0:
            # Waiters are notified at 0 only. The count may change before this thread sleeps.
            if not count.wait_while(left, remaining(end)):
                return count.get() == 0
        return True

    def __repr__(self) -> str:
        return f"<{type(self).__name__}(count={self._count.get()}) at {id(self):#x}>"

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        state = object.__reduce_ex__(self, 2)[2]
        if isinstance(state, tuple) and len(state) == 2 and isinstance(state[1], dict):
            attributes, slots = state
            state = attributes, {name: slots[name] for name in slots if name != "_count"}
        return _restore, (type(self), self.get()), state


def _restore(cls: type[CountDownLatch], count: int) -> CountDownLatch:
    latch = cls.__new__(cls)
    CountDownLatch.__init__(latch, count)
    return latch
