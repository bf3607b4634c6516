# SPDX-License-Identifier: Apache-2.0
"""Samples are taken in turn, in processes of their own; what fails is reported and left out."""

from __future__ import annotations

import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness import schedule
from harness.instructions import total_of
from harness.measure import measure_memory, run_for_counting, share_of, time_operations
from harness.processes import WorkerError, run_worker
from harness.registry import BUILTIN, CEREGGII, FT_UTILS, OURS, Variant, load_workloads
from harness.schedule import make_rows, make_steps, take

BENCHMARKS = Path(__file__).resolve().parents[1]


def test_rounds_take_the_implementations_in_turn() -> None:
    rows = make_rows([load_workloads()["atomic_int.increment_and_get"]], [1, 2])
    steps = make_steps(rows, 2, ["ours", "peers"])
    in_turn = [OURS, CEREGGII, FT_UTILS, BUILTIN]
    assert [step.implementation for step in steps] == in_turn * 4
    assert [(step.round, step.row.threads) for step in steps[::4]] == [
        (0, 1),
        (0, 2),
        (1, 1),
        (1, 2),
    ]


def test_without_peers_only_builtins_are_compared_with() -> None:
    rows = make_rows([load_workloads()["atomic_int.get"]], [1])
    assert {step.implementation for step in make_steps(rows, 1, ["ours"])} == {OURS, BUILTIN}


def test_threads_share_no_operation() -> None:
    assert [*share_of(0, 3), *share_of(1, 3)] == [*range(6)]


def test_every_thread_does_its_share() -> None:
    done: list[int] = []
    states = [[], done]  # of the warm-up, and of the measured pass
    measured = Variant(lambda _work: states.pop(0), lambda state, work: state.extend(work))
    time_operations(measured, threads=2, operations=100)
    assert sorted(done) == [*range(200)]


def test_a_loop_goes_over_what_its_plan_made() -> None:
    done: list[int] = []
    states = [[], done]
    measured = Variant(
        lambda _work: states.pop(0),
        lambda state, work: state.extend(work),
        lambda _state, work: [-number for number in work],
    )
    time_operations(measured, threads=2, operations=100)
    assert sorted(done) == [*range(-199, 1)]


def test_plans_see_the_state_that_the_setup_left() -> None:
    seen: set[int] = set()

    def plan(state: list[int], work: range) -> range:
        time.sleep(0.01 * work.start)  # the others are ready by now
        seen.add(len(state))
        return work

    measured = Variant(lambda _work: [], lambda state, work: state.extend(work), plan)
    time_operations(measured, threads=2, operations=10)
    assert seen == {0}


@pytest.mark.parametrize(("empty", "done"), [(False, [0, 1, 4]), (True, [])])
def test_to_count_a_part_of_the_plan_is_executed(empty: bool, done: list[int]) -> None:
    state: list[int] = []
    measured = Variant(
        lambda _work: state,
        lambda state, work: state.extend(work),
        lambda _state, work: [number**2 for number in work],
    )
    run_for_counting(measured, prepared=6, executed=3, empty=empty)
    assert state == done


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="there is no /proc here")
def test_the_memory_that_a_loop_takes_is_measured() -> None:
    size = 100_000_000

    def fill(state: list[bytes], _work: range) -> None:
        state.append(b"x" * size)

    measured = measure_memory(Variant(lambda _work: [], fill), 1)
    assert 0.99 * size <= measured < 1.1 * size  # some of what was freed before may go meanwhile


def test_an_exception_in_one_thread_does_not_hang_the_others() -> None:
    def fail_in_the_second(_state: None, work: range) -> None:
        if work.start > 0:
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        time_operations(Variant(lambda _work: None, fail_in_the_second), 2, 100)


def test_a_worker_measures_what_it_is_asked_for() -> None:
    answer = run_worker(sys.executable, "time", "atomic_int.get", "builtin", "1")
    assert answer["cpu"] < 10_000
    assert answer["cores"] > 0


def test_a_failure_is_kept_as_the_error_of_its_row() -> None:
    row = make_rows([load_workloads()["atomic_int.get"]], [1])[0]
    steps = make_steps([row], 2, ["peers"])
    assert len(list(take(steps, {"peers": str(BENCHMARKS / "no-such-python")}))) == len(steps)
    assert "no-such-python" in row.errors[CEREGGII]
    assert not row.samples


def test_a_disturbed_sample_is_taken_again(monkeypatch: pytest.MonkeyPatch) -> None:
    delays = iter([0.6, 0.05, 0.9])

    def disturbed(*_arguments: str) -> dict[str, float]:
        return {"cpu": 1.0, "wall": 1.0, "cores": 1.0, "delayed": next(delays), "gil": False}

    monkeypatch.setattr(schedule, "run_worker", disturbed)
    row = make_rows([load_workloads()["atomic_int.get"]], [1])[0]
    list(take(make_steps([row], 1, ["ours"])[:1], {"ours": "python"}))
    assert [sample.delayed for sample in row.samples[OURS]] == [0.05]


def test_a_worker_that_hangs_is_ended(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec sleep 60\n")
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    with pytest.raises(WorkerError, match="no answer"):
        run_worker(str(python), "describe", timeout=0.1)


def test_callgrind_s_total_is_found() -> None:
    assert total_of("events: Ir\n1 2\ntotals: 42\n") == 42


def test_the_help_is_printed() -> None:
    for program in ("run.py", "callgrind.py", "memory.py"):
        command = [sys.executable, str(BENCHMARKS / program), "--help"]
        assert "--ours" in subprocess.run(command, capture_output=True, text=True).stdout
