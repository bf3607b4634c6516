# SPDX-License-Identifier: Apache-2.0
"""Count with several threads in four ways, and show which are right and how fast.

python examples/counter.py [--threads 1 2 4] [--increments 1000000]
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import options
from cereggii import AtomicInt
from rich.console import Console
from rich.table import Table


class Spam:
    """An object with a counter that threads share."""

    def __init__(self, counter: Any) -> None:
        self.counter = counter


def racy_int(spam: Spam, increments: int) -> None:
    """`+=` on an int reads, adds and stores. Between these steps, updates get lost."""
    for _ in range(increments):
        spam.counter += 1


lock = threading.Lock()


def locked_int(spam: Spam, increments: int) -> None:
    """A lock makes the result right. It also makes the threads wait for each other."""
    for _ in range(increments):
        with lock:
            spam.counter += 1


def atomic_int(spam: Spam, increments: int) -> None:
    """`+=` on an AtomicInt is one step."""
    for _ in range(increments):
        spam.counter += 1


def atomic_int_handle(spam: Spam, increments: int) -> None:
    """A handle is one thread's own reference to the AtomicInt."""
    h = spam.counter.get_handle()
    for _ in range(increments):
        h += 1


WAYS: dict[str, tuple[Callable[[Spam, int], None], Callable[[int], Any]]] = {
    "int (racy)": (racy_int, int),
    "int + Lock": (locked_int, int),
    "AtomicInt": (atomic_int, AtomicInt),
    "AtomicIntHandle": (atomic_int_handle, AtomicInt),
}


def run(
    count: Callable[[Spam, int], None], counter: Any, threads: int, increments: int
) -> tuple[float, int]:
    """The seconds that `threads` threads take for `increments` each, and the final count."""
    spam = Spam(counter)
    workers = [threading.Thread(target=count, args=(spam, increments)) for _ in range(threads)]
    start = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return time.perf_counter() - start, int(spam.counter)


def powers_of_two(most: int) -> list[int]:
    """1, 2, 4, …, and `most` itself."""
    return sorted({2**i for i in range(most.bit_length()) if 2**i < most} | {most})


def main() -> None:
    """Print a row for each way and number of threads."""
    parser = options.Parser(__doc__)
    cores = powers_of_two(os.cpu_count() or 1)
    parser.add("--threads", options.threads, cores, "how many count together", nargs="+")
    parser.add("--increments", options.number, 1_000_000, "how often each thread adds 1")
    arguments = parser.parse_args()

    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    title = f"{arguments.increments:,} increments per thread, Python {sys.version.split()[0]}"
    table = Table(title=f"{title}, the GIL is {'on' if gil else 'off'}")
    for heading in ("threads", "counter", "result", "", "seconds", "speed-up"):
        table.add_column(heading, justify="left" if heading in ("counter", "") else "right")
    for threads in arguments.threads:
        runs = {
            name: [run(count, make(0), threads, arguments.increments) for _ in range(3)]
            for name, (count, make) in WAYS.items()
        }
        best = {name: min(seconds for seconds, _ in results) for name, results in runs.items()}
        for name, results in runs.items():
            expected = threads * arguments.increments
            wrong = [total for _, total in results if total != expected]
            table.add_row(
                f"{threads}",
                name,
                f"{wrong[0] if wrong else expected:,}",
                "[red]wrong" if wrong else "[green]right",
                f"{best[name]:.3f}",
                f"{best['int + Lock'] / best[name]:.1f}x",
            )
        table.add_section()
    console = Console()
    console.print(table)
    console.print(
        "Speed-up is over int + Lock with the same number of threads; best of three runs."
    )
    if gil:
        console.print("With the GIL on, threads take turns: try a free-threaded Python.")


if __name__ == "__main__":
    main()
