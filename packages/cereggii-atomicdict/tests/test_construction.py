# SPDX-License-Identifier: Apache-2.0
"""Making an AtomicDict: its arguments, its size in memory, and what is not one yet."""

from __future__ import annotations

import collections.abc
import copy
import gc
import operator
import pickle
import sys
import types
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from cereggii_atomicdict import ANY, NOT_FOUND, AtomicDict, AtomicDictHandle

from tools.testing.interpreters import FREE_THREADED

from .mapping_forms import Make, Thing, both_forms, contents, handle_of, without_init

ENORMOUS = (2**60, 2**62, 2**63, 2**64, 2**100)

# ── arguments ──────────────────────────────────────────────────────────────────────────────────


def test_the_contents_are_a_mapping_or_pairs_and_keywords() -> None:
    start = {"a": 1, 2: "b"}
    sources: list[Any] = [start, [*start.items()], AtomicDict(start), handle_of(start)]
    for source in (*sources, start.items()):
        assert contents(AtomicDict(source)) == start
        assert contents(AtomicDict(initial=source)) == start
        assert contents(AtomicDict(source, a=3, c=4)) == {**start, "a": 3, "c": 4}
        assert contents(AtomicDict(c=4, initial=source)) == {**start, "c": 4}
    assert contents(AtomicDict()) == contents(AtomicDict(())) == contents(AtomicDict({})) == {}
    assert contents(AtomicDict(a=1, b=2)) == {"a": 1, "b": 2}
    named: Any = {"self": 1, "key": 2, "iterable": 3, "mapping": 4, "other": 5, "": 6}
    mapping: Any = AtomicDict(**named)
    assert contents(mapping) == named
    sized: Any = AtomicDict({1: 2}, min_size=100, buffer_size=8, immortal=False, more=3)
    assert contents(sized) == {1: 2, "more": 3}


def test_the_very_objects_are_stored() -> None:
    key, value = "".join(["k", "ey"]), Thing()
    for made in (
        AtomicDict({key: value}),
        AtomicDict([(key, value)]),
        AtomicDict(initial={key: value}),
    ):
        assert next(iter(made)) is key
        assert made[key] is value


def test_wrong_arguments_are_type_errors() -> None:
    kind: Any = AtomicDict
    for arguments, keywords in (
        *[(({}, {}), {}), (({}, 5), {"a": 1}), (((), ()), {"initial": {}})],
        *[(({},), {"initial": {}}), (((),), {"initial": ()}), (({"a": 1},), {"initial": 5})],
    ):
        with pytest.raises(TypeError, match="AtomicDict"):
            kind(*arguments, **keywords)
    for wrong in (5, None, 1.5, Thing()):
        with pytest.raises(TypeError, match=type(wrong).__name__):
            kind(wrong)
        with pytest.raises(TypeError, match=type(wrong).__name__):
            kind(initial=wrong)


def test_a_size_is_a_number_that_is_not_negative() -> None:
    kind: Any = AtomicDict
    for size in (None, 0, 1, 7, 1000, True):
        assert contents(kind({1: 2}, min_size=size)) == {1: 2}
    for size in (-1, -(2**70)):
        with pytest.raises((ValueError, OverflowError), match=str(size)):
            kind(min_size=size)
    with pytest.raises(ValueError, match="-1"):
        kind(min_size=-1)
    for size in ("5", 5.0, [5], (5,)):
        with pytest.raises(TypeError) as caught:
            kind({1: 2}, min_size=size)
        assert repr(size) in str(caught.value)
    for size in ENORMOUS:
        with pytest.raises((MemoryError, OverflowError)):
            kind({1: 2}, min_size=size)


def test_a_buffer_size_is_a_power_of_two_up_to_64() -> None:
    kind: Any = AtomicDict
    for size in (1, 2, 4, 8, 16, 32, 64):
        assert contents(kind({1: 2}, buffer_size=size)) == {1: 2}
    for size in (0, 3, 5, 63, 65, 128, -1, -4):
        with pytest.raises(ValueError, match=str(size)):
            kind(buffer_size=size)
    for size in (2**64, 2**100, -(2**100)):
        with pytest.raises((ValueError, OverflowError), match=str(size)):
            kind(buffer_size=size)
    for size in ("4", 4.0, [4]):
        with pytest.raises(TypeError) as caught:
            kind(buffer_size=size)
        assert repr(size) in str(caught.value)


def test_an_immortal_dict_works_and_stays() -> None:
    instance: Any = AtomicDict({1: Thing()}, immortal=True)
    references = [weakref.ref(instance), weakref.ref(instance[1])]
    if FREE_THREADED:
        assert sys.getrefcount(instance) > 2**28
    del instance
    gc.collect()
    survivor: Any = references[0]()
    assert survivor[1] is references[1]()
    survivor[1] = 2  # what is in it is not immortal
    gc.collect()
    assert references[1]() is None
    assert survivor.get_handle()[1] == 2
    mortal: Any = AtomicDict({1: 2}, immortal=False)
    reference = weakref.ref(mortal)
    del mortal
    assert reference() is None


@pytest.mark.parametrize("wrong", [0, 1, 1.0, "yes", "", [], object])
def test_immortal_is_true_false_or_none(wrong: Any) -> None:
    instance: Any = AtomicDict.__new__(AtomicDict)
    with pytest.raises(TypeError, match="immortal must be True, False or None, not ") as raised:
        instance.__init__(immortal=wrong)
    assert repr(wrong) in str(raised.value)
    instance.__init__(immortal=None)  # nothing has been done
    assert not FREE_THREADED or sys.getrefcount(instance) < 100


def test_init_runs_once() -> None:
    instance: Any = AtomicDict({1: 2})
    other = Thing()
    for arguments in ((), ({3: other},), (5,)):
        with pytest.raises(RuntimeError, match="AtomicDict"):
            instance.__init__(*arguments)
    assert contents(instance) == {1: 2}
    handle: Any = instance.get_handle()
    with pytest.raises(RuntimeError, match="AtomicDictHandle"):
        handle.__init__(AtomicDict())
    assert contents(handle) == {1: 2}
    reference = weakref.ref(other)
    del other, arguments
    assert reference() is None


def test_a_handle_is_made_from_its_dict_or_another_handle() -> None:
    kind: Any = AtomicDictHandle
    mapping: Any = AtomicDict({1: 2})
    for target in (mapping, mapping.get_handle(), kind(kind(mapping))):
        handle = kind(target)
        assert gc.get_referents(handle).count(mapping) == 1
        handle[1] = handle[1] + 1
    assert mapping[1] == 5
    assert contents(kind(target=mapping)) == {1: 5}
    for wrong in (5, None, {1: 2}, AtomicDict):
        with pytest.raises(TypeError) as caught:
            kind(wrong)
        assert repr(wrong) in str(caught.value)
    for arguments in ((), (mapping, mapping)):
        with pytest.raises(TypeError):
            kind(*arguments)
    for unmade in (without_init(AtomicDict), without_init(kind)):
        with pytest.raises(RuntimeError):
            kind(unmade)


# ── not constructed ────────────────────────────────────────────────────────────────────────────

OPERATIONS: dict[str, Callable[[Any], Any]] = {
    "[]": lambda m: m[1],
    "[]=": lambda m: operator.setitem(m, 1, 2),
    "del": lambda m: operator.delitem(m, 1),
    "in": lambda m: 1 in m,
    "len": len,
    "bool": bool,
    "iter": iter,
    "list": list,
    "repr": repr,
    "==": lambda m: m == {},
    "!=": lambda m: {} != m,  # noqa: SIM300
    "== constructed": lambda m: AtomicDict() == m,
    "|": lambda m: m | {},
    "reversed |": lambda m: {} | m,
    "| constructed": lambda m: AtomicDict() | m,
    "|=": lambda m: operator.ior(m, {}),
    "update from": lambda m: AtomicDict().update(m),
    "get": lambda m: m.get(1),
    "pop": lambda m: m.pop(1, 2),
    "popitem": lambda m: m.popitem(),
    "setdefault": lambda m: m.setdefault(1, 2),
    "update": lambda m: m.update({1: 2}),
    "update nothing": lambda m: m.update(),
    "clear": lambda m: m.clear(),
    "copy": lambda m: m.copy(),
    "snapshot": lambda m: m.snapshot(),
    "keys": lambda m: m.keys(),
    "values": lambda m: m.values(),
    "items": lambda m: m.items(),
    "fast_iter": lambda m: m.fast_iter(),
    "get_and_set": lambda m: m.get_and_set(1, 2),
    "compare_and_set": lambda m: m.compare_and_set(1, NOT_FOUND, 2),
    "compare_and_exchange": lambda m: m.compare_and_exchange(1, ANY, 2),
    "compare_and_delete": lambda m: m.compare_and_delete(1, ANY),
    "reserve": lambda m: m.reserve(10),
    "approx_len": lambda m: m.approx_len(),
    "len_bounds": lambda m: m.len_bounds(),
    "get_handle": lambda m: m.get_handle(),
    "__sizeof__": lambda m: m.__sizeof__(),
    "copy.copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": pickle.dumps,
}
every_kind = pytest.mark.parametrize("kind", [AtomicDict, AtomicDictHandle])


@every_kind
@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_an_instance_without_init_raises(kind: Any, operation: Callable[[Any], Any]) -> None:
    instance = without_init(kind)
    for _ in range(2):
        with pytest.raises(RuntimeError, match=kind.__name__):
            operation(instance)


@every_kind
def test_an_instance_without_init_never_crashes(kind: Any) -> None:
    for name in dir(kind):
        for arguments in ((), (1,), (1, 1), (1, 1, 1), ({},), ((),), ("",)):
            instance = without_init(kind)
            try:
                member = getattr(instance, name)
                if callable(member) and name != "__class__":
                    member(*arguments)
            except Exception:
                continue


@every_kind
def test_an_instance_without_init_is_collected(kind: Any) -> None:
    class Node(kind):  # type: ignore[misc]
        pass

    instance = Node.__new__(Node)
    instance.itself = instance
    reference = weakref.ref(instance)
    assert gc.get_referents(without_init(kind)) in ([kind], [])
    del instance
    for _ in range(1000):
        if reference() is None:
            break
        gc.collect()
    assert reference() is None


def test_an_instance_made_by_new_is_constructed_by_init() -> None:
    made = without_init(AtomicDict)
    made.__init__({1: 2})
    assert contents(made) == {1: 2}
    handle = without_init(AtomicDictHandle)
    handle.__init__(made)
    assert contents(handle) == {1: 2}


# ── size ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("size", [0, 1, 5, 6, 7, 100, 1000, 3000])
def test_room_that_was_asked_for_is_there(size: int) -> None:
    makers: list[Callable[[], Any]] = [
        lambda: AtomicDict(min_size=size),
        lambda: AtomicDict(dict.fromkeys(range(size // 2)), min_size=size),
        lambda: AtomicDict.fromkeys(range(size // 2)),
        AtomicDict,
    ]
    mappings = [make() for make in makers]
    assert mappings[2].reserve(size) is None
    assert mappings[3].get_handle().reserve(size) is None
    for mapping in mappings:
        steps = set()
        for key in range(len(mapping), size):
            before = mapping.__sizeof__()
            mapping[key] = key
            steps.add(mapping.__sizeof__() - before)
        assert len(steps) <= 1  # that of an entry: no table was made
        mapping.update(dict.fromkeys(range(size)))
        assert contents(mapping) == dict.fromkeys(range(size))


def test_the_size_in_memory_grows_and_shrinks_with_the_entries() -> None:
    mapping: Any = AtomicDict()
    empty = mapping.__sizeof__()
    sizes = [empty]
    for end in (100, 1000, 10_000):
        mapping.update(dict.fromkeys(range(end)))
        sizes.append(mapping.__sizeof__())
    assert sizes == sorted({*sizes})
    assert sys.getsizeof(mapping) >= mapping.__sizeof__() >= 8 * 10_000
    mapping.clear()
    assert mapping.__sizeof__() <= 2 * empty + 500
    mapping.update(dict.fromkeys(range(10_000)))
    for key in range(10_000):
        del mapping[key]
    mapping.update(dict.fromkeys(range(10)))
    assert mapping.__sizeof__() < sizes[-1] / 4


@both_forms
def test_reserve_refuses_a_wrong_size(make: Make) -> None:
    mapping = make({1: 2})
    for size in (-1, -(2**70)):
        with pytest.raises((ValueError, OverflowError), match=str(size)):
            mapping.reserve(size)
    for size in ("5", 5.0, None, [5]):
        with pytest.raises(TypeError) as caught:
            mapping.reserve(size)
        assert repr(size) in str(caught.value)
    for size in ENORMOUS:
        with pytest.raises((MemoryError, OverflowError)):
            mapping.reserve(size)
    assert contents(mapping) == {1: 2}
    assert mapping.reserve(n=5) is None
    mapping.reserve(0)
    assert contents(mapping) == {1: 2}


@both_forms
def test_every_length_is_the_same_when_all_is_quiet(make: Make) -> None:
    mapping = make()
    for size in range(2000):
        mapping[size] = size
        assert len(mapping) == mapping.approx_len() == size + 1
        assert mapping.len_bounds() == (size + 1, size + 1)
    for size in reversed(range(2000)):
        del mapping[size]
        assert len(mapping) == mapping.approx_len() == size
        assert mapping.len_bounds() == (size, size)
    assert type(mapping.len_bounds()) is tuple


# ── types ──────────────────────────────────────────────────────────────────────────────────────


@every_kind
def test_the_types_are_generic(kind: Any) -> None:
    alias = kind[int, str]
    assert isinstance(alias, types.GenericAlias)
    assert (alias.__origin__, alias.__args__) == (kind, (int, str))
    assert repr(alias) == f"cereggii_atomicdict.{kind.__name__}[int, str]"
    argument: Any = {1: "a"} if kind is AtomicDict else AtomicDict({1: "a"})
    assert type(alias(argument)) is kind
    assert contents(alias(argument)) == {1: "a"}
    assert contents(type("Mine", (kind,), {})[int, str](argument)) == {1: "a"}


@both_forms
def test_an_instance_is_a_mutable_mapping(make: Make) -> None:
    mapping = make({1: 2})
    for kind in (collections.abc.MutableMapping, collections.abc.Mapping):
        assert isinstance(mapping, kind)
        assert issubclass(type(mapping), kind)
    for name in ("Collection", "Sized", "Iterable", "Container"):
        assert isinstance(mapping, getattr(collections.abc, name))
    assert not isinstance(mapping, collections.abc.Reversible)
    assert not isinstance(mapping, collections.abc.Hashable)
    assert not isinstance(mapping, dict)
    match mapping:
        case {1: value, **rest}:
            assert (value, rest) == (2, {})
        case _:
            raise AssertionError(mapping)


# ── from a large dict, which is read in blocks ─────────────────────────────────────────────────

LARGE = 150_000  # more than one block, and more than two


def test_a_large_dict_is_taken_over_as_a_small_one() -> None:
    source = {(i, "key"): [i] for i in range(LARGE)}
    d: AtomicDict[Any, Any] = AtomicDict(source)
    assert d == source
    assert all(d[key] is value for key, value in source.items())


@pytest.mark.thread_unsafe(reason="counts references")
def test_a_failed_operation_of_a_large_dict_leaves_no_references() -> None:
    class Key:
        def __init__(self, number: int) -> None:
            self.number = number
            self.fails = False

        def __hash__(self) -> int:
            if self.fails:
                raise LookupError("no hash")
            return hash(self.number)

    keys = [Key(i) for i in range(LARGE)]
    source = dict.fromkeys(keys)
    before = [sys.getrefcount(key) for key in keys]
    keys[LARGE // 2].fails = True
    for _ in range(3):
        with pytest.raises(LookupError):
            AtomicDict(source)
    assert [sys.getrefcount(key) for key in keys] == before


def test_a_large_dict_that_moves_its_items_meanwhile_is_an_error() -> None:
    class Meddler:
        def __hash__(self) -> int:
            if meddling:
                for key in range(LARGE // 4):
                    source.pop(key, None)
                source.update(dict.fromkeys(range(-2 * LARGE, 0)))
            return 1

    meddling = False
    source: dict[Any, None] = {Meddler(): None, **dict.fromkeys(range(LARGE))}
    meddling = True
    with pytest.raises(RuntimeError, match="mutated"):
        AtomicDict(source)
