# SPDX-License-Identifier: Apache-2.0
"""Limits for caches that many threads use."""

from __future__ import annotations

from typing import Any, TypeAlias

import pytest

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
