# SPDX-License-Identifier: Apache-2.0
"""Set algebra with every kind of set gives what builtin sets give, of the left operand's type."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable
from typing import Any

import pytest
from cereggii_atomicdict import AtomicDict, AtomicSet, AtomicSetHandle

from .mapping_forms import BadEq, RefusalError, without_init
from .set_forms import BUILTIN, ITERABLES, OURS, VIEWS, MakeSet, MySet, both_sets, each_of

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "|": operator.or_,
    "&": operator.and_,
    "-": operator.sub,
    "^": operator.xor,
}
IN_PLACE: dict[str, Callable[[Any, Any], Any]] = {
    "|=": operator.ior,
    "&=": operator.iand,
    "-=": operator.isub,
    "^=": operator.ixor,
}
COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
# Pairs of all relations, with and without common elements.
SMALL: list[list[Any]] = [[], [1], [1, 2], [2, "a"], [1, 2, "a", None], [3, 4]]
PAIRS = [
    *itertools.product(SMALL, SMALL),
    ([*range(500)], [*range(250, 750)]),
    ([*range(10)], [*range(5, 3000)]),
    ([*range(5, 3000)], [*range(10)]),
]


def same_elements(made: Any, expected: set[Any]) -> bool:
    elements = [*made]
    return len(elements) == len(made) and {*elements} == expected


# ── operators ──────────────────────────────────────────────────────────────────────────────────


@both_sets
@each_of("other", OURS, BUILTIN, VIEWS)
@pytest.mark.parametrize("symbol", OPERATORS)
def test_operators_with_any_set(make: MakeSet, other: MakeSet, symbol: str) -> None:
    apply = OPERATORS[symbol]
    for left, right in PAIRS:
        expected = apply({*left}, {*right})
        ours, theirs = make(left), other(right)
        made = apply(ours, theirs)
        assert type(made) is AtomicSet
        assert same_elements(made, expected)
        assert ours == {*left}
        assert {*theirs} == {*right}
        reflected = apply(other(left), make(right))
        assert same_elements(reflected, expected)


@both_sets
@pytest.mark.parametrize("symbol", OPERATORS)
def test_the_left_operand_decides_the_type(make: MakeSet, symbol: str) -> None:
    apply = OPERATORS[symbol]
    for left, kind in (
        (set("ab"), set),
        (frozenset("ab"), frozenset),
        (MySet("ab"), set),  # as with two builtin sets
        (AtomicSet("ab"), AtomicSet),
        (AtomicSet("ab").get_handle(), AtomicSet),
    ):
        assert type(apply(left, make("bc"))) is kind

    class Mine(AtomicSet[Any]):
        pass

    assert type(apply(Mine("ab"), make("bc"))) is AtomicSet
    assert type(Mine("ab").copy()) is AtomicSet


@both_sets
@each_of("other", OURS, BUILTIN, VIEWS)
@pytest.mark.parametrize("symbol", IN_PLACE)
def test_in_place_operators_keep_the_object(make: MakeSet, other: MakeSet, symbol: str) -> None:
    for left, right in PAIRS:
        ours: Any = make(left)
        changed = IN_PLACE[symbol](ours, other(right))
        assert changed is ours
        expected = OPERATORS[symbol[:-1]]({*left}, {*right})
        assert same_elements(ours, expected)


@both_sets
@each_of("other", ITERABLES)
def test_operators_refuse_what_is_no_set(make: MakeSet, other: MakeSet) -> None:
    ours = make("ab")
    for apply in (*OPERATORS.values(), *IN_PLACE.values(), *[*COMPARISONS.values()][2:]):
        with pytest.raises(TypeError, match="supported"):
            apply(ours, other("b"))
    for apply in OPERATORS.values():
        with pytest.raises(TypeError, match="unsupported operand"):
            apply(other("b"), ours)
    assert (ours == other("ab")) is False
    assert (ours != other("ab")) is True
    assert ours == {"a", "b"}


def test_the_same_set_on_both_sides() -> None:
    ours: Any = AtomicSet("abc")
    for left, right in itertools.product([ours, ours.get_handle()], repeat=2):
        assert left | right == left & right == ours
        assert left - right == left ^ right == set()
        assert left == right
        assert left <= right
        assert left >= right
        assert (left != right) is (left < right) is (left > right) is False
        assert left.issubset(right)
        assert left.issuperset(right)
        assert not left.isdisjoint(right)
        left |= right
        left &= right
        left.update(right)
        left.intersection_update(right)
        assert ours == set("abc")
    assert ours.difference(ours, "a") == set()
    for change in (operator.isub, operator.ixor):
        ours = AtomicSet("abc")
        change(ours, ours.get_handle())
        assert ours == set()
        assert ours.isdisjoint(ours)


# ── comparisons ────────────────────────────────────────────────────────────────────────────────


@both_sets
@each_of("other", OURS, BUILTIN, VIEWS)
def test_comparisons_with_any_set(make: MakeSet, other: MakeSet) -> None:
    for left, right in PAIRS:
        for compare in COMPARISONS.values():
            expected = compare({*left}, {*right})
            assert compare(make(left), other(right)) is expected
            assert compare(other(left), make(right)) is expected


@both_sets
def test_comparison_with_what_is_no_set(make: MakeSet) -> None:
    for other in (None, 5, [1], {1: 2}, AtomicDict({1: 2}), "a"):
        assert (make([1]) == other) is (other == make([1])) is False
        assert (make([1]) != other) is (other != make([1])) is True


# ── methods ────────────────────────────────────────────────────────────────────────────────────

NEW_SETS = ("union", "intersection", "difference", "symmetric_difference")
CHANGES = ("update", "intersection_update", "difference_update", "symmetric_difference_update")
QUESTIONS = ("issubset", "issuperset", "isdisjoint")


@both_sets
@each_of("other", OURS, BUILTIN, VIEWS, ITERABLES)
def test_methods_with_any_iterable(make: MakeSet, other: MakeSet) -> None:
    for left, right in PAIRS:
        for name in NEW_SETS:
            made = getattr(make(left), name)(other(right))
            assert type(made) is AtomicSet
            assert same_elements(made, getattr({*left}, name)({*right}))
        for name in CHANGES:
            ours, expected = make(left), {*left}
            assert getattr(ours, name)(other(right)) is None
            getattr(expected, name)({*right})
            assert same_elements(ours, expected)
        for name in QUESTIONS:
            assert getattr(make(left), name)(other(right)) is getattr({*left}, name)({*right})


@both_sets
def test_methods_with_any_number_of_arguments(make: MakeSet) -> None:
    others: list[Any] = [[3, 4], {4, 5}, AtomicSet([3, 4, 6]), iter([4, 7]), {4: 8}]
    for name in (*NEW_SETS[:3], *CHANGES[:3]):
        for count in range(len(others) + 1):
            others[3:4] = [iter([4, 7])]
            ours, expected = make(range(6)), {*range(6)}
            made = getattr(ours, name)(*others[:count])
            others[3:4] = [[4, 7]]
            wanted = getattr(expected, name)(*others[:count])
            assert made == wanted
            assert ours == expected
    for name in (NEW_SETS[3], CHANGES[3], *QUESTIONS):
        for arguments in ((), ([], [])):
            with pytest.raises(TypeError):
                getattr(make(), name)(*arguments)


@both_sets
def test_what_is_no_iterable_is_refused(make: MakeSet) -> None:
    for name in (*NEW_SETS, *CHANGES, *QUESTIONS):
        ours = make("ab")
        with pytest.raises(TypeError, match="not iterable"):
            getattr(ours, name)(5)
        assert ours == set("ab")


@both_sets
def test_an_iterable_that_raises_leaves_what_was_done(make: MakeSet) -> None:
    def failing() -> Any:
        yield "c"
        yield "a"
        raise RefusalError

    after = {"update": "abc", "difference_update": "b", "intersection_update": "ab",
             "symmetric_difference_update": "ab"}  # fmt: skip
    for name, left in after.items():
        ours = make("ab")
        with pytest.raises(RefusalError):
            getattr(ours, name)(failing())
        assert ours == {*left}, name
    for name in (*NEW_SETS, "issubset"):
        ours = make("ab")
        with pytest.raises(RefusalError):
            getattr(ours, name)(failing())
        assert ours == set("ab")


@both_sets
def test_an_eq_that_raises_leaves_the_set_as_it_was(make: MakeSet) -> None:
    bad = [BadEq()]
    comparisons = (operator.eq, operator.ne, operator.le, operator.ge)
    for apply in (*OPERATORS.values(), *IN_PLACE.values(), *comparisons):
        for other in (AtomicSet(bad), {*bad}, frozenset(bad)):
            ours = make([7])
            with pytest.raises(RefusalError):
                apply(ours, other)
            assert ours.snapshot() == {7}
    assert make([7]) != {*bad, 8}  # their sizes differ


def test_operands_that_are_not_constructed_are_refused() -> None:
    for kind in (AtomicSet, AtomicSetHandle):
        empty: Any = without_init(kind)
        for other in ({1}, AtomicSet([1])):
            for apply in (*OPERATORS.values(), *COMPARISONS.values(), *IN_PLACE.values()):
                with pytest.raises(RuntimeError, match=r"__init__\(\) has not been called"):
                    apply(empty, other)
                with pytest.raises(RuntimeError, match=r"__init__\(\) has not been called"):
                    apply(other, empty)
