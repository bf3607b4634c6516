# SPDX-License-Identifier: Apache-2.0
"""Draw what a run has saved: the distribution of the samples of each row, and the scaling.

Usage: python benchmarks/plot.py FILE [--folder FOLDER] [--only TEXT] [--metric cpu]

FILE is what `run.py --json FILE` has written. For each module of workloads two pictures are
written: `NAME-distribution.svg` has a box and all samples of each implementation and number of
threads, `NAME-scaling.svg` the throughput of all threads together by their number, if there are
several numbers. It needs matplotlib.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

FORMAT = {"cpu": "CPU time", "wall": "wall time"}


@dataclass(frozen=True)
class Series:
    """The samples of an implementation of one workload with one number of threads."""

    module: str
    workload: str
    implementation: str
    threads: int
    unit: str
    samples: tuple[float, ...]

    def throughput(self) -> float:
        """Operations of all threads together in a microsecond, by the median."""
        return 1000 * self.threads / median(self.samples)


def series_of(report: dict[str, Any], metric: str, only: str = "") -> list[Series]:
    """All series of a file, of workloads with this text in their key."""
    return [
        Series(
            row["workload"].partition(".")[0],
            row["title"],
            implementation,
            row["threads"],
            row["unit"],
            tuple(sample[metric] for sample in samples),
        )
        for row in report["rows"]
        if only in row["workload"]
        for implementation, samples in row["implementations"].items()
        if samples
    ]


def _unique(values: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def _color(implementations: list[str], name: str) -> str:
    return f"C{implementations.index(name)}"


def _figure(panels: int, height: float) -> tuple[Any, list[Any]]:
    matplotlib = importlib.import_module("matplotlib.figure")
    figure = matplotlib.Figure(figsize=(9, panels * height), layout="constrained")
    return figure, [figure.add_subplot(panels, 1, number + 1) for number in range(panels)]


def draw_distribution(series: list[Series], metric: str, file: Path) -> None:
    """A panel for each workload; in it a box for each implementation and number of threads."""
    names = _unique(each.implementation for each in series)
    workloads = _unique(each.workload for each in series)
    largest = max(sum(each.workload == workload for each in series) for workload in workloads)
    figure, panels = _figure(len(workloads), 0.8 + 0.28 * largest)
    for axes, workload in zip(panels, workloads, strict=True):
        shown = [each for each in series if each.workload == workload]
        for position, each in enumerate(shown):
            color = _color(names, each.implementation)
            axes.boxplot([each.samples], positions=[position], orientation="horizontal",
                         widths=0.7, showfliers=False, medianprops={"color": color})  # fmt: skip
            axes.plot(each.samples, [position] * len(each.samples), "|", color=color)
        labels = [f"{each.implementation}, {each.threads}" for each in shown]
        axes.set_yticks(range(len(shown)), labels)
        axes.invert_yaxis()
        axes.set_xscale("log")
        axes.set_title(workload, loc="left")
        axes.set_xlabel(f"{FORMAT[metric]}, {shown[0].unit}")
    figure.savefig(file)


def draw_scaling(series: list[Series], file: Path) -> None:
    """A panel for each workload; in it a line for each implementation."""
    names = _unique(each.implementation for each in series)
    workloads = _unique(each.workload for each in series)
    figure, panels = _figure(len(workloads), 2.6)
    for axes, workload in zip(panels, workloads, strict=True):
        for name in names:
            line = sorted(
                (each.threads, each.throughput())
                for each in series
                if (each.workload, each.implementation) == (workload, name)
            )
            if line:
                axes.plot(*zip(*line, strict=True), "o-", color=_color(names, name), label=name)
        axes.set_xticks(_unique(sorted(each.threads for each in series)))
        axes.set_ylim(bottom=0)
        axes.set_title(workload, loc="left")
        axes.set_xlabel("threads")
        axes.set_ylabel("operations per µs")
        axes.legend()
    figure.savefig(file)


def draw(series: list[Series], metric: str, folder: Path) -> list[Path]:
    """Draw all pictures; the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for module in _unique(each.module for each in series):
        of_module = [each for each in series if each.module == module]
        files.append(folder / f"{module}-distribution.svg")
        draw_distribution(of_module, metric, files[-1])
        operations = [each for each in of_module if each.unit.endswith("per operation")]
        if len({each.threads for each in operations}) > 1:
            files.append(folder / f"{module}-scaling.svg")
            draw_scaling(operations, files[-1])
    return files


def main(arguments: list[str] | None = None) -> int:
    """Draw the pictures, and print their names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("file", type=Path, help="what `run.py --json` has written")
    parser.add_argument("--folder", type=Path, default=Path(), help="where the pictures go")
    parser.add_argument("--only", default="", metavar="TEXT", help="workloads with TEXT in them")
    parser.add_argument("--metric", choices=FORMAT, default="cpu")
    given = parser.parse_args(arguments)
    if importlib.util.find_spec("matplotlib") is None:
        parser.error("matplotlib is not installed: pip install matplotlib")
    series = series_of(json.loads(given.file.read_text("utf-8")), given.metric, given.only)
    if not series:
        parser.error(f"{given.file} has no workload with {given.only!r} in it")
    print(*draw(series, given.metric, given.folder), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
