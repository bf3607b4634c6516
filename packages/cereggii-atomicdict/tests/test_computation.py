# SPDX-License-Identifier: Apache-2.0
"""get_or_compute, compute, merge and remove_if, by one thread."""

from __future__ import annotations

import gc
import sys
import weakref
from typing import Any

import pytest
from cereggii_atomicdict import ANY, EXPECTATION_FAILED, NOT_FOUND, AtomicDict

from .mapping_forms import BadEq, BadHash, Collider, Make, RefusalError, Thing, both_forms, contents

CALLBACKS = {  # how each method is called with a callback, on the key 1
    "get_or_compute": lambda d, call: d.get_or_compute(1, call),
    "compute": lambda d, call: d.compute(1, call),
    "merge": lambda d, call: d.merge(1, 5, call),
    "remove_if": lambda d, call: d.remove_if(call),
    "reduce": lambda d, call: d.reduce([(1, 5)], call),
}
each_method = pytest.mark.parametrize("name", CALLBACKS)


def refuse(*_arguments: Any) -> Any:
    raise RefusalError("called")


# ── get_or_compute ─────────────────────────────────────────────────────────────────────────────


@both_forms
def test_a_value_is_computed_from_its_key_where_it_is_absent(make: Make) -> None:
    mapping = make({1: "one"})
    assert mapping.get_or_compute(1, refuse) == "one"
    thing = Thing()
    asked = []
    found = mapping.get_or_compute(key=2, factory=lambda key: asked.append(key) or thing)
    assert found is thing
    assert mapping[2] is thing
    assert mapping.get_or_compute(2, refuse) is thing
    assert asked == [2]


@both_forms
def test_a_timeout_is_for_waiting_only(make: Make) -> None:
    mapping = make()
    assert mapping.get_or_compute(1, lambda _: "one", timeout=0) == "one"
    assert mapping.get_or_compute(2, lambda _: "two", timeout=None) == "two"
    for bad, error in (("1", TypeError), (-1, ValueError), (float("nan"), ValueError)):
        with pytest.raises(error, match="timeout"):
            mapping.get_or_compute(3, refuse, timeout=bad)
    assert contents(mapping) == {1: "one", 2: "two"}


@both_forms
def test_none_is_a_value_like_others(make: Make) -> None:
    mapping = make()
    assert mapping.get_or_compute(1, lambda _: None) is None
    assert mapping.get_or_compute(1, refuse) is None


@both_forms
def test_a_factory_that_raises_leaves_no_entry(make: Make) -> None:
    mapping = make({2: 2})
    for error in (RefusalError, KeyboardInterrupt, SystemExit, StopIteration):

        def factory(_key: Any, error: type[BaseException] = error) -> Any:
            raise error("from the factory")

        with pytest.raises(error, match="from the factory"):
            mapping.get_or_compute(1, factory)
        assert contents(mapping) == {2: 2}
    assert mapping.get_or_compute(1, lambda _: "one") == "one"


@both_forms
@pytest.mark.parametrize("sentinel", [NOT_FOUND, ANY, EXPECTATION_FAILED])
def test_sentinels_are_not_values(make: Make, sentinel: Any) -> None:
    mapping = make()
    with pytest.raises(ValueError, match=repr(sentinel)):
        mapping.get_or_compute(1, lambda _: sentinel)
    with pytest.raises(ValueError, match=repr(sentinel)):
        mapping.get_or_compute(sentinel, refuse)
    with pytest.raises(ValueError, match=repr(sentinel)):
        mapping.merge(1, sentinel, refuse)
    with pytest.raises(ValueError, match=repr(sentinel)):
        mapping.reduce([(1, 1)], lambda *_: sentinel)
    assert contents(mapping) == {}
    if sentinel is not NOT_FOUND:
        mapping[1] = 1
        for call in (
            lambda: mapping.compute(1, lambda *_: sentinel),
            lambda: mapping.merge(1, 2, lambda *_: sentinel),
        ):
            with pytest.raises(ValueError, match=repr(sentinel)):
                call()
        assert contents(mapping) == {1: 1}


def test_a_factory_that_asks_for_its_own_key_is_told_so() -> None:
    d: AtomicDict[Any, Any] = AtomicDict()
    handle = d.get_handle()
    with pytest.raises(RuntimeError, match="'the key'"):
        d.get_or_compute("the key", lambda key: handle.get_or_compute(key, refuse))
    with pytest.raises(RuntimeError, match="'the key'"):
        d.get_or_compute(
            "the key",
            lambda key: d.get_or_compute("other", lambda _: d.get_or_compute(key, refuse)),
        )
    assert d == {}
    assert d.get_or_compute("the key", lambda _: 5) == 5


def test_a_factory_may_ask_for_other_keys_and_other_dicts() -> None:
    d: AtomicDict[int, int] = AtomicDict()
    other: AtomicDict[int, int] = AtomicDict()

    def fibonacci(n: int) -> int:
        if n < 2:
            return n
        return d.get_or_compute(n - 1, fibonacci) + d.get_or_compute(n - 2, fibonacci)

    assert d.get_or_compute(80, fibonacci) == 23416728348467685
    assert d.get_or_compute(100, lambda key: other.get_or_compute(key, lambda _: 1) + 1) == 2


def test_a_factory_that_stores_its_own_key_is_too_late() -> None:
    """The value that is in the dict when the factory returns is kept, and all callers get it."""
    d: AtomicDict[int, str] = AtomicDict()

    def factory(key: int) -> str:
        d[key] = "stored"
        return "computed"

    assert d.get_or_compute(1, factory) == "stored"
    assert d == {1: "stored"}


def test_a_key_is_absent_until_its_value_is_computed() -> None:
    d: AtomicDict[int, int] = AtomicDict()
    seen: list[Any] = []

    def factory(key: int) -> int:
        seen.extend([key in d, len(d), dict(d), d.get(key, "absent")])
        d.clear()
        return 5

    assert d.get_or_compute(1, factory) == 5
    assert seen == [False, 0, {}, "absent"]
    assert d == {1: 5}


def test_keys_of_one_hash_are_computed_apart() -> None:
    d: AtomicDict[Any, Any] = AtomicDict()

    def factory(key: Collider) -> str:
        if key.name == "a":
            d.get_or_compute(Collider("b"), factory)
        return key.name

    assert d.get_or_compute(Collider("a"), factory) == "a"
    assert d[Collider("b")] == "b"


class Fickle:
    """Equals itself only; all have one hash, and can be made to refuse comparisons."""

    refuses = False

    def __hash__(self) -> int:
        return 7

    def __eq__(self, other: object) -> bool:
        if self.refuses:
            raise RefusalError("compared")
        return self is other


def compute_beside_one_that_refuses(d: AtomicDict[Any, Any], key: Fickle, value: Any) -> None:
    """Compute a value while another key of its hash is being computed, and refuses comparisons."""
    other = Fickle()

    def compute_other(_key: Fickle) -> str:
        assert d.get_or_compute(key, make_refuse) is value
        other.refuses = False
        return "other"

    def make_refuse(_key: Fickle) -> Any:
        other.refuses = True
        return value

    d.get_or_compute(other, compute_other)


def test_a_computation_that_cannot_be_taken_out_is_replaced_by_the_next() -> None:
    d: AtomicDict[Any, Any] = AtomicDict()
    key = Fickle()
    for value in ("first", "second", "third"):
        compute_beside_one_that_refuses(d, key, value)
        assert d.pop(key) == value
    assert d.get_or_compute(key, lambda _: "fourth") == "fourth"


def test_nothing_is_left_of_a_computation() -> None:
    d: AtomicDict[Any, Any] = AtomicDict()
    key, value = Thing(), Thing()
    references = [weakref.ref(key), weakref.ref(value)]
    d.get_or_compute(key, {key: value}.__getitem__)
    with pytest.raises(RefusalError):
        d.get_or_compute(Thing(), refuse)
    size = sys.getsizeof(d)
    for n in range(1000):
        d.get_or_compute(n, lambda n: n)
        del d[n]
    assert sys.getsizeof(d) < size + 10_000
    d.clear()
    del key, value
    gc.collect()
    assert [reference() for reference in references] == [None, None]


def test_a_cycle_through_a_computation_that_could_not_be_taken_out_is_collected() -> None:
    d: AtomicDict[Any, Any] = AtomicDict()
    compute_beside_one_that_refuses(d, Fickle(), d)
    d.clear()
    reference = weakref.ref(d)
    del d
    gc.collect()
    assert reference() is None


# ── compute and merge ──────────────────────────────────────────────────────────────────────────


@both_forms
def test_compute_sets_what_it_is_told(make: Make) -> None:
    mapping = make({1: 10})
    assert mapping.compute(1, lambda key, current: (key, current)) == (1, 10)
    assert mapping.compute(key=2, fn=lambda key, current: (key, current)) == (2, NOT_FOUND)
    assert contents(mapping) == {1: (1, 10), 2: (2, NOT_FOUND)}


@both_forms
def test_compute_and_merge_remove_what_becomes_not_found(make: Make) -> None:
    mapping = make({1: 10, 2: 20})
    assert mapping.compute(1, lambda *_: NOT_FOUND) is NOT_FOUND
    assert mapping.compute(3, lambda *_: NOT_FOUND) is NOT_FOUND
    assert mapping.merge(2, 5, lambda *_: NOT_FOUND) is NOT_FOUND
    assert contents(mapping) == {}


@both_forms
def test_merge_combines_the_value_with_the_given_one(make: Make) -> None:
    mapping = make({"a": [1]})
    assert mapping.merge("a", [2], lambda current, value: current + value) == [1, 2]
    assert mapping.merge(key="b", value=[3], fn=refuse) == [3]
    assert contents(mapping) == {"a": [1, 2], "b": [3]}


@pytest.mark.parametrize("key", [1, "one", (1, "one"), Collider("one")], ids=str)
def test_a_change_in_between_is_not_overwritten(key: Any) -> None:
    d: AtomicDict[Any, list[int]] = AtomicDict()
    seen: list[Any] = []

    def change(_key: Any, current: Any) -> Any:
        seen.append(current)
        if len(seen) == 1:
            d[key] = [1]
        elif len(seen) == 2:
            d[key] = [2]
        elif len(seen) == 3:
            del d[key]
        return [3]

    assert d.compute(key, change) == [3]
    assert seen == [NOT_FOUND, [1], [2], NOT_FOUND]
    assert d == {key: [3]}


# ── remove_if ──────────────────────────────────────────────────────────────────────────────────


@both_forms
def test_remove_if_removes_what_it_is_told(make: Make) -> None:
    mapping = make({n: -n for n in range(1000)})
    assert mapping.remove_if(lambda key, value: key % 3 == 0 and value == -key) == 334
    assert contents(mapping) == {n: -n for n in range(1000) if n % 3}
    assert mapping.remove_if(predicate=lambda *_: []) == 0
    assert mapping.remove_if(lambda *_: [0]) == 666
    assert contents(mapping) == {}
    assert mapping.remove_if(refuse) == 0


def test_remove_if_removes_no_value_that_it_did_not_ask_about() -> None:
    d = AtomicDict({1: "old"})
    asked = []

    def predicate(key: int, value: str) -> bool:
        asked.append(value)
        if value == "old":
            d[key] = "new"
        return value == "old"

    assert d.remove_if(predicate) == 0
    assert asked == ["old", "new"]
    assert d == {1: "new"}


def test_remove_if_counts_what_it_removed_itself() -> None:
    d = AtomicDict({1: 1, 2: 2})
    assert d.remove_if(lambda key, _: d.pop(key) or True) == 0
    assert d == {}


def test_items_that_remove_if_removed_before_an_error_stay_removed() -> None:
    d = AtomicDict({n: n for n in range(100)})
    asked = []

    def predicate(key: int, _value: int) -> bool:
        if len(asked) == 10:
            raise RefusalError("enough")
        asked.append(key)
        return True

    with pytest.raises(RefusalError):
        d.remove_if(predicate)
    assert d == {n: n for n in range(100) if n not in asked}


# ── arguments ──────────────────────────────────────────────────────────────────────────────────


@each_method
@both_forms
def test_a_callback_has_to_be_callable(make: Make, name: str) -> None:
    mapping = make({1: 1})
    with pytest.raises(TypeError, match="callable, not 'text'"):
        CALLBACKS[name](mapping, "text")
    assert contents(mapping) == {1: 1}


@each_method
@both_forms
def test_an_exception_of_a_callback_propagates(make: Make, name: str) -> None:
    mapping = make({} if name == "get_or_compute" else {1: 1})
    before = contents(mapping)
    with pytest.raises(RefusalError, match="called"):
        CALLBACKS[name](mapping, refuse)
    assert contents(mapping) == before


@pytest.mark.parametrize("method", ["get_or_compute", "compute", "merge"])
@both_forms
def test_bad_keys_are_refused(make: Make, method: str) -> None:
    mapping = make({7: 1})
    rest = (5, refuse) if method == "merge" else (refuse,)
    with pytest.raises(TypeError, match="unhashable"):
        getattr(mapping, method)([], *rest)
    with pytest.raises(RefusalError, match="hash"):
        getattr(mapping, method)(BadHash(), *rest)
    with pytest.raises(RefusalError, match="eq"):
        getattr(mapping, method)(BadEq(), *rest)
    assert contents(mapping) == {7: 1}
