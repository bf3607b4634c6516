# SPDX-License-Identifier: Apache-2.0
"""A latch that opens when a number of things has been done."""

from __future__ import annotations

from typing import Any, SupportsIndex

from cereggii_atomicint import AtomicInt

from cereggii._deadline import Seconds, end_after, remaining, to_seconds

__all__ = ["CountDownLatch"]


class CountDownLatch:
    """Lets threads wait until other threads have done a number of things.

    `CountDownLatch(count)`: how many, from 0 on; ValueError for less. Each `decrement` takes one
    off; at 0 the latch opens, for good. Every method is linearizable. After
    java.util.concurrent.CountDownLatch.
    """

    __slots__ = ("__dict__", "__weakref__", "_count")

    def __init__(self, count: SupportsIndex) -> None:
        left = AtomicInt(count)
        if left.get() < 0:
            raise ValueError(f"count must be 0 or more, not {count!r}")
        self._count = left

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
            try:
                done = count.compare_and_set(before, before - 1)
            finally:
                # Also if a signal handler raises before the result is looked at.
                if before == 1:
                    count.notify_all()
            if done:
                return before - 1
        return 0

    def wait(self, timeout: Seconds | None = None) -> bool:
        """Wait until the count is 0: True then, or False if `timeout` seconds have passed.

        `timeout` is a real number from 0 to `threading.TIMEOUT_MAX`; None and inf stand for no
        limit. ValueError for a negative one or nan, OverflowError for a larger one. Sleeps detached
        from the interpreter, and answers signals (Ctrl-C) at once.
        """
        end = end_after(to_seconds(timeout))
        count = self._count
        while (left := count.get()) > 0:
            # Notified at 0 only; but the count may change before the thread sleeps.
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
