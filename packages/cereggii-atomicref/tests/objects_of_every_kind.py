# SPDX-License-Identifier: Apache-2.0
"""Objects of every kind that a handle may stand for."""

from __future__ import annotations

import array
import collections
import contextlib
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import io
import math
import pathlib
import re
import types
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

_T = TypeVar("_T")


class Meta(type):
    def __len__(cls) -> int:
        return 3

    def __iter__(cls) -> Iterator[int]:
        return iter((1, 2, 3))

    def __contains__(cls, item: object) -> bool:
        return item == 1

    def __getitem__(cls, key: Any) -> Any:
        return "meta", key

    def __instancecheck__(cls, instance: object) -> bool:
        return instance == 1

    def __or__(cls, other: Any) -> Any:
        return "or"


class WithMeta(metaclass=Meta):
    pass


class Plain:
    """An object with attributes."""

    limit = 3

    def __init__(self) -> None:
        self.size = 1


class Slots:
    __slots__ = ("size",)

    def __init__(self) -> None:
        self.size = 1


class GenericClass(Generic[_T]):
    pass


@dataclasses.dataclass(order=True)
class Point:
    x: int = 1
    y: int = 2


@dataclasses.dataclass(frozen=True)
class Frozen:
    x: int = 1


class Pair(tuple[int, int]):
    __slots__ = ()
    __match_args__ = ("first",)

    @property
    def first(self) -> int:
        return self[0]


Named = collections.namedtuple("Named", "x y")


class Colour(enum.Enum):
    RED = 1
    BLUE = "blue"


class Number(enum.IntEnum):
    ONE = 1
    TWO = 2


class Bits(enum.IntFlag):
    A = 1
    B = 2


class Text(str):
    __slots__ = ()


class Upper(dict[Any, Any]):
    """Has every key."""

    def __missing__(self, key: Any) -> Any:
        return "missing", key


class Everything:
    """Answers every operator with its name."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return name


def _answer(name: str) -> Callable[..., Any]:
    return lambda self, *arguments: (name, len(arguments))


BINARY = [
    "add",
    "sub",
    "mul",
    "matmul",
    "truediv",
    "floordiv",
    "mod",
    "divmod",
    "pow",
    "lshift",
    "rshift",
    "and",
    "xor",
    "or",
]
for _name in BINARY:
    for _prefix in ("", "r", "i"):
        setattr(Everything, f"__{_prefix}{_name}__", _answer(_prefix + _name))
for _name in ("neg", "pos", "abs", "invert", "trunc", "floor", "ceil", "round", "getitem", "call"):
    setattr(Everything, f"__{_name}__", _answer(_name))
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(Everything, f"__{_name}__", _answer(_name))
for _name, _value in {
    "index": 3,
    "int": 4,
    "float": 5.0,
    "complex": 6j,
    "bool": False,
    "hash": 7,
    "len": 8,
    "length_hint": 9,
    "str": "text",
    "bytes": b"bytes",
    "format": "format",
    "fspath": "path",
    "contains": True,
    "sizeof": 99,
    "dir": ["b", "a"],
}.items():
    setattr(Everything, f"__{_name}__", lambda self, *arguments, _value=_value: _value)
for _name in ("iter", "reversed"):
    setattr(Everything, f"__{_name}__", lambda self: iter("ab"))


def function(*arguments: Any, **keywords: Any) -> Any:
    """Gives its arguments."""
    return arguments, keywords


def generator() -> Iterator[int]:
    yield 1
    yield 2


@contextlib.contextmanager
def manager() -> Iterator[str]:
    yield "entered"


OBJECTS: dict[str, Callable[[], Any]] = {
    "int": lambda: 5,
    "large int": lambda: 2**70,
    "bool": lambda: True,
    "float": lambda: 2.5,
    "nan": lambda: math.nan,
    "complex": lambda: 1 + 2j,
    "Decimal": lambda: decimal.Decimal("2.5"),
    "Fraction": lambda: fractions.Fraction(5, 2),
    "str": lambda: "text",
    "digits": lambda: "12",
    "empty str": str,
    "str subclass": lambda: Text("text"),
    "bytes": lambda: b"bytes",
    "bytearray": lambda: bytearray(b"bytes"),
    "memoryview": lambda: memoryview(b"bytes"),
    "array": lambda: array.array("i", [1, 2]),
    "list": lambda: [3, 1, 2],
    "tuple": lambda: (3, 1, 2),
    "pair": lambda: Pair((1, 2)),
    "namedtuple": lambda: Named(1, 2),
    "dict": lambda: {"a": 1, "b": 2},
    "defaultdict": lambda: collections.defaultdict(list, {1: [2]}),
    "dict with __missing__": lambda: Upper(a=1),
    "OrderedDict": lambda: collections.OrderedDict(a=1, b=2),
    "Counter": lambda: collections.Counter("aab"),
    "mappingproxy": lambda: types.MappingProxyType({"a": 1}),
    "keys": lambda: {"a": 1, "b": 2}.keys(),
    "set": lambda: {1, 2},
    "frozenset": lambda: frozenset({1, 2}),
    "deque": lambda: collections.deque([1, 2, 3]),
    "range": lambda: range(5),
    "slice": lambda: slice(1, 3),
    "iterator": lambda: iter([1, 2, 3]),
    "generator": generator,
    "None": lambda: None,
    "Ellipsis": lambda: ...,
    "NotImplemented": lambda: NotImplemented,
    "function": lambda: function,
    "lambda": lambda: lambda *arguments: arguments,
    "builtin": lambda: max,
    "method": lambda: [1, 2].count,
    "partial": lambda: functools.partial(function, 1, a=2),
    "class": lambda: Plain,
    "builtin class": lambda: int,
    "class with a metaclass": lambda: WithMeta,
    "generic class": lambda: GenericClass,
    "enum class": lambda: Colour,
    "exception class": lambda: LookupError,
    "alias": lambda: list[int],
    "union": lambda: int | str,
    "module": lambda: math,
    "object": Plain,
    "object with slots": Slots,
    "dataclass": Point,
    "frozen dataclass": Frozen,
    "enum member": lambda: Colour.RED,
    "IntEnum member": lambda: Number.TWO,
    "flag": lambda: Bits.A,
    "exception": lambda: LookupError("no"),
    "property": lambda: property(function),
    "classmethod": lambda: classmethod(function),
    "path": lambda: pathlib.PurePath("a", "b"),
    "date": lambda: datetime.date(2026, 1, 2),
    "datetime": lambda: datetime.datetime(2026, 1, 2),
    "timedelta": lambda: datetime.timedelta(2),
    "uuid": lambda: uuid.UUID(int=5),
    "pattern": lambda: re.compile("a(b)?"),
    "stream": lambda: io.StringIO("one\ntwo\n"),
    "context manager": manager,
    "every operator": Everything,
}
