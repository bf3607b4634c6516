# SPDX-License-Identifier: Apache-2.0
"""Limits for caches that many threads use."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from tools.testing.concurrency import run_threads

THREADS = 4

Limits: TypeAlias = dict[str, Any]
# Limits that are never reached, but for the work that they make.
LIMITS: dict[str, Limits] = {
    "no limits": {},
    "ttl": {"ttl": 1e9},
    "maxsize": {"maxsize": 10_000},
    "ttl and maxsize": {"ttl": 1e9, "maxsize": 10_000},
}
# For tests that take their time: with the most limits, and with none.
both_caches = pytest.mark.parametrize(
    "limits", [LIMITS["no limits"], LIMITS["ttl and maxsize"]], ids=["no limits", "limits"]
)


def in_threads(work: Callable[[int], Any], threads: int = THREADS) -> list[Any]:
    """Run work(number) in as many threads as there are numbers, which start at the same time."""
    return run_threads(*(functools.partial(work, number) for number in range(threads)))
