# SPDX-License-Identifier: Apache-2.0
"""Copies and pickles are snapshots of the object, and keep everything else as Python does."""

from __future__ import annotations

import copy
import copyreg
import pickle
from typing import Any

import pytest
from cereggii_atomicref import AtomicRef, AtomicRefHandle, AtomicStampedRef

from tools.testing.copying import DEEP, Copy, copy_of_slotted, every_copy, every_deep_copy

from .forms import without_init
from .types_of_refs import held, put


class Named(AtomicRef[Any]):
    def __init__(self, name: str, *, start: object) -> None:
        super().__init__(start)
        self.name = name


class NamedStamped(AtomicStampedRef[Any]):
    def __init__(self, name: str, *, start: object) -> None:
        super().__init__(start, 7)
        self.name = name


class Slotted(AtomicRef[Any]):
    __slots__ = ("name",)


class NamedHandle(AtomicRefHandle[Any]):
    def __init__(self, name: str, ref: AtomicRef[Any]) -> None:
        super().__init__(ref)
        self.name = name


class Node:
    """A plain object, to make cycles with."""

    ref: Any = None


atomics = pytest.mark.parametrize("atomic", [AtomicRef, AtomicStampedRef])
named = pytest.mark.parametrize("subclass", [Named, NamedStamped])


# ── shallow ────────────────────────────────────────────────────────────────────────────────────


@atomics
def test_a_copy_holds_the_very_same_object_and_is_independent(atomic: type[Any]) -> None:
    value = [1]
    instance = atomic(value)
    other = copy.copy(instance)
    assert type(other) is atomic
    assert other is not instance
    assert held(other) is value
    put(other, 7)
    assert held(instance) is value


def test_a_copy_of_a_stamped_ref_keeps_its_stamp() -> None:
    for stamp in (0, 5, -(2**100)):
        for make_copy in (copy.copy, *DEEP.values()):
            stamped: Any = AtomicStampedRef("value", stamp)
            assert make_copy(stamped).get() == ("value", stamp)


def test_a_copy_of_a_handle_is_a_handle_of_a_copy() -> None:
    value = [1]
    handle: AtomicRefHandle[Any] = AtomicRef[Any](value).get_handle()
    other = copy.copy(handle)
    assert type(other) is AtomicRefHandle
    assert other != handle
    assert other.get() is value
    other.set(7)
    assert handle.get() is value


@atomics
def test_a_copy_of_a_ref_to_itself_refers_to_the_original(atomic: type[Any]) -> None:
    instance = atomic()
    put(instance, instance)
    other = copy.copy(instance)
    assert other is not instance
    assert held(other) is instance


# ── deep ───────────────────────────────────────────────────────────────────────────────────────


@every_deep_copy
@atomics
def test_a_deep_copy_copies_the_object_too(make_copy: Copy, atomic: type[Any]) -> None:
    value = [1, {"a": (2, "b")}]
    instance = atomic(value)
    other = make_copy(instance)
    assert type(other) is atomic
    assert held(other) == value
    assert held(other) is not value
    put(other, 7)
    assert held(instance) is value


@every_deep_copy
def test_a_deep_copy_of_a_handle_is_a_handle_of_a_deep_copy(make_copy: Copy) -> None:
    value = [1]
    handle = AtomicRef(value).get_handle()
    other = make_copy(handle)
    assert type(other) is AtomicRefHandle
    assert other.get() == value
    assert other.get() is not value
    other.set(7)
    assert handle.get() is value


@every_deep_copy
@atomics
def test_a_ref_to_itself_is_copied_to_one(make_copy: Copy, atomic: type[Any]) -> None:
    instance = atomic()
    put(instance, instance)
    other = make_copy(instance)
    assert other is not instance
    assert held(other) is other


@every_deep_copy
@atomics
def test_a_cycle_through_a_list_is_copied(make_copy: Copy, atomic: type[Any]) -> None:
    instance = atomic([])
    held(instance).append(instance)
    other = make_copy(instance)
    assert other is not instance
    assert held(other)[0] is other
    in_list = make_copy(held(instance))
    assert held(in_list[0]) is in_list


@every_deep_copy
@atomics
def test_a_cycle_through_an_object_is_copied(make_copy: Copy, atomic: type[Any]) -> None:
    node = Node()
    node.ref = atomic(node)
    other = make_copy(node)
    assert other is not node
    assert held(other.ref) is other
    from_ref = make_copy(node.ref)
    assert held(from_ref).ref is from_ref


@every_deep_copy
def test_a_cycle_through_a_handle_is_copied(make_copy: Copy) -> None:
    handle = AtomicRef().get_handle()
    handle.set(handle)
    other = make_copy(handle)
    assert other != handle
    assert other.get() == other
    assert other.get().get() == other
    other.set("changed")
    assert other.get() == "changed"


@every_deep_copy
@atomics
def test_a_cycle_of_two_is_copied(make_copy: Copy, atomic: type[Any]) -> None:
    first, second = atomic(), atomic()
    put(first, second)
    put(second, first)
    other = make_copy(first)
    assert held(other) is not other
    assert held(held(other)) is other


@every_deep_copy
def test_objects_that_belong_together_are_copied_together(make_copy: Copy) -> None:
    ref = AtomicRef("value")
    first, second = ref.get_handle(), ref.get_handle()
    for group in ([ref, first, second], [first, ref, second], [first, second, ref]):
        others = make_copy(group)
        assert [type(other) for other in others] == [type(member) for member in group]
        others[0].set("changed")
        assert [other.get() for other in others] == ["changed"] * 3
        assert others[0] == others[1] == others[2]
    assert ref.get() == "value"


# ── subclasses ─────────────────────────────────────────────────────────────────────────────────


@every_copy
@named
def test_a_copy_of_a_subclass_keeps_its_attributes(make_copy: Copy, subclass: type[Any]) -> None:
    instance = subclass("hits", start="value")
    instance.extra = [1]
    other = make_copy(instance)
    assert type(other) is subclass
    assert (held(other), other.name, other.extra) == ("value", "hits", [1])
    assert other.get() == instance.get()
    assert (other.extra is instance.extra) == (make_copy is copy.copy)


@every_copy
def test_a_copy_of_a_subclass_with_slots_keeps_them(make_copy: Copy) -> None:
    instance: Any = Slotted("value")
    instance.name = "hits"
    other = copy_of_slotted(make_copy, instance)
    assert other is None or (other.get(), other.name) == ("value", "hits")


@every_copy
def test_a_copy_of_a_handle_subclass_keeps_its_attributes(make_copy: Copy) -> None:
    handle = NamedHandle("mine", AtomicRef("value"))
    other = make_copy(handle)
    assert type(other) is NamedHandle
    assert (other.get(), other.name) == ("value", "mine")
    handle.set("changed")
    assert other.get() == "value"


@every_deep_copy
@named
def test_cycles_through_an_attribute_are_copied(make_copy: Copy, subclass: type[Any]) -> None:
    instance = subclass("loop", start=None)
    instance.itself = instance
    put(instance, instance)
    other = make_copy(instance)
    assert other is not instance
    assert other.itself is other
    assert held(other) is other
    assert other.name == "loop"


@every_deep_copy
def test_cycles_through_a_handle_in_an_attribute_are_copied(make_copy: Copy) -> None:
    instance: Any = Named("loop", start=5)
    instance.handle = instance.get_handle()
    other = make_copy(instance)
    assert other is not instance
    other.set(6)
    assert other.handle.get() == 6
    assert other.handle == other


# ── the rest ───────────────────────────────────────────────────────────────────────────────────


@atomics
def test_an_immortal_object_is_copied_like_any_other(atomic: type[Any]) -> None:
    assert held(copy.copy(atomic(5, immortal=True))) == 5
    assert held(pickle.loads(pickle.dumps(atomic(5, immortal=True)))) == 5


@pytest.mark.parametrize("make_copy", [copy.copy, copy.deepcopy, pickle.dumps])
@pytest.mark.parametrize("kind", [AtomicRef, AtomicRefHandle, AtomicStampedRef])
def test_an_instance_without_init_cannot_be_copied(make_copy: Copy, kind: type[Any]) -> None:
    with pytest.raises(RuntimeError):
        make_copy(without_init(kind))


class Broken:
    def __reduce_ex__(self, protocol: object) -> Any:
        raise LookupError("not to be copied")


@every_deep_copy
@atomics
def test_an_error_while_copying_the_object_propagates(make_copy: Copy, atomic: type[Any]) -> None:
    value = Broken()
    instance = atomic(value)
    with pytest.raises(LookupError):
        make_copy(instance)
    assert held(instance) is value


@every_deep_copy
@named
def test_an_error_while_copying_an_attribute_propagates(
    make_copy: Copy, subclass: type[Any]
) -> None:
    instance = subclass("hits", start=5)
    instance.extra = Broken()
    with pytest.raises(LookupError):
        make_copy(instance)
    assert held(instance) == 5


# ── subclasses that take a hand in it ──────────────────────────────────────────────────────────


class Cooperative(AtomicRef[Any]):
    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)
        self.restored = True


class Frozen(AtomicRef[Any]):
    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{name} cannot be set")

    @property
    def shadowed(self) -> str:
        return "the property"


class Reduced(AtomicRef[Any]):
    def __reduce__(self) -> tuple[Any, ...]:
        return (copyreg.__newobj__, (Reduced, self.get()))  # type: ignore[attr-defined]


class Picky(AtomicRef[Any]):
    def __new__(cls, *arguments: Any, **keywords: Any) -> Picky:
        instance: Picky = super().__new__(cls)
        instance.made_with = (arguments, keywords)
        return instance

    def __getnewargs__(self) -> tuple[Any, ...]:
        return ("picky",)


class PickyByKeyword(Picky):
    def __getnewargs_ex__(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return ("picky",), {"how": "by keyword"}


class StatefulHandle(AtomicRefHandle[Any]):
    def __getstate__(self) -> list[str]:
        return ["state"]

    def __setstate__(self, state: list[str]) -> None:
        self.state = state


class ReducedHandle(AtomicRefHandle[Any]):
    def __reduce__(self) -> tuple[Any, ...]:
        return (ReducedHandle, (AtomicRef("reduced"),))


@every_copy
def test_a_subclass_may_extend_setstate(make_copy: Copy) -> None:
    ref = Cooperative("value")
    ref.a, ref.b = 1, 2
    copied = make_copy(ref)
    assert copied.get() == "value"
    assert vars(copied) == {"a": 1, "b": 2, "restored": True}


@every_copy
def test_attributes_are_restored_past_setattr_and_properties(make_copy: Copy) -> None:
    ref = Frozen("value")
    vars(ref).update(a=1, shadowed=2)
    copied = make_copy(ref)
    assert copied.get() == "value"
    assert vars(copied) == {"a": 1, "shadowed": 2}


@every_copy
def test_a_subclass_may_reduce_itself_to_its_value(make_copy: Copy) -> None:
    copied = make_copy(Reduced("value"))
    assert type(copied) is Reduced
    assert copied.get() == "value"


@every_copy
def test_a_subclass_may_have_arguments_for_new(make_copy: Copy) -> None:
    for picky in (Picky("value"), PickyByKeyword("value")):
        del picky.made_with
        copied = make_copy(picky)
        assert copied.get() == "value"
        assert copied.made_with[0] == ("picky",)


@every_copy
def test_a_handle_subclass_may_have_a_state_of_its_own(make_copy: Copy) -> None:
    copied = make_copy(StatefulHandle(AtomicRef("value")))
    assert copied.get() == "value"
    assert copied.state == ["state"]
    assert make_copy(ReducedHandle(AtomicRef("value"))).get() == "reduced"
