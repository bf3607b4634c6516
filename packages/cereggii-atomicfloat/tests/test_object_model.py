# SPDX-License-Identifier: Apache-2.0
"""Life and death of the objects: construction, subclassing, weak references, cycles."""

from __future__ import annotations

import functools
import gc
import sys
import time
import weakref
from typing import Any

import pytest
from cereggii_atomicfloat import (
    AtomicFloat,
    AtomicFloatHandle,
    AtomicFloatSum,
    AtomicFloatSumHandle,
)

from tools.testing.concurrency import run_threads
from tools.testing.handles import check_class_of_handle
from tools.testing.interpreters import FREE_THREADED
from tools.testing.lifetimes import (
    check_dies_with_last_reference,
    check_immortal_argument,
    collected,
    every_wrong_immortal,
    where_classes_are_collected,
)
from tools.testing.object_model import (
    check_methods_refuse,
    check_type_documented,
    check_types_stay_apart,
    errors_of,
)

from .forms import BINARY, IN_PLACE, UNARY

ATOMICS = [AtomicFloat, AtomicFloatSum]
HANDLES = [AtomicFloatHandle, AtomicFloatSumHandle]
TYPES = [*ATOMICS, *HANDLES]

every_atomic = pytest.mark.parametrize("atomic", ATOMICS)
every_type = pytest.mark.parametrize("kind", TYPES)


def new(kind: type[Any], value: int = 5) -> Any:
    """An instance of any of the four types."""
    atomic: Any = (
        AtomicFloat(value) if kind in (AtomicFloat, AtomicFloatHandle) else AtomicFloatSum(value)
    )
    return atomic.get_handle() if kind in HANDLES else atomic


# ── life and death ─────────────────────────────────────────────────────────────────────────────


@every_type
def test_an_object_dies_with_its_last_reference(kind: type[Any]) -> None:
    check_dies_with_last_reference(lambda: new(kind))


@every_atomic
def test_a_subclass_is_finalized_with_its_last_reference(atomic: type[Any]) -> None:
    died: list[int] = []

    class Mortal(atomic):  # type: ignore[misc]
        def __del__(self) -> None:
            died.append(self.get())

    instance = Mortal(5)
    del instance
    assert died == [5]


@every_atomic
def test_a_handle_keeps_its_target_alive(atomic: type[Any]) -> None:
    instance = atomic(5)
    reference = weakref.ref(instance)
    handle = instance.get_handle()
    assert gc.get_referents(handle).count(instance) == 1
    del instance
    assert handle.get() == 5
    assert reference() is not None
    del handle
    assert reference() is None


@every_atomic
def test_a_handle_of_a_handle_keeps_only_the_target_alive(atomic: type[Any]) -> None:
    first = atomic(5).get_handle()
    reference = weakref.ref(first)
    second = first.get_handle()
    del first
    assert reference() is None
    assert second.get() == 5


@every_atomic
def test_cycles_through_a_subclass_are_collected(atomic: type[Any]) -> None:
    class Node(atomic):  # type: ignore[misc]
        pass

    instance = Node(5)
    instance.itself = instance
    reference = weakref.ref(instance)
    del instance
    assert collected(reference)


@every_atomic
def test_cycles_through_a_handle_are_collected(atomic: type[Any]) -> None:
    class Node(atomic):  # type: ignore[misc]
        pass

    instance = Node(5)
    instance.handle = instance.get_handle()
    references = [weakref.ref(instance), weakref.ref(instance.handle)]
    del instance
    assert all(collected(reference) for reference in references)


@pytest.mark.parametrize("handle_type", HANDLES)
def test_cycles_through_a_handle_subclass_are_collected(handle_type: type[Any]) -> None:
    class MyHandle(handle_type):  # type: ignore[misc]
        pass

    instance = MyHandle(new(handle_type))
    instance.itself = instance
    reference = weakref.ref(instance)
    del instance
    assert collected(reference)


@where_classes_are_collected
@every_atomic
def test_classes_made_at_run_time_are_collected(atomic: type[Any]) -> None:
    class Passing(atomic):  # type: ignore[misc]
        pass

    reference = weakref.ref(Passing)
    Passing(1).get_handle().get()
    del Passing
    assert collected(reference)


def test_an_object_may_be_resurrected() -> None:
    saved: list[Phoenix] = []

    class Phoenix(AtomicFloat):
        def __del__(self) -> None:
            saved.append(self)

    Phoenix(5)
    saved[0] += 1
    assert saved[0].get() == 6


# ── construction ───────────────────────────────────────────────────────────────────────────────


@every_atomic
def test_the_initial_value_is_zero_or_what_is_given(atomic: type[Any]) -> None:
    assert atomic().get() == 0
    assert atomic(5).get() == 5
    assert atomic(initial_value=5).get() == 5
    assert atomic(True).get() == 1
    assert atomic(AtomicFloat(5)).get() == 5


@every_atomic
@pytest.mark.parametrize("value", ["1", b"1", 1j, None, [1]])
def test_an_initial_value_that_is_not_a_real_number_is_refused_and_named(
    atomic: type[Any], value: object
) -> None:
    with pytest.raises(TypeError) as caught:
        atomic(value)
    assert repr(value) in str(caught.value)


@every_atomic
@pytest.mark.parametrize("value", [2**1024, -(2**1024)])
def test_an_int_too_large_for_a_float_is_refused_and_named(atomic: type[Any], value: int) -> None:
    with pytest.raises(OverflowError, match=str(value)[:200]):
        atomic(value)


@every_atomic
def test_wrong_constructor_arguments_are_type_errors(atomic: type[Any]) -> None:
    for arguments, keywords in [((1, 2), {}), ((1, True), {}), ((), {"value": 1})]:
        with pytest.raises(TypeError, match=atomic.__name__):
            atomic(*arguments, **keywords)
    with pytest.raises(TypeError):
        atomic(1, initial_value=2)


@pytest.mark.parametrize(("atomic", "handle_type"), [*zip(ATOMICS, HANDLES, strict=True)])
def test_a_handle_is_made_from_its_atomic_or_another_handle(
    atomic: type[Any], handle_type: type[Any]
) -> None:
    instance = atomic(5)
    for target in (instance, instance.get_handle()):
        handle = handle_type(target)
        assert gc.get_referents(handle).count(instance) == 1
    assert handle_type(target=instance).get() == 5
    for wrong in (5, "5", None, new(next(other for other in ATOMICS if other is not atomic))):
        with pytest.raises(TypeError) as caught:
            handle_type(wrong)
        assert repr(wrong) in str(caught.value)
    for arguments in ((), (instance, instance)):
        with pytest.raises(TypeError):
            handle_type(*arguments)
    with pytest.raises(RuntimeError):
        handle_type(atomic.__new__(atomic))


@every_type
def test_init_runs_once_and_leaves_the_value_the_second_time(kind: type[Any]) -> None:
    instance = new(kind)
    for argument in (7, new(kind)):
        with pytest.raises((RuntimeError, TypeError)):
            instance.__init__(argument)
        assert instance.get() == 5
    with pytest.raises(RuntimeError, match=kind.__name__):
        instance.__init__(new(kind) if kind in HANDLES else 7)
    assert instance.get() == 5


@pytest.mark.thread_unsafe(reason="starts threads of its own")
@pytest.mark.usefixtures("switch_often")
@every_type
def test_one_of_two_threads_that_run_init_succeeds(kind: type[Any]) -> None:
    atomic = AtomicFloat if kind in (AtomicFloat, AtomicFloatHandle) else AtomicFloatSum
    instances = [kind.__new__(kind) for _ in range(10_000)]
    arrived = AtomicFloat()
    end = time.monotonic() + 1

    def init(number: int) -> list[bool]:
        argument = atomic(number) if kind in HANDLES else number
        arrivals = arrived.get_handle()
        succeeded = []
        for turn, instance in enumerate(instances, 1):
            arrivals += 1
            while arrivals < 2 * turn:  # a barrier that is left within nanoseconds
                pass
            try:
                instance.__init__(argument)
                succeeded.append(True)
            except RuntimeError:
                succeeded.append(False)
            if time.monotonic() > end:
                arrivals += 2 * len(instances)  # the other one need not wait any more
                break
        return succeeded

    first, second = run_threads(functools.partial(init, 0), functools.partial(init, 1))
    for instance, one, other in zip(instances, first, second, strict=False):
        assert one != other
        assert instance.get() == other


@every_atomic
def test_an_init_that_failed_may_be_tried_again(atomic: type[Any]) -> None:
    instance = atomic.__new__(atomic)
    with pytest.raises(TypeError):
        instance.__init__("5")
    with pytest.raises(RuntimeError):
        instance.get()
    instance.__init__(5)
    assert instance.get() == 5


CONSTRUCTING = {"__new__", "__init__", "__setstate__"}
ALWAYS_REFUSED = {"__ilshift__", "__irshift__", "__iand__", "__ior__", "__ixor__", "__imatmul__"}
# The last but one: see test_a_handle_is_an_instance…; the last: a cache of copyreg's.
NO_MEMBERS = {"__doc__", "__module__", "__class__", "__slotnames__"}
# These are methods of the class: they do not use an instance.
NO_MEMBERS |= {"fromhex", "from_number", "__getformat__", "__array_ufunc__"}
NO_MEMBERS.add("__get_pydantic_core_schema__")
# Comparisons that sums do not have.
ORDERING = {"__lt__", "__le__", "__gt__", "__ge__"}


@every_type
def test_an_instance_without_init_raises_and_never_crashes(kind: type[Any]) -> None:
    own = set(vars(kind)) - CONSTRUCTING - NO_MEMBERS
    for name in own:
        errors = errors_of(kind.__new__(kind), name)
        if name in ORDERING and issubclass(kind, AtomicFloatSum | AtomicFloatSumHandle):
            assert errors <= {None, RuntimeError, TypeError}, name
            continue
        assert errors <= {RuntimeError, TypeError}, name
        assert RuntimeError in errors or name in ALWAYS_REFUSED, name
    for name in set(dir(kind)) - own:
        errors_of(kind.__new__(kind), name)  # inherited from object: whatever it gives


@pytest.mark.parametrize("kind", [AtomicFloat, AtomicFloatHandle])
def test_operators_on_an_instance_without_init_raise(kind: type[Any]) -> None:
    def unready() -> Any:
        return kind.__new__(kind)

    for symbol, operation in BINARY.items():
        for left, right in [(unready(), 3), (3, unready()), (unready(), unready())]:
            with pytest.raises(TypeError if symbol in ("@", "<<", "&") else RuntimeError):
                operation(left, right)
    for name, unary in UNARY.items():
        with pytest.raises(TypeError if name == "~" else RuntimeError):
            unary(unready())
    for unary in (int, float, bool, str, repr, hash, round):
        with pytest.raises(RuntimeError, match=kind.__name__):
            unary(unready())
    for in_place, _ in IN_PLACE.values():
        for left, right in [(unready(), 3), (new(kind), unready()), (unready(), unready())]:
            with pytest.raises(RuntimeError):
                in_place(left, right)
    with pytest.raises(RuntimeError):
        AtomicFloat(unready())
    with pytest.raises(RuntimeError):
        AtomicFloat(3).set(unready())


# ── subclasses and types ───────────────────────────────────────────────────────────────────────


@every_atomic
def test_subclasses_may_take_other_arguments_and_have_attributes(atomic: type[Any]) -> None:
    class Named(atomic):  # type: ignore[misc]
        def __init__(self, name: str, *, start: int) -> None:
            super().__init__(start)
            self.name = name

    instance = original = Named("hits", start=5)
    instance += 1
    assert instance is original
    assert (instance.name, instance.get()) == ("hits", 6)
    assert instance.get_handle().get() == 6
    assert type(instance.get_handle()) is type(atomic().get_handle())


def test_subclasses_may_override_operators() -> None:
    class Modular(AtomicFloat):
        def __add__(self, other: Any) -> Any:
            return (self.get() + other) % 10

    assert Modular(8) + 5 == 3
    assert 5 + Modular(8) == 13


@every_type
def test_methods_refuse_an_instance_of_another_type(kind: type[Any]) -> None:
    strangers = [5, *(new(other) for other in TYPES if other is not kind)]
    check_methods_refuse(kind, strangers, (0, 1, 2))


@every_type
def test_instances_cannot_be_made_or_retyped_behind_our_back(kind: type[Any]) -> None:
    check_types_stay_apart(kind, TYPES, lambda: new(kind))
    if kind in (AtomicFloat, AtomicFloatHandle):
        with pytest.raises(TypeError):
            type("Both", (kind, float), {})


@every_type
def test_everything_public_is_documented(kind: type[Any]) -> None:
    check_type_documented(kind, shortest=1)


# ── immortality ────────────────────────────────────────────────────────────────────────────────


@every_atomic
def test_an_immortal_object_works_and_stays(atomic: type[Any]) -> None:
    instance = atomic(5, immortal=True)
    reference = weakref.ref(instance)
    instance += 1
    if FREE_THREADED:
        assert sys.getrefcount(instance) > 2**28
    del instance
    gc.collect()
    survivor: Any = reference()
    assert survivor.get() == 6
    assert survivor.get_handle().get() == 6


def test_subclasses_may_be_immortal() -> None:
    class Named(AtomicFloat):
        pass

    instance = Named(5, immortal=True)
    instance.name = ["kept"]  # type: ignore[attr-defined]
    reference = weakref.ref(instance)
    del instance
    gc.collect()
    survivor: Any = reference()
    assert (survivor.get(), survivor.name) == (5, ["kept"])


@every_atomic
def test_objects_are_mortal_unless_told_otherwise(atomic: type[Any]) -> None:
    reference = weakref.ref(atomic(5, immortal=False))
    assert reference() is None
    with pytest.raises(TypeError):
        atomic("5", immortal=True)


@every_wrong_immortal
@pytest.mark.parametrize("kind", [AtomicFloat, AtomicFloatSum])
def test_immortal_is_true_false_or_none(kind: Any, wrong: Any) -> None:
    check_immortal_argument(kind, wrong)


@pytest.mark.parametrize("kind", [AtomicFloat, AtomicFloatSum])
def test_a_handle_is_an_instance_of_what_it_is_a_handle_of(kind: type[Any]) -> None:
    check_class_of_handle(kind)
