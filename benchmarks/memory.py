# SPDX-License-Identifier: Apache-2.0
"""Weigh the entries of a dict: what a process grows by, without the keys and the values.

Usage: python benchmarks/memory.py --ours PYTHON --peers PYTHON [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console

from harness.machine import describe_machine, git_revision
from harness.options import add_common_options, describe_environments, given_pythons
from harness.processes import WorkerError, run_worker
from harness.registry import IMPLEMENTATIONS, OURS, Implementation, load_workloads
from harness.report import MISSING, Environments, empty_table, header_of, make_console

WORKLOAD = "atomic_dict.insert"
"""The keys exist before, and each is its own value: only the table is new."""

ENTRIES = (786_432, 786_433, 1_000_000)
"""A table of 2**20 slots at a load of three quarters, the same after one more, and a million."""

VARIABLES = {"MIMALLOC_PURGE_DELAY": "0"}
"""Makes memory that is freed while a dict grows go back to the system at once."""


@dataclass
class MemoryRow:
    """Bytes per entry of dicts of one size."""

    entries: int
    weights: dict[Implementation, float] = field(default_factory=dict)
    errors: dict[Implementation, str] = field(default_factory=dict)

    def ratio_to_best_peer(self) -> float | None:
        """Our bytes divided by the fewest of a peer; None without a peer."""
        ours = self.weights.get(OURS)
        peers = [weight for of, weight in self.weights.items() if of.is_peer]
        return ours / min(peers) if ours is not None and peers else None

    def as_json(self) -> dict[str, Any]:
        """The entry in the JSON file."""
        return {
            "entries": self.entries,
            "unit": "bytes per entry",
            "implementations": {of.name: weight for of, weight in self.weights.items()},
            "errors": {of.name: error for of, error in self.errors.items()},
            "ours_to_best_peer": self.ratio_to_best_peer(),
        }


def weigh(pythons: Mapping[str, str], sizes: Sequence[int] = ENTRIES) -> list[MemoryRow]:
    """Fill a dict of each implementation and size, each in a process of its own."""
    rows = [MemoryRow(entries) for entries in sizes]
    variants = load_workloads()[WORKLOAD].variants
    for of in IMPLEMENTATIONS:
        if of not in variants or of.environment not in pythons:
            continue
        for row in rows:
            arguments = ("memory", WORKLOAD, of.name, str(row.entries))
            try:
                answer = run_worker(pythons[of.environment], *arguments, variables=VARIABLES)
                row.weights[of] = answer["bytes"] / row.entries
            except WorkerError as failure:
                row.errors[of] = str(failure)
    return rows


def print_weights(console: Console, rows: Sequence[MemoryRow], environments: Environments) -> None:
    """Print a table like those of the times, and the failures."""
    shown = [of for of in IMPLEMENTATIONS if any(of in {*r.weights, *r.errors} for r in rows)]
    headers = [header_of(of, environments) for of in shown]
    table = empty_table(
        "Memory per entry of a dict, bytes, keys and values not included",
        *headers,
        "ours/best peer",
        first="entries",
    )
    for row in rows:
        ratio = row.ratio_to_best_peer()
        table.add_row(
            f"{row.entries:,}",
            *(f"{row.weights[of]:.1f}" if of in row.weights else MISSING for of in shown),
            MISSING if ratio is None else f"{ratio:.2f}",
            style="red" if ratio is not None and ratio >= 1 else None,
        )
    console.print(table)
    for row in rows:
        for of, error in row.errors.items():
            console.print(f"{row.entries} entries, {of.name}: {error}", style="red", markup=False)


def main() -> int:
    """Weigh, print, write the JSON; the exit status says whether all could be weighed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    add_common_options(parser)
    arguments = parser.parse_args()
    pythons = given_pythons(arguments)
    environments = describe_environments(parser, pythons)
    rows = weigh(pythons)
    print_weights(make_console(), rows, environments)
    if arguments.json:
        report = {
            "machine": describe_machine(),
            "revision": git_revision(),
            "environments": environments,
            "memory": [row.as_json() for row in rows],
        }
        arguments.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 1 if any(row.errors for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
