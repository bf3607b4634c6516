# SPDX-License-Identifier: Apache-2.0
"""The objects as objects: cycles, identity, repr, and what may not be done to their types."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from cereggii_atomicdict import AtomicDict, AtomicDictHandle

from tools.testing.handles import check_class_of_handle
from tools.testing.lifetimes import (
    check_usable_when_cleared,
    collected,
    where_classes_are_collected,
)
from tools.testing.object_model import (
    check_methods_refuse,
    check_no_attributes,
    check_type_documented,
    check_types_stay_apart,
)

from .mapping_forms import Make, Thing, both_forms, without_init

TYPES: list[Any] = [AtomicDict, AtomicDictHandle]
every_type = pytest.mark.parametrize("kind", TYPES)


def argument_of(kind: type[Any], start: Any = ()) -> Any:
    """The argument of the constructor for an instance that holds these items."""
    return AtomicDict(start) if issubclass(kind, AtomicDictHandle) else start


def new(kind: type[Any], start: Any = ()) -> Any:
    return kind(argument_of(kind, start))


# ── cycles ─────────────────────────────────────────────────────────────────────────────────────


def test_the_collector_sees_every_key_and_value_once() -> None:
    for size in (1, 7, 1000):
        things = [Thing() for _ in range(2 * size)]
        mapping: Any = AtomicDict(zip(things[:size], things[size:], strict=True))
        assert gc.is_tracked(mapping)
        found = [id(referent) for referent in gc.get_referents(mapping)]
        assert sorted(set(found) & {*map(id, things)}) == sorted({*map(id, things)})
        assert len([one for one in found if one != id(AtomicDict)]) == 2 * size


@every_type
def test_cycles_are_collected(kind: type[Any]) -> None:
    class Key:
        """A key that refers to another object."""

        def __init__(self, to: Any) -> None:
            self.to = to

    builders: list[Callable[[Any], Any]] = [
        lambda m: m.__setitem__("itself", m),
        lambda m: m.__setitem__("list", [m]),
        lambda m: m.__setitem__(Key(m), 1),
        lambda m: m.__setitem__("handle", m.get_handle()),
        lambda m: m.__setitem__("view", m.items()),
        lambda m: m.__setitem__("iterator", iter(m)),
        lambda m: m.__setitem__("part", m.fast_iter(2, 0)),
        lambda m: m.update((Key(m), m) for _ in range(500)),
        lambda m: m.__setitem__("other", AtomicDict({1: m})),
    ]
    for build in builders:
        instance = new(kind, {1: Thing(), Thing(): 2})
        build(instance)
        references = [weakref.ref(instance), weakref.ref(instance[1])]
        del instance
        assert all(collected(reference) for reference in references)


@every_type
def test_a_cycle_through_an_object_that_is_finalized_is_collected(kind: type[Any]) -> None:
    found: list[object] = []

    class Node:
        mapping: Any = None

        def __del__(self) -> None:
            found.append(self.mapping["node"] is self)
            self.mapping["node"] = "changed"
            found.append(self.mapping["node"])

    node = Node()
    node.mapping = new(kind, {"node": node})
    reference = weakref.ref(node)
    del node
    assert collected(reference)
    assert found == [True, "changed"]


@every_type
def test_an_object_that_the_collector_has_cleared_is_still_usable(kind: type[Any]) -> None:
    """A weak reference callback of what is not garbage may find a dict that is."""

    def make(thing: object) -> Any:
        instance = new(kind, dict.fromkeys(range(100)))
        instance["itself"] = [instance, thing]
        return instance

    def is_whole(found: Any) -> bool:
        found["used"] = len(found)
        whole = found["itself"][0] is found and found["used"] == 101
        return whole and len(found.snapshot()) == 102

    check_usable_when_cleared(make, is_whole)


@every_type
def test_cycles_through_an_attribute_are_collected(kind: type[Any]) -> None:
    class Node(kind):  # type: ignore[misc]
        pass

    class Slotted(kind):  # type: ignore[misc]
        __slots__ = ("itself",)

    for subclass in (Node, Slotted):
        instance: Any = subclass(argument_of(kind))
        instance.itself = instance
        reference = weakref.ref(instance)
        del instance
        assert collected(reference)


# ── identity and repr ──────────────────────────────────────────────────────────────────────────


def test_a_dict_equals_its_handles() -> None:
    mapping: Any = AtomicDict({1: 2})
    same = [mapping, mapping.get_handle(), mapping.get_handle().get_handle(), AtomicDict({1: 2})]
    for left in same:
        for right in same:
            assert left == right
            assert (left != right) is False
    mapping[3] = 4
    assert same[0] == same[1] == same[2] != same[3]


def test_repr_of_a_dict_that_holds_itself_ends() -> None:
    mapping: Any = AtomicDict()
    mapping[1] = mapping
    for _ in range(2):
        assert repr(mapping) == "AtomicDict({1: AtomicDict(...)})"
    assert repr(mapping.get_handle()) == "AtomicDictHandle(AtomicDict({1: AtomicDict(...)}))"
    mapping[1] = [mapping]
    assert repr(mapping) == "AtomicDict({1: [AtomicDict(...)]})"
    mapping[1] = {2: mapping}
    assert repr(mapping) == "AtomicDict({1: {2: AtomicDict(...)}})"
    mapping[1] = handle = mapping.get_handle()
    assert repr(mapping) == "AtomicDict({1: AtomicDictHandle(AtomicDict(...))})"
    assert repr(handle) == "AtomicDictHandle(AtomicDict({1: AtomicDictHandle(...)}))"


def test_repr_of_a_subclass_shows_its_name() -> None:
    class Mine(AtomicDict[Any, Any]):
        pass

    class MyHandle(AtomicDictHandle[Any, Any]):
        pass

    mine = Mine({1: 2})
    assert repr(mine) == "Mine({1: 2})"
    assert repr(mine.get_handle()) == "AtomicDictHandle(Mine({1: 2}))"
    assert repr(MyHandle(mine)) == "MyHandle(Mine({1: 2}))"
    mine[1] = mine
    assert repr(mine) == "Mine({1: Mine(...)})"


@both_forms
def test_repr_may_change_the_dict(make: Make) -> None:
    class Changing:
        def __repr__(self) -> str:
            mapping.clear()
            mapping.update(dict.fromkeys(range(100)))
            gc.collect()
            return "changed"

    mapping = make({key: Changing() for key in range(3)})
    assert "changed" in repr(mapping)
    assert len(mapping) == 100


# ── types ──────────────────────────────────────────────────────────────────────────────────────


@where_classes_are_collected
@every_type
def test_classes_made_at_run_time_are_collected(kind: type[Any]) -> None:
    class Passing(kind):  # type: ignore[misc]
        pass

    reference = weakref.ref(Passing)
    instance = Passing(argument_of(kind))
    instance[1] = instance
    del Passing, instance
    assert collected(reference)


@every_type
def test_instances_have_no_attributes_of_their_own(kind: type[Any]) -> None:
    check_no_attributes(new(kind))


@every_type
def test_methods_refuse_an_instance_of_another_type(kind: type[Any]) -> None:
    strangers = [5, {}, *(new(other) for other in TYPES if other is not kind)]
    check_methods_refuse(kind, strangers, (0, 1, 2, 3), but_not=["__class_getitem__", "fromkeys"])


@every_type
def test_instances_cannot_be_made_or_retyped_behind_our_back(kind: Any) -> None:
    check_types_stay_apart(kind, [*TYPES, dict], lambda: new(kind))
    assert type(without_init(kind)) is kind


@every_type
def test_everything_public_is_documented(kind: type[Any]) -> None:
    check_type_documented(kind, shortest=16, class_methods=["fromkeys"])


def test_a_handle_is_an_instance_of_what_it_is_a_handle_of() -> None:
    check_class_of_handle(AtomicDict)
