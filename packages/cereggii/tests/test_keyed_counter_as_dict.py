# SPDX-License-Identifier: Apache-2.0
"""An AtomicKeyedCounter is an AtomicDict: it has its operations, handles and copies."""

from __future__ import annotations

import collections
import sys
import weakref
from collections import Counter
from typing import Any

import pytest
from cereggii import (
    ANY,
    NOT_FOUND,
    AtomicDict,
    AtomicDictHandle,
    AtomicKeyedCounter,
    AtomicKeyedCounterHandle,
    ThreadHandle,
)

from tools.testing.copying import every_copy

from .keyed_counters import both_forms, plain


@both_forms
def test_the_operations_of_an_atomic_dict_are_there(make: Any) -> None:
    mine = make("aab")
    assert mine.compare_and_set("a", 2, 5) is None
    assert mine.get_and_set("c", 1) is NOT_FOUND
    assert mine.compare_and_set("d", ANY, 3) is None
    assert mine.remove_if(lambda _, count: count == 1) == 2
    assert plain(mine) == {"a": 5, "d": 3}
    mine.reduce_max([("a", 9), ("d", 1)])
    mine.reduce_count("dd")
    assert plain(mine) == {"a": 9, "d": 5}
    assert isinstance(mine, (AtomicDict, AtomicDictHandle))
    assert isinstance(mine, collections.abc.MutableMapping)


def test_a_handle_is_made_of_a_counter_or_of_a_handle() -> None:
    shared = AtomicKeyedCounter("a")
    for handle in (
        shared.get_handle(),
        shared.get_handle().get_handle(),
        AtomicKeyedCounterHandle(shared),
        AtomicKeyedCounterHandle(shared.get_handle()),
    ):
        assert type(handle) is AtomicKeyedCounterHandle
        assert isinstance(handle, ThreadHandle)
        before = shared["a"]
        assert handle.add("a") == before + 1 == shared["a"]
    make: Any = AtomicKeyedCounterHandle
    others: list[Any] = [5, Counter("a"), {}, AtomicDict(), AtomicDict().get_handle()]
    for other in others:
        with pytest.raises(TypeError, match="AtomicKeyedCounter"):
            make(other)


def test_a_dicts_handle_of_a_counter_knows_that_absent_keys_have_the_count_0() -> None:
    shared = AtomicKeyedCounter("a")
    handle = AtomicDictHandle(shared)
    assert (handle["a"], handle["b"], len(handle)) == (1, 0, 1)


class Named(AtomicKeyedCounter[Any]):
    def __init__(self, name: str, items: Any = None) -> None:
        super().__init__(items)
        self.name = name


@every_copy
@both_forms
def test_a_copy_has_the_same_counts_and_is_independent(make_copy: Any, make: Any) -> None:
    mine = make({"a": 2, "zero": 0, "below": -1})
    other = make_copy(mine)
    assert type(other) is type(mine)
    assert plain(other) == plain(mine)
    other.update("ab")
    assert other["absent"] == 0
    assert plain(mine) == {"a": 2, "zero": 0, "below": -1}


@every_copy
def test_a_copy_of_a_subclass_keeps_its_class_and_attributes(make_copy: Any) -> None:
    other = make_copy(Named("letters", "aab"))
    assert type(other) is Named
    assert (other.name, plain(other)) == ("letters", {"a": 2, "b": 1})


@both_forms
def test_the_copy_method_makes_a_counter(make: Any) -> None:
    mine = make({"a": 2, "zero": 0, "below": -1})
    other = mine.copy()
    assert type(other) is AtomicKeyedCounter
    assert plain(other) == plain(mine)
    other.clear()
    assert mine["a"] == 2


@both_forms
def test_it_has_no_hash_and_can_be_referred_to_weakly(make: Any) -> None:
    mine = make("a")
    with pytest.raises(TypeError):
        hash(mine)
    assert weakref.ref(mine)() is mine
    assert sys.getsizeof(mine) > 0


def test_repr_shows_the_counts_with_the_largest_first() -> None:
    assert repr(AtomicKeyedCounter()) == "AtomicKeyedCounter()"
    mine = AtomicKeyedCounter({"b": 1, "a": 3, "c": -1, "d": 0})
    shown = "{'a': 3, 'b': 1, 'd': 0, 'c': -1}"
    assert repr(mine) == str(mine) == f"AtomicKeyedCounter({shown})"
    assert repr(Named("letters", "aab")) == "Named({'a': 2, 'b': 1})"
    assert shown in repr(mine.get_handle())
    mine["text"] = "has no order"  # type: ignore[assignment]
    assert "'text': 'has no order'" in repr(mine)


def test_it_is_generic() -> None:
    alias: Any = AtomicKeyedCounter[str]
    assert alias.__origin__ is AtomicKeyedCounter
    assert plain(alias("aab")) == {"a": 2, "b": 1}


def test_calling_init_again_is_refused() -> None:
    mine: Any = AtomicKeyedCounter("aab")
    with pytest.raises(RuntimeError):
        mine.__init__("ccc")
    assert plain(mine) == {"a": 2, "b": 1}


def test_subclasses_may_say_what_is_missing() -> None:
    class FromTen(AtomicKeyedCounter[Any]):
        def __missing__(self, key: object) -> int:
            return 10

    mine = FromTen("a")
    assert (mine["a"], mine["b"]) == (1, 10)
    assert mine.get_handle()["b"] == 10
