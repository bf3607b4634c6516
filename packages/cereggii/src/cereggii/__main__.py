# SPDX-License-Identifier: Apache-2.0
"""Tell whether cereggii works here, and how fast.

Prints the interpreter, whether the GIL is on, and the versions. Then it runs the two programs that
cereggii began with, one that counts in an attribute and one that counts in a dict, in a few ways.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import sysconfig
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from cereggii import AtomicDict, AtomicInt, ThreadSet

PACKAGES = ["cereggii", "cereggii-atomicint", "cereggii-atomicref", "cereggii-atomicdict"]
COUNTER_THREADS = 2
DICT_THREADS = 3
DICT_KEYS = 10

HINT = (
    "The GIL is on, so threads take turns: more of them are not faster. cereggii is for a "
    "free-threaded Python, such as python3.14t."
)


class Spam:
    """What threads share: a counter, or a dict of counters."""

    def __init__(self, counter: Any = None, d: Any = None) -> None:
        self.counter = counter
        self.d = d


# ── the counter program ────────────────────────────────────────────────────────────────────────


def count(spam: Spam, increments: int) -> None:
    """Add to the attribute."""
    for _ in range(increments):
        spam.counter += 1


def count_by_handle(spam: Spam, increments: int) -> None:
    """Add to a handle of what is in the attribute."""
    h = spam.counter.get_handle()
    for _ in range(increments):
        h += 1


def counter_program(name: str, counter: Any, work: Any, increments: int) -> dict[str, Any]:
    """One line of the table."""
    spam = Spam(counter=counter)
    seconds = run(COUNTER_THREADS, work, spam, increments)
    expected = COUNTER_THREADS * increments
    return line("counter", name, COUNTER_THREADS, seconds, int(spam.counter), expected)


# ── the dict program ───────────────────────────────────────────────────────────────────────────


def count_in_dict(spam: Spam, increments: int) -> None:
    """Add to the counters in the dict, in turn."""
    keys = list(range(DICT_KEYS))
    for _ in range(increments):
        spam.d[keys[_ % len(keys)]] += 1


def dict_program(name: str, kind: Callable[[Any], Any], increments: int) -> dict[str, Any]:
    """One line of the table."""
    spam = Spam(d=kind({key: AtomicInt(0) for key in range(DICT_KEYS)}))
    seconds = run(DICT_THREADS, count_in_dict, spam, increments)
    total = sum(spam.d[key].get() for key in range(DICT_KEYS))
    return line("dict", name, DICT_THREADS, seconds, total, DICT_THREADS * increments)


# ── the report ─────────────────────────────────────────────────────────────────────────────────


def run(threads: int, work: Callable[[Spam, int], None], spam: Spam, increments: int) -> float:
    """The seconds that it takes."""
    workers = ThreadSet.repeat(threads)(lambda: work(spam, increments))
    start = time.perf_counter()
    workers.start_and_join()
    return time.perf_counter() - start


def line(
    program: str, name: str, threads: int, seconds: float, result: int, expected: int
) -> dict[str, Any]:
    """A result, as `--json` prints it."""
    return {
        "program": program,
        "with": name,
        "threads": threads,
        "seconds": seconds,
        "result": result,
        "expected": expected,
    }


def make_report(increments: int) -> dict[str, Any]:
    """All that is printed."""
    gil: Callable[[], bool] = getattr(sys, "_is_gil_enabled", lambda: True)
    return {
        "interpreter": f"{platform.python_implementation()} {platform.python_version()}",
        "executable": sys.executable,
        "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "gil_enabled": gil(),
        "versions": {name: version(name) for name in PACKAGES},
        "increments_per_thread": increments,
        "programs": [
            counter_program("int (racy)", 0, count, increments),
            counter_program("AtomicInt", AtomicInt(0), count, increments),
            counter_program("AtomicInt, by handle", AtomicInt(0), count_by_handle, increments),
            dict_program("dict of AtomicInts", dict, increments),
            dict_program("AtomicDict of AtomicInts", AtomicDict, increments),
        ],
    }


def print_report(report: dict[str, Any]) -> None:
    """The report, for people."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    kind = "free-threaded" if report["free_threaded"] else "with the GIL"
    gil = "on" if report["gil_enabled"] else "off"
    console.print(f"{report['interpreter']}, {kind}, the GIL is {gil}")
    console.print(", ".join(f"{name} {number}" for name, number in report["versions"].items()))
    table = Table(title=f"{report['increments_per_thread']:,} increments per thread")
    for heading in ("program", "with", "threads", "result", "", "seconds"):
        numeric = heading in ("threads", "result", "seconds")
        table.add_column(heading, justify="right" if numeric else "left")
    before = report["programs"][0]["program"]
    for found in report["programs"]:
        if found["program"] != before:
            table.add_section()
        before = found["program"]
        table.add_row(
            found["program"],
            found["with"],
            str(found["threads"]),
            f"{found['result']:,}",
            "[green]right" if found["result"] == found["expected"] else "[red]wrong",
            f"{found['seconds']:.3f}",
        )
    console.print(table)
    if report["gil_enabled"]:
        console.print(HINT)


def positive(text: str) -> int:
    """A number from 1 on."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 1 if an atomic type has counted wrong."""
    parser = argparse.ArgumentParser(prog="python -m cereggii", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.add_argument(
        "--increments", type=positive, default=500_000, metavar="N", help="of each thread (500000)"
    )
    given = parser.parse_args(arguments)
    report = make_report(given.increments)
    if given.json:
        print(json.dumps(report, indent=2))
    else:
        print_report(report)
    atomic = [found for found in report["programs"] if "racy" not in found["with"]]
    return 0 if all(found["result"] == found["expected"] for found in atomic) else 1


if __name__ == "__main__":
    sys.exit(main())
