# SPDX-License-Identifier: Apache-2.0
"""A program written for cereggii 1.x runs unchanged: its names, signatures, errors and examples.

This passes under cereggii 1.0.1 as well, which shows that it is what 1.0.1 does:

    pytest --noconftest -o markers=thread_unsafe packages/cereggii/tests/test_cereggii_1.py

What is marked `differs` fails there, and what is marked `cannot_run_in_1` hangs or crashes there:
docs/migration.md has a line for each.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import operator
import pickle
import signal
import struct
import threading
import time
import weakref
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest

from tools.testing.concurrency import PATIENCE, Task, eventually, give_time_to_block, run_threads

cereggii: Any = importlib.import_module("cereggii")
locks: Any = importlib.import_module("cereggii.locks")

AtomicBool = cereggii.AtomicBool
AtomicCache = cereggii.AtomicCache
AtomicDict = cereggii.AtomicDict
AtomicEvent = cereggii.AtomicEvent
AtomicInt64 = cereggii.AtomicInt64
AtomicRef = cereggii.AtomicRef
CountDownLatch = cereggii.CountDownLatch
ReadersWriterLock = locks.ReadersWriterLock
ThreadHandle = cereggii.ThreadHandle
ThreadSet = cereggii.ThreadSet
call_once = cereggii.call_once
ANY = cereggii.ANY
EXPECTATION_FAILED = cereggii.EXPECTATION_FAILED
NOT_FOUND = cereggii.NOT_FOUND
ExpectationFailed = cereggii.ExpectationFailed

IN_1 = cereggii.__version_tuple__[0] < 2
differs = pytest.mark.xfail(IN_1, reason="cereggii 1.x does something else", strict=True)
cannot_run_in_1 = pytest.mark.skipif(IN_1, reason="cereggii 1.x hangs or crashes")
no_longer = pytest.mark.xfail(not IN_1, reason="see docs/migration.md", strict=True)
has_threads = pytest.mark.thread_unsafe(reason="has threads of its own")

Make: TypeAlias = Callable[..., Any]
Decorator: TypeAlias = Callable[[Callable[..., Any]], Any]

MAX, MIN = 2**63 - 1, -(2**63)


def with_handle(make: Make) -> pytest.MarkDecorator:
    """Runs a test with `make`, which makes the object, or a handle of one."""

    def make_handle(*args: Any, **kwargs: Any) -> Any:
        return make(*args, **kwargs).get_handle()

    return pytest.mark.parametrize("make", [make, make_handle], ids=["object", "handle"])


def items(dictionary: Any) -> dict[Any, Any]:
    pairs = list(dictionary.fast_iter())
    found = dict(pairs)
    assert len(found) == len(pairs)
    return found


# ── names ──────────────────────────────────────────────────────────────────────────────────────

MODULES = {
    "atomic_bool": ["AtomicBool"],
    "atomic_dict": ["AtomicDict"],
    "atomic_dict.atomic_cache": ["AtomicCache"],
    "atomic_event": ["AtomicEvent"],
    "atomic_int": ["AtomicInt64"],
    "atomic_ref": ["AtomicRef"],
    "constants": [
        "ANY",
        "EXPECTATION_FAILED",
        "NOT_FOUND",
        "ConcurrentUsageDetected",
        "ExpectationFailed",
    ],
    "count_down_latch": ["CountDownLatch"],
    "misc": ["call_once"],
    "thread_handle": ["ThreadHandle"],
    "thread_set": ["ThreadSet"],
}
MEMBERS = {
    "AtomicBool": "compare_and_set get get_and_set get_handle reset_or_raise set set_or_raise",
    "AtomicCache": "__contains__ __getitem__ __setitem__ MemoizedFunction invalidate memoize",
    "AtomicDict": (
        "__delitem__ __getitem__ __len__ __setitem__ approx_len batch_getitem compare_and_set "
        "fast_iter get get_handle len_bounds reduce reduce_and reduce_count reduce_list "
        "reduce_max reduce_min reduce_or reduce_sum"
    ),
    "AtomicEvent": "is_set set wait",
    "AtomicInt64": (
        "compare_and_set decrement_and_get get get_and_decrement get_and_increment get_and_set "
        "get_and_update get_handle increment_and_get set update_and_get"
    ),
    "AtomicRef": "compare_and_set get get_and_set get_handle set",
    "CountDownLatch": "decrement decrement_and_get get wait",
    "ThreadSet": (
        "Args all_are_alive all_are_not_alive any_is_alive is_alive join range repeat start "
        "start_and_join target thread_factory with_args"
    ),
}


@pytest.mark.parametrize("module", MODULES)
def test_every_name_is_there_and_in_its_module(module: str) -> None:
    for name in MODULES[module]:
        in_module = getattr(importlib.import_module(f"cereggii.{module}"), name)
        assert in_module is getattr(cereggii, name)


@pytest.mark.parametrize("name", MEMBERS)
def test_every_class_has_its_members(name: str) -> None:
    for member in MEMBERS[name].split():
        assert hasattr(getattr(cereggii, name), member), member


def test_a_star_import_brings_every_name() -> None:
    namespace: dict[str, Any] = {}
    exec("from cereggii import *", namespace)
    assert {name for names in MODULES.values() for name in names} <= namespace.keys()


def test_the_version_and_the_license_can_be_read() -> None:
    assert cereggii.__version__.startswith(".".join(map(str, cereggii.__version_tuple__[:3])))
    assert cereggii.__license__ == "Apache-2.0"


# ── AtomicInt64 ────────────────────────────────────────────────────────────────────────────────

BINARY: list[Make] = [
    *(operator.add, operator.sub, operator.mul, operator.floordiv, operator.truediv),
    *(operator.mod, divmod, operator.pow, operator.lshift, operator.rshift, operator.and_),
    *(operator.or_, operator.xor, operator.lt, operator.le, operator.eq, operator.ne),
    *(operator.gt, operator.ge),
]
UNARY: list[Make] = [
    operator.neg,
    operator.pos,
    abs,
    operator.invert,
    int,
    float,
    bool,
    operator.index,
]
IN_PLACE: list[Make] = [
    *(operator.iadd, operator.isub, operator.imul, operator.ifloordiv, operator.imod),
    *(operator.ipow, operator.ilshift, operator.irshift, operator.iand, operator.ior),
    operator.ixor,
]
every_int = with_handle(AtomicInt64)


def test_an_int_starts_with_what_it_is_given() -> None:
    assert AtomicInt64().get() == 0
    assert AtomicInt64(5).get() == AtomicInt64(initial_value=5).get() == 5
    assert (AtomicInt64(MIN).get(), AtomicInt64(MAX).get()) == (MIN, MAX)
    assert type(AtomicInt64(True).get()) is int


@every_int
def test_an_int_is_set_and_swapped(make: Make) -> None:
    number = make(1)
    assert number.set(2) is None
    assert number.get_and_set(3) == 2
    assert number.get() == 3


@every_int
def test_an_int_is_compared_and_set(make: Make) -> None:
    number = make(1)
    assert number.compare_and_set(1, 2) is True
    assert number.compare_and_set(1, 3) is False
    assert number.compare_and_set(expected=2, desired=4) is True
    assert number.compare_and_set(4, desired=5) is True
    assert number.get() == 5


@every_int
def test_an_int_counts_up_and_down(make: Make) -> None:
    number = make(10)
    assert [number.increment_and_get(*a) for a in [(), (5,), (None,), (-2,)]] == [11, 16, 17, 15]
    assert [number.get_and_increment(*a) for a in [(), (5,), (None,), (-2,)]] == [15, 16, 21, 22]
    assert [number.decrement_and_get(*a) for a in [(), (5,), (None,), (-2,)]] == [19, 14, 13, 15]
    assert [number.get_and_decrement(*a) for a in [(), (5,), (None,), (-2,)]] == [15, 14, 9, 8]
    assert number.get() == 10


@every_int
def test_an_int_is_updated_by_a_function(make: Make) -> None:
    number = make(3)
    assert number.update_and_get(lambda value: value * 2) == 6
    assert number.get_and_update(lambda value: value + 1) == 6
    assert number.get() == 7


NO_INTS: list[Any] = ["1", 1.5, b"1", []]
METHODS: dict[str, Callable[[Any, Any], Any]] = {
    "set": lambda number, wrong: number.set(wrong),
    "get_and_set": lambda number, wrong: number.get_and_set(wrong),
    "expected": lambda number, wrong: number.compare_and_set(wrong, 1),
    "desired": lambda number, wrong: number.compare_and_set(1, wrong),
    "increment_and_get": lambda number, wrong: number.increment_and_get(wrong),
    "get_and_increment": lambda number, wrong: number.get_and_increment(wrong),
    "decrement_and_get": lambda number, wrong: number.decrement_and_get(wrong),
    "get_and_decrement": lambda number, wrong: number.get_and_decrement(wrong),
    "update_and_get": lambda number, wrong: number.update_and_get(lambda _: wrong),
    "get_and_update": lambda number, wrong: number.get_and_update(lambda _: wrong),
}
WRITES = {**METHODS, "+=": operator.iadd, "-=": operator.isub, "*=": operator.imul}


@every_int
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_what_is_no_int_of_64_bits_is_refused_and_changes_nothing(
    make: Make, write: Callable[[Any, Any], Any]
) -> None:
    number = make(7)
    for wrong in NO_INTS:
        with pytest.raises(TypeError):
            write(number, wrong)
    for large in (2**100, -(2**100)):
        with pytest.raises(OverflowError):
            write(number, large)
    assert number.get() == 7


@every_int
def test_what_is_just_too_large_is_refused(make: Make) -> None:
    number = make(7)
    for write in METHODS.values():
        for large in (MAX + 1, MIN - 1):
            with pytest.raises(OverflowError):
                write(number, large)
    assert number.get() == 7


@pytest.mark.parametrize("wrong", ["1", 1.5, None])
def test_an_int_is_made_of_an_int(wrong: Any) -> None:
    with pytest.raises(TypeError):
        AtomicInt64(wrong)
    with pytest.raises(OverflowError):
        AtomicInt64(MAX + 1)
    with pytest.raises(TypeError):
        AtomicInt64(value=1)


@every_int
def test_an_int_raises_where_it_would_leave_its_range(make: Make) -> None:
    largest, least = make(MAX), make(MIN)
    for up in ("increment_and_get", "get_and_increment"):
        with pytest.raises(OverflowError):
            getattr(largest, up)()
    for down in ("decrement_and_get", "get_and_decrement"):
        with pytest.raises(OverflowError):
            getattr(least, down)()
    changes: list[tuple[Make, Any, int]] = [
        (operator.iadd, largest, 1),
        (operator.isub, least, 1),
        (operator.imul, largest, 2),
        (operator.ipow, largest, 2),
    ]
    for change, number, operand in changes:
        with pytest.raises(OverflowError):
            change(number, operand)
    assert (largest.get(), least.get()) == (MAX, MIN)


@every_int
def test_what_a_function_raises_is_passed_on(make: Make) -> None:
    number = make(7)
    with pytest.raises(ZeroDivisionError):
        number.update_and_get(lambda value: value // 0)
    with pytest.raises(ZeroDivisionError):
        number.get_and_update(lambda value: value // 0)
    with pytest.raises(TypeError):
        number.update_and_get(5)
    assert number.get() == 7


@every_int
@pytest.mark.parametrize("operation", BINARY)
def test_operators_give_what_those_of_int_give(make: Make, operation: Make) -> None:
    for left, right in itertools.product([-7, 0, 13], [1, 2, 3]):
        expected = operation(left, right)
        for found in (operation(make(left), right), operation(left, make(right))):
            assert (type(found), found) == (type(expected), expected)
    assert operation(make(13), make(3)) == operation(13, 3)
    assert operation(AtomicInt64(13), AtomicInt64(3)) == operation(13, 3)


@every_int
def test_conversions_give_what_those_of_int_give(make: Make) -> None:
    for value, convert in itertools.product([-7, 0, 13], UNARY):
        expected = convert(value)
        assert (type(convert(make(value))), convert(make(value))) == (type(expected), expected)
    assert make(3) + 0.5 == 3.5
    assert make(3) * 1j == 3j
    assert pow(make(7), 2, 5) == 4
    assert [10, 11, 12, 13][make(3)] == 13
    assert list(range(make(3))) == [0, 1, 2]
    assert (hex(make(255)), "ab" * make(2), chr(make(65))) == ("0xff", "abab", "A")
    assert struct.pack("<q", make(3)) == struct.pack("<q", 3)
    with pytest.raises(TypeError):
        make(3) + "3"
    with pytest.raises(ZeroDivisionError):
        make(3) // 0


@pytest.mark.parametrize("change", IN_PLACE)
def test_in_place_operators_change_the_int_that_it_is(change: Make) -> None:
    number = AtomicInt64(13)
    assert change(number, 3) is number
    assert number.get() == change(13, 3)
    assert change(number, AtomicInt64(1)) is number
    handle = number.get_handle()
    before = number.get()
    changed = change(handle, 2)
    assert changed.get() == number.get() == change(before, 2)


@every_int
def test_in_place_division_by_zero_raises(make: Make) -> None:
    number = make(7)
    changes: list[Make] = [operator.ifloordiv, operator.imod]
    for change in changes:
        with pytest.raises(ZeroDivisionError):
            change(number, 0)
    assert number.get() == 7


@every_int
def test_there_are_no_matrix_operators(make: Make) -> None:
    for operation in (operator.matmul, operator.imatmul):
        with pytest.raises(TypeError):
            operation(make(3), 2)


def test_the_hash_is_of_the_object_and_its_handles_and_not_of_the_value() -> None:
    first, second = AtomicInt64(3), AtomicInt64(3)
    assert first == second == 3
    assert hash(first) != hash(second)
    assert hash(first) == hash(first.get_handle())
    before = hash(first)
    first.set(4)
    assert hash(first) == before
    assert {first: "it"}[first.get_handle()] == "it"


def test_a_subclass_of_an_int_has_methods_and_attributes() -> None:
    class Tickets(AtomicInt64):  # type: ignore[misc, valid-type]
        def __init__(self, first: int, name: str) -> None:
            super().__init__(first)
            self.name = name

        def take(self) -> int:
            return int(self.get_and_increment())

    tickets = Tickets(5, "desk")
    assert (tickets.take(), tickets.take(), tickets.get(), tickets.name) == (5, 6, 7, "desk")


@has_threads
def test_no_increment_is_lost() -> None:
    class Spam:
        def __init__(self) -> None:
            self.counter: Any = AtomicInt64(0)

    spam = Spam()

    def by_object() -> None:
        for _ in range(1000):
            spam.counter += 1

    def by_handle() -> None:
        handle = spam.counter.get_handle()
        for _ in range(1000):
            handle += 1

    run_threads(by_object, by_object, by_handle, by_handle)
    assert spam.counter.get() == 4000


# ── AtomicRef ──────────────────────────────────────────────────────────────────────────────────


@with_handle(AtomicRef)
def test_a_ref_is_read_and_written(make: Make) -> None:
    first, second, third = object(), object(), object()
    ref = make()
    assert ref.get() is None
    assert ref.compare_and_set(None, first) is True
    assert ref.compare_and_set(expected=None, desired=second) is False
    assert ref.compare_and_set(expected=first, desired=second) is True
    assert ref.get_and_set(third) is second
    assert ref.set(first) is None
    assert ref.get() is first
    with pytest.raises(TypeError):
        ref.compare_and_set(None)
    assert ref.get() is first


def test_a_ref_starts_with_what_it_is_given() -> None:
    thing = object()
    assert AtomicRef(thing).get() is AtomicRef(initial_value=thing).get() is thing
    assert AtomicRef[object](thing).get() is thing
    with pytest.raises(TypeError):
        AtomicRef(value=1)


@with_handle(AtomicRef)
def test_an_equal_object_is_not_the_expected_one(make: Make) -> None:
    for value, equal in [([1], [1]), (1, True), (True, 1), (1.5, float("1.5")), ((1,), (1.0,))]:
        ref = make(value)
        assert ref.compare_and_set(equal, None) is False
        assert ref.get() is value


# ── ThreadHandle ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("make", [AtomicInt64, AtomicRef, AtomicDict])
def test_every_handle_is_a_thread_handle(make: Make) -> None:
    shared = make()
    handle = shared.get_handle()
    assert isinstance(handle, ThreadHandle)
    assert isinstance(handle.get_handle(), ThreadHandle)
    assert not isinstance(shared, ThreadHandle)
    assert not isinstance(5, ThreadHandle)


def test_a_thread_handle_behaves_like_its_object() -> None:
    handle = ThreadHandle([1, 2])
    assert isinstance(handle, ThreadHandle)
    assert isinstance(handle, list)
    assert handle.__class__ is list
    assert type(handle).__name__ == "ThreadHandle"
    handle.append(3)
    handle[0] = 5
    del handle[1]
    assert list(handle) == handle == [5, 3]
    assert (len(handle), handle[-1], 3 in handle, sorted(handle)) == (2, 3, True, [3, 5])
    assert operator.add(handle, [4]) == [5, 3, 4]
    assert ThreadHandle(5) + 1 == 1 + ThreadHandle(5) == ThreadHandle(5) + ThreadHandle(1) == 6
    assert ThreadHandle(ThreadHandle(5)) + 1 == 6
    assert ThreadHandle[int](5) + 1 == 6
    assert hash(ThreadHandle(5)) == hash(5)
    assert (ThreadHandle(5) == 5, ThreadHandle(5) < 6, bool(ThreadHandle(0))) == (True, True, False)
    assert ThreadHandle(lambda *args, **kwargs: (args, kwargs))(1, x=2) == ((1,), {"x": 2})
    with pytest.raises(AttributeError):
        _ = ThreadHandle(5).nope
    with pytest.raises(TypeError):
        ThreadHandle()


def test_an_attribute_of_a_thread_handle_is_one_of_the_object() -> None:
    class Thing:
        value: int

    thing = Thing()
    handle = ThreadHandle(thing)
    handle.value = 1
    assert (thing.value, handle.value) == (1, 1)
    del handle.value
    assert not hasattr(thing, "value")


# ── AtomicDict ─────────────────────────────────────────────────────────────────────────────────

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


def add(_key: Any, current: Any, new: Any) -> Any:
    return new if current is NOT_FOUND else current + new


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


# ── AtomicBool ─────────────────────────────────────────────────────────────────────────────────

every_bool = with_handle(AtomicBool)


@every_bool
def test_a_bool_is_read_and_written(make: Make) -> None:
    flag = make()
    assert flag.get() is False
    assert flag.set(True) is None
    assert flag.get_and_set(False) is True
    assert flag.get_and_set(True) is False
    flag.set(False)
    assert flag.compare_and_set(True, False) is False
    assert flag.compare_and_set(expected=False, desired=True) is True
    assert flag.get() is True
    assert make(True).get() is make(initial_value=True).get() is True


@every_bool
def test_a_bool_is_set_or_raises(make: Make) -> None:
    flag = make(False)
    assert flag.set_or_raise() is None
    assert flag.get() is True
    with pytest.raises(ExpectationFailed, match="already set to True"):
        flag.set_or_raise()
    assert flag.reset_or_raise() is None
    assert flag.get() is False
    with pytest.raises(ExpectationFailed, match="already set to False"):
        flag.reset_or_raise()


@every_bool
def test_a_bool_refuses_what_is_none(make: Make) -> None:
    flag = make(False)
    for wrong in (0, 1, None, "True"):
        for use in (
            flag.set,
            flag.get_and_set,
            functools.partial(flag.compare_and_set, False),
            lambda expected: flag.compare_and_set(expected, True),
        ):
            with pytest.raises(TypeError):
                use(wrong)
    assert flag.get() is False


def test_a_bool_is_set_or_raises_by_the_compare_and_set_of_a_subclass() -> None:
    class Logging(AtomicBool):  # type: ignore[misc, valid-type]
        calls = 0

        def compare_and_set(self, expected: bool, desired: bool) -> Any:
            self.calls += 1
            return super().compare_and_set(expected, desired)

    flag = Logging()
    flag.set_or_raise()
    flag.reset_or_raise()
    assert flag.calls == 2


# ── AtomicEvent, CountDownLatch, call_once ─────────────────────────────────────────────────────


@has_threads
def test_an_event_lets_the_waiting_go_on() -> None:
    event = AtomicEvent()
    assert not event.is_set()
    waiting = [Task(event.wait) for _ in range(3)]
    for task in waiting:
        task.start()
    give_time_to_block()
    assert all(task.is_alive() for task in waiting)
    assert event.set() is None
    assert event.is_set()
    for task in waiting:
        task.result()
    event.set()
    event.wait()


def test_a_latch_counts_down_to_zero_and_stays_there() -> None:
    latch = CountDownLatch(count=2)
    assert latch.decrement() is None
    assert latch.get() == 1
    assert [latch.decrement_and_get() for _ in range(3)] == [0, 0, 0]
    latch.decrement()
    assert latch.get() == 0
    latch.wait()
    CountDownLatch(0).wait()
    assert repr(CountDownLatch(3)).startswith("<CountDownLatch(count=3) at 0x")
    with pytest.raises(ValueError, match=r"."):
        CountDownLatch(-1)
    for wrong in ("1", 1.5):
        with pytest.raises(TypeError):
            CountDownLatch(wrong)
    with pytest.raises(OverflowError):
        CountDownLatch(MAX + 1)


@has_threads
def test_a_latch_opens_at_zero() -> None:
    latch = CountDownLatch(3)
    waiting = Task(latch.wait)
    waiting.start()
    assert run_threads(latch.decrement, latch.decrement) == [None, None]
    give_time_to_block()
    assert waiting.is_alive()
    assert latch.decrement_and_get() == 0
    waiting.result()


def test_a_function_is_called_once() -> None:
    calls = []

    def prepare(*args: Any, **kwargs: Any) -> Any:
        """What it does."""
        calls.append((args, kwargs))
        return kwargs

    once = call_once(prepare)
    assert once(1, b=2) is once(3)
    assert calls == [((1,), {"b": 2})]
    assert (once.__name__, once.__doc__) == ("prepare", "What it does.")
    assert once.__wrapped__ is prepare
    assert call_once(func=lambda: None)() is None


def test_what_a_function_raised_once_is_raised_again() -> None:
    calls = []

    def fail() -> None:
        calls.append(1)
        raise LookupError

    once = call_once(fail)
    raised = []
    for _ in range(3):
        with pytest.raises(LookupError) as caught:
            once()
        raised.append(caught.value)
    assert len(calls) == 1
    assert raised[0] is raised[1] is raised[2]


@has_threads
def test_all_threads_get_the_result_of_the_only_call() -> None:
    entered = threading.Event()
    opened = threading.Event()

    def make_thing() -> object:
        assert not entered.is_set()
        entered.set()
        assert opened.wait(PATIENCE)
        return object()

    once = call_once(make_thing)
    tasks = [Task(once) for _ in range(4)]
    for task in tasks:
        task.start()
    assert entered.wait(PATIENCE)
    give_time_to_block()
    opened.set()
    assert len({id(task.result()) for task in tasks}) == 1


# ── ThreadSet ──────────────────────────────────────────────────────────────────────────────────


@has_threads
def test_thread_sets_are_made_with_decorators() -> None:
    seen: list[Any] = []
    repeat: Decorator = ThreadSet.repeat(3)

    @repeat
    def workers() -> None:
        seen.append("worker")

    assert isinstance(workers, ThreadSet)
    assert len(workers) == 3
    assert workers.start() is None
    assert workers.join() is None
    assert seen == ["worker"] * 3

    by_args = ThreadSet.with_args(ThreadSet.Args(1, color="red"), ThreadSet.Args(2, "blue"))
    spam = by_args(lambda thread_id, color: seen.append((thread_id, color)))
    assert spam.start_and_join() is None
    assert sorted(seen[3:]) == [(1, "red"), (2, "blue")]

    make_thread = ThreadSet.target(lambda thread_id, color: seen.append((thread_id, color)))
    assert isinstance(make_thread(0, "none"), threading.Thread)
    ThreadSet(make_thread(3, color="red"), make_thread(4, "blue")).start_and_join(PATIENCE)
    assert sorted(seen[5:]) == [(3, "red"), (4, "blue")]


@has_threads
def test_thread_sets_are_made_of_ranges() -> None:
    for arguments in [(5,), (1, 4), (1, 10, 3), (10, 0, -3), (0,)]:
        seen: list[int] = []
        workers = ThreadSet.range(*arguments)(seen.append)
        workers.start_and_join(join_timeout=PATIENCE)
        assert sorted(seen) == sorted(range(*arguments))
    assert len(ThreadSet.range(start=1, stop=4)(print)) == 3
    assert len(ThreadSet.repeat(times=2)(print)) == 2


@has_threads
def test_thread_sets_tell_whether_their_threads_are_alive() -> None:
    opened = threading.Event()
    workers = ThreadSet.repeat(2)(lambda: opened.wait(PATIENCE))
    assert list(workers.is_alive()) == [False, False]
    workers.start()
    assert list(workers.is_alive()) == [True, True]
    workers.join(timeout=0.01)
    assert (workers.any_is_alive(), workers.all_are_alive()) == (True, True)
    assert not workers.all_are_not_alive()
    opened.set()
    workers.join()
    assert (workers.any_is_alive(), workers.all_are_alive()) == (False, False)
    assert workers.all_are_not_alive()


def test_thread_sets_are_sets() -> None:
    first, second = threading.Thread(), threading.Thread()
    left, right = ThreadSet(first, first), ThreadSet(second)
    union = left | right
    assert [len(threads) for threads in (left, right, union, ThreadSet())] == [1, 1, 2, 0]
    before = left
    left |= right
    assert left is before
    assert len(left | union) == 2
    for wrong in (5, {first}):
        with pytest.raises(TypeError):
            left | wrong
        with pytest.raises(TypeError):
            left |= wrong
    with pytest.raises(TypeError):
        ThreadSet.with_args((1, 2))(print)


def test_a_subclass_of_thread_set_makes_threads_of_its_own() -> None:
    class Thread(threading.Thread):
        pass

    class Threads(ThreadSet):  # type: ignore[misc, valid-type]
        thread_factory = Thread

    made = []
    workers = Threads.repeat(2)(print)
    assert isinstance(workers, Threads)
    assert isinstance(workers | Threads(), Threads)
    made.append(Threads.target(print)())
    assert isinstance(made[0], Thread)


# ── ReadersWriterLock ──────────────────────────────────────────────────────────────────────────


def test_a_lock_is_had_again_in_the_same_way() -> None:
    lock = ReadersWriterLock()
    for make_side in (lock.reader, lock.writer):
        with make_side() as outer, make_side() as inner:
            assert type(outer) is type(inner)
        side = make_side()
        side.acquire()
        make_side().acquire()
        side.release()
        assert make_side().release() is None
    assert isinstance(lock.reader(), ReadersWriterLock.ReaderLock)
    assert isinstance(lock.writer(), ReadersWriterLock.WriterLock)


@has_threads
def test_readers_share_the_lock_and_a_writer_has_it_alone() -> None:
    lock = ReadersWriterLock()
    together = threading.Barrier(2)

    def read() -> None:
        with lock.reader():
            together.wait(PATIENCE)

    def write() -> None:
        with lock.writer():
            pass

    run_threads(read, read)
    for side, others in [(lock.writer(), (read, read, write)), (lock.reader(), (write, write))]:
        with side:
            tasks = [Task(other) for other in others]
            for task in tasks:
                task.start()
            give_time_to_block()
            assert all(task.is_alive() for task in tasks)
        for task in tasks:
            task.result()


# ── AtomicCache ────────────────────────────────────────────────────────────────────────────────


class Fill:
    """Something to fill a cache with, which counts its calls."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def __call__(self, key: Any) -> Any:
        self.calls.append(key)
        return [key]


def test_a_cache_fills_itself() -> None:
    cache = AtomicCache(fill := Fill())
    assert 1 not in cache
    assert cache[1] is cache[1]
    assert cache[2] == [2]
    assert fill.calls == [1, 2]
    assert 1 in cache
    before = cache[1]
    assert cache.invalidate(1) is None
    assert cache.invalidate(key="never seen") is None
    assert 1 not in cache
    assert cache[1] is not before
    assert fill.calls == [1, 2, 1]
    assert AtomicCache[int, int](fill=fill)[3] == [3]
    with pytest.raises(TypeError):
        cache[[]]


def test_a_cache_refuses_wrong_arguments() -> None:
    for wrong in (AtomicCache, functools.partial(AtomicCache, Fill(), nothing=5)):
        with pytest.raises(TypeError):
            wrong()


def test_a_cached_value_expires() -> None:
    for cache in (AtomicCache(Fill(), 0.05), AtomicCache(fill=Fill(), ttl=0.05)):
        before = cache[1]
        time.sleep(0.1)
        assert 1 not in cache
        assert cache[1] is not before
    cache = AtomicCache(fill := Fill(), ttl=3600.0)
    assert cache[1] is cache[1]
    assert fill.calls == [1]
    assert 1 in cache


def test_values_are_not_assigned_to_a_cache() -> None:
    cache = AtomicCache(Fill())
    with pytest.raises(NotImplementedError):
        cache[1] = 2
    assert 1 not in cache


def test_a_cache_uses_itself_to_fill_other_keys() -> None:
    cache: Any = AtomicCache(lambda number: cache[number - 1] + 1 if number else 0)
    assert cache[50] == 50


def test_a_subclass_of_a_cache_has_attributes_and_methods() -> None:
    class Counting(AtomicCache):  # type: ignore[misc, valid-type]
        def __init__(self, fill: Any, ttl: float | None = None) -> None:
            super().__init__(fill, ttl=ttl)
            self.asked = 0

        def __getitem__(self, key: Any) -> Any:
            self.asked += 1
            return super().__getitem__(key)

    for ttl in (None, 3600.0):
        cache = Counting(fill := Fill(), ttl)
        assert cache[1] is cache[1]
        assert (cache.asked, fill.calls, 1 in cache, 2 in cache) == (2, [1], True, False)


def test_results_of_functions_are_memoized() -> None:
    calls = []
    memoize: Decorator = AtomicCache.memoize()

    @memoize
    def fibonacci(number: int) -> Any:
        calls.append(number)
        return number if number <= 1 else fibonacci(number - 1) + fibonacci(number - 2)

    assert fibonacci(30) == 832040
    assert len(calls) == 31
    assert isinstance(fibonacci, AtomicCache.MemoizedFunction)


def test_memoized_results_are_forgotten_by_their_arguments() -> None:
    calls = []

    def power(base: int, exponent: int) -> int:
        calls.append((base, exponent))
        return int(base**exponent)

    for options in ({"ttl": 3600.0}, {}):
        memoized = AtomicCache.memoize(**options)(power)
        for _ in range(2):
            assert memoized(2, 10) == 1024
            assert memoized(exponent=3, base=2) == memoized(base=2, exponent=3) == 8
            assert memoized(2, exponent=4) == 16
        assert len(calls) == 3
        memoized.invalidate(2, 10)
        memoized.invalidate(base=2, exponent=3)
        assert [memoized(2, 10), memoized(exponent=3, base=2)] == [1024, 8]
        assert len(calls) == 5
        calls.clear()
    memoized = AtomicCache.memoize(ttl=0.05)(power)
    assert memoized(2, 3) == 8
    time.sleep(0.1)
    assert memoized(2, 3) == 8
    assert calls == [(2, 3)] * 2
    assert AtomicCache.memoize(3600.0)(len)("abc") == 3
    assert AtomicCache.MemoizedFunction(AtomicCache, len, ttl=3600.0)("abc") == 3
    with pytest.raises(TypeError):
        AtomicCache.memoize()(len)([])


@has_threads
@pytest.mark.parametrize("ttl", [None, 3600.0])
def test_a_value_is_computed_once_and_invalidate_waits_for_it(ttl: float | None) -> None:
    entered = threading.Semaphore(0)
    opened = threading.Event()
    calls = []

    def fill(key: str) -> object:
        calls.append(key)
        entered.release()
        assert opened.wait(PATIENCE)
        return object()

    cache = AtomicCache(fill, ttl=ttl)
    first = Task(lambda: cache["a"])
    first.start()
    assert entered.acquire(timeout=PATIENCE)
    others = [Task(lambda: cache["a"]) for _ in range(3)]
    forgetting = Task(lambda: cache.invalidate("a"))
    for task in (*others, forgetting):
        task.start()
    give_time_to_block()
    assert forgetting.is_alive()
    assert calls == ["a"]
    opened.set()
    forgetting.result()
    values = {first.result(), cache["a"]}
    assert len(values) == 2
    assert {task.result() for task in others} <= values
    assert calls == ["a", "a"]


# ── what is different, and why a program does not mind ─────────────────────────────────────────


@differs
@pytest.mark.parametrize(
    "use",
    [
        pytest.param(lambda n: n.bit_length() == 4, id="bit_length"),
        pytest.param(lambda n: n.as_integer_ratio() == (13, 1), id="as_integer_ratio"),
        pytest.param(lambda n: n.conjugate() == 13, id="conjugate"),
        pytest.param(lambda n: n.to_bytes(2, "big") == b"\0\x0d", id="to_bytes"),
        pytest.param(lambda n: (n.real, n.imag) == (13, 0), id="complex"),
        pytest.param(lambda n: (n.numerator, n.denominator) == (13, 1), id="rational"),
        pytest.param(lambda n: n.from_bytes(b"\x0d") == 13, id="from_bytes"),
        pytest.param(lambda n: round(n) == 13, id="round"),
        pytest.param(lambda n: f"{n:03d}" == "013", id="format"),
        pytest.param(lambda n: str(n) == f"{n}" == "13", id="str"),
        pytest.param(lambda n: n.increment_and_get(amount=2) == 15, id="amount"),
        pytest.param(lambda n: n.update_and_get(callable=abs) == 13, id="callable"),
        pytest.param(lambda n: weakref.ref(n)() is n, id="weak reference"),
        pytest.param(lambda n: pickle.loads(pickle.dumps(n)).get() == 13, id="pickle"),
    ],
)
def test_new_of_ints(use: Callable[[Any], bool]) -> None:
    assert use(AtomicInt64(13))


@differs
@pytest.mark.parametrize(
    ("change", "value", "operand"),
    [
        (operator.ifloordiv, -30, 7),
        (operator.ifloordiv, 30, -7),
        (operator.imod, -7, 5),
        (operator.imod, 7, -5),
    ],
)
def test_in_place_division_rounds_as_in_python(change: Make, value: int, operand: int) -> None:
    assert change(AtomicInt64(value), operand).get() == change(value, operand)


@differs
@pytest.mark.parametrize(
    ("change", "operand", "error"),
    [
        (operator.itruediv, 2, TypeError),
        (operator.ilshift, 62, OverflowError),
        (operator.ilshift, 100, OverflowError),
        (operator.ilshift, -1, ValueError),
        (operator.irshift, -1, ValueError),
    ],
)
def test_in_place_operators_raise_as_in_python(
    change: Make, operand: int, error: type[Exception]
) -> None:
    number = AtomicInt64(30)
    with pytest.raises(error):
        change(number, operand)
    assert number.get() == 30


@differs
@pytest.mark.parametrize(
    "change", [operator.isub, operator.ifloordiv, operator.imod, operator.iand, operator.irshift]
)
def test_an_operand_may_be_too_large_where_the_result_is_not(change: Make) -> None:
    number = AtomicInt64(7)
    assert change(number, MAX + 1).get() == change(7, MAX + 1)


@cannot_run_in_1
def test_what_crashed_gives_a_result_or_an_error() -> None:
    assert pow(2, 3, AtomicInt64(7)) == 1
    number = AtomicInt64(MIN)
    with pytest.raises(OverflowError):
        number //= -1
    assert number.get() == MIN


@differs
def test_an_int_and_a_handle_can_be_added() -> None:
    number = AtomicInt64(7)
    assert [number + number.get_handle(), number - number.get_handle()] == [14, 0]


@differs
def test_a_handle_stays_a_handle_when_it_is_changed_in_place() -> None:
    handle = AtomicInt64(7).get_handle()
    handle += 1
    assert isinstance(handle, ThreadHandle)


@differs
@pytest.mark.parametrize("value", [10**6, "a text", b"bytes"])
def test_int_str_and_bytes_are_expected_by_value(value: Any) -> None:
    equal = pickle.loads(pickle.dumps(value))
    assert equal is not value
    assert AtomicRef(value).compare_and_set(equal, None)
    dictionary = AtomicDict({"a": value})
    dictionary.compare_and_set("a", equal, None)
    assert dictionary["a"] is None


@differs
@pytest.mark.parametrize(
    "use",
    [
        pytest.param(lambda d: "a" in d, id="in"),
        pytest.param(lambda d: list(d) == ["a"], id="iteration"),
        pytest.param(lambda d: d == {"a": 1}, id="equality"),
        pytest.param(lambda d: list(d.items()) == [("a", 1)], id="items"),
        pytest.param(lambda d: d.pop("a") == 1, id="pop"),
        pytest.param(lambda d: d.snapshot() == {"a": 1}, id="snapshot"),
        pytest.param(lambda d: repr(d) == "AtomicDict({'a': 1})", id="repr"),
        pytest.param(lambda d: len(d.get_handle()) == 1, id="len of a handle"),
        pytest.param(lambda d: type(d)([("a", 1)]) == d, id="pairs"),
        pytest.param(lambda d: type(d)(a=1) == d, id="keywords"),
        pytest.param(lambda d: type(d)(min_size=None) == {}, id="no min_size"),
        pytest.param(lambda d: pickle.loads(pickle.dumps(d)) == d, id="pickle"),
    ],
)
def test_new_of_dicts(use: Callable[[Any], bool]) -> None:
    assert use(AtomicDict({"a": 1}))


@differs
def test_dicts_are_compared_by_value_and_so_have_no_hash() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(AtomicDict())


@differs
def test_there_may_be_any_number_of_dicts() -> None:
    dictionaries = [AtomicDict({0: number}) for number in range(1200)]
    assert [dictionary[0] for dictionary in dictionaries] == list(range(1200))


@differs
def test_a_constant_is_never_in_a_dict_nor_asked_for() -> None:
    with pytest.raises(ValueError, match="NOT_FOUND"):
        AtomicDict({NOT_FOUND: 1})
    with pytest.raises(ValueError, match="NOT_FOUND"):
        AtomicDict().get(NOT_FOUND)


@differs
def test_constants_are_pickled_as_what_they_are() -> None:
    for constant in (NOT_FOUND, ANY, EXPECTATION_FAILED):
        assert pickle.loads(pickle.dumps(constant)) is constant


@differs
def test_reduce_and_and_reduce_or_do_what_their_documentation_says() -> None:
    dictionary = AtomicDict({"current": 5})
    dictionary.reduce_or([("current", 7), ("absent", 7)])
    assert repr(sorted(items(dictionary).items())) == "[('absent', True), ('current', 5)]"


@differs
def test_reduce_list_keeps_a_list_that_it_was_given_as_it_was() -> None:
    dictionary = AtomicDict()
    dictionary.reduce_list([("a", mine := [1])])
    assert dictionary["a"] is not mine
    assert dictionary["a"] == mine


@differs
def test_reduce_count_takes_any_mapping_and_pairs_need_not_be_tuples() -> None:
    dictionary = AtomicDict()
    dictionary.reduce_count(AtomicDict({"a": 5}))
    dictionary.reduce_sum([["a", 1]])
    assert items(dictionary) == {"a": 6}


@differs
def test_batch_getitem_takes_a_subclass_of_dict() -> None:
    assert AtomicDict({"a": 1}).batch_getitem(OrderedDict(a=0)) == {"a": 1}


@differs
def test_a_bool_is_strict_from_the_start_and_true_if_its_value_is() -> None:
    assert (bool(AtomicBool(False)), bool(AtomicBool(True))) == (False, True)
    with pytest.raises(TypeError):
        AtomicBool(1)


@differs
def test_waiting_takes_a_timeout_and_tells_whether_it_was_over() -> None:
    event, latch, lock = AtomicEvent(), CountDownLatch(1), ReadersWriterLock()
    assert event.wait(timeout=0.001) is latch.wait(timeout=0.001) is False
    event.set()
    latch.decrement()
    assert event.is_set() is event.wait() is latch.wait() is True
    assert lock.reader(timeout=0.001).acquire() is True


@cannot_run_in_1
@pytest.mark.thread_unsafe(reason="signal handlers are run by the main thread only")
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs timers that send signals")
@pytest.mark.parametrize("make", [AtomicEvent, lambda: CountDownLatch(1)], ids=["event", "latch"])
def test_a_signal_ends_waiting(make: Make) -> None:
    class Interrupted(BaseException):
        pass

    def interrupt(*_: Any) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Interrupted):
            make().wait()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@differs
def test_exceptions_are_not_cached() -> None:
    results: Iterator[Any] = iter([LookupError(), "value"])

    def fill(_key: int) -> Any:
        result = next(results)
        if isinstance(result, Exception):
            raise result
        return result

    cache = AtomicCache(fill)
    with pytest.raises(LookupError):
        cache[1]
    assert 1 not in cache
    assert cache[1] == "value"


@cannot_run_in_1
@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit])
def test_what_ends_a_program_is_no_result(ending: type[BaseException]) -> None:
    for make in (call_once, AtomicCache.memoize(), AtomicCache.memoize(ttl=3600.0)):
        endings = iter([ending])

        def work(endings: Iterator[type[BaseException]] = endings) -> str:
            for end in endings:
                raise end
            return "done"

        function = make(work)
        with pytest.raises(ending):
            function()
        assert function() == "done"


@cannot_run_in_1
def test_waiting_for_oneself_is_an_error() -> None:
    once: Any = call_once(lambda: once())
    cache: Any = AtomicCache(lambda key: cache[key])
    limited: Any = AtomicCache(lambda key: limited[key], ttl=3600.0)
    for ask in (once, lambda: cache[1], lambda: limited[1]):
        with pytest.raises(RuntimeError):
            ask()
    lock = ReadersWriterLock()
    with lock.reader(), pytest.raises(RuntimeError):
        lock.writer().acquire()
    with lock.writer(), lock.reader():
        pass


@differs
def test_a_lock_that_is_not_held_is_not_released() -> None:
    lock = ReadersWriterLock()
    for side in (lock.reader(), lock.writer()):
        with pytest.raises(RuntimeError):
            side.release()


@differs
@has_threads
def test_a_reader_waits_behind_a_waiting_writer() -> None:
    lock = ReadersWriterLock()
    order = []

    def nobody_gets_in() -> bool:
        side = lock.reader(timeout=0)
        if side.acquire():
            side.release()
            return False
        return True

    def write() -> None:
        with lock.writer():
            order.append("writer")

    def read() -> None:
        with lock.reader():
            order.append("reader")

    with lock.reader():
        writer = Task(write)
        writer.start()
        assert eventually(lambda: run_threads(nobody_gets_in) == [True])
        reader = Task(read)
        reader.start()
        give_time_to_block()
        order.append("first")
    writer.result()
    reader.result()
    assert order == ["first", "writer", "reader"]


@differs
def test_methods_are_memoized_with_their_instance() -> None:
    memoize: Decorator = AtomicCache.memoize()

    class Thing:
        @memoize
        def double(self, number: int) -> tuple[Any, int]:
            return self, 2 * number

    thing = Thing()
    assert thing.double(4) == (thing, 8)
    assert thing.double(4) is thing.double(4)


@differs
def test_a_thread_handle_gives_the_text_of_its_object_and_iterates_with_it() -> None:
    assert (str(ThreadHandle(5)), f"{ThreadHandle(5):03d}") == ("5", "005")
    assert next(ThreadHandle(iter([1]))) == 1


# ── what else a program for 1.x does, and what it can do no longer ─────────────────────────────


@pytest.mark.parametrize("make", [AtomicInt64, AtomicRef, AtomicDict, AtomicBool])
def test_a_handle_is_an_instance_of_the_class_of_its_object(make: type[Any]) -> None:
    assert isinstance(make().get_handle(), make)


@no_longer
def test_a_handle_has_what_a_subclass_has() -> None:
    class Tickets(AtomicInt64):  # type: ignore[misc, valid-type]
        def take(self) -> int:
            return int(self.get_and_increment())

    assert Tickets(5).get_handle().take() == 5


@no_longer
def test_a_handle_does_what_a_subclass_does() -> None:
    class Doubled(AtomicInt64):  # type: ignore[misc, valid-type]
        def get(self) -> int:
            return int(super().get()) * 2

    assert Doubled(5).get_handle().get() == 10


@no_longer
def test_a_subclass_of_an_int_need_not_initialize_it_and_may_do_so_again() -> None:
    class Named(AtomicInt64):  # type: ignore[misc, valid-type]
        def __init__(self, name: str) -> None:
            self.name = name

    number = Named("spam")
    assert number.get() == 0
    AtomicInt64.__init__(number, 5)
    assert number.get() == 5


def test_a_cache_takes_attributes() -> None:
    cache = AtomicCache(Fill())
    cache.name = "spam"
    assert cache.name == "spam"


@no_longer
def test_a_bool_takes_attributes() -> None:
    AtomicBool().name = "spam"


def test_thread_handle_can_be_derived_from() -> None:
    class Handle(ThreadHandle):  # type: ignore[misc, valid-type]
        pass

    handle = Handle(5)
    assert handle + 1 == 6
    assert isinstance(handle, ThreadHandle)


def test_a_cache_is_true_even_if_it_is_empty() -> None:
    assert AtomicCache(Fill())


@no_longer
def test_a_cache_holds_whatever_was_computed() -> None:
    for options in ({"ttl": 3600.0}, {}):
        cache = AtomicCache(lambda _: NOT_FOUND, **options)
        assert cache[1] is NOT_FOUND
        assert 1 in cache


def test_a_value_that_expires_at_once_is_computed_every_time() -> None:
    cache = AtomicCache(fill := Fill(), ttl=0)
    assert cache[1] == cache[1] == [1]
    assert 1 not in cache
    assert fill.calls == [1, 1]


@no_longer
def test_a_reduce_whose_input_fails_changes_nothing() -> None:
    def pairs() -> Iterator[tuple[str, int]]:
        yield "a", 1
        raise LookupError

    dictionary = AtomicDict({"a": 5})
    with pytest.raises(LookupError):
        dictionary.reduce_sum(pairs())
    with pytest.raises(LookupError):
        dictionary.reduce(pairs(), add)
    assert items(dictionary) == {"a": 5}


@no_longer
def test_what_is_no_pair_is_a_type_error() -> None:
    for wrong in ([("a",)], [("a", 1, 2)], {"b": 2}):
        with pytest.raises(TypeError):
            AtomicDict().reduce_sum(wrong)


@no_longer
def test_a_min_size_that_no_dict_has_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="min_size"):
        AtomicDict(min_size=2**56 + 1)


def test_a_star_import_leaves_the_version_of_the_importing_module() -> None:
    namespace: dict[str, Any] = {"__version__": "mine"}
    exec("from cereggii import *", namespace)
    assert namespace["__version__"] == "mine"
