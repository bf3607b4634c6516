# SPDX-License-Identifier: Apache-2.0
"""keys(), values() and items(): live, and with a dict's view's results, errors and operators."""

from __future__ import annotations

import collections.abc
import operator
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from cereggii_atomicdict import AtomicDict

from tools.testing.lifetimes import collected

from .mapping_forms import (
    BadEq,
    BadHash,
    BadRepr,
    Collider,
    Make,
    RefusalError,
    Thing,
    both_forms,
    dict_of,
    handle_of,
    outcome,
)

NAN = float("nan")

VIEWS: dict[str, Callable[[Any], Any]] = {
    "keys": lambda mapping: mapping.keys(),
    "values": lambda mapping: mapping.values(),
    "items": lambda mapping: mapping.items(),
}
every_view = pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
set_views = pytest.mark.parametrize("name", ["keys", "items"])

STARTS: list[dict[Any, Any]] = [
    {},
    {1: "one"},
    {1: "one", 2: "two", "a": NAN, NAN: 3, ("t", 1): None, None: 1, Collider("x"): Thing()},
    dict.fromkeys(range(300), "value"),
]


# ── the contents of a view ─────────────────────────────────────────────────────────────────────


@both_forms
@every_view
def test_a_view_has_what_a_view_of_a_dict_has(make: Make, view: Callable[[Any], Any]) -> None:
    for start in STARTS:
        ours, theirs = view(make(start)), view(start)
        assert len(ours) == len(theirs)
        assert bool(ours) is bool(theirs)
        assert sorted(map(repr, ours)) == sorted(map(repr, theirs))
        assert all(element in ours for element in theirs)
        assert iter(ours) is not iter(ours)
        assert len([*ours]) == len([*ours]) == len(theirs)


@both_forms
def test_a_view_is_live(make: Make) -> None:
    mapping = make({})
    keys, values, items = mapping.keys(), mapping.values(), mapping.items()
    mapping[1] = "one"
    assert ([*keys], [*values], [*items]) == ([1], ["one"], [(1, "one")])
    mapping[1] = "uno"
    assert ([*keys], [*values], [*items]) == ([1], ["uno"], [(1, "uno")])
    assert (1 in keys, "uno" in values, "one" in values, (1, "uno") in items) == (
        *(True, True, False, True),
    )
    del mapping[1]
    assert (len(keys), len(values), len(items)) == (0, 0, 0)
    assert ([*keys], [*values], [*items]) == ([], [], [])
    mapping.update(dict.fromkeys(range(1000)))
    assert (len(keys), len(values), len(items)) == (1000, 1000, 1000)
    mapping.clear()
    assert keys == items == set()


@both_forms
@every_view
def test_membership_is_that_of_a_dicts_view(make: Make, view: Callable[[Any], Any]) -> None:
    elements: list[Any] = [
        *(1, True, 1.0, "one", "a", None, NAN, float("nan"), Collider("x"), ("t", 1), 2**70),
        *((1, "one"), (1.0, "one"), (1, "two"), [1, "one"], (1,), (1, "one", 2), (), "1o"),
        *((NAN, 3), ("a", NAN), ("a", float("nan")), (None, 1), (None, True), ("absent", 1)),
        *([], {}, ([], 1), ([],), BadHash(), (BadHash(), 1), (1, BadEq())),
    ]
    for start in STARTS[1:]:
        ours, theirs = make(start), dict(start)
        for element in elements:
            assert outcome(lambda mapping: element in view(mapping), ours) == outcome(  # noqa: B023
                lambda mapping: element in view(mapping),  # noqa: B023
                theirs,
            )


@both_forms
def test_an_error_of_a_comparison_propagates(make: Make) -> None:
    mapping = make({BadEq(): BadEq()})
    for call in (
        lambda: 7 in mapping.keys(),  # noqa: SIM118
        lambda: 7 in mapping.values(),
        lambda: (7, 1) in mapping.items(),
        lambda: mapping.keys() & {7},
        lambda: mapping.keys() == {7},
    ):
        with pytest.raises(RefusalError, match="eq"):
            call()
    assert len(mapping) == 1


# ── types ──────────────────────────────────────────────────────────────────────────────────────


@both_forms
def test_views_are_views(make: Make) -> None:
    mapping = make({1: 2})
    kinds = {
        "keys": (collections.abc.KeysView, collections.abc.Set, collections.abc.Collection),
        "values": (collections.abc.ValuesView, collections.abc.Collection),
        "items": (collections.abc.ItemsView, collections.abc.Set, collections.abc.Collection),
    }
    for name, expected in kinds.items():
        view = getattr(mapping, name)()
        assert type(view).__name__ == f"AtomicDict{name.title()}"
        for kind in expected:
            assert isinstance(view, kind)
        for other in kinds:
            assert type(view) is type(getattr(mapping, other)()) or name != other
    assert not isinstance(mapping.values(), collections.abc.Set)
    assert not isinstance(mapping.keys(), collections.abc.ValuesView)


@both_forms
@every_view
def test_views_have_no_attributes_of_their_own(make: Make, view: Callable[[Any], Any]) -> None:
    instance = view(make({1: 2}))
    with pytest.raises(AttributeError):
        instance.name = 1
    with pytest.raises(TypeError):
        type(instance)()


def test_repr_lists_the_elements() -> None:
    for start in ({}, {1: "one"}, {("a", 1): [2]}):
        for make in (dict_of, handle_of):
            mapping: Any = make(start)
            assert repr(mapping.keys()) == f"AtomicDictKeys({[*start]!r})"
            assert (
                repr(mapping.values())
                == str(mapping.values())
                == (f"AtomicDictValues({[*start.values()]!r})")
            )
            assert repr(mapping.items()) == f"AtomicDictItems({[*start.items()]!r})"
    many = AtomicDict({key: str(key) for key in range(100)})
    assert repr(many.keys()) == f"AtomicDictKeys({[*many]!r})"
    assert repr(many.values()) == f"AtomicDictValues({[*many.values()]!r})"
    assert repr(many.items()) == f"AtomicDictItems({[*many.items()]!r})"


@both_forms
def test_repr_of_a_view_of_itself_ends_and_errors_propagate(make: Make) -> None:
    mapping = make({})
    mapping[1] = mapping.values()
    for thing in (mapping, mapping.values(), mapping.items()):
        assert "..." in repr(thing)
    mapping[1] = BadRepr()
    for thing in (mapping.values(), mapping.items()):
        for _ in range(2):
            with pytest.raises(RefusalError, match="repr"):
                repr(thing)
    assert repr(mapping.keys()) == "AtomicDictKeys([1])"


# ── set operations ─────────────────────────────────────────────────────────────────────────────

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "-": operator.sub,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "isdisjoint": lambda left, right: left.isdisjoint(right),
}
every_operator = pytest.mark.parametrize("symbol", OPERATORS)

OTHERS: list[Callable[[], Any]] = [
    *(set, lambda: {1, 5}, lambda: {1, 2, 3}, lambda: frozenset({1, 2}), lambda: {(1, "one")}),
    *(
        lambda: [],
        lambda: [1, 1, 7],
        lambda: (1, "one"),
        lambda: "1",
        lambda: iter([1, (1, "one")]),
    ),
    *(lambda: {1: "one"}, lambda: {1: "one", 2: "two"}.keys(), lambda: {1: "one"}.items()),
    *(lambda: {1: "one"}.values(), lambda: AtomicDict({1: "one", 3: "three"})),
    *(lambda: AtomicDict({1: "one"}).keys(), lambda: handle_of({1: "one"}).items()),
    *(lambda: AtomicDict({1: "one"}).values(), lambda: collections.Counter([1])),
    *(lambda: 5, lambda: None, lambda: [[]], lambda: [1, BadHash()], lambda: range(300)),
]


@both_forms
@set_views
@every_operator
def test_operators_do_what_they_do_to_a_dicts_view(make: Make, name: str, symbol: str) -> None:
    operate = OPERATORS[symbol]
    for start in ({}, {1: "one"}, {1: "one", 2: "two"}, dict.fromkeys(range(300), "one")):
        for other in OTHERS:
            ours, theirs = (
                outcome(lambda view: operate(view, other()), getattr(mapping, name)())  # noqa: B023
                for mapping in (make(start), start)
            )
            same_outcome(ours, theirs)
            if symbol != "isdisjoint":
                ours, theirs = (
                    outcome(lambda view: operate(other(), view), getattr(mapping, name)())  # noqa: B023
                    for mapping in (make(start), start)
                )
                same_outcome(ours, theirs)


def same_outcome(ours: Any, theirs: Any) -> None:
    assert type(ours) is type(theirs)
    if type(theirs) is tuple:  # errors; the names of types in the message may be others
        assert ours[0] is theirs[0]
    else:
        assert ours == theirs


@both_forms
def test_items_whose_values_cannot_be_hashed_compare_as_those_of_a_dict(make: Make) -> None:
    for start in ({1: [1]}, {1: {}, 2: 5}):
        for other in ({1: [1]}, {1: [2]}, {1: 5}, {2: 5, 1: {}}):
            for symbol, operate in OPERATORS.items():
                ours = outcome(lambda m: operate(m.items(), make(other).items()), make(start))  # noqa: B023
                theirs = outcome(lambda m: operate(m.items(), other.items()), start)  # noqa: B023
                if symbol not in ("&", "|", "^", "-"):
                    assert ours is theirs
                elif type(ours) is type(theirs) is set:
                    assert ours == theirs
                else:  # it depends on which elements are hashed at all
                    assert TypeError in (ours[:1] if type(ours) is tuple else theirs[:1])
    with pytest.raises(TypeError, match="unhashable"):
        make({1: [1]}).items() | set()


@both_forms
def test_a_set_is_a_new_one(make: Make) -> None:
    mapping = make({1: "one"})
    result = mapping.keys() & mapping.keys()
    result.add(2)
    mapping[3] = "three"
    assert result == {1, 2}
    assert mapping.keys() - mapping.keys() == set()
    assert type(mapping.items() | ()) is set


@both_forms
def test_values_have_no_set_operations(make: Make) -> None:
    values = make({1: 1}).values()
    for symbol in ("&", "|", "^", "-", "<", "<=", ">", ">="):
        for other in ({1}, values, [1]):
            with pytest.raises(TypeError):
                OPERATORS[symbol](values, other)
    assert not hasattr(values, "isdisjoint")
    assert values == values
    assert values != make({1: 1}).values()


@both_forms
@every_view
def test_views_have_no_order_and_hash_as_those_of_a_dict(
    make: Make, view: Callable[[Any], Any]
) -> None:
    ours, theirs = view(make({1: 2})), view({1: 2})
    with pytest.raises(TypeError):
        reversed(ours)
    with pytest.raises(TypeError):
        ours[0]
    assert isinstance(outcome(hash, ours), int) is isinstance(outcome(hash, theirs), int)


# ── life and death ─────────────────────────────────────────────────────────────────────────────


@both_forms
@every_view
def test_a_view_keeps_the_mapping_alive(make: Make, view: Callable[[Any], Any]) -> None:
    thing = Thing()
    reference = weakref.ref(thing)
    instance = view(make({1: thing}))
    del thing
    assert len([*instance]) == 1
    assert reference() is not None
    del instance
    assert reference() is None


@both_forms
@every_view
def test_a_cycle_through_a_view_is_collected(make: Make, view: Callable[[Any], Any]) -> None:
    mapping = make({1: Thing()})
    reference = weakref.ref(mapping[1])
    mapping["view"] = view(mapping)
    mapping["iterator"] = iter(mapping["view"])
    next(mapping["iterator"])
    del mapping
    assert collected(reference)


@both_forms
@every_view
def test_views_can_be_referred_to_weakly(make: Make, view: Callable[[Any], Any]) -> None:
    instance = view(make({1: 2}))
    reference = weakref.ref(instance)
    assert reference() is instance
    del instance
    assert reference() is None
