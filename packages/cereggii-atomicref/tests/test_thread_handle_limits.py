# SPDX-License-Identifier: Apache-2.0
"""A ThreadHandle has limits: each row of the table in docs/thread-handle.md.

Each test shows the object, with which it works, and the handle, with which it does not. A test that
fails because something works now is good news: take the row out.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import decimal
import enum
import inspect
import json
import math
import operator
import re
import sys
import time
import types
import weakref
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from cereggii_atomicref import ThreadHandle

PAGE = Path(__file__).resolve().parents[3] / "docs" / "thread-handle.md"
LIMITS: dict[str, Callable[[], None]] = {}


def limit(row: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Registers what shows a limit, by the first cell of its row."""

    def register(show: Callable[[], None]) -> Callable[[], None]:
        assert row not in LIMITS
        LIMITS[row] = show
        return show

    return register


def handle_of(value: Any) -> Any:
    return ThreadHandle(value)


class Plain:
    def itself(self) -> Any:
        return self


@dataclasses.dataclass
class Point:
    x: int = 1


class Colour(enum.Enum):
    RED = 1


# ── the handle is an object of its own ─────────────────────────────────────────────────────────


@limit("`handle is x`, `id(handle)`")
def identity() -> None:
    thing = Plain()
    assert handle_of(thing) is not thing
    assert id(handle_of(thing)) != id(thing)
    assert handle_of(thing) == thing


@limit("`type(handle)`")
def type_of_a_handle() -> None:
    assert type(handle_of(5)) is ThreadHandle
    assert handle_of(5).__class__ is int


@limit("`weakref.ref(handle)`, `sys.getsizeof(handle)`, `sys.getrefcount(handle)`")
def memory() -> None:
    thing = Plain()
    handle = handle_of(thing)
    assert weakref.ref(handle)() is handle
    assert sys.getsizeof(handle_of("x" * 1000)) == sys.getsizeof(handle_of(""))
    assert sys.getsizeof("x" * 1000) != sys.getsizeof("")
    del handle


@limit("a method that gives its `self`")
def methods_that_return_self() -> None:
    thing = Plain()
    assert handle_of(thing).itself() is thing


# ── statements ─────────────────────────────────────────────────────────────────────────────────


@limit('`case [a, b]:`, `case {"key": a}:`, `case None:`, `case True:`')
def patterns() -> None:
    def matched(value: Any) -> str:
        match value:
            case [_, _]:
                return "sequence"
            case {"key": _}:
                return "mapping"
            case None | True | False:
                return "constant"
            case _:
                return "nothing"

    for value, kind in [([1, 2], "sequence"), ({"key": 1}, "mapping"), (None, "constant")]:
        assert matched(value) == kind
        assert matched(handle_of(value)) == "nothing"


@limit("`raise handle`, `raise x from handle`, `except handle:`")
def exceptions() -> None:
    with pytest.raises(TypeError, match="must derive from BaseException"):
        raise handle_of(LookupError("no"))
    with pytest.raises(TypeError, match="must derive from BaseException"):
        raise LookupError from handle_of(LookupError("no"))

    def catch() -> None:
        try:
            raise LookupError
        except handle_of(LookupError):
            pass

    with pytest.raises(TypeError, match="do not inherit from BaseException"):
        catch()


@limit("`yield from handle` of a coroutine, in a generator of `@types.coroutine`")
def yield_from_a_coroutine() -> None:
    async def answer() -> int:
        return 5

    @types.coroutine
    def delegating(coroutine: Any) -> Generator[Any, Any, Any]:
        return (yield from coroutine)

    async def main(wrap: Callable[[Any], Any]) -> Any:
        return await delegating(wrap(answer()))

    assert asyncio.run(main(lambda bare: bare)) == 5
    assert asyncio.run(main(lambda bare: handle_of(bare).__await__())) == 5
    coroutine = answer()
    with pytest.raises(TypeError, match="not iterable"):
        asyncio.run(main(lambda bare: (bare.close(), handle_of(coroutine))[1]))
    coroutine.close()


# ── functions that look at the type ────────────────────────────────────────────────────────────


@limit("`dataclasses.replace(handle)`, `asdict`, `astuple`, `is_dataclass`")
def functions_for_dataclasses() -> None:
    handle = handle_of(Point())
    assert not dataclasses.is_dataclass(handle)
    for function in (dataclasses.replace, dataclasses.asdict, dataclasses.astuple):
        function(Point())
        with pytest.raises(TypeError, match="dataclass instance"):
            function(handle)


@limit("`Colour(handle)`, where the handle is of a member of the enum")
def members_of_an_enum() -> None:
    assert Colour(Colour.RED) is Colour.RED
    assert Colour(handle_of(1)) is Colour.RED
    with pytest.raises(ValueError, match="not a valid"):
        Colour(handle_of(Colour.RED))


@limit("`json.dumps(handle)`")
def json_of_a_handle() -> None:
    for value in (5, "text", [1], {"a": 1}, 2.5):
        assert json.loads(json.dumps(value)) == value
        with pytest.raises(TypeError):
            json.dumps(handle_of(value))
        assert json.dumps([handle_of(value)], default=ThreadHandle.unwrap) == json.dumps([value])


@limit(
    '`"".join([handle])`, `handle in "text"`, `"text".find(handle)`, `int(handle, 16)`, '
    '`bytes(handle, "utf-8")`, `re.match("a", handle)`, `getattr(x, handle)`, `exec(handle)`'
)
def text() -> None:
    uses: list[Callable[[Any], Any]] = [
        lambda a: "".join([a]),
        lambda a: a in "text",
        lambda a: "text".find(a),
        lambda a: int(a, 16),
        lambda a: bytes(a, "utf-8"),
        lambda a: re.match("a", a),
        lambda a: getattr(types.SimpleNamespace(a=1), a),
        lambda a: exec(a, {"a": 1}),
    ]
    for use in uses:
        use("a")
        with pytest.raises(TypeError):
            use(handle_of("a"))
        use(str(handle_of("a")))


@limit('`"%s %s" % handle` of a tuple; `"text" % handle`, which is no error')
def percent_formatting() -> None:
    assert operator.mod("%s %s", (1, 2)) == "1 2"
    with pytest.raises(TypeError, match="not enough arguments"):
        operator.mod("%s %s", handle_of((1, 2)))
    with pytest.raises(TypeError, match="not all arguments converted"):
        operator.mod("text", 5)
    assert operator.mod("text", handle_of(5)) == "text"
    assert operator.mod("%(a)s", handle_of({"a": 1})) == "1"


@limit("`time.sleep(handle)`, `decimal.Decimal(handle)` and others that want a number's own type")
def numbers_of_one_type() -> None:
    time.sleep(0.0)
    with pytest.raises(TypeError):
        time.sleep(handle_of(0.0))
    decimal.Decimal("1")
    if sys.version_info >= (3, 15):  # it takes any number
        assert decimal.Decimal(handle_of("1")) == 1
        return
    with pytest.raises(TypeError):
        decimal.Decimal(handle_of("1"))


@limit("`math.sqrt(handle)` of a text, `int.from_bytes(handle)` of an int: they are no errors")
def conversions_of_the_wrong_type() -> None:
    with pytest.raises(TypeError):
        math.sqrt("4")  # type: ignore[arg-type]
    assert math.sqrt(handle_of("4")) == 2
    assert operator.mod("%d", handle_of("4")) == "4"
    with pytest.raises(TypeError):
        int.from_bytes(4, "big")  # type: ignore[arg-type]
    if sys.version_info < (3, 15):
        assert int.from_bytes(handle_of(4), "big") == 0
        return
    # It takes buffers and iterables only, and does not look for __bytes__.
    with pytest.raises(TypeError):
        int.from_bytes(handle_of([1, 2]), "big")
    assert int.from_bytes(handle_of(b"ab"), "big") == int.from_bytes(b"ab", "big")


@limit("`items[handle]` of a slice, `items[:handle]` and `sorted(items, key=handle)` of None")
def slices_and_none() -> None:
    uses: list[tuple[Callable[[Any], Any], Any]] = [
        (lambda value: [1, 2][value], slice(0, 1)),
        (lambda value: [1, 2][:value], None),
        (lambda value: sorted([1, 2], key=value), None),
    ]
    for use, value in uses:
        use(value)
        with pytest.raises(TypeError):
            use(handle_of(value))


@limit("`a_list += handle`, `a_set |= handle`: they make a new object")
def in_place_on_the_right() -> None:
    numbers = kept = [1]
    numbers += handle_of([2])
    assert (numbers, kept) == ([1, 2], [1])
    letters = same = {"a"}
    letters |= handle_of({"b"})
    assert (letters, same) == ({"a", "b"}, {"a"})
    kept.extend(handle_of([2]))
    assert kept == [1, 2]


@limit("`bytearray(handle)` of an iterable")
def bytearrays() -> None:
    assert bytearray([1, 2]) == b"\1\2"
    with pytest.raises(TypeError):
        bytearray(handle_of([1, 2]))
    assert bytearray(handle_of(b"ab")) == b"ab"
    assert bytearray(iter(handle_of([1, 2]))) == b"\1\2"


@limit("`list.append(handle, 1)`: methods of builtin types, called on the type")
def methods_of_builtin_types() -> None:
    uses: list[tuple[Callable[[Any], Any], Any]] = [
        (lambda value: list.append(value, 1), []),
        (str.upper, "a"),
        (lambda value: dict.get(value, 1), {}),
        (lambda value: int.__add__(value, 1), 5),
    ]
    for use, value in uses:
        use(value)
        with pytest.raises(TypeError):
            use(handle_of(value))


# ── classes ────────────────────────────────────────────────────────────────────────────────────


@limit("`issubclass(handle, C)`")
def subclass_of() -> None:
    assert issubclass(Point, Point)
    assert not issubclass(handle_of(Point), Point)
    assert issubclass(list, collections.abc.Sequence)
    with pytest.raises(TypeError, match="must be a class"):
        issubclass(handle_of(list), collections.abc.Sequence)
    assert issubclass(Point, handle_of(Point))


@limit('`type("C", (handle,), {})`, `types.new_class("C", (handle,))`')
def classes_made_by_calls() -> None:
    for make in (lambda base: type("C", (base,), {}), lambda base: types.new_class("C", (base,))):
        assert issubclass(make(Plain), Plain)
        with pytest.raises(TypeError):
            make(handle_of(Plain))

    class C(handle_of(Plain)):  # type: ignore[misc]
        pass

    assert C.__bases__ == (Plain,)


@limit("`int | str | handle`")
def unions() -> None:
    assert int | handle_of(str) == int | str
    if sys.version_info >= (3, 14):  # the union has the handle itself
        assert type(((int | bytes) | handle_of(str)).__args__[-1]) is ThreadHandle


@limit("a subclass of `ThreadHandle`, for the assignment to a property")
def data_descriptors_of_subclasses() -> None:
    class Mine(ThreadHandle[Any]):
        pass

    seen: list[Any] = []
    changing = property(lambda self: 5, lambda self, value: seen.append(value))
    for wrap, expected in ((ThreadHandle, [1]), (Mine, [])):
        seen.clear()
        instance = type("C", (), {"attribute": wrap(changing)})()
        instance.attribute = 1
        assert seen == expected


@limit("a descriptor that has `__set__` and no `__get__`")
def descriptors_without_get() -> None:
    class OnlySets:
        def __set__(self, instance: Any, value: Any) -> None:
            vars(instance)["attribute"] = value

    for descriptor, found in ((OnlySets(), True), (handle_of(OnlySets()), False)):
        instance: Any = type("C", (), {"attribute": descriptor})()
        instance.attribute = 1
        assert vars(instance) == {"attribute": 1}
        assert (instance.attribute == 1) is found


# ── questions that are answered by the type ────────────────────────────────────────────────────


@limit(
    "`callable(handle)`, `isinstance(handle, collections.abc.Iterable)`, "
    "`inspect.isawaitable(handle)`: always true"
)
def protocols() -> None:
    assert callable(handle_of(5))
    for kind in (collections.abc.Iterable, collections.abc.Hashable, collections.abc.Sized):
        assert isinstance(handle_of(object()), kind)
    assert inspect.isawaitable(handle_of(5))
    assert not isinstance(handle_of(5), collections.abc.Sequence)  # by registration: as for ints


@limit("`inspect.ismethoddescriptor(handle)`, `inspect.isroutine(handle)`: true for most objects")
def descriptors_by_their_type() -> None:
    assert not inspect.ismethoddescriptor(5)
    assert inspect.ismethoddescriptor(handle_of(5))
    assert inspect.isroutine(handle_of(5))
    assert not hasattr(handle_of(5), "__get__")


@limit("`ExitStack.push(handle)` of a function")
def callbacks_of_an_exit_stack() -> None:
    def suppress(*exception: Any) -> bool:
        return True

    with contextlib.ExitStack() as stack:
        stack.push(suppress)
        raise LookupError
    with pytest.raises(TypeError, match="context manager"), contextlib.ExitStack() as stack:
        stack.push(handle_of(suppress))
    with contextlib.ExitStack() as stack:
        stack.push(handle_of(suppress).__call__)
        raise LookupError


@limit(
    "`asyncio.gather(handle)` of an awaitable that is neither a coroutine nor a future; "
    "`asyncio.wait([handle])`"
)
def the_cache_of_asyncio() -> None:
    class Custom:
        def __await__(self) -> Generator[Any, Any, int]:
            return asyncio.sleep(0, 5).__await__()

    async def answer() -> int:
        return 5

    async def gathered(awaitable: Any) -> Any:
        return await asyncio.gather(awaitable)

    async def awaited(awaitable: Any) -> Any:
        return await awaitable

    assert asyncio.run(gathered(Custom())) == [5]
    assert asyncio.run(gathered(handle_of(answer()))) == [5]
    # asyncio remembers the types of coroutines, which this is now.
    assert asyncio.iscoroutine(handle_of(Custom()))
    with pytest.raises(AttributeError, match="send"):
        asyncio.run(gathered(handle_of(Custom())))
    assert asyncio.run(gathered(awaited(handle_of(Custom())))) == [5]

    async def waited(wrap: Callable[[Any], Any]) -> Any:
        done, _ = await asyncio.wait([wrap(asyncio.create_task(answer()))])
        return done.pop().result()

    assert asyncio.run(waited(lambda task: task)) == 5
    with pytest.raises(TypeError, match=r"[Cc]oroutines"):
        asyncio.run(waited(handle_of))


# ── all of them ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("row", LIMITS)
def test_it_does_not_work(row: str) -> None:
    LIMITS[row]()


def test_the_page_lists_them_all() -> None:
    rows = [
        line.split(" | ")[0].removeprefix("| ")
        for line in PAGE.read_text().splitlines()
        if line.startswith("| ") and not line.startswith("| what")
    ]
    assert sorted(rows) == sorted(row.replace("|", "\\|") for row in LIMITS)
