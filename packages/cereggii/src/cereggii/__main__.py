# SPDX-License-Identifier: Apache-2.0
"""Tell whether cereggii works here, and how fast.

Prints the interpreter, whether the GIL is on, and the versions. Then it runs the two programs that
cereggii began with, one that counts in an attribute and one that counts in a dict, in a few ways,
and shows what they counted and how long they took. Says what is wrong if the GIL is on, or if the
machine is busy. Exits with 1 if an atomic type counted wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import shutil
import sys
import sysconfig
import textwrap
import time
from collections.abc import Callable
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any, NoReturn

from cereggii import AtomicDict, AtomicInt, ThreadSet, _machine, _picture
from cereggii._progress import progress

# This package, and those of this project that it depends on.
PACKAGES = [
    "cereggii",
    *re.findall(r"^cereggii-[\w-]+", "\n".join(requires("cereggii") or []), re.M),
]

MOST_INCREMENTS = 10**12
COUNTER_THREADS = 2
DICT_THREADS = 3
DICT_KEYS = 10

SCHEMA = 1
"""The version of what `--json` prints. It changes if a key goes or means something else."""


class Spam:
    """The object that the threads share: it has a counter, or a dict of counters."""

    def __init__(self, counter: Any = None, d: Any = None) -> None:
        self.counter = counter
        self.d = d


# ── the counter program ────────────────────────────────────────────────────────────────────────


def count(spam: Spam, increments: int) -> None:
    """Add to the attribute."""
    for _ in range(increments):
        spam.counter += 1


def count_by_handle(spam: Spam, increments: int) -> None:
    """Add to a handle of the counter in the attribute."""
    h = spam.counter.get_handle()
    for _ in range(increments):
        h += 1


def counter_program(name: str, counter: Any, work: Any, increments: int) -> dict[str, Any]:
    """One line of the table."""
    spam = Spam(counter=counter)
    times = run(COUNTER_THREADS, work, spam, increments)
    expected = COUNTER_THREADS * increments
    return line("counter", name, COUNTER_THREADS, times, int(spam.counter), expected)


# ── the dict program ───────────────────────────────────────────────────────────────────────────


def count_in_dict(spam: Spam, increments: int) -> None:
    """Add to the counters in the dict, in turn."""
    keys = list(range(DICT_KEYS))
    for _ in range(increments):
        spam.d[keys[_ % len(keys)]] += 1


def dict_program(name: str, kind: Callable[[Any], Any], increments: int) -> dict[str, Any]:
    """One line of the table."""
    spam = Spam(d=kind({key: AtomicInt(0) for key in range(DICT_KEYS)}))
    times = run(DICT_THREADS, count_in_dict, spam, increments)
    total = sum(spam.d[key].get() for key in range(DICT_KEYS))
    return line("dict", name, DICT_THREADS, times, total, DICT_THREADS * increments)


# ── the report ─────────────────────────────────────────────────────────────────────────────────


def run(
    threads: int, work: Callable[[Spam, int], None], spam: Spam, increments: int
) -> tuple[float, float]:
    """Run the work in threads. The seconds that it takes, and those without a core, of a thread."""

    def measured() -> float:
        before = _machine.time_without_core()
        work(spam, increments)
        return _machine.time_without_core() - before

    workers = ThreadSet.repeat(threads)(measured)
    start = time.perf_counter()
    workers.start_and_join()
    seconds = time.perf_counter() - start
    return seconds, sum(workers.results()) / threads


def line(
    program: str, name: str, threads: int, times: tuple[float, float], result: int, expected: int
) -> dict[str, Any]:
    """A result, as `--json` prints it."""
    seconds, waited = times
    return {
        "program": program,
        "with": name,
        "threads": threads,
        "seconds": seconds,
        "seconds_without_core": waited,
        "result": result,
        "expected": expected,
    }


def run_programs(increments: int) -> list[dict[str, Any]]:
    """The lines of the table, with a progress bar on a terminal while they are measured."""
    programs: list[tuple[str, Callable[[str], dict[str, Any]]]] = [
        ("int (racy)", lambda name: counter_program(name, 0, count, increments)),
        ("AtomicInt", lambda name: counter_program(name, AtomicInt(0), count, increments)),
        (
            "AtomicInt, by handle",
            lambda name: counter_program(name, AtomicInt(0), count_by_handle, increments),
        ),
        ("dict of AtomicInts", lambda name: dict_program(name, dict, increments)),
        ("AtomicDict of AtomicInts", lambda name: dict_program(name, AtomicDict, increments)),
    ]
    lines = []
    with progress(len(programs)) as step:
        for name, program in programs:
            step(name)
            lines.append(program(name))
    return lines


def make_report(increments: int) -> dict[str, Any]:
    """The results, as `--json` prints them."""
    gil: Callable[[], bool] = getattr(sys, "_is_gil_enabled", lambda: True)
    cores, load = _machine.usable_cores(), _machine.load_average()
    free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    programs = run_programs(increments)
    # Those with as many threads as there are cores: of others, some wait in any case.
    undisturbed = [found for found in programs if found["threads"] <= cores]
    waiting = _machine.waiting_share(
        [found["seconds_without_core"] for found in undisturbed],
        [found["seconds"] for found in undisturbed],
    )
    return {
        "schema": SCHEMA,
        "interpreter": f"{platform.python_implementation()} {platform.python_version()}",
        "executable": sys.executable,
        "free_threaded": free_threaded,
        "gil_enabled": gil(),
        "versions": {name: version(name) for name in PACKAGES},
        "cores": cores,
        "load_average": load,
        "waiting": waiting,
        "warnings": _machine.warnings(gil(), free_threaded, cores, COUNTER_THREADS, load, waiting),
        "increments_per_thread": increments,
        "programs": programs,
    }


HEADINGS = ("program", "with", "threads", "result", "", "seconds")
NUMERIC = (False, False, True, True, False, True)


def rows_of(report: dict[str, Any]) -> list[tuple[str, ...]]:
    """The cells of the table."""
    return [
        (
            found["program"],
            found["with"],
            str(found["threads"]),
            f"{found['result']:,}",
            "right" if found["result"] == found["expected"] else "wrong",
            f"{found['seconds']:.3f}",
        )
        for found in report["programs"]
    ]


def table_of_text(rows: list[tuple[str, ...]]) -> str:
    """The rows, in columns."""
    widths = [max(map(len, column)) for column in zip(HEADINGS, *rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if numeric else cell.ljust(width)
            for cell, width, numeric in zip(row, widths, NUMERIC, strict=True)
        )
        for row in (HEADINGS, *rows)
    )


def table_with_colors(rows: list[tuple[str, ...]]) -> str:
    """The rows in columns, with colors for a terminal. ImportError without rich."""
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for heading, numeric in zip(HEADINGS, NUMERIC, strict=True):
        table.add_column(heading, justify="right" if numeric else "left")
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        colors = {"right": "[green]right", "wrong": "[red]wrong"}
        last_of_program = following is None or following[0] != row[0]
        table.add_row(*(colors.get(cell, cell) for cell in row), end_section=last_of_program)
    console = Console(width=1000)  # as wide as it is
    with console.capture() as captured:
        console.print(table)
    return captured.get().rstrip("\n")


def list_of_text(rows: list[tuple[str, ...]]) -> str:
    """The rows, each in several lines, for a terminal that is too narrow for the table."""
    return "\n".join(
        f"{program}, {name}:\n  {result} {verdict}\n  {threads} threads, {seconds} s"
        for program, name, threads, result, verdict, seconds in rows
    )


def width_of(text: str) -> int:
    """The columns that a text takes. The codes of colors take none."""
    return max(map(len, re.sub(r"\x1b\[[\d;]*m", "", text).splitlines()))


def text_of(report: dict[str, Any]) -> str:
    """The report, for people."""
    width = max(30, shutil.get_terminal_size().columns)
    kind = "free-threaded" if report["free_threaded"] else "not free-threaded"
    gil = "on" if report["gil_enabled"] else "off"
    versions = ", ".join(f"{name}\xa0{number}" for name, number in report["versions"].items())
    rows = rows_of(report)
    tables = [table_of_text(rows), list_of_text(rows)]
    with contextlib.suppress(ImportError):
        tables.insert(0, table_with_colors(rows))
    # The first table that is not too wide, or else the last one.
    table = next((table for table in tables if width_of(table) <= width), tables[-1])

    def wrap(text: str) -> str:
        lines = textwrap.fill(text, min(width, 100), break_long_words=False, break_on_hyphens=False)
        return lines.replace("\xa0", " ")

    return "\n".join(
        [
            wrap(f"{report['interpreter']}, {kind}, the GIL is {gil}"),
            wrap(versions),
            "",
            f"{report['increments_per_thread']:,} increments per thread:",
            table,
            *(wrap(warning["message"]) for warning in report["warnings"]),
        ]
    )


# ── the command ────────────────────────────────────────────────────────────────────────────────


def number_of_increments(text: str) -> int:
    """The argument of `--increments`."""
    with contextlib.suppress(ValueError):
        if 1 <= int(text) <= MOST_INCREMENTS:
            return int(text)
    raise argparse.ArgumentTypeError(f"not a whole number from 1 to {MOST_INCREMENTS:,}: {text!r}")


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 1 if an atomic type has counted wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m cereggii",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print only the versions")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument(
        "--increments",
        type=number_of_increments,
        default=500_000,
        metavar="N",
        help="how often each thread adds 1 (default: 500000)",
    )
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="draw the times into FILE (needs matplotlib)"
    )
    given = parser.parse_args(arguments)
    if given.version:
        for name in PACKAGES:
            print(name, version(name))
        return 0
    problem = given.plot and _picture.problem_with(given.plot)
    if problem:
        parser.error(f"--plot: {problem}")
    report = make_report(given.increments)
    if given.plot:
        _picture.draw(report, given.plot)
    print(json.dumps(report, indent=2) if given.json else text_of(report))
    atomic = [found for found in report["programs"] if "racy" not in found["with"]]
    return 0 if all(found["result"] == found["expected"] for found in atomic) else 1


def run_command() -> NoReturn:
    """Run `main` and exit like other commands, even if interrupted or if the output is closed."""
    try:
        try:
            status = main()
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    # Exit at once: threads may be counting, and the rest of the output has no reader. The exit
    # status is the one that a shell reports for a command that SIGINT or SIGPIPE has ended.
    except KeyboardInterrupt:
        os._exit(130)
    except BrokenPipeError:
        os._exit(141)
    sys.exit(status)


if __name__ == "__main__":
    run_command()
