# SPDX-License-Identifier: Apache-2.0
"""Copies and pickles are snapshots of the value, and keep everything else as Python does."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from cereggii_atomicfloat import (
    AtomicFloat,
    AtomicFloatHandle,
    AtomicFloatSum,
    AtomicFloatSumHandle,
)

from tools.testing.copying import Copy, copy_of_slotted, every_copy, every_deep_copy

from .forms import INF, MAX, NAN

atomics = pytest.mark.parametrize("atomic", [AtomicFloat, AtomicFloatSum])


class Named(AtomicFloat):
    def __init__(self, name: str, *, start: int) -> None:
        super().__init__(start)
        self.name = name


class NamedSum(AtomicFloatSum):
    def __init__(self, name: str, *, start: int) -> None:
        super().__init__(start)
        self.name = name


class Slotted(AtomicFloat):
    __slots__ = ("name",)


class NamedHandle(AtomicFloatHandle):
    def __init__(self, name: str, number: AtomicFloat) -> None:
        super().__init__(number)
        self.name = name


class NamedSumHandle(AtomicFloatSumHandle):
    def __init__(self, name: str, total: AtomicFloatSum) -> None:
        super().__init__(total)
        self.name = name


@every_copy
@pytest.mark.parametrize("value", [0.0, -0.0, 0.1, -1.5, MAX, INF, NAN])
def test_a_copy_of_a_float_has_its_value_and_is_independent(make_copy: Copy, value: float) -> None:
    number = AtomicFloat(value)
    other = make_copy(number)
    assert type(other) is AtomicFloat
    assert other is not number
    assert repr(other.get()) == repr(value)
    other.set(7)
    assert repr(number.get()) == repr(value)


@every_copy
@pytest.mark.parametrize("value", [0.0, 0.1, -1.5, 1e300])
def test_a_copy_of_a_sum_has_its_value_and_is_independent(make_copy: Copy, value: float) -> None:
    total = AtomicFloatSum(value)
    total += 3
    other = make_copy(total)
    assert type(other) is AtomicFloatSum
    assert other.sum() == value + 3
    other.reset()
    assert total.sum() == value + 3


@every_copy
@atomics
def test_a_copy_of_a_handle_is_a_handle_of_a_copy(make_copy: Copy, atomic: type[Any]) -> None:
    handle = atomic(5).get_handle()
    other = make_copy(handle)
    assert type(other) is type(handle)
    handle += 1
    assert other.get() == 5
    other += 3
    assert handle.get() == 6


@every_copy
@pytest.mark.parametrize("subclass", [Named, NamedSum])
def test_a_copy_of_a_subclass_keeps_its_attributes(make_copy: Copy, subclass: type[Any]) -> None:
    instance = subclass("hits", start=5)
    instance.extra = [1]
    other = make_copy(instance)
    assert type(other) is subclass
    assert (other.get(), other.name, other.extra) == (5, "hits", [1])
    assert (other.extra is instance.extra) == (make_copy is copy.copy)


@every_copy
def test_a_copy_of_a_subclass_with_slots_keeps_them(make_copy: Copy) -> None:
    instance = Slotted(5)
    instance.name = "hits"
    other = copy_of_slotted(make_copy, instance)
    assert other is None or (other.get(), other.name) == (5, "hits")


@every_copy
@pytest.mark.parametrize(
    ("subclass", "atomic"), [(NamedHandle, AtomicFloat), (NamedSumHandle, AtomicFloatSum)]
)
def test_a_copy_of_a_handle_subclass_keeps_its_attributes(
    make_copy: Copy, subclass: type[Any], atomic: type[Any]
) -> None:
    handle = subclass("mine", atomic(5))
    other = make_copy(handle)
    assert type(other) is subclass
    assert (other.get(), other.name) == (5, "mine")
    handle += 1
    assert other.get() == 5


@every_deep_copy
@atomics
def test_objects_that_belong_together_are_copied_together(
    make_copy: Copy, atomic: type[Any]
) -> None:
    instance = atomic(5)
    first, second = instance.get_handle(), instance.get_handle()
    for group in ([instance, first, second], [first, instance, second], [first, second, instance]):
        others = make_copy(group)
        assert [type(other) for other in others] == [type(member) for member in group]
        for other in others:
            other += 1
        assert [other.get() for other in others] == [8, 8, 8]
    assert instance.get() == 5


@every_deep_copy
@pytest.mark.parametrize("subclass", [Named, NamedSum])
def test_cycles_are_copied(make_copy: Copy, subclass: type[Any]) -> None:
    instance = subclass("loop", start=5)
    instance.itself = instance
    other = make_copy(instance)
    assert other.itself is other
    assert other.get() == 5


@every_deep_copy
@pytest.mark.parametrize("subclass", [Named, NamedSum])
def test_cycles_through_a_handle_are_copied(make_copy: Copy, subclass: type[Any]) -> None:
    instance = subclass("loop", start=5)
    instance.handle = instance.get_handle()
    other = make_copy(instance)
    assert other is not instance
    other += 1
    assert other.handle.get() == 6


@atomics
def test_an_immortal_object_is_copied_like_any_other(atomic: type[Any]) -> None:
    assert copy.copy(atomic(5, immortal=True)).get() == 5
    assert pickle.loads(pickle.dumps(atomic(5, immortal=True))).get() == 5


@atomics
@pytest.mark.parametrize("make_copy", [copy.copy, copy.deepcopy, pickle.dumps])
def test_an_instance_without_init_cannot_be_copied(make_copy: Copy, atomic: type[Any]) -> None:
    for kind in (atomic, type(atomic().get_handle())):
        with pytest.raises(RuntimeError):
            make_copy(kind.__new__(kind))


@every_copy
def test_an_error_while_copying_propagates(make_copy: Copy) -> None:
    class Broken:
        def __reduce_ex__(self, protocol: object) -> Any:
            raise LookupError("not to be copied")

    if make_copy is copy.copy:
        with pytest.raises(LookupError):
            make_copy(Broken())
        return
    instance = Named("hits", start=5)
    instance.extra = Broken()  # type: ignore[attr-defined]
    with pytest.raises(LookupError):
        make_copy(instance)
    assert instance.get() == 5
