# SPDX-License-Identifier: Apache-2.0
"""What the process uses between two rounds, and whether that grows."""

from __future__ import annotations

import gc
import statistics
import sys
import time
from array import array
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import psutil

from tools.soak.world import Tracked

# The first third of a run is its start. After that, the medians of the two halves of what is left
# are compared: the second may be larger by this part, or by this amount.
TOLERANCE = 0.03
RESIDENT_TOLERANCE = 2 << 20
BLOCK_TOLERANCE = 500
SECONDS_UNTIL_FREED = 30.0
MOST_ROUNDS = 100_000


class Usage(NamedTuple):
    """What the process uses when only the main thread is running, and all dicts are empty."""

    seconds: float  # since the start
    resident: int  # bytes of memory of this process
    blocks: int  # of memory, in use by Python's allocators
    tracked: int  # objects of the soak's own class that are alive
    threads: int  # that the system knows of
    files: int  # that are open


class Usages:
    """The usages of all rounds, in little memory: they are a part of what is measured."""

    def __init__(self) -> None:
        # All at once: an array that grows would be moved from time to time.
        self._numbers = array("d", bytes(8 * len(Usage._fields) * MOST_ROUNDS))
        self._count = 0

    def append(self, usage: Usage) -> None:
        """Add the usage of one more round."""
        width = len(Usage._fields)
        begin = width * self._count
        self._numbers[begin : begin + width] = array("d", usage)
        self._count += 1

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Usage]:
        width = len(Usage._fields)
        for begin in range(0, width * self._count, width):
            seconds, *numbers = self._numbers[begin : begin + width]
            yield Usage(seconds, *map(int, numbers))


def measure(start: float) -> Usage:
    """The usage now. Waits until what has been removed is freed, for 30 s at most."""
    process = psutil.Process()
    end = time.monotonic() + SECONDS_UNTIL_FREED
    while True:
        gc.collect()
        if not Tracked.alive.get() or time.monotonic() > end:
            break
        time.sleep(0.05)
    return Usage(
        time.monotonic() - start,
        process.memory_info().rss,
        sys.getallocatedblocks(),
        Tracked.alive.get(),
        process.num_threads(),
        process.num_fds(),
    )


def growth(usages: Sequence[Usage]) -> list[str]:
    """What has grown, as sentences; nothing if all is flat. Needs nine samples or more."""
    settled = usages[len(usages) // 3 :]
    earlier, later = settled[: len(settled) // 2], settled[len(settled) // 2 :]
    problems = []
    for name, tolerance in [
        ("resident", RESIDENT_TOLERANCE),
        ("blocks", BLOCK_TOLERANCE),
        ("tracked", 0),
        ("threads", 0),
        ("files", 0),
    ]:
        before = statistics.median(getattr(usage, name) for usage in earlier)
        after = statistics.median(getattr(usage, name) for usage in later)
        allowed = before + max(before * TOLERANCE if tolerance else 0, tolerance)
        if after > allowed:
            problems.append(f"{name} has grown from {before:,.0f} to {after:,.0f}")
    if any(usage.tracked for usage in usages):
        problems.append("objects were alive that had been removed")
    return problems
