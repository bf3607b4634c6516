# SPDX-License-Identifier: Apache-2.0
"""Whether the packages work on this platform: `python tools/smoke.py`, where they are installed.

It needs nothing but the packages, so it also runs in an emulator and where wheels are built.
Threads share an object of each kind, and what they have done together is compared with what it must
be. With arguments, it checks only the packages with these names or in these folders, such as
packages/cereggii-atomicint. `--threads=N` takes another number than four.
"""

from __future__ import annotations

import argparse
import importlib
import platform
import sys
import sysconfig
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from importlib.metadata import distributions
from pathlib import Path

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
    from cereggii_atomicint import AtomicCounter, AtomicInt

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


def floats(threads: int) -> None:
    """No update of a float is lost, and a sum keeps what is small beside what is large."""
    from cereggii_atomicfloat import AtomicFloat, AtomicFloatSum

    shared, total = AtomicFloat(0.25), AtomicFloatSum(1)

    def work(number: int) -> None:
        handle = shared.get_handle()
        for _ in range(EACH):
            handle += 0.5
            total.add(2**70)
            total.add(number)
            total.add(-(2**70))

    together(threads, work)
    expect("a float", shared.get(), 0.25 + threads * EACH * 0.5)
    expect("a sum of floats", total.sum(), 1 + EACH * sum(range(threads)))
    shared /= 0.5
    expect("a quotient", shared.get(), 0.5 + threads * EACH)


def references(threads: int) -> None:
    """Objects are read while others replace and free them, and each replacement is seen."""
    from cereggii_atomicref import AtomicRef

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
    from cereggii_atomicdict import AtomicDict

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
    from cereggii_atomicdict import AtomicSet

    shared: AtomicSet[str] = AtomicSet()
    kept = {f"kept {i}" for i in range(100)}
    shared |= kept
    added, removed = [0] * threads, [0] * threads  # by each thread

    def work(number: int) -> None:
        for i in range(EACH):
            added[number] += shared.add(f"element {i}")
            if i % 5_000 == 0:
                expect("elements that stay", len(shared & kept), len(kept))
                expect("a superset", shared.snapshot() >= kept, True)
        for i in range(0, EACH, 2):
            removed[number] += shared.discard(f"element {i}")

    together(threads, work)
    # What one thread has removed, another one may have added again.
    expect("a set", len(shared), len(kept) + sum(added) - sum(removed))
    expect("odd elements", shared >= {f"element {i}" for i in range(1, EACH, 2)}, True)


def computing(threads: int) -> None:
    """Exactly one thread computes a value, and the others wait for it."""
    from cereggii_atomicdict import AtomicDict

    computed: list[str] = []
    cache: AtomicDict[str, str] = AtomicDict()

    def compute(key: str) -> str:
        computed.append(key)
        return key * 2

    def work(_: int) -> None:
        expect("a value that is computed", cache.get_or_compute("a", compute), "aa")

    together(threads, work)
    expect("computations", computed, ["a"])


def waiting(threads: int) -> None:
    """Threads that wait for an event are woken."""
    from cereggii_atomicint import AtomicEvent, AtomicInt

    event, arrived = AtomicEvent(), AtomicInt(0)

    def work(_: int) -> None:
        if arrived.increment_and_get() == threads:
            event.set()
        expect("the event", event.wait(60), True)

    together(threads, work)


def combined(threads: int) -> None:
    """The packages work with each other's objects, through one namespace."""
    from cereggii import AtomicDict, AtomicInt, CountDownLatch, ThreadHandle

    latch, counts = CountDownLatch(threads), AtomicDict[int, AtomicInt]()

    def work(_: int) -> None:
        handle = ThreadHandle(counts)
        latch.decrement()
        expect("the latch", latch.wait(60), True)
        for i in range(EACH):
            handle.get_or_compute(i % 97, lambda _: AtomicInt(0)).increment_and_get()

    together(threads, work)
    expect("counts", sum(count.get() for count in counts.values()), threads * EACH)


# What is checked of a package, beside its import.
CHECKS: dict[str, list[Callable[[int], None]]] = {
    "cereggii": [combined],
    "cereggii-atomicdict": [dicts, sets, computing],
    "cereggii-atomicfloat": [floats],
    "cereggii-atomicint": [integers, waiting],
    "cereggii-atomicref": [references],
}


def imported(package: str) -> None:
    """A package has all the names that it exports, and leaves the GIL off."""
    module = importlib.import_module(package.replace("-", "_"))
    missing = [name for name in module.__all__ if not hasattr(module, name)]
    expect(f"names that {package} lacks", missing, [])
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        expect("the GIL", sys._is_gil_enabled(), False)  # type: ignore[attr-defined, unused-ignore]


def installed() -> list[str]:
    """The names of the packages of this project that can be imported here."""
    names = {distribution.metadata["Name"] for distribution in distributions()}
    return sorted(name for name in names if name == "cereggii" or name.startswith("cereggii-"))


def check(package: str, threads: int) -> bool:
    """Runs the checks of a package, and names each. Whether all have passed."""
    checks: dict[str, Callable[[], None]] = {"import": partial(imported, package)}
    checks |= {run.__name__: partial(run, threads) for run in CHECKS.get(package, [])}
    passed = True
    for name, run in checks.items():
        try:
            run()
        except Exception as problem:
            passed = False
            print(f"FAILED {package}: {name}: {type(problem).__name__}: {problem}", flush=True)
        else:
            print(f"passed {package}: {name}", flush=True)
    return passed


def main(arguments: list[str]) -> int:
    """Runs all checks of the packages. The exit code is 1 if one has failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("packages", nargs="*", help="names or folders; else all that are here")
    parser.add_argument("--threads", type=int, default=4)
    options = parser.parse_args(arguments)
    packages = [Path(package).resolve().name for package in options.packages] or installed()
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    print(f"CPython {platform.python_version()}, {platform.machine()},",
          "with the GIL" if gil else "free-threaded")  # fmt: skip
    if not packages:
        print("FAILED: no package of this project is installed")
        return 1
    passed = [check(package, options.threads) for package in packages]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
