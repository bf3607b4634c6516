# SPDX-License-Identifier: Apache-2.0
"""Each input of a reduce counts once, whatever fails.

An input may be on one of three ways into the dict: it meets others of its key in a table of the
call's own, leaves it for a more frequent key, or goes in at the end. Inputs here take all of them.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cereggii_atomicdict import ANY, EXPECTATION_FAILED, NOT_FOUND, AtomicDict

from .mapping_forms import BadEq, BadHash, RefusalError
from .reductions import (
    FUNCTIONS,
    TABLE,
    TOGETHER,
    Broken,
    Call,
    Combine,
    Source,
    Unsociable,
    add,
    collect,
    every_call,
    fail,
    not_reduced,
    reduced,
    skewed,
)

PLACES = [0, 1, 15, TOGETHER - 1, TOGETHER, TOGETHER + 1, TABLE + 500, 2 * TABLE]
every_place = pytest.mark.parametrize("place", PLACES)


@functools.cache
def inputs_of(kind: str) -> list[tuple[int, int]]:
    if kind == "distinct":
        return [(n, n) for n in range(10_000)]
    choose = random.Random(5)
    return [(skewed(choose, 10_000), n) for n in range(10_000)]


both_kinds = pytest.mark.parametrize("kind", ["distinct", "skewed"])


def count(_key: Any, current: Any, _value: Any) -> int:
    return 1 if current is NOT_FOUND else current + 1


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
def test_inputs_from_before_an_iterable_raised_are_in_the_dict(
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
def test_only_inputs_from_before_a_wrong_one_are_in_the_dict(
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
        # These functions ask the first value, too, whether it is true.
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
def test_only_inputs_from_before_the_function_raised_are_in_the_dict(
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
    # The function returns a sentinel for a value that is in the dict.
    d = AtomicDict({3: "bad"})
    with pytest.raises(ValueError, match=str(sentinel)) as caught:
        d.reduce(pairs, lambda k, current, v: sentinel if current == "bad" else add(k, current, v))
    assert not_reduced(caught.value) == [(3, 10)]
    assert d == {**dict.fromkeys(range(10), 10), 3: "bad"}


@every_call
@pytest.mark.parametrize("keys", [10, 100, 6000])
def test_pairs_that_cannot_be_combined_are_named_and_all_others_are_in_the_dict(
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
        # One pair is missing for each time that a key has left the table.
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
