# SPDX-License-Identifier: Apache-2.0
"""`python -m cereggii` says what spoils its numbers, shows its progress, and draws a picture."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cereggii import __main__ as program
from cereggii import _machine, _picture, _progress

from tools.testing.interpreters import STARTUP

pytestmark = pytest.mark.thread_unsafe(reason="runs programs with threads of their own, and prints")

COMMAND = Path(__file__).resolve().parents[3] / "docs" / "reference" / "command.md"
in_the_repository = pytest.mark.skipif(
    not COMMAND.exists(), reason="needs the documents, and runs in the repository"
)
needs_matplotlib = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None,
    reason="needs matplotlib, which `tools/dev.py recipes` installs",
)

# ── what spoils the numbers ────────────────────────────────────────────────────────────────────

IDLE = {
    "gil_enabled": False,
    "free_threaded": True,
    "cores": 4,
    "threads": 2,
    "load": 0.0,
    "waiting": 0.0,
}


def codes(**changes: Any) -> list[str]:
    return [warning["code"] for warning in _machine.warnings(**{**IDLE, **changes})]


def test_an_idle_machine_without_the_gil_has_no_warnings() -> None:
    assert codes() == []
    assert codes(load=None) == []  # nothing tells


def test_the_gil_is_a_warning() -> None:
    assert codes(gil_enabled=True, free_threaded=False) == ["gil"]
    assert codes(gil_enabled=True) == ["gil-was-enabled"]


def test_a_busy_machine_is_a_warning() -> None:
    assert codes(waiting=0.11) == ["busy"]
    assert codes(waiting=0.09) == []
    assert codes(load=3.0) == ["busy"]
    assert codes(load=2.4) == []  # two of the four cores are free
    (warning,) = _machine.warnings(**{**IDLE, "waiting": 0.42})  # type: ignore[arg-type]
    assert "42%" in warning["message"]


def test_few_cores_are_a_warning() -> None:
    assert codes(cores=1) == ["few-cores"]
    # Threads that share a core wait for it in any case.
    assert codes(cores=1, waiting=0.5, load=3.0) == ["few-cores"]


def test_the_share_of_waiting_is_that_of_all_threads() -> None:
    assert _machine.waiting_share([1.0, 0.0], [2.0, 2.0]) == 0.25
    assert _machine.waiting_share([], []) == 0.0


def test_the_warnings_are_printed() -> None:
    report = program.make_report(100)
    report["warnings"] = [{"code": "gil", "message": "the GIL is on, and more"}]
    assert "the GIL is on, and more" in program.text_of(report)


@pytest.mark.skipif(not Path("/proc/thread-self/schedstat").exists(), reason="needs Linux")
def test_a_thread_without_a_core_is_noticed() -> None:
    # Two processes that compute, on one core.
    burn = [sys.executable, "-c", "import time\nwhile True: time.time()"]
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    other = subprocess.Popen(burn)
    try:
        before = _machine.time_without_core()
        while _machine.time_without_core() - before < 0.01:
            sum(range(10_000))
    finally:
        os.sched_setaffinity(0, cores)
        other.kill()
        other.wait()


# ── the JSON ───────────────────────────────────────────────────────────────────────────────────


def documented_keys() -> dict[str, set[str]]:
    """The keys that the tables of docs/reference/command.md list, by heading."""
    found: dict[str, set[str]] = {}
    text = COMMAND.read_text("utf-8")
    for line in text.splitlines():
        if line.startswith("### "):
            found[line.removeprefix("### ")] = names = set()
        elif found and line.startswith("| `"):
            names.add(line.split("`")[1])
    return found


@in_the_repository
def test_the_json_has_the_documented_keys() -> None:
    report = json.loads(json.dumps(program.make_report(100)))
    assert report["schema"] == program.SCHEMA == 1
    documented = documented_keys()
    assert documented["The report"] == report.keys()
    for line in report["programs"]:
        assert documented["A line of `programs`"] == line.keys()
        assert line["seconds_without_core"] >= 0
    assert {"gil", "gil-was-enabled", "few-cores", "busy"} == documented["The codes of `warnings`"]
    assert {warning["code"] for warning in report["warnings"]} <= documented[
        "The codes of `warnings`"
    ]
    assert all(warning.keys() == {"code", "message"} for warning in report["warnings"])
    assert report["cores"] >= 1


def words_of(text: str) -> list[str]:
    """The words of an output, without numbers and verdicts."""
    return ["N" if re.search(r"\d", word) or word in ("right", "wrong") else word
            for word in text.split()]  # fmt: skip


@in_the_repository
def test_the_documented_output_is_what_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    monkeypatch.setenv("COLUMNS", "100")
    report = program.make_report(100)
    report |= {"free_threaded": True, "gil_enabled": False, "warnings": []}
    (shown,) = re.findall(
        r"^```console\n(.*?)^```$", COMMAND.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert words_of(shown) == words_of(program.text_of(report))


# ── the progress bar ───────────────────────────────────────────────────────────────────────────


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(params=["with rich", "without rich"])
def terminal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    if request.param == "without rich":
        for name in ("rich", "rich.console", "rich.progress"):
            monkeypatch.setitem(sys.modules, name, None)
    elif importlib.util.find_spec("rich") is None:
        pytest.skip("needs rich, which the sessions of tests install")
    monkeypatch.setenv("TERM", "xterm")
    return Terminal()


def test_the_progress_is_shown_on_a_terminal_and_is_gone_at_the_end(terminal: Terminal) -> None:
    with contextlib.redirect_stderr(terminal), _progress.progress(2) as step:
        for label in ("first thing", "second thing"):
            step(label)
            assert label in terminal.getvalue()
    assert terminal.getvalue().endswith("\x1b[K") or "\x1b[2K" in terminal.getvalue()


def test_the_bar_is_taken_away_if_the_program_is_interrupted(terminal: Terminal) -> None:
    def draw() -> None:
        with contextlib.redirect_stderr(terminal), _progress.progress(2) as step:
            step("first thing")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw()
    shown = terminal.getvalue()
    assert shown.endswith("\x1b[K") or "\x1b[2K" in shown
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h")  # the cursor is shown again


def test_no_progress_is_shown_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream in (io.StringIO(), None):
        monkeypatch.setattr(sys, "stderr", stream)
        with _progress.progress(1) as step:
            step("first thing")
        assert not stream or stream.getvalue() == ""


# ── the picture ────────────────────────────────────────────────────────────────────────────────


@needs_matplotlib
@pytest.mark.parametrize("kind", ["png", "svg"])
def test_a_picture_is_drawn(kind: str, tmp_path: Path) -> None:
    file = tmp_path / f"times.{kind}"
    assert program.main(["--increments", "100", "--plot", str(file)]) == 0
    content = file.read_bytes()
    assert content.startswith(b"\x89PNG") if kind == "png" else b"</svg>" in content


@needs_matplotlib
def test_a_picture_says_what_is_wrong(tmp_path: Path) -> None:
    import matplotlib

    report = program.make_report(100)
    report["programs"][0]["result"] = 17
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        _picture.draw(report, tmp_path / "times.svg")
    shown = (tmp_path / "times.svg").read_text("utf-8")
    assert "wrong: 17 of 200" in shown
    assert shown.count("wrong:") == 1


@needs_matplotlib
@pytest.mark.parametrize("name", ["times", "times.spam", "nowhere/times.svg"])
def test_a_wrong_file_is_a_usage_error_before_anything_is_measured(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "make_report", pytest.fail)
    with pytest.raises(SystemExit) as caught:
        program.main(["--plot", str(tmp_path / name)])
    assert caught.value.code == 2
    assert "--plot: " in capsys.readouterr().err


def test_without_matplotlib_it_says_how_to_install_it(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None; from cereggii import __main__ as m; m.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--plot", str(tmp_path / "times.svg")],
        capture_output=True,
        text=True,
        timeout=STARTUP,
        check=False,
    )
    assert done.returncode == 2
    assert "pip install matplotlib" in done.stderr
    assert "Traceback" not in done.stderr
