# SPDX-License-Identifier: Apache-2.0
"""Immortal refs stay, and references to what is stored are counted right, whoever shares a ref."""

from __future__ import annotations

import functools
import gc
import random
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from cereggii_atomicref import AtomicRef, AtomicStampedRef
from cereggii_atomicref._atomicref import AtomicBool

from tools.testing.concurrency import eventually, run_threads
from tools.testing.interpreters import FREE_THREADED
from tools.testing.lifetimes import check_immortal_argument, every_wrong_immortal, is_immortal

from .forms import Access, Thing, every_access
from .sharing_refs import Counted, every_atomic, put, use_elsewhere

pytestmark = [
    pytest.mark.thread_unsafe(reason="starts threads of its own, and collects garbage"),
    pytest.mark.usefixtures("switch_often"),
]

THREADS = 4
REPEATS = 3000


# ── immortal=True ──────────────────────────────────────────────────────────────────────────────


@every_atomic
def test_an_immortal_object_works_and_stays(atomic: type[Any]) -> None:
    thing = Thing()
    instance = atomic(thing, immortal=True)
    references = [weakref.ref(instance), weakref.ref(thing)]
    if FREE_THREADED:
        assert is_immortal(instance)
    del instance, thing
    gc.collect()
    survivor: Any = references[0]()
    use_elsewhere(survivor, 1000, threads=2)
    assert references[1]() is not None
    put(survivor, 6)
    gc.collect()
    assert eventually(lambda: references[1]() is None)  # what is replaced is not immortal
    assert "6" in repr(survivor)
    if atomic is AtomicRef:
        assert survivor.get_handle().get() == 6


@every_atomic
def test_subclasses_may_be_immortal(atomic: type[Any]) -> None:
    class Named(atomic):  # type: ignore[misc]
        pass

    instance = Named(5, immortal=True)
    instance.name = ["kept"]
    reference = weakref.ref(instance)
    del instance
    gc.collect()
    survivor: Any = reference()
    assert survivor.name == ["kept"]


@every_atomic
def test_objects_are_mortal_unless_told_otherwise(atomic: type[Any]) -> None:
    reference = weakref.ref(atomic(5, immortal=False))
    assert reference() is None
    with pytest.raises(TypeError):
        atomic(5, 6, 7, immortal=True)


@every_wrong_immortal
@pytest.mark.parametrize("kind", [AtomicRef, AtomicBool, AtomicStampedRef])
def test_immortal_is_true_false_or_none(kind: Any, wrong: Any) -> None:
    check_immortal_argument(kind, wrong)


@every_atomic
def test_an_immortal_ref_in_a_cycle_keeps_it(atomic: type[Any]) -> None:
    instance = atomic(immortal=True)
    thing = Thing()
    put(instance, [instance, thing])
    references = [weakref.ref(instance), weakref.ref(thing)]
    del instance, thing
    gc.collect()
    assert all(reference() is not None for reference in references)
    put(references[0](), None)
    gc.collect()
    assert eventually(lambda: references[1]() is None)


# ── references are counted right ───────────────────────────────────────────────────────────────

CHURN: dict[str, Callable[[Any, Any], Any]] = {
    "set": lambda ref, value: ref.set(value),
    "get_and_set": lambda ref, value: ref.get_and_set(value),
    "compare_and_set": lambda ref, value: ref.compare_and_set(ref.get(), value),
    "compare_and_set fails": lambda ref, value: ref.compare_and_set(value, value),
    "compare_and_set by value": lambda ref, value: ref.compare_and_set(10**20, value),
    "compare_and_exchange": lambda ref, value: ref.compare_and_exchange(ref.get(), value),
    "compare_and_exchange fails": lambda ref, value: ref.compare_and_exchange(value, None),
    "update_and_get": lambda ref, value: ref.update_and_get(lambda _: value),
    "get_and_accumulate": lambda ref, value: ref.get_and_accumulate(value, lambda _, x: x),
    "wait_while": lambda ref, value: ref.wait_while(value, 0) and ref.set(value),
    "set a number": lambda ref, _: ref.set(10**19 * len("ten digits")),
    "get": lambda ref, _: ref.get(),
}


@every_access
def test_everything_that_is_no_longer_stored_is_freed(access: Access, seed: int) -> None:
    shared: AtomicRef[Any] = AtomicRef()
    died: list[object] = []

    def work(number: int) -> None:
        choose = random.Random(seed + number)
        mine = access(shared, number)
        for name in range(number * REPEATS, (number + 1) * REPEATS):
            choose.choice([*CHURN.values()])(mine, Counted(name, died))

    run_threads(*(functools.partial(work, number) for number in range(THREADS)))
    last = shared.get()
    alive = isinstance(last, Counted)
    del last
    assert eventually(lambda: len(died) >= THREADS * REPEATS - alive)
    assert len(died) == THREADS * REPEATS - alive
    shared.set(None)
    assert eventually(lambda: len(died) == THREADS * REPEATS)
    assert sorted(died) == [*range(THREADS * REPEATS)]  # type: ignore[type-var]


def test_everything_that_is_no_longer_stored_in_a_stamped_ref_is_freed() -> None:
    shared: AtomicStampedRef[Any] = AtomicStampedRef()
    died: list[object] = []

    def work(number: int) -> None:
        for name in range(number * REPEATS, (number + 1) * REPEATS):
            value, stamp = shared.get()
            if name % 3 == 0:
                shared.set(Counted(name, died), name)
            else:
                shared.compare_and_set(value, Counted(name, died), stamp, 10**20 + name)

    run_threads(*(functools.partial(work, number) for number in range(THREADS)))
    shared.set(None, 0)
    assert eventually(lambda: len(died) >= THREADS * REPEATS)
    assert sorted(died) == [*range(THREADS * REPEATS)]  # type: ignore[type-var]


def test_objects_that_others_keep_stay_alive_and_whole() -> None:
    shared: AtomicRef[Any] = AtomicRef()
    died: list[object] = []
    kept = [[Counted((number, n), died) for n in range(500)] for number in range(THREADS)]

    def work(number: int) -> list[Any]:
        seen = []
        for _ in range(10):
            for value in kept[number]:
                shared.set(value)
                seen.append(shared.get())
        return seen

    results = run_threads(*(functools.partial(work, number) for number in range(THREADS)))
    assert died == []
    for seen in results:
        for value in seen:
            assert kept[value.name[0]][value.name[1]] is value
    del seen, value, results
    shared.set(None)
    kept.clear()
    assert eventually(lambda: len(died) >= THREADS * 500)
    assert len(died) == THREADS * 500


def test_counts_of_common_objects_stay_as_they_were() -> None:
    """None, small ints and types are stored as often as anything, and must not drift."""
    things = [Thing(), Thing()]
    shared: AtomicRef[Any] = AtomicRef()
    before = [sys.getrefcount(thing) for thing in things]

    def work(number: int) -> None:
        for _ in range(REPEATS):
            shared.set(things[number])
            shared.compare_and_set(things[1 - number], things[number])
            shared.compare_and_exchange(things[number], things[1 - number])
            shared.get_and_update(lambda found: found)
            shared.wait_while(things[0], 0)

    run_threads(functools.partial(work, 0), functools.partial(work, 1))
    shared.set(None)
    assert eventually(lambda: [sys.getrefcount(thing) for thing in things] == before)
    references = [weakref.ref(thing) for thing in things]
    things.clear()
    assert eventually(lambda: all(reference() is None for reference in references))
