# SPDX-License-Identifier: Apache-2.0
"""Protocols without operators: attributes, calls, containers, conversions, statements, buffers."""

from __future__ import annotations

import array
import asyncio
import builtins
import collections
import functools
import inspect
import io
import math
import operator
import os
import pathlib
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from cereggii_atomicref import ThreadHandle
from hypothesis import given
from hypothesis import strategies as st

from .test_thread_handle_operators import OBJECTS, SMALL, agree, outcome


class Thing:
    """A thing."""

    kind = "thing"

    def __init__(self) -> None:
        self.size = 2

    @property
    def double(self) -> int:
        return self.size * 2

    @double.setter
    def double(self, value: int) -> None:
        self.size = value // 2

    def grow(self, amount: int = 1, *, times: int = 1) -> int:
        self.size += amount * times
        return self.size


# ── attributes ─────────────────────────────────────────────────────────────────────────────────


def test_attributes_are_those_of_the_object() -> None:
    thing = Thing()
    handle: Any = ThreadHandle(thing)
    handle.size = 5
    assert thing.size == handle.size == 5
    handle.double = 6
    assert thing.size == 3
    handle.colour = "red"
    assert thing.colour == "red"  # type: ignore[attr-defined]
    del handle.colour
    assert not hasattr(thing, "colour")
    assert not hasattr(handle, "colour")
    with pytest.raises(AttributeError, match="'Thing' object has no attribute 'colour'"):
        _ = handle.colour
    with pytest.raises(AttributeError, match="colour"):
        del handle.colour
    assert handle.grow(2, times=3) == 9
    assert handle.kind == "thing"


def test_the_special_attributes_are_those_of_the_object() -> None:
    thing = Thing()
    handle: Any = ThreadHandle(thing)
    assert handle.__class__ is Thing
    assert handle.__dict__ is thing.__dict__
    assert vars(handle) is vars(thing)
    assert handle.__doc__ == "A thing."
    assert handle.__module__ == __name__
    assert dir(handle) == dir(thing)

    @functools.wraps(Thing.grow)
    def wrapper() -> None: ...

    assert ThreadHandle(wrapper).__wrapped__ is Thing.grow
    assert ThreadHandle(wrapper).__name__ == "grow"
    assert inspect.signature(ThreadHandle(Thing.grow)) == inspect.signature(Thing.grow)
    for name in ("unwrap", "obj", "object", "get_handle"):
        assert not hasattr(handle, name)


def test_the_class_of_the_object_can_be_changed_through_a_handle() -> None:
    class Other(Thing):
        pass

    thing = Thing()
    handle: Any = ThreadHandle(thing)
    handle.__class__ = Other
    assert type(thing) is Other
    assert type(handle) is ThreadHandle


def test_a_name_may_be_computed_and_has_to_be_a_string() -> None:
    handle: Any = ThreadHandle(Thing())
    assert getattr(handle, "".join(["si", "ze"])) == 2
    computed = getattr(handle, "".join(["__red", "uce_ex__"]))
    assert computed(2)[0] is ThreadHandle
    calls: list[Callable[..., Any]] = [getattr, delattr]
    for call in calls:
        with pytest.raises(TypeError):
            call(handle, 5)
    with pytest.raises(TypeError):
        ThreadHandle.__getattribute__(handle, 5)  # type: ignore[arg-type]


def test_isinstance_holds_for_both_classes() -> None:
    class Sub(Thing):
        pass

    handle: Any = ThreadHandle(Sub())
    assert isinstance(handle, Sub)
    assert isinstance(handle, Thing)
    assert isinstance(handle, ThreadHandle)
    assert not isinstance(handle, int)
    assert type(handle) is ThreadHandle
    assert isinstance(ThreadHandle({}), collections.abc.Mapping)
    assert not isinstance(ThreadHandle({}), collections.abc.MutableSequence)


def test_a_handle_of_a_class_is_as_good_as_the_class() -> None:
    handle: Any = ThreadHandle(Thing)
    assert isinstance(handle(), Thing)
    assert isinstance(Thing(), handle)
    assert isinstance(ThreadHandle(Thing()), handle)
    assert not isinstance(5, handle)
    assert issubclass(Thing, handle)
    assert not issubclass(int, handle)
    assert isinstance(5, ThreadHandle((int, str)))  # type: ignore[arg-type]
    for value in (5, "int", None):
        agree(lambda kind: isinstance([], kind), value)
        agree(lambda kind: issubclass(list, kind), value)


def test_pattern_matching() -> None:
    namespace: dict[str, Any] = {"Thing": Thing, "handle": ThreadHandle(Thing())}
    code = """
    match handle:
        case Thing(size=2 as found):
            pass
    """
    exec(inspect.cleandoc(code), namespace)
    assert namespace["found"] == 2


# ── calls ──────────────────────────────────────────────────────────────────────────────────────


def arguments_of(*args: Any, **kwargs: Any) -> Any:
    return args, kwargs


def test_calls_pass_their_arguments_on() -> None:
    handle: Any = ThreadHandle(arguments_of)
    assert handle() == ((), {})
    assert handle(1, 2) == ((1, 2), {})
    assert handle(1, two=2) == ((1,), {"two": 2})
    assert handle(*range(20), **{"a": 1}) == (tuple(range(20)), {"a": 1})
    assert handle(self=1, obj=2, handle=3) == ((), {"self": 1, "obj": 2, "handle": 3})
    assert functools.partial(handle, 1)(2) == ((1, 2), {})
    assert handle.__call__(3, a=4) == ((3,), {"a": 4})
    assert ThreadHandle.__call__(handle, 3, a=4) == ((3,), {"a": 4})
    assert list(map(handle, [1, 2])) == [((1,), {}), ((2,), {})]
    argument = ThreadHandle(5)
    assert handle(argument)[0][0] is argument


def test_anything_callable_is_called() -> None:
    class Target:
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return args, kwargs

    for target in (Target(), Target().__call__, functools.partial(arguments_of)):
        assert ThreadHandle(target)(1, a=2) == ((1,), {"a": 2})
    assert ThreadHandle(int)("12") == 12
    assert ThreadHandle(dict)(a=1) == {"a": 1}
    assert ThreadHandle([].append)(1) is None
    values: list[Any] = [5, None, []]
    for value in values:
        agree(lambda target: target(1), value)
        agree(lambda target: target(a=1), value)


def test_a_call_that_raises_or_recurses() -> None:
    def fail() -> None:
        raise LookupError("no")

    with pytest.raises(LookupError, match="no"):
        ThreadHandle(fail)()
    forever: Any = ThreadHandle(lambda: forever())
    with pytest.raises(RecursionError):
        forever()


# ── containers and iteration ───────────────────────────────────────────────────────────────────


@given(numbers=st.lists(SMALL, max_size=5), key=st.integers(-7, 7) | st.none() | st.text())
def test_items_of_a_list(numbers: list[int], key: Any) -> None:
    agree(operator.getitem, numbers, key)
    agree(operator.contains, numbers, key)
    agree(lambda items: items[1:3], numbers)
    assert ThreadHandle(numbers)[ThreadHandle(slice(None, None, -1))] == numbers[::-1]
    bare, other = list(numbers), list(numbers)
    handle: Any = ThreadHandle(other)
    for change in (
        lambda items: operator.setitem(items, key, 99),
        lambda items: operator.delitem(items, key),
        lambda items: operator.setitem(items, slice(0, 1), [5, 6]),
    ):
        assert outcome(change, bare) == outcome(change, handle)
        assert bare == other


@given(pairs=st.dictionaries(SMALL, SMALL, max_size=5), key=SMALL)
def test_items_of_a_dict(pairs: dict[int, int], key: int) -> None:
    agree(operator.getitem, pairs, key)
    agree(operator.contains, pairs, key)
    assert dict(ThreadHandle(pairs)) == pairs
    assert {**ThreadHandle(pairs)} == pairs
    assert list(ThreadHandle(pairs)) == list(pairs)
    bare, other = dict(pairs), dict(pairs)
    handle: Any = ThreadHandle(other)
    for change in (
        lambda items: operator.delitem(items, key),
        lambda items: operator.setitem(items, key, 99),
    ):
        assert outcome(change, bare) == outcome(change, handle)
        assert bare == other


def test_a_key_is_stored_bare_and_a_value_as_it_is() -> None:
    stored: dict[Any, Any] = {}
    key, value = ThreadHandle("key"), ThreadHandle("value")
    ThreadHandle(stored)[key] = value
    assert type(next(iter(stored))) is str
    assert stored["key"] is value


@given(value=OBJECTS)
def test_length_truth_and_iteration(value: Any) -> None:
    for call in (len, bool, list, iter, reversed, operator.length_hint):
        if call in (iter, reversed):
            assert outcome(lambda v, c=call: list(c(v)), value) == outcome(
                lambda v, c=call: list(c(v)), ThreadHandle(value)
            )
        elif call is list and not hasattr(value, "__iter__"):
            assert outcome(call, value) == outcome(call, ThreadHandle(value))
        else:
            agree(call, value)


def test_items_by_position_for_functions_in_c() -> None:
    queue: collections.deque[int] = collections.deque([1, 2, 3])
    handle: Any = ThreadHandle(queue)
    assert handle[-1] == 3
    handle[0] = 7
    del handle[1]
    assert list(queue) == [7, 3]
    assert operator.indexOf(handle, 3) == 1
    assert operator.countOf(handle, 3) == 1
    first, second = handle
    assert (first, second) == (7, 3)
    assert [*handle, *handle] == [7, 3, 7, 3]


def test_iterators() -> None:
    iterator = iter([1, 2, 3, 4])
    handle: Any = ThreadHandle(iterator)
    assert next(handle) == 1
    assert next(iter(handle)) == 2
    assert operator.length_hint(handle) == 2
    assert list(handle) == [3, 4]
    assert next(handle, None) is None
    with pytest.raises(StopIteration):
        next(handle)
    values: list[Any] = [[], 5, range(3)]
    for value in values:
        agree(next, value)

    def generator() -> Any:
        received = yield 1
        yield received
        return 3

    def delegating() -> Any:
        return (yield from ThreadHandle(generator()))

    running = delegating()
    assert next(running) == 1
    assert running.send("sent") == "sent"
    with pytest.raises(StopIteration) as stopped:
        next(running)
    assert stopped.value.value == 3


# ── conversions ────────────────────────────────────────────────────────────────────────────────

CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "int": int,
    "float": float,
    "complex": complex,
    "index": operator.index,
    "round": round,
    "round 1": lambda value: round(value, 1),
    "round None": lambda value: round(value, None),
    "trunc": math.trunc,
    "floor": math.floor,
    "ceil": math.ceil,
    "str": str,
    "format": format,
    "format spec": lambda value: format(value, ">9"),
    "format strange": lambda value: format(value, "\N{SNOWMAN}!"),
    "bytes": bytes,
    "bool": bool,
    "dir": dir,
    "chr": lambda value: chr(value),
    "range": lambda value: list(range(value)),
}


@pytest.mark.parametrize("name", CONVERSIONS)
@given(value=OBJECTS)
def test_conversions(name: str, value: Any) -> None:
    convert = CONVERSIONS[name]
    if name in ("complex", "chr", "range", "index"):  # errors name the type that was looked at
        expected, found = outcome(convert, value), outcome(convert, ThreadHandle(value))
        assert expected[0] is found[0]
        assert issubclass(expected[0], Exception) or expected == found
    elif name == "bytes" and type(value) is int:
        assert outcome(convert, value) == outcome(convert, ThreadHandle(value))
    else:
        agree(convert, value)


@pytest.mark.parametrize("value", ["12", " 3 ", b"4", "1.5", True, Fraction(7, 2), Decimal("2.5")])
def test_conversions_of_text_and_of_other_numbers(value: Any) -> None:
    for name in ("int", "float", "complex", "round", "trunc", "floor", "ceil"):
        convert = CONVERSIONS[name]
        expected, found = outcome(convert, value), outcome(convert, ThreadHandle(value))
        assert expected[0] is found[0]
        assert issubclass(expected[0], Exception) or expected == found
    assert type(operator.index(ThreadHandle(True))) is int


def test_a_path() -> None:
    path = pathlib.PurePath("a", "b")
    assert os.fspath(ThreadHandle(path)) == os.fspath(path)
    assert os.fspath(ThreadHandle("text")) == "text"
    assert os.path.join("x", ThreadHandle(path)) == os.path.join("x", path)
    agree(lambda value: os.fspath(value), 5)


def test_buffers() -> None:
    data = bytearray(b"abc")
    with memoryview(ThreadHandle(data)) as view:
        view[0] = ord("x")
        assert view.obj is data
        with pytest.raises(BufferError):
            data.append(1)
    data.append(1)
    assert data == b"xbc\x01"
    assert b"".join([ThreadHandle(b"a"), ThreadHandle(bytearray(b"b"))]) == b"ab"
    assert memoryview(ThreadHandle(array.array("i", [1, 2]))).tolist() == [1, 2]
    values: list[Any] = [5, [], "text"]
    for value in values:
        with pytest.raises(TypeError, match=f"not '{type(value).__name__}'"):
            memoryview(ThreadHandle(value))
    with pytest.raises((TypeError, BufferError)):  # not writable
        io.BytesIO(b"z").readinto(ThreadHandle(b"a"))
    io.BytesIO(b"z").readinto(ThreadHandle(data))
    assert data == b"zbc\x01"


# ── statements ─────────────────────────────────────────────────────────────────────────────────


class Manager:
    def __init__(self, suppress: bool = False) -> None:
        self.suppress = suppress
        self.seen: list[Any] = []

    def __enter__(self) -> str:
        self.seen.append("enter")
        return "entered"

    def __exit__(self, *exception: Any) -> bool:
        self.seen.append(exception[0])
        return self.suppress

    async def __aenter__(self) -> str:
        return self.__enter__()

    async def __aexit__(self, *exception: Any) -> bool:
        return self.__exit__(*exception)


def test_with() -> None:
    manager = Manager()
    with ThreadHandle(manager) as entered:
        assert entered == "entered"
    assert manager.seen == ["enter", None]
    manager = Manager(suppress=True)
    with ThreadHandle(manager):
        raise LookupError
    assert manager.seen == ["enter", LookupError]
    with pytest.raises(LookupError), ThreadHandle(Manager()):
        raise LookupError


def test_with_refuses_an_object_that_is_not_a_context_manager() -> None:
    class Half(Thing):
        def __enter__(self) -> None:
            raise AssertionError("entered what cannot be left")

    class Instance(Thing):
        def __init__(self) -> None:
            self.__enter__ = self.__exit__ = lambda *_: None

    for value in (5, None, Thing(), Half(), Instance()):
        with pytest.raises(TypeError, match="context manager"), ThreadHandle(value):
            pass


def test_async_statements() -> None:
    class Counting:
        def __init__(self) -> None:
            self.number = 0

        def __aiter__(self) -> Any:
            return self

        async def __anext__(self) -> int:
            self.number += 1
            if self.number > 3:
                raise StopAsyncIteration
            return self.number

        def __await__(self) -> Any:
            yield from asyncio.sleep(0).__await__()
            return "awaited"

    async def answer() -> int:
        await asyncio.sleep(0)
        return 42

    async def numbers() -> Any:
        yield 1
        yield 2

    async def main() -> None:
        assert await ThreadHandle(answer()) == 42
        assert await ThreadHandle(Counting()) == "awaited"
        future: Any = asyncio.get_running_loop().create_future()
        future.set_result(7)
        assert await ThreadHandle(future) == 7
        assert [number async for number in ThreadHandle(Counting())] == [1, 2, 3]
        assert [number async for number in ThreadHandle(numbers())] == [1, 2]
        assert await ThreadHandle(Counting()).__anext__() == 1
        manager = Manager()
        async with ThreadHandle(manager) as entered:
            assert entered == "entered"
        assert manager.seen == ["enter", None]
        values: list[Any] = [5, None, []]
        for value in values:
            with pytest.raises(TypeError):
                await ThreadHandle(value)
            with pytest.raises(TypeError):
                async for _ in ThreadHandle(value):
                    pass
            with pytest.raises(TypeError):
                async with ThreadHandle(value):
                    pass
            with pytest.raises(TypeError):
                await builtins.anext(ThreadHandle(value))

    asyncio.run(main())


@pytest.mark.parametrize("missing", ["__exit__", "__aexit__"])
def test_leaving_by_hand_what_cannot_be_left(missing: str) -> None:
    leave = getattr(ThreadHandle, missing)
    with pytest.raises(TypeError, match=missing):
        leave(ThreadHandle(5), None, None, None)
