# SPDX-License-Identifier: Apache-2.0
"""Sets as objects: cycles, identity, repr, subclasses, and what may not be done to their types."""

from __future__ import annotations

import collections.abc
import gc
import operator
import pickle
import types
import typing
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from cereggii_atomicdict import AtomicDict, AtomicSet, AtomicSetHandle

from tools.testing.handles import check_class_of_handle
from tools.testing.interpreters import FREE_THREADED
from tools.testing.lifetimes import (
    check_dies_with_last_reference,
    check_immortal_argument,
    check_usable_when_cleared,
    collected,
    every_wrong_immortal,
    is_immortal,
    where_classes_are_collected,
)
from tools.testing.object_model import (
    check_methods_refuse,
    check_no_attributes,
    check_type_documented,
    check_types_stay_apart,
)

from .mapping_forms import BadRepr, RefusalError, Thing, without_init
from .set_forms import MakeSet, both_sets

TYPES: list[Any] = [AtomicSet, AtomicSetHandle]
every_type = pytest.mark.parametrize("kind", TYPES)


def new(kind: type[Any], start: Any = ()) -> Any:
    return kind(AtomicSet(start) if issubclass(kind, AtomicSetHandle) else start)


# ── construction ───────────────────────────────────────────────────────────────────────────────


def test_a_set_is_made_of_any_iterable() -> None:
    iterables: list[Any] = ["aab", ["a", "b"], {"a": 1, "b": 2}, set("ab"), iter("ab")]
    for iterable in (*iterables, AtomicSet("ab")):
        assert AtomicSet(iterable) == {"a", "b"}
    assert AtomicSet() == AtomicSet(()) == set()
    kind: Any = AtomicSet
    for wrong in (5, None, object()):
        with pytest.raises(TypeError, match="not iterable"):
            kind(wrong)
    for arguments, keywords in (((1, 2), {}), ((), {"iterable": ()}), ((), {"other": 1})):
        with pytest.raises(TypeError):
            kind(*arguments, **keywords)


@every_type
def test_init_succeeds_once(kind: type[Any]) -> None:
    instance = new(kind, [1])
    with pytest.raises(RuntimeError, match=r"__init__\(\) has been called already"):
        instance.__init__(AtomicSet([2]))
    assert instance == {1}


@every_type
def test_an_instance_without_init_is_refused(kind: type[Any]) -> None:
    uses: list[Callable[[Any], Any]] = [
        len, iter, repr, bool, operator.methodcaller("add", 1), operator.methodcaller("pop"),
        lambda s: 1 in s, lambda s: s == set(), lambda s: s | {1}, lambda s: {1} - s,
        lambda s: AtomicSet([1]).update(s), lambda s: AtomicSet([1]) & s,
        lambda s: AtomicSet(s), lambda s: s.get_handle(), lambda s: s.snapshot(),
        pickle.dumps, lambda s: s.fast_iter(), lambda s: s.approx_len(), lambda s: s.__sizeof__(),
    ]  # fmt: skip
    for use in uses:
        with pytest.raises(RuntimeError, match=r"__init__\(\) has not been called"):
            use(without_init(kind))


def test_an_init_that_fails_leaves_what_was_added() -> None:
    instance: Any = without_init(AtomicSet)
    with pytest.raises(TypeError):
        instance.__init__([1, []])
    assert instance == {1}


# ── lifetime ───────────────────────────────────────────────────────────────────────────────────


def test_an_instance_dies_with_its_last_reference() -> None:
    check_dies_with_last_reference(lambda: AtomicSet(range(100)))
    check_dies_with_last_reference(lambda: AtomicSet(range(100)).get_handle())


def test_what_a_set_holds_dies_with_it() -> None:
    things = [Thing() for _ in range(1000)]
    references = [weakref.ref(thing) for thing in things]
    instance: Any = AtomicSet(things)
    things.clear()
    assert all(reference() is not None for reference in references)
    del instance
    assert not any(reference() for reference in references)


def test_the_argument_immortal() -> None:
    assert is_immortal(AtomicSet([1], immortal=True)) is FREE_THREADED
    for immortal in (None, False):
        instance = AtomicSet([1], immortal=immortal)
        assert instance == {1}
        assert not is_immortal(instance)


@every_wrong_immortal
def test_other_values_of_immortal_are_refused(wrong: object) -> None:
    check_immortal_argument(AtomicSet, wrong)


def test_the_collector_sees_every_element_once() -> None:
    for size in (1, 7, 1000):
        things = [Thing() for _ in range(size)]
        instance: Any = AtomicSet(things)
        assert gc.is_tracked(instance)
        found = [id(referent) for referent in gc.get_referents(instance)]
        assert sorted(one for one in found if one in {*map(id, things)}) == sorted(map(id, things))


@every_type
def test_cycles_are_collected(kind: type[Any]) -> None:
    class Element:
        def __init__(self, to: Any) -> None:
            self.to = to

    class Node(kind):  # type: ignore[misc]
        pass

    builders: list[Callable[[Any], Any]] = [
        lambda s: s.add(Element(s)),
        lambda s: s.add(Element(s.get_handle())),
        lambda s: s.add(Element(iter(s))),
        lambda s: s.add(Element(s.fast_iter(2, 0))),
        lambda s: s.update(Element(s) for _ in range(500)),
        lambda s: s.add(Element(AtomicDict({1: s}))),
        lambda s: s.add(Element(s.snapshot())),
        lambda s: setattr(s, "itself", s),
    ]
    for build in builders:
        thing = Thing()
        instance = Node(AtomicSet([1, thing]) if kind is AtomicSetHandle else [1, thing])
        build(instance)
        build(instance)
        references = [weakref.ref(instance), weakref.ref(thing)]
        del instance, thing
        assert all(collected(reference) for reference in references)


def test_a_set_that_the_collector_has_cleared_is_still_usable() -> None:
    class Element:
        to: Any = None

    def make(thing: object) -> Any:
        element = Element()
        instance = AtomicSet([*range(100), element])
        element.to = (instance, thing)
        return instance

    def is_whole(found: Any) -> bool:
        found.add("used")
        return len(found) == len(found.snapshot()) == 102

    check_usable_when_cleared(make, is_whole)


def test_a_snapshot_is_known_to_the_collector() -> None:
    snapshot = AtomicSet([Thing()]).snapshot()
    assert gc.is_tracked(snapshot)


@pytest.mark.thread_unsafe(reason="looks at all objects of the process")
def test_a_snapshot_that_is_not_complete_is_not_found_by_the_collector() -> None:
    class Looking:
        def __init__(self) -> None:
            self.found: list[Any] | None = None

        def __hash__(self) -> int:
            if self.found is not None:
                self.found += [each for each in gc.get_objects() if type(each) is frozenset]
            return 5

    looking = Looking()
    instance = AtomicSet([1, looking, 2])
    looking.found = found = []
    snapshot = instance.snapshot()
    looking.found = None
    assert len(snapshot) == 3
    assert not any(each is snapshot for each in found)


# ── repr and identity ──────────────────────────────────────────────────────────────────────────


def test_repr() -> None:
    class Mine(AtomicSet[Any]):
        pass

    class Element:
        to: Any = None

        def __repr__(self) -> str:
            return f"<{self.to!r}>"

    assert repr(AtomicSet()) == "AtomicSet()"
    assert repr(AtomicSet([1])) == "AtomicSet({1})"
    assert repr(AtomicSet(["a"]).get_handle()) == "AtomicSetHandle(AtomicSet({'a'}))"
    assert repr(Mine([1])) == "Mine({1})"
    assert eval(repr(AtomicSet(range(1000)))) == {*range(1000)}
    element = Element()
    instance: Any = AtomicSet([element])
    element.to = instance
    for _ in range(2):
        assert repr(instance) == "AtomicSet({<AtomicSet(...)>})"
    element.to = None
    with pytest.raises(RefusalError, match="repr"):
        repr(AtomicSet([BadRepr()]))


@both_sets
def test_a_set_has_no_hash(make: MakeSet) -> None:
    with pytest.raises(TypeError, match="unhashable type"):
        hash(make())
    with pytest.raises(TypeError, match="unhashable type"):
        {make()}


def test_a_set_equals_its_handles() -> None:
    instance: Any = AtomicSet([1])
    for left in (instance, instance.get_handle(), AtomicSet([1])):
        for right in (instance, instance.get_handle().get_handle(), AtomicSet([1])):
            assert left == right
            assert (left != right) is False


# ── types ──────────────────────────────────────────────────────────────────────────────────────


def test_abstract_classes_and_generics() -> None:
    for instance in (AtomicSet(), AtomicSet().get_handle()):
        assert isinstance(instance, collections.abc.MutableSet)
        assert not isinstance(instance, collections.abc.Hashable)
    for kind in TYPES:
        assert issubclass(kind, collections.abc.MutableSet)
        alias: Any = kind[int]
        assert isinstance(alias, types.GenericAlias)
        assert typing.get_args(alias) == (int,)


def test_every_method_of_set_is_there() -> None:
    names = {name for name in dir(set) if not name.startswith("_")}
    operators = {f"__{r}{name}__" for name in ("or", "and", "sub", "xor") for r in ("", "r", "i")}
    assert names | operators <= {*dir(AtomicSet)} & {*dir(AtomicSetHandle)}


def test_subclasses() -> None:
    class Named(AtomicSet[Any]):
        def __init__(self, name: str, elements: Any = ()) -> None:
            super().__init__(elements)
            self.name = name

        def __contains__(self, element: object) -> bool:
            return True

        def __iter__(self) -> Any:
            return iter(["overridden"])

    class Slotted(AtomicSet[Any]):
        __slots__ = ("name",)

    named: Any = Named("mine", "ab")
    assert (named.name, len(named), 5 in named) == ("mine", 2, True)
    # As with a subclass of set, its elements are read natively.
    assert AtomicSet(named) == named.snapshot() == {"a", "b"}
    slotted: Any = Slotted("ab")
    slotted.name = "slot"
    with pytest.raises(AttributeError):
        slotted.other = 1
    assert type(named.get_handle()) is AtomicSetHandle


@where_classes_are_collected
@every_type
def test_classes_made_at_run_time_are_collected(kind: type[Any]) -> None:
    class Passing(kind):  # type: ignore[misc]
        pass

    reference = weakref.ref(Passing)
    instance = Passing(AtomicSet() if kind is AtomicSetHandle else ())
    instance.itself = instance
    del Passing, instance
    assert collected(reference)


@every_type
def test_instances_have_no_attributes_of_their_own(kind: type[Any]) -> None:
    check_no_attributes(new(kind))


@every_type
def test_methods_refuse_an_instance_of_another_type(kind: type[Any]) -> None:
    strangers = [5, set(), *(new(other) for other in TYPES if other is not kind)]
    check_methods_refuse(kind, strangers, (0, 1, 2, 3), but_not=["__class_getitem__"])


@every_type
def test_instances_cannot_be_made_or_retyped_behind_our_back(kind: Any) -> None:
    check_types_stay_apart(kind, [*TYPES, set, AtomicDict], lambda: new(kind))
    assert type(without_init(kind)) is kind


@every_type
def test_everything_public_is_documented(kind: type[Any]) -> None:
    check_type_documented(kind, shortest=16)


def test_a_handle_is_an_instance_of_what_it_is_a_handle_of() -> None:
    check_class_of_handle(AtomicSet)


def test_a_handle_needs_a_set() -> None:
    kind: Any = AtomicSetHandle
    for wrong in (5, {1}, AtomicDict({1: 2}), None):
        with pytest.raises(TypeError, match="a handle needs an AtomicSet, not "):
            kind(wrong)


def test_iterators_show_what_they_belong_to() -> None:
    instance = AtomicSet("ab")
    iterator = iter(instance)
    assert type(iterator).__name__ == "AtomicSetIterator"
    assert sorted(pickle.loads(pickle.dumps(iterator))) == ["a", "b"]
    assert iter(iterator) is iterator
    assert type(iter(instance.get_handle())) is type(instance.fast_iter()) is type(iterator)
    assert len([*iterator]) == 2
