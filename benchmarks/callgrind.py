# SPDX-License-Identifier: Apache-2.0
"""Count the instructions of every single-threaded row with valgrind.

Usage: python benchmarks/callgrind.py --ours PYTHON --peers PYTHON [--only get] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from harness.instructions import InstructionRow, count_instructions
from harness.machine import describe_machine, git_revision
from harness.options import (
    add_common_options,
    add_selection,
    describe_environments,
    given_pythons,
    selected_workloads,
)
from harness.registry import IMPLEMENTATIONS, Workload
from harness.report import MISSING, Environments, empty_table, header_of, make_console


def count(
    console: Console, workloads: Sequence[Workload], pythons: Mapping[str, str]
) -> list[InstructionRow] | None:
    """Count with a progress bar. None, and a line that says why, if there is no valgrind."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        console.print("Instructions were not counted: valgrind is not installed.", style="yellow")
        return None
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("callgrind", total=1.0)
        return count_instructions(
            valgrind, workloads, pythons, lambda done: progress.update(task, completed=done)
        )


def print_counts(
    console: Console, rows: Sequence[InstructionRow], environments: Environments
) -> None:
    """Print a table like those of the times, and the failures."""
    shown = [of for of in IMPLEMENTATIONS if any(of in {*r.counts, *r.errors} for r in rows)]
    headers = [header_of(of, environments) for of in shown]
    table = empty_table("Instructions per operation, 1 thread", *headers, "ours/best peer")
    for row in rows:
        ratio = row.ratio_to_best_peer()
        table.add_row(
            Text(row.workload.title),
            *(f"{row.counts[of]:.0f}" if of in row.counts else MISSING for of in shown),
            MISSING if ratio is None else f"{ratio:.2f}",
            style="red" if ratio is not None and ratio >= 1 else None,
        )
    console.print(table)
    for row in rows:
        for of, error in row.errors.items():
            console.print(f"{row.workload.key}, {of.name}: {error}", style="red", markup=False)


def main() -> int:
    """Count, print, write the JSON; the exit status says whether all could be counted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    add_common_options(parser)
    add_selection(parser)
    arguments = parser.parse_args()
    workloads = selected_workloads(parser, arguments.only)
    pythons = given_pythons(arguments)
    environments = describe_environments(parser, pythons)
    console = make_console()
    rows = count(console, workloads, pythons)
    if rows is None:
        return 0
    print_counts(console, rows, environments)
    if arguments.json:
        report = {
            "machine": describe_machine(),
            "revision": git_revision(),
            "environments": environments,
            "instructions": [row.as_json() for row in rows],
        }
        arguments.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 1 if any(row.errors for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
