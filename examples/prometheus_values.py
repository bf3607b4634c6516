# SPDX-License-Identifier: Apache-2.0
"""The metrics of prometheus_client without a lock for each change.

python examples/prometheus_values.py [--threads 4] [--requests 20000]

It needs prometheus_client: `pip install prometheus_client`. The library keeps each number of a
metric in a value object, and takes a lock to change it. Here an AtomicFloat takes its place. The
metrics themselves, and programs that use them, stay as they are.
"""

# mypy: disable-error-code="import-not-found"

from __future__ import annotations

import importlib
import sys
import time
from typing import Any

import options
from cereggii import AtomicFloat, AtomicRef, ThreadSet
from rich.console import Console
from rich.table import Table


class AtomicValue:
    """A number of a metric: what `prometheus_client.values.MutexValue` is, without its lock."""

    _multiprocess = False

    def __init__(
        self,
        typ: str,
        metric_name: str,
        name: str,
        labelnames: Any,
        labelvalues: Any,
        help_text: str,
        **kwargs: Any,
    ) -> None:
        self._value = AtomicFloat()
        self._exemplar: AtomicRef[Any] = AtomicRef()

    def inc(self, amount: float) -> None:
        """Add the amount: one atomic step."""
        self._value.increment_and_get(amount)

    def set(self, value: float, timestamp: float | None = None) -> None:
        """Store the value. The time of a value is for several processes only."""
        self._value.set(value)

    def get(self) -> float:
        """The value."""
        return self._value.get()

    def set_exemplar(self, exemplar: Any) -> None:
        """Store an example of what was counted."""
        self._exemplar.set(exemplar)

    def get_exemplar(self) -> Any:
        """The last example."""
        return self._exemplar.get()


def install() -> None:
    """Make the metrics that are created from now on use AtomicValue.

    In multiprocess mode the library needs its own values, which are in files.
    """
    values: Any = importlib.import_module("prometheus_client.values")
    if not values.ValueClass._multiprocess:
        values.ValueClass = values.MutexValue = AtomicValue


def main() -> int:
    """Print a row for each metric. Return 1 if one of them is wrong."""
    parser = options.Parser(__doc__)
    parser.add("--threads", options.threads, 4, "threads that answer requests")
    parser.add("--requests", options.number, 20_000, "how many each of them answers")
    arguments = parser.parse_args()
    install()  # --help does not need the library
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

    registry = CollectorRegistry()
    served = Counter("served", "Requests served", ["path"], registry=registry)
    active = Gauge("active", "Requests in progress", registry=registry)
    size = Histogram("size", "Kibibytes sent", buckets=(0.25, 0.5, 1), registry=registry)

    @ThreadSet.range(arguments.threads)
    def server(thread: int) -> None:
        mine = served.labels(f"/{thread % 2}")
        for request in range(arguments.requests):
            with active.track_inprogress():
                mine.inc()
                size.observe(request % 4 / 4)  # 0, 0.25, 0.5, 0.75: every sum of them is exact

    start = time.perf_counter()
    server.start_and_join()
    seconds = time.perf_counter() - start

    each, threads = arguments.requests, arguments.threads
    sent = threads * sum(request % 4 / 4 for request in range(each))
    expected = {
        ("served_total", "/0"): (threads + 1) // 2 * each,
        ("served_total", "/1"): threads // 2 * each,
        ("active", ""): 0,
        ("size_count", ""): threads * each,
        ("size_sum", ""): sent,
    }
    found = {
        (sample.name, sample.labels.get("path", "")): sample.value
        for metric in registry.collect()
        for sample in metric.samples
    }
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    console = Console()
    console.print(f"{threads * each:,} requests, {threads} threads, {seconds:.3f} seconds")
    console.print(f"Python {sys.version.split()[0]}, the GIL is {'on' if gil else 'off'}")
    table = Table()
    for heading in ("metric", "path", "value", ""):
        table.add_column(heading, justify="right" if heading == "value" else "left")
    right = True
    for (name, path), value in expected.items():
        if not value and (name, path) not in found:
            continue  # no thread has made this path
        right &= found[name, path] == value
        verdict = "[green]right" if found[name, path] == value else "[red]wrong"
        table.add_row(name, path, f"{found[name, path]:,}", verdict)
    console.print(table)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
