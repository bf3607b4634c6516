# SPDX-License-Identifier: Apache-2.0
"""The rows as bars: optional, for a README or a talk."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from harness.registry import IMPLEMENTATIONS, Kind
from harness.report import Environments, header_of
from harness.results import Metric, Row


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def draw(rows: Sequence[Row], environments: Environments, file: Path) -> None:
    """One panel for each number of threads: median CPU time per operation, shorter is better."""
    operations = [row for row in rows if row.workload.kind is Kind.OPERATION]
    panels = sorted({row.threads for row in operations})
    shown = [of for of in IMPLEMENTATIONS if any(of in row.samples for row in operations)]
    titles = list(dict.fromkeys(row.workload.title for row in operations))
    size = (6 * max(len(panels), 1), 1.5 + 0.7 * len(titles))
    matplotlib = importlib.import_module("matplotlib.figure")
    figure = matplotlib.Figure(figsize=size, layout="constrained")
    thickness = 0.8 / max(len(shown), 1)
    for panel, threads in enumerate(panels, start=1):
        axes = figure.add_subplot(1, len(panels), panel)
        in_panel = {row.workload.title: row for row in operations if row.threads == threads}
        for position, of in enumerate(shown):
            values = {
                titles.index(title) + position * thickness: value
                for title, row in in_panel.items()
                if (value := row.value(of, Metric.CPU, median)) is not None
            }
            label = header_of(of, environments)
            axes.barh(list(values), list(values.values()), thickness, label=label)
        axes.set_yticks([index + 0.4 - thickness / 2 for index in range(len(titles))], titles)
        axes.invert_yaxis()
        axes.set_title(f"{threads} thread{'s' if threads > 1 else ''}")
        axes.set_xlabel("ns of CPU per operation")
    if panels:
        axes.legend()
    figure.savefig(file)
