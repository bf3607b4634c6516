# SPDX-License-Identifier: Apache-2.0
"""Measure this project against its peers.

Usage: python benchmarks/run.py --ours PYTHON --peers PYTHON [--threads 1,2] [--rounds 6]
           [--only atomic_int] [--json FILE] [--plot FILE] [--callgrind] [--memory]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

import callgrind
import memory
from harness import plot
from harness.machine import describe_machine, git_revision, load_average, usable_cores
from harness.options import (
    add_common_options,
    add_selection,
    describe_environments,
    given_pythons,
    selected_workloads,
)
from harness.registry import Workload
from harness.report import make_console, print_report
from harness.results import Row
from harness.schedule import make_rows, make_steps, take

ENOUGH_ROUNDS = 6

BUSY = 0.5
"""With this load average or more, another process is using a core."""


def thread_counts(text: str) -> list[int]:
    """`1,2,4` as a list."""
    counts = [int(part) for part in text.split(",")]
    if min(counts) < 1:
        raise ValueError(text)
    return counts


def positive(text: str) -> int:
    """A number from 1 on."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    add_common_options(parser)
    add_selection(parser)
    parser.add_argument("--threads", type=thread_counts, default=[1, 2], metavar="N,N,…")
    parser.add_argument("--rounds", type=positive, default=ENOUGH_ROUNDS, metavar="N")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw it (needs matplotlib)")
    parser.add_argument(
        "--callgrind", action="store_true", help="count instructions as well (needs valgrind)"
    )
    parser.add_argument(
        "--memory", action="store_true", help="weigh the entries of a dict as well (Linux)"
    )
    parser.add_argument("--list", action="store_true", help="print the workloads, and stop")
    return parser


def print_workloads(console: Console, workloads: Sequence[Workload]) -> None:
    """Print one line for each workload, with the implementations that can do it."""
    for load in workloads:
        names = ", ".join(of.name for of in load.variants)
        console.print(f"{load.key}: {load.title} ({names})", markup=False, highlight=False)


def print_cautions(console: Console, rounds: int, threads: Sequence[int]) -> None:
    """Print warnings about conditions that distort the numbers."""
    if rounds < ENOUGH_ROUNDS:
        console.print(f"{rounds} of {ENOUGH_ROUNDS} rounds: a try-out.", style="yellow")
    if max(threads) > usable_cores():
        console.print("More threads than cores: they do not all run at once.", style="yellow")
    load = load_average()
    if load is not None and load > BUSY:
        console.print(
            f"The machine is busy (load average {load}): contention needs idle cores.",
            style="yellow",
        )


def take_samples(
    console: Console, rows: Sequence[Row], rounds: int, pythons: Mapping[str, str]
) -> None:
    """Fill the rows, with a progress bar."""
    steps = make_steps(rows, rounds, pythons)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("starting", total=len(steps))
        for step in take(steps, pythons):
            label = f"round {step.round + 1} of {rounds}: {step.row.workload.key}"
            progress.update(task, advance=1, description=label)


def main() -> int:
    """Measure, print, write the files; the exit status says whether all could be measured."""
    parser = make_parser()
    arguments = parser.parse_args()
    console = make_console()
    workloads = selected_workloads(parser, arguments.only)
    if arguments.list:
        print_workloads(console, workloads)
        return 0
    if arguments.plot and not plot.can_draw():
        parser.error("--plot: matplotlib is not installed")
    pythons = given_pythons(arguments)
    report: dict[str, Any] = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "revision": git_revision(),
        "machine": describe_machine(),
        "environments": describe_environments(parser, pythons),
        "rounds": arguments.rounds,
    }
    environments = report["environments"]
    print_cautions(console, arguments.rounds, arguments.threads)

    started = time.monotonic()
    rows = make_rows(workloads, arguments.threads)
    take_samples(console, rows, arguments.rounds, pythons)
    print_report(console, rows, environments)
    report["rows"] = [row.as_json() for row in rows]
    failed = any(row.errors for row in rows)

    if arguments.callgrind:
        counted = callgrind.count(console, workloads, pythons)
        if counted is not None:
            callgrind.print_counts(console, counted, environments)
            report["instructions"] = [row.as_json() for row in counted]
            failed = failed or any(row.errors for row in counted)
    if arguments.memory:
        weighed = memory.weigh(pythons)
        memory.print_weights(console, weighed, environments)
        report["memory"] = [row.as_json() for row in weighed]
        failed = failed or any(row.errors for row in weighed)
    report["seconds"] = round(time.monotonic() - started)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if arguments.plot:
        plot.draw(rows, environments, arguments.plot)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
