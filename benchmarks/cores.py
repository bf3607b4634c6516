# SPDX-License-Identifier: Apache-2.0
"""Measure a small dict and a counter that two threads share, on a machine of many cores.

Usage: cores.py [CORES ...]         under the interpreter to be measured; 2 and 192 as a rule

The number of cores is simulated: a library that a C compiler makes answers for the system. Prints a
line for each number: nanoseconds of an insertion and a deletion, and bytes of the dict; nanoseconds
of an addition and of a sum, and bytes of the counter.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

COUNT = 100_000
ROUNDS = 5
SOURCE = """
#include <stdlib.h>
#include <unistd.h>
long __sysconf(int name);
static int cores(void) { return atoi(getenv("CORES")); }
int get_nprocs(void) { return cores(); }
long sysconf(int name) {
    return name == _SC_NPROCESSORS_ONLN || name == _SC_NPROCESSORS_CONF ? cores() : __sysconf(name);
}
"""


def best(operation: Callable[[], object]) -> float:
    """Nanoseconds of one of many, in the best of some rounds."""
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        operation()
        times.append(time.perf_counter() - begin)
    return min(times) / COUNT * 1e9


def by_two_threads(use: Callable[[int], object]) -> None:
    """Use the objects in two threads first, so that they are known to be shared."""
    for number in range(2):
        thread = threading.Thread(target=use, args=[number])
        thread.start()
        thread.join()


def measure() -> str:
    """The line of this process."""
    from cereggii import AtomicCounter, AtomicDict

    d: AtomicDict[Any, int] = AtomicDict({0: 0})
    counter = AtomicCounter()
    by_two_threads(lambda number: (d.setdefault(("key", number), 1), d.pop(("key", number))))
    by_two_threads(counter.add)

    def change() -> None:
        for number in range(COUNT):
            d[5] = number
            del d[5]

    def add() -> None:
        for _ in range(COUNT):
            counter.add(1)

    def total() -> None:
        for _ in range(COUNT):
            counter.sum()

    sizes = d.__sizeof__(), counter.__sizeof__()
    return (
        f"dict {best(change):.0f} ns, {sizes[0]} bytes; "
        f"counter {best(add):.0f} ns, sum {best(total):.0f} ns, {sizes[1]} bytes"
    )


def main(cores: list[str]) -> None:
    """One process for each number."""
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "cores.c"), Path(folder, "cores.so")
        source.write_text(SOURCE)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
        for number in cores:
            environment = {**os.environ, "LD_PRELOAD": str(library), "CORES": number}
            command = [sys.executable, __file__, "--measure"]
            done = subprocess.run(
                command, env=environment, check=True, capture_output=True, text=True
            )
            print(f"{number:>4} cores: {done.stdout.strip()}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["--measure"]:
        print(measure())
    else:
        main(sys.argv[1:] or ["2", "192"])
