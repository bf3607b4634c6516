# SPDX-License-Identifier: Apache-2.0
"""The picture that `python -m cereggii --plot FILE` draws. It needs matplotlib."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

INSTALL = "it needs matplotlib: pip install matplotlib, or install 'cereggii[plot]'"


def problem_with(file: Path) -> str | None:
    """Why no picture can be written there; None if it can."""
    if importlib.util.find_spec("matplotlib") is None:
        return INSTALL
    kinds = _figure(1).canvas.get_supported_filetypes()
    if file.suffix.removeprefix(".") not in kinds:
        return f"{str(file)!r} has to end in one of .{', .'.join(sorted(kinds))}"
    if not file.parent.is_dir():
        return f"{str(file.parent)!r} is not a folder"
    return None


def _figure(bars: int) -> Any:
    figure = importlib.import_module("matplotlib.figure")
    return figure.Figure(figsize=(8, 1.6 + 0.45 * bars), layout="constrained")


def draw(report: dict[str, Any], file: Path) -> None:
    """Draw a bar for each line of the report: the time. A wrong count is red and hatched."""
    lines = report["programs"]
    figure = _figure(len(lines))
    axes = figure.add_subplot()
    for position, line in enumerate(lines):
        right = line["result"] == line["expected"]
        bar = axes.barh([position], [line["seconds"]], color="C0" if right else "C3",
                        hatch="" if right else "//")  # fmt: skip
        wrong = "" if right else f" (wrong: {line['result']:,} of {line['expected']:,})"
        axes.bar_label(bar, [f" {line['seconds']:.3f} s{wrong}"])
    names = [f"{line['program']}: {line['with']}, {line['threads']} threads" for line in lines]
    axes.set_yticks(range(len(lines)), names)
    axes.invert_yaxis()
    axes.margins(x=0.35)
    axes.set_xlabel(f"seconds for {report['increments_per_thread']:,} increments of each thread")
    gil = "on" if report["gil_enabled"] else "off"
    axes.set_title(f"{report['interpreter']}, the GIL is {gil}", loc="left")
    figure.savefig(file)
