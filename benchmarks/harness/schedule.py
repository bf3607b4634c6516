# SPDX-License-Identifier: Apache-2.0
"""The order in which samples are taken.

A round goes over all rows, and in each row over the implementations in turn: A B C, A B C, …
Neighbours in time are compared with each other, and a minute in which the machine is busy with
something else costs every row one round instead of costing one row all of its rounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from harness.measure import Sample
from harness.processes import WorkerError, run_worker
from harness.registry import IMPLEMENTATIONS, Implementation, Workload
from harness.results import MAX_DELAYED, Row

TRIES = 3
"""At one sample. If the machine is too busy for that, the report says so."""


@dataclass(frozen=True)
class Step:
    """One sample to be taken."""

    round: int
    row: Row
    implementation: Implementation


def make_rows(workloads: Iterable[Workload], threads: Iterable[int]) -> list[Row]:
    """A row for each workload and number of threads."""
    asked_for = list(threads)
    return [Row(load, count) for load in workloads for count in load.threads or asked_for]


def make_steps(rows: Iterable[Row], rounds: int, environments: Iterable[str]) -> list[Step]:
    """All samples of a run, in order, for the environments that there are."""
    available = set(environments)
    known_rows = list(rows)
    return [
        Step(number, row, implementation)
        for number in range(rounds)
        for row in known_rows
        for implementation in IMPLEMENTATIONS
        if implementation in row.workload.variants and implementation.environment in available
    ]


def take(steps: Iterable[Step], pythons: Mapping[str, str]) -> Iterator[Step]:
    """Take each sample and keep it in its row; yields the step that is done.

    A sample that other processes disturbed is taken again, and the least disturbed one is kept.
    An implementation that has failed is not asked again in that row.
    """
    for step in steps:
        row, of = step.row, step.implementation
        if of not in row.errors:
            try:
                sample = _sample(row, of, pythons[of.environment])
                row.samples.setdefault(of, []).append(sample)
            except WorkerError as failure:
                row.errors[of] = str(failure)
        yield step


def _sample(row: Row, of: Implementation, python: str) -> Sample:
    tries: list[Sample] = []
    while not tries or (tries[-1].delayed > MAX_DELAYED and len(tries) < TRIES):
        answer = run_worker(python, "time", row.workload.key, of.name, str(row.threads))
        tries.append(Sample(**answer))
    return min(tries, key=lambda sample: sample.delayed)
