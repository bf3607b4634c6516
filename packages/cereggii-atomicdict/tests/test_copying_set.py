# SPDX-License-Identifier: Apache-2.0
"""Copies and pickles of sets are snapshots of the elements, and keep the rest as Python does."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from cereggii_atomicdict import AtomicDict, AtomicSet, AtomicSetHandle, _atomicdict

from tools.testing.copying import DEEP, Copy, copy_of_slotted, every_copy, every_deep_copy

START = [1, "a", ("t", 1), None, b"b", 2**70, frozenset({1})]


class Named(AtomicSet[Any]):
    def __init__(self, name: str, *, start: Any) -> None:
        super().__init__(start)
        self.name = name


class Slotted(AtomicSet[Any]):
    __slots__ = ("name",)


class Cooperative(AtomicSet[Any]):
    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)
        self.restored = True


class Own(AtomicSet[Any]):
    """Its __setstate__ knows its attributes only."""

    def __setstate__(self, state: Any) -> None:
        vars(self).update(state or {}, own=True)


class Element:
    """A plain object, to make cycles with."""

    to: Any = None


class Broken:
    def __reduce_ex__(self, protocol: object) -> Any:
        raise LookupError("not to be copied")


@every_copy
def test_a_copy_has_the_elements_and_is_independent(make_copy: Copy) -> None:
    for start in ([], START, range(3000)):
        instance = AtomicSet(start)
        other = make_copy(instance)
        assert type(other) is AtomicSet
        assert other == {*start}
        other.add("new")
        instance.add("also")
        assert other ^ instance == {"new", "also"}


def test_a_shallow_copy_has_the_very_same_objects() -> None:
    element = Element()
    for copied in (copy.copy(AtomicSet([element])), AtomicSet([element]).copy()):
        assert next(iter(copied)) is element


@every_copy
def test_a_copy_of_a_handle_is_a_handle_of_a_copy(make_copy: Copy) -> None:
    handle = AtomicSet(START).get_handle()
    other = make_copy(handle)
    assert type(other) is AtomicSetHandle
    assert other == {*START}
    other.add("new")
    assert "new" not in handle


@every_deep_copy
def test_cycles_are_copied(make_copy: Copy) -> None:
    element = Element()
    instance = AtomicSet([element, 1])
    element.to = instance
    other = make_copy(instance)
    (copied,) = [each for each in other if each != 1]
    assert copied is not element
    assert copied.to is other
    assert copied in other
    from_element = make_copy(element)
    assert from_element in from_element.to
    element.to = instance.get_handle()
    through_handle = make_copy(element)
    assert through_handle in through_handle.to
    assert type(through_handle.to) is AtomicSetHandle


@every_copy
def test_a_copy_of_a_subclass_keeps_its_attributes(make_copy: Copy) -> None:
    instance: Any = Named("hits", start=START)
    instance.extra = [1]
    other = make_copy(instance)
    assert type(other) is Named
    assert (other, other.name, other.extra) == ({*START}, "hits", [1])
    slotted: Any = Slotted(START)
    slotted.name = "slot"
    other = copy_of_slotted(make_copy, slotted)
    assert other is None or (other, other.name) == ({*START}, "slot")


@every_copy
def test_a_subclass_may_take_a_hand_in_it(make_copy: Copy) -> None:
    cooperative: Any = Cooperative(START)
    cooperative.a = 1
    other = make_copy(cooperative)
    assert other == {*START}
    assert vars(other) == {"a": 1, "restored": True}
    own: Any = Own(START)
    own.a = 1
    other = make_copy(own)
    assert other == {*START}
    assert vars(other) == {"a": 1, "own": True}


@every_deep_copy
def test_an_error_while_copying_propagates(make_copy: Copy) -> None:
    for instance in (AtomicSet([Broken()]), AtomicSet([Broken()]).get_handle()):
        with pytest.raises(LookupError, match="not to be copied"):
            make_copy(instance)
        assert len(instance) == 1


def test_an_immortal_set_is_copied_like_any_other() -> None:
    instance: Any = AtomicSet(START, immortal=True)
    for make_copy in (copy.copy, *DEEP.values()):
        assert make_copy(instance) == {*START}


def test_a_pickle_names_nothing_private_but_how_to_restore() -> None:
    """What is pickled is a list: the helper that makes it is not in the pickle."""
    pickled = pickle.dumps(AtomicSet([1, 2]), 2)
    assert b"_ListOf" not in pickled
    assert pickled.count(b"_copying") == 1


def test_the_iterator_that_is_pickled_has_the_elements_of_one_instant() -> None:
    instance: AtomicSet[Any] = AtomicSet(range(10_000))
    elements: Any = _atomicdict._items_at_one_instant(instance)
    instance.clear()
    instance.add("later")
    assert sorted(elements) == [*range(10_000)]
    assert next(elements, None) is None
    assert [*_atomicdict._items_at_one_instant(AtomicDict({1: 2}))] == [(1, 2)]
    wrong: Any = {1}
    with pytest.raises(TypeError, match="AtomicDict or AtomicSet"):
        _atomicdict._items_at_one_instant(wrong)
