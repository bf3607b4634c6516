# SPDX-License-Identifier: Apache-2.0
"""What AtomicDict's operations expect, return and raise, from `cereggii-atomicdict`."""

from cereggii_atomicdict import (
    ANY,
    EXPECTATION_FAILED,
    NOT_FOUND,
    ConcurrentUsageDetected,
    ExpectationFailed,
)

__all__ = [
    "ANY",
    "EXPECTATION_FAILED",
    "NOT_FOUND",
    "ConcurrentUsageDetected",
    "ExpectationFailed",
]
