# SPDX-License-Identifier: Apache-2.0
"""Whether the packages work on this platform: `python tools/smoke.py`, where they are installed.

It needs nothing but the packages, so it also runs in an emulator. Threads share an object of each
kind, and what they have done together is compared with what it must be. With an argument, it is
for so many threads (4).
"""

from __future__ import annotations

import platform
import sys
import threading
from collections import Counter
from collections.abc import Callable

from cereggii import (
    AtomicCounter,
    AtomicDict,
    AtomicEvent,
    AtomicInt,
    AtomicRef,
    AtomicSet,
    CountDownLatch,
    ThreadHandle,
)

EACH = 20_000  # enough for threads to meet


class Wrong(Exception):  # noqa: N818 - a state of affairs
    """The threads have not done what they must."""


def expect(what: str, found: object, right: object) -> None:
    """Raises Wrong if this is not what must be."""
    if found != right:
        raise Wrong(f"{what}: found {found!r}, expected {right!r}")


def together(threads: int, work: Callable[[int], None]) -> None:
    """Calls work(0), work(1), … in threads that start at the same time; raises what one raises."""
    barrier = threading.Barrier(threads)
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            barrier.wait()
            work(number)
        except BaseException as error:
            errors.append(error)

    started = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    if errors:
        raise errors[0]


def integers(threads: int) -> None:
    """No update is lost: of small integers, of those that get large, and of a counter."""
    small, large, counter = AtomicInt(0), AtomicInt(2**61 - EACH), AtomicCounter()

    def work(number: int) -> None:
        handle = small.get_handle()
        for _ in range(EACH):
            handle += 1
            large.increment_and_get(2**20)
            counter.add(number)

    together(threads, work)
    expect("a small integer", small.get(), threads * EACH)
    expect("a large integer", large.get(), 2**61 - EACH + threads * EACH * 2**20)
    expect("a counter", counter.sum(), EACH * sum(range(threads)))
    small.set(2**63 - 1)
    try:
        small.increment_and_get()
    except OverflowError:
        expect("the largest integer", small.get(), 2**63 - 1)
    else:
        raise Wrong("the largest integer was incremented")


def references(threads: int) -> None:
    """Objects are read while others replace and free them, and each replacement is seen."""
    ref = AtomicRef((0, "0"))

    def work(_: int) -> None:
        for _ in range(EACH):
            while True:
                old = ref.get()
                number, text = old
                expect("a value that was read", str(number), text)
                if ref.compare_and_set(old, (number + 1, str(number + 1))):
                    break

    together(threads, work)
    expect("a reference", ref.get(), (threads * EACH, str(threads * EACH)))


def dicts(threads: int) -> None:
    """Keys of their own and keys of all, in a dict that grows; exact snapshots, and deletion."""
    shared: AtomicDict[tuple[int, int], str] = AtomicDict()
    counts: AtomicDict[str, int] = AtomicDict()
    words = [f"word {i % 97}" for i in range(EACH)]

    def work(number: int) -> None:
        for i in range(EACH):
            shared[number, i] = f"{number} {i}"
            if i % 2:
                del shared[number, i - 1]
            if i % 5_000 == 0:
                for (owner, index), value in shared.snapshot().items():
                    expect("a value in a snapshot", value, f"{owner} {index}")
        counts.reduce_count(words)

    together(threads, work)
    rest = {(number, i): f"{number} {i}" for number in range(threads) for i in range(1, EACH, 2)}
    expect("a dict", shared.snapshot(), rest)
    expect("counts", counts.snapshot(), {key: threads * n for key, n in Counter(words).items()})


def sets(threads: int) -> None:
    """Each element is added by one thread and removed by one; exact snapshots and lengths."""
    shared: AtomicSet[str] = AtomicSet()
    kept = {f"kept {i}" for i in range(100)}
    shared |= kept
    added, removed = AtomicInt(0), AtomicInt(0)

    def work(number: int) -> None:
        for i in range(EACH):
            added.increment_and_get(shared.add(f"element {i}"))
            if i % 5_000 == 0:
                expect("elements that stay", len(shared & kept), len(kept))
                expect("a superset", shared.snapshot() >= kept, True)
        for i in range(0, EACH, 2):
            removed.increment_and_get(shared.discard(f"element {i}"))

    together(threads, work)
    # What one thread has removed, another one may have added again.
    expect("a set", len(shared), len(kept) + added.get() - removed.get())
    expect("odd elements", shared >= {f"element {i}" for i in range(1, EACH, 2)}, True)


def waiting(threads: int) -> None:
    """Threads that wait are woken, and exactly one thread computes a value."""
    event, latch, computed = AtomicEvent(), CountDownLatch(threads), AtomicInt(0)
    cache: AtomicDict[str, object] = AtomicDict()

    def compute(key: str) -> object:
        computed.increment_and_get()
        return key * 2

    def work(number: int) -> None:
        latch.decrement()
        if number == 0:
            latch.wait()
            event.set()
        expect("the event", event.wait(), True)
        expect("a value that is computed", ThreadHandle(cache).get_or_compute("a", compute), "aa")

    together(threads, work)
    expect("computations", computed.get(), 1)


def main(arguments: list[str]) -> int:
    """Runs all checks, and names each. The exit code is 1 if one has failed."""
    threads = int(arguments[0]) if arguments else 4
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    print(f"CPython {platform.python_version()}, {platform.machine()},",
          "with the GIL" if gil else "free-threaded")  # fmt: skip
    failed = 0
    for check in (integers, references, dicts, sets, waiting):
        try:
            check(threads)
        except Wrong as problem:
            failed = 1
            print(f"FAILED {check.__name__}: {problem}", flush=True)
        else:
            print(f"passed {check.__name__}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
