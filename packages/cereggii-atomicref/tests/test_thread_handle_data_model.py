# SPDX-License-Identifier: Apache-2.0
"""Every operation of the data model on objects of every kind: a handle gives what its object gives.

What it does not give is in test_thread_handle_limits.py and docs/thread-handle.md.
"""

from __future__ import annotations

import collections
import contextlib
import copy
import dataclasses
import datetime
import enum
import fractions
import functools
import io
import itertools
import json
import math
import operator
import os
import pickle
import re
import sys
from collections.abc import Callable
from typing import Any

import pytest
from cereggii_atomicref import ThreadHandle

from .objects_of_every_kind import (
    BINARY,
    OBJECTS,
    Bits,
    Colour,
    Everything,
    Frozen,
    Named,
    Number,
    Pair,
    Plain,
    Point,
    Slots,
    function,
)
from .test_thread_handle_limits import LIMITS

# ── the operations ─────────────────────────────────────────────────────────────────────────────


def match_class(value: Any) -> Any:
    match value:
        case bool(found):
            return "bool", found
        case int(found) | str(found) | float(found) | bytes(found):
            return "builtin", found
        case Point(x=x, y=y) | Named(x=x, y=y):
            return "both", x, y
        case Frozen(x) | Pair(x):
            return "first", x
        case Colour(value=found):
            return "colour", found
        case Plain(size=size) | Slots(size=size):
            return "size", size
        case Exception(args=arguments):
            return arguments
        case type(__name__=name):
            return name
        case list() | tuple() | dict() | set():
            return "container"
        case _:
            return "none"


def match_value(value: Any) -> Any:
    match value:
        case 5 | 2.5 | "text" | b"bytes":
            return "literal"
        case Colour.RED | Number.TWO | math.pi:
            return "value"
        case _:
            return "none"


@functools.singledispatch
def dispatched(value: Any) -> str:
    return "object"


for _kind in (int, str, list, dict, type, Plain, enum.Enum, BaseException, collections.abc.Set):
    dispatched.register(_kind, lambda value, name=_kind.__name__: name)


def with_statement(value: Any) -> Any:
    with value as entered:
        return entered


def derive(value: Any) -> Any:
    try:

        class Derived(value):  # type: ignore[misc]
            pass

        return [base.__name__ for base in Derived.__mro__]
    except (AttributeError, TypeError) as error:  # which one depends on the type that is called
        raise TypeError from error


def as_metaclass(value: Any) -> Any:
    class Made(metaclass=value):
        pass

    return type(Made).__name__


def unpack_two(value: Any) -> Any:
    first, second = value
    return first, second


def replace(value: Any) -> Any:
    if sys.version_info >= (3, 13):
        return copy.replace(value, x=9)
    return value._replace(x=9)


READING: dict[str, Callable[[Any], Any]] = {
    # text and numbers
    "str": str,
    "format": format,
    "format spec": lambda x: format(x, ">9"),
    "f-string": lambda x: f"{x!s:>5}",
    "str.format": lambda x: "{0} {0.__class__}".format(x),  # noqa: UP032
    "percent s": lambda x: "%s" % (x,),  # noqa: UP031
    "percent d": lambda x: operator.mod("%d", (x,)),
    "percent with names": lambda x: operator.mod("%(a)s", x),
    "ascii in a list": lambda x: str([str(x)]),
    "bytes": bytes,
    "str of bytes": lambda x: str(x, "ascii"),
    "bool": bool,
    "not": operator.not_,
    "int": int,
    "float": float,
    "complex": complex,
    "index": operator.index,
    "round": round,
    "round 1": lambda x: round(x, 1),
    "trunc": math.trunc,
    "floor": math.floor,
    "ceil": math.ceil,
    "sqrt": math.sqrt,
    "gcd": lambda x: math.gcd(x, 10),
    "chr": chr,
    "hex": hex,
    "range": range,
    "fspath": os.fspath,
    "neg": operator.neg,
    "pos": operator.pos,
    "abs": abs,
    "invert": operator.invert,
    # containers and iteration
    "len": len,
    "length_hint": operator.length_hint,
    "list": list,
    "set": set,
    "dict": dict,
    "sorted": sorted,
    "sum": sum,
    "max": max,
    "any": any,
    "enumerate": lambda x: list(enumerate(x)),
    "zip": lambda x: list(zip(x, range(9), strict=False)),
    "chain": lambda x: list(itertools.chain(x, x)),
    "star": lambda x: [*x],
    "star arguments": lambda x: function(*x),
    "double star": lambda x: {**x},
    "double star arguments": lambda x: function(**x),
    "unpack": unpack_two,
    "reversed": lambda x: list(reversed(x)),
    "next": next,
    "next with a default": lambda x: next(x, None),
    "iter": lambda x: list(iter(x)),
    "iter of a call": lambda x: next(iter(x, 5)),
    "contains": lambda x: 1 in x,
    "contains text": lambda x: "a" in x,
    "count": lambda x: operator.countOf(x, 1),
    "item 0": lambda x: x[0],
    "item -1": lambda x: x[-1],
    "item a": lambda x: x["a"],
    "item int": lambda x: x[int],
    "item slice": lambda x: x[0:2],
    "item of a tuple": lambda x: x[0, 1],
    "itemgetter": operator.itemgetter(0),
    "as a position": lambda x: "abcdefghijklm"[x],
    "in a slice": lambda x: "abcdefghijklm"[:x],
    "as a key": lambda x: {5: 1, "text": 2, (3, 1, 2): 3, Colour.RED: 4}.get(x),
    "in a list": lambda x: x in [5, "text", [3, 1, 2], Colour.RED, None],
    "memoryview": lambda x: memoryview(x).tolist(),
    "from_bytes": lambda x: int.from_bytes(x, "big"),
    "join bytes": lambda x: b"".join([x]),
    # attributes
    "dir": dir,
    "vars": lambda x: sorted(vars(x)),
    "class": lambda x: x.__class__,
    "doc": lambda x: x.__doc__,
    "module": lambda x: x.__module__,
    "name": lambda x: x.__name__,
    "qualname": lambda x: x.__qualname__,
    "annotations": lambda x: x.__annotations__,
    "size": lambda x: x.size,
    "missing": lambda x: x.missing_attribute,
    "hasattr": lambda x: [hasattr(x, name) for name in ("size", "real", "keys", "__len__", "x")],
    "attrgetter": operator.attrgetter("real.imag"),
    "methodcaller": operator.methodcaller("upper"),
    "sizeof": lambda x: x.__sizeof__(),
    # calls
    "call": lambda x: x(),
    "call 2": lambda x: x(1, 2),
    "call keywords": lambda x: x(key=len),
    "map": lambda x: list(map(x, [1, 2])),
    "partial": lambda x: functools.partial(x, 1)(2),
    "reduce": lambda x: functools.reduce(x, [1, 2, 3]),
    "cache": lambda x: functools.cache(x)(5),
    "wraps": lambda x: functools.wraps(x)(lambda: 1).__name__,
    "sort key": lambda x: sorted([2, 1], key=x),
    # classes
    "isinstance of": lambda x: [
        isinstance(x, kind) for kind in (int, str, dict, type, Plain, enum.Enum, Exception)
    ],
    "isinstance": lambda x: [isinstance(value, x) for value in (1, "a", None, [], KeyError())],
    "isinstance in a tuple": lambda x: isinstance(1, (str, (x, bytes))),
    "issubclass": lambda x: [issubclass(kind, x) for kind in (bool, str, KeyError, object)],
    "derive": derive,
    "metaclass": as_metaclass,
    "or type": lambda x: x | None,
    "type or": lambda x: int | x,
    "mro": lambda x: x.__mro__,
    "match class": match_class,
    "match value": match_value,
    "singledispatch": dispatched,
    "suppress": lambda x: with_statement(contextlib.suppress(x)),
    # statements
    "with": with_statement,
    "ExitStack": lambda x: contextlib.ExitStack().enter_context(x),
    "nullcontext": lambda x: with_statement(contextlib.nullcontext(x)) is x,
    "closing": lambda x: contextlib.closing(x).__exit__(None, None, None),
    # modules
    "copy.replace": replace,
    "fields": lambda x: [field.name for field in dataclasses.fields(x)],
    "Fraction": fractions.Fraction,
    "by value": lambda x: [kind(x) for kind in (Number, Bits)],
    "json by default=": lambda x: json.dumps(
        [x], default=lambda y: ThreadHandle.unwrap(y) if type(y) is ThreadHandle else str(y)
    ),
    "pickled": lambda x: pickle.loads(pickle.dumps(x)),
    "copied": copy.copy,
    "deep copy": copy.deepcopy,
    "hash": lambda x: hash(x) == hash(bare(x)),
    "print": lambda x: print(x, file=io.StringIO()),
    "writelines": lambda x: io.StringIO().writelines(x),
}


def bare(value: Any) -> Any:
    return ThreadHandle.unwrap(value) if issubclass(type(value), ThreadHandle) else value


def second_operands(x: Any) -> list[Any]:
    return [x, 2, 2.5, "ab", [1], (1,), {1: 2}, {1}, None, datetime.timedelta(1), int]


def with_each(operation: Callable[[Any, Any], Any], reflected: bool) -> Callable[[Any], Any]:
    def operate(x: Any) -> Any:
        results = []
        for other in second_operands(bare(x)):
            left, right = (other, x) if reflected else (x, other)
            if skipped(operation, bare(left), bare(right)):
                continue
            results.append(outcome(operation, left, right))
        return results

    return operate


def skipped(operation: Callable[[Any, Any], Any], left: Any, right: Any) -> bool:
    """`%` formatting, which looks at types, and numbers that are too large."""
    if operation in (operator.mod, operator.imod):
        return isinstance(left, (str, bytes, bytearray))
    large = 2**60
    return operation in (pow, operator.pow, operator.ipow, operator.lshift, operator.mul) and any(
        isinstance(operand, int) and operand > large for operand in (left, right)
    )


for _name in BINARY:
    _operation = {"divmod": divmod}.get(_name) or getattr(
        operator, _name + "_" if _name in ("and", "or") else _name
    )
    READING[f"{_name} on the left"] = with_each(_operation, reflected=False)
    READING[f"{_name} on the right"] = with_each(_operation, reflected=True)
for _name in ("eq", "ne", "lt", "le", "gt", "ge", "concat"):
    _operation = getattr(operator, _name)
    READING[f"{_name} on the left"] = with_each(_operation, reflected=False)
    if _name != "concat":
        READING[f"{_name} on the right"] = with_each(_operation, reflected=True)


def in_place(operation: Callable[[Any, Any], Any], operand: Any) -> Callable[[Any], Any]:
    return lambda x: (bare(operation(x, operand)), bare(x))


# Uses that change the object. The test looks at it afterwards.
CHANGING: dict[str, Callable[[Any], Any]] = {
    "set attribute": lambda x: setattr(x, "size", 9),
    "delete attribute": lambda x: delattr(x, "size"),
    "set class": lambda x: setattr(x, "__class__", Everything),
    "set item": lambda x: operator.setitem(x, 0, 9),
    "set item a": lambda x: operator.setitem(x, "a", 9),
    "set slice": lambda x: operator.setitem(x, slice(0, 1), [7, 8]),
    "delete item": lambda x: operator.delitem(x, 0),
    "delete item a": lambda x: operator.delitem(x, "a"),
    "append": lambda x: x.append(5),
    "update": lambda x: x.update({"c": 3}),
    "pop": lambda x: x.pop(),
    "sort": lambda x: x.sort(),
    "clear": lambda x: x.clear(),
    "write": lambda x: x.write("more"),
    "buffer": lambda x: operator.setitem(memoryview(x), 0, 65),
    "readinto": lambda x: io.BytesIO(b"read").readinto(x),
    "heap": lambda x: x.extend([0, 5]),
}
for _name in BINARY:
    if _name != "divmod":
        for _operand in (2, [1], {"c": 3}, {1}):
            CHANGING[f"{_name} in place {_operand}"] = in_place(
                getattr(operator, f"i{_name}"), _operand
            )
ADDRESS = re.compile(r"0x[0-9a-f]+|<function .*?>")


def outcome(call: Callable[..., Any], *arguments: Any) -> Any:
    """The types and texts of what a call gives, or the type of what it raises."""
    try:
        return described(call(*arguments))
    except Exception as error:
        return "raised", type(error)


def described(value: Any) -> Any:
    value = bare(value)
    if type(value) in (list, tuple):
        return type(value), [described(item) for item in value]
    text = repr(sorted(value, key=str)) if isinstance(value, (set, frozenset)) else repr(value)
    return type(value), ADDRESS.sub("", text)


STRINGS = {"str", "digits", "empty str", "str subclass"}
BUFFERS = {"bytes", "bytearray", "memoryview", "array"}


def gives_bytes_by_iteration(make: Callable[[], Any]) -> bool:
    """Whether `int.from_bytes()` takes the object, but not as a buffer."""
    try:
        int.from_bytes(make(), "big")
    except Exception:
        return False
    try:
        memoryview(make())
    except TypeError:
        return True
    return False


# Where a handle gives something else, and the row of docs/thread-handle.md that says why.
WRONG_TYPE = "`math.sqrt(handle)` of a text, `int.from_bytes(handle)` of an int: they are no errors"
PERCENT = '`"%s %s" % handle` of a tuple; `"text" % handle`, which is no error'
SLICES = "`items[handle]` of a slice, `items[:handle]` and `sorted(items, key=handle)` of None"
TEXTS = next(row for row in LIMITS if "re.match" in row)
LIMITED: dict[str, tuple[str, set[str]]] = {
    "percent d": (WRONG_TYPE, STRINGS | BUFFERS),
    "sqrt": (WRONG_TYPE, STRINGS | BUFFERS),
    "from_bytes": (
        WRONG_TYPE,
        {"int", "large int", "bool", "IntEnum member", "flag"}
        if sys.version_info < (3, 15)
        else {kind for kind, make in OBJECTS.items() if gives_bytes_by_iteration(make)},
    ),
    "percent with names": (PERCENT, {"generic class"}),
    "as a position": (SLICES, {"slice"}),
    "in a slice": (SLICES, {"None"}),
    "sort key": (SLICES, {"None"}),
    "Fraction": (TEXTS, STRINGS),
}
if sys.version_info >= (3, 14):
    LIMITED["or on the right"] = ("`int | str | handle`", {"union"})


@pytest.mark.parametrize("name", READING)
def test_reading(name: str) -> None:
    operation = READING[name]
    different = {
        kind: (found, expected)
        for kind, make in OBJECTS.items()
        if (found := outcome(operation, ThreadHandle(make())))
        != (expected := outcome(operation, make()))
    }
    row, kinds = LIMITED.get(name, ("", set()))
    assert row in LIMITS or not row
    assert different.keys() == kinds, different


@pytest.mark.parametrize("name", CHANGING)
def test_changing(name: str) -> None:
    operation = CHANGING[name]
    for kind, make in OBJECTS.items():
        if make() is make() and hasattr(make(), "__dict__"):
            continue  # other tests share it
        subject, other = make(), make()
        expected, found = outcome(operation, subject), outcome(operation, ThreadHandle(other))
        assert found == expected, kind
        assert described(getattr(subject, "__dict__", None) or subject) == described(
            getattr(other, "__dict__", None) or other
        ), kind
