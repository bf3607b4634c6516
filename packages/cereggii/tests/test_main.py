# SPDX-License-Identifier: Apache-2.0
"""`python -m cereggii`."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from importlib.metadata import version
from typing import Any

import pytest
from cereggii import __main__ as program

pytestmark = pytest.mark.thread_unsafe(reason="runs programs with threads of their own, and prints")

BEGINS_WITH = [
    ("counter", "int (racy)"),
    ("counter", "AtomicInt"),
    ("counter", "AtomicInt, by handle"),
    ("dict", "dict of AtomicInts"),
    ("dict", "AtomicDict of AtomicInts"),
]


def run(*arguments: str) -> str:
    command = [sys.executable, "-W", "error", "-m", "cereggii", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_json_tells_the_interpreter_the_versions_and_what_the_programs_counted() -> None:
    report = json.loads(run("--json", "--increments", "1000"))
    assert (
        report["interpreter"] == f"{platform.python_implementation()} {platform.python_version()}"
    )
    assert report["gil_enabled"] is getattr(sys, "_is_gil_enabled", lambda: True)()
    assert report["versions"]["cereggii"] == version("cereggii")
    assert set(report["versions"].values()) == {version("cereggii")}
    assert [(found["program"], found["with"]) for found in report["programs"]] == BEGINS_WITH
    for found in report["programs"]:
        assert found["threads"] == (2 if found["program"] == "counter" else 3)
        assert found["expected"] == found["threads"] * 1000
        assert found["seconds"] > 0
        assert found["result"] == found["expected"] or found["with"] == "int (racy)"


def test_it_prints_a_table() -> None:
    shown = run("--increments", "1000")
    assert platform.python_version() in shown
    for name in program.PACKAGES:
        assert name in shown
    for _, name in BEGINS_WITH:
        assert name in shown
    assert shown.count("right") >= 4


@pytest.mark.parametrize("gil", [True, False])
def test_there_is_a_hint_if_the_gil_is_on(gil: bool, capsys: pytest.CaptureFixture[str]) -> None:
    report = program.make_report(100)
    report["gil_enabled"] = gil
    program.print_report(report)
    assert ("free-threaded Python, such as" in " ".join(capsys.readouterr().out.split())) is gil


def test_a_wrong_count_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(name: str, kind: Any, increments: int) -> dict[str, Any]:
        return program.line("dict", name, 3, 1.0, 3 * increments - 1, 3 * increments)

    assert program.main(["--increments", "100"]) == 0
    monkeypatch.setattr(program, "dict_program", lose)
    assert program.main(["--increments", "100"]) == 1


@pytest.mark.parametrize("increments", ["0", "-1", "many"])
def test_a_wrong_number_is_refused(increments: str) -> None:
    with pytest.raises(SystemExit):
        program.main(["--increments", increments])
