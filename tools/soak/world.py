# SPDX-License-Identifier: Apache-2.0
"""What all threads of a soak share, and what must be true of it when they have ended."""

from __future__ import annotations

import threading
from typing import Any

from cereggii import (
    AtomicCache,
    AtomicCounter,
    AtomicDict,
    AtomicEvent,
    AtomicInt,
    AtomicKeyedCounter,
    AtomicRef,
    ReadersWriterLock,
)


class Wrong(Exception):  # noqa: N818
    """Something that must be true is not."""


class Tracked:
    """An object that counts how many of its kind are alive, and is part of a cycle if asked to."""

    alive = AtomicInt(0)

    def __init__(self, value: int, *, cyclic: bool = False) -> None:
        # Not `+=`, which stores into the class. That needs a lock of CPython's, and another thread
        # may hold it at a fork.
        Tracked.alive.increment_and_get()
        self.value = value
        self.itself = self if cyclic else None

    def __del__(self) -> None:
        Tracked.alive.decrement_and_get()


def _fill(key: int) -> Tracked:
    if key % 97 == 0:
        raise LookupError(key)
    return Tracked(key)


class World:
    """The shared objects. They live as long as the process."""

    def __init__(self) -> None:
        self.total = AtomicInt(0)  # of what the threads have added, with a lock beside it
        self.counter = AtomicCounter(0)
        self.expected = 0
        self.lock = threading.Lock()
        self.keyed: AtomicKeyedCounter[int] = AtomicKeyedCounter()
        self.reduced: AtomicDict[int, int] = AtomicDict()
        self.ref: AtomicRef[Tracked | None] = AtomicRef(None)
        self.few: AtomicDict[Any, Any] = AtomicDict()  # is always small
        self.many: AtomicDict[Any, Any] = AtomicDict()  # grows, and is emptied
        self.cache: AtomicCache[int, Tracked] = AtomicCache(_fill, ttl=0.05, maxsize=500)
        self.readers = ReadersWriterLock()
        self.guarded = [0, 0]  # both are changed under the writer's lock
        self.gate = AtomicInt(0)  # threads wait until it changes
        self.stop = AtomicEvent()
        self.threads = AtomicInt(0)  # that have ended
        self.forks = AtomicInt(0)
        self.collections = AtomicInt(0)

    def count(self, key: int, amount: int) -> None:
        """Add the amount in each of the ways that must lose nothing."""
        self.total += amount
        self.counter.add(amount)
        self.keyed.add(key, amount)
        self.reduced.reduce_sum([(key, amount)])
        with self.lock:
            self.expected += amount

    def check_between_rounds(self) -> None:
        """Raise Wrong if something was lost, or is still there. No other thread is running."""
        sums = {
            "AtomicInt": self.total.get(),
            "AtomicCounter": self.counter.get(),
            "AtomicKeyedCounter": self.keyed.total(),
            "AtomicDict.reduce_sum": sum(self.reduced.values()),
        }
        for name, value in sums.items():
            if value != self.expected:
                raise Wrong(f"{name}: {value} instead of {self.expected}")
        if len(self.many) != len(dict(self.many)):
            raise Wrong(f"len is {len(self.many)}, but there are {len(dict(self.many))} keys")
        if self.guarded[0] != self.guarded[1]:
            raise Wrong(f"two threads held the writer's lock: {self.guarded}")

    def empty(self) -> None:
        """Remove all values, so that what is alive after it has leaked."""
        self.many.clear()
        self.few.clear()
        self.cache.clear()
        self.ref.set(None)
