# SPDX-License-Identifier: Apache-2.0
"""reduce and its special forms: what they compute, and that each input counts once, whatever fails.

An input may be on one of three ways into the dict: it meets others of its key in a table of the
call's own, leaves it for a more frequent key, or goes in at the end. Inputs here take all of them.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import gc
import itertools
import math
import operator
import random
import sys
import tracemalloc
import types
import weakref
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import pytest
from cereggii_atomicdict import ANY, EXPECTATION_FAILED, NOT_FOUND, AtomicDict
from hypothesis import given
from hypothesis import strategies as st

from tools.testing.concurrency import eventually
from tools.testing.interpreters import run_program

from .mapping_forms import (
    BadEq,
    BadHash,
    Make,
    MyInt,
    RefusalError,
    Thing,
    both_forms,
    contents,
    dict_of,
    handle_of,
)
from .reductions import (
    FUNCTIONS,
    TABLE,
    TOGETHER,
    Combine,
    Pairs,
    Source,
    add,
    all_true,
    collect,
    every_call,
    every_function,
    largest,
    reduced,
    skewed,
)
from .workloads import check_whole, every_key

Call = Callable[[Any, Pairs], Any]


def shown(mapping: Mapping[Any, Any] | AtomicDict[Any, Any]) -> dict[Any, str]:
    """The values with their types: True, 1 and 1.0 differ, and NaN is itself."""
    return {key: repr(value) for key, value in mapping.items()}


def not_reduced(error: BaseException) -> Any:
    """The pairs that are missing in the dict; None if all are there."""
    return getattr(error, "not_reduced", None)


# ── what is computed ───────────────────────────────────────────────────────────────────────────

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


def test_what_comes_once_is_stored_itself() -> None:
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
    """Also those of a key that leaves the table and comes back."""
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


# ── each input counts once, whatever fails ─────────────────────────────────────────────────────

PLACES = [0, 1, 15, TOGETHER - 1, TOGETHER, TOGETHER + 1, TABLE + 500, 2 * TABLE]
every_place = pytest.mark.parametrize("place", PLACES)


@functools.cache
def inputs_of(kind: str) -> list[tuple[int, int]]:
    if kind == "distinct":
        return [(n, n) for n in range(10_000)]
    choose = random.Random(5)
    return [(skewed(choose, 10_000), n) for n in range(10_000)]


both_kinds = pytest.mark.parametrize("kind", ["distinct", "skewed"])


class Broken(Exception):  # noqa: N818 - no error of anybody's
    pass


def count(_key: Any, current: Any, _value: Any) -> int:
    return 1 if current is NOT_FOUND else current + 1


def fail(*_: Any) -> Any:
    raise Broken


class Uncombinable:
    __bool__ = __add__ = __radd__ = __gt__ = __lt__ = fail


BAD: dict[str, tuple[Any, type[BaseException]]] = {
    "no pair": (5, TypeError),
    "one": ((1,), ValueError),
    "three": ([1, 2, 3], ValueError),
    "unhashable": (([], 1), TypeError),
    "bad hash": ((BadHash(), 1), RefusalError),
    "key not found": ((NOT_FOUND, 1), ValueError),
    "key any": ((ANY, 1), ValueError),
    "value not found": ((1, NOT_FOUND), ValueError),
    "value any": ((1, ANY), ValueError),
    "new key, value failed": ((-1, EXPECTATION_FAILED), ValueError),
}


@both_kinds
@every_place
@pytest.mark.parametrize("error", [Broken, KeyboardInterrupt])
def test_what_came_before_an_iterable_raised_is_in_the_dict(
    kind: str, place: int, error: type[BaseException]
) -> None:
    pairs = inputs_of(kind)

    def stop() -> Iterator[tuple[int, int]]:
        yield from pairs[:place]
        raise error

    calls: dict[str, tuple[Callable[[Any], Any], Combine]] = {
        "reduce": (lambda d: d.reduce(stop(), add), add),
        "reduce_sum": (lambda d: d.reduce_sum(stop()), add),
        "reduce_list": (lambda d: d.reduce_list(stop()), collect),
        "reduce_count": (lambda d: d.reduce_count(key for key, _ in stop()), count),
    }
    for name, (call, function) in calls.items():
        d: AtomicDict[Any, Any] = AtomicDict()
        with pytest.raises(error) as caught:
            call(d)
        assert not_reduced(caught.value) is None
        assert d == reduced(function, pairs[:place]), name


@every_call
@pytest.mark.parametrize("bad", BAD)
def test_what_came_before_a_wrong_input_is_in_the_dict_and_nothing_else(
    call: Call, function: Combine, bad: str
) -> None:
    pairs: list[Any] = inputs_of("skewed")
    wrong, error = BAD[bad]
    for place in (0, 1, TOGETHER, 1000):
        source = Source([*pairs[:place], wrong, *pairs[place:]])
        d: AtomicDict[Any, Any] = AtomicDict({3: 3, "other": 1})
        with pytest.raises(error) as caught:
            call(d, source)
        assert source.taken == place + 1
        is_pair = isinstance(wrong, tuple) and len(wrong) == 2
        assert not_reduced(caught.value) == ([wrong] if is_pair else None)
        assert d == reduced(function, pairs[:place], {3: 3, "other": 1})


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name != "reduce_list"])
def test_a_value_that_cannot_be_combined_is_not_counted(name: str) -> None:
    for place in (1, TOGETHER, TABLE + 500):
        pairs: list[Any] = inputs_of("skewed")[:place]
        # What is true or false is asked of the first, too.
        key = -1 if name in ("reduce_and", "reduce_or") else pairs[0][0]
        refused = (key, Uncombinable())
        source = Source([*pairs, refused, (1, 1), (key, 1)])
        d: AtomicDict[Any, Any] = AtomicDict()
        with pytest.raises(Broken) as caught:
            getattr(d, name)(source)
        assert source.taken == place + 1
        assert not_reduced(caught.value) == [refused]
        assert d == reduced(FUNCTIONS[name], pairs)


@both_kinds
@every_place
@pytest.mark.parametrize("error", [Broken, KeyboardInterrupt])
def test_what_came_before_the_function_raised_is_in_the_dict_and_nothing_else(
    kind: str, place: int, error: type[BaseException]
) -> None:
    pairs = inputs_of(kind)

    def function(key: Any, current: Any, value: Any) -> Any:
        if value == "bad":
            raise error
        return add(key, current, value)

    for key in (pairs[place // 2][0], -1):
        source = Source([*pairs[:place], (key, "bad"), *pairs[place:]])
        d: AtomicDict[Any, Any] = AtomicDict({-2: 5})
        with pytest.raises(error) as caught:
            d.reduce(source, function)
        assert source.taken == place + 1
        assert not_reduced(caught.value) == [(key, "bad")]
        assert d == reduced(add, pairs[:place], {-2: 5})


@pytest.mark.parametrize("sentinel", [NOT_FOUND, ANY, EXPECTATION_FAILED])
def test_a_function_may_not_return_a_sentinel(sentinel: Any) -> None:
    pairs = [(n % 10, 1) for n in range(100)]
    for key in (3, "new"):
        d: AtomicDict[Any, Any] = AtomicDict({3: 5})
        with pytest.raises(ValueError, match=str(sentinel)):
            d.reduce(
                [*pairs, (key, "bad")],
                lambda key, current, value: (
                    sentinel if value == "bad" else add(key, current, value)
                ),
            )
        assert d == reduced(add, pairs, {3: 5})
    # Of what is in the dict.
    d = AtomicDict({3: "bad"})
    with pytest.raises(ValueError, match=str(sentinel)) as caught:
        d.reduce(pairs, lambda k, current, v: sentinel if current == "bad" else add(k, current, v))
    assert not_reduced(caught.value) == [(3, 10)]
    assert d == {**dict.fromkeys(range(10), 10), 3: "bad"}


class Unsociable:
    """Is not to be combined with anything: raises something else each time."""

    def __init__(self) -> None:
        self.raised: list[BaseException] = []

    def refuse(self, *_: Any) -> Any:
        self.raised.append(Broken(len(self.raised)))
        raise self.raised[-1]

    __bool__ = __add__ = __gt__ = __lt__ = refuse


@every_call
@pytest.mark.parametrize("keys", [10, 100, 6000])
def test_what_cannot_be_combined_with_the_dict_is_told_and_all_else_is_in(
    call: Call, function: Combine, keys: int, seed: int
) -> None:
    if function is collect:
        return  # any two values make a list
    choose = random.Random(seed)
    refused = {*choose.sample(range(keys), 5)}
    there = Unsociable()
    for hint in (0, 20):
        there.raised.clear()
        d: AtomicDict[Any, Any] = AtomicDict(dict.fromkeys(refused, there))
        pairs = [(choose.randrange(keys), n + 1) for n in range(2 * keys)]
        pairs += [(key, n + 1) for n, key in enumerate(refused)]
        source = Source(pairs, hint)
        with pytest.raises(Broken) as caught:
            call(d, source)
        taken = pairs[: source.taken]
        error = caught.value
        assert error is there.raised[0]
        missing = not_reduced(error)
        # As often as a key has left the table.
        assert len(missing) == len(there.raised)
        expected = reduced(function, taken)
        assert reduced(function, missing) == {k: v for k, v in expected.items() if k in refused}
        found = d.snapshot()
        assert all(found.pop(key) is there for key in refused)
        assert found == {key: value for key, value in expected.items() if key not in refused}
        # With these, a caller can go on.
        for key in refused:
            del d[key]
        call(d, missing)
        call(d, pairs[source.taken :])
        assert d == reduced(function, pairs)


def test_an_error_of_an_input_comes_before_those_of_the_dict() -> None:
    there = Unsociable()
    d: AtomicDict[Any, Any] = AtomicDict({3: there, 5: there})
    pairs: list[Any] = [(n % 10, 1) for n in range(100)]
    wrong: Any = [*pairs, 5, (1, 1)]
    with pytest.raises(TypeError, match="element #100") as caught:
        d.reduce_sum(wrong)
    missing = not_reduced(caught.value)
    assert sorted(missing) == [(3, 10), (5, 10)]
    assert d.snapshot() == {**dict.fromkeys(range(10), 10), 3: there, 5: there}
    d[3] = d[5] = 0
    d.reduce_sum(missing)
    assert d == dict.fromkeys(range(10), 10)


def test_an_exception_tells_what_the_call_that_raised_it_last_has_not_reduced() -> None:
    d: AtomicDict[Any, Any] = AtomicDict()
    inner: AtomicDict[Any, Any] = AtomicDict()

    def pairs() -> Iterator[tuple[int, int]]:
        yield 1, 1
        inner.reduce([(5, 5)], fail)

    with pytest.raises(Broken) as caught:
        d.reduce(pairs(), add)
    assert not_reduced(caught.value) is None
    with pytest.raises(Broken) as caught:
        d.reduce([(2, 2)], lambda *_: inner.reduce([(5, 5)], fail))
    assert not_reduced(caught.value) == [(2, 2)]
    assert d == {1: 1}


def test_a_key_that_cannot_be_compared_with_those_in_the_dict_is_told() -> None:
    d: AtomicDict[Any, Any] = AtomicDict({BadEq(): 1})  # it has the hash of 7
    with pytest.raises(RefusalError, match="eq") as caught:
        d.reduce_count(n % 10 for n in range(100))
    assert not_reduced(caught.value) == [(7, 10)]
    assert {key: value for key, value in d.items() if type(key) is int} == {
        n: 10 for n in range(10) if n != 7
    }


def test_a_key_that_cannot_be_compared_with_those_before_is_not_counted() -> None:
    d: AtomicDict[Any, int] = AtomicDict()
    bad = BadEq()
    source = Source([*range(10), bad, 5])
    with pytest.raises(RefusalError, match="eq") as caught:
        d.reduce_count(source)
    assert source.taken == 11
    assert not_reduced(caught.value) == [(bad, 1)]
    assert d == dict.fromkeys(range(10), 1)


# ── the memory that it takes ───────────────────────────────────────────────────────────────────

alone = pytest.mark.thread_unsafe(reason="measures memory, and when objects die")


class Enough(Exception):  # noqa: N818 - no error of anybody's
    pass


@alone
@pytest.mark.parametrize("name", ["reduce_sum", "reduce_list", "reduce"])
def test_few_keys_are_alive_however_many_come(name: str) -> None:
    alive = most = 0

    class Key:
        __slots__ = ()

        def __init__(self) -> None:
            nonlocal alive
            alive += 1

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    d: AtomicDict[Any, Any] = AtomicDict()

    def endless() -> Iterator[tuple[Key, int]]:
        nonlocal most
        for n in itertools.count():
            yield Key(), 1
            if n % 500 == 0:
                d.clear()
                most = max(most, alive)
            if n == 50_000:
                raise Enough

    with pytest.raises(Enough):
        getattr(d, name)(endless(), *([add] if name == "reduce" else []))
    assert TABLE // 2 < most < 8_000
    d.clear()
    assert eventually(lambda: alive == 0)


@alone
def test_the_inputs_of_few_keys_take_no_memory() -> None:
    d: AtomicDict[Any, Any] = AtomicDict()

    def endless() -> Iterator[tuple[str, int]]:
        for n in itertools.count():
            yield f"key {n % 10}", 10**6 + n
            if n == 20_000:
                raise Enough

    calls: list[Callable[[], None]] = [
        lambda: d.reduce_sum(endless()),
        lambda: d.reduce_max(endless()),
        lambda: d.reduce(endless(), largest),
        lambda: d.reduce_count(key for key, _ in endless()),
    ]
    for call in calls:
        gc.collect()
        tracemalloc.start()
        with pytest.raises(Enough):
            call()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 100_000


@pytest.mark.thread_unsafe(reason="starts processes")
@pytest.mark.parametrize("call", ["d.reduce_count(items)", "d.reduce_sum(zip(items, items))"])
def test_an_interrupt_ends_an_iterable_that_does_not_end(call: str) -> None:
    run_program(
        f"""
        import itertools, operator, signal, threading, time
        from cereggii_atomicdict import AtomicDict
        signal.signal(signal.SIGINT, signal.default_int_handler)  # also where it is ignored
        d, many = AtomicDict(), 10**15
        items = itertools.repeat(1, many)
        left = operator.length_hint
        def interrupt():
            while left(items) > many - 50_000:
                time.sleep(0.001)
            signal.raise_signal(signal.SIGINT)
        threading.Thread(target=interrupt).start()
        try:
            {call}
        except KeyboardInterrupt:
            taken = many - left(items)
            # zip takes two at a time.
            assert d[1] == taken // {2 if "zip" in call else 1}, (d, taken)
        else:
            raise AssertionError("not interrupted")
        """
    )


# ── nothing leaks ──────────────────────────────────────────────────────────────────────────────

LEAKS: dict[str, Callable[[Any, list[Any]], Any]] = {
    "sum": lambda d, pairs: d.reduce_sum(pairs),
    "and": lambda d, pairs: d.reduce_and(pairs),
    "or": lambda d, pairs: d.reduce_or(pairs),
    "max": lambda d, pairs: d.reduce_max(pairs),
    "min": lambda d, pairs: d.reduce_min(pairs),
    "list": lambda d, pairs: d.reduce_list(pairs),
    "count": lambda d, pairs: d.reduce_count(key for key, _ in pairs),
    "count of a mapping": lambda d, pairs: d.reduce_count(dict(pairs)),
    "function": lambda d, pairs: d.reduce(pairs, largest),
    "function of all": lambda d, pairs: d.reduce(pairs, collect),
    "function that raises": lambda d, pairs: d.reduce(pairs, fail),
    "function that raises later": lambda d, pairs: d.reduce(
        pairs, lambda k, current, v: v if current is NOT_FOUND else fail()
    ),
    "wrong input": lambda d, pairs: d.reduce_max([*pairs, 5]),
    "unhashable": lambda d, pairs: d.reduce_list([*pairs, ([], 5)]),
    "sentinel": lambda d, pairs: d.reduce_sum([*pairs, (5, ANY)]),
    "not an iterable": lambda d, pairs: d.reduce_sum(5),
}


class Value(Thing):
    """Can be summed up and compared; it is always itself that comes of it."""

    def __add__(self, other: object) -> Value:
        return self

    def __gt__(self, other: object) -> bool:
        return True

    def __lt__(self, other: object) -> bool:
        return False


@alone
@pytest.mark.parametrize("call", LEAKS.values(), ids=LEAKS)
@pytest.mark.parametrize("size", [3, 300, 6000])
def test_no_key_and_no_value_is_kept(call: Callable[[Any, list[Any]], Any], size: int) -> None:
    pairs = [(Thing(), Value()) for _ in range(size)]
    pairs += [(pairs[0][0], pairs[1][1]), pairs[0]]
    d: AtomicDict[Any, Any] = AtomicDict()

    def counts() -> list[int]:
        return [sys.getrefcount(one) for pair in (pairs[0], pairs[size - 1]) for one in pair]

    before = counts()
    for content in ([], pairs):
        d.update(content)
        for _ in range(3):
            with contextlib.suppress(Broken, TypeError, ValueError):
                call(d, pairs)
        d.clear()
    assert eventually(lambda: counts() == before), (counts(), before)
    references = [weakref.ref(one) for pair in pairs for one in pair]
    pairs.clear()
    assert eventually(lambda: not any(reference() for reference in references))


@alone
def test_what_was_not_reduced_dies_with_the_exception() -> None:
    d: AtomicDict[Any, Any] = AtomicDict({(key := Thing()): Unsociable()})
    value = Value()
    reference = weakref.ref(value)
    with pytest.raises(TypeError) as caught:
        d.reduce([(key, value)], lambda k, current, v: v if current is NOT_FOUND else 1 + v)
    error: Any = caught.value
    assert not_reduced(error) == [(key, value)]
    del value, caught
    assert reference() is not None
    error.not_reduced.clear()
    error.__traceback__ = None
    assert eventually(lambda: gc.collect() is not None and reference() is None)


# ── reduce_count ───────────────────────────────────────────────────────────────────────────────


class Proxy(collections.UserDict[Any, Any]):
    """A mapping that is no dict."""


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


def test_what_a_mapping_raises_propagates() -> None:
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
    """Each input is taken, also where the result cannot change any more."""
    source = Source(("key", n % 2) for n in range(100))
    d: AtomicDict[str, bool] = AtomicDict()
    d.reduce_and(source)
    assert source.taken == 100
    assert d["key"] is all_true(None, True, 0) is False
    assert operator.truth(d)
