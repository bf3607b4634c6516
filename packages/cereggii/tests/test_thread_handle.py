# SPDX-License-Identifier: Apache-2.0
"""cereggii.ThreadHandle makes proxies of any object, and is the common type of all handles."""

from __future__ import annotations

import copy
import inspect
import operator
import pickle
import sys
import types
from collections import Counter
from collections.abc import Callable
from typing import Any

import cereggii
import cereggii_atomicref
import pytest
from cereggii import ThreadHandle

from tools.testing.concurrency import run_threads

# ThreadHandle for what type checkers do not know of it.
ANY_HANDLE: Any = ThreadHandle

HANDLES: dict[str, Callable[[], Any]] = {
    "AtomicBoolHandle": lambda: cereggii.AtomicBool().get_handle(),
    "AtomicCounterHandle": lambda: cereggii.AtomicCounter().get_handle(),
    "AtomicDictHandle": lambda: cereggii.AtomicDict().get_handle(),
    "AtomicFloatHandle": lambda: cereggii.AtomicFloat().get_handle(),
    "AtomicFloatSumHandle": lambda: cereggii.AtomicFloatSum().get_handle(),
    "AtomicIntHandle": lambda: cereggii.AtomicInt().get_handle(),
    "AtomicKeyedCounterHandle": lambda: cereggii.AtomicKeyedCounter().get_handle(),
    "AtomicRefHandle": lambda: cereggii.AtomicRef().get_handle(),
    "AtomicSetHandle": lambda: cereggii.AtomicSet().get_handle(),
}
every_handle = pytest.mark.parametrize(("name", "make"), HANDLES.items(), ids=HANDLES)


class Thing:
    """An object that a handle may stand for."""

    limit = 3

    def __init__(self) -> None:
        self.size = 1

    def grow(self, by: int = 1) -> int:
        self.size += by
        return self.size


# ── the common type of all handles ─────────────────────────────────────────────────────────────


def test_no_handle_type_of_the_namespace_is_left_out() -> None:
    names = {name for name in cereggii.__all__ if name.endswith("Handle")}
    assert names == {*HANDLES, "ThreadHandle"}


@every_handle
def test_every_handle_is_a_thread_handle(name: str, make: Any) -> None:
    kind = getattr(cereggii, name)
    handle = make()
    for instance in (handle, handle.get_handle(), copy.copy(handle)):
        assert type(instance) is kind
        assert isinstance(instance, ANY_HANDLE)
    assert issubclass(kind, ANY_HANDLE)


@every_handle
def test_a_handle_of_a_subclass_is_a_thread_handle(name: str, make: Any) -> None:
    kind = getattr(cereggii, name)
    mine = types.new_class("Mine", (kind,))
    assert issubclass(mine, ANY_HANDLE)
    assert isinstance(mine(make()), ANY_HANDLE)


@every_handle
def test_the_atomic_of_a_handle_is_not_a_handle(name: str, make: Any) -> None:
    atomic = getattr(cereggii, name.removesuffix("Handle"))
    assert not issubclass(atomic, ANY_HANDLE)
    assert not isinstance(atomic(), ANY_HANDLE)
    assert not isinstance(atomic, ANY_HANDLE)
    assert isinstance(atomic().get_handle(), ANY_HANDLE)


def test_other_objects_are_not_handles() -> None:
    others: list[Any] = [5, None, "text", [], {}, Thing(), Thing, type, object(), print]
    others += [cereggii.AtomicStampedRef(), cereggii.AtomicEvent(), cereggii.ThreadSet()]
    others += [cereggii.AtomicInt64(5), cereggii.NOT_FOUND, ThreadHandle, cereggii]
    for other in others:
        assert not isinstance(other, ANY_HANDLE)
        assert isinstance(ThreadHandle(other), ANY_HANDLE)
        assert not isinstance(other, ANY_HANDLE)  # is not changed by what it was asked for
    for kind in (int, object, type, Thing, cereggii.AtomicStampedRef, type(ThreadHandle)):
        assert not issubclass(kind, ANY_HANDLE)
    with pytest.raises(TypeError):
        issubclass(5, ANY_HANDLE)  # type: ignore[arg-type]


def test_thread_handles_of_the_other_package_are_thread_handles() -> None:
    native: Any = cereggii_atomicref.ThreadHandle

    class Mine(native):  # type: ignore[misc]
        pass

    assert issubclass(native, ANY_HANDLE)
    assert issubclass(Mine, ANY_HANDLE)
    assert isinstance(native(Thing()), ANY_HANDLE)
    assert isinstance(Mine(Thing()), ANY_HANDLE)
    assert issubclass(ANY_HANDLE, ANY_HANDLE)


@every_handle
def test_a_handle_is_also_an_instance_of_what_it_is_a_handle_of(name: str, make: Any) -> None:
    atomic = getattr(cereggii, name.removesuffix("Handle"))
    handle = make()
    assert isinstance(handle, atomic)
    assert isinstance(handle, getattr(cereggii, name))
    assert isinstance(ThreadHandle(handle), atomic)
    assert type(handle) is getattr(cereggii, name)
    assert not issubclass(type(handle), atomic)


def test_handles_can_be_told_from_their_objects_by_patterns() -> None:
    def kind_of(value: object) -> str:
        match value:
            case ANY_HANDLE():
                return "handle"
            case cereggii.AtomicInt() | cereggii.AtomicKeyedCounter():
                return "atomic"
            case _:
                return "neither"

    for make in (cereggii.AtomicInt, cereggii.AtomicKeyedCounter):
        assert kind_of(make()) == "atomic"
        assert kind_of(make().get_handle()) == "handle"
        assert kind_of(ThreadHandle(make())) == "handle"
    assert kind_of(5) == "neither"


def test_threads_may_ask_at_once() -> None:
    def ask() -> list[bool]:
        found = []
        for make in HANDLES.values():
            for _ in range(20):
                kind = types.new_class("Mine", (type(make()),))  # which nobody has asked about
                found.append(issubclass(kind, ANY_HANDLE))
                found.append(isinstance(kind(make()), ANY_HANDLE))
                found.append(not isinstance(types.new_class("Other")(), ANY_HANDLE))
        return found

    for found in run_threads(ask, ask, ask):
        assert all(found)


# ── proxies ────────────────────────────────────────────────────────────────────────────────────


def test_a_handle_of_any_object_can_be_made() -> None:
    thing = Thing()
    handles: list[Any] = [ANY_HANDLE(thing), ANY_HANDLE(obj=thing), ANY_HANDLE(ANY_HANDLE(thing))]
    for handle in handles:
        assert ThreadHandle.unwrap(handle) is thing
        assert cereggii_atomicref.ThreadHandle.unwrap(handle) is thing
        assert type(handle) is cereggii_atomicref.ThreadHandle


def test_attributes_and_methods_are_those_of_the_object() -> None:
    thing = Thing()
    handle: Any = ThreadHandle(thing)
    assert (handle.size, handle.limit) == (1, 3)
    assert handle.grow() == handle.grow(by=0) == thing.size == 2
    handle.size = 10
    assert thing.size == 10
    del handle.size
    assert not hasattr(thing, "size")
    with pytest.raises(AttributeError, match="nothing"):
        _ = handle.nothing
    assert handle.__class__ is Thing
    assert isinstance(handle, Thing)
    assert handle.__dict__ is thing.__dict__
    assert dir(handle) == dir(thing)


def test_operators_and_protocols_are_those_of_the_object() -> None:
    numbers: Any = ThreadHandle([3, 1, 2])
    assert numbers == [3, 1, 2]
    assert ([3, 1, 2] == numbers) is True  # noqa: SIM300 - the object on the right
    assert numbers != [1, 2, 3]
    assert numbers > [1, 2, 3]
    assert numbers * 2 == [3, 1, 2, 3, 1, 2]
    assert [*numbers] == [*reversed([*reversed(numbers)])] == [3, 1, 2]
    assert (len(numbers), 2 in numbers, 5 in numbers) == (3, True, False)
    assert numbers[0] == 3
    assert numbers[1:] == [1, 2]
    numbers[0] = 30
    del numbers[2]
    numbers += [5]
    assert isinstance(numbers, ANY_HANDLE)
    assert ThreadHandle.unwrap(numbers) == [30, 1, 5]
    assert bool(ThreadHandle([])) is False

    seven: Any = ThreadHandle(7)
    for name in ("add", "sub", "mul", "floordiv", "mod", "pow", "and_", "or_", "xor", "truediv"):
        operation = getattr(operator, name)
        assert operation(seven, 3) == operation(7, 3)
        assert operation(3, seven) == operation(3, 7)
        assert operation(seven, ThreadHandle(3)) == operation(7, 3)
    assert (-seven, abs(seven), ~seven, int(seven), float(seven)) == (-7, 7, -8, 7, 7.0)
    assert hash(seven) == hash(7)
    assert "abcdefgh"[seven] == "h"
    assert f"{seven:03}" == "007"
    assert {seven: 1}[7] == 1

    function: Any = ThreadHandle(max)
    assert function(1, 3, 2) == 3
    assert function([], default=5) == 5
    assert callable(function)
    with pytest.raises(TypeError):
        seven()


def test_atomics_can_be_used_through_a_proxy() -> None:
    shared = cereggii.AtomicInt(5)
    handle: Any = ThreadHandle(shared)
    handle += 1
    assert handle.increment_and_get() == 7
    assert shared.get() == 7
    counts: Any = ThreadHandle(cereggii.AtomicKeyedCounter("aab"))
    counts.update("ab")
    assert counts == Counter("aaabb")
    of_handle: Any = ThreadHandle(shared.get_handle())
    of_handle -= 2
    assert of_handle == shared.get() == 5
    assert isinstance(of_handle, cereggii.AtomicInt)


def test_repr_and_copies_are_those_of_a_handle() -> None:
    items = [[1], "a"]
    handle: Any = ThreadHandle(items)
    assert repr(handle) == "ThreadHandle([[1], 'a'])"
    assert str(handle) == "[[1], 'a']"
    for other in (
        copy.copy(handle),
        copy.deepcopy(handle),
        pickle.loads(pickle.dumps(handle)),
    ):
        assert isinstance(other, ANY_HANDLE)
        assert other == items
        assert ThreadHandle.unwrap(other) is not items


def test_threads_work_through_handles_of_their_own() -> None:
    results: list[int] = []
    shared = cereggii.AtomicInt()

    def work() -> None:
        out: Any = ThreadHandle(results)
        count: Any = ThreadHandle(shared)
        for number in range(300):
            out.append(number)
            count += 1

    run_threads(work, work, work, work)
    assert sorted(results) == sorted([*range(300)] * 4)
    assert shared.get() == 1200


# ── unwrap ─────────────────────────────────────────────────────────────────────────────────────


@every_handle
def test_unwrap_gives_what_a_handle_is_a_handle_of(name: str, make: Any) -> None:
    atomic = getattr(cereggii, name.removesuffix("Handle"))()
    handle = atomic.get_handle()
    subclass = types.new_class("Mine", (type(handle),))
    for of_atomic in (handle, handle.get_handle(), type(handle)(atomic), subclass(handle)):
        assert ANY_HANDLE.unwrap(of_atomic) is atomic
    assert ANY_HANDLE.unwrap(ThreadHandle(handle)) is handle
    assert ANY_HANDLE.unwrap(ThreadHandle(atomic)) is atomic
    with pytest.raises(TypeError, match=r"unwrap\(\) needs a ThreadHandle, not "):
        ANY_HANDLE.unwrap(atomic)


@every_handle
def test_unwrap_of_a_subclass_asks_no_method_of_it(name: str, make: Any) -> None:
    def fail(*arguments: Any) -> Any:
        raise AssertionError

    handle = make()
    refusing = dict.fromkeys(("__getnewargs__", "__getattribute__", "__reduce_ex__"), fail)
    mine = types.new_class("Mine", (type(handle),), {}, lambda names: names.update(refusing))
    assert ANY_HANDLE.unwrap(mine(handle)) is ANY_HANDLE.unwrap(handle)


@every_handle
def test_unwrap_refuses_a_handle_that_is_not_constructed(name: str, make: Any) -> None:
    kind = type(make())
    with pytest.raises(RuntimeError, match="has not been called"):
        ANY_HANDLE.unwrap(kind.__new__(kind))


@pytest.mark.parametrize("name", ["AtomicRefHandle", "AtomicBoolHandle"])
def test_the_proxy_of_the_other_package_knows_its_own_handles(name: str) -> None:
    atomic = getattr(cereggii, name.removesuffix("Handle"))()
    unwrap: Any = cereggii_atomicref.ThreadHandle.unwrap
    handle = atomic.get_handle()
    assert unwrap(handle) is unwrap(types.new_class("Mine", (type(handle),))(handle)) is atomic


@pytest.mark.parametrize(
    "value", [5, None, "text", Thing, ThreadHandle, cereggii.AtomicIntHandle, [1]], ids=repr
)
def test_unwrap_names_what_it_refuses(value: Any) -> None:
    with pytest.raises(TypeError) as refused:
        ANY_HANDLE.unwrap(value)
    assert repr(value) in str(refused.value)


def test_unwrap_leaves_no_references_behind() -> None:
    for make in HANDLES.values():
        handle = make()
        atomic = ANY_HANDLE.unwrap(handle)
        before = sys.getrefcount(atomic)
        for _ in range(100):
            ANY_HANDLE.unwrap(handle)
        assert sys.getrefcount(atomic) == before


# ── the type itself ────────────────────────────────────────────────────────────────────────────


def test_a_subclass_is_derived_from_the_proxy() -> None:
    class Loud(ANY_HANDLE):  # type: ignore[misc]
        __slots__ = ("note",)

        def __init__(self, obj: Any, note: str = "hey") -> None:
            super().__init__(obj)
            self.note = note

        def shout(self) -> str:
            return f"{self.note} {self}!"

    class Mixin:
        def whisper(self) -> str:
            return "..."

    class Quiet(Mixin, Loud):
        limit = 5

    class First(Mixin, ANY_HANDLE):  # type: ignore[misc]
        pass

    handle = Quiet([1], note="ho")
    assert handle.shout() == "ho [1]!"
    assert handle.whisper() == First(5).whisper() == "..."
    assert handle.limit == 5
    handle.append(2)
    assert handle == [1, 2]
    assert ThreadHandle.unwrap(handle) == [1, 2]
    assert type(copy.copy(handle)) is Quiet
    assert Loud.__mro__ == (Loud, cereggii_atomicref.ThreadHandle, object)
    assert Loud.__qualname__.endswith("Loud")
    assert Loud.__module__ == __name__
    for kind in (Loud, Quiet, First):
        assert issubclass(kind, ANY_HANDLE)
        assert issubclass(kind, cereggii_atomicref.ThreadHandle)
        assert isinstance(kind(5), ANY_HANDLE)
        assert not isinstance(5, kind)
        assert not isinstance(ThreadHandle(5), kind)
        assert not isinstance(cereggii.AtomicInt().get_handle(), kind)


def test_generic_subscription_gives_an_alias_that_makes_handles() -> None:
    thing = Thing()
    alias: Any = ANY_HANDLE[Thing]
    assert alias.__args__ == (Thing,)
    assert alias.__origin__ is cereggii_atomicref.ThreadHandle
    assert isinstance(alias(thing), ANY_HANDLE)
    assert ThreadHandle.unwrap(alias(thing)) is thing
    mine = types.new_class("Mine", (alias,))
    assert isinstance(mine(thing), ANY_HANDLE)
    assert mine(thing).size == 1


def test_wrong_arguments_are_refused() -> None:
    calls: list[Callable[[], Any]] = [
        ANY_HANDLE,
        lambda: ANY_HANDLE(1, 2),
        lambda: ANY_HANDLE(target=1),
        lambda: ANY_HANDLE(1, obj=1),
        ANY_HANDLE.unwrap,
        lambda: ANY_HANDLE.unwrap(5),
        lambda: ANY_HANDLE.unwrap(Thing()),
        lambda: ANY_HANDLE.unwrap(ThreadHandle),
        lambda: ANY_HANDLE.unwrap(cereggii.AtomicInt()),
        lambda: ANY_HANDLE.unwrap(cereggii.AtomicIntHandle),
    ]
    for call in calls:
        with pytest.raises(TypeError):
            call()


def test_it_is_found_where_cereggii_1_has_it_and_documented() -> None:
    from cereggii.thread_handle import ThreadHandle as OfModule

    assert OfModule is ThreadHandle
    assert pickle.loads(pickle.dumps(ANY_HANDLE)) is ThreadHandle
    assert ANY_HANDLE.__qualname__ == "ThreadHandle"
    assert len(inspect.getdoc(ANY_HANDLE) or "") > 80
    assert len(inspect.getdoc(ANY_HANDLE.unwrap) or "") > 15
    assert [*inspect.signature(ANY_HANDLE).parameters] == ["obj"]


def test_a_derived_handle_may_call_the_constructor_by_name() -> None:
    class Mine(ThreadHandle):
        def __init__(self, obj: Any) -> None:
            ThreadHandle.__init__(self, obj)

    assert Mine(5) + 1 == 6
