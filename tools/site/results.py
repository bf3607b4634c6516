# SPDX-License-Identifier: Apache-2.0
"""Pictures of the tables in benchmarks/RESULTS.md.

A cell of these tables is `best (median)`. A picture shows each cell as a line from the best to the
median, with a dot at the median, on a logarithmic axis. So it shows the distribution as far as the
tables have it. `benchmarks/plot.py` draws all samples, of a file that `nox -s bench` has written.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.site.svg import Picture

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "RESULTS.md"

COLORS = {"ours": "one", "cereggii": "two", "ft_utils": "three", "builtin": "four"}
CELL = re.compile(r"(?P<best>[\d.]+) \((?P<median>[\d.]+)\)")
# For a phone: the name of a workload is above its row.
WIDTH, LEFT, TOP, STEP, NAME = 460, 26, 58, 16, 18


@dataclass(frozen=True)
class Row:
    """A row of a table: what each implementation takes, as (best, median) in nanoseconds."""

    workload: str
    threads: int
    cells: tuple[tuple[float, float] | None, ...]


@dataclass(frozen=True)
class Table:
    """A table with a number of threads in each row."""

    implementations: tuple[str, ...]
    rows: tuple[Row, ...]

    def colors(self) -> list[str]:
        """The color of each implementation, which is the same in all pictures."""
        return [COLORS[name.split()[0]] for name in self.implementations]


def _lines_of(heading: str) -> list[str]:
    sections = re.split(r"^## ", FILE.read_text("utf-8"), flags=re.MULTILINE)
    (section,) = [each for each in sections if each.startswith(f"{heading}\n")]
    lines = section.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("| workload | threads |"))
    end = next(i for i in range(start, len(lines)) if not lines[i].startswith("|"))
    return lines[start:end]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def table_of(heading: str) -> Table:
    """The first table with a column of threads in the section of that heading."""
    header, _, *lines = _lines_of(heading)
    implementations = tuple(name for name in _cells(header)[2:] if "/" not in name)
    rows = []
    workload = ""
    for line in lines:
        name, threads, *values = _cells(line)
        workload = name.replace("`", "") or workload
        found = [CELL.match(value) for value in values[: len(implementations)]]
        cells = tuple((float(cell["best"]), float(cell["median"])) if cell else None
                      for cell in found)  # fmt: skip
        rows.append(Row(workload, int(threads), cells))
    return Table(implementations, tuple(rows))


def _legend(picture: Picture, table: Table) -> None:
    x = 10.0
    for name, color in zip(table.implementations, table.colors(), strict=True):
        picture.dot(x, 12, color, 5)
        picture.text(x + 10, 12, name, anchor="start", size=11)
        x += 30 + 6.3 * len(name)


def _ticks(low: float, high: float) -> Iterator[float]:
    for exponent in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        for digit in (1, 2, 5):
            if low <= digit * 10.0**exponent <= high:
                yield digit * 10.0**exponent


class _Axis:
    """A logarithmic axis."""

    def __init__(self, values: list[float]) -> None:
        self.low, self.high = min(values) / 1.15, max(values) * 1.15

    def at(self, value: float) -> float:
        span = math.log(self.high / self.low)
        return LEFT + (WIDTH - LEFT - 14) * math.log(value / self.low) / span

    def draw(self, picture: Picture, bottom: float, label: str) -> None:
        picture.text(WIDTH - 6, TOP - 28, label, "faint", "end", 10)
        for tick in _ticks(self.low, self.high):
            picture.line(self.at(tick), TOP - 6, self.at(tick), bottom, "line", 0.7)
            picture.text(self.at(tick), TOP - 13, f"{tick:g}", "faint", size=10)


def _name(picture: Picture, y: float, workload: str) -> float:
    """Write the name of a workload above its rows. Where these begin."""
    picture.line(0, y, WIDTH, y, "line", 0.5)
    picture.text(4, y + NAME / 2, workload, anchor="start", size=11, bold=True)
    return y + NAME


def distribution(heading: str) -> str:
    """The times of each workload, with one thread and with two."""
    table = table_of(heading)
    workloads = dict.fromkeys(row.workload for row in table.rows)
    bottom = TOP + STEP * len(table.rows) + NAME * len(workloads)
    picture = Picture(WIDTH, bottom + 4, f"{heading}: nanoseconds per operation, best to median")
    _legend(picture, table)
    axis = _Axis([time for row in table.rows for cell in row.cells if cell for time in cell])
    axis.draw(picture, bottom, "nanoseconds per operation of a thread; left is better")
    top: float = TOP
    for workload in workloads:
        top = _name(picture, top, workload)
        for row in table.rows:
            if row.workload != workload:
                continue
            y = top + STEP / 2
            picture.text(14, y, f"{row.threads}", "faint", size=10)
            for cell, color in reversed([*zip(row.cells, table.colors(), strict=True)]):
                if cell:
                    best, median = map(axis.at, cell)
                    picture.line(best, y, median, y, color, 3)
                    picture.dot(median, y, color)
            top += STEP
    return picture.svg()


def scaling(heading: str) -> str:
    """How many times as long an operation takes with two threads as with one, by medians."""
    table = table_of(heading)
    medians = {(row.workload, row.threads): row.cells for row in table.rows}
    workloads = [name for name in dict.fromkeys(row.workload for row in table.rows)
                 if (name, 1) in medians and (name, 2) in medians]  # fmt: skip
    ratios = {
        name: [two[1] / one[1] if one and two else None
               for one, two in zip(medians[name, 1], medians[name, 2], strict=True)]
        for name in workloads
    }  # fmt: skip
    bottom = TOP + (NAME + STEP) * len(workloads)
    picture = Picture(WIDTH, bottom + 4, f"{heading}: time with two threads by time with one")
    _legend(picture, table)
    axis = _Axis([ratio for each in ratios.values() for ratio in each if ratio])
    axis.draw(picture, bottom, "times as long with two threads; 1: no contention; left is better")
    picture.line(axis.at(1), TOP - 6, axis.at(1), bottom, "faint", 1.5)
    top: float = TOP
    for name in workloads:
        top = _name(picture, top, name)
        for ratio, color in reversed([*zip(ratios[name], table.colors(), strict=True)]):
            if ratio:
                picture.dot(axis.at(ratio), top + STEP / 2, color, 4.5)
        top += STEP
    return picture.svg()


def picture(name: str) -> str:
    """`Dicts`: the times in that section. `Dicts, scaling`: the scaling there."""
    heading, comma, kind = name.partition(", ")
    return scaling(heading) if comma and kind == "scaling" else distribution(heading)
