# SPDX-License-Identifier: Apache-2.0
"""Starting workers: each in a new process, under the interpreter of its environment."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

WORKER = Path(__file__).resolve().parent.parent / "worker.py"

TIMEOUT = 120.0
"""Seconds. No sample takes a tenth of it; one that does hangs."""


class WorkerError(Exception):
    """A worker crashed, hung, or raised; the message is the last line it wrote."""


def run_worker(
    python: str,
    *arguments: str,
    prefix: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT,
) -> dict[str, Any]:
    """Run `prefix python worker.py arguments`, and return what it printed."""
    command = [*prefix, python, str(WORKER), *arguments]
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=clean_environment() | dict(variables or {}),
        )
    except subprocess.TimeoutExpired:
        raise WorkerError(f"no answer within {timeout:.0f} s") from None
    except OSError as error:
        raise WorkerError(f"{command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        last_words = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise WorkerError(f"exit status {done.returncode}: {last_words[0]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def clean_environment() -> dict[str, str]:
    """The caller's environment, less the settings that change how an interpreter runs."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
