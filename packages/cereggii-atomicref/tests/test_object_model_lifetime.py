# SPDX-License-Identifier: Apache-2.0
"""Refs, and what is stored in them, die with the last reference, or are collected in cycles."""

from __future__ import annotations

import gc
import sys
import weakref
from typing import Any

from cereggii_atomicref import AtomicRef, AtomicStampedRef

from tools.testing.lifetimes import (
    check_dies_with_last_reference,
    check_usable_when_cleared,
    collected,
    where_classes_are_collected,
)

from .forms import Thing
from .types_of_refs import argument_of, every_atomic, every_type, held, new, put

# ── life and death ─────────────────────────────────────────────────────────────────────────────


@every_type
def test_an_object_dies_with_its_last_reference(kind: type[Any]) -> None:
    check_dies_with_last_reference(lambda: new(kind))


@every_type
def test_a_stored_object_dies_with_the_ref(kind: type[Any]) -> None:
    thing = Thing()
    reference = weakref.ref(thing)
    instance = new(kind, thing)
    del thing
    assert held(instance) is reference()
    assert reference() is not None
    del instance
    assert reference() is None


@every_atomic
def test_a_subclass_is_finalized_with_its_last_reference(atomic: type[Any]) -> None:
    died: list[object] = []

    class Mortal(atomic):  # type: ignore[misc]
        def __del__(self) -> None:
            died.append(held(self))
            put(self, "last words")

    instance = Mortal("value")
    del instance
    assert died == ["value"]


def test_a_handle_keeps_its_ref_alive() -> None:
    ref = AtomicRef(5)
    reference = weakref.ref(ref)
    handle = ref.get_handle()
    assert gc.get_referents(handle).count(ref) == 1
    del ref
    assert handle.get() == 5
    assert reference() is not None
    del handle
    assert reference() is None


def test_a_handle_of_a_handle_keeps_only_the_ref_alive() -> None:
    first = AtomicRef(5).get_handle()
    reference = weakref.ref(first)
    second = first.get_handle()
    del first
    assert reference() is None
    assert second.get() == 5


def test_an_object_may_be_resurrected() -> None:
    saved: list[Phoenix] = []

    class Phoenix(AtomicRef[Any]):
        def __del__(self) -> None:
            saved.append(self)

    Phoenix(5)
    saved[0].set(6)
    assert saved[0].get() == 6


def test_an_object_dies_after_it_was_replaced_when_nobody_else_has_it() -> None:
    found: list[object] = []

    class Last:
        def __del__(self) -> None:
            found.append(ref.get())
            ref.set("from the finalizer")

    ref: AtomicRef[Any] = AtomicRef(Last())
    ref.set("new")
    assert found == ["new"]
    assert ref.get() == "from the finalizer"


def test_a_long_chain_is_freed() -> None:
    chain: Any = None
    for _ in range(200_000 if sys.version_info >= (3, 14) else 20_000):
        chain = AtomicRef((chain,))
    first = weakref.ref(chain)
    del chain
    assert collected(first)


# ── cycles ─────────────────────────────────────────────────────────────────────────────────────


@every_atomic
def test_the_collector_sees_what_is_stored(atomic: type[Any]) -> None:
    thing = Thing()
    instance = atomic(thing)
    assert gc.is_tracked(instance)
    found = gc.get_referents(instance)
    if atomic is AtomicStampedRef:
        found = [item for pair in found if type(pair) is tuple for item in pair]
    assert found.count(thing) == 1


@every_type
def test_a_ref_to_itself_is_collected(kind: type[Any]) -> None:
    instance = new(kind)
    put(instance, instance)
    reference = weakref.ref(instance)
    del instance
    assert collected(reference)


@every_type
def test_a_cycle_through_a_list_is_collected(kind: type[Any]) -> None:
    instance = new(kind, [Thing()])
    held(instance).append(instance)
    references = [weakref.ref(instance), weakref.ref(held(instance)[0])]
    del instance
    assert all(collected(reference) for reference in references)


@every_type
def test_a_cycle_through_an_object_that_is_finalized_is_collected(kind: type[Any]) -> None:
    found: list[object] = []

    class Node:
        ref: Any = None

        def __del__(self) -> None:
            found.append(held(self.ref) is self)
            put(self.ref, "changed")
            found.append(held(self.ref))

    node = Node()
    node.ref = new(kind, node)
    reference = weakref.ref(node)
    del node
    assert collected(reference)
    assert found == [True, "changed"]


@every_type
def test_an_object_that_the_collector_has_cleared_is_still_usable(kind: type[Any]) -> None:
    """A weak reference callback of what is not garbage may find a ref that is."""

    def make(thing: object) -> Any:
        instance = new(kind)
        put(instance, [instance, thing])
        return instance

    def is_whole(found: Any) -> bool:
        whole = held(found)[0] is found
        put(found, (found, held(found)))
        return whole and held(found)[0] is found

    check_usable_when_cleared(make, is_whole)


@every_type
def test_cycles_through_an_attribute_are_collected(kind: type[Any]) -> None:
    class Node(kind):  # type: ignore[misc]
        pass

    instance = Node(argument_of(kind))
    instance.itself = instance
    reference = weakref.ref(instance)
    del instance
    assert collected(reference)


def test_cycles_through_a_handle_are_collected() -> None:
    class Node(AtomicRef[Any]):
        handle: Any = None

    instance = Node(5)
    instance.handle = instance.get_handle()
    references = [weakref.ref(instance), weakref.ref(instance.handle)]
    del instance
    assert all(collected(reference) for reference in references)
    ref: AtomicRef[Any] = AtomicRef()
    ref.set([ref.get_handle(), ref.get_handle()])
    references = [weakref.ref(ref), *map(weakref.ref, ref.get())]
    del ref
    assert all(collected(reference) for reference in references)


@where_classes_are_collected
@every_atomic
def test_classes_made_at_run_time_are_collected(atomic: type[Any]) -> None:
    class Passing(atomic):  # type: ignore[misc]
        pass

    reference = weakref.ref(Passing)
    held(Passing(1))
    put(instance := Passing(), instance)
    del Passing, instance
    assert collected(reference)
