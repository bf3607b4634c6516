# SPDX-License-Identifier: Apache-2.0
"""Threads that start at the same moment, or meet again and again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from tools.fuzz.programs import Wrong

PATIENCE = 50.0  # seconds until a thread counts as stuck


def _look_until(condition: Callable[[], bool]) -> None:
    """Look again and again: threads that sleep would wake one after the other."""
    looks = 0
    while not condition():
        looks += 1
        if looks > 1000:  # there may be more threads than cores
            time.sleep(0)


class Meeting:
    """Threads meet here any number of times, all of them each time."""

    def __init__(self, threads: int) -> None:
        self._came = [0] * threads
        self._is_over = False

    def wait(self, thread: int) -> None:
        """Wait until all threads have called this as often as this one."""
        self._came[thread] += 1
        times = self._came[thread]
        _look_until(lambda: self._is_over or min(self._came) >= times)

    def end(self) -> None:
        """Let all threads go: one of them will not come any more."""
        self._is_over = True


def run_together(works: Sequence[Callable[[], Any]]) -> list[Any]:
    """Call each work in a thread of its own. Their results, in order; or the first exception."""
    arrived = [False] * len(works)
    results: list[Any] = [None] * len(works)
    errors: list[BaseException] = []

    def run(number: int) -> None:
        arrived[number] = True
        _look_until(lambda: all(arrived))
        try:
            results[number] = works[number]()
        except BaseException as error:
            errors.append(error)

    threads = [
        threading.Thread(target=run, args=(number,), daemon=True) for number in range(len(works))
    ]
    for thread in threads:
        thread.start()
    end = time.monotonic() + PATIENCE
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
        if thread.is_alive():
            raise Wrong(f"a thread is still running after {PATIENCE} s")
    if errors:
        raise errors[0]
    return results
