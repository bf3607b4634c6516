# SPDX-License-Identifier: Apache-2.0
"""Weakens each memory order in the headers, and compares what happens with what is written down.

Usage: python tools/weak_memory.py BUILD [--executions=N] [--only=MODEL]

BUILD is a folder where atomics/tests/model was built. Each operation that the scenarios execute is
given each order that is one step weaker. Then a scenario has to fail, or the entry in
atomics/tests/model/equivalent.toml has to say why the weaker order is enough, or why it is not
although the checker cannot find that. It is an error if

- a weakening is not caught and has no entry,
- an entry is caught, or belongs to no operation any more,
- a scenario fails although nothing was weakened,
- an order in these headers is executed by no scenario and has no entry that says why.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENTRIES = ROOT / "atomics" / "tests" / "model" / "equivalent.toml"

# docs/proof.md says what covers the other files of the map.
MAP_FILES = [
    "exact", "guard", "hash_map", "live_count", "lookup", "migration", "node", "order", "popitem",
    "probe", "resize", "slot", "table", "traversal", "update",
]  # fmt: skip
# The files whose operations each model judges: texts in their paths.
MODELS = {
    "atomic_float64": ["atomic_float64.hpp"],
    "checked_int64": ["checked_int64.hpp"],
    "parking_lot": ["parking_lot.hpp"],
    "reclamation": ["atomics/reclamation"],
    "stripes": [
        "stripes.hpp",
        "striped_cells.hpp",
        "striped_adder.hpp",
        "striped_float_sum.hpp",
        "live_count.hpp",
    ],
    "hash_map": [f"src/map/{name}." for name in MAP_FILES],
}
NOT_RELAXED = re.compile(r"memory_order_(?!relaxed)\w+")


@dataclass(frozen=True, order=True)
class Operation:
    """An operation in a header. Its line may move, so it is known by the text of the line."""

    file: str
    code: str
    occurrence: int  # of this line in the file, from 1 on
    kind: str


@dataclass(frozen=True)
class Result:
    """What happened when an operation was weakened."""

    operation: Operation
    line: int
    order: str
    weaker: str
    scenario: str  # that failed; "-": none
    executions: int
    failure: str

    @property
    def is_caught(self) -> bool:
        """Whether a scenario has failed."""
        return self.scenario != "-"


def operation_at(file: str, line: int, kind: str) -> Operation:
    """The operation of this kind in a line."""
    lines = [text.strip() for text in (ROOT / file).read_text("utf-8").splitlines()]
    code = lines[line - 1]
    return Operation(file, code, lines[:line].count(code), kind)


def parse(output: str) -> Iterator[Result]:
    """The lines that a model prints with --weaken."""
    for text in output.splitlines():
        path, line, _, kind, order, weaker, scenario, executions, failure = text.split("\t")
        file = str(Path(path).resolve().relative_to(ROOT))
        operation = operation_at(file, int(line), kind)
        yield Result(operation, int(line), order, weaker, scenario, int(executions), failure)


def weaken(build: Path, model: str, executions: int) -> list[Result]:
    """Run a model on all cores."""
    program = next(build.rglob(f"{model}_model"), None)
    if program is None:
        raise SystemExit(f"{build} has no {model}_model")
    for depth in range(1, 5):
        subprocess.run([str(program), f"--depth={depth}", f"--executions={executions}"], check=True)
    parts = 4 * (os.cpu_count() or 1)
    commands = [
        [str(program), "--weaken", f"--executions={executions}", f"--part={part}/{parts}",
         *(f"--files={files}" for files in MODELS[model])]
        for part in range(parts)
    ]  # fmt: skip

    def run(command: list[str]) -> str:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return sorted(
            (result for output in pool.map(run, commands) for result in parse(output)),
            key=lambda result: (result.operation.file, result.line, result.weaker),
        )


@dataclass(frozen=True)
class Reason:
    """Why a weakening is not caught, or why no scenario executes an operation."""

    because: str
    is_needed: bool  # the order as it is; the checker does not explore what the weaker one allows


def read_entries() -> dict[tuple[Operation, str], Reason]:
    """The reasons, by operation and weaker order."""
    entries = tomllib.loads(ENTRIES.read_text("utf-8"))["equivalent"]
    return {
        (Operation(entry["file"], entry["code"], occurrence, entry["kind"]), weaker): Reason(
            entry["because"], entry.get("needed", False)
        )
        for entry in entries
        for occurrence in entry.get("occurrences", [1])
        for weaker in entry["weaker"].split(", ")
    }


def lines_without_gil(text: str) -> Iterator[tuple[int, str]]:
    """The lines that the build without a GIL compiles, which is the one that is explored."""
    conditions: list[str] = []  # of each #if, as far as it depends on the GIL
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("#if"):
            conditions.append(line if "Py_GIL_DISABLED" in line else "")
        elif line.startswith("#else") and conditions[-1]:
            conditions[-1] = "" if conditions[-1].startswith("#ifndef") else "#ifndef"
        elif line.startswith("#endif"):
            conditions.pop()
        elif not any(condition.startswith("#ifndef") for condition in conditions):
            yield number, line


def not_executed(results: Iterable[Result], model: str) -> Iterator[tuple[str, int, str]]:
    """The lines of this model's files with an order that no scenario executes."""
    executed = {(result.operation.file, result.line) for result in results}
    folders = [ROOT / "atomics" / "include", ROOT / "packages" / "cereggii-atomicdict" / "src"]
    for path in sorted(path for folder in folders for path in folder.rglob("*.[ch]pp")):
        file = str(path.relative_to(ROOT))
        if not any(part in file for part in MODELS[model]):
            continue
        for number, line in lines_without_gil(path.read_text("utf-8")):
            # The operation may begin some lines before its order.
            begun = any((file, number - back) in executed for back in range(3))
            if NOT_RELAXED.search(line.split("//")[0]) and not begun:
                yield file, number, line.strip()


def main() -> int:
    """The exit code: 1 if something is not explained."""
    parser = argparse.ArgumentParser(description="weaken each memory order (see the docstring)")
    parser.add_argument("build", type=Path)
    parser.add_argument("--executions", type=int, default=10_000)
    parser.add_argument("--only", choices=MODELS, action="append")
    arguments = parser.parse_args()
    reasons = read_entries()
    used: set[tuple[Operation, str]] = set()
    problems = 0
    for model in arguments.only or MODELS:
        results = weaken(arguments.build, model, arguments.executions)
        caught = explained = needed = 0
        for result in results:
            key = (result.operation, result.weaker)
            where = f"{result.operation.file}:{result.line}"
            what = f"{result.operation.kind}, {result.order} to {result.weaker}"
            if result.is_caught:
                verdict = f"caught in {result.executions} executions by {result.scenario}"
                caught += 1
                if key in reasons:
                    problems += 1
                    verdict += ": and there is an entry that says that nothing is to be caught"
            elif key in reasons:
                is_needed = reasons[key].is_needed
                verdict = f"{'needed' if is_needed else 'equivalent'}: {reasons[key].because}"
                needed += is_needed
                explained += not is_needed
            else:
                verdict = "NOT CAUGHT, and no entry says why"
                problems += 1
            used.add(key)
            print(f"{where}  {what}  {verdict}", flush=True)
        for file, number, line in not_executed(results, model):
            key = (operation_at(file, number, "none"), "none")
            used.add(key)
            if key not in reasons:
                problems += 1
                print(f"{file}:{number}  EXECUTED BY NO SCENARIO, and no entry says why: {line}")
        print(
            f"{model}: {caught} weakenings are caught, {explained} are equivalent, {needed} are "
            "wrong in executions that the checker does not explore",
            flush=True,
        )
    if not arguments.only:
        for (operation, weaker), _ in reasons.items():
            if (operation, weaker) not in used:
                problems += 1
                print(f"{operation.file}  AN ENTRY FOR NOTHING: {operation.code} ({weaker})")
    print(f"{problems} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
