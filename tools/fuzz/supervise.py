# SPDX-License-Identifier: Apache-2.0
"""Runs a worker, and says how it has ended: well, with a wrong program, by a crash or by a hang."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tools.fuzz.programs import Program

ROOT = Path(__file__).resolve().parents[2]

# A worker ends by itself. If it does not, it is killed after so many seconds more.
GRACE = 30.0


@dataclass(frozen=True)
class Verdict:
    """How a worker has ended."""

    failed: bool
    what: str  # empty, or what has gone wrong
    number: int  # of the last program that it began; -1 if there was none
    played: int  # how many programs it began


def run_worker(*arguments: str, seconds: float, limit: float = 60.0) -> Verdict:
    """Let a worker play for so many seconds, of which each program may take `limit`."""
    command = [sys.executable, "-X", "faulthandler", "-m", "tools.fuzz.worker", *arguments]
    command += [f"--seconds={seconds}", f"--limit={limit}"]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=err)
        try:
            code = process.wait(seconds + limit + GRACE)
            how = _ending(code)
        except subprocess.TimeoutExpired:
            how = "it did not end, and not even the time limit has ended it"
        finally:
            process.kill()
            process.wait()
        out.seek(0)
        err.seek(0)
        return _verdict(out.read(), err.read(), how)


def replay(program: Program, times: int, seconds: float, limit: float = 60.0) -> Verdict:
    """Let a worker play one program so many times, or until it fails."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
        file.write(program.to_json())
    try:
        return run_worker(
            f"--program={file.name}", f"--count={times}", seconds=seconds, limit=limit
        )
    finally:
        os.unlink(file.name)


def _ending(code: int) -> str:
    if code == 0:
        return ""
    return f"it was ended by signal {-code}" if code < 0 else f"it has ended with exit code {code}"


def _verdict(out: str, err: str, how: str) -> Verdict:
    """Of what a worker has written, and how it has ended."""
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    begun = [line["begin"] for line in lines if "begin" in line]
    wrong = [line["wrong"] for line in lines if "wrong" in line]
    ended = any("end" in line for line in lines)
    if wrong:
        what = wrong[0]
    elif how:
        what = f"{how}\n{err}"
    elif not ended:
        what = f"it has ended early, without an error\n{err}"
    else:
        what = ""
    return Verdict(bool(what), what.strip(), begun[-1] if begun else -1, len(begun))
