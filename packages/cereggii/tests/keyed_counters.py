# SPDX-License-Identifier: Apache-2.0
"""Counters and handles for the tests of AtomicKeyedCounter, and keys to count with them."""

from __future__ import annotations

from typing import Any

import pytest
from cereggii import AtomicKeyedCounter
from hypothesis import strategies as st


def counter_of(*arguments: Any, **counts: Any) -> Any:
    return AtomicKeyedCounter(*arguments, **counts)


def handle_of(*arguments: Any, **counts: Any) -> Any:
    return AtomicKeyedCounter(*arguments, **counts).get_handle()


# Runs a test with `make`, which makes an AtomicKeyedCounter or a handle of one.
both_forms = pytest.mark.parametrize("make", [counter_of, handle_of], ids=["counter", "handle"])


# Few keys, so that they meet.
KEYS: list[Any] = ["a", "b", "abc", 0, 1, 7, ("a", 1), None]
keys = st.sampled_from(KEYS)
counts = st.dictionaries(keys, st.integers(-3, 3))


def plain(counter: Any) -> dict[Any, Any]:
    """The items of a counter, including counts of 0."""
    return counter.snapshot() if hasattr(counter, "snapshot") else dict(counter)
