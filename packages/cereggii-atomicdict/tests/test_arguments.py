# SPDX-License-Identifier: Apache-2.0
"""How many arguments the methods take, and by which keywords."""

from __future__ import annotations

import pytest
from cereggii_atomicdict import AtomicDictHandle

from .mapping_forms import Make, both_forms, contents

ARGUMENTS = {  # the fewest and the most
    "get": (1, 2),
    "pop": (1, 2),
    "setdefault": (1, 2),
    "popitem": (0, 0),
    "clear": (0, 0),
    "copy": (0, 0),
    "snapshot": (0, 0),
    "keys": (0, 0),
    "values": (0, 0),
    "items": (0, 0),
    "get_and_set": (2, 2),
    "compare_and_set": (3, 3),
    "compare_and_exchange": (3, 3),
    "compare_and_delete": (2, 2),
    "get_or_compute": (2, 3),
    "compute": (2, 2),
    "merge": (3, 3),
    "remove_if": (1, 1),
    "reduce": (2, 2),
    "reduce_sum": (1, 1),
    "reduce_and": (1, 1),
    "reduce_or": (1, 1),
    "reduce_max": (1, 1),
    "reduce_min": (1, 1),
    "reduce_list": (1, 1),
    "reduce_count": (1, 1),
    "batch_getitem": (1, 2),
    "fast_iter": (0, 2),
    "reserve": (1, 1),
    "approx_len": (0, 0),
    "len_bounds": (0, 0),
    "get_handle": (0, 0),
}


@both_forms
@pytest.mark.parametrize("method", ARGUMENTS)
def test_a_wrong_number_of_arguments_is_a_type_error(make: Make, method: str) -> None:
    fewest, most = ARGUMENTS[method]
    mapping = make({1: 1})
    for count in (fewest - 1, most + 1):
        if count >= 0:
            with pytest.raises(TypeError, match=method):
                getattr(mapping, method)(*[1] * count)
    with pytest.raises(TypeError, match=r"other|keyword"):
        getattr(mapping, method)(*[1] * fewest, other=6)
    assert contents(mapping) == {1: 1}


@both_forms
def test_arguments_may_be_given_by_keyword(make: Make) -> None:
    mapping = make({1: "one"})
    assert mapping.get(key=1) == "one"
    assert mapping.get(default=2, key=3) == 2
    assert mapping.setdefault(key=2, default="two") == "two"
    assert mapping.setdefault(key=3) is None
    assert mapping.pop(key=3) is None
    assert mapping.pop(key=3, default="three") == "three"
    assert mapping.pop(3, default=None) is None
    assert contents(mapping) == {1: "one", 2: "two"}
    for call in (
        lambda: mapping.get(1, key=1),
        lambda: mapping.pop(default=1),
        lambda: mapping.setdefault(1, 2, default=3),
    ):
        with pytest.raises(TypeError):
            call()


@both_forms
def test_get_handle_makes_another_handle_of_the_same_mapping(make: Make) -> None:
    mapping = make({1: 1})
    first, second = mapping.get_handle(), mapping.get_handle()
    assert type(first) is type(second) is AtomicDictHandle
    assert first is not second
    first[2] = 2
    del second[1]
    assert contents(mapping) == contents(first.get_handle()) == contents(second) == {2: 2}
