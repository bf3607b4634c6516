# SPDX-License-Identifier: Apache-2.0
"""reduce and its special forms compute what a loop that calls `fn` computes."""

from __future__ import annotations

import collections
import itertools
import math
import random
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import pytest
from cereggii_atomicdict import AtomicDict
from hypothesis import given
from hypothesis import strategies as st

from tools.testing.matching import MyInt

from .mapping_forms import Make, Thing, both_forms, contents, dict_of, handle_of
from .reductions import (
    FUNCTIONS,
    TABLE,
    Call,
    Combine,
    Pairs,
    Source,
    add,
    collect,
    every_call,
    every_function,
    largest,
    not_reduced,
    reduced,
    skewed,
)
from .workloads import check_whole, every_key


def shown(mapping: Mapping[Any, Any] | AtomicDict[Any, Any]) -> dict[Any, str]:
    """The values with their types: True, 1 and 1.0 differ, and NaN is itself."""
    return {key: repr(value) for key, value in mapping.items()}


# ── results ────────────────────────────────────────────────────────────────────────────────────

INPUTS: dict[str, list[tuple[int, int]]] = {
    "none": [],
    "one": [(1, 5)],
    "one key": [(1, n) for n in range(100)],
    "few keys": [(n % 10, n) for n in range(1000)],
    "as many keys as there are places": [(n % TABLE, n) for n in range(2 * TABLE)],
    "many keys": [(n * 7919 % 12_000, n) for n in range(15_000)],
    "keys once": [(n, -n) for n in range(6000)],
}


@every_call
@pytest.mark.parametrize("inputs", INPUTS.values(), ids=INPUTS)
def test_each_key_becomes_what_a_loop_makes_of_it(
    call: Call, function: Combine, inputs: list[tuple[int, int]]
) -> None:
    initial = {1: 3, 2: 0, 5000: -1, "other": 7}
    expected = reduced(function, inputs, initial)
    for make, pairs in (
        (dict_of, inputs),
        (handle_of, Source(inputs)),
        (dict_of, Source(inputs, hint=5)),
    ):
        mapping = make(initial)
        assert call(mapping, pairs) is None
        assert contents(mapping) == expected


@every_key
def test_keys_of_every_kind_are_counted(key: Callable[[int], Any], seed: int) -> None:
    choose = random.Random(seed)
    for draw in (skewed, random.Random.randrange):
        numbers = [draw(choose, 1000) for _ in range(5_000)]
        d: AtomicDict[Any, int] = AtomicDict()
        d.reduce_sum(Source(((key(number), 2) for number in numbers), hint=20))
        d.reduce_count(key(number) for number in numbers)
        d.reduce(((key(number), 1) for number in numbers), add)
        expected = collections.Counter(numbers)
        check_whole(d, {key(number): 4 * count for number, count in expected.items()})


def test_keys_that_are_equal_are_one_key() -> None:
    d: AtomicDict[Any, Any] = AtomicDict({2: 10})
    d.reduce_sum([(1, 1), (True, 1), (1.0, 1), (MyInt(1), 1), (2.0, 1), (Fraction(2), 1)])
    assert d == {1: 4, 2: 12}
    assert {type(key) for key in d} == {int}
    nan = float("nan")
    d.reduce_count([nan, nan, float("nan")])
    assert sorted(value for key, value in d.items() if key != key) == [1, 2]


class Pair(NamedTuple):
    key: str
    value: int


@both_forms
def test_pairs_may_be_given_in_any_way(make: Make) -> None:
    ways: list[Any] = [
        [("a", 1), ("b", 2), ("a", 3)],
        (["a", 1], ("b", 2), iter(("a", 3))),
        iter([("a", 1), ("b", 2), ("a", 3)]),
        {"a": 4, "b": 2}.items(),
        AtomicDict({"a": 4, "b": 2}).items(),
        [Pair("a", 4), Pair("b", 2)],
    ]
    for pairs in ways:
        mapping = make({"b": 5})
        mapping.reduce_sum(pairs)
        assert contents(mapping) == {"a": 4, "b": 7}


@both_forms
def test_a_dict_may_be_reduced_with_itself(make: Make) -> None:
    content = {n: n for n in range(5_000)}
    mapping = make(content)
    mapping.reduce_count(mapping)
    assert contents(mapping) == {n: 2 * n for n in content}
    mapping.reduce_max(mapping.items())
    mapping.reduce_min((key, mapping[key]) for key in mapping)
    assert contents(mapping) == {n: 2 * n for n in content}


@pytest.mark.parametrize("name", ["reduce_and", "reduce_or", "reduce_max", "reduce_min"])
def test_a_function_may_reduce_into_the_same_dict(name: str) -> None:
    d: AtomicDict[Any, Any] = AtomicDict()
    combine = FUNCTIONS[name]

    def function(key: Any, current: Any, value: Any) -> Any:
        if key < 1000:
            d.reduce([(key + 1000, value)], function)
            getattr(d, name)([(key + 2000, value)])
        return combine(key, current, value)

    pairs = [(n % 500, n) for n in range(1000)]
    d.reduce(pairs, function)  # which is called more than once for some
    expected = reduced(combine, pairs)
    for offset in (0, 1000, 2000):
        assert {k - offset: v for k, v in d.items() if k // 1000 * 1000 == offset} == expected


# ── the types of values ────────────────────────────────────────────────────────────────────────


def test_an_input_that_comes_once_is_stored_itself() -> None:
    values: list[Any] = [True, 2**70, 1.5, "text", MyInt(3), Thing(), None, [1]]
    for value in values:
        for name in ("reduce_sum", "reduce_max", "reduce_min"):
            d: AtomicDict[str, Any] = AtomicDict()
            getattr(d, name)([("key", value)])
            assert d["key"] is value
        e: AtomicDict[str, Any] = AtomicDict()
        e.reduce([("key", value)], largest)
        assert e["key"] is value


def test_the_type_of_a_result_is_that_of_the_documented_function() -> None:
    cases: list[tuple[str, Any, Any, str]] = [
        ("reduce_sum", (), [True], "True"),
        ("reduce_sum", (), [True, True], "2"),
        ("reduce_sum", [True], [1], "2"),
        ("reduce_sum", [1], [True], "2"),
        ("reduce_sum", [1], [1.0], "2.0"),
        ("reduce_sum", [0.5], [1, 1], "2.5"),
        ("reduce_sum", ["a"], ["b", "c"], "'abc'"),
        ("reduce_sum", (), [MyInt(1), 1], "2"),
        ("reduce_and", (), [5], "True"),
        ("reduce_and", [5], [5], "True"),
        ("reduce_and", [0], [5], "0"),
        ("reduce_and", [""], [0], "''"),
        ("reduce_and", [5], [[]], "False"),
        ("reduce_or", (), [0], "False"),
        ("reduce_or", [5], [0], "5"),
        ("reduce_or", [0], [5], "True"),
        ("reduce_or", [0.0], [""], "False"),
        ("reduce_max", [1], [True], "True"),
        ("reduce_max", [True], [1], "1"),
        ("reduce_max", [2], [True], "2"),
        ("reduce_min", [1.0], [1], "1"),
        ("reduce_min", [0.0], [-0.0], "-0.0"),
        ("reduce_list", (), [1], "[1]"),
        ("reduce_list", ["a"], [1, [2, 3], (4,)], "['a', 1, 2, 3, (4,)]"),
        ("reduce_list", [[]], [[], {}], "[{}]"),
    ]
    for name, initial, values, result in cases:
        d: AtomicDict[str, Any] = AtomicDict([("key", value) for value in initial])
        getattr(d, name)([("key", value) for value in values])
        assert repr(d["key"]) == result, (name, initial, values)


EDGES = [2**63 - 1, -(2**63), 2**62, -(2**62), 2**63, 1, -1, 2**64, -(2**64), 2**30, 0]


def test_sums_are_exact_on_both_sides_of_64_bits() -> None:
    for values in itertools.product(EDGES, repeat=3):
        d = AtomicDict({"there": values[0]})
        d.reduce_sum([(key, value) for value in values[1:] for key in ("there", "new")])
        assert d == {"there": sum(values), "new": sum(values[1:])}
        assert all(type(value) is int for value in d.values())


@pytest.mark.parametrize("sign", [1, -1])
def test_sums_cross_the_limits_in_small_steps_and_back(sign: int) -> None:
    limit = 2**63 - 1 if sign > 0 else -(2**63)
    d = AtomicDict({"sum": limit - 3 * sign})
    for turn in range(20):
        steps = [sign if turn < 10 else -sign] * 3
        before = d["sum"]
        d.reduce_sum(("sum", step) for step in steps)
        assert d["sum"] == before + sum(steps)
    d.reduce_sum([("own", limit), *[("own", sign)] * 5, *[("own", -sign)] * 7])
    assert d["own"] == limit - 2 * sign
    d.reduce_count(["own"] * 3 if sign > 0 else [])
    assert d["own"] == limit - 2 * sign + (3 if sign > 0 else 0)


INTS = st.integers(-3, 3) | st.sampled_from(EDGES) | st.integers()
FRACTIONS = st.fractions(max_denominator=10)
ANYTHING = st.one_of(
    *(INTS, st.booleans(), st.floats(), FRACTIONS, st.text(max_size=3), st.none()),
    st.lists(st.integers(), max_size=3),
)


def pairs_of(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[tuple[int, Any]]]:
    return st.lists(st.tuples(st.integers(0, 5) | st.integers(0, 60), values), max_size=30)


@every_function
@given(
    inputs=pairs_of(INTS | st.booleans() | FRACTIONS),
    initial=st.dictionaries(st.integers(0, 60), INTS, max_size=10),
    hint=st.sampled_from([0, 1, 30]),
)
def test_exact_numbers_become_what_a_loop_makes_of_them(
    name: str, inputs: list[tuple[int, Any]], initial: dict[int, Any], hint: int
) -> None:
    d = AtomicDict(initial)
    getattr(d, name)(Source(inputs, hint))
    assert d == reduced(FUNCTIONS[name], inputs, initial)
    d = AtomicDict(initial)
    d.reduce(Source(inputs, hint), FUNCTIONS[name])
    assert d == reduced(FUNCTIONS[name], inputs, initial)


NUMBERS_TOO = st.floats() | st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0]) | INTS
VALUES = {
    "floats": NUMBERS_TOO,
    "text": st.text(max_size=3),
    "lists": st.lists(st.integers(), max_size=3),
    "anything": ANYTHING,
}


@every_function
@given(kind=st.sampled_from([*VALUES]), data=st.data(), hint=st.sampled_from([0, 1, 30]))
def test_every_special_form_is_reduce_with_its_function(
    name: str, kind: str, data: st.DataObject, hint: int
) -> None:
    inputs = data.draw(pairs_of(VALUES[kind]))
    initial = data.draw(st.dictionaries(st.integers(0, 60), VALUES[kind], max_size=10))

    def outcome(call: Callable[[AtomicDict[Any, Any]], Any]) -> Any:
        d = AtomicDict(initial)
        try:
            call(d)
        except (TypeError, OverflowError) as error:  # of values that do not go together
            return type(error), shown(d), repr(not_reduced(error))
        return shown(d)

    special = outcome(lambda d: getattr(d, name)(Source(inputs, hint)))
    assert special == outcome(lambda d: d.reduce(Source(inputs, hint), FUNCTIONS[name]))
    if kind in ("text", "lists"):  # in one thread also in the order of a loop
        assert special == shown(reduced(FUNCTIONS[name], inputs, initial))


# ── lists ──────────────────────────────────────────────────────────────────────────────────────


def reduce_to_lists(d: AtomicDict[Any, Any], pairs: Pairs) -> None:
    d.reduce(pairs, collect)


@pytest.mark.parametrize("call", [AtomicDict.reduce_list, reduce_to_lists])
@pytest.mark.parametrize("hint", [0, 1, 200])
def test_a_list_has_the_inputs_of_one_call_in_their_order(call: Call, hint: int, seed: int) -> None:
    """This includes a key that leaves the table and comes back."""
    choose = random.Random(seed)
    keys = 8 * TABLE if hint == 0 else 100
    d: AtomicDict[int, list[int]] = AtomicDict()
    count = 8 * TABLE if hint == 0 else 5_000
    numbers = [
        skewed(choose, keys) if choose.random() < 0.5 else choose.randrange(keys)
        for _ in range(count)
    ]
    call(d, Source(zip(numbers, itertools.count(), strict=False), hint))
    assert sum(map(len, d.values())) == count
    for key, found in d.items():
        assert found == sorted(found)
        assert {numbers[index] for index in found} == {key}


def test_lists_that_are_given_are_neither_changed_nor_kept() -> None:
    lists = [[n] for n in range(3)]
    there = [-1]
    d: AtomicDict[Any, Any] = AtomicDict({"there": there, "alone": (alone := [0])})
    for _ in range(3):
        d.reduce_list([(key, one) for one in lists for key in ("there", "new")])
    d.reduce_list([("single", lists[0])])
    assert lists == [[0], [1], [2]]
    assert there == [-1]
    assert d == {"there": [-1, *[0, 1, 2] * 3], "new": [0, 1, 2] * 3, "single": [0], "alone": [0]}
    assert d["alone"] is alone
    assert not any(value is one for value in d.values() for one in [*lists, there])
    d.reduce_list([("mine", mine) for mine in [lists[0]] * 3 for _ in range(2)])
    assert lists[0] == [0]


def test_a_list_may_be_given_that_is_in_the_dict() -> None:
    d: AtomicDict[str, list[int]] = AtomicDict({"a": [1], "b": [2]})
    d.reduce_list([("a", d["a"]), ("a", d["a"]), ("b", d["a"])])
    assert d == {"a": [1, 1, 1], "b": [2, 1]}


def test_a_list_that_has_been_seen_does_not_change() -> None:
    d: AtomicDict[int, list[int]] = AtomicDict()
    seen: list[tuple[list[int], list[int]]] = []

    def look_on() -> Iterator[tuple[int, int]]:
        for n in range(3 * TABLE):
            yield n % (2 * TABLE) if n % 2 else n % 7, n
            if n % 500 == 0:
                seen.extend((found, found.copy()) for found in d.values())

    for _ in range(2):
        d.reduce_list(look_on())
        seen.extend((found, found.copy()) for found in d.values())
    assert len(seen) > TABLE
    assert all(found == copied for found, copied in seen)
