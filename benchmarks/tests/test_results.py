# SPDX-License-Identifier: Apache-2.0
"""The numbers of the tables, from samples whose numbers are known."""

from __future__ import annotations

from harness.measure import Sample
from harness.registry import BUILTIN, CEREGGII, OURS, RACY, Implementation, Kind, Workload
from harness.results import Metric, Row, Verdict


def sample(cpu: float, delayed: float = 0.0) -> Sample:
    return Sample(cpu=cpu, wall=cpu, cores=1.0, delayed=delayed, gil=False)


def row(samples: dict[Implementation, list[float]]) -> Row:
    load = Workload("some.load", "some load", Kind.OPERATION, 1, None)
    return Row(load, 1, {of: [sample(cpu) for cpu in values] for of, values in samples.items()})


def test_the_ratio_is_to_the_fastest_peer() -> None:
    measured = row({OURS: [20, 30], CEREGGII: [80, 90], BUILTIN: [40, 50]})
    assert measured.fastest_peer(Metric.CPU, min) is BUILTIN
    assert measured.ratio_to_fastest(Metric.CPU, min) == 0.5
    assert measured.verdict(Metric.CPU) is Verdict.WINS


def test_a_program_that_loses_updates_is_no_peer() -> None:
    measured = row({OURS: [20], CEREGGII: [40], RACY: [10]})
    assert measured.fastest_peer(Metric.CPU, min) is CEREGGII
    assert measured.ratio(RACY, Metric.CPU, min) == 2.0


def test_a_tie_is_no_win() -> None:
    assert row({OURS: [20], BUILTIN: [20]}).verdict(Metric.CPU) is Verdict.LOSES


def test_best_and_median_have_to_agree() -> None:
    measured = row({OURS: [10, 60, 70], BUILTIN: [20, 30, 40]})
    assert measured.verdict(Metric.CPU) is Verdict.UNCLEAR


def test_without_a_peer_there_is_no_verdict() -> None:
    assert row({OURS: [20], RACY: [10]}).verdict(Metric.CPU) is None


def test_an_implementation_that_failed_is_not_compared() -> None:
    measured = row({OURS: [20, 20], CEREGGII: [10], BUILTIN: [40, 40]})
    measured.errors[CEREGGII] = "exit status 1"
    assert measured.fastest_peer(Metric.CPU, min) is BUILTIN


def test_disturbed_samples_are_counted_and_passed_over() -> None:
    measured = row({CEREGGII: [30]})
    measured.samples[OURS] = [sample(10, delayed=0.5), sample(20, delayed=0.01)]
    assert measured.disturbances() == (1, 3)
    assert measured.value(OURS, Metric.CPU, min) == 20


def test_disturbed_samples_are_better_than_none() -> None:
    measured = row({})
    measured.samples[OURS] = [sample(10, delayed=0.5)]
    assert measured.value(OURS, Metric.CPU, min) == 10
