# SPDX-License-Identifier: Apache-2.0
"""Flags and handles for the tests of AtomicBool."""

from __future__ import annotations

from typing import Any

import pytest
from cereggii import AtomicBool


def flag_of(value: bool) -> Any:
    return AtomicBool(value)


def handle_of(value: bool) -> Any:
    return AtomicBool(value).get_handle()


# Runs a test with `make`, which makes an AtomicBool or a handle of one.
both_forms = pytest.mark.parametrize("make", [flag_of, handle_of], ids=["flag", "handle"])
both_values = pytest.mark.parametrize("value", [False, True])
