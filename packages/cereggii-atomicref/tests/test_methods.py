# SPDX-License-Identifier: Apache-2.0
"""The named methods: results, keywords, errors; an error leaves the object as it was."""

from __future__ import annotations

import inspect
import types
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from cereggii_atomicref import AtomicRef, AtomicRefHandle

from .forms import Make, Thing, both_forms

CALLBACKS: dict[str, Callable[[Any, Callable[[Any], Any]], Any]] = {
    "update_and_get": lambda r, fn: r.update_and_get(fn),
    "get_and_update": lambda r, fn: r.get_and_update(fn),
    "accumulate_and_get": lambda r, fn: r.accumulate_and_get(1, lambda value, _: fn(value)),
    "get_and_accumulate": lambda r, fn: r.get_and_accumulate(1, lambda value, _: fn(value)),
}
every_callback = pytest.mark.parametrize("method", CALLBACKS)

# One of every kind that the interpreter counts, caches or compares in a way of its own.
OBJECTS: list[Any] = [
    None,
    True,
    ...,
    0,
    -1,
    2**100,
    1.5,
    float("nan"),
    "",
    "text",
    "ünï" * 1000,
    b"",
    b"bytes",
    (),
    (1, [2]),
    [1],
    {},
    {1: 2},
    {3},
    object(),
    Thing(),
    Thing,
    len,
    lambda: None,
    types,
]


# ── reading and writing ────────────────────────────────────────────────────────────────────────


@both_forms
def test_get_returns_the_very_object_that_was_stored(make: Make) -> None:
    ref = make(None)
    previous = None
    for value in OBJECTS:
        assert make(value).get() is value
        assert ref.get_and_set(value) is previous
        assert ref.get() is ref.get() is value
        ref.set(other := Thing())
        assert ref.get() is other
        previous = other


@both_forms
def test_set_returns_nothing(make: Make) -> None:
    assert make(1).set(2) is None


@both_forms
def test_a_stored_object_is_kept_and_a_replaced_one_released(make: Make) -> None:
    first, second, third = Thing(), Thing(), Thing()
    references = [weakref.ref(thing) for thing in (first, second, third)]
    ref = make(first)
    del first
    assert references[0]() is not None
    ref.set(second)
    assert references[0]() is None
    del second
    assert ref.compare_and_set(ref.get(), third)
    assert references[1]() is None
    assert ref.get_and_set(None) is third
    del third
    assert references[2]() is None


@both_forms
def test_storing_what_is_stored_already_changes_nothing(make: Make) -> None:
    thing = Thing()
    reference = weakref.ref(thing)
    ref = make(thing)
    for _ in range(100):
        ref.set(thing)
        assert ref.get_and_set(thing) is thing
        assert ref.compare_and_set(thing, thing)
        assert ref.compare_and_exchange(thing, thing) is thing
        assert ref.update_and_get(lambda value: value) is thing
        assert ref.get_and_accumulate(thing, lambda _, x: x) is thing
    assert ref.get() is thing
    del thing
    assert reference() is not None
    ref.set(None)
    assert reference() is None


# ── comparing ──────────────────────────────────────────────────────────────────────────────────


@both_forms
def test_compare_and_set_stores_only_if_the_object_is_expected(make: Make) -> None:
    for value in OBJECTS:
        ref = make(value)
        updated = Thing()
        assert ref.compare_and_set(Thing(), updated) is False
        assert ref.get() is value
        assert ref.compare_and_set(value, updated) is True
        assert ref.get() is updated


@both_forms
def test_compare_and_exchange_returns_what_it_found(make: Make) -> None:
    for value in OBJECTS:
        ref = make(value)
        updated = Thing()
        assert ref.compare_and_exchange(Thing(), updated) is value
        assert ref.get() is value
        assert ref.compare_and_exchange(value, updated) is value
        assert ref.get() is updated


@both_forms
def test_failed_comparisons_keep_no_reference(make: Make) -> None:
    stored, expected, updated = Thing(), Thing(), Thing()
    references = [weakref.ref(expected), weakref.ref(updated)]
    ref = make(stored)
    for _ in range(10):
        assert not ref.compare_and_set(expected, updated)
        assert ref.compare_and_exchange(expected, updated) is stored
    del expected, updated
    assert [reference() for reference in references] == [None, None]
    reference = weakref.ref(stored)
    del stored
    ref.set(None)
    assert reference() is None


# ── functions ──────────────────────────────────────────────────────────────────────────────────


@both_forms
def test_update_stores_the_result_of_the_function(make: Make) -> None:
    ref = make((1,))
    assert ref.update_and_get(lambda value: (*value, 2)) == (1, 2)
    assert ref.get_and_update(lambda value: (*value, 3)) == (1, 2)
    assert ref.accumulate_and_get(4, lambda value, x: (*value, x)) == (1, 2, 3, 4)
    assert ref.get_and_accumulate(5, lambda value, x: (*value, x)) == (1, 2, 3, 4)
    assert ref.get() == (1, 2, 3, 4, 5)


@both_forms
@every_callback
def test_a_function_is_given_the_object_and_its_result_is_stored(make: Make, method: str) -> None:
    before, after = Thing(), Thing()
    ref = make(before)
    seen: list[object] = []

    def function(value: object) -> object:
        seen.append(value)
        return after

    result = CALLBACKS[method](ref, function)
    assert seen[0] is before
    assert len(seen) == 1
    assert ref.get() is after
    assert result is (before if method.startswith("get_and") else after)


@both_forms
@pytest.mark.parametrize("method", ["accumulate_and_get", "get_and_accumulate"])
def test_accumulate_passes_the_very_object_on(make: Make, method: str) -> None:
    ref = make(0)
    for value in OBJECTS:
        getattr(ref, method)(value, lambda _, x: x)
        assert ref.get() is value


@both_forms
@every_callback
def test_functions_keep_no_reference(make: Make, method: str) -> None:
    before, after = Thing(), Thing()
    references = [weakref.ref(before), weakref.ref(after)]
    ref = make(before)
    CALLBACKS[method](ref, lambda _, result=after: result)  # type: ignore[misc]
    del before
    assert references[0]() is None
    del after
    ref.set(None)
    assert references[1]() is None


@both_forms
@every_callback
def test_a_function_runs_again_if_the_object_changed_meanwhile(make: Make, method: str) -> None:
    ref = make(1)
    seen: list[int] = []

    def function(value: int) -> int:
        seen.append(value)
        if len(seen) == 1:
            ref.set(100)
        return value + 1

    result = CALLBACKS[method](ref, function)
    assert seen == [1, 100]
    assert ref.get() == 101
    assert result == (100 if method.startswith("get_and") else 101)


@both_forms
@every_callback
def test_a_function_may_update_the_ref_itself(make: Make, method: str) -> None:
    ref = make(0)

    def function(value: int) -> int:
        if value < 20:
            CALLBACKS[method](ref, lambda inner: inner + 5)
        return value + 1

    CALLBACKS[method](ref, function)
    assert ref.get() == 21


@both_forms
@every_callback
def test_an_exception_of_the_function_propagates(make: Make, method: str) -> None:
    class Stop(BaseException):
        pass

    def function(value: object) -> object:
        raise Stop(value)

    thing = Thing()
    ref = make(thing)
    with pytest.raises(Stop) as caught:
        CALLBACKS[method](ref, function)
    assert caught.value.args == (thing,)
    assert ref.get() is thing


@both_forms
@pytest.mark.parametrize("function", [None, 5, "text"])
def test_an_argument_that_is_not_callable_is_refused_and_named(make: Make, function: Any) -> None:
    ref = make(6)
    calls: dict[str, Callable[[], Any]] = {
        "update_and_get": lambda: ref.update_and_get(function),
        "get_and_update": lambda: ref.get_and_update(function),
        "accumulate_and_get": lambda: ref.accumulate_and_get(1, function),
        "get_and_accumulate": lambda: ref.get_and_accumulate(1, function),
    }
    for name, call in calls.items():
        with pytest.raises(TypeError, match=name) as caught:
            call()
        assert repr(function) in str(caught.value)
    assert ref.get() == 6


@both_forms
def test_a_broken_repr_does_not_hide_the_error(make: Make) -> None:
    class Broken:
        def __repr__(self) -> str:
            raise LookupError

    ref = make(6)
    broken: Any = Broken()
    with pytest.raises(TypeError, match="Broken"):
        ref.update_and_get(broken)
    with pytest.raises(TypeError, match="Broken"):
        ref.get_and_accumulate(1, broken)
    with pytest.raises(TypeError, match="Broken"):
        ref.wait_while(6, broken)
    assert ref.get() == 6


# ── arguments ──────────────────────────────────────────────────────────────────────────────────


@both_forms
def test_arguments_may_be_given_by_keyword(make: Make) -> None:
    ref = make(1)
    ref.set(3)
    assert ref.compare_and_set(expected=3, updated=4)
    assert ref.compare_and_set(updated=5, expected=4)
    assert ref.compare_and_set(5, updated=6)
    assert ref.compare_and_exchange(expected=6, updated=7) == 6
    assert ref.update_and_get(fn=lambda value: value + 1) == 8
    assert ref.get_and_update(fn=lambda value: value + 1) == 8
    assert ref.accumulate_and_get(x=1, fn=lambda value, x: value + x) == 10
    assert ref.get_and_accumulate(fn=lambda value, x: value + x, x=1) == 10
    assert ref.wait_while(value=10, timeout=None) is True
    assert ref.wait_while(value=11, timeout=0) is False
    assert ref.get() == 11


@both_forms
@pytest.mark.parametrize("method", ["set", "get_and_set"])
def test_the_one_value_is_positional_only(make: Make, method: str) -> None:
    ref: Any = make(1)
    call = getattr(ref, method)
    for keywords in ({"updated": 2}, {"desired": 2}, {"value": 2}):
        with pytest.raises(TypeError, match=rf"{method}\(\) takes no keyword arguments"):
            call(**keywords)
    for arguments in ((), (2, 3)):
        with pytest.raises(TypeError, match=rf"{method}\(\) takes exactly one argument"):
            call(*arguments)
    assert str(inspect.signature(call)) == "(updated, /)"
    assert ref.get() == 1


@both_forms
def test_desired_is_another_keyword_for_updated(make: Make) -> None:
    ref: Any = make(1)
    ref.set(3)
    assert ref.compare_and_set(expected=3, desired=4)
    assert ref.compare_and_set(4, desired=5)
    assert ref.compare_and_exchange(5, desired=6) == 5
    calls: list[Callable[[], Any]] = [
        lambda: ref.compare_and_set(6, updated=1, desired=2),
        lambda: ref.compare_and_set(6, 1, desired=2),
        lambda: ref.update_and_get(desired=len),
        lambda: ref.compare_and_set(desired=2),
    ]
    for call in calls:
        with pytest.raises(TypeError):
            call()
    assert ref.get() == 6


@both_forms
def test_callable_is_another_keyword_for_fn(make: Make) -> None:
    ref: Any = make(1)
    assert ref.update_and_get(callable=lambda value: value + 1) == 2
    assert ref.get_and_update(callable=lambda value: value + 1) == 2
    assert ref.accumulate_and_get(1, callable=lambda value, x: value + x) == 4
    assert ref.get_and_accumulate(x=1, callable=lambda value, x: value + x) == 4
    with pytest.raises(TypeError):
        ref.update_and_get(len, callable=len)
    assert ref.get() == 5


ARGUMENTS = {  # the fewest and the most
    "get": (0, 0),
    "set": (1, 1),
    "get_and_set": (1, 1),
    "compare_and_set": (2, 2),
    "compare_and_exchange": (2, 2),
    "update_and_get": (1, 1),
    "get_and_update": (1, 1),
    "accumulate_and_get": (2, 2),
    "get_and_accumulate": (2, 2),
    "wait_while": (1, 2),
    "notify_one": (0, 0),
    "notify_all": (0, 0),
    "get_handle": (0, 0),
}


@both_forms
@pytest.mark.parametrize("method", ARGUMENTS)
def test_a_wrong_number_of_arguments_is_a_type_error(make: Make, method: str) -> None:
    fewest, most = ARGUMENTS[method]
    ref = make(len)
    for count in (fewest - 1, most + 1):
        if count >= 0:
            with pytest.raises(TypeError, match=method):
                getattr(ref, method)(*[len] * count)
    with pytest.raises(TypeError, match=r"other|keyword"):
        getattr(ref, method)(*[len] * fewest, other=6)
    assert ref.get() is len


@both_forms
def test_get_handle_makes_another_handle_of_the_same_ref(make: Make) -> None:
    ref = make(6)
    first, second = ref.get_handle(), ref.get_handle()
    assert type(first) is type(second) is AtomicRefHandle
    assert first is not second
    assert first.get_handle() is not first
    first.set(7)
    assert [ref.get(), second.get(), first.get_handle().get()] == [7, 7, 7]


def test_the_initial_object_is_none_or_what_is_given() -> None:
    assert AtomicRef().get() is None
    for value in OBJECTS:
        assert AtomicRef(value).get() is value
        assert AtomicRef(initial_value=value).get() is value


def test_wrong_constructor_arguments_are_type_errors() -> None:
    kind: Any = AtomicRef
    for arguments, keywords in [((1, 2), {}), ((1, True), {}), ((), {"value": 1})]:
        with pytest.raises(TypeError, match="AtomicRef"):
            kind(*arguments, **keywords)
    with pytest.raises(TypeError):
        kind(1, initial_value=2)
