# SPDX-License-Identifier: Apache-2.0
"""Count words with several processes that have several threads each.

python examples/distributed_word_count.py [--workers 2] [--threads 2] [--files 200]

For work that is too much for one machine. It needs Dask: `pip install dask distributed`. Here the
processes run on this machine. With `Client("tcp://…")` the workers of a scheduler elsewhere do the
same work. They need cereggii and the files.
"""

# mypy: allow-untyped-calls, disable-error-code="import-not-found"

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import options
from cereggii import AtomicDict
from rich.console import Console
from rich.table import Table
from word_count import WORD, find_sources

PARTS_PER_WORKER = 2  # a worker that has finished one takes the next


def words_of(path: Path) -> list[str]:
    """The words of a file."""
    return WORD.findall(path.read_text(encoding="utf-8", errors="replace"))


def count_part(paths: list[Path], threads: int) -> tuple[int, bool, AtomicDict[str, int]]:
    """Count in a worker process. Its threads share one AtomicDict, which is pickled for the client.

    Return the number of the process, whether it has the GIL, and the counts.
    """
    counts: AtomicDict[str, int] = AtomicDict()
    with ThreadPoolExecutor(threads) as pool:
        # list() raises what a thread has raised.
        list(pool.map(lambda path: counts.reduce_count(words_of(path)), paths))
    return os.getpid(), getattr(sys, "_is_gil_enabled", lambda: True)(), counts


def main() -> int:
    """Print a row for each part. Return 1 if the sum of the parts is not the whole."""
    parser = options.Parser(__doc__)
    parser.add("--workers", options.threads, 2, "processes")
    parser.add("--threads", options.threads, 2, "threads of each process")
    parser.add("--files", options.number, None, "read this many files at most")
    arguments = parser.parse_args()
    from distributed import Client, LocalCluster, as_completed  # --help does not need it

    paths = find_sources(arguments.files)
    number_of_parts = min(arguments.workers * PARTS_PER_WORKER, len(paths))
    parts = [paths[number::number_of_parts] for number in range(number_of_parts)]

    table = Table()
    for heading in ("part", "files", "words", "different", "process", "its GIL"):
        table.add_column(heading, justify="right")
    counts: AtomicDict[str, int] = AtomicDict()
    # Dask gives each process one part at a time, and our threads share that part.
    with (
        LocalCluster(
            n_workers=arguments.workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
        ) as cluster,
        Client(cluster) as client,
    ):
        start = time.perf_counter()
        futures = client.map(count_part, parts, threads=arguments.threads)
        part_of = {future.key: number for number, future in enumerate(futures)}
        # In the order in which they end. An exception of a worker is raised here.
        for future, (process, gil, part) in as_completed(futures, with_results=True):
            counts.reduce_sum(part.items())
            number = part_of[future.key]
            table.add_row(
                f"{number + 1}",
                f"{len(parts[number]):,}",
                f"{sum(part.values()):,}",
                f"{len(part):,}",
                f"{process}",
                "on" if gil else "off",
            )
        seconds = time.perf_counter() - start

    start = time.perf_counter()
    expected: Counter[str] = Counter()
    for path in paths:
        expected.update(words_of(path))
    seconds_alone = time.perf_counter() - start
    right = counts == expected

    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    console = Console()
    console.print(
        f"{expected.total():,} words in {len(paths):,} files, {len(expected):,} different\n"
        f"{arguments.workers} processes of {arguments.threads} threads\n"
        f"Python {sys.version.split()[0]}, the GIL is {'on' if gil else 'off'} here"
    )
    console.print(table)
    console.print(f"All parts: {seconds:.3f} seconds; a Counter here: {seconds_alone:.3f} seconds")
    console.print(f"The sum of the parts is the whole: {'[green]right' if right else '[red]wrong'}")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
