# SPDX-License-Identifier: Apache-2.0
"""The tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.registry import IMPLEMENTATIONS, OURS, RACY, Implementation, Kind
from harness.results import STATISTICS, Metric, Row, Statistic, Verdict

VERDICT_STYLES = {Verdict.WINS: "green", Verdict.UNCLEAR: "yellow", Verdict.LOSES: "bold red"}
VERDICT_MARKS = {Verdict.WINS: "✓", Verdict.UNCLEAR: "? unclear", Verdict.LOSES: "✗ LOSES"}

MISSING = "-"

PIPE_WIDTH = 160
"""Columns where the output is not a terminal."""

Environments = Mapping[str, Mapping[str, Any]]


def make_console() -> Console:
    """A terminal is as wide as it is; a pipe or a file is wide enough for the tables."""
    console = Console()
    return console if console.is_terminal else Console(width=PIPE_WIDTH)


def print_report(console: Console, rows: Sequence[Row], environments: Environments) -> None:
    """Print all tables, and the failures."""
    operations = [row for row in rows if row.workload.kind is Kind.OPERATION]
    programs = [row for row in rows if row.workload.kind is Kind.PROGRAM]
    tables = (
        ("CPU time per operation, ns", operations, Metric.CPU, 1.0),
        ("Wall time per operation of a thread, ns", operations, Metric.WALL, 1.0),
        ("Wall time of whole programs, ms", programs, Metric.WALL, 1e-6),
    )
    for title, shown, metric, scale in tables:
        if shown:
            console.print(make_table(title, shown, metric, scale, environments))
    console.print(
        "Best (median) of all rounds. A ratio is ours to the fastest peer, < 1 is a win; racy "
        "loses updates, and is not a peer."
    )
    disturbances = [row.disturbances() for row in operations]
    disturbed = sum(some for some, _ in disturbances)
    if disturbed:
        samples = sum(all_of_them for _, all_of_them in disturbances)
        console.print(
            f"In {disturbed} of {samples} samples, threads waited for a core that another process "
            "had: contended operations look cheaper than they are.",
            style="yellow",
        )
    for row in rows:
        for of, error in row.errors.items():
            console.print(f"{row.workload.key}, {of.name}: {error}", style="red", markup=False)


def make_table(
    title: str,
    rows: Sequence[Row],
    metric: Metric,
    scale: float,
    environments: Environments,
) -> Table:
    """One metric of these rows, times `scale`."""
    shown = [of for of in IMPLEMENTATIONS if any(row.was_asked(of) for row in rows)]
    with_racy = RACY in shown
    headers = [header_of(of, environments) for of in shown]
    table = empty_table(title, "threads", *headers, "ours/fastest peer")
    if with_racy:
        table.add_column("ours/racy", justify="right")
    for row in rows:
        verdict = row.verdict(metric)
        cells: list[str | Text] = [
            Text(row.workload.title),
            str(row.threads),
            *(_time(row, of, metric, scale) for of in shown),
            _comparison(row, metric, verdict),
        ]
        if with_racy:
            cells.append(_ratio(partial(row.ratio, RACY, metric)))
        table.add_row(*cells, style="red" if verdict is Verdict.LOSES else None)
    return table


def empty_table(title: str, *columns: str, first: str = "workload") -> Table:
    """A table whose columns, but for the first, are numbers."""
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column(first, no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def header_of(implementation: Implementation, environments: Environments) -> str:
    """The name of an implementation, and its version if it has one."""
    packages = environments.get(implementation.environment, {}).get("packages", {})
    version = None if implementation is OURS else packages.get(implementation.name)
    return f"{implementation.name} {version}" if version else implementation.name


def _time(row: Row, of: Implementation, metric: Metric, scale: float) -> str:
    if of in row.errors:
        return "failed"
    values = [row.value(of, metric, statistic) for statistic in STATISTICS.values()]
    return _best_and_median([value and value * scale for value in values], ".1f")


def _comparison(row: Row, metric: Metric, verdict: Verdict | None) -> Text:
    if verdict is None:
        return Text(MISSING)
    ratios = _ratio(partial(row.ratio_to_fastest, metric))
    return Text(f"{ratios} {VERDICT_MARKS[verdict]}", VERDICT_STYLES[verdict])


def _ratio(ratio_by: Callable[[Statistic], float | None]) -> str:
    return _best_and_median([ratio_by(statistic) for statistic in STATISTICS.values()], ".2f")


def _best_and_median(values: Sequence[float | None], digits: str) -> str:
    best, middle = values
    if best is None or middle is None:
        return MISSING
    return f"{best:{digits}} ({middle:{digits}})"
