# SPDX-License-Identifier: Apache-2.0
"""A program for cereggii 1.x finds every name that it imports, and every member."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from .cereggii_1 import cereggii

MODULES = {
    "atomic_bool": ["AtomicBool"],
    "atomic_dict": ["AtomicDict"],
    "atomic_dict.atomic_cache": ["AtomicCache"],
    "atomic_event": ["AtomicEvent"],
    "atomic_int": ["AtomicInt64"],
    "atomic_ref": ["AtomicRef"],
    "constants": [
        "ANY",
        "EXPECTATION_FAILED",
        "NOT_FOUND",
        "ConcurrentUsageDetected",
        "ExpectationFailed",
    ],
    "count_down_latch": ["CountDownLatch"],
    "misc": ["call_once"],
    "thread_handle": ["ThreadHandle"],
    "thread_set": ["ThreadSet"],
}
MEMBERS = {
    "AtomicBool": "compare_and_set get get_and_set get_handle reset_or_raise set set_or_raise",
    "AtomicCache": "__contains__ __getitem__ __setitem__ MemoizedFunction invalidate memoize",
    "AtomicDict": (
        "__delitem__ __getitem__ __len__ __setitem__ approx_len batch_getitem compare_and_set "
        "fast_iter get get_handle len_bounds reduce reduce_and reduce_count reduce_list "
        "reduce_max reduce_min reduce_or reduce_sum"
    ),
    "AtomicEvent": "is_set set wait",
    "AtomicInt64": (
        "compare_and_set decrement_and_get get get_and_decrement get_and_increment get_and_set "
        "get_and_update get_handle increment_and_get set update_and_get"
    ),
    "AtomicRef": "compare_and_set get get_and_set get_handle set",
    "CountDownLatch": "decrement decrement_and_get get wait",
    "ThreadSet": (
        "Args all_are_alive all_are_not_alive any_is_alive is_alive join range repeat start "
        "start_and_join target thread_factory with_args"
    ),
}


@pytest.mark.parametrize("module", MODULES)
def test_every_name_is_there_and_in_its_module(module: str) -> None:
    for name in MODULES[module]:
        in_module = getattr(importlib.import_module(f"cereggii.{module}"), name)
        assert in_module is getattr(cereggii, name)


@pytest.mark.parametrize("name", MEMBERS)
def test_every_class_has_its_members(name: str) -> None:
    for member in MEMBERS[name].split():
        assert hasattr(getattr(cereggii, name), member), member


def test_a_star_import_brings_every_name() -> None:
    namespace: dict[str, Any] = {}
    exec("from cereggii import *", namespace)
    assert {name for names in MODULES.values() for name in names} <= namespace.keys()


def test_the_version_and_the_license_can_be_read() -> None:
    assert cereggii.__version__.startswith(".".join(map(str, cereggii.__version_tuple__[:3])))
    assert cereggii.__license__ == "Apache-2.0"
