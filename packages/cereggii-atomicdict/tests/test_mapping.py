# SPDX-License-Identifier: Apache-2.0
"""The mapping protocol: the results of a builtin dict, and its errors; only the order is not."""

from __future__ import annotations

import collections
import operator
import types
from collections.abc import Callable
from typing import Any

import pytest
from cereggii_atomicdict import AtomicDict

from tools.testing.matching import MyInt, MyStr, twin

from .mapping_forms import (
    BadEq,
    BadHash,
    BadRepr,
    Collider,
    Make,
    RefusalError,
    Thing,
    both_forms,
    contents,
    handle_of,
    outcome,
)

NAN = float("nan")

START: dict[Any, Any] = {
    1: "one",
    "a": Thing(),
    ("a", 1): ("value",),
    None: None,
    -1: 1.5,
    2**64: b"bytes",
    b"a": NAN,
    NAN: NAN,
    7: [7],
    Collider("x"): Collider("x"),
    MyStr("mine"): MyInt(5),
    "snow \N{SNOWMAN}": Thing,
}

HASHABLE: list[Any] = [
    *START,
    *(True, 1.0, -2, 7.0, 2**61, 2**61 + 6, -(2**61), 0, "", "mine", MyStr("a"), MyInt(1)),
    *(twin(2**64), twin("snow \N{SNOWMAN}"), twin(b"a"), ("a", True), "absent", b"absent"),
    *(("absent", (1, 2)), (), frozenset({1}), float("nan"), Thing(), Thing, 10**40, 1 + 0j),
    *(Collider("x"), Collider("absent"), MyStr("snow \N{SNOWMAN}"), "\ud800", "a\0b"),
]
UNUSABLE: list[Any] = [[], {}, {1}, (1, []), bytearray(b"a"), slice(1, [], 2), BadHash()]

SINGLE: dict[str, Callable[[Any, Any], Any]] = {
    "[]": lambda m, key: m[key],
    "[]=": lambda m, key: operator.setitem(m, key, "new"),
    "del": lambda m, key: operator.delitem(m, key),
    "in": lambda m, key: key in m,
    "not in": lambda m, key: key not in m,
    "get": lambda m, key: m.get(key),
    "get default": lambda m, key: m.get(key, "default"),
    "pop": lambda m, key: m.pop(key),
    "pop default": lambda m, key: m.pop(key, "default"),
    "pop None": lambda m, key: m.pop(key, None),
    "setdefault": lambda m, key: m.setdefault(key),
    "setdefault value": lambda m, key: m.setdefault(key, "default"),
}
every_single = pytest.mark.parametrize("name", SINGLE)


def check(make: Make, start: dict[Any, Any], operation: Callable[[Any], Any]) -> None:
    """The operation does to a mapping of ours what it does to a dict."""
    ours, theirs = make(start), dict(start)
    results = [outcome(operation, ours)], [outcome(operation, theirs)]
    assert results[0] == results[1]  # lists: what is not a number equals itself
    assert contents(ours) == theirs
    # The very same objects, too.
    assert {id(key) for key in ours} == {id(key) for key in theirs}
    assert {id(value) for value in ours.values()} == {id(value) for value in theirs.values()}


# ── one key ────────────────────────────────────────────────────────────────────────────────────


@both_forms
@every_single
def test_every_operation_on_a_key_does_what_it_does_to_a_dict(make: Make, name: str) -> None:
    for key in HASHABLE:
        check(make, START, lambda mapping, key=key: SINGLE[name](mapping, key))  # type: ignore[misc]
        check(make, {}, lambda mapping, key=key: SINGLE[name](mapping, key))  # type: ignore[misc]


@both_forms
@every_single
def test_a_key_that_cannot_be_hashed_is_refused_as_by_a_dict(make: Make, name: str) -> None:
    for key in UNUSABLE:
        check(make, START, lambda mapping, key=key: SINGLE[name](mapping, key))  # type: ignore[misc]


@both_forms
@every_single
def test_a_key_that_cannot_be_compared_changes_nothing(make: Make, name: str) -> None:
    stored = BadEq()
    start = {1: 1, stored: "stored"}
    mapping = make(start)
    for key in (7, Collider("x"), BadEq()):
        with pytest.raises(RefusalError, match="eq"):
            SINGLE[name](mapping, key)
        assert len(mapping) == 2
    check(make, start, lambda mapping: SINGLE[name](mapping, 1))
    check(make, start, lambda mapping: SINGLE[name](mapping, stored))  # itself, uncompared


@both_forms
def test_an_update_keeps_the_key_and_an_insertion_after_a_deletion_does_not(make: Make) -> None:
    first, second = "".join(["so", "me"]), "".join(["so", "me"])
    assert first is not second
    mapping = make({first: 1})
    mapping[second] = 2
    assert next(iter(mapping)) is first
    del mapping[second]
    mapping[second] = 3
    assert next(iter(mapping)) is second


@both_forms
def test_the_key_error_shows_the_key(make: Make) -> None:
    mapping = make({1: 2})
    for key in ("absent", (1, 2), (), (1,), None, list, ""):
        for name in ("[]", "del", "pop"):
            with pytest.raises(KeyError) as caught:
                SINGLE[name](mapping, key)
            assert caught.value.args == (key,)
            assert caught.value.args[0] is key


@both_forms
def test_the_very_objects_come_back(make: Make) -> None:
    key, value, default = "".join(["k", "ey"]), Thing(), Thing()
    mapping = make()
    assert mapping.setdefault(key, value) is value
    assert mapping.setdefault("".join(["k", "ey"]), default) is value
    assert mapping[key] is mapping.get(key) is mapping.get(key, default) is value
    assert mapping.get("absent", default) is mapping.pop("absent", default) is default
    assert mapping.popitem()[0] is key
    mapping[key] = value
    assert mapping.pop(key, default) is value


# ── all keys ───────────────────────────────────────────────────────────────────────────────────


@both_forms
@pytest.mark.parametrize("size", [0, 1, 2, 5, 6, 7, 11, 12, 13, 100, 1000])
def test_a_mapping_of_any_size_has_what_was_put_in(make: Make, size: int) -> None:
    theirs = {key: str(key) for key in range(size)}
    ours = make()
    for key, value in theirs.items():
        ours[key] = value
    assert len(ours) == len(make(theirs)) == size
    assert bool(ours) is bool(theirs)
    assert contents(ours) == contents(make(theirs)) == theirs
    assert sorted(ours) == sorted(ours.keys()) == [*theirs]
    assert sorted(ours.items()) == [*theirs.items()]
    assert sorted(ours.values()) == sorted(theirs.values())
    assert {**ours} == dict(ours) == dict(ours.items()) == theirs
    assert size in range(size) or size not in ours
    assert ours == theirs


@both_forms
def test_popitem_takes_every_item_once(make: Make) -> None:
    theirs = {key: Thing() for key in range(300)}
    ours = make(theirs)
    while theirs:
        item = ours.popitem()
        assert type(item) is tuple
        key, value = item
        assert theirs.pop(key) is value
        assert key not in ours
        assert len(ours) == len(theirs)
    check(make, {}, lambda mapping: mapping.popitem())
    with pytest.raises(KeyError):
        ours.popitem()


@both_forms
def test_popitem_finds_what_is_put_in_behind_it(make: Make) -> None:
    mapping = make(dict.fromkeys(range(50)))
    for key in range(1000, 1300):
        taken, _ = mapping.popitem()
        assert taken not in mapping
        mapping[key] = None
        assert len(mapping) == 50


@both_forms
def test_clear_leaves_an_empty_mapping_that_is_used_on(make: Make) -> None:
    for size in (0, 1, 10, 1000):
        mapping = make(dict.fromkeys(range(size)))
        for _ in range(2):
            assert mapping.clear() is None
            assert (len(mapping), [*mapping], mapping.get(0)) == (0, [], None)
        mapping[0] = "again"
        assert contents(mapping) == {0: "again"}


@both_forms
def test_a_copy_has_the_same_items_and_is_independent(make: Make) -> None:
    for start in ({}, START, dict.fromkeys(range(1000))):
        mapping = make(start)
        copied = mapping.copy()
        assert type(copied) is AtomicDict
        assert contents(copied) == start
        assert {id(value) for value in copied.values()} == {*map(id, start.values())}
        copied["another"] = 1
        mapping["one more"] = 2
        assert copied.keys() ^ mapping.keys() == {"another", "one more"}


@both_forms
def test_a_snapshot_is_a_dict(make: Make) -> None:
    for start in ({}, START, dict.fromkeys(range(1000))):
        mapping = make(start)
        snapshot = mapping.snapshot()
        assert type(snapshot) is dict
        assert snapshot == start
        snapshot["another"] = 1
        assert "another" not in mapping


# ── comparing and showing ──────────────────────────────────────────────────────────────────────


@both_forms
def test_a_mapping_equals_any_mapping_of_the_same_items(make: Make) -> None:
    for start in ({}, {1: "one"}, {"a": Thing(), NAN: NAN, None: [1]}):
        mapping = make(start)
        equal: list[Any] = [
            *(dict(start), AtomicDict(start), handle_of(start), mapping, mapping.copy()),
            *(collections.OrderedDict(start), collections.UserDict(start)),
            *(types.MappingProxyType(start), collections.ChainMap({}, start)),
        ]
        different: list[Any] = [{**start, "more": 1}, {2: "one"}, AtomicDict({1: "two"})]
        different += [[*start.items()], {*start}, None, 5, "text", Thing(), start.items()]
        for other in equal:
            assert mapping == other
            assert other == mapping
            assert (mapping != other) is (other != mapping) is False
        for other in different:
            assert mapping != other
            assert other != mapping
            assert (mapping == other) is (other == mapping) is False


@both_forms
def test_equality_is_that_of_the_values(make: Make) -> None:
    class EqualToAll:
        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            return True

    assert make({1: 1, 2: 2.0}) == {True: True, 2: 2}
    assert make({1: EqualToAll()}) == {1: "anything"}
    assert make({}) == EqualToAll()
    assert make({1: float("nan")}) != {1: float("nan")}
    stored = BadEq()
    assert make({1: stored}) == {1: stored}
    with pytest.raises(RefusalError, match="eq"):
        make({1: BadEq()}) == {1: 7}  # noqa: B015
    with pytest.raises(RefusalError, match="eq"):
        make({BadEq(): 1}) == {7: 1}  # noqa: B015


@both_forms
def test_a_mapping_has_no_order_and_no_hash(make: Make) -> None:
    mapping = make({1: 2})
    for other in (mapping, {1: 2}, 5):
        for compare in (operator.lt, operator.le, operator.gt, operator.ge):
            with pytest.raises(TypeError):
                compare(mapping, other)
    with pytest.raises(TypeError, match="unhashable"):
        hash(mapping)
    with pytest.raises(TypeError):
        reversed(mapping)


def test_repr_shows_the_items() -> None:
    for start in ({}, {1: "one"}, {"a": [1, {}]}, {(1, 2): None}):
        mapping: AtomicDict[Any, Any] = AtomicDict(start)
        assert repr(mapping) == str(mapping) == f"AtomicDict({start!r})"
        assert repr(mapping.get_handle()) == f"AtomicDictHandle(AtomicDict({start!r}))"
    many = {key: str(key) for key in range(500)}
    assert eval(repr(AtomicDict(many)), {"AtomicDict": dict}) == many


@both_forms
def test_an_error_of_a_repr_propagates(make: Make) -> None:
    for start in ({1: BadRepr()}, {BadRepr(): 1}):
        mapping = make(start)
        for _ in range(2):
            with pytest.raises(RefusalError, match="repr"):
                repr(mapping)
        mapping.clear()
        assert "{}" in repr(mapping)
