# SPDX-License-Identifier: Apache-2.0
"""A program for cereggii 1.x uses AtomicRef, AtomicBool and ThreadHandle as before."""

from __future__ import annotations

import functools
import operator
from typing import Any

import pytest

from .cereggii_1 import (
    AtomicBool,
    AtomicDict,
    AtomicInt64,
    AtomicRef,
    ExpectationFailed,
    Make,
    ThreadHandle,
    with_handle,
)

# ── AtomicRef ──────────────────────────────────────────────────────────────────────────────────


@with_handle(AtomicRef)
def test_a_ref_is_read_and_written(make: Make) -> None:
    first, second, third = object(), object(), object()
    ref = make()
    assert ref.get() is None
    assert ref.compare_and_set(None, first) is True
    assert ref.compare_and_set(expected=None, desired=second) is False
    assert ref.compare_and_set(expected=first, desired=second) is True
    assert ref.get_and_set(third) is second
    assert ref.set(first) is None
    assert ref.get() is first
    with pytest.raises(TypeError):
        ref.compare_and_set(None)
    assert ref.get() is first


def test_a_ref_starts_with_what_it_is_given() -> None:
    thing = object()
    assert AtomicRef(thing).get() is AtomicRef(initial_value=thing).get() is thing
    assert AtomicRef[object](thing).get() is thing
    with pytest.raises(TypeError):
        AtomicRef(value=1)


@with_handle(AtomicRef)
def test_an_equal_object_is_not_the_expected_one(make: Make) -> None:
    for value, equal in [([1], [1]), (1, True), (True, 1), (1.5, float("1.5")), ((1,), (1.0,))]:
        ref = make(value)
        assert ref.compare_and_set(equal, None) is False
        assert ref.get() is value


# ── ThreadHandle ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("make", [AtomicInt64, AtomicRef, AtomicDict])
def test_every_handle_is_a_thread_handle(make: Make) -> None:
    shared = make()
    handle = shared.get_handle()
    assert isinstance(handle, ThreadHandle)
    assert isinstance(handle.get_handle(), ThreadHandle)
    assert not isinstance(shared, ThreadHandle)
    assert not isinstance(5, ThreadHandle)


def test_a_thread_handle_behaves_like_its_object() -> None:
    handle = ThreadHandle([1, 2])
    assert isinstance(handle, ThreadHandle)
    assert isinstance(handle, list)
    assert handle.__class__ is list
    assert type(handle).__name__ == "ThreadHandle"
    handle.append(3)
    handle[0] = 5
    del handle[1]
    assert list(handle) == handle == [5, 3]
    assert (len(handle), handle[-1], 3 in handle, sorted(handle)) == (2, 3, True, [3, 5])
    assert operator.add(handle, [4]) == [5, 3, 4]
    assert ThreadHandle(5) + 1 == 1 + ThreadHandle(5) == ThreadHandle(5) + ThreadHandle(1) == 6
    assert ThreadHandle(ThreadHandle(5)) + 1 == 6
    assert ThreadHandle[int](5) + 1 == 6
    assert hash(ThreadHandle(5)) == hash(5)
    assert (ThreadHandle(5) == 5, ThreadHandle(5) < 6, bool(ThreadHandle(0))) == (True, True, False)
    assert ThreadHandle(lambda *args, **kwargs: (args, kwargs))(1, x=2) == ((1,), {"x": 2})
    with pytest.raises(AttributeError):
        _ = ThreadHandle(5).nope
    with pytest.raises(TypeError):
        ThreadHandle()


def test_an_attribute_of_a_thread_handle_is_one_of_the_object() -> None:
    class Thing:
        value: int

    thing = Thing()
    handle = ThreadHandle(thing)
    handle.value = 1
    assert (thing.value, handle.value) == (1, 1)
    del handle.value
    assert not hasattr(thing, "value")


# ── AtomicBool ─────────────────────────────────────────────────────────────────────────────────

every_bool = with_handle(AtomicBool)


@every_bool
def test_a_bool_is_read_and_written(make: Make) -> None:
    flag = make()
    assert flag.get() is False
    assert flag.set(True) is None
    assert flag.get_and_set(False) is True
    assert flag.get_and_set(True) is False
    flag.set(False)
    assert flag.compare_and_set(True, False) is False
    assert flag.compare_and_set(expected=False, desired=True) is True
    assert flag.get() is True
    assert make(True).get() is make(initial_value=True).get() is True


@every_bool
def test_a_bool_is_set_or_raises(make: Make) -> None:
    flag = make(False)
    assert flag.set_or_raise() is None
    assert flag.get() is True
    with pytest.raises(ExpectationFailed, match="already set to True"):
        flag.set_or_raise()
    assert flag.reset_or_raise() is None
    assert flag.get() is False
    with pytest.raises(ExpectationFailed, match="already set to False"):
        flag.reset_or_raise()


@every_bool
def test_a_bool_refuses_what_is_none(make: Make) -> None:
    flag = make(False)
    for wrong in (0, 1, None, "True"):
        for use in (
            flag.set,
            flag.get_and_set,
            functools.partial(flag.compare_and_set, False),
            lambda expected: flag.compare_and_set(expected, True),
        ):
            with pytest.raises(TypeError):
                use(wrong)
    assert flag.get() is False


def test_a_bool_is_set_or_raises_by_the_compare_and_set_of_a_subclass() -> None:
    class Logging(AtomicBool):  # type: ignore[misc, valid-type]
        calls = 0

        def compare_and_set(self, expected: bool, desired: bool) -> Any:
            self.calls += 1
            return super().compare_and_set(expected, desired)

    flag = Logging()
    flag.set_or_raise()
    flag.reset_or_raise()
    assert flag.calls == 2
