# SPDX-License-Identifier: Apache-2.0
"""Refs as objects: construction, identity, repr, subclasses and types."""

from __future__ import annotations

import gc
import types
import weakref
from typing import Any

import pytest
from cereggii_atomicref import AtomicRef, AtomicRefHandle, AtomicStampedRef

from tools.testing.handles import check_class_of_handle
from tools.testing.lifetimes import collected
from tools.testing.object_model import (
    check_methods_refuse,
    check_no_attributes,
    check_type_documented,
    check_types_stay_apart,
    errors_of,
)

from .forms import Thing, without_init
from .types_of_refs import TYPES, argument_of, every_atomic, every_type, held, new, put

# ── construction ───────────────────────────────────────────────────────────────────────────────


def test_a_handle_is_made_from_its_ref_or_another_handle() -> None:
    kind: Any = AtomicRefHandle
    ref = AtomicRef(5)
    for target in (ref, ref.get_handle(), kind(kind(ref))):
        handle = kind(target)
        assert gc.get_referents(handle).count(ref) == 1
    assert kind(target=ref).get() == 5
    for wrong in (5, "5", None, AtomicRef, AtomicStampedRef()):
        with pytest.raises(TypeError) as caught:
            kind(wrong)
        assert repr(wrong) in str(caught.value)
    for arguments in ((), (ref, ref)):
        with pytest.raises(TypeError):
            kind(*arguments)
    with pytest.raises(RuntimeError):
        kind(AtomicRef.__new__(AtomicRef))
    with pytest.raises(RuntimeError):
        kind(without_init(kind))


@every_type
def test_init_runs_once_and_leaves_the_object_the_second_time(kind: type[Any]) -> None:
    thing = Thing()
    instance = new(kind, thing)
    other = Thing()
    with pytest.raises(RuntimeError, match=kind.__name__):
        instance.__init__(argument_of(kind, other))
    assert held(instance) is thing
    reference = weakref.ref(other)
    del other
    assert reference() is None


def test_an_init_that_failed_may_be_tried_again() -> None:
    stamped: Any = AtomicStampedRef.__new__(AtomicStampedRef)
    with pytest.raises(TypeError):
        stamped.__init__(5, "stamp")
    handle: Any = AtomicRefHandle.__new__(AtomicRefHandle)
    with pytest.raises(TypeError):
        handle.__init__(5)
    for instance, argument in ((stamped, 5), (handle, AtomicRef(5))):
        with pytest.raises(RuntimeError):
            instance.get()
        instance.__init__(argument)
        assert held(instance) == 5


CONSTRUCTING = {"__new__", "__init__", "__setstate__"}
# The last but one: see test_a_handle_is_an_instance…; the last: a cache of copyreg's.
NO_MEMBERS = {"__doc__", "__module__", "__class_getitem__", "__class__", "__slotnames__"}
NO_MEMBERS |= {"__get_pydantic_core_schema__"}  # of the class


@every_type
def test_an_instance_without_init_raises_and_never_crashes(kind: type[Any]) -> None:
    own = set(vars(kind)) - CONSTRUCTING - NO_MEMBERS
    ordering = {"__lt__", "__le__", "__gt__", "__ge__"}
    for name in own:
        errors = errors_of(without_init(kind), name, counts=(0, 1, 2, 4))
        if name in ordering:
            assert errors <= {None, RuntimeError, TypeError}, name
            continue
        assert errors <= {RuntimeError, TypeError}, name
        assert RuntimeError in errors, name
    for name in set(dir(kind)) - own:
        # Inherited from object: whatever it gives.
        errors_of(without_init(kind), name, counts=(0, 1, 2, 4))
    for operation in (repr, str, hash) if kind is not AtomicStampedRef else (repr, str):
        with pytest.raises(RuntimeError, match=kind.__name__):
            operation(without_init(kind))


@every_type
def test_an_instance_without_init_is_collected(kind: type[Any]) -> None:
    class Node(kind):  # type: ignore[misc]
        pass

    instance = Node.__new__(Node)
    instance.itself = instance
    reference = weakref.ref(instance)
    gc.collect()
    assert gc.get_referents(without_init(kind)) in ([kind], [])
    del instance
    assert collected(reference)


# ── identity ───────────────────────────────────────────────────────────────────────────────────


def test_a_ref_equals_its_handles_and_nothing_else() -> None:
    ref: AtomicRef[Any] = AtomicRef(5)
    other: AtomicRef[Any] = AtomicRef(5)
    same: list[Any] = [ref, ref.get_handle(), ref.get_handle().get_handle(), AtomicRefHandle(ref)]
    different: list[Any] = [other, other.get_handle(), 5, None, object(), AtomicStampedRef(5)]
    for left in same:
        for right in same:
            assert left == right
            assert (left != right) is False
            assert hash(left) == hash(right)
        for right in different:
            assert left != right
            assert right != left
            assert (left == right) is False
    assert len({*same}) == 1
    assert len({*same, other}) == 2
    ref.set(other)
    assert len({*same, other}) == 2  # the hash does not change with the object


def test_a_ref_leaves_equality_to_others() -> None:
    class Equal:
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = None  # type: ignore[assignment]

    for ref in (AtomicRef(5), AtomicRef(5).get_handle(), AtomicStampedRef(5)):
        assert ref == Equal()
        assert Equal() == ref


def test_stamped_refs_are_equal_to_themselves_only() -> None:
    first, second = AtomicStampedRef(5, 1), AtomicStampedRef(5, 1)
    assert first == first
    assert first != second
    assert len({first, second, first}) == 2


@every_type
def test_there_is_no_order(kind: type[Any]) -> None:
    instance = new(kind)
    for other in (instance, new(kind), 5):
        for compare in ("__lt__", "__le__", "__gt__", "__ge__"):
            assert getattr(instance, compare)(other) is NotImplemented
        with pytest.raises(TypeError):
            instance < other  # noqa: B015
        with pytest.raises(TypeError):
            instance >= other  # noqa: B015


@every_type
def test_instances_are_true_and_behave_as_no_container(kind: type[Any]) -> None:
    values: list[Any] = [None, 0, "", []]
    for value in values:
        assert new(kind, value)
    for operation in (len, iter, int, list):
        with pytest.raises(TypeError):
            operation(new(kind, [1]))
    with pytest.raises(AttributeError):
        new(kind, "text").upper()


# ── repr ───────────────────────────────────────────────────────────────────────────────────────


def test_repr_shows_the_object() -> None:
    values: list[Any] = [None, 5, "text", [1, "a"], (1,), (1, 2), (), 2**100]
    for value in values:
        ref = AtomicRef(value)
        assert repr(ref) == str(ref) == f"AtomicRef({value!r})"
        assert repr(ref.get_handle()) == f"AtomicRefHandle(AtomicRef({value!r}))"
    assert repr(AtomicRef(AtomicRef(AtomicRef(5)))) == "AtomicRef(AtomicRef(AtomicRef(5)))"


def test_repr_of_a_subclass_shows_its_name() -> None:
    class Mine(AtomicRef[Any]):
        pass

    class MyHandle(AtomicRefHandle[Any]):
        pass

    assert repr(Mine(5)) == "Mine(5)"
    assert repr(Mine(5).get_handle()) == "AtomicRefHandle(Mine(5))"
    assert repr(MyHandle(Mine(5))) == "MyHandle(Mine(5))"


def test_repr_of_a_ref_to_itself_ends() -> None:
    ref: AtomicRef[Any] = AtomicRef()
    ref.set(ref)
    assert repr(ref) == "AtomicRef(AtomicRef(...))"
    assert repr(ref) == "AtomicRef(AtomicRef(...))"
    ref.set([ref])
    assert repr(ref) == "AtomicRef([AtomicRef(...)])"
    assert repr(ref.get()) == "[AtomicRef([...])]"
    handle = ref.get_handle()
    ref.set(handle)
    assert repr(ref) == "AtomicRef(AtomicRefHandle(AtomicRef(...)))"
    assert repr(handle) == "AtomicRefHandle(AtomicRef(AtomicRefHandle(...)))"
    ref.set(AtomicRef(ref))
    assert repr(ref) == "AtomicRef(AtomicRef(AtomicRef(...)))"
    stamped: AtomicStampedRef[Any] = AtomicStampedRef()
    stamped.set(stamped, 3)
    assert repr(stamped) == "AtomicStampedRef(AtomicStampedRef(...), 3)"
    stamped.set(None, 4)
    assert repr(stamped) == "AtomicStampedRef(None, 4)"


@every_type
def test_an_error_of_the_objects_repr_propagates(kind: type[Any]) -> None:
    class Broken:
        def __repr__(self) -> str:
            raise LookupError("no repr")

    instance = new(kind, Broken())
    for _ in range(2):
        with pytest.raises(LookupError, match="no repr"):
            repr(instance)
    put(instance, 5)
    assert "5" in repr(instance)


@every_type
def test_repr_may_change_the_ref(kind: type[Any]) -> None:
    class Changing:
        def __repr__(self) -> str:
            put(instance, None)
            gc.collect()
            return "changed"

    instance = new(kind, Changing())
    assert "changed" in repr(instance)
    assert held(instance) is None


# ── subclasses and types ───────────────────────────────────────────────────────────────────────


@every_type
def test_the_types_are_generic(kind: Any) -> None:
    alias: Any = kind[int]
    assert isinstance(kind[int], types.GenericAlias)
    assert alias.__origin__ is kind
    assert alias.__args__ == (int,)
    assert held(alias(argument_of(kind))) == 5
    assert type(alias(argument_of(kind))) is kind

    class Mine(alias):  # type: ignore[misc]
        pass

    assert held(Mine(argument_of(kind))) == 5
    assert repr(kind[str]) == f"cereggii_atomicref.{kind.__name__}[str]"


@every_atomic
def test_subclasses_may_take_other_arguments_and_have_attributes(atomic: type[Any]) -> None:
    class Named(atomic):  # type: ignore[misc]
        def __init__(self, name: str, *, start: object) -> None:
            super().__init__(start)
            self.name = name

    instance = Named("hits", start=5)
    put(instance, 6)
    assert (instance.name, held(instance)) == ("hits", 6)
    if atomic is AtomicRef:
        assert instance.get_handle().get() == 6
        assert type(instance.get_handle()) is AtomicRefHandle


@every_type
def test_subclasses_may_have_slots(kind: type[Any]) -> None:
    class Slotted(kind):  # type: ignore[misc]
        __slots__ = ("name",)

    instance = Slotted(argument_of(kind))
    instance.name = "hits"
    assert (instance.name, held(instance)) == ("hits", 5)
    with pytest.raises(AttributeError):
        instance.other = 1
    reference = weakref.ref(instance)
    instance.name = instance
    put(instance, instance)
    del instance
    assert collected(reference)


@every_type
def test_instances_have_no_attributes_of_their_own(kind: type[Any]) -> None:
    check_no_attributes(new(kind))


def test_subclasses_may_override_methods() -> None:
    class Doubled(AtomicRef[Any]):
        def get(self) -> Any:
            return super().get() * 2

    assert Doubled(4).get() == 8
    assert Doubled(4).get_and_set(5) == 4


@every_type
def test_methods_refuse_an_instance_of_another_type(kind: type[Any]) -> None:
    strangers = [5, *(new(other) for other in TYPES if other is not kind)]
    check_methods_refuse(kind, strangers, (0, 1, 2, 4), but_not=["__class_getitem__"])


@every_type
def test_instances_cannot_be_made_or_retyped_behind_our_back(kind: Any) -> None:
    check_types_stay_apart(kind, TYPES, lambda: new(kind))


@every_type
def test_everything_public_is_documented(kind: type[Any]) -> None:
    check_type_documented(kind, shortest=16)


def test_a_handle_is_an_instance_of_what_it_is_a_handle_of() -> None:
    check_class_of_handle(AtomicRef)
