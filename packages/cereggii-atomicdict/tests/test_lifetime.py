# SPDX-License-Identifier: Apache-2.0
"""Dicts, handles, keys and values live as long as they should, and no longer."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from cereggii_atomicdict import ANY, AtomicDict, AtomicDictHandle, ExpectationFailed

from tools.testing.lifetimes import collected

from .mapping_forms import Make, Thing, both_forms, contents

every_type = pytest.mark.parametrize("kind", [AtomicDict, AtomicDictHandle])
# A value that is replaced or deleted is released at once; a key, and the table that clear() drops,
# once no other thread is in an operation, be it on another dict.
no_others = pytest.mark.thread_unsafe(reason="other threads' operations delay when keys are freed")


def new(kind: type[Any], start: Any = ()) -> Any:
    """An instance of either type that holds these items."""
    return kind(AtomicDict(start) if kind is AtomicDictHandle else start)


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


# ── replaced and deleted objects are released before the call returns ──────────────────────────

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


CHANGES = [
    pytest.param(change, id=name, marks=[no_others] if name == "clear" else [])
    for name, change in (REPLACE | DELETE).items()
]


@both_forms
@pytest.mark.parametrize("size", [1, 100, 1000])
@pytest.mark.parametrize("change", CHANGES)
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


@no_others
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


@pytest.mark.thread_unsafe(reason="what others keep from being freed at once is counted, too")
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
