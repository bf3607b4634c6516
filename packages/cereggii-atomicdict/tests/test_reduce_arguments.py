# SPDX-License-Identifier: Apache-2.0
"""reduce_count counts what it is given; all forms of reduce refuse wrong arguments."""

from __future__ import annotations

import collections
import operator
import sys
import types
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from cereggii_atomicdict import ANY, AtomicDict
from hypothesis import given
from hypothesis import strategies as st

from .mapping_forms import Make, both_forms, contents
from .reductions import FUNCTIONS, Broken, Source, add, all_true, not_reduced, reduced

# ── reduce_count ───────────────────────────────────────────────────────────────────────────────


class Proxy(collections.UserDict[Any, Any]):
    """A mapping that is not a dict."""


@both_forms
def test_mappings_add_the_counts_that_they_have(make: Make) -> None:
    counts = {"a": 2, "b": -1, "c": 0, "d": 2**63}
    for mapping in (
        counts,
        collections.Counter(counts),
        collections.OrderedDict(counts),
        types.MappingProxyType(counts),
        Proxy(counts),
        AtomicDict(counts),
        AtomicDict(counts).get_handle(),
    ):
        d = make({"a": 1, "other": 5})
        assert d.reduce_count(mapping) is None
        assert contents(d) == {"a": 3, "b": -1, "c": 0, "d": 2**63, "other": 5}


@both_forms
def test_iterables_count_their_items(make: Make) -> None:
    for keys in (
        "abracadabra",
        [*"abracadabra"],
        iter("abracadabra"),
        Source("abracadabra"),
        tuple("abracadabra"),
    ):
        d = make({"a": 1, "z": 5})
        assert d.reduce_count(keys) is None
        assert contents(d) == {**collections.Counter("abracadabra"), "a": 6, "z": 5}
    d = make({})
    d.reduce_count({"a": 2, "b": 1}.keys())
    d.reduce_count({"a": 2, "b": 1}.items())
    d.reduce_count(b"aa")
    assert contents(d) == {"a": 1, "b": 1, ("a", 2): 1, ("b", 1): 1, 97: 2}


def test_counts_may_be_anything_that_adds_up() -> None:
    d: AtomicDict[Any, Any] = AtomicDict({"a": 1.5, "b": True})
    d.reduce_count({"a": 1, "b": Fraction(1, 2), "c": "text"})
    d.reduce_count("ab")
    assert d == {"a": 3.5, "b": Fraction(5, 2), "c": "text"}
    with pytest.raises(TypeError) as caught:
        d.reduce_count("c")
    assert not_reduced(caught.value) == [("c", 1)]
    with pytest.raises(ValueError, match="ANY"):
        d.reduce_count({"a": ANY})
    assert d == {"a": 3.5, "b": Fraction(5, 2), "c": "text"}


def test_an_exception_of_a_mapping_propagates() -> None:
    class Failing(Proxy):
        def __getitem__(self, key: object) -> Any:
            raise Broken

    d: AtomicDict[Any, Any] = AtomicDict({"a": 1})
    with pytest.raises(Broken):
        d.reduce_count(Failing({"a": 1}))
    assert d == {"a": 1}


@given(st.lists(st.text(max_size=2)), st.dictionaries(st.text(max_size=2), st.integers()))
def test_counting_is_that_of_a_counter(keys: list[str], counts: dict[str, int]) -> None:
    d: AtomicDict[str, int] = AtomicDict()
    counter: collections.Counter[str] = collections.Counter()
    for one in (keys, counts, tuple(keys)):
        d.reduce_count(one)
        counter.update(one)
    assert d == counter


# ── arguments ──────────────────────────────────────────────────────────────────────────────────


@both_forms
def test_arguments_may_be_given_by_the_keywords_of_cereggii_1(make: Make) -> None:
    mapping = make({})
    mapping.reduce(pairs=[("a", 1)], fn=add)
    mapping.reduce(iterable=[("a", 1)], aggregate=add)
    mapping.reduce([("a", 1)], aggregate=add)
    mapping.reduce(fn=add, iterable=[("a", 1)])
    for keyword in ("pairs", "iterable"):
        for name, combine in FUNCTIONS.items():
            other = make({"a": 1})
            getattr(other, name)(**{keyword: [("a", 4)]})
            assert contents(other) == reduced(combine, [("a", 4)], {"a": 1})
    mapping.reduce_count(keys_or_mapping="a")
    mapping.reduce_count(iterable={"a": 2})
    assert contents(mapping) == {"a": 7}
    calls: list[Callable[[], None]] = [
        lambda: mapping.reduce([], pairs=[], fn=add),
        lambda: mapping.reduce([], add, aggregate=add),
        lambda: mapping.reduce(pairs=[], iterable=[], fn=add),
        lambda: mapping.reduce_sum([], iterable=[]),
        lambda: mapping.reduce_count("a", keys_or_mapping="a"),
    ]
    for call in calls:
        with pytest.raises(TypeError):
            call()
    assert contents(mapping) == {"a": 7}


@both_forms
def test_wrong_arguments_are_refused_and_nothing_is_taken(make: Make) -> None:
    mapping = make({"a": 1})
    source = Source([("a", 1)])
    for wrong in (5, "text", None, [1, 2]):
        with pytest.raises(
            TypeError, match=f"fn must be callable, not {wrong!r}".replace("[", r"\[")
        ):
            mapping.reduce(source, wrong)
    assert source.taken == 0
    for name in (*FUNCTIONS, "reduce_count"):
        with pytest.raises(TypeError, match="'int' object is not iterable"):
            getattr(mapping, name)(5)
        with pytest.raises(TypeError):
            getattr(mapping, name)(None)
    with pytest.raises(TypeError, match="not iterable"):
        mapping.reduce(5, add)
    assert contents(mapping) == {"a": 1}


def test_a_wrong_length_hint_does_no_harm() -> None:
    for hint in (1, 15, 2**62, sys.maxsize):
        d: AtomicDict[int, int] = AtomicDict()
        d.reduce_count(Source(range(1000), hint))
        assert d == dict.fromkeys(range(1000), 1)
    d = AtomicDict()
    with pytest.raises(ValueError, match="__length_hint__"):
        d.reduce_count(Source([1], hint=-1))
    assert not d


def test_all_true_stops_at_nothing() -> None:
    """Each input is taken, even where the result cannot change any more."""
    source = Source(("key", n % 2) for n in range(100))
    d: AtomicDict[str, bool] = AtomicDict()
    d.reduce_and(source)
    assert source.taken == 100
    assert d["key"] is all_true(None, True, 0) is False
    assert operator.truth(d)
