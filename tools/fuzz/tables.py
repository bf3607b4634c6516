# SPDX-License-Identifier: Apache-2.0
"""The steps that are compared with the builtin types.

A step is [name, argument, …]. Its function does the same to an object of ours and to its model.
"""

from __future__ import annotations

import itertools
import operator
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from tools.fuzz.arguments import FuzzError, Step, build
from tools.fuzz.set_steps import SET
from tools.testing import models
from tools.testing.models import ANY, IN_PLACE, NOT_FOUND, PLAIN

# ── AtomicDict ─────────────────────────────────────────────────────────────────────────────────


def _sentinel(shared: Any, name: Any) -> Any:
    """NOT_FOUND and ANY of our package, or their names for the model."""
    if name not in (NOT_FOUND, ANY) or isinstance(shared, models.ModelDict):
        return name
    import cereggii

    return getattr(cereggii, name)


def _raising(count: int, first: int) -> Iterator[tuple[int, int]]:
    yield from ((number, number) for number in range(first, first + count))
    raise FuzzError


def _pairs(first: int, count: int) -> list[tuple[int, int]]:
    return [(number, number) for number in range(first, first + count)]


def _iterate(shared: Any) -> Any:
    keys, values, items = [*shared], [*shared.values()], [*shared.items()]
    return len(keys), len(values), len(items), {*keys} == {key for key, _ in items}


def _iterate_and_fill(shared: Any, first: int, count: int) -> str:
    """Insert keys while an iterator goes on, and check what the iterator finds."""
    to_insert = iter(range(first, first + count))  # all are inserted, now or at the end
    if not isinstance(shared, models.ModelDict):
        before, found = {*shared}, []
        for key in shared:
            found.append(key)
            for number in itertools.islice(to_insert, 3):
                shared[number] = number
        if len({*found}) != len(found):
            return "an iterator has found a key twice"
        if not before <= {*found}:
            return "an iterator has missed a key"
    for number in to_insert:
        shared[number] = number
    return "complete"


def _delete_range(shared: Any, first: int, count: int) -> int:
    return sum(shared.pop(number, None) is not None for number in range(first, first + count))


def _swapped(_key: Any, current: Any) -> Any:
    """Deletes what is there, and inserts what is not. In both, NOT_FOUND has this text."""
    return "new" if str(current) == NOT_FOUND else current


def _add_or_start(_key: Any, current: Any, new: Any) -> Any:
    return new if str(current) == NOT_FOUND else [current, new]


DICT = {
    "get": Step(lambda d, key: d.get(key), ("key",)),
    "getitem": Step(lambda d, key: d[key], ("key",)),
    "in": Step(lambda d, key: key in d, ("key",)),
    "set": Step(operator.setitem, ("key", "value")),
    "del": Step(operator.delitem, ("key",)),
    "pop": Step(lambda d, key: d.pop(key), ("key",)),
    "pop or": Step(lambda d, key, value: d.pop(key, value), ("key", "value")),
    "setdefault": Step(lambda d, key, value: d.setdefault(key, value), ("key", "value")),
    "get_and_set": Step(lambda d, key, value: d.get_and_set(key, value), ("key", "value")),
    "compare_and_set": Step(
        lambda d, key, old, new: d.compare_and_set(key, _sentinel(d, old), new),
        ("key", "expected", "value"),
    ),
    "compare_and_exchange": Step(
        lambda d, key, old, new: d.compare_and_exchange(key, _sentinel(d, old), new),
        ("key", "expected", "value"),
    ),
    "compare_and_delete": Step(
        lambda d, key, old: d.compare_and_delete(key, _sentinel(d, old)), ("key", "expected")
    ),
    "get_or_compute": Step(
        lambda d, key, value: d.get_or_compute(key, lambda _: value), ("key", "value")
    ),
    "compute": Step(lambda d, key: d.compute(key, _swapped), ("key",)),
    "delete by compute": Step(
        lambda d, key: d.compute(key, lambda *_: _sentinel(d, NOT_FOUND)), ("key",)
    ),
    "merge": Step(
        lambda d, key, value: d.merge(key, value, lambda old, new: (str(old) + str(new))[-3:]),
        ("key", "value"),
    ),
    "merge fails": Step(
        lambda d, key, value: d.merge(key, value, lambda *_: next(_raising(0, 0))),
        ("key", "value"),
    ),
    "clear": Step(lambda d: d.clear()),
    "len": Step(len),
    "bool": Step(bool),
    "snapshot": Step(lambda d: d.snapshot()),
    "copy": Step(lambda d: dict(d.copy().items())),
    "approx_len": Step(lambda d: d.approx_len(), is_atomic=False),
    "iterate": Step(_iterate, is_atomic=False),
    "iterate and fill": Step(_iterate_and_fill, ("first", "many"), is_atomic=False),
    "reserve": Step(lambda d, n: d.reserve(n), ("many",), is_atomic=False),
    "update": Step(
        lambda d, first, count: d.update(_pairs(first, count)), ("first", "many"), is_atomic=False
    ),
    "update from dict": Step(
        lambda d, first, count: d.update(dict(_pairs(first, count))),
        ("first", "many"),
        is_atomic=False,
    ),
    "update fails": Step(
        lambda d, first, count: d.update(_raising(count, first)), ("first", "many"), is_atomic=False
    ),
    "delete range": Step(_delete_range, ("first", "many"), is_atomic=False),
    "remove_if": Step(
        lambda d, n: d.remove_if(lambda key, _: isinstance(key, int) and key % (n + 2) == 0),
        ("tiny",),
        is_atomic=False,
    ),
    "reduce": Step(
        lambda d, first, count: d.reduce(_pairs(first, count), _add_or_start),
        ("first", "many"),
        is_atomic=False,
    ),
    "reduce_count": Step(
        lambda d, first, count: d.reduce_count([*range(first, first + count)] * 2),
        ("first", "many"),
        is_atomic=False,
    ),
    "batch_getitem": Step(
        lambda d, first, count: sorted(
            map(str, d.batch_getitem(dict(_pairs(first, count))).values())
        ),
        ("first", "many"),
        is_atomic=False,
    ),
    "equal": Step(lambda d: d == dict(d.items()), is_atomic=False),
    "union": Step(
        lambda d, first, count: dict((d | dict(_pairs(first, count))).items()),
        ("first", "many"),
        is_atomic=False,
    ),
}

# ── AtomicInt and AtomicFloat ──────────────────────────────────────────────────────────────────

_MODELS = models.ModelInt | models.ModelFloat


def _in_place(shared: Any, symbol: str, operand: Any) -> None:
    if isinstance(shared, _MODELS):
        shared.in_place(symbol, operand)
    elif IN_PLACE[symbol](shared, operand) is not shared:
        raise AssertionError(f"{symbol} has returned another object")


def _plain(shared: Any, symbol: str, operand: Any) -> Any:
    left = shared.get() if isinstance(shared, _MODELS) else shared
    return PLAIN[symbol](left, operand)


def _reflected(shared: Any, symbol: str, operand: Any) -> Any:
    right = shared.get() if isinstance(shared, _MODELS) else shared
    return PLAIN[symbol](operand, right)


def _method(name: str, *arguments: str) -> Step:
    return Step(lambda shared, *given: getattr(shared, name)(*given), arguments)


def _fails(*_: object) -> Any:
    raise FuzzError


INT = {
    name: _method(name, *arguments)
    for name, *arguments in (
        ("get",),
        ("set", "edge"),
        ("get_and_set", "edge"),
        ("compare_and_set", "edge", "edge"),
        ("compare_and_exchange", "edge", "edge"),
        ("increment_and_get", "edge"),
        ("get_and_increment", "edge"),
        ("decrement_and_get", "edge"),
        ("get_and_decrement", "edge"),
        ("get_and_or", "edge"),
        ("get_and_and", "edge"),
        ("get_and_xor", "edge"),
        ("get_and_max", "edge"),
        ("get_and_min", "edge"),
    )
} | {
    "update_and_get": Step(lambda a, n: a.update_and_get(lambda v: v + n), ("tiny",)),
    "get_and_update": Step(lambda a, n: a.get_and_update(lambda v: v ^ n), ("tiny",)),
    "accumulate_and_get": Step(
        lambda a, n: a.accumulate_and_get(n, lambda value, x: value - x), ("tiny",)
    ),
    "get_and_accumulate": Step(lambda a, n: a.get_and_accumulate(n, max), ("edge",)),
    "update fails": Step(lambda a: a.update_and_get(_fails)),
    "in place": Step(_in_place, ("op=", "edge")),
    "plain": Step(_plain, ("op", "tiny")),
    "reflected": Step(
        lambda a, n: _reflected(a, "+", n) - _reflected(a, "-", n) * _reflected(a, "&", n),
        ("tiny",),
        is_atomic=False,
    ),
}

FLOAT = {
    name: step._replace(arguments=tuple("float" if a == "edge" else a for a in step.arguments))
    for name, step in INT.items()
    if name not in ("get_and_or", "get_and_and", "get_and_xor", "get_and_update", "reflected")
} | {
    "get_and_update": Step(lambda a, n: a.get_and_update(lambda v: v / n), ("tiny",)),
    "reflected": Step(
        lambda a, n: _reflected(a, "+", n) - _reflected(a, "-", n) * _reflected(a, "//", n),
        ("tiny",),
        is_atomic=False,
    ),
    "round": Step(lambda a: round(a.get()), is_atomic=False),
}

# ── AtomicKeyedCounter ─────────────────────────────────────────────────────────────────────────


def _counts(number: int) -> dict[Any, int]:
    return {"a": number, 1: -number, "b": number // 2}


def _drop(shared: Any, symbol: str, number: int) -> None:
    if IN_PLACE[symbol](shared, models.ModelCounter(_counts(number))) is not shared:
        raise AssertionError(f"{symbol} has returned another object")


COUNTER = {
    "getitem": Step(lambda c, key: c[key], ("key",)),
    "get": Step(lambda c, key: c.get(key), ("key",)),
    "add": Step(lambda c, key, n: c.add(key, n), ("key", "count")),
    "set": Step(operator.setitem, ("key", "count")),
    "del": Step(operator.delitem, ("key",)),
    "in": Step(lambda c, key: key in c, ("key",)),
    "pop or": Step(lambda c, key: c.pop(key, 0), ("key",)),
    "clear": Step(lambda c: c.clear()),
    "len": Step(len),
    "total": Step(lambda c: c.total()),
    "snapshot": Step(lambda c: c.snapshot()),
    "update": Step(
        lambda c, key, n: c.update([key] * max(0, n)), ("key", "count"), is_atomic=False
    ),
    "update by mapping": Step(lambda c, n: c.update(_counts(n)), ("count",), is_atomic=False),
    "subtract": Step(
        lambda c, key, n: c.subtract([key] * max(0, n)), ("key", "count"), is_atomic=False
    ),
    "subtract mapping": Step(lambda c, n: c.subtract(_counts(n)), ("count",), is_atomic=False),
    "most_common": Step(lambda c: sorted(count for _, count in c.most_common()), is_atomic=False),
    "elements": Step(lambda c: len([*c.elements()]), is_atomic=False),
    "+=": Step(lambda c, n: _drop(c, "+=", n), ("count",), is_atomic=False),
    "-=": Step(lambda c, n: _drop(c, "-=", n), ("count",), is_atomic=False),
    "|=": Step(lambda c, n: _drop(c, "|=", n), ("count",), is_atomic=False),
    "&=": Step(lambda c, n: _drop(c, "&=", n), ("count",), is_atomic=False),
    "+": Step(lambda c, n: dict(c + Counter(_counts(n))), ("count",), is_atomic=False),
    "-": Step(lambda c, n: dict(c - Counter(_counts(n))), ("count",), is_atomic=False),
    "iterate": Step(_iterate, is_atomic=False),
}

TABLES: dict[str, dict[str, Step]] = {
    "dict": DICT,
    "set": SET,
    "int": INT,
    "float": FLOAT,
    "counter": COUNTER,
}
NUMBERS = ("int", "float")


def new_model(kind: str) -> Any:
    """An empty model of this kind."""
    kinds: dict[str, Callable[[], Any]] = {
        "dict": models.ModelDict,
        "set": models.ModelSet,
        "int": models.ModelInt,
        "float": models.ModelFloat,
        "counter": models.ModelCounter,
    }
    return kinds[kind]()


def new_atomic(kind: str, accessor: str) -> Any:
    """An empty object of ours: the atomic object, a handle of it, or an instance of a subclass."""
    import cereggii

    names = {
        "dict": "AtomicDict",
        "set": "AtomicSet",
        "int": "AtomicInt",
        "float": "AtomicFloat",
        "counter": "AtomicKeyedCounter",
    }
    base = getattr(cereggii, names[kind])
    if accessor == "subclass":
        return type("Derived", (base,), {})()
    made = base()
    return made.get_handle() if accessor == "handle" else made


def outcome(step: Step, shared: Any, arguments: list[Any]) -> Any:
    """What a step returns, in a form that can be compared; or the name of what it raises."""
    try:
        return plain(step.function(shared, *map(build, arguments)))
    except Exception as error:
        return f"raises {type(error).__name__}"


def plain(result: Any) -> Any:
    """A sentinel by its name, a float by its text; anything else is unchanged.

    The text tells -0.0 from 0.0, and NaN is equal to itself.
    """
    if isinstance(result, float | complex):
        return repr(result)
    return str(result) if type(result).__name__ == "Sentinel" else result
