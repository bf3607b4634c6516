# SPDX-License-Identifier: Apache-2.0
"""What `python -m cereggii` says about the machine, and about what spoils its measurements."""

from __future__ import annotations

import os
from collections.abc import Sequence

MOST_WAITING = 0.1
"""From this share on of the time in which threads could have run, the machine is busy."""


def usable_cores() -> int:
    """The processors that this process may use."""
    count = getattr(os, "process_cpu_count", os.cpu_count)()  # the first one since 3.13
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    return count or 1


def load_average() -> float | None:
    """The mean number of threads that could run in the last minute; None if nothing tells."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None


def time_without_core() -> float:
    """The seconds for which this thread was ready to run, but not running; 0 if nothing tells."""
    try:
        with open("/proc/thread-self/schedstat", encoding="ascii") as statistics:
            return int(statistics.read().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def waiting_share(waited: Sequence[float], seconds: Sequence[float]) -> float:
    """The part of the time for which threads waited for a core that another process had."""
    return round(sum(waited) / sum(seconds), 3) if sum(seconds) > 0 else 0.0


def warnings(
    gil_enabled: bool, free_threaded: bool, cores: int, threads: int, load: float | None,
    waiting: float,
) -> list[dict[str, str]]:  # fmt: skip
    """What a reader of the numbers has to know, as `--json` prints it."""
    found = []
    if gil_enabled and free_threaded:
        found.append(_warning(
            "gil-was-enabled",
            "This Python is free-threaded, but its GIL is on: PYTHON_GIL=1, -X gil=1, or an "
            "extension module that was imported has enabled it. Threads take turns.",
        ))  # fmt: skip
    elif gil_enabled:
        found.append(_warning(
            "gil",
            "The GIL is on, so threads take turns: more of them are not faster. cereggii is for "
            "a free-threaded Python, such as python3.14t.",
        ))  # fmt: skip
    core_word = "core" if cores == 1 else "cores"
    if cores < threads:
        found.append(_warning(
            "few-cores",
            f"There are {threads} threads and {cores} usable {core_word}: they do not all run at "
            "once, and meet less often than they would.",
        ))  # fmt: skip
    elif waiting > MOST_WAITING:
        found.append(_warning(
            "busy",
            f"The machine is busy: the threads waited {waiting:.0%} of the time for a core that "
            "another process had. The numbers say little.",
        ))  # fmt: skip
    elif load is not None and load + threads > cores + 0.5:
        found.append(_warning(
            "busy",
            f"The machine is busy: the load average is {load}, with {cores} usable {core_word}. "
            "The numbers say little.",
        ))  # fmt: skip
    return found


def _warning(code: str, message: str) -> dict[str, str]:
    return {"code": code, "message": message}
