# SPDX-License-Identifier: Apache-2.0
"""A latch that opens when a number of things has been done."""

from __future__ import annotations

import operator
import time

from cereggii_atomicint import AtomicInt

__all__ = ["CountDownLatch"]


class CountDownLatch:
    """Lets threads wait until other threads have done a number of things.

    `CountDownLatch(count)`: how many, from 0 on; ValueError for less. Each `decrement` takes one
    off; at 0 the latch opens, for good. Every method is linearizable. After
    java.util.concurrent.CountDownLatch.
    """

    __slots__ = ("__dict__", "__weakref__", "_count")

    def __init__(self, count: int) -> None:
        count = operator.index(count)
        if count < 0:
            raise ValueError(f"count must be 0 or more, not {count}")
        self._count = AtomicInt(count)

    def get(self) -> int:
        """How many are left. Wait-free."""
        return self._count.get()

    def decrement(self) -> None:
        """Take one off the count, unless it is 0; at 0, let all go on who wait. Lock-free."""
        self.decrement_and_get()

    def decrement_and_get(self) -> int:
        """The same; returns how many are left."""
        count = self._count
        while (before := count.get()) > 0:
            if count.compare_and_set(before, before - 1):
                if before == 1:
                    count.notify_all()
                return before - 1
        return 0

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the count is 0, for `timeout` seconds at most; None waits for ever.

        False if the time is over. Detached from the interpreter, and ends for signals.
        """
        count = self._count
        while (left := count.get()) > 0:
            started = time.monotonic()
            # Notified at 0 only; but the count may change before the thread sleeps.
            if not count.wait_while(left, timeout):
                return count.get() == 0
            if timeout is not None:
                timeout = max(0.0, timeout - (time.monotonic() - started))
        return True

    def __repr__(self) -> str:
        return f"<{type(self).__name__}(count={self._count.get()}) at {id(self):#x}>"

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self._count.get(),), self.__dict__ or None
