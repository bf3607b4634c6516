# SPDX-License-Identifier: Apache-2.0
"""CPython's tests of `collections.Counter`, with AtomicKeyedCounter in its place."""

from __future__ import annotations

import collections
import sys
from importlib import import_module
from typing import Any
from unittest import mock

from cereggii import AtomicDict, AtomicKeyedCounter

from clients.client import Client, Difference, standard_library
from clients.substitution import replace_dict


def put_in_place() -> None:
    """Makes every Counter of the suite an AtomicKeyedCounter, and every dict an AtomicDict."""
    name = "test.test_collections"
    import_module(name)  # and all that it imports, with the original types
    del sys.modules[name]
    replace_dict(AtomicDict, name)
    with mock.patch.object(collections, "Counter", AtomicKeyedCounter):
        suite: Any = import_module(name)
    # For the test that evaluates a `repr`.
    suite.AtomicKeyedCounter = AtomicKeyedCounter


SUITE = "test/test_collections.py::TestCounter"

DIFFERENCES = (
    Difference(
        reason="The order of the keys is not kept.",
        shows="AssertionError: Lists differ",
        tests=(f"{SUITE}::test_basics", f"{SUITE}::test_order_preservation"),
    ),
    Difference(
        reason="Counting changes a key in one atomic step: it cannot be a `get` and a"
        " `__setitem__` of a subclass.",
        shows="AssertionError: False is not true",
        tests=(f"{SUITE}::test_helper_function",),
    ),
)

CLIENT = Client(
    title="test.test_collections.TestCounter on AtomicKeyedCounter",
    suite="`test.test_collections`",
    root=standard_library,
    tests=("test/test_collections.py::TestCounter",),
    put_in_place=put_in_place,
    of_interpreter=True,
    options=("--assert=plain",),
    differences=DIFFERENCES,
)
