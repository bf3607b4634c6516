# SPDX-License-Identifier: Apache-2.0
"""The workloads of AtomicFloat do what their titles say; tried with a float and a lock."""

from __future__ import annotations

import pytest

from harness.measure import share_of, time_operations
from harness.registry import BUILTIN, Kind, Workload, load_workloads
from workloads import atomic_float

WORKLOADS = [load for load in load_workloads().values() if load.key.startswith("atomic_float")]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("load", WORKLOADS, ids=lambda load: load.key)
def test_every_loop_runs(load: Workload, threads: int) -> None:
    if BUILTIN in load.variants and load.kind is Kind.OPERATION:
        time_operations(load.variants[BUILTIN], threads, operations=300)


def test_the_peer_sums_without_rounding_errors() -> None:
    lists: list[list[float]] = []
    variant = atomic_float.exact_sum.variants[BUILTIN]
    variant.loop(lists, range(1000))
    assert [len(own) for own in lists] == [1000, 1000]


def test_the_maximum_is_one_of_the_values() -> None:
    values = atomic_float.observed(None, share_of(1, 1000))
    assert sorted(values) == [1e6 + number for number in range(1000)]
    timer = atomic_float.locked_timer(range(0))
    timer.seconds = 0.0
    atomic_float.get_and_max.variants[BUILTIN].loop(timer, values)
    assert timer.seconds == 1e6 + 999
