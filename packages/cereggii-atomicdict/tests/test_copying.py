# SPDX-License-Identifier: Apache-2.0
"""Copies and pickles are snapshots of the items, and keep everything else as Python does."""

from __future__ import annotations

import copy
import gc
import itertools
import weakref
from typing import Any

import pytest
from cereggii_atomicdict import AtomicDict, AtomicDictHandle, _atomicdict

from tools.testing.concurrency import run_threads
from tools.testing.copying import DEEP, Copy, copy_of_slotted, every_copy, every_deep_copy
from tools.testing.matching import MyStr

from .mapping_forms import Thing, contents, handle_of

START: dict[Any, Any] = {1: "one", "a": None, ("t", 1): (2, 3), None: b"b", MyStr("m"): 2**70}


class Named(AtomicDict[Any, Any]):
    def __init__(self, name: str, *, start: Any) -> None:
        super().__init__(start)
        self.name = name


class Slotted(AtomicDict[Any, Any]):
    __slots__ = ("name",)


class NamedHandle(AtomicDictHandle[Any, Any]):
    def __init__(self, name: str, mapping: Any) -> None:
        super().__init__(mapping)
        self.name = name


class Key:
    """A plain object that can be a key, to make cycles with."""

    mapping: Any = None


class Broken:
    def __reduce_ex__(self, protocol: object) -> Any:
        raise LookupError("not to be copied")


class Cooperative(AtomicDict[Any, Any]):
    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)
        self.restored = True


class Frozen(AtomicDict[Any, Any]):
    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)


class Reduced(AtomicDict[Any, Any]):
    def __reduce__(self) -> tuple[Any, ...]:
        return (Reduced, (dict(self),))


class Picky(AtomicDict[Any, Any]):
    def __new__(cls, *arguments: Any) -> Any:
        made = super().__new__(cls)
        made.made_with = arguments
        return made

    def __getnewargs__(self) -> tuple[Any, ...]:
        return ("picky",)


class Overriding(AtomicDict[Any, Any]):
    """Stores something else than it is given, once: not when it is copied."""

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, ("stored", value))


# ── items ──────────────────────────────────────────────────────────────────────────────────────


@every_copy
def test_a_copy_has_the_items_and_is_independent(make_copy: Copy) -> None:
    for start in ({}, START, dict.fromkeys(range(2000), "value")):
        instance = AtomicDict(start)
        other = make_copy(instance)
        assert type(other) is AtomicDict
        assert other is not instance
        assert contents(other) == start
        other["new"] = 1
        instance["also"] = 2
        assert other.keys() ^ instance.keys() == {"new", "also"}


def test_a_shallow_copy_has_the_very_same_objects() -> None:
    key, value = Thing(), [1]
    instance = AtomicDict({key: value})
    other = copy.copy(instance)
    assert next(iter(other)) is key
    assert other[key] is value
    looped: Any = AtomicDict()
    looped["itself"] = looped
    assert copy.copy(looped)["itself"] is looped


@every_deep_copy
def test_a_deep_copy_copies_keys_and_values_too(make_copy: Copy) -> None:
    value = [1, {"a": (2, "b")}]
    instance = AtomicDict({"key": value, "same": value, Key(): 5})
    other = make_copy(instance)
    assert other["key"] == value
    assert other["key"] is not value
    assert other["key"] is other["same"]
    (key,) = [key for key in other if isinstance(key, Key)]
    assert key not in instance
    assert other[key] == 5


@every_copy
def test_a_copy_of_a_handle_is_a_handle_of_a_copy(make_copy: Copy) -> None:
    handle = handle_of(START)
    other = make_copy(handle)
    assert type(other) is AtomicDictHandle
    assert contents(other) == START
    other["new"] = 1
    assert "new" not in handle


# ── cycles ─────────────────────────────────────────────────────────────────────────────────────


@every_deep_copy
def test_cycles_are_copied(make_copy: Copy) -> None:
    instance: Any = AtomicDict()
    instance["itself"] = instance
    other = make_copy(instance)
    assert other is not instance
    assert other["itself"] is other
    instance = AtomicDict(list=[])
    instance["list"].append(instance)
    other = make_copy(instance)
    assert other["list"][0] is other
    in_list = make_copy(instance["list"])
    assert in_list[0]["list"] is in_list
    key = Key()
    key.mapping = AtomicDict({key: key, "key": key})
    other = make_copy(key)
    assert other.mapping["key"] is other
    assert other.mapping[other] is other
    from_mapping = make_copy(key.mapping)
    assert from_mapping["key"].mapping is from_mapping
    assert from_mapping[from_mapping["key"]] is from_mapping["key"]


@every_deep_copy
def test_cycles_through_handles_are_copied(make_copy: Copy) -> None:
    handle: Any = handle_of()
    handle["handle"] = handle
    other = make_copy(handle)
    other["new"] = 1
    assert other["handle"]["new"] == 1
    assert "new" not in handle


@every_deep_copy
def test_objects_that_belong_together_are_copied_together(make_copy: Copy) -> None:
    mapping = AtomicDict({1: 2})
    first, second = mapping.get_handle(), mapping.get_handle()
    for group in ([mapping, first, second], [first, mapping, second], [first, second, mapping]):
        others = make_copy(group)
        assert [type(other) for other in others] == [type(member) for member in group]
        others[0]["new"] = 1
        assert [other["new"] for other in others] == [1, 1, 1]
    assert contents(mapping) == {1: 2}


# ── subclasses ─────────────────────────────────────────────────────────────────────────────────


@every_copy
def test_a_copy_of_a_subclass_keeps_its_attributes(make_copy: Copy) -> None:
    instance: Any = Named("hits", start=START)
    instance.extra = [1]
    other = make_copy(instance)
    assert type(other) is Named
    assert (contents(other), other.name, other.extra) == (START, "hits", [1])
    assert (other.extra is instance.extra) == (make_copy is copy.copy)


@every_copy
def test_a_copy_of_a_subclass_with_slots_keeps_them(make_copy: Copy) -> None:
    instance: Any = Slotted(START)
    instance.name = "hits"
    other = copy_of_slotted(make_copy, instance)
    assert other is None or (contents(other), other.name) == (START, "hits")


@every_copy
def test_a_copy_of_a_handle_subclass_keeps_its_attributes(make_copy: Copy) -> None:
    handle = NamedHandle("mine", AtomicDict(START))
    other = make_copy(handle)
    assert type(other) is NamedHandle
    assert (contents(other), other.name) == (START, "mine")
    handle["new"] = 1
    assert contents(other) == START


@every_deep_copy
def test_cycles_through_an_attribute_are_copied(make_copy: Copy) -> None:
    instance: Any = Named("loop", start=())
    instance.itself = instance["itself"] = instance
    instance.handle = instance.get_handle()
    other = make_copy(instance)
    assert other is not instance
    assert other.itself is other["itself"] is other
    other["new"] = 1
    assert other.handle["new"] == 1


@every_copy
def test_a_subclass_may_take_a_hand_in_it(make_copy: Copy) -> None:
    cooperative: Any = Cooperative(START)
    cooperative.a = 1
    other = make_copy(cooperative)
    assert contents(other) == START
    assert vars(other) == {"a": 1, "restored": True}
    frozen = Frozen(START)
    vars(frozen).update(a=1)
    other = make_copy(frozen)
    assert contents(other) == START
    assert vars(other) == {"a": 1}
    other = make_copy(Reduced(START))
    assert type(other) is Reduced
    assert contents(other) == START
    picky: Any = Picky(START)
    del picky.made_with
    other = make_copy(picky)
    assert contents(other) == START
    assert other.made_with == ("picky",)


@every_copy
def test_items_are_copied_as_they_are_whatever_a_subclass_does_to_store_one(
    make_copy: Copy,
) -> None:
    instance = Overriding()
    instance["a"] = 1
    assert contents(make_copy(instance)) == {"a": ("stored", 1)}


# ── the rest ───────────────────────────────────────────────────────────────────────────────────


@every_deep_copy
def test_an_error_while_copying_propagates(make_copy: Copy) -> None:
    for start in ({"a": Broken()}, {Broken(): "a"}):
        for instance in (AtomicDict(start), handle_of(start), Named("name", start=start)):
            with pytest.raises(LookupError, match="not to be copied"):
                make_copy(instance)
            assert contents(instance) == start
    named: Any = Named("name", start=START)
    named.extra = Broken()
    with pytest.raises(LookupError, match="not to be copied"):
        make_copy(named)


def test_an_immortal_dict_is_copied_like_any_other() -> None:
    instance: Any = AtomicDict(START, immortal=True)
    for make_copy in (copy.copy, *DEEP.values()):
        assert contents(make_copy(instance)) == START


@every_copy
def test_a_dict_that_was_copied_can_be_used_like_any_other(make_copy: Copy) -> None:
    other = make_copy(AtomicDict(dict.fromkeys(range(100))))
    with pytest.raises(RuntimeError, match="AtomicDict"):
        other.__init__()
    for key in range(3000):
        other[key] = key
    for key in range(3000):
        other.compare_and_delete(key, key)
    assert len(other) == 0


# ── the iterator that is pickled ───────────────────────────────────────────────────────────────


def test_a_pickle_has_the_items_of_one_instant() -> None:
    d: AtomicDict[Any, Any] = AtomicDict({i: str(i) for i in range(10_000)})
    items = _atomicdict._items_at_one_instant(d)
    d.clear()
    d["later"] = 1
    assert dict(items) == {i: str(i) for i in range(10_000)}
    assert next(items, None) is None
    assert [*_atomicdict._items_at_one_instant(AtomicDict())] == []
    with pytest.raises(TypeError, match="'no dict'"):
        _atomicdict._items_at_one_instant("no dict")  # type: ignore[arg-type]


def test_items_that_were_not_pickled_are_released() -> None:
    class Value:
        pass

    values = [Value() for _ in range(20_000)]
    references = [weakref.ref(value) for value in values]
    items = _atomicdict._items_at_one_instant(AtomicDict(enumerate(values)))
    values.clear()
    for _ in range(5000):
        next(items)
    del items
    assert not any(reference() for reference in references)


def test_a_cycle_through_what_is_pickled_is_collected() -> None:
    class Value:
        items: Any = None

    value = Value()
    reference = weakref.ref(value)
    value.items = _atomicdict._items_at_one_instant(AtomicDict({1: value, 2: 2}))
    del value
    gc.collect()
    assert reference() is None


@pytest.mark.thread_unsafe(reason="starts threads of its own")
def test_threads_that_pickle_from_one_iterator_get_each_item_once() -> None:
    items = _atomicdict._items_at_one_instant(AtomicDict.fromkeys(range(50_000)))
    taken = run_threads(*[lambda: [*items]] * 4)
    assert sorted(itertools.chain(*taken)) == [(i, None) for i in range(50_000)]
