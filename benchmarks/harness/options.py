# SPDX-License-Identifier: Apache-2.0
"""The options that the command lines of the programs share."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.processes import WorkerError, run_worker
from harness.registry import WORKLOADS, Workload, load_workloads


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the interpreters and the output."""
    parser.add_argument(
        "--ours", required=True, metavar="PYTHON", help="interpreter with this project installed"
    )
    parser.add_argument(
        "--peers", metavar="PYTHON", help="interpreter with the peers; without it, builtins only"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there")


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Add the options that select workloads."""
    parser.add_argument(
        "--only",
        action="append",
        metavar="TEXT",
        help="only workloads with TEXT in their key, such as atomic_int or .get (repeatable)",
    )


def selected_workloads(
    parser: argparse.ArgumentParser, only: Iterable[str] | None
) -> list[Workload]:
    """The workloads that `--only` selects; exits if a text matches none."""
    known = load_workloads()
    if only is None:
        return list(known.values())
    wanted = list(only)
    for text in wanted:
        if not any(text in key for key in known):
            parser.error(f"--only {text}: no such workload; there are {', '.join(WORKLOADS)}")
    return [load for load in known.values() if any(text in load.key for text in wanted)]


def given_pythons(arguments: argparse.Namespace) -> dict[str, str]:
    """The interpreter of each environment that was given."""
    given = {"ours": arguments.ours, "peers": arguments.peers}
    return {environment: python for environment, python in given.items() if python}


def describe_environments(
    parser: argparse.ArgumentParser, pythons: dict[str, str]
) -> dict[str, dict[str, Any]]:
    """The packages in each environment; exits if a path is not an interpreter."""
    described = {}
    for environment, python in pythons.items():
        try:
            described[environment] = run_worker(python, "describe")
        except WorkerError as failure:
            parser.error(f"--{environment} {python}: {failure}")
    return described
