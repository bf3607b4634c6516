# SPDX-License-Identifier: Apache-2.0
"""Floats that threads share for long become immortal by themselves; all others are freed."""

from __future__ import annotations

import weakref

import pytest
from cereggii_atomicfloat import AtomicFloat, AtomicFloatSum

from tools.testing.interpreters import FREE_THREADED
from tools.testing.lifetimes import is_immortal
from tools.testing.sharing import check_made_immortal_while_used, where_objects_get_help

from .shared import run_sharing, use_elsewhere

pytestmark = [
    pytest.mark.thread_unsafe(reason="starts threads of its own, and collects garbage"),
    pytest.mark.usefixtures("switch_often"),
]

only_free_threaded = pytest.mark.skipif(
    not FREE_THREADED, reason="with a GIL no reference count is contended"
)


@where_objects_get_help
@pytest.mark.parametrize("atomic", ["AtomicFloat", "AtomicFloatSum"])
def test_an_object_that_other_threads_use_in_turn_for_a_while_becomes_immortal(atomic: str) -> None:
    program = """
        make = globals()[sys.argv[1]]
        young, instance = make(), make()
        take_turns([young], 8)
        take_turns([instance], 9)  # eight pauses of 2.5 ms are 20 ms
        assert not has_help(young)
        assert has_help(instance) and not gc.is_tracked(instance)
        assert instance.get() == 9 * TURN
        USE(instance, 5)
        references = [weakref.ref(young), weakref.ref(instance)]
        del young, instance
        gc.collect()
        assert references[0]() is None
        assert references[1]().get() == 9 * TURN + 5
    """
    run_sharing(program, atomic)


@where_objects_get_help
@pytest.mark.parametrize("atomic", ["AtomicFloat", "AtomicFloatSum"])
def test_the_objects_that_become_immortal_fill_a_budget(atomic: str) -> None:
    program = """
        make = globals()[sys.argv[1]]
        instance = make()
        take_turns([instance], 9)
        size = instance.__sizeof__()
        assert size <= statistic("immortal") <= size + 16
        assert make is AtomicFloat or size > 200  # with its cells
    """
    run_sharing(program, atomic)


@where_objects_get_help
def test_an_object_that_is_used_hard_for_a_moment_or_through_handles_stays_mortal() -> None:
    program = """
        instance = AtomicFloat()
        take_turns([instance], 100, step=0)
        def through_handle(instance, times):
            handle = instance.get_handle()
            for _ in range(times): handle += 1
        take_turns([instance], 30, use=through_handle)
        assert not has_help(instance)
        reference = weakref.ref(instance)
        del instance
        assert reference() is None
    """
    run_sharing(program)


@where_objects_get_help
@pytest.mark.parametrize("refusal", ["immortal=False", "a subclass", "a weak reference"])
def test_an_object_that_must_not_become_immortal_stays_mortal(refusal: str) -> None:
    program = """
        class Sub(AtomicFloat): pass
        instance = AtomicFloat(immortal=False) if sys.argv[1] == "immortal=False" else Sub()
        if sys.argv[1] == "a weak reference":
            instance = AtomicFloat()
            kept = weakref.ref(instance)
        take_turns([instance], 50)
        assert not has_help(instance)
        assert instance.get() == 50 * TURN
    """
    run_sharing(program, refusal)


@only_free_threaded
def test_an_object_made_immortal_while_others_use_it_keeps_working() -> None:
    check_made_immortal_while_used(AtomicFloat, rounds=30)


@pytest.mark.parametrize("atomic", [AtomicFloat, AtomicFloatSum])
def test_sharing_for_a_moment_changes_no_lifetime(atomic: type[AtomicFloat]) -> None:
    instance = atomic()
    use_elsewhere(instance, 1000, threads=2)
    assert instance.get() == 2000
    assert not FREE_THREADED or not is_immortal(instance)
    reference = weakref.ref(instance)
    del instance
    assert reference() is None
