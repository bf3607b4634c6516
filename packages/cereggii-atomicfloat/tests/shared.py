# SPDX-License-Identifier: Apache-2.0
"""Uses of floats by several threads, and programs in which they share them."""

from __future__ import annotations

from typing import Any

import tools.testing.sharing
from tools.testing.concurrency import run_threads


def run_sharing(program: str, *arguments: str) -> str:
    return tools.testing.sharing.run_sharing(
        "cereggii_atomicfloat._atomicfloat",
        "for _ in range(times): instance += 1",
        program,
        *arguments,
    )


def use(instance: Any, times: int) -> None:
    for _ in range(times):
        instance += 1


def use_elsewhere(instance: Any, times: int, threads: int = 1) -> None:
    """Use the object from threads that do not own it, `times` in each."""
    run_threads(*[lambda: use(instance, times)] * threads)
