# SPDX-License-Identifier: Apache-2.0
"""Count the hits of a web site while many threads answer requests.

python examples/hit_counter.py [--threads 8] [--requests 20000]
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter

import options
from cereggii import AtomicCounter, AtomicKeyedCounter, ThreadSet
from rich.console import Console
from rich.table import Table

# The pages, and how often each is requested in relation to the others.
PAGES = {"/": 60, "/docs": 25, "/blog": 10, "/about": 4, "/stats": 1}


class Site:
    """The two counters that the threads of the server share. There is no lock."""

    def __init__(self) -> None:
        self.requests = AtomicCounter()
        self.hits: AtomicKeyedCounter[str] = AtomicKeyedCounter()

    def answer(self, path: str) -> str:
        """The page at the path."""
        self.requests.add()
        self.hits.add(path)
        if path == "/stats":
            # Exact as of one instant, although other threads count meanwhile.
            counts = self.hits.most_common()
            return f"{sum(hits for _, hits in counts)} hits, most of them on {counts[0][0]}"
        return f"This is {path}"


def make_visits(thread: int, requests: int) -> list[str]:
    """The paths of the requests that one thread gets."""
    return random.Random(thread).choices([*PAGES], [*PAGES.values()], k=requests)


def main() -> int:
    """Print a row for each page. Return 1 if a hit was lost or counted twice."""
    parser = options.Parser(__doc__)
    parser.add("--threads", options.threads, 8, "threads that answer requests")
    parser.add("--requests", options.number, 20_000, "how many each of them answers")
    arguments = parser.parse_args()

    site = Site()
    visits = [make_visits(thread, arguments.requests) for thread in range(arguments.threads)]
    statistics: list[list[str]] = [[] for _ in visits]

    @ThreadSet.range(arguments.threads)
    def server(thread: int) -> None:
        for path in visits[thread]:
            page = site.answer(path)
            if path == "/stats":
                statistics[thread].append(page)

    start = time.perf_counter()
    server.start_and_join()
    seconds = time.perf_counter() - start

    expected = Counter(path for paths in visits for path in paths)
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    console = Console()
    console.print(
        f"{site.requests.sum():,} requests, {arguments.threads} threads, {seconds:.3f} seconds"
    )
    console.print(f"Python {sys.version.split()[0]}, the GIL is {'on' if gil else 'off'}")
    table = Table()
    for heading in ("path", "hits", ""):
        table.add_column(heading, justify="right" if heading == "hits" else "left")
    for path, hits in site.hits.most_common():
        table.add_row(path, f"{hits:,}", "[green]right" if hits == expected[path] else "[red]wrong")
    console.print(table)

    # A visitor who comes back never finds fewer hits than the time before.
    seen = [[int(page.split()[0]) for page in pages] for pages in statistics]
    right = {
        "Every hit was counted for its path, once": site.hits == expected,
        "The total is the number of requests": site.requests.sum() == sum(expected.values()),
        "The statistics never went back": all(counts == sorted(counts) for counts in seen),
    }
    for promise, kept in right.items():
        console.print(f"{promise}: {'[green]right' if kept else '[red]wrong'}")
    return 0 if all(right.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
