# SPDX-License-Identifier: Apache-2.0
"""The machine and software that the samples were taken with, for later readers."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def describe_machine() -> dict[str, Any]:
    """Everything about the machine that can explain a number."""
    return {
        "cpu": cpu_model(),
        "cores": usable_cores(),
        "system": platform.platform(),
        "architecture": platform.machine(),
        "load": load_average(),
    }


def cpu_model() -> str:
    """The vendor's name of the processor, or the architecture if the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return _output_of("sysctl", "-n", "machdep.cpu.brand_string") or platform.processor()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor())


def usable_cores() -> int:
    """The cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def load_average() -> float | None:
    """The load of the last minute, which shows what else is running."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def git_revision() -> str | None:
    """The commit of this checkout, with `-dirty` if files differ from it; None outside of one."""
    return _output_of("git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")


def _output_of(*command: str) -> str | None:
    try:
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
