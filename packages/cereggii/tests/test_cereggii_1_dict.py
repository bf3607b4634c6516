# SPDX-License-Identifier: Apache-2.0
"""A program for cereggii 1.x uses AtomicDict as before: its methods, errors and examples."""

from __future__ import annotations

import functools
import weakref
from collections import Counter, OrderedDict
from typing import Any

import pytest

from tools.testing.concurrency import run_threads

from .cereggii_1 import (
    ANY,
    EXPECTATION_FAILED,
    NOT_FOUND,
    AtomicDict,
    AtomicInt64,
    ExpectationFailed,
    Make,
    ThreadSet,
    add,
    cereggii,
    has_threads,
    items,
    with_handle,
)

every_dict = with_handle(AtomicDict)


def test_a_dict_is_made_of_a_dict() -> None:
    for made in [
        AtomicDict({"a": 1}),
        AtomicDict(initial={"a": 1}),
        AtomicDict({"a": 1}, min_size=100),
        AtomicDict({"a": 1}, min_size=0, buffer_size=1),
        AtomicDict(OrderedDict(a=1)),
        AtomicDict[str, int]({"a": 1}),
    ]:
        assert items(made) == {"a": 1}
    assert [len(AtomicDict(buffer_size=2**bits)) for bits in range(7)] == [0] * 7


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"initial": 5}, TypeError),
        ({"initial": None}, TypeError),
        ({"min_size": -1}, ValueError),
        ({"min_size": 2**63}, OverflowError),
        ({"min_size": "1"}, TypeError),
        ({"min_size": 1.5}, TypeError),
        ({"buffer_size": 0}, ValueError),
        ({"buffer_size": 3}, ValueError),
        ({"buffer_size": 128}, ValueError),
        ({"buffer_size": "4"}, TypeError),
    ],
)
def test_a_dict_refuses_wrong_arguments(arguments: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        AtomicDict(**arguments)


def test_a_dict_is_initialized_once() -> None:
    dictionary = AtomicDict({"a": 1})
    with pytest.raises(RuntimeError):
        dictionary.__init__({"b": 2})
    assert items(dictionary) == {"a": 1}


@every_dict
def test_items_are_set_read_and_deleted(make: Make) -> None:
    dictionary = make({"a": 1, None: None})
    dictionary["b"] = 2
    dictionary["a"] = 3
    assert (dictionary["a"], dictionary["b"], dictionary[None]) == (3, 2, None)
    assert dictionary.get("a") == dictionary.get("a", 0) == dictionary.get(key="a", default=0) == 3
    assert dictionary.get("z") is None
    assert dictionary.get("z", 5) == dictionary.get("z", default=5) == 5
    assert dictionary.get("z", default=NOT_FOUND) is NOT_FOUND
    del dictionary["a"]
    assert items(dictionary) == {"b": 2, None: None}
    dictionary["a"] = 4
    assert dictionary["a"] == 4
    assert dictionary.approx_len() == 3
    assert dictionary.len_bounds() == (3, 3)


def test_len_is_the_number_of_keys() -> None:
    dictionary = AtomicDict(dict.fromkeys(range(1000)))
    assert len(dictionary) == 1000
    for number in range(400):
        del dictionary[number]
        dictionary[-number - 1] = None
        del dictionary[number + 400]
    assert len(dictionary) == dictionary.approx_len() == 600
    assert (bool(AtomicDict()), bool(dictionary)) == (False, True)


@every_dict
def test_an_absent_key_is_a_key_error(make: Make) -> None:
    dictionary = make({"a": 1})
    for key in ("z", (1, 2), None):
        with pytest.raises(KeyError) as caught:
            dictionary[key]
        assert caught.value.args == (key,)
        with pytest.raises(KeyError) as caught:
            del dictionary[key]
        assert caught.value.args == (key,)


@every_dict
def test_keys_are_hashed_and_compared_as_those_of_a_dict(make: Make) -> None:
    dictionary = make({1: "a"})
    assert dictionary[1.0] == dictionary[True] == "a"
    dictionary[True] = "b"
    assert [(type(key), value) for key, value in dictionary.fast_iter()] == [(int, "b")]
    for use in (
        dictionary.get,
        dictionary.__getitem__,
        dictionary.__delitem__,
        lambda key: dictionary.__setitem__(key, 1),
        lambda key: dictionary.compare_and_set(key, ANY, 1),
    ):
        with pytest.raises(TypeError):
            use([])


@every_dict
@pytest.mark.parametrize("constant", [NOT_FOUND, ANY, EXPECTATION_FAILED])
def test_constants_are_neither_keys_nor_values(make: Make, constant: Any) -> None:
    dictionary = make({"a": 1})
    with pytest.raises(ValueError, match=r"."):
        dictionary[constant] = 1
    with pytest.raises(ValueError, match=r"."):
        dictionary["a"] = constant
    with pytest.raises(ValueError, match=r"."):
        dictionary.compare_and_set(constant, ANY, 1)
    with pytest.raises(ValueError, match=r"."):
        dictionary.compare_and_set("a", 1, constant)
    with pytest.raises(ValueError, match=r"."):
        dictionary.compare_and_set("a", EXPECTATION_FAILED, 1)
    with pytest.raises(RuntimeError):
        type(constant)()
    assert items(dictionary) == {"a": 1}


@every_dict
def test_compare_and_set_of_a_dict(make: Make) -> None:
    dictionary = make({"a": 1})
    assert dictionary.compare_and_set("a", 1, 2) is None
    assert dictionary.compare_and_set(key="a", expected=2, desired=3) is None
    assert dictionary.compare_and_set(key="spam", expected=NOT_FOUND, desired=42) is None
    assert dictionary.compare_and_set("a", ANY, 4) is None
    assert dictionary.compare_and_set("b", ANY, 5) is None
    for key, expected in [("a", 1), ("a", NOT_FOUND), ("z", 1), ("a", 4.0), ("a", [4])]:
        with pytest.raises(ExpectationFailed):
            dictionary.compare_and_set(key, expected, 6)
    assert items(dictionary) == {"a": 4, "spam": 42, "b": 5}


def test_the_exceptions_are_exceptions_of_their_own() -> None:
    for error in (ExpectationFailed, cereggii.ConcurrentUsageDetected):
        assert error.__bases__ == (Exception,)
        assert error("why").args == ("why",)


@every_dict
def test_fast_iter_gives_every_item_in_one_of_the_parts(make: Make) -> None:
    dictionary = make({number: -number for number in range(1000)})
    iterator = dictionary.fast_iter()
    assert iter(iterator) is iterator
    assert type(next(iterator)) is tuple
    parts = [dict(dictionary.fast_iter(partitions=3, this_partition=part)) for part in range(3)]
    assert sum(map(len, parts)) == 1000
    assert {**parts[0], **parts[1], **parts[2]} == dict(dictionary.fast_iter(1, 0))
    for partitions, part in [(0, 0), (-1, 0), (2, 2), (2, -1)]:
        with pytest.raises(ValueError, match=r"."):
            dictionary.fast_iter(partitions, part)


@every_dict
def test_batch_getitem_fills_in_the_values(make: Make) -> None:
    dictionary = make({"a": 1, "b": 2, "c": 3})
    batch = {"a": None, "b": None, "f": None}
    assert dictionary.batch_getitem(batch) is batch
    assert batch == {"a": 1, "b": 2, "f": NOT_FOUND}
    assert dictionary.batch_getitem(batch={"c": 0}, chunk_size=1) == {"c": 3}
    assert dictionary.batch_getitem({}, 64) == {}
    for size in (0, -1):
        with pytest.raises(ValueError, match=r"."):
            dictionary.batch_getitem({"a": 0}, size)
    for wrong in (["a"], 5):
        with pytest.raises(TypeError):
            dictionary.batch_getitem(wrong)
    with pytest.raises(TypeError):
        dictionary.batch_getitem({"a": 0}, "1")


def all_of(_key: Any, current: Any, new: Any) -> Any:
    return bool(new) if current is NOT_FOUND else current and bool(new)


def any_of(_key: Any, current: Any, new: Any) -> Any:
    return bool(new) if current is NOT_FOUND else current or bool(new)


def greatest(_key: Any, current: Any, new: Any) -> Any:
    return new if current is NOT_FOUND else max(new, current)


def least(_key: Any, current: Any, new: Any) -> Any:
    return new if current is NOT_FOUND else min(new, current)


COLORS = [("red", 1), ("green", 42), ("blue", 3), ("red", 5)]
FLAGS = [("t", True), ("t", True), ("m", True), ("m", False), ("f", False), ("f", False)]


@every_dict
def test_reduce_aggregates(make: Make) -> None:
    dictionary = make({"red": 100})
    assert dictionary.reduce(COLORS, add) is None
    assert items(dictionary) == {"red": 106, "green": 42, "blue": 3}
    assert dictionary.reduce(iterable=iter(COLORS), aggregate=add) is None
    assert items(dictionary) == {"red": 112, "green": 84, "blue": 6}


@every_dict
@pytest.mark.parametrize(
    ("name", "pairs", "function"),
    [
        ("reduce_sum", COLORS, add),
        ("reduce_and", FLAGS, all_of),
        ("reduce_or", FLAGS, any_of),
        ("reduce_max", COLORS, greatest),
        ("reduce_min", COLORS, least),
    ],
)
def test_every_reduce_is_as_if_reduce_had_been_called(
    make: Make, name: str, pairs: list[Any], function: Make
) -> None:
    dictionary, by_hand = make(), make()
    reduce = getattr(dictionary, name)
    for found in (reduce(pairs), reduce(iterable=iter(pairs))):
        assert found is None
        by_hand.reduce(pairs, function)
    assert items(dictionary) == items(by_hand)


@every_dict
def test_reduce_list_keeps_all_values(make: Make) -> None:
    dictionary = make({"a": 5})
    assert dictionary.reduce_list([("a", 7), ("b", 1), ("b", [9, 8]), ("c", (2, 3))]) is None
    dictionary.reduce_list(iterable=[("a", [])])
    found = {key: sorted(value) for key, value in dictionary.fast_iter()}
    assert found == {"a": [5, 7], "b": [1, 8, 9], "c": [(2, 3)]}


@every_dict
def test_reduce_count_counts(make: Make) -> None:
    dictionary = make({"spam": 1})
    assert dictionary.reduce_count({"spam": 10, "eggs": 2, "ham": 3}) is None
    assert items(dictionary) == {"spam": 11, "eggs": 2, "ham": 3}
    dictionary.reduce_count(iterable=["spam", "spam", "jam"])
    dictionary.reduce_count(iter("ab"))
    dictionary.reduce_count(Counter("aa"))
    assert items(dictionary) == {"spam": 13, "eggs": 2, "ham": 3, "jam": 1, "a": 3, "b": 1}


@every_dict
def test_reduce_passes_exceptions_on(make: Make) -> None:
    dictionary = make({"a": 5})
    with pytest.raises(ZeroDivisionError):
        dictionary.reduce([("a", 1)], lambda key, current, new: new // 0)
    with pytest.raises(TypeError):
        dictionary.reduce_sum([("a", "text")])
    with pytest.raises(TypeError):
        dictionary.reduce_max([("a", "text")])
    wrong: list[tuple[Make, tuple[Any, ...]]] = [
        (dictionary.reduce, ([("a", 1)], 5)),
        (dictionary.reduce, ([("a", 1)],)),
        (dictionary.reduce, (5, add)),
        (dictionary.reduce_sum, (5,)),
        (dictionary.reduce_sum, ([5],)),
        (dictionary.reduce_sum, ([([], 1)],)),
        (dictionary.reduce_count, (5,)),
        (dictionary.reduce_count, ([[]],)),
    ]
    for method, arguments in wrong:
        with pytest.raises(TypeError):
            method(*arguments)
    assert items(dictionary) == {"a": 5}


def test_a_dict_can_be_referred_to_weakly() -> None:
    dictionary = AtomicDict()
    reference = weakref.ref(dictionary)
    assert reference() is dictionary


@has_threads
def test_many_threads_count_in_one_dict() -> None:
    counter = AtomicDict({"red": 42, "green": 3, "blue": 14})

    def work() -> None:
        counter.reduce_count(["red"] * 60 + ["green"] * 7 + ["blue"] * 30)

    ThreadSet.repeat(10)(work).start_and_join()
    assert items(counter) == {"red": 642, "green": 73, "blue": 314}


@has_threads
def test_compare_and_set_in_a_loop_counts_right() -> None:
    dictionary = AtomicDict({"spam": 0})

    def count() -> None:
        for _ in range(200):
            done = False
            while not done:
                expected = dictionary.get("spam", default=0)
                try:
                    dictionary.compare_and_set("spam", expected, desired=expected + 1)
                except ExpectationFailed:
                    pass
                else:
                    done = True

    run_threads(count, count, count)
    assert dictionary["spam"] == 600


@has_threads
def test_threads_sum_up_a_part_each() -> None:
    dictionary = AtomicDict({number: number for number in range(500)})

    def add_up(part: int) -> int:
        pairs = dictionary.fast_iter(partitions=3, this_partition=part)
        return sum(value for _, value in pairs)

    assert sum(run_threads(*(functools.partial(add_up, part) for part in range(3)))) == 124750


@has_threads
def test_ints_in_a_dict_are_incremented_in_place() -> None:
    dictionary = AtomicDict({key: AtomicInt64(0) for key in range(10)})

    def increment() -> None:
        for number in range(500):
            dictionary[number % 10] += 1

    run_threads(increment, increment, increment)
    assert [dictionary[key].get() for key in range(10)] == [150] * 10
