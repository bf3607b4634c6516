# SPDX-License-Identifier: Apache-2.0
"""Which objects match: an object matches itself, and exact int, str and bytes also their equals.

Every operation that compares follows the one rule, which `matches` spells out.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from cereggii_atomicref import AtomicRef, AtomicStampedRef
from hypothesis import given
from hypothesis import strategies as st

from tools.testing.matching import MyBytes, MyInt, MyStr, alike, exact, matches, twin

from .forms import (
    EqualToAll,
    Make,
    NeverCompared,
    Thing,
    both_forms,
    handle_of,
    ref_of,
)


def compare_and_set_matches(ref: Any, expected: object) -> bool:
    before = ref.get()
    updated = Thing()
    stored = ref.compare_and_set(expected, updated)
    assert type(stored) is bool
    assert ref.get() is (updated if stored else before)
    return bool(stored)


def compare_and_exchange_matches(ref: Any, expected: object) -> bool:
    before = ref.get()
    updated = Thing()
    assert ref.compare_and_exchange(expected, updated) is before
    stored = ref.get() is updated
    assert stored or ref.get() is before
    return stored


def wait_while_matches(ref: Any, expected: object) -> bool:
    return not ref.wait_while(expected, 0)


def stamped_matches(ref: Any, expected: object) -> bool:
    stamped = AtomicStampedRef(ref.get(), 7)
    updated = Thing()
    stored = stamped.compare_and_set(expected, updated, 7, 8)
    assert type(stored) is bool
    value, stamp = stamped.get()
    assert value is (updated if stored else ref.get())
    assert stamp == (8 if stored else 7)
    return stored


COMPARE: list[Callable[[Any, object], bool]] = [
    compare_and_set_matches,
    compare_and_exchange_matches,
    wait_while_matches,
    stamped_matches,
]
every_comparison = pytest.mark.parametrize("compare", COMPARE)


def check(stored: object, expected: object) -> None:
    for make in (ref_of, handle_of):
        for compare in COMPARE:
            assert compare(make(stored), expected) == matches(stored, expected), (
                compare,
                stored,
                expected,
            )


# ── every pair, and any pair ───────────────────────────────────────────────────────────────────

PAIRWISE: list[Any] = [
    *(None, ..., NotImplemented, True, False, 0, 1, -1, 257, 2**30, 2**62, 2**64, -(2**200)),
    *(0.0, 1.0, -0.0, float("nan"), 1j, 257.0),
    *("", "1", "a", "ab", "ä", "\N{SNOWMAN}", "\U0001f40d", "\ud800", "a\0b", "x" * 5000),
    *(b"", b"1", b"a", b"ab", b"a\0b", b"x" * 5000, bytearray(b"a"), memoryview(b"a")),
    *((), (1,), [], [1], {}, {1: 1}, {1}, frozenset({1}), range(3), int, str, object()),
    *(MyInt(1), MyInt(257), MyStr("a"), MyStr("ab"), MyBytes(b"a"), MyBytes(b"ab")),
    *(EqualToAll(), NeverCompared(), Thing()),
]


def test_every_object_matches_as_the_rule_says() -> None:
    for stored in PAIRWISE:
        for expected in PAIRWISE:
            check(stored, expected)
        if type(stored) in (int, str, bytes):
            check(stored, twin(stored))
            assert matches(stored, twin(stored))


@given(stored=alike, expected=alike)
def test_any_two_objects_match_as_the_rule_says(stored: object, expected: object) -> None:
    check(stored, expected)


@given(value=exact)
def test_equal_ints_strs_and_bytes_match(value: Any) -> None:
    other = twin(value)
    assert type(other) is type(value)
    assert other == value
    check(value, other)


@given(value=exact, data=st.data())
def test_a_small_difference_is_a_difference(value: Any, data: st.DataObject) -> None:
    other: Any
    if type(value) is int:
        other = value ^ (1 << data.draw(st.integers(0, value.bit_length() + 40)))
    else:
        place = data.draw(st.integers(0, len(value)))
        more: Any = "a" if type(value) is str else b"a"
        other = value[:place] + more + value[place + data.draw(st.integers(0, 1)) :]
    check(value, other)


@given(value=exact)
def test_equal_objects_of_other_types_do_not_match(value: Any) -> None:
    subclass: Any = {int: MyInt, str: MyStr, bytes: MyBytes}[type(value)]
    derived = subclass(value)
    check(derived, value)
    check(value, derived)
    check(derived, subclass(value))
    check(derived, derived)


# ── consequences of the rule ───────────────────────────────────────────────────────────────────


@both_forms
@every_comparison
def test_nothing_is_ever_compared_in_python(
    make: Make, compare: Callable[[Any, object], bool]
) -> None:
    assert compare(make(NeverCompared()), NeverCompared()) is False
    assert compare(make(5), NeverCompared()) is False
    assert compare(make(NeverCompared()), "text") is False
    thing = NeverCompared()
    assert compare(make(thing), thing) is True


@both_forms
def test_an_object_matched_by_value_is_itself_returned(make: Make) -> None:
    for stored in (10**20, "some text", b"some bytes"):
        expected = twin(stored)
        assert expected is not stored
        ref = make(stored)
        assert ref.compare_and_exchange(expected, None) is stored
        assert ref.get() is None


@both_forms
def test_an_exchange_for_an_equal_object_stores_the_new_one(make: Make) -> None:
    stored = 10**20
    other = twin(stored)
    ref = make(stored)
    assert ref.compare_and_set(other, other) is True
    assert ref.get() is other


@both_forms
@every_comparison
def test_not_a_number_matches_itself_only(
    make: Make, compare: Callable[[Any, object], bool]
) -> None:
    nan = float("nan")
    assert compare(make(nan), nan) is True
    assert compare(make(nan), float("nan")) is False


@both_forms
@every_comparison
def test_a_number_too_long_to_print_matches_by_value(
    make: Make, compare: Callable[[Any, object], bool]
) -> None:
    assert compare(make(10**10_000), 10**5_000 * 10**5_000) is True
    assert compare(make(10**10_000), 10**10_000 + 1) is False


@pytest.mark.thread_unsafe(reason="other threads' references to True and False are counted, too")
def test_comparing_values_leaves_no_reference_behind() -> None:
    ref, stamped = AtomicRef("text"), AtomicStampedRef("text", 2**70)
    before = sys.getrefcount(True), sys.getrefcount(False)
    for _ in range(1000):
        ref.compare_and_set("".join(["te", "xt"]), "text")
        ref.compare_and_exchange("other", "text")
        ref.wait_while("other")
        stamped.compare_and_set("text", "text", 2**70, 2**70)
        stamped.compare_and_set("text", "text", 2**70 + 1, 2**70)
    after = sys.getrefcount(True), sys.getrefcount(False)
    assert abs(after[0] - before[0]) < 100
    assert abs(after[1] - before[1]) < 100
