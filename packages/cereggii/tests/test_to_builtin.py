# SPDX-License-Identifier: Apache-2.0
"""to_builtin makes plain copies of all that has a value, and refuses everything else."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import fractions
import functools
import json
import sys
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import cereggii
import pytest
from cereggii import (
    NOT_FOUND,
    AtomicBool,
    AtomicCache,
    AtomicCounter,
    AtomicDict,
    AtomicEvent,
    AtomicFloat,
    AtomicFloatSum,
    AtomicInt,
    AtomicKeyedCounter,
    AtomicRef,
    AtomicSet,
    AtomicStampedRef,
    CountDownLatch,
    ExpectationFailed,
    ReadersWriterLock,
    ThreadHandle,
    ThreadSet,
    call_once,
    once_property,
    to_builtin,
)
from cereggii_atomicref import ThreadHandle as Proxy

from tools.testing.concurrency import background, run_threads


def filled(value: Any, **limits: Any) -> AtomicCache[str, Any]:
    cache = AtomicCache(lambda _: value, **limits)
    cache["key"]
    return cache


def set_event() -> AtomicEvent:
    event = AtomicEvent()
    event.set()
    return event


# Each type that has a value: how one is made, and what it becomes.
PLAIN: dict[str, tuple[Callable[[], Any], Any]] = {
    "AtomicInt": (lambda: AtomicInt(-5), -5),
    "AtomicCounter": (lambda: AtomicCounter(5), 5),
    "AtomicFloat": (lambda: AtomicFloat(-0.5), -0.5),
    "AtomicFloatSum": (lambda: AtomicFloatSum(0.5), 0.5),
    "AtomicBool": (lambda: AtomicBool(True), True),
    "AtomicEvent": (set_event, True),
    "AtomicRef": (lambda: AtomicRef("text"), "text"),
    "AtomicRef of None": (AtomicRef, None),
    "AtomicStampedRef": (lambda: AtomicStampedRef("text", 7), ("text", 7)),
    "AtomicDict": (lambda: AtomicDict(key=1), {"key": 1}),
    "AtomicKeyedCounter": (lambda: AtomicKeyedCounter("aab"), {"a": 2, "b": 1}),
    "AtomicCache": (lambda: filled(1), {"key": 1}),
    "AtomicCache with maxsize": (lambda: filled(1, maxsize=5), {"key": 1}),
    "AtomicCache with ttl": (lambda: filled(1, ttl=1e9), {"key": 1}),
    "empty AtomicDict": (AtomicDict, {}),
    "AtomicSet": (lambda: AtomicSet(["a", 1]), {"a", 1}),
    "empty AtomicSet": (AtomicSet, set()),
}
# The same in every form: as it is, by a handle, by a proxy, by a proxy of a handle, derived.
FORMS: dict[str, tuple[Callable[[], Any], Any]] = dict(PLAIN)
for _name, (_make, _plain) in PLAIN.items():
    FORMS[f"proxy of {_name}"] = (lambda make=_make: ThreadHandle(make())), _plain
    FORMS[f"proxy of a proxy of {_name}"] = (lambda make=_make: Proxy(Proxy(make()))), _plain
    FORMS[f"AtomicRef of {_name}"] = (lambda make=_make: AtomicRef(make())), _plain
    if hasattr(_make(), "get_handle") and not isinstance(_make(), AtomicCache):
        FORMS[f"handle of {_name}"] = (lambda make=_make: make().get_handle()), _plain
        FORMS[f"proxy of a handle of {_name}"] = (
            (lambda make=_make: ThreadHandle(make().get_handle())),
            _plain,
        )
every_form = pytest.mark.parametrize(("make", "plain"), FORMS.values(), ids=FORMS)
# The forms that can be a key.
HASHABLE = {name: form for name, form in FORMS.items() if not isinstance(form[1], (dict, set))}


class Point(NamedTuple):
    x: Any
    y: Any


class MyList(list[Any]):
    pass


# Containers that may be in our objects: how each is made around a member, and what it becomes.
Around = Callable[[Any], Any]
CONTAINERS: dict[str, tuple[Around, Around]] = {
    "list": (lambda x: [x, 1], lambda x: [x, 1]),
    "tuple": (lambda x: (1, x), lambda x: (1, x)),
    "dict": (lambda x: {"k": x}, lambda x: {"k": x}),
    "namedtuple": (lambda x: Point(x, 2), lambda x: (x, 2)),
    "list's subclass": (lambda x: MyList([x]), lambda x: [x]),
    "OrderedDict": (lambda x: collections.OrderedDict(k=x), lambda x: {"k": x}),
    "defaultdict": (lambda x: collections.defaultdict(int, k=x), lambda x: {"k": x}),
    "Counter": (lambda x: collections.Counter({"k": x}), lambda x: {"k": x}),
    "AtomicRef": (AtomicRef, lambda x: x),
    "AtomicStampedRef": (AtomicStampedRef, lambda x: (x, 0)),
    "AtomicDict": (lambda x: AtomicDict(k=x), lambda x: {"k": x}),
    "AtomicCache": (filled, lambda x: {"key": x}),
    "AtomicCache with maxsize": (lambda x: filled(x, maxsize=3), lambda x: {"key": x}),
    "ThreadHandle of a list": (lambda x: ThreadHandle([x]), lambda x: [x]),
    "handle": (lambda x: AtomicDict(k=x).get_handle(), lambda x: {"k": x}),
}
HASHABLE_CONTAINERS: dict[str, tuple[Around, Around]] = {
    "set": (lambda x: {x}, lambda x: {x}),
    "frozenset": (lambda x: frozenset([x]), lambda x: frozenset([x])),
    "AtomicSet": (lambda x: AtomicSet([x]), lambda x: {x}),
    "AtomicSet's handle": (lambda x: AtomicSet([x]).get_handle(), lambda x: {x}),
    "key": (lambda x: {x: 1}, lambda x: {x: 1}),
    "key of ours": (lambda x: AtomicDict({x: 1}), lambda x: {x: 1}),
    "key in a tuple": (lambda x: AtomicDict({(x, 2): 1}), lambda x: {(x, 2): 1}),
    "key in a namedtuple": (lambda x: AtomicDict({Point(x, 2): 1}), lambda x: {(x, 2): 1}),
}


def same(found: Any, expected: Any) -> bool:
    """Equal, and of the same types, all the way down."""
    if type(found) is not type(expected) or found != expected:
        return False
    if isinstance(expected, dict):
        return all(map(same, sorted(found.items(), key=str), sorted(expected.items(), key=str)))
    if isinstance(expected, (list, tuple)):
        return all(map(same, found, expected))
    return True


# ── each type ──────────────────────────────────────────────────────────────────────────────────


@every_form
def test_an_object_with_a_value_becomes_plain(make: Any, plain: Any) -> None:
    assert same(to_builtin(make()), plain)


@pytest.mark.parametrize(("around", "plain_around"), CONTAINERS.values(), ids=CONTAINERS)
@every_form
def test_objects_inside_become_plain(
    make: Any, plain: Any, around: Around, plain_around: Around
) -> None:
    for depth in (1, 2, 3):
        built, expected = make(), plain
        for _ in range(depth):
            built, expected = around(built), plain_around(expected)
        assert same(to_builtin(AtomicRef(built)), expected)
        assert same(to_builtin(AtomicDict({5: built})), {5: expected})


@pytest.mark.parametrize(
    ("around", "plain_around"), HASHABLE_CONTAINERS.values(), ids=HASHABLE_CONTAINERS
)
@pytest.mark.parametrize(("make", "plain"), HASHABLE.values(), ids=HASHABLE)
def test_keys_and_members_become_plain(
    make: Any, plain: Any, around: Around, plain_around: Around
) -> None:
    assert same(to_builtin(AtomicRef(around(make()))), plain_around(plain))


@pytest.mark.parametrize(
    "kind", [AtomicInt, AtomicBool, AtomicCounter, AtomicRef, AtomicDict, AtomicKeyedCounter]
)
def test_an_instance_of_a_subclass_becomes_what_one_of_the_type_becomes(kind: Any) -> None:
    derived = type("Derived", (kind,), {"__slots__": ("attribute",)})
    mine = derived()
    mine.attribute = AtomicInt(7)
    assert same(to_builtin(mine), to_builtin(kind()))
    assert same(to_builtin(AtomicRef([mine])), [to_builtin(kind())])


def test_a_mapping_that_iterates_in_its_own_way_is_what_it_shows() -> None:
    class Upper(AtomicDict[str, Any]):
        def __iter__(self) -> Any:
            return iter([key.upper() for key in AtomicDict.keys(AtomicDict(self.snapshot()))])

        def __getitem__(self, key: str) -> Any:
            return AtomicDict.__getitem__(self, key.lower())

    assert to_builtin(Upper(a=AtomicInt(1))) == {"A": 1}


def test_a_derived_proxy_becomes_what_its_target_becomes() -> None:
    class Mine(ThreadHandle):  # type: ignore[misc,type-arg]
        pass

    assert to_builtin(Mine([AtomicInt(1)])) == [1]


OTHERS = [
    *(5, 1.5, "text", b"bytes", None, True, 10**50, 1j, ..., fractions.Fraction(1, 2)),
    *(datetime.date(2024, 2, 29), object(), range(3), int, len, AtomicInt, sys, iter([])),
    *(bytearray(b"x"), collections.deque([1]), threading.Lock(), ValueError("x")),
]


@pytest.mark.parametrize("other", OTHERS, ids=lambda other: type(other).__name__)
def test_any_other_object_stays_what_it_is_inside_and_is_refused_alone(other: Any) -> None:
    assert to_builtin(AtomicRef(other)) is other
    assert to_builtin(AtomicDict(k=[other]))["k"][0] is other
    assert to_builtin(ThreadHandle(other)) is other
    with pytest.raises(TypeError) as caught:
        to_builtin(other)
    name = type(other).__name__
    assert str(caught.value) == f"Object of type {name} is not convertible by to_builtin"


@pytest.mark.parametrize("other", [[], (), {}, set(), frozenset(), Point(1, 2), MyList()], ids=repr)
def test_builtin_containers_are_refused_alone(other: Any) -> None:
    with pytest.raises(TypeError, match=f"^Object of type {type(other).__name__} is not "):
        to_builtin(other)


def test_a_dataclass_instance_stays_what_it_is() -> None:
    @dataclasses.dataclass
    class Data:
        count: AtomicInt

    data = Data(AtomicInt(1))
    assert to_builtin(AtomicRef([data])) == [data]
    assert to_builtin(AtomicRef(data)) is data


WITHOUT_VALUE: dict[str, Callable[[], Any]] = {
    "ReadersWriterLock": ReadersWriterLock,
    "ReaderLock": lambda: ReadersWriterLock().reader(),
    "WriterLock": lambda: ReadersWriterLock().writer(),
    "CountDownLatch": lambda: CountDownLatch(1),
    "ThreadSet": ThreadSet,
    "Args": lambda: ThreadSet.Args(1),
    "once_property": lambda: once_property(len),
    "MemoizedFunction": lambda: AtomicCache.memoize(len),
    "Sentinel": lambda: NOT_FOUND,
    "ExpectationFailed": ExpectationFailed,
    "AtomicDictKeys": lambda: AtomicDict().keys(),
}


@pytest.mark.parametrize("make", WITHOUT_VALUE.values(), ids=WITHOUT_VALUE)
def test_an_object_without_a_value_is_refused_everywhere(make: Any) -> None:
    without = make()
    name = type(without).__name__
    for around in (
        lambda x: x, lambda x: ThreadHandle(x), lambda x: AtomicDict({"k": [x]}),
        lambda x: AtomicDict({"k": {"k": (1, x)}}),
    ):  # fmt: skip
        with pytest.raises(TypeError, match=f"^Object of type {name} is not convertible"):
            to_builtin(around(without))
    if name not in ("Sentinel", "Args", "once_property"):
        derived = type("Derived", (type(without),), {})
        bare = derived.__new__(derived)
        with pytest.raises(TypeError, match=r"^Object of type Derived is not convertible"):
            to_builtin(bare)
        with pytest.raises(TypeError, match=r"^Object of type Derived is not convertible"):
            to_builtin(AtomicDict(k=bare))


def test_every_public_type_is_either_converted_or_refused() -> None:
    converted = {type(make()) for make, _ in FORMS.values()}
    refused = {type(make()) for make in WITHOUT_VALUE.values()}
    for name in cereggii.__all__:
        kind = getattr(cereggii, name)
        if isinstance(kind, type) and not issubclass(kind, BaseException):
            known = kind in converted | refused or kind is ThreadHandle
            assert known, f"{name} is to be added to this file"


def test_functions_stay_functions() -> None:
    once = call_once(len)
    assert to_builtin(AtomicRef(once)) is once


def test_an_object_that_is_not_constructed_is_an_error() -> None:
    for kind in (AtomicInt, AtomicRef, AtomicDict, AtomicBool, AtomicEvent, Proxy):
        with pytest.raises((RuntimeError, TypeError)):
            to_builtin(kind.__new__(kind))


# ── a copy ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("make", [list, dict, set, collections.deque], ids=lambda t: t.__name__)
def test_containers_are_not_shared_with_the_original(make: Any) -> None:
    inner = make()
    outer = AtomicDict(k=inner, other=[inner])
    built = to_builtin(outer)
    shared = isinstance(inner, collections.deque)
    assert (built["k"] is inner) is (built["other"][0] is inner) is shared
    outer["new"] = 5
    assert "new" not in built


def test_an_object_may_occur_twice() -> None:
    count, ref = AtomicInt(1), AtomicRef([1])
    assert to_builtin(AtomicDict(a=count, b=count, c=[count, ref, ref])) == {
        "a": 1, "b": 1, "c": [1, [1], [1]],
    }  # fmt: skip


def test_keys_that_become_equal_are_an_error() -> None:
    mapping = AtomicDict({AtomicInt(1): "a", AtomicInt(2): "b"})
    assert to_builtin(mapping) == {1: "a", 2: "b"}
    for second in (AtomicInt(1), 1, True, AtomicRef(1.0)):
        twice: Any = AtomicDict({AtomicInt(1): "a", second: "b"})
        if len(twice) == 2:
            with pytest.raises(ValueError, match=r"^Two keys of one AtomicDict become (1|True)"):
                to_builtin(twice)
    with pytest.raises(ValueError, match=r"^Two keys of one dict become "):
        to_builtin(AtomicRef({AtomicRef("x"): 1, "x": 2}))
    assert to_builtin(AtomicRef({AtomicRef("x"), "x"})) == {"x"}


def test_a_key_whose_value_cannot_be_one_is_an_error() -> None:
    for key in (AtomicRef([]), AtomicRef(AtomicDict()), (1, AtomicRef({}))):
        for container in ({key: 1}, {key}, frozenset([key]), AtomicDict({key: 1})):
            with pytest.raises(TypeError, match="unhashable"):
                to_builtin(AtomicRef(container))


# ── circles and depth ──────────────────────────────────────────────────────────────────────────


def in_itself(make: Callable[[], Any], put: Callable[[Any, Any], None], around: Around) -> Any:
    whole = make()
    put(whole, around(whole))
    return whole


def put_value(whole: Any, value: Any) -> None:
    whole.set(value)


CIRCLES: dict[str, tuple[Callable[[], Any], Callable[[Any, Any], None]]] = {
    "AtomicRef": (AtomicRef, put_value),
    "AtomicStampedRef": (AtomicStampedRef, lambda whole, value: whole.set(value, 1)),
    "AtomicDict": (AtomicDict, lambda whole, value: whole.update(k=value)),
    "AtomicDict's handle": (lambda: AtomicDict().get_handle(), lambda w, v: w.update(k=v)),
    "AtomicRef's handle": (lambda: AtomicRef().get_handle(), put_value),
}


@pytest.mark.parametrize(
    "around",
    [
        *(lambda x: x, lambda x: [x], lambda x: (1, x), lambda x: {"k": x}, AtomicRef),
        *(lambda x: AtomicDict(k=x), ThreadHandle, lambda x: ThreadHandle([x]), filled),
        *(lambda x: x.get_handle() if hasattr(x, "get_handle") else [x],),
    ],
)
@pytest.mark.parametrize(("make", "put"), CIRCLES.values(), ids=CIRCLES)
def test_an_object_that_contains_itself_is_an_error(make: Any, put: Any, around: Around) -> None:
    whole = in_itself(make, put, around)
    for start in (whole, AtomicRef([whole]), ThreadHandle(whole)):
        with pytest.raises(ValueError, match=r"^Circular reference detected$"):
            to_builtin(start)
        with pytest.raises(ValueError, match=r"^Circular reference detected"):
            json.dumps(start, default=to_builtin)
    put(whole, 1)
    to_builtin(whole)


def test_a_key_that_contains_its_dict_is_an_error() -> None:
    ref: AtomicRef[Any] = AtomicRef()
    ref.set(AtomicDict({ref: 1}))
    with pytest.raises(ValueError, match=r"^Circular reference detected$"):
        to_builtin(ref)
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(ValueError, match=r"^Circular reference detected$"):
        to_builtin(AtomicRef(circle))


@pytest.mark.parametrize("around", [AtomicRef, lambda x: AtomicDict(k=x), lambda x: [x]])
def test_deep_nesting_is_fine_or_a_clean_error(around: Around) -> None:
    for depth, fails in ((50, False), (50_000, True)):
        nested: Any = AtomicInt(1)
        layers = []
        for _ in range(depth):
            nested = around(nested)
            layers.append(nested)
        if fails:
            with pytest.raises(RecursionError):
                to_builtin(AtomicRef(nested))
        else:
            to_builtin(AtomicRef(nested))
        while layers:  # from the outside in: to free them is not recursive then
            del nested
            nested = layers.pop()
    assert to_builtin(AtomicRef(1)) == 1


# ── json ───────────────────────────────────────────────────────────────────────────────────────

dumps = functools.partial(json.dumps, default=to_builtin, sort_keys=True)


# JSON has no sets.
JSON = {name: form for name, form in FORMS.items() if not isinstance(form[1], set)}


@pytest.mark.parametrize(("make", "plain"), JSON.values(), ids=JSON)
def test_json_dumps_all_of_them(make: Any, plain: Any) -> None:
    assert dumps(make()) == dumps(plain)
    for indent in (None, 1):  # with indent, json's encoder is the one in Python
        assert dumps({"k": [make()]}, indent=indent) == dumps({"k": [plain]}, indent=indent)
    assert dumps(AtomicDict(k=[make()])) == dumps({"k": [plain]})


def test_json_refuses_what_it_did_before() -> None:
    for wrong in (
        object(),
        {1},
        1j,
        {"k": [b"x"]},
        AtomicRef({1}),
        AtomicSet([1]),
        AtomicDict(k=1j),
    ):
        with pytest.raises(TypeError, match=r"^Object of type (object|set|complex|bytes) is not "):
            dumps(wrong)


# ── beside writers ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.thread_unsafe(reason="has threads of its own")
@pytest.mark.usefixtures("switch_often")
def test_a_dict_is_copied_as_of_one_instant() -> None:
    """A thread counts keys in turn: at each instant none is more than one ahead of another."""
    names = [f"name{number}" for number in range(50)]
    mapping: AtomicDict[str, Any] = AtomicDict(dict.fromkeys(names, 0))
    outer = AtomicRef([mapping, AtomicDict(inner=mapping.get_handle())])
    enough = threading.Event()

    def write() -> None:
        for turn in range(1, 10_000):
            for name in names:
                mapping[name] = turn
            if enough.is_set():
                return

    with background(write):
        try:
            for _ in range(100):
                first, second = to_builtin(outer)
                for seen in (first, second["inner"]):
                    in_turn = [seen[name] for name in names]
                    assert in_turn == sorted(in_turn, reverse=True)
                    assert in_turn[0] - in_turn[-1] <= 1
        finally:
            enough.set()


@pytest.mark.thread_unsafe(reason="has threads of its own")
@pytest.mark.usefixtures("switch_often")
@pytest.mark.parametrize("kind", [list, set, dict, AtomicDict, AtomicKeyedCounter])
def test_writers_disturb_no_copy(kind: Any) -> None:
    grows = kind()
    mapping = AtomicDict(grows=grows, handle=ThreadHandle(grows))

    def write() -> None:
        for number in range(2000):
            if isinstance(grows, list):
                grows.append(AtomicInt(number))
            elif isinstance(grows, set):
                grows.add(number)
            else:
                grows[number] = 1

    def read() -> None:
        for _ in range(50):
            seen = to_builtin(mapping)
            # Converted one after the other, in the order of the dict.
            sizes = [len(value) for value in seen.values()]
            assert sizes == sorted(sizes) or kind is not list
            assert [*seen["grows"]] == [*range(len(seen["grows"]))] or kind is not list

    run_threads(write, read, read)
    assert len(to_builtin(mapping)["grows"]) == 2000
