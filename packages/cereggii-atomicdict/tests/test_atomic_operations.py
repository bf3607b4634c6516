# SPDX-License-Identifier: Apache-2.0
"""compare_and_set, _exchange, _delete and get_and_set: what they change, return and raise."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import pytest
from cereggii_atomicdict import ANY, NOT_FOUND, ExpectationFailed
from hypothesis import given

from tools.testing.matching import MyBytes, MyInt, MyStr, alike, exact, matches, twin

from .mapping_forms import (
    BadEq,
    BadHash,
    Collider,
    Make,
    RefusalError,
    Thing,
    both_forms,
    contents,
    dict_of,
    handle_of,
)

# One of every kind that the interpreter counts, caches or compares in a way of its own.
OBJECTS: list[Any] = [
    *(None, True, ..., 0, -1, 2**100, 1.5, float("nan"), "", "text", "ünï" * 1000, b"", b"bytes"),
    *((), (1, [2]), [1], {}, {1: 2}, {3}, object(), Thing(), Thing, len, Collider("x")),
]

Compare = Callable[[Any, Any, object], bool]


def set_matches(mapping: Any, key: Any, expected: object) -> bool:
    before, updated = mapping.get(key, NOT_FOUND), Thing()
    try:
        assert mapping.compare_and_set(key, expected, updated) is None
    except ExpectationFailed:
        assert mapping.get(key, NOT_FOUND) is before
        return False
    assert mapping[key] is updated
    return True


def exchange_matches(mapping: Any, key: Any, expected: object) -> bool:
    before, updated = mapping.get(key, NOT_FOUND), Thing()
    assert mapping.compare_and_exchange(key, expected, updated) is before
    after = mapping.get(key, NOT_FOUND)
    assert after is before or after is updated
    return after is updated


def delete_matches(mapping: Any, key: Any, expected: object) -> bool:
    before = mapping.get(key, NOT_FOUND)
    try:
        assert mapping.compare_and_delete(key, expected) is None
    except ExpectationFailed:
        assert mapping.get(key, NOT_FOUND) is before
        return False
    assert key not in mapping
    return True


COMPARE: list[Compare] = [set_matches, exchange_matches, delete_matches]
every_comparison = pytest.mark.parametrize("compare", COMPARE)


def others_stay(mapping: Any) -> Any:
    """The mapping, with other keys that no operation may change."""
    mapping.update({("other", number): number for number in range(20)})
    return mapping


# ── present and absent ─────────────────────────────────────────────────────────────────────────


@both_forms
@every_comparison
def test_a_value_is_changed_only_if_it_is_the_expected_one(make: Make, compare: Compare) -> None:
    for value in OBJECTS:
        mapping = others_stay(make({"key": value}))
        assert compare(mapping, "key", Thing()) is False
        assert mapping["key"] is value
        assert len(mapping) == 21
        assert compare(mapping, "key", value) is True
        assert all(mapping["other", number] == number for number in range(20))


@both_forms
@every_comparison
def test_an_absent_key_has_no_value_that_matches(make: Make, compare: Compare) -> None:
    for mapping in (make({}), others_stay(make({}))):
        before = contents(mapping)
        for expected in OBJECTS:
            assert compare(mapping, "key", expected) is False
        assert contents(mapping) == before


@both_forms
def test_expecting_not_found_inserts_only(make: Make) -> None:
    mapping = make({"present": 1})
    assert mapping.compare_and_set("key", NOT_FOUND, 2) is None
    assert mapping.compare_and_exchange("other", NOT_FOUND, 3) is NOT_FOUND
    assert contents(mapping) == {"present": 1, "key": 2, "other": 3}
    for key, value in contents(mapping).items():
        with pytest.raises(ExpectationFailed):
            mapping.compare_and_set(key, NOT_FOUND, 4)
        assert mapping.compare_and_exchange(key, NOT_FOUND, 4) == value
    assert contents(mapping) == {"present": 1, "key": 2, "other": 3}


@both_forms
def test_expecting_anything_stores_whatever_there_is(make: Make) -> None:
    mapping = make({"a": 1, "b": 2})
    assert mapping.compare_and_set("a", ANY, 3) is None
    assert mapping.compare_and_set("c", ANY, 4) is None
    assert mapping.compare_and_exchange("b", ANY, 5) == 2
    assert mapping.compare_and_exchange("d", ANY, 6) is NOT_FOUND
    assert contents(mapping) == {"a": 3, "b": 5, "c": 4, "d": 6}


@both_forms
def test_deleting_anything_needs_the_key(make: Make) -> None:
    for mapping in (make({}), make({"other": 1})):
        before = contents(mapping)
        for expected in (ANY, None, 1):
            with pytest.raises(ExpectationFailed):
                mapping.compare_and_delete("key", expected)
        assert contents(mapping) == before
        mapping["key"] = 2
        assert mapping.compare_and_delete("key", ANY) is None
        assert contents(mapping) == before


@both_forms
def test_get_and_set_returns_what_was_there(make: Make) -> None:
    mapping = make({})
    previous: Any = NOT_FOUND
    for value in OBJECTS:
        assert mapping.get_and_set("key", value) is previous
        assert mapping["key"] is value
        assert len(mapping) == 1
        previous = value


@both_forms
def test_a_key_is_inserted_and_deleted_again_and_again(make: Make) -> None:
    mapping = make({})
    for number in range(1000):
        key = f"key {number % 7}"
        mapping.compare_and_set(key, NOT_FOUND, number)
        assert mapping.compare_and_exchange(key, number, -number) == number
        assert len(mapping) == 1
        mapping.compare_and_delete(key, -number)
        assert mapping.get_and_set(key, 5) is NOT_FOUND
        mapping.compare_and_delete(key, ANY)
        assert len(mapping) == 0


@both_forms
def test_the_table_grows_and_shrinks_under_atomic_operations(make: Make) -> None:
    mapping = make({})
    for key in range(3000):
        if key % 2:
            mapping.compare_and_set(key, NOT_FOUND, key)
        else:
            assert mapping.compare_and_exchange(key, ANY, key) is NOT_FOUND
    assert contents(mapping) == {key: key for key in range(3000)}
    for key in range(3000):
        mapping.compare_and_delete(key, key)
    assert contents(mapping) == {}


# ── which values match ─────────────────────────────────────────────────────────────────────────

ALIKE: list[Any] = [
    *(None, ..., True, False, 0, 1, -1, 257, 2**62, 2**64, -(2**200), 0.0, 1.0, -0.0, 1j, 257.0),
    *("", "1", "a", "ab", "ä", "\N{SNOWMAN}", "\U0001f40d", "\ud800", "a\0b", float("nan")),
    *(b"", b"1", b"a", b"ab", b"a\0b", bytearray(b"a"), (), (1,), [], [1], {}, frozenset({1})),
    *(int, str, object(), MyInt(1), MyInt(257), MyStr("a"), MyStr("ab"), MyBytes(b"a")),
    *(Thing(), Collider("x"), Collider("x"), BadEq(), BadEq(), BadHash()),
]


def check(stored: object, expected: object) -> None:
    for make in (dict_of, handle_of):
        for compare in COMPARE:
            found = compare(make({"key": stored}), "key", expected)
            assert found == matches(stored, expected), (compare, stored, expected)


def test_every_value_matches_as_the_rule_says() -> None:
    for stored in ALIKE:
        for expected in ALIKE:
            check(stored, expected)
        if type(stored) in (int, str, bytes):
            check(stored, twin(stored))
            assert matches(stored, twin(stored))


@given(stored=alike, expected=alike)
def test_any_two_values_match_as_the_rule_says(stored: object, expected: object) -> None:
    check(stored, expected)


@given(value=exact)
def test_equal_ints_strs_and_bytes_match(value: Any) -> None:
    check(value, twin(value))
    check({int: MyInt, str: MyStr, bytes: MyBytes}[type(value)](value), value)


@both_forms
def test_an_object_matched_by_value_is_itself_returned(make: Make) -> None:
    for stored in (10**20, "".join(["some ", "text"]), bytes(bytearray(b"some bytes"))):
        mapping = make({"key": stored})
        expected = twin(stored)
        assert expected is not stored
        assert mapping.compare_and_exchange("key", expected, expected) is stored
        assert mapping["key"] is expected


# ── keys ───────────────────────────────────────────────────────────────────────────────────────

OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "compare_and_set": lambda m, key: m.compare_and_set(key, ANY, "new"),
    "compare_and_exchange": lambda m, key: m.compare_and_exchange(key, ANY, "new"),
    "compare_and_delete": lambda m, key: m.compare_and_delete(key, ANY),
    "get_and_set": lambda m, key: m.get_and_set(key, "new"),
}
every_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)


@both_forms
@every_operation
def test_keys_are_those_of_a_dict(make: Make, operation: Callable[[Any, Any], Any]) -> None:
    keys = [2**64, "text", b"bytes", ("a", 1), Collider("x"), 1.5, None, MyStr("mine")]
    equal = [float(2**64), MyStr("text"), MyBytes(b"bytes"), ("a", True), Collider("x"), 1.5]
    for key, other in zip(keys, [*equal, None, "mine"], strict=True):
        mapping = make(dict.fromkeys(keys, "old"))
        operation(mapping, other)
        assert mapping.get(key) in ("new", None)
        assert [found for found in mapping if found == key] in ([key], [])
        assert all(any(found is known for known in keys) for found in mapping)
        assert [*mapping.values()].count("old") == len(keys) - 1


@both_forms
@every_operation
def test_keys_that_cannot_be_used_are_refused_as_by_a_dict(
    make: Make, operation: Callable[[Any, Any], Any]
) -> None:
    mapping = make({1: 1, BadEq(): 2})
    plain: dict[Any, Any] = {1: 1}
    unhashable: list[Any] = [[], {}, (1, [])]
    for key in unhashable:
        with pytest.raises(TypeError) as caught:
            operation(mapping, key)
        with pytest.raises(TypeError) as expected:
            plain[key]
        assert caught.value.args == expected.value.args
    with pytest.raises(RefusalError, match="hash"):
        operation(mapping, BadHash())
    with pytest.raises(RefusalError, match="eq"):
        operation(mapping, 7)
    assert sorted(mapping.values()) == [1, 2]


# ── arguments and references ───────────────────────────────────────────────────────────────────


@both_forms
def test_arguments_may_be_given_by_keyword(make: Make) -> None:
    mapping = make({})
    mapping.compare_and_set(key="a", expected=NOT_FOUND, updated=1)
    mapping.compare_and_set("a", updated=2, expected=1)
    assert mapping.compare_and_exchange(updated=3, expected=2, key="a") == 2
    assert mapping.get_and_set(key="a", updated=4) == 3
    mapping.compare_and_delete(expected=4, key="a")
    assert contents(mapping) == {}


@both_forms
def test_desired_is_another_keyword_for_updated(make: Make) -> None:
    mapping = make({})
    mapping.compare_and_set(key="a", expected=NOT_FOUND, desired=1)
    mapping.compare_and_set("a", 1, desired=2)
    assert mapping.compare_and_exchange("a", expected=2, desired=3) == 2
    assert mapping.get_and_set("a", desired=4) == 3
    for call in (
        lambda: mapping.compare_and_set("a", 4, 5, desired=6),
        lambda: mapping.compare_and_set("a", 4, updated=5, desired=6),
        lambda: mapping.compare_and_exchange("a", desired=6),
        lambda: mapping.compare_and_delete("a", desired=4),
        lambda: mapping.get_and_set("a"),
    ):
        with pytest.raises(TypeError):
            call()
    assert contents(mapping) == {"a": 4}


@both_forms
def test_no_operation_keeps_or_loses_a_reference(make: Make) -> None:
    stored, expected, updated = Thing(), Thing(), Thing()
    references = [weakref.ref(thing) for thing in (stored, expected, updated)]
    mapping = make({"key": stored})
    for _ in range(10):
        for key in ("key", "absent"):
            with pytest.raises(ExpectationFailed):
                mapping.compare_and_set(key, expected, updated)
            with pytest.raises(ExpectationFailed):
                mapping.compare_and_delete(key, expected)
            mapping.compare_and_exchange(key, expected, updated)
    del expected
    assert references[1]() is None
    assert mapping.compare_and_exchange("key", stored, updated) is stored
    del stored
    assert references[0]() is None
    mapping.compare_and_set("key", updated, updated)
    assert mapping.get_and_set("key", updated) is updated
    del updated
    assert references[2]() is not None
    mapping.compare_and_delete("key", mapping["key"])
    assert references[2]() is None
