# SPDX-License-Identifier: Apache-2.0
"""`python -m cereggii`."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import re
import signal
import subprocess
import sys
import time
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any

import cereggii
import pytest
from cereggii import __main__ as program

from tools.testing.concurrency import eventually
from tools.testing.interpreters import STARTUP

pytestmark = pytest.mark.thread_unsafe(reason="runs programs with threads of their own, and prints")

BEGINS_WITH = [
    ("counter", "int (racy)"),
    ("counter", "AtomicInt"),
    ("counter", "AtomicInt, by handle"),
    ("dict", "dict of AtomicInts"),
    ("dict", "AtomicDict of AtomicInts"),
]


# Runs the command as if a package were not installed, by name in the first argument.
WITHOUT = """
import runpy, sys
sys.modules[sys.argv.pop(1)] = None
runpy.run_module("cereggii", run_name="__main__", alter_sys=True)
"""
AS_INSTALLED = [sys.executable, "-W", "error", "-m", "cereggii"]
WITHOUT_RICH = [sys.executable, "-W", "error", "-c", WITHOUT, "rich"]
HAS_RICH = importlib.util.find_spec("rich") is not None

# With and without the package that brings colours.
both_ways = pytest.mark.parametrize(
    "command",
    [
        pytest.param(WITHOUT_RICH, id="without rich"),
        pytest.param(
            AS_INSTALLED,
            id="with rich",
            marks=pytest.mark.skipif(not HAS_RICH, reason="rich is not installed"),
        ),
    ],
)


def start(command: list[str], *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Its standard output and error are pipes, unless a test says otherwise."""
    # No colours, and the width of a terminal that is as wide as most.
    given = {"COLUMNS": "80", "PYTHONUTF8": "1", **environment}
    kept = {key: text for key, text in os.environ.items() if key not in ("FORCE_COLOR", "NO_COLOR")}
    return subprocess.Popen(
        [*command, *arguments],
        env=kept | given,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def finish(process: subprocess.Popen[str], status: int = 0, timeout: float = STARTUP) -> str:
    """The output of the program, which must print nothing else and exit with the status."""
    try:
        shown, errors = process.communicate(timeout=timeout)
    finally:
        process.kill()
    assert (process.returncode, errors) == (status, ""), shown
    return shown


def run(*arguments: str, command: list[str] = AS_INSTALLED, **environment: str) -> str:
    return finish(start(command, *arguments, **environment))


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


def cells_of(shown: str) -> list[list[str]]:
    """The rows of the table, whichever way it is drawn."""
    lines = [re.sub(r"[│┃|]", "  ", line).strip() for line in shown.splitlines()]
    rows = [re.split(r" {2,}", line) for line in lines]
    return [row for row in rows if len(row) == 6]


@both_ways
@pytest.mark.parametrize("columns", ["66", "80", "300"])
def test_it_prints_a_table(command: list[str], columns: str) -> None:
    shown = run("--increments", "1000", command=command, COLUMNS=columns)
    assert platform.python_version() in shown
    assert "1,000 increments per thread" in shown
    for name in program.PACKAGES:
        assert f"{name} {version(name)}" in shown
    assert max(map(len, shown.splitlines())) <= int(columns)
    rows = cells_of(shown)
    assert [(row[0], row[1]) for row in rows] == BEGINS_WITH
    for _, name, threads, result, verdict, _ in rows:
        assert int(result.replace(",", "")) <= int(threads) * 1000
        assert verdict == "right" or name == "int (racy)"


@both_ways
@pytest.mark.parametrize("columns", ["1", "20", "40", "65"])
def test_it_prints_a_list_where_a_table_is_too_wide(command: list[str], columns: str) -> None:
    shown = run("--increments", "1000", command=command, COLUMNS=columns)
    assert cells_of(shown) == []
    for name in program.PACKAGES:
        assert f"{name} {version(name)}" in shown
    for kind, name in BEGINS_WITH:
        assert f"{kind}, {name}:" in shown
    assert max(map(len, shown.splitlines())) <= max(int(columns), 35)


@both_ways
def test_it_prints_what_the_encoding_of_the_output_has(command: list[str]) -> None:
    shown = run("--increments", "100", command=command, PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    assert shown.isascii()
    assert len(cells_of(shown)) == len(BEGINS_WITH)


@pytest.mark.skipif(not HAS_RICH, reason="rich is not installed")
def test_it_has_colors_where_they_are_wanted() -> None:
    assert "\x1b[32m" in run("--increments", "100", FORCE_COLOR="1")
    assert "\x1b[32m" not in run("--increments", "100", FORCE_COLOR="1", NO_COLOR="1")
    assert "\x1b" not in run("--increments", "100")


@both_ways
def test_version_prints_the_versions_and_nothing_else(command: list[str]) -> None:
    shown = run("--version", command=command)
    assert shown.splitlines() == [f"{name} {version(name)}" for name in program.PACKAGES]
    assert shown.startswith(f"cereggii {cereggii.__version__}\n")


def test_the_packages_are_those_of_this_project() -> None:
    needed = [text for text in requires("cereggii") or [] if "extra ==" not in text]
    assert ["cereggii", *(text.partition("==")[0] for text in needed)] == program.PACKAGES
    assert len(program.PACKAGES) >= 4


@both_ways
@pytest.mark.parametrize("option", ["--help", "--version", "--json", "--increments=100"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.skipif(sys.platform == "win32", reason="pipes are closed otherwise there")
def test_it_ends_quietly_if_its_output_is_closed(
    command: list[str], option: str, unbuffered: str
) -> None:
    process = start(command, option, PYTHONUNBUFFERED=unbuffered)
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, errors = process.communicate(timeout=STARTUP)
    # argparse itself takes no notice.
    expected = {0, 141} if option == "--help" else {141}
    assert (errors, process.returncode in expected) == ("", True), process.returncode


def test_it_needs_no_output() -> None:
    command = [*WITHOUT_RICH[:-2], f"import sys; sys.stdout = None\n{WITHOUT}", "rich"]
    for option in ("--version", "--json", "--increments=100"):
        assert run(option, command=command) == ""


@pytest.mark.parametrize("without", ["rich", "nothing"])
@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is not a signal there")
def test_ctrl_c_ends_it_at_once(without: str) -> None:
    # A shell may have SIGINT ignored in what it runs in the background, as these tests.
    handled = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    command = [*WITHOUT_RICH[:-2], f"{handled}\n{WITHOUT}", without]
    # It would take hours. The signal comes when it counts: a second thread is there.
    process = start(command, "--increments", str(program.MOST_INCREMENTS))
    try:
        tasks = Path(f"/proc/{process.pid}/task")
        if tasks.exists():
            assert eventually(lambda: len([*tasks.iterdir()]) > 1, STARTUP)
        else:
            time.sleep(3)
        process.send_signal(signal.SIGINT)
        assert finish(process, status=130) == ""
    finally:
        process.kill()


def test_a_wrong_count_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(name: str, kind: Any, increments: int) -> dict[str, Any]:
        return program.line("dict", name, 3, (1.0, 0.0), 3 * increments - 1, 3 * increments)

    assert program.main(["--increments", "100"]) == 0
    monkeypatch.setattr(program, "dict_program", lose)
    assert program.main(["--increments", "100"]) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        *(["--increments", text] for text in ("0", "-1", "1.5", "many", "nan", "inf", "", "0x10")),
        ["--increments", str(program.MOST_INCREMENTS + 1)],
        ["--increments"],
        ["--unknown"],
        ["1000"],
    ],
    ids=" ".join,
)
def test_a_wrong_argument_is_a_usage_error(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "make_report", pytest.fail)
    with pytest.raises(SystemExit) as caught:
        program.main(arguments)
    assert caught.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("usage: python -m cereggii")
    if len(arguments) == 2:
        assert repr(arguments[1]) in printed.err
