# SPDX-License-Identifier: Apache-2.0
"""The tests of ft_utils' concurrent types, with ours in their place.

ft_utils' ConcurrentQueue, ConcurrentGatheringIterator and AtomicFlag are built from its dict, its
integer and its reference. So their tests run on ours, too.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from cereggii import AtomicDict, AtomicInt, AtomicRef

from clients.client import Client, Difference, folder_of


class ConcurrentDict(AtomicDict[Any, Any]):
    """An AtomicDict with the constructor and the names of ft_utils."""

    def __init__(self, initial_capacity: int = 0, dictionary: dict[Any, Any] | None = None) -> None:
        if dictionary is None:
            super().__init__(min_size=initial_capacity)
        else:
            super().__init__(dictionary, min_size=initial_capacity)

    as_dict = AtomicDict.snapshot


class AtomicInt64(AtomicInt):
    """An AtomicInt with the names of ft_utils."""

    incr = AtomicInt.increment_and_get
    decr = AtomicInt.decrement_and_get


class AtomicReference(AtomicRef[Any]):
    """An AtomicRef with the names of ft_utils."""

    exchange = AtomicRef.get_and_set
    compare_exchange = AtomicRef.compare_and_set


def put_in_place() -> None:
    """Makes ft_utils use our types for its own."""
    concurrency: Any = import_module("ft_utils.concurrency")
    for ours in (ConcurrentDict, AtomicInt64, AtomicReference):
        assert hasattr(concurrency, ours.__name__)
        setattr(concurrency, ours.__name__, ours)


def root() -> Path:
    """Where the package is: its tests are in it."""
    return folder_of("ft_utils")


DIFFERENCES = (
    Difference(
        reason="`keys`, `values` and `items` return live views, as those of dict, and not lists.",
        shows=r"AssertionError: AtomicDict(Keys|Values|Items)\(",
        tests=(
            "tests/test_concurrency.py::TestConcurrentDict::test_items",
            "tests/test_concurrency.py::TestConcurrentDict::test_keys",
            "tests/test_concurrency.py::TestConcurrentDict::test_keys_values_items_empty",
            "tests/test_concurrency.py::TestConcurrentDict::test_values",
        ),
    ),
    Difference(
        reason="The message of the TypeError for too many arguments has other words.",
        shows=r"AssertionError: .*AtomicReference.*does not match.*AtomicRef\(\) takes at most 1",
        tests=("tests/test_concurrency.py::TestAtomicReference::test_arg_count",),
    ),
)

CLIENT = Client(
    title="ft_utils' tests on AtomicDict, AtomicInt and AtomicRef",
    suite="ft_utils",
    root=root,
    tests=("tests/test_concurrency.py",),
    put_in_place=put_in_place,
    differences=DIFFERENCES,
)
