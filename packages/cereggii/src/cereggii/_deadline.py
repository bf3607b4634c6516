# SPDX-License-Identifier: Apache-2.0
"""Deadlines of waits that are written in Python."""

from __future__ import annotations

import threading
import time
from math import inf
from typing import SupportsFloat, SupportsIndex, TypeAlias

from cereggii_atomicint._atomicint import _to_seconds as to_seconds

__all__ = ["Seconds", "end_after", "remaining", "to_seconds"]

# A real number of seconds: any object with __float__ or __index__.
Seconds: TypeAlias = SupportsFloat | SupportsIndex


def end_after(seconds: float) -> float:
    """The value of time.monotonic() after so many seconds; inf after inf seconds."""
    return time.monotonic() + seconds


def remaining(end: float) -> float:
    """The seconds until `end`, as a native wait takes them; 0 if it has passed."""
    if end == inf:
        return inf
    # The sum in `end` is rounded: it may be a little further away than the longest timeout.
    return min(max(0.0, end - time.monotonic()), threading.TIMEOUT_MAX)
