# SPDX-License-Identifier: Apache-2.0
"""The sentinels and exceptions of AtomicDict, from `cereggii-atomicdict`."""

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
