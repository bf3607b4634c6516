# SPDX-License-Identifier: Apache-2.0
"""How long a wait may last, as every wait of this library takes it."""

from __future__ import annotations

import math
import threading
import time
from typing import SupportsFloat, SupportsIndex, TypeAlias

LONGEST_WAIT = 4e9  # seconds, which is 127 years: what all native waits take

Timeout: TypeAlias = SupportsFloat | SupportsIndex | None


def to_seconds(timeout: Timeout) -> float | None:
    """The seconds from 0 to `threading.TIMEOUT_MAX` that a wait may last; None is no limit.

    TypeError if it is not a number, ValueError if it is negative or NaN, OverflowError if it is
    larger than that. The errors name the value. inf stands for no limit, too.
    """
    if timeout is None:
        return None
    if not hasattr(timeout, "__float__") and not hasattr(timeout, "__index__"):
        raise TypeError(f"timeout must be a number of seconds or None, not {timeout!r}")
    try:
        seconds = float(timeout)
    except OverflowError:  # an int that no float can hold
        seconds = -1.0 if timeout < 0 else 2 * threading.TIMEOUT_MAX  # type: ignore[operator]
    if math.isnan(seconds) or seconds < 0:
        raise ValueError(f"timeout must be a non-negative number of seconds, not {timeout!r}")
    if seconds == math.inf:
        return None
    if seconds > threading.TIMEOUT_MAX:
        raise OverflowError(
            f"timeout must be at most threading.TIMEOUT_MAX seconds, or None, not {timeout!r}"
        )
    return seconds


class Deadline:
    """When a wait has to end."""

    __slots__ = ("_end",)

    def __init__(self, timeout: Timeout) -> None:
        """Begins now. Raises what `to_seconds` raises."""
        seconds = to_seconds(timeout)
        self._end = None if seconds is None else time.monotonic() + seconds

    def remaining(self) -> float | None:
        """The seconds that are left, 0 at least; None without a limit."""
        if self._end is None:
            return None
        return min(max(0.0, self._end - time.monotonic()), LONGEST_WAIT)
