# SPDX-License-Identifier: Apache-2.0
"""Type checkers accept a program that uses everything, and find every mistake in another one."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.testing.concurrency import PATIENCE

PROGRAMS = Path(__file__).resolve().parents[2] / "packages" / "cereggii" / "tests" / "typed"
SCRIPTS = Path(sys.executable).parent

CHECKERS = {
    "mypy": [sys.executable, "-m", "mypy", "--strict"],
    "pyright": [str(SCRIPTS / "pyright"), "--pythonpath", sys.executable],
    "ty": [str(SCRIPTS / "ty"), "check", "--output-format=concise", "--python", sys.prefix],
    "pyrefly": [
        *(str(SCRIPTS / "pyrefly"), "check", "--preset=default", "--output-format=min-text"),
        *("--python-interpreter-path", sys.executable),
    ],
}
every_checker = pytest.mark.parametrize("checker", CHECKERS)


def reports(checker: str, program: str, folder: Path) -> tuple[int, str]:
    """The exit code of a checker, and what it prints."""
    if importlib.util.find_spec(checker) is None and not os.environ.get("CEREGGII_CHECKERS"):
        pytest.skip(f"needs {checker}, which `tools/dev.py typing` installs")
    # Elsewhere, as it is when somebody else writes it: without the settings of this repository.
    shutil.copy(PROGRAMS / program, folder)
    done = subprocess.run(
        [*CHECKERS[checker], program],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        timeout=2 * PATIENCE,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_program_runs() -> None:
    program = [sys.executable, "-W", "error", str(PROGRAMS / "user_program.py")]
    subprocess.run(program, check=True, timeout=PATIENCE)


@every_checker
def test_the_program_is_accepted(checker: str, tmp_path: Path) -> None:
    code, report = reports(checker, "user_program.py", tmp_path)
    assert code == 0, report


@every_checker
def test_each_mistake_is_found_and_nothing_else(checker: str, tmp_path: Path) -> None:
    lines = (PROGRAMS / "wrong_program.py").read_text("utf-8").splitlines()
    wrong = {n for n, line in enumerate(lines, 1) if line.endswith("  # error")}
    code, report = reports(checker, "wrong_program.py", tmp_path)
    assert code == 1, report
    errors = [line for line in report.splitlines() if re.search("error", line, re.IGNORECASE)]
    found = {int(n) for n in re.findall(r"wrong_program\.py:(\d+)", "\n".join(errors))}
    assert found
    missed = [f"{n}: {lines[n - 1]}" for n in sorted(wrong - found)]
    assert not missed, report
    assert found <= wrong, report
