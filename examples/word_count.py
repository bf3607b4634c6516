# SPDX-License-Identifier: Apache-2.0
"""Count the words of Python's standard library, with several threads and one dict.

python examples/word_count.py [--threads 1 2 4] [--files 50]
"""

from __future__ import annotations

import os
import re
import sys
import sysconfig
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import options
from cereggii import AtomicDict, AtomicInt
from rich.console import Console
from rich.table import Table

Counts = dict[str, int]

WORD = re.compile(r"\w+")
NOT_OF_THE_LIBRARY = {"site-packages", "test", "tests", "idle_test"}


def find_sources(most: int | None) -> list[Path]:
    """The files of the library's modules, at most this many."""
    library = Path(sysconfig.get_path("stdlib"))
    paths = [
        path
        for path in sorted(library.rglob("*.py"))
        if NOT_OF_THE_LIBRARY.isdisjoint(path.relative_to(library).parts)
    ]
    return paths[:most]


def read_source(path: Path) -> str:
    """The text of a module."""
    return path.read_text(encoding="utf-8", errors="replace")


def count_alone(texts: Sequence[str]) -> Counts:
    """Count with one thread and a Counter."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(WORD.findall(text))
    return dict(counts)


def count_together(texts: Sequence[str], threads: int) -> Counts:
    """Count with several threads in one AtomicDict."""
    counts: AtomicDict[str, AtomicInt] = AtomicDict()
    next_text = AtomicInt()

    def work() -> None:
        while (index := next_text.get_and_increment()) < len(texts):
            for word in WORD.findall(texts[index]):
                counter = counts.get(word)
                if counter is None:
                    # Only the first of several threads that come here at the same time sets it.
                    counter = counts.setdefault(word, AtomicInt())
                counter += 1

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return {word: counter.get() for word, counter in counts.items()}


def best_of_three(count: Callable[[], Counts]) -> tuple[float, list[Counts]]:
    """The seconds of the fastest run, and what each run counted."""
    seconds = []
    results = []
    for _ in range(3):
        start = time.perf_counter()
        results.append(count())
        seconds.append(time.perf_counter() - start)
    return min(seconds), results


def main() -> int:
    """Print a row for each number of threads. Return 1 if one of them counted wrong."""
    parser = options.Parser(__doc__)
    numbers = sorted({1, 2, os.cpu_count() or 1})
    parser.add("--threads", options.threads, numbers, "how many count together", nargs="+")
    parser.add("--files", options.number, None, "read this many files at most")
    arguments = parser.parse_args()

    texts = [read_source(path) for path in find_sources(arguments.files)]
    seconds_alone, (expected, *_) = best_of_three(lambda: count_alone(texts))

    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    title = f"{sum(expected.values()):,} words in {len(texts):,} files, {len(expected):,} different"
    python = f"Python {sys.version.split()[0]}, the GIL is {'on' if gil else 'off'}"
    table = Table(title=f"{title}\n{python}")
    for heading in ("threads", "dict", "", "seconds", "speed-up"):
        table.add_column(heading, justify="left" if heading in ("dict", "") else "right")
    table.add_row("1", "Counter", "", f"{seconds_alone:.3f}", "1.0x")
    all_right = True
    for threads in arguments.threads:
        seconds, results = best_of_three(partial(count_together, texts, threads))
        right = all(result == expected for result in results)
        all_right = all_right and right
        table.add_row(
            f"{threads}",
            "AtomicDict",
            "[green]right" if right else "[red]wrong",
            f"{seconds:.3f}",
            f"{seconds_alone / seconds:.1f}x",
        )
    console = Console()
    console.print(table)
    console.print("Speed-up is over one thread with a Counter; best of three runs.")
    if gil:
        console.print("With the GIL on, threads take turns: try a free-threaded Python.")
    return 0 if all_right else 1


if __name__ == "__main__":
    sys.exit(main())
