# SPDX-License-Identifier: Apache-2.0
"""Filling a mapping from another, or from pairs: update, |, |=, fromkeys, and the constructor."""

from __future__ import annotations

import collections
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cereggii_atomicdict import AtomicDict, AtomicDictHandle

from .mapping_forms import (
    BadHash,
    Make,
    RefusalError,
    Thing,
    both_forms,
    contents,
    handle_of,
    outcome,
)

Fill = Callable[..., Any]


def init(mapping: Any, *arguments: Any) -> Any:
    """Construct another mapping of the same type from the arguments: what is in it then."""
    kind: Any = AtomicDict if isinstance(mapping, AtomicDictHandle) else type(mapping)
    made = kind.__new__(kind)
    try:
        made.__init__(*arguments)
    except Exception as error:
        try:
            return type(error), error.args, contents(made)
        except RuntimeError:  # not constructed, so empty
            return type(error), error.args, {}
    return contents(made)


FILL: dict[str, Fill] = {
    "update": lambda m, source: m.update(source),
    "|=": lambda m, source: m.__ior__(source) is m,
    "init": init,
}
every_fill = pytest.mark.parametrize("fill", FILL.values(), ids=FILL)


class OnlyKeys:
    """The least mapping that a dict can be updated from."""

    def __init__(self, items: dict[Any, Any]) -> None:
        self.items_ = items

    def keys(self) -> Any:
        return [*self.items_]

    def __getitem__(self, key: Any) -> Any:
        return self.items_[key]


class Liar(OnlyKeys):
    """Says that its size is another."""

    said: Any = 2**60

    def __len__(self) -> int:
        if isinstance(self.said, Exception):
            raise self.said
        return self.said  # type: ignore[no-any-return]

    __length_hint__ = __len__


class LyingPairs(Liar):
    """Pairs, of another number than it says."""

    keys: Any = property()

    def __iter__(self) -> Iterator[Any]:
        return iter(self.items_.items())


class SubDict(dict[Any, Any]):
    pass


def interrupted(items: Any) -> Iterator[Any]:
    yield from items
    raise RefusalError("half-way")


class Interrupted(OnlyKeys):
    """Has all of its keys, but not all of the values."""

    def __getitem__(self, key: Any) -> Any:
        if key == "broken":
            raise RefusalError("half-way")
        return super().__getitem__(key)


ITEMS = {1: "one", "b": None, ("c",): 3}

SOURCES: dict[str, Callable[[], Any]] = {
    "empty dict": dict,
    "dict": lambda: dict(ITEMS),
    "large dict": lambda: dict.fromkeys(range(2000), "value"),
    "subclass": lambda: SubDict(ITEMS),
    "ordered": lambda: collections.OrderedDict(ITEMS),
    "user dict": lambda: collections.UserDict(ITEMS),
    "proxy": lambda: types.MappingProxyType(ITEMS),
    "atomic": lambda: AtomicDict(ITEMS),
    "handle": lambda: handle_of(ITEMS),
    "keys only": lambda: OnlyKeys(ITEMS),
    "pairs": lambda: [*ITEMS.items()],
    "lists": lambda: ([1, 2], [3, 4]),
    "strings": lambda: ["ab", "cd"],
    "generator": lambda: ((key, key) for key in range(100)),
    "iterators": lambda: [iter((1, 2))],
    "views": lambda: dict(ITEMS).items(),
    "views of ours": lambda: AtomicDict(ITEMS).items(),
    "fast_iter": lambda: AtomicDict(ITEMS).fast_iter(),
    "repeated": lambda: [(1, "first"), (1.0, "second"), (True, "last")],
    "nothing": lambda: (),
    "liar": lambda: Liar(ITEMS),
    "lying pairs": lambda: LyingPairs(ITEMS),
}
every_source = pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)

BROKEN: dict[str, Callable[[], Any]] = {
    "number": lambda: 5,
    "none": lambda: None,
    "type": lambda: int,
    "pairs of one": lambda: [(1, 2), (3,)],
    "pairs of three": lambda: [(1, 2), (3, 4), (5, 6, 7)],
    "text": lambda: "ab",
    "unhashable": lambda: [(1, 2), ([], 3), (4, 5)],
    "bad hash": lambda: [(1, 2), (BadHash(), 3)],
    "interrupted pairs": lambda: interrupted([(1, 2), ("a", 4)]),
    "interrupted mapping": lambda: Interrupted({1: 2, "broken": 3, 4: 5}),
    "missing": lambda: types.SimpleNamespace(keys=lambda: [1]),
    "keys not iterable": lambda: types.SimpleNamespace(keys=lambda: 5),
    "keys not callable": lambda: types.SimpleNamespace(keys=5),
    "keys interrupted": lambda: types.SimpleNamespace(keys=lambda: interrupted([])),
}
every_broken = pytest.mark.parametrize("source", BROKEN.values(), ids=BROKEN)

START = {"a": 1, "b": 2}


# ── update, |= and the constructor ─────────────────────────────────────────────────────────────


@both_forms
@every_fill
@every_source
def test_filling_does_what_it_does_to_a_dict(
    make: Make, fill: Fill, source: Callable[[], Any]
) -> None:
    ours, theirs = make(START), dict(START)
    assert outcome(lambda m: fill(m, source()), ours) == outcome(
        lambda m: fill(m, source()), theirs
    )
    assert contents(ours) == theirs


@both_forms
@every_fill
@every_broken
def test_an_input_that_dict_refuses_is_refused_alike(
    make: Make, fill: Fill, source: Callable[[], Any]
) -> None:
    """Items that were stored before the error stay, as in a dict."""
    ours, theirs = make(START), dict(START)
    assert outcome(lambda m: fill(m, source()), ours) == outcome(
        lambda m: fill(m, source()), theirs
    )
    assert contents(ours) == theirs


@both_forms
@every_fill
def test_an_element_that_is_not_a_sequence_is_a_type_error(make: Make, fill: Fill) -> None:
    for source in ([5], [(1, 2), None], {1, 2}):
        ours, theirs = make(START), dict(START)
        failure, expected = (outcome(lambda m: fill(m, source), m) for m in (ours, theirs))  # noqa: B023
        assert failure[0] is expected[0] is TypeError
        assert failure[2:] == expected[2:]
        assert contents(ours) == theirs


@both_forms
@every_fill
@pytest.mark.parametrize("said", [0, 1, 2**60, -1, RefusalError("size")])
@pytest.mark.parametrize("kind", [Liar, LyingPairs])
def test_a_mapping_that_lies_about_its_size_is_not_believed(
    make: Make, fill: Fill, said: Any, kind: type[Liar]
) -> None:
    ours, theirs = make(START), dict(START)
    results = []
    for mapping in (ours, theirs):
        liar = kind(ITEMS)
        liar.said = said
        results.append(outcome(lambda m, liar=liar: fill(m, liar), mapping))  # type: ignore[misc]
    assert results[0] == results[1]
    assert contents(ours) == theirs


@both_forms
def test_keywords_are_keys(make: Make) -> None:
    ours, theirs = make(START), dict(START)
    mappings: list[Any] = [ours, theirs]
    for mapping in mappings:
        assert mapping.update(a=5, c=6) is None
        mapping.update({"c": 7, 1: 8}, c=9)
        mapping.update([("c", 10)], d=11)
        mapping.update(self=1, other=2, iterable=3, key=4, initial=5, min_size=6, mapping=7)
        mapping.update()
        mapping.update(**{"not an identifier": 1, "": 2})
    assert contents(ours) == theirs


@both_forms
def test_keywords_are_stored_after_the_positional_argument(make: Make) -> None:
    mapping = make({})
    with pytest.raises(RefusalError):
        mapping.update(interrupted([(1, 2)]), a=3)
    assert contents(mapping) == {1: 2}
    wrong: list[Any] = [(1, 2), ({}, {}), ({}, {}, {})]
    for arguments in wrong:
        with pytest.raises(TypeError, match="update"):
            mapping.update(*arguments, a=3)
    assert contents(mapping) == {1: 2}


@both_forms
def test_a_mapping_may_be_filled_from_itself(make: Make) -> None:
    start = {key: Thing() for key in range(300)}
    mapping = make(start)
    mapping.update(mapping)
    mapping.update(mapping.items())
    mapping.update(mapping.get_handle())
    mapping |= mapping
    mapping |= mapping.items()
    assert contents(mapping) == contents(mapping | mapping) == start


@both_forms
def test_a_source_may_be_changed_by_the_mapping_that_it_fills(make: Make) -> None:
    mapping = make({})

    def pairs() -> Iterator[tuple[int, int]]:
        for key in range(500):
            mapping.clear()
            mapping[-key - 1] = key
            yield key, key

    mapping.update(pairs())
    assert contents(mapping) == {-500: 499, 499: 499}


@both_forms
def test_in_place_or_keeps_the_object(make: Make) -> None:
    mapping = same = make(START)
    mapping |= {"b": 3}
    mapping |= [("c", 4)]
    assert mapping is same
    assert contents(mapping) == {"a": 1, "b": 3, "c": 4}


# ── | ──────────────────────────────────────────────────────────────────────────────────────────


@both_forms
def test_or_makes_a_new_dict_in_which_the_right_one_wins(make: Make) -> None:
    left, right = {"a": 1, "b": 2}, {"b": 3, "c": 4}
    for pair in (
        (make(left), make(right)),
        (make(left), right),
        (left, make(right)),
        (make(left), SubDict(right)),
        (AtomicDict(left), make(right)),
        (make(left), AtomicDict(right)),
    ):
        merged = pair[0] | pair[1]
        assert type(merged) is AtomicDict
        assert contents(merged) == left | right
        merged["new"] = 5
        assert (pair[0], pair[1]) == (left, right)


@both_forms
def test_or_with_anything_but_a_mapping_is_a_type_error(make: Make) -> None:
    mapping = make(START)
    for other in (5, None, [("c", 4)], "ab", (), {1}, [*START]):
        with pytest.raises(TypeError, match=r"\|"):
            mapping | other
        with pytest.raises(TypeError, match=r"\|"):
            other | mapping
    assert contents(mapping) == START


@both_forms
def test_or_is_left_to_an_operand_that_knows_better(make: Make) -> None:
    class Knows:
        def __or__(self, other: Any) -> Any:
            return "left"

        def __ror__(self, other: Any) -> Any:
            return "right"

    assert Knows() | make(START) == "left"
    assert make(START) | Knows() == "right"


# ── fromkeys ───────────────────────────────────────────────────────────────────────────────────


def test_fromkeys_does_what_it_does_for_a_dict() -> None:
    value = Thing()
    sources: list[Callable[[], Any]] = [
        *(lambda: [], lambda: "abca", lambda: range(1000), lambda: {1, 2}, lambda: {1: 2}),
        *(lambda: AtomicDict({1: 2}), lambda: handle_of({1: 2}), lambda: (i // 2 for i in (1, 2))),
        *(lambda: 5, lambda: None, lambda: [1, []], lambda: [BadHash()], lambda: interrupted([1])),
    ]
    for source in sources:
        for more in ((), (value,), (None,)):
            ours, theirs = (
                outcome(lambda kind: kind.fromkeys(source(), *more), kind)  # noqa: B023
                for kind in (AtomicDict, dict)
            )
            assert ours == theirs
    assert type(AtomicDict.fromkeys([1])) is AtomicDict
    assert type(AtomicDict().get_handle().fromkeys([1])) is AtomicDict
    assert AtomicDict.fromkeys([1, 2], value)[1] is value
    named: Any = AtomicDict.fromkeys
    assert named(iterable=[1], value=2) == {1: 2}


def test_fromkeys_of_a_subclass_makes_one() -> None:
    class Loud(AtomicDict[Any, Any]):
        def __setitem__(self, key: Any, value: Any) -> None:
            super().__setitem__(key, (value, "stored by the subclass"))

    made = Loud.fromkeys([1, 2], 3)
    assert type(made) is Loud
    assert contents(made) == dict.fromkeys([1, 2], (3, "stored by the subclass"))

    class Proxying(AtomicDict[Any, Any]):
        def __new__(cls) -> Any:
            return collections.UserDict()

    proxied: Any = Proxying.fromkeys([1])
    assert type(proxied) is collections.UserDict
    for arguments in ((), (1, 2, 3)):
        with pytest.raises(TypeError, match="fromkeys"):
            AtomicDict.fromkeys(*arguments)
