# SPDX-License-Identifier: Apache-2.0
"""The handle as an object of its own: construction, repr, copies, subclasses, life and death."""

from __future__ import annotations

import copy
import gc
import inspect
import operator
import pickle
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from cereggii_atomicref import AtomicRef, ThreadHandle

from tools.testing.concurrency import run_threads
from tools.testing.lifetimes import collected

from .forms import Thing

# ── construction ───────────────────────────────────────────────────────────────────────────────


def test_a_handle_stands_for_its_object() -> None:
    thing = Thing()
    handle = ThreadHandle(thing)
    assert ThreadHandle.unwrap(handle) is thing
    assert ThreadHandle.unwrap(ThreadHandle(obj=thing)) is thing
    assert type(handle) is ThreadHandle


def test_a_handle_of_a_handle_is_one_of_the_object() -> None:
    thing = Thing()
    handle: Any = ThreadHandle(ThreadHandle(ThreadHandle(thing)))
    assert ThreadHandle.unwrap(handle) is thing
    assert ThreadHandle.unwrap(Logged(ThreadHandle(thing))) is thing
    assert ThreadHandle.unwrap(ThreadHandle(Logged(thing))) is thing


def test_wrong_arguments_are_refused() -> None:
    make: Any = ThreadHandle
    for arguments, keywords in [((), {}), ((1, 2), {}), ((1,), {"a": 2}), ((), {"target": 1})]:
        with pytest.raises(TypeError, match="ThreadHandle"):
            make(*arguments, **keywords)
    for wrong in (5, None, Thing()):
        with pytest.raises(TypeError, match="ThreadHandle"):
            make.unwrap(wrong)


def test_a_handle_cannot_be_pointed_elsewhere() -> None:
    handle = ThreadHandle([1])
    with pytest.raises(RuntimeError, match="already"):
        ThreadHandle.__init__(handle, [2])
    assert ThreadHandle.unwrap(handle) == [1]
    handle.__init__([3])  # type: ignore[misc]  # the list's own
    assert ThreadHandle.unwrap(handle) == [3]


def test_every_name_of_the_class_is_covered_by_a_docstring() -> None:
    assert ThreadHandle.__doc__
    assert "thread" in ThreadHandle.__doc__
    assert str(inspect.signature(ThreadHandle)) == "(obj)"
    for name, member in vars(ThreadHandle).items():
        if callable(member) and name != "__new__":
            assert member.__doc__, name
    assert ThreadHandle.__module__ == "cereggii_atomicref"


def test_the_generic_alias_makes_handles_and_leaves_the_object_alone() -> None:
    thing = Thing()
    alias: Any = ThreadHandle[Thing]
    assert alias.__origin__ is ThreadHandle
    assert ThreadHandle.unwrap(alias(thing)) is thing
    assert vars(thing) == {}
    with pytest.raises(AttributeError):
        ThreadHandle(thing).__orig_class__ = alias


# ── repr ───────────────────────────────────────────────────────────────────────────────────────


def test_repr_shows_the_handle_and_str_the_object() -> None:
    assert repr(ThreadHandle([1, "a"])) == "ThreadHandle([1, 'a'])"
    assert repr(Logged("a")) == "Logged('a')"
    assert str(ThreadHandle("a")) == "a"
    assert f"{ThreadHandle(5):>3}|{ThreadHandle('a')!r}" == "  5|ThreadHandle('a')"


def test_repr_of_what_contains_its_own_handle() -> None:
    items: list[Any] = []
    handle = ThreadHandle(items)
    items.append(handle)
    assert repr(handle) == "ThreadHandle([ThreadHandle(...)])"
    assert repr(items) == "[ThreadHandle([...])]"
    assert str(handle) == "[ThreadHandle([...])]"
    with pytest.raises(RecursionError):
        _ = handle == copy.deepcopy(items)
    items.clear()


# ── copies ─────────────────────────────────────────────────────────────────────────────────────


class Logged(ThreadHandle[Any]):
    """A subclass with attributes and behaviour of its own."""

    __slots__ = ("note",)
    limit = 3

    def __init__(self, obj: Any, note: str = "") -> None:
        super().__init__(obj)
        self.note = note

    def shout(self) -> str:
        return f"{self.note} {self}!"

    def __len__(self) -> int:
        return 1000


class Needy(ThreadHandle[Any]):
    def __init__(self, name: str, obj: Any) -> None:
        super().__init__(obj)


def pickled(protocol: int) -> Callable[[Any], Any]:
    return lambda handle: pickle.loads(pickle.dumps(handle, protocol))


every_protocol = pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))


def test_a_copy_is_a_handle_of_a_copy() -> None:
    items = [[1]]
    handle = ThreadHandle(items)
    shallow, deep = copy.copy(handle), copy.deepcopy(handle)
    for copied in (shallow, deep):
        assert type(copied) is ThreadHandle
        assert copied == items
        assert ThreadHandle.unwrap(copied) is not items
    assert shallow[0] is items[0]
    assert deep[0] is not items[0]
    assert type(copy.copy(Logged(items))) is Logged
    assert type(copy.deepcopy(Needy("a", items))) is Needy


class Particular:
    """Says itself how it is copied and pickled."""

    def __copy__(self) -> Particular:
        return type(self)()

    def __deepcopy__(self, memo: object) -> Particular:
        return type(self)()

    def __reduce__(self) -> Any:
        return Particular, ()


@pytest.mark.parametrize("kind", [ThreadHandle, Logged])
def test_the_object_says_how_it_is_copied_itself(kind: Any) -> None:
    handle = kind(Particular())
    makers: list[Callable[[Any], Any]] = [copy.copy, copy.deepcopy, pickled(2)]
    makers += [lambda handle: handle.__copy__(), lambda handle: handle.__deepcopy__({})]
    for make in makers:
        found = make(handle)
        assert type(found) is kind
        assert type(ThreadHandle.unwrap(found)) is Particular


@every_protocol
def test_a_pickle_is_a_handle_of_the_pickled_object(protocol: int) -> None:
    for handle in (ThreadHandle([1, 2]), Logged([1, 2]), Needy("a", [1, 2])):
        found = pickled(protocol)(handle)
        assert type(found) is type(handle)
        assert ThreadHandle.unwrap(found) == [1, 2]


@pytest.mark.parametrize("kind", [ThreadHandle, Logged])
def test_copies_of_what_contains_its_own_handle(kind: Any) -> None:
    items: list[Any] = []
    handle = kind(items)
    items.append(handle)
    for make in (copy.deepcopy, *map(pickled, range(2, pickle.HIGHEST_PROTOCOL + 1))):
        found: Any = make(handle)
        assert ThreadHandle.unwrap(found)[0] is found
        assert found is not handle
        again = make(items)
        assert ThreadHandle.unwrap(again[0]) is again
        found.clear()
        again.clear()
    items.clear()


def test_unpickling_makes_handles_only() -> None:
    restore = copy.copy(Logged([1])).__reduce_ex__(2)[0]
    for arguments in [(int, 5), (5, 5), (Logged,), ()]:
        with pytest.raises(TypeError):
            restore(*arguments)


# ── subclasses ─────────────────────────────────────────────────────────────────────────────────


def test_attributes_of_a_subclass_belong_to_its_handles() -> None:
    thing = Thing()
    handle: Any = Logged(thing, "hey")
    assert handle.note == "hey"
    assert handle.limit == 3
    assert handle.shout().startswith("hey <")
    assert len(handle) == 1000
    assert isinstance(handle, Logged)
    assert isinstance(handle, Thing)
    handle.note = "ho"
    handle.other = 5
    assert vars(thing) == {"other": 5}
    assert handle.__dict__ is thing.__dict__
    assert handle.__doc__ == Thing.__doc__
    del handle.note
    with pytest.raises(AttributeError):
        _ = handle.note


def test_a_subclass_can_replace_the_call_and_the_operators() -> None:
    class Loud(ThreadHandle[Any]):
        def __call__(self, *args: Any) -> Any:
            return "loud", super().__call__(*args)

        def __add__(self, other: Any) -> Any:
            return "sum"

    class Quiet(Loud):
        pass

    for kind in (Loud, Quiet):
        handle: Any = kind(abs)
        assert handle(-5) == ("loud", 5)
        assert handle + 1 == "sum"
    assert ThreadHandle(abs)(-5) == 5

    class Plain(ThreadHandle[Any]):
        pass

    assert Plain(abs)(-5) == 5
    assert Plain(dict)(a=1) == {"a": 1}


# ── life and death ─────────────────────────────────────────────────────────────────────────────


def test_a_handle_keeps_its_object_alive_and_no_longer() -> None:
    thing = Thing()
    reference = weakref.ref(thing)
    handle: Any = ThreadHandle(thing)
    own = weakref.ref(handle)
    del thing
    gc.collect()
    assert reference() is ThreadHandle.unwrap(handle)
    del handle
    assert collected(own)
    assert collected(reference)


def test_operations_leave_no_references_behind() -> None:
    thing: Any = [5]
    handle: Any = ThreadHandle(thing)
    before = sys.getrefcount(thing)
    for _ in range(200):
        assert handle.append(1) is None
        handle += [1]
        _ = handle * 2, 2 * handle, handle == thing, handle[0], 5 in handle
        _ = iter(handle), len(handle), str(handle), repr(handle), dir(handle), reversed(handle)
        _ = copy.copy(handle), handle.__reduce_ex__(2), memoryview(ThreadHandle(b"a"))
        for wrong in (next, hash, operator.neg, operator.attrgetter("nope")):
            with pytest.raises((TypeError, AttributeError)):
                wrong(handle)
    _ = None
    assert sys.getrefcount(thing) == before


def cycle_through_the_object() -> list[Any]:
    thing: Any = Thing()
    thing.handle = ThreadHandle(thing)
    return [thing, thing.handle]


def cycle_through_a_subclass() -> list[Any]:
    class Holder(ThreadHandle[Any]):
        __slots__ = ("held",)

    thing = Thing()
    handle = Holder(thing)
    handle.held = handle
    return [thing, handle]


def cycle_through_a_tuple() -> list[Any]:
    handle: Any = ThreadHandle.__new__(ThreadHandle)
    thing = Thing()
    ThreadHandle.__init__(handle, (handle, thing))
    return [thing, handle]


@pytest.mark.parametrize(
    "make", [cycle_through_the_object, cycle_through_a_subclass, cycle_through_a_tuple]
)
def test_cycles_are_collected(make: Callable[[], list[Any]]) -> None:
    references = [weakref.ref(item) for item in make()]
    assert all(map(collected, references))


def test_the_collector_sees_the_object() -> None:
    thing = Thing()
    handle = ThreadHandle(thing)
    assert gc.is_tracked(handle)
    assert any(found is thing for found in gc.get_referents(handle))


# ── threads ────────────────────────────────────────────────────────────────────────────────────


def test_threads_that_use_one_object_through_handles_of_their_own() -> None:
    reference: AtomicRef[int] = AtomicRef(0)
    results: list[int] = []

    def work() -> None:
        ref: Any = ThreadHandle(reference)
        out: Any = ThreadHandle(results)
        for number in range(500):
            ref.update_and_get(lambda value: value + 1)
            out.append(number)
            assert len(out) > 0
            assert number in out

    run_threads(work, work, work, work)
    assert reference.get() == 2000
    assert sorted(results) == sorted([*range(500)] * 4)


def test_threads_that_use_one_handle() -> None:
    handle: Any = ThreadHandle([0] * 10)

    def work() -> None:
        for number in range(500):
            handle[number % 10] = number
            assert len(handle) == 10
            assert len(handle * 2) == 20
            assert handle.__class__ is list
            assert copy.copy(handle)[0] % 10 == 0

    run_threads(work, work, work, work)


def test_threads_that_construct_one_handle_agree_on_its_object() -> None:
    for _ in range(50):
        handle: Any = ThreadHandle.__new__(ThreadHandle)

        def construct(number: int, handle: Any = handle) -> int:
            try:
                ThreadHandle.__init__(handle, [number])
            except RuntimeError:
                return -1
            assert ThreadHandle.unwrap(handle) == [number]
            return number

        def read(handle: Any = handle) -> int:
            try:
                return int(handle()[0])
            except RuntimeError:
                return -1
            except TypeError:  # a list is not callable: it was there
                return int(handle[0])

        tries = run_threads(lambda: construct(1), lambda: construct(2), read, read)
        won = max(tries[:2])
        assert sorted(tries[:2]) == [-1, won]
        assert set(tries[2:]) <= {-1, won}


def test_a_handle_made_by_another_thread_works() -> None:
    [handle] = run_threads(lambda: ThreadHandle(Thing()))
    handle.size = 3
    assert handle.size == 3
