# SPDX-License-Identifier: Apache-2.0
"""Instructions per operation of one thread, counted by valgrind's callgrind.

A count does not depend on what else the machine is doing. Start-up cancels out in the difference
between a run of N operations and one of 2 N; the loop, in the difference to the same for an empty
loop. What a count does not show is the price of an instruction: a cache line that another core
has, an atomic, a wrong guess of the branch predictor.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from harness.machine import usable_cores
from harness.processes import WorkerError, run_worker
from harness.registry import IMPLEMENTATIONS, OURS, Implementation, Kind, Plan, Workload

OPERATIONS = 50_000
"""N. Start-up differs by some ten thousand instructions from one run to the next (the addresses
that the system hands out), so a count is good to about one instruction."""

TIMEOUT = 600.0

VARIABLES = {"PYTHONHASHSEED": "0"}
"""The order of sets, and so the work done at start-up, must not change between two runs."""


@dataclass
class InstructionRow:
    """The counts of one workload."""

    workload: Workload
    counts: dict[Implementation, float] = field(default_factory=dict)
    errors: dict[Implementation, str] = field(default_factory=dict)

    def ratio_to_best_peer(self) -> float | None:
        """Our count divided by the lowest of a peer; None without a peer."""
        ours = self.counts.get(OURS)
        peers = [count for of, count in self.counts.items() if of.is_peer]
        return ours / min(peers) if ours is not None and peers else None

    def as_json(self) -> dict[str, Any]:
        """The entry in the JSON file."""
        return {
            "workload": self.workload.key,
            "title": self.workload.title,
            "unit": "instructions per operation",
            "implementations": {of.name: count for of, count in self.counts.items()},
            "errors": {of.name: error for of, error in self.errors.items()},
            "ours_to_best_peer": self.ratio_to_best_peer(),
        }


@dataclass(frozen=True)
class _Job:
    """One variant to be counted."""

    row: InstructionRow
    of: Implementation
    python: str

    @property
    def plan(self) -> Plan:
        """The items that its loop iterates over. The empty loop iterates over the same."""
        return self.row.workload.variants[self.of].plan

    def slope(self, valgrind: str, *, empty: bool) -> float:
        """Instructions of one iteration of the loop, or of the empty loop in its place."""
        once, twice = (
            self._count(valgrind, executed, empty=empty)
            for executed in (OPERATIONS, 2 * OPERATIONS)
        )
        return (twice - once) / OPERATIONS

    def check_and_compile(self) -> None:
        """Run once without valgrind: errors show early, and all modules are compiled afterwards."""
        run_worker(self.python, *self._arguments(1, 1), variables=VARIABLES)

    def _count(self, valgrind: str, executed: int, *, empty: bool) -> int:
        with tempfile.TemporaryDirectory() as folder:
            profile = Path(folder) / "callgrind.out"
            run_worker(
                self.python,
                *self._arguments(2 * OPERATIONS, executed),
                *(["--empty"] if empty else []),
                prefix=[valgrind, "--tool=callgrind", "-q", f"--callgrind-out-file={profile}"],
                variables=VARIABLES,
                timeout=TIMEOUT,
            )
            return total_of(profile.read_text(encoding="utf-8", errors="replace"))

    def _arguments(self, prepared: int, executed: int) -> tuple[str, ...]:
        return ("count", self.row.workload.key, self.of.name, str(prepared), str(executed))


def count_instructions(
    valgrind: str,
    workloads: Iterable[Workload],
    pythons: Mapping[str, str],
    on_progress: Callable[[float], None],
) -> list[InstructionRow]:
    """Count every variant, on all cores; `on_progress` is called with the part that is done."""
    jobs = _make_jobs(workloads, pythons)
    jobs_of: dict[tuple[str, Plan], list[_Job]] = {}
    for job in jobs:
        jobs_of.setdefault((job.python, job.plan), []).append(job)

    def count(job: _Job) -> None:
        try:
            job.check_and_compile()
            slope = job.slope(valgrind, empty=False)
            job.row.counts[job.of] = slope - loops[job.python, job.plan]
        except WorkerError as failure:
            job.row.errors[job.of] = str(failure)

    with ThreadPoolExecutor(max_workers=usable_cores()) as executor:
        empty_loops = executor.map(partial(_empty_loop, valgrind), jobs_of.values())
        loops = dict(zip(jobs_of, empty_loops, strict=True))
        for done, _ in enumerate(executor.map(count, jobs), start=1):
            on_progress(done / len(jobs))
    return list({id(job.row): job.row for job in jobs}.values())


def _make_jobs(workloads: Iterable[Workload], pythons: Mapping[str, str]) -> list[_Job]:
    """The variants that can be counted. A program makes its own threads, so it cannot."""
    rows = [InstructionRow(load) for load in workloads if load.kind is Kind.OPERATION]
    return [
        _Job(row, of, pythons[of.environment])
        for row in rows
        for of in IMPLEMENTATIONS
        if of in row.workload.variants and of.environment in pythons
    ]


def _empty_loop(valgrind: str, jobs: Iterable[_Job]) -> float:
    """The cost of one iteration of an empty loop, with the interpreter and plan of these jobs."""
    for job in jobs:
        try:
            job.check_and_compile()
            return job.slope(valgrind, empty=True)
        except WorkerError:
            continue  # reported when its own turn comes
    return 0.0


def total_of(profile: str) -> int:
    """The instructions of the whole process, of all its threads."""
    for line in profile.splitlines():
        if line.startswith("totals:"):
            return int(line.split()[1])
    raise WorkerError("callgrind wrote no totals")
