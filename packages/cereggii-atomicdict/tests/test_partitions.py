# SPDX-License-Identifier: Apache-2.0
"""fast_iter(): the items in parts that are disjoint, complete, and the same in every table size."""

from __future__ import annotations

import pytest
from cereggii_atomicdict import AtomicDict

from .mapping_forms import Make, both_forms


@both_forms
@pytest.mark.parametrize("partitions", [*range(1, 18), 100, 1000])
def test_partitions_are_disjoint_and_complete(make: Make, partitions: int) -> None:
    for size in (0, 1, 10, 1000):
        mapping = make({key: str(key) for key in range(size)})
        parts = [[*mapping.fast_iter(partitions, part)] for part in range(partitions)]
        items = [item for part in parts for item in part]
        assert len(items) == size
        assert dict(items) == mapping
        if size == 1000 and partitions <= 17:
            assert all(len(part) < 3 * size / partitions for part in parts)


@both_forms
def test_partitions_stay_disjoint_and_complete_while_the_mapping_grows(make: Make) -> None:
    mapping = make(dict.fromkeys(range(100)))
    seen: list[int] = []
    for part in range(5):
        seen += [key for key, _ in mapping.fast_iter(partitions=5, this_partition=part)]
        mapping.update(dict.fromkeys(range(1000 * (part + 1), 1000 * (part + 1) + 800)))
    assert len(seen) == len({*seen})
    assert {*range(100)} <= {*seen}


@both_forms
def test_the_default_is_one_partition(make: Make) -> None:
    mapping = make(dict.fromkeys(range(100)))
    assert [*mapping.fast_iter()] == [*mapping.fast_iter(1)] == [*mapping.fast_iter(1, 0)]
    assert dict(mapping.fast_iter(this_partition=0, partitions=1)) == mapping


@both_forms
def test_partitions_that_do_not_exist_are_refused_and_named(make: Make) -> None:
    mapping = make({1: 1})
    for arguments, named in (
        *[((0,), "0"), ((-1,), "-1"), ((-5, 0), "-5"), ((1, 1), "1"), ((2, 2), "2")],
        *[((7, 9), "9"), ((3, -1), "-1"), ((-(2**70),), str(-(2**70)))],
        *[((2, 2**70), str(2**70)), ((2, -(2**70)), str(-(2**70)))],
    ):
        with pytest.raises((ValueError, OverflowError), match="partition") as caught:
            mapping.fast_iter(*arguments)
        assert named in str(caught.value)
    for value in ("2", None, 2.0, [2]):
        for keywords in ({"partitions": value}, {"partitions": 2, "this_partition": value}):
            with pytest.raises(TypeError) as caught_type:
                mapping.fast_iter(**keywords)
            assert repr(value) in str(caught_type.value)


def test_partitions_do_not_depend_on_the_size_of_the_table() -> None:
    """A key stays in its partition, so that threads that iterate over parts do not meet."""
    mapping: AtomicDict[int, None] = AtomicDict(dict.fromkeys(range(100)))
    before = [{key for key, _ in mapping.fast_iter(4, part)} for part in range(4)]
    mapping.update(dict.fromkeys(range(100, 5000)))
    after = [{key for key, _ in mapping.fast_iter(4, part)} for part in range(4)]
    assert all(old <= new for old, new in zip(before, after, strict=True))
