# SPDX-License-Identifier: Apache-2.0
"""The pictures that are drawn of a saved run."""

from __future__ import annotations

import importlib.util
import json
import xml.dom.minidom
from pathlib import Path
from typing import Any

import pytest

import plot
from tools.site import results

needs_matplotlib = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None,
    reason="needs matplotlib, which `tools/dev.py recipes` installs",
)


def row(workload: str, threads: int, unit: str = "ns per operation") -> dict[str, Any]:
    samples = [{"cpu": threads * (10.0 + n), "wall": threads * (20.0 + n)} for n in range(4)]
    return {
        "workload": workload,
        "title": workload.partition(".")[2],
        "threads": threads,
        "unit": unit,
        "implementations": {"ours": samples, "peer": [], "builtin": samples[:1]},
    }


REPORT = {
    "rows": [
        row("atomic_int.get", 1),
        row("atomic_int.get", 2),
        row("atomic_int.add", 2),
        row("programs.count", 2, "ns"),
    ]
}


def test_a_series_has_the_samples_of_one_implementation_with_so_many_threads() -> None:
    first, second, *others = plot.series_of(REPORT, "cpu")
    assert (first.module, first.workload, first.threads) == ("atomic_int", "get", 1)
    assert (first.implementation, first.samples) == ("ours", (10.0, 11.0, 12.0, 13.0))
    assert (second.implementation, second.samples) == ("builtin", (10.0,))
    assert len(others) == 6  # no samples, no series


def test_the_metric_and_the_workloads_can_be_chosen() -> None:
    found = plot.series_of(REPORT, "wall", "add")
    assert {each.workload for each in found} == {"add"}
    assert found[0].samples[0] == 40.0


def test_the_throughput_is_that_of_all_threads() -> None:
    (series,) = (
        each for each in plot.series_of(REPORT, "cpu", "add") if each.implementation == "ours"
    )
    assert series.throughput() == 1000 * 2 / 23.0


@needs_matplotlib
def test_pictures_are_drawn_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "run.json"
    file.write_text(json.dumps(REPORT))
    assert plot.main([str(file), "--folder", str(tmp_path / "plots")]) == 0
    drawn = [Path(line) for line in capsys.readouterr().out.splitlines()]
    # Whole programs have no number of threads to scale with.
    assert [path.name for path in drawn] == [
        "atomic_int-distribution.svg",
        "atomic_int-scaling.svg",
        "programs-distribution.svg",
    ]
    for path in drawn:
        assert "<svg" in path.read_text("utf-8")


@needs_matplotlib
def test_a_choice_of_nothing_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text(json.dumps(REPORT))
    with pytest.raises(SystemExit):
        plot.main([str(file), "--only", "nothing"])


# ── the pictures of the tables in RESULTS.md, which the site has ───────────────────────────────


def test_a_table_of_the_results_is_read() -> None:
    table = results.table_of("Integers and references")
    assert table.implementations[0] == "ours"
    first, second = table.rows[:2]
    assert (first.workload, first.threads, second.threads) == ("obj.counter += 1", 1, 2)
    assert second.workload == first.workload
    best, median = first.cells[0] or (0, 0)
    assert 0 < best <= median
    assert any(None in row.cells for row in table.rows)  # not all of them can do everything


@pytest.mark.parametrize("kind", ["", ", scaling"])
@pytest.mark.parametrize("heading", ["Integers and references", "Dicts"])
def test_a_picture_shows_each_row(heading: str, kind: str) -> None:
    picture = results.picture(heading + kind)
    xml.dom.minidom.parseString(picture)  # it is well-formed
    for row in results.table_of(heading).rows:
        assert row.workload.replace("&", "&amp;") in picture
