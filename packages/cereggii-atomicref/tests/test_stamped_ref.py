# SPDX-License-Identifier: Apache-2.0
"""AtomicStampedRef: a value and its stamp are one, whatever threads do."""

from __future__ import annotations

import functools
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from cereggii_atomicref import AtomicRef, AtomicStampedRef
from hypothesis import given
from hypothesis import strategies as st

from tools.testing.concurrency import THREADS, eventually, in_threads, run_threads
from tools.testing.matching import MyInt, twin

from .forms import Thing

STAMPS = [0, 1, -1, 255, 256, 257, 2**31, 2**62, 2**63 - 1, 2**63, 2**64, -(2**64), 10**50]


class Indexed:
    """Anything with __index__."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


# Every argument that is a stamp: the call with it, on a ref with the stamp 7.
STAMP_ARGUMENTS: dict[str, Callable[[AtomicStampedRef[Any], Any], Any]] = {
    "set": lambda ref, stamp: ref.set("new", stamp),
    "expected_stamp": lambda ref, stamp: ref.compare_and_set("old", "new", stamp, 8),
    "expected_stamp of another value": lambda ref, stamp: ref.compare_and_set("x", "y", stamp, 8),
    "updated_stamp": lambda ref, stamp: ref.compare_and_set("old", "new", 7, stamp),
    "updated_stamp of another value": lambda ref, stamp: ref.compare_and_set("x", "y", 7, stamp),
    "stamp": lambda _, stamp: AtomicStampedRef("old", stamp),
}
every_stamp_argument = pytest.mark.parametrize(
    "call", STAMP_ARGUMENTS.values(), ids=STAMP_ARGUMENTS
)

# ── one thread ─────────────────────────────────────────────────────────────────────────────────


def test_the_initial_value_is_none_and_the_initial_stamp_is_zero() -> None:
    assert AtomicStampedRef().get() == (None, 0)
    assert AtomicStampedRef("value").get() == ("value", 0)
    assert AtomicStampedRef("value", 7).get() == ("value", 7)
    assert AtomicStampedRef(initial_value="value", stamp=7).get() == ("value", 7)
    assert AtomicStampedRef(stamp=7).get() == (None, 7)


def test_wrong_constructor_arguments_are_type_errors() -> None:
    kind: Any = AtomicStampedRef
    for arguments, keywords in [
        ((1, 2, 3), {}),
        ((1, 2, True), {}),
        ((), {"value": 1}),
        ((), {"initial_stamp": 1}),
    ]:
        with pytest.raises(TypeError):
            kind(*arguments, **keywords)


def test_get_returns_the_very_object_and_its_stamp() -> None:
    thing = Thing()
    for stamp in STAMPS:
        pair = AtomicStampedRef(thing, stamp).get()
        assert type(pair) is tuple
        assert len(pair) == 2
        assert pair[0] is thing
        assert type(pair[1]) is int
        assert pair[1] == stamp


def test_set_stores_both_and_returns_nothing() -> None:
    ref: AtomicStampedRef[Any] = AtomicStampedRef()
    for stamp in STAMPS:
        thing = Thing()
        assert ref.set(thing, stamp) is None  # type: ignore[func-returns-value]
        assert ref.get()[0] is thing
        assert ref.get()[1] == stamp
    ref.set(value=1, stamp=2)
    ref.set(stamp=3, value=ref.get())
    assert ref.get() == ((1, 2), 3)


def test_a_replaced_value_is_released() -> None:
    thing = Thing()
    reference = weakref.ref(thing)
    ref: AtomicStampedRef[Any] = AtomicStampedRef(thing, 10**30)
    for _ in range(10):
        assert not ref.compare_and_set(thing, None, 5, 6)
        assert not ref.compare_and_set(None, thing, 10**30, 6)
        ref.set(thing, 10**30)
        assert ref.compare_and_set(thing, thing, 10**30, 10**30)
    del thing
    assert reference() is not None
    ref.set(None, 1)
    assert reference() is None


def test_compare_and_set_needs_both_the_value_and_the_stamp() -> None:
    old, new = Thing(), Thing()
    for stamp in STAMPS:
        ref = AtomicStampedRef(old, stamp)
        assert ref.compare_and_set(old, new, stamp + 1, 1) is False
        assert ref.compare_and_set(new, new, stamp, 1) is False
        assert ref.compare_and_set(new, new, stamp - 1, 1) is False
        assert ref.get() == (old, stamp)
        assert ref.compare_and_set(old, new, stamp, 1 - stamp) is True
        assert ref.get() == (new, 1 - stamp)


def test_stamps_match_by_value() -> None:
    for stamp in STAMPS:
        ref = AtomicStampedRef("value", stamp)
        assert ref.compare_and_set("value", "new", twin(stamp), 1)
        ref = AtomicStampedRef("value", stamp)
        assert ref.compare_and_set("value", "new", Indexed(stamp), Indexed(stamp))
        assert ref.get() == ("new", stamp)


@given(stamp=st.integers(), expected=st.integers(), updated=st.integers())
def test_any_stamps_match_if_they_are_equal(stamp: int, expected: int, updated: int) -> None:
    for other in (expected, stamp, stamp + 1, -stamp, stamp ^ (1 << 64)):
        ref: AtomicStampedRef[Any] = AtomicStampedRef("value", stamp)
        assert ref.compare_and_set("value", None, other, updated) == (other == stamp)
        assert ref.get() == ((None, updated) if other == stamp else ("value", stamp))


def test_compare_and_set_takes_keywords() -> None:
    ref: AtomicStampedRef[Any] = AtomicStampedRef("a", 1)
    assert ref.compare_and_set(expected="a", updated="b", expected_stamp=1, updated_stamp=2)
    assert ref.compare_and_set("b", "c", updated_stamp=3, expected_stamp=2)
    untyped: Any = ref
    assert untyped.compare_and_set("c", desired="d", expected_stamp=3, updated_stamp=4)
    assert ref.get() == ("d", 4)


def test_wrong_numbers_of_arguments_and_unknown_keywords_are_type_errors() -> None:
    ref: Any = AtomicStampedRef("a", 1)
    for method, count in {"get": 0, "set": 2, "compare_and_set": 4}.items():
        for wrong in (count - 1, count + 1):
            if wrong >= 0:
                with pytest.raises(TypeError, match=method):
                    getattr(ref, method)(*[1] * wrong)
        with pytest.raises(TypeError):
            getattr(ref, method)(*[1] * count, other=1)
    with pytest.raises(TypeError):
        ref.set("b", 2, stamp=3)
    assert ref.get() == ("a", 1)


@every_stamp_argument
@pytest.mark.parametrize("stamp", ["7", 7.0, None, b"7", [7], 7j, Thing])
def test_a_stamp_that_is_not_an_integer_is_refused_and_named(
    call: Callable[[Any, Any], Any], stamp: object
) -> None:
    ref = AtomicStampedRef("old", 7)
    with pytest.raises(TypeError) as caught:
        call(ref, stamp)
    assert repr(stamp) in str(caught.value)
    assert ref.get() == ("old", 7)


@every_stamp_argument
def test_an_error_of_a_stamp_propagates(call: Callable[[Any, Any], Any]) -> None:
    class Broken:
        def __index__(self) -> int:
            raise LookupError("no index")

    class BrokenRepr:
        def __repr__(self) -> str:
            raise LookupError

    ref = AtomicStampedRef("old", 7)
    with pytest.raises(LookupError, match="no index"):
        call(ref, Broken())
    with pytest.raises(TypeError, match="BrokenRepr"):
        call(ref, BrokenRepr())
    assert ref.get() == ("old", 7)


@every_stamp_argument
def test_a_stamp_may_change_the_ref_as_it_is_read(call: Callable[[Any, Any], Any]) -> None:
    class Changing:
        def __index__(self) -> int:
            ref.set(Thing(), 10**20)
            return 7

    ref: AtomicStampedRef[Any] = AtomicStampedRef("old", 7)
    assert call(ref, Changing()) is not True  # the value is no longer the one expected
    assert ref.get()[1] in (7, 10**20)


@pytest.mark.parametrize(
    ("given_stamp", "stored"),
    [(True, 1), (MyInt(2**70), 2**70), (MyInt(3), 3), (Indexed(-5), -5)],
)
def test_a_stamp_is_stored_as_an_exact_int(given_stamp: Any, stored: int) -> None:
    refs = [AtomicStampedRef("value", given_stamp), AtomicStampedRef(), AtomicStampedRef()]
    refs[1].set("value", given_stamp)
    assert refs[2].compare_and_set(None, "value", 0, given_stamp)
    for ref in refs:
        value, stamp = ref.get()
        assert value == "value"
        assert type(stamp) is int
        assert stamp == stored
        assert ref.compare_and_set("value", None, given_stamp, 0)


def test_a_value_may_be_a_pair_or_the_ref_itself() -> None:
    ref: AtomicStampedRef[Any] = AtomicStampedRef((1, 2), 3)
    assert ref.get() == ((1, 2), 3)
    ref.set(ref, 4)
    assert ref.get()[0] is ref
    assert ref.compare_and_set(ref, ref.get(), 4, 5)
    assert ref.get() == ((ref, 4), 5)


def test_repr_shows_the_value_and_the_stamp() -> None:
    assert repr(AtomicStampedRef()) == "AtomicStampedRef(None, 0)"
    assert repr(AtomicStampedRef("a", 2**70)) == f"AtomicStampedRef('a', {2**70})"
    assert repr(AtomicStampedRef((1,), -1)) == "AtomicStampedRef((1,), -1)"

    class Mine(AtomicStampedRef[Any]):
        pass

    assert repr(Mine(AtomicRef(5), 1)) == "Mine(AtomicRef(5), 1)"


def test_there_are_no_handles_and_no_waiting() -> None:
    for name in ("get_handle", "wait_while", "notify_one", "get_and_set"):
        assert not hasattr(AtomicStampedRef, name)


# ── many threads ───────────────────────────────────────────────────────────────────────────────

starts_threads = pytest.mark.thread_unsafe(reason="starts threads of its own")
switches_often = pytest.mark.usefixtures("switch_often")

REPEATS = 4000


@starts_threads
@switches_often
def test_no_thread_ever_sees_a_value_with_another_stamp() -> None:
    ref: AtomicStampedRef[list[int]] = AtomicStampedRef([0], 0)
    end = time.monotonic() + 0.7

    def write(number: int) -> None:
        stamp = number
        while time.monotonic() < end:
            for _ in range(100):
                stamp += 2
                ref.set([stamp], stamp)
                value, found = ref.get()
                assert value == [found]
                stamp += 2
                ref.compare_and_set(value, [stamp], found, stamp)

    def read() -> None:
        while time.monotonic() < end:
            for _ in range(100):
                value, stamp = ref.get()
                assert value == [stamp]

    run_threads(functools.partial(write, 0), functools.partial(write, 1), read, read)


@starts_threads
@switches_often
def test_no_reader_gets_a_pair_that_was_stored_elsewhere() -> None:
    """The memory of one ref's pair becomes another ref's pair, as in test_concurrent_ref.py."""
    refs: list[AtomicStampedRef[float]] = [AtomicStampedRef(tag + 0.5, tag) for tag in range(3)]
    end = time.monotonic() + 0.7

    def write() -> None:
        while time.monotonic() < end:
            for _ in range(200):
                for tag, ref in enumerate(refs):
                    ref.set(tag + 0.5, tag)

    def read(tag: int) -> None:
        ref, expected = refs[tag], (tag + 0.5, tag)
        while time.monotonic() < end:
            for _ in range(200):
                assert ref.get() == expected

    run_threads(write, *(functools.partial(read, tag) for tag in range(3)))


@starts_threads
@switches_often
@pytest.mark.parametrize("start", [0, 2**64], ids=["small", "large"])
def test_counting_with_stamps_is_exact(start: int) -> None:
    ref = AtomicStampedRef(0, start)

    def work(_: int) -> list[int]:
        stamps = []
        for _ in range(REPEATS):
            while True:
                value, stamp = ref.get()
                if ref.compare_and_set(value, value + 2, stamp, stamp + 1):
                    break
            stamps.append(stamp)
        return stamps

    stamps = [stamp for stamps in in_threads(work) for stamp in stamps]
    assert sorted(stamps) == [*range(start, start + THREADS * REPEATS)]
    assert ref.get() == (2 * THREADS * REPEATS, start + THREADS * REPEATS)


@starts_threads
@switches_often
def test_the_stamp_alone_can_count() -> None:
    """The value stays the same object: only the stamp tells that it was stored again."""
    thing = Thing()
    ref = AtomicStampedRef(thing, 0)

    def work(_: int) -> int:
        lost = 0
        for _ in range(REPEATS):
            while not ref.compare_and_set(thing, thing, stamp := ref.get()[1], stamp + 1):
                lost += 1
        return lost

    in_threads(work)
    assert ref.get() == (thing, THREADS * REPEATS)


def test_the_stamp_tells_a_value_that_was_put_back() -> None:
    """ABA: a plain compare_and_set cannot tell; one with stamps can."""
    first, second = Thing(), Thing()
    plain: AtomicRef[Thing] = AtomicRef(first)
    stamped = AtomicStampedRef(first, 0)
    value, stamp = stamped.get()
    for other in (second, first):
        plain.set(other)
        stamped.set(other, stamped.get()[1] + 1)
    assert plain.compare_and_set(first, second)
    assert stamped.get()[0] is value
    assert not stamped.compare_and_set(value, second, stamp, stamp + 1)
    assert stamped.get() == (first, 2)


@starts_threads
@switches_often
def test_exactly_one_thread_wins_each_stamp() -> None:
    ref: AtomicStampedRef[Any] = AtomicStampedRef(None, 0)

    def work(number: int) -> int:
        won = 0
        for stamp in range(REPEATS):
            value = ref.get()[0]
            won += ref.compare_and_set(value, number, stamp, stamp + 1)
            while ref.get()[1] <= stamp:
                value = ref.get()[0]
                won += ref.compare_and_set(value, number, stamp, stamp + 1)
        return won

    assert sum(in_threads(work)) == REPEATS
    assert ref.get()[1] == REPEATS


@starts_threads
@switches_often
def test_a_finalizer_may_use_the_ref_that_its_object_was_replaced_in() -> None:
    ref: AtomicStampedRef[Any] = AtomicStampedRef()
    died: list[int] = []
    repeats = REPEATS // 4

    class Finalized:
        def __del__(self) -> None:
            value, stamp = ref.get()
            ref.compare_and_set(value, None, stamp, stamp + 1)
            ref.set(None, stamp)
            died.append(1)

    def work(_: int) -> None:
        for stamp in range(repeats):
            value, found = ref.get()
            if not ref.compare_and_set(value, Finalized(), found, stamp):
                ref.set(Finalized(), stamp)
                died.append(-1)  # for the one that was not stored
            del value

    in_threads(work)
    ref.set(None, 0)
    created = THREADS * repeats
    assert eventually(lambda: sum(died) >= created)
    assert sum(died) == created


def test_the_size_counts_the_pair() -> None:
    ref = AtomicStampedRef("value", 1)
    assert ref.__sizeof__() == AtomicStampedRef.__basicsize__ + ("value", 1).__sizeof__()
