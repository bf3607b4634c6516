# SPDX-License-Identifier: Apache-2.0
"""Life and death of the objects: identity, repr, subclassing, cycles, and what is stored."""

from __future__ import annotations

import gc
import inspect
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from cereggii_atomicdict import ANY, AtomicDict, AtomicDictHandle, ExpectationFailed

from tools.testing.interpreters import FREE_THREADED

from .mapping_forms import Make, Thing, both_forms, collected, contents, without_init

TYPES: list[Any] = [AtomicDict, AtomicDictHandle]
every_type = pytest.mark.parametrize("kind", TYPES)
no_others = pytest.mark.thread_unsafe(reason="other threads' operations delay when keys are freed")


def argument_of(kind: type[Any], start: Any = ()) -> Any:
    """What the constructor takes for an instance that holds these items."""
    return AtomicDict(start) if issubclass(kind, AtomicDictHandle) else start


def new(kind: type[Any], start: Any = ()) -> Any:
    return kind(argument_of(kind, start))


# ── life and death ─────────────────────────────────────────────────────────────────────────────


@every_type
def test_an_object_dies_with_its_last_reference(kind: type[Any]) -> None:
    died: list[object] = []
    instance = new(kind, {1: 2})
    reference = weakref.ref(instance, died.append)
    assert reference() is instance
    del instance
    assert reference() is None
    assert died == [reference]


@every_type
@pytest.mark.parametrize("size", [1, 10, 1000])
def test_keys_and_values_live_and_die_with_the_dict(kind: type[Any], size: int) -> None:
    instance = new(kind, [(Thing(), Thing()) for _ in range(size)])
    references = [weakref.ref(thing) for item in instance.items() for thing in item]
    assert all(reference() is not None for reference in references)
    del instance
    assert all(reference() is None for reference in references)


def test_a_handle_keeps_its_dict_alive() -> None:
    mapping: Any = AtomicDict({1: 2})
    reference = weakref.ref(mapping)
    handle = mapping.get_handle()
    another = handle.get_handle()
    assert gc.get_referents(handle).count(mapping) == 1
    assert gc.get_referents(another).count(mapping) == 1
    first = weakref.ref(handle)
    del mapping, handle
    assert first() is None
    assert another[1] == 2
    assert reference() is not None
    del another
    assert reference() is None


def test_a_subclass_is_finalized_with_its_last_reference() -> None:
    found: list[object] = []

    class Mortal(AtomicDict[Any, Any]):
        def __del__(self) -> None:
            found.append(contents(self))
            self["last"] = "words"
            found.append(len(self))

    instance = Mortal({1: 2})
    del instance
    assert found == [{1: 2}, 2]


def test_an_object_may_be_resurrected() -> None:
    saved: list[Any] = []

    class Phoenix(AtomicDict[Any, Any]):
        def __del__(self) -> None:
            saved.append(self)

    Phoenix({1: 2})
    saved[0][3] = 4
    assert contents(saved[0]) == {1: 2, 3: 4}


def test_a_long_chain_is_freed() -> None:
    chain: Any = None
    for _ in range(100_000 if sys.version_info >= (3, 14) else 20_000):
        chain = AtomicDict(((None, chain),))
    first = weakref.ref(chain)
    del chain
    assert collected(first)


# ── what is replaced or deleted is released before the call returns ────────────────────────────

REPLACE: dict[str, Callable[[Any, Any], Any]] = {
    "[]=": lambda m, key: m.__setitem__(key, 1),
    "update": lambda m, key: m.update({key: 1}),
    "|=": lambda m, key: m.__ior__([(key, 1)]),
    "get_and_set": lambda m, key: m.get_and_set(key, 1) and None,
    "compare_and_set": lambda m, key: m.compare_and_set(key, m[key], 1),
    "compare_and_set any": lambda m, key: m.compare_and_set(key, ANY, 1),
    "compare_and_exchange": lambda m, key: m.compare_and_exchange(key, m[key], 1) and None,
}
DELETE: dict[str, Callable[[Any, Any], Any]] = {
    "del": lambda m, key: m.__delitem__(key),
    "pop": lambda m, key: m.pop(key) and None,
    "pop default": lambda m, key: m.pop(key, 1) and None,
    "popitem": lambda m, key: [m.popitem() for _ in range(len(m))] and None,
    "clear": lambda m, key: m.clear(),
    "compare_and_delete": lambda m, key: m.compare_and_delete(key, m[key]),
    "compare_and_delete any": lambda m, key: m.compare_and_delete(key, ANY),
}


@both_forms
@pytest.mark.parametrize("size", [1, 100, 1000])
@pytest.mark.parametrize("change", [*REPLACE.values(), *DELETE.values()], ids=[*REPLACE, *DELETE])
def test_a_value_is_released_at_once(
    make: Make, size: int, change: Callable[[Any, Any], Any]
) -> None:
    mapping = make(dict.fromkeys(range(size)))
    mapping[size // 2] = thing = Thing()
    reference = weakref.ref(thing)
    del thing
    assert reference() is not None
    change(mapping, size // 2)
    assert reference() is None


@no_others
@both_forms
@pytest.mark.parametrize("size", [1, 100, 1000])
@pytest.mark.parametrize("change", DELETE.values(), ids=DELETE)
def test_a_key_is_released_at_once(
    make: Make, size: int, change: Callable[[Any, Any], Any]
) -> None:
    mapping = make(dict.fromkeys(range(size - 1)))
    key = Thing()
    mapping[key] = 5
    reference = weakref.ref(key)
    change(mapping, key)
    del key
    assert reference() is None


@no_others
@both_forms
def test_every_key_is_released_while_the_table_grows_and_shrinks(make: Make) -> None:
    mapping = make()
    things = [Thing() for _ in range(3000)]
    references = [weakref.ref(thing) for thing in things]
    for thing in things:
        mapping[thing] = thing
    while things:
        thing = things.pop()
        del mapping[thing], thing
        assert references[len(things)]() is None
    assert len(mapping) == 0


@both_forms
def test_the_callers_key_is_not_kept_if_there_is_an_equal_one(make: Make) -> None:
    class Key:
        def __hash__(self) -> int:
            return 1

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Key)

    mapping = make({Key(): 1})
    for use in (
        lambda key: mapping.__setitem__(key, 2),
        lambda key: mapping.get(key),
        lambda key: mapping.setdefault(key, 3),
        lambda key: mapping.get_and_set(key, 4),
        lambda key: mapping.compare_and_set(key, ANY, 5),
        lambda key: mapping.update({key: 6}),
        lambda key: mapping.pop(key),
    ):
        key = Key()
        reference = weakref.ref(key)
        use(key)
        del key
        assert reference() is None


@both_forms
def test_a_finalizer_finds_the_change_made_and_may_change_the_dict(make: Make) -> None:
    found: list[object] = []

    class Last:
        def __del__(self) -> None:
            found.append(mapping.get("key"))
            mapping["key"] = "from the finalizer"

    mapping = make({"key": Last()})
    mapping["key"] = "new"
    assert (found, mapping["key"]) == (["new"], "from the finalizer")
    mapping["key"] = Last()
    del mapping["key"]
    assert (found, mapping["key"]) == (["new", None], "from the finalizer")
    mapping["key"] = Last()
    mapping.clear()
    assert (found[2:], contents(mapping)) == ([None], {"key": "from the finalizer"})


@both_forms
def test_counts_of_references_stay_as_they_were(make: Make) -> None:
    thing, key = Thing(), Thing()
    mapping = make({key: thing})
    before = sys.getrefcount(thing), sys.getrefcount(key)
    for _ in range(100):
        assert mapping[key] is mapping.get(key) is mapping.setdefault(key, 1) is thing
        mapping[key] = thing
        mapping.compare_and_set(key, thing, thing)
        assert mapping.compare_and_exchange(key, thing, thing) is thing
        assert mapping.get_and_set(key, thing) is thing
        with pytest.raises(ExpectationFailed):
            mapping.compare_and_set(key, 5, thing)
        assert [*mapping.items()] == [(key, thing)]
        assert mapping == {key: thing}
        mapping.copy(), mapping | mapping, mapping.snapshot(), repr(mapping)
        assert mapping.pop(key) is thing
        mapping[key] = thing
    assert (sys.getrefcount(thing), sys.getrefcount(key)) == before


# ── cycles ─────────────────────────────────────────────────────────────────────────────────────


def test_the_collector_sees_every_key_and_value_once() -> None:
    for size in (1, 7, 1000):
        things = [Thing() for _ in range(2 * size)]
        mapping: Any = AtomicDict(zip(things[:size], things[size:], strict=True))
        assert gc.is_tracked(mapping)
        found = [id(referent) for referent in gc.get_referents(mapping)]
        assert sorted(set(found) & {*map(id, things)}) == sorted({*map(id, things)})
        assert len([one for one in found if one != id(AtomicDict)]) == 2 * size


@every_type
def test_cycles_are_collected(kind: type[Any]) -> None:
    class Key:
        """What refers to something, and can be a key."""

        def __init__(self, to: Any) -> None:
            self.to = to

    builders: list[Callable[[Any], Any]] = [
        lambda m: m.__setitem__("itself", m),
        lambda m: m.__setitem__("list", [m]),
        lambda m: m.__setitem__(Key(m), 1),
        lambda m: m.__setitem__("handle", m.get_handle()),
        lambda m: m.__setitem__("view", m.items()),
        lambda m: m.__setitem__("iterator", iter(m)),
        lambda m: m.__setitem__("part", m.fast_iter(2, 0)),
        lambda m: m.update((Key(m), m) for _ in range(500)),
        lambda m: m.__setitem__("other", AtomicDict({1: m})),
    ]
    for build in builders:
        instance = new(kind, {1: Thing(), Thing(): 2})
        build(instance)
        references = [weakref.ref(instance), weakref.ref(instance[1])]
        del instance
        assert all(collected(reference) for reference in references)


@every_type
def test_a_cycle_through_an_object_that_is_finalized_is_collected(kind: type[Any]) -> None:
    found: list[object] = []

    class Node:
        mapping: Any = None

        def __del__(self) -> None:
            found.append(self.mapping["node"] is self)
            self.mapping["node"] = "changed"
            found.append(self.mapping["node"])

    node = Node()
    node.mapping = new(kind, {"node": node})
    reference = weakref.ref(node)
    del node
    assert collected(reference)
    assert found == [True, "changed"]


@every_type
def test_what_the_collector_clears_is_still_usable(kind: type[Any]) -> None:
    """A weak reference callback of what is not garbage may find a dict that was cleared."""
    instance = new(kind, dict.fromkeys(range(100)))
    thing = Thing()
    instance["itself"] = [instance, thing]
    uses: list[object] = []

    def use(_: object, target: weakref.ref[Any] = weakref.ref(instance)) -> None:  # noqa: B008
        uses.append(target())

    callback = weakref.ref(thing, use)
    reference = weakref.ref(instance)
    del instance, thing
    assert collected(reference)
    assert callback() is None


@every_type
def test_cycles_through_an_attribute_are_collected(kind: type[Any]) -> None:
    class Node(kind):  # type: ignore[misc]
        pass

    class Slotted(kind):  # type: ignore[misc]
        __slots__ = ("itself",)

    for subclass in (Node, Slotted):
        instance: Any = subclass(argument_of(kind))
        instance.itself = instance
        reference = weakref.ref(instance)
        del instance
        assert collected(reference)


# ── identity and repr ──────────────────────────────────────────────────────────────────────────


def test_a_dict_equals_its_handles() -> None:
    mapping: Any = AtomicDict({1: 2})
    same = [mapping, mapping.get_handle(), mapping.get_handle().get_handle(), AtomicDict({1: 2})]
    for left in same:
        for right in same:
            assert left == right
            assert (left != right) is False
    mapping[3] = 4
    assert same[0] == same[1] == same[2] != same[3]


def test_repr_of_a_dict_that_holds_itself_ends() -> None:
    mapping: Any = AtomicDict()
    mapping[1] = mapping
    for _ in range(2):
        assert repr(mapping) == "AtomicDict({1: AtomicDict(...)})"
    assert repr(mapping.get_handle()) == "AtomicDictHandle(AtomicDict({1: AtomicDict(...)}))"
    mapping[1] = [mapping]
    assert repr(mapping) == "AtomicDict({1: [AtomicDict(...)]})"
    mapping[1] = {2: mapping}
    assert repr(mapping) == "AtomicDict({1: {2: AtomicDict(...)}})"
    mapping[1] = handle = mapping.get_handle()
    assert repr(mapping) == "AtomicDict({1: AtomicDictHandle(AtomicDict(...))})"
    assert repr(handle) == "AtomicDictHandle(AtomicDict({1: AtomicDictHandle(...)}))"


def test_repr_of_a_subclass_shows_its_name() -> None:
    class Mine(AtomicDict[Any, Any]):
        pass

    class MyHandle(AtomicDictHandle[Any, Any]):
        pass

    mine = Mine({1: 2})
    assert repr(mine) == "Mine({1: 2})"
    assert repr(mine.get_handle()) == "AtomicDictHandle(Mine({1: 2}))"
    assert repr(MyHandle(mine)) == "MyHandle(Mine({1: 2}))"
    mine[1] = mine
    assert repr(mine) == "Mine({1: Mine(...)})"


@both_forms
def test_repr_may_change_the_dict(make: Make) -> None:
    class Changing:
        def __repr__(self) -> str:
            mapping.clear()
            mapping.update(dict.fromkeys(range(100)))
            gc.collect()
            return "changed"

    mapping = make({key: Changing() for key in range(3)})
    assert "changed" in repr(mapping)
    assert len(mapping) == 100


# ── types ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.skipif(
    FREE_THREADED and sys.version_info < (3, 14),
    reason="free-threaded 3.13 makes classes immortal once a thread has been started",
)
@every_type
def test_classes_made_at_run_time_are_collected(kind: type[Any]) -> None:
    class Passing(kind):  # type: ignore[misc]
        pass

    reference = weakref.ref(Passing)
    instance = Passing(argument_of(kind))
    instance[1] = instance
    del Passing, instance
    assert collected(reference)


@every_type
def test_instances_have_no_attributes_of_their_own(kind: type[Any]) -> None:
    instance = new(kind)
    with pytest.raises(AttributeError):
        instance.name = 1
    with pytest.raises(AttributeError):
        instance.get = None


@every_type
def test_methods_refuse_an_instance_of_another_type(kind: type[Any]) -> None:
    strangers = [5, {}, *(new(other) for other in TYPES if other is not kind)]
    for name, member in vars(kind).items():
        if not callable(member) or name in ("__new__", "__class_getitem__", "fromkeys"):
            continue
        for stranger in strangers:
            for arguments in ((), (1,), (1, 1), (1, 1, 1)):
                with pytest.raises(TypeError):
                    member(stranger, *arguments)


@every_type
def test_instances_cannot_be_made_or_retyped_behind_our_back(kind: Any) -> None:
    with pytest.raises(TypeError):
        object.__new__(kind)
    for other in (*TYPES, dict):
        if other is kind:
            continue
        with pytest.raises(TypeError):
            kind.__new__(other)
        with pytest.raises(TypeError):
            new(kind).__class__ = other
        with pytest.raises(TypeError):
            type("Both", (kind, other), {})
    assert type(without_init(kind)) is kind


@every_type
def test_everything_public_is_documented(kind: type[Any]) -> None:
    assert len(inspect.getdoc(kind) or "") > 80
    for name, member in vars(kind).items():
        if not name.startswith("_"):
            assert len(inspect.getdoc(member) or "") > 15, name
            if callable(member):
                assert next(iter(inspect.signature(member).parameters)) == "self", name
