# SPDX-License-Identifier: Apache-2.0
"""cachetools and its own tests, both with an AtomicDict for each dict.

Its caches keep their values in AtomicDicts. `cachetools.cached` and `cachetools.cachedmethod` keep
theirs in an AtomicDict, too, where their tests give them a dict. An AtomicCache is not for them: it
computes its values itself, and nothing else can store one.
"""

from __future__ import annotations

from pathlib import Path

from cereggii import AtomicDict

from clients.client import Client, Difference, source_of
from clients.substitution import replace_dict


def put_in_place() -> None:
    """Makes every dict of cachetools and of its tests an AtomicDict."""
    replace_dict(AtomicDict, "cachetools", "tests")


def root() -> Path:
    """The source distribution: the wheel has no tests."""
    return source_of("cachetools")


DIFFERENCES = (
    Difference(
        reason="An AtomicDict is a MutableMapping and not a dict: the interpreter does not take it"
        " as the `__dict__` of an object.",
        shows="TypeError: __dict__ must be set to a dictionary",
        tests=(
            "tests/test_cachedmethod.py::CacheMethodTest::test_decorator_immutable_dict",
            "tests/test_cachedmethod.py::DictMethodTest::test_decorator_immutable_dict",
        ),
    ),
    Difference(
        reason="An AtomicDict is a MutableMapping and not a dict: pickle does not take it as the"
        " state of slots.",
        shows="UnpicklingError: slot state is not a dictionary",
        tests=(
            "tests/test_lfu.py::LFUCacheTest::test_lfu_copy_use_counts",
            "tests/test_lfu.py::LFUCacheTest::test_pickle",
            "tests/test_lfu.py::LFUCacheTest::test_pickle_maxsize",
        ),
    ),
    Difference(
        reason="The order of the keys is not kept.",
        shows="AssertionError: Lists differ",
        tests=(
            "tests/test_tlru.py::TLRUCacheTest::test_tlru_iter_modify",
            "tests/test_ttl.py::TTLCacheTest::test_ttl_iter_modify",
        ),
    ),
)

CLIENT = Client(
    title="cachetools, where each dict is an AtomicDict",
    suite="cachetools",
    root=root,
    tests=("tests",),
    put_in_place=put_in_place,
    options=("--assert=plain",),
    differences=DIFFERENCES,
)
