# SPDX-License-Identifier: Apache-2.0
"""Dicts that threads share for long are left to the collector; all others are freed at once."""

from __future__ import annotations

import pytest

import tools.testing.sharing
from tools.testing.sharing import where_objects_get_help

pytestmark = pytest.mark.thread_unsafe(reason="runs programs that start threads of their own")


def run_sharing(program: str, *arguments: str) -> str:
    return tools.testing.sharing.run_sharing(
        "cereggii_atomicdict._atomicdict",
        "for _ in range(times): instance.get(1)",
        program,
        *arguments,
    )


@where_objects_get_help
def test_a_dict_that_is_shared_for_long_is_left_to_the_collector() -> None:
    program = """
        young, instance = AtomicDict(), AtomicDict()
        take_turns([young], 8, step=10.4)
        take_turns([instance], 9, step=10.4)
        assert not has_help(young) and has_help(instance)
        assert statistic("deferred") == 2**20
        gc.disable()
        reference = weakref.ref(instance)
        del instance
        assert reference() is not None
        gc.collect()
        assert reference() is None
        assert statistic("deferred") == statistic("world_stops") == 0
    """
    run_sharing(program)


@where_objects_get_help
@pytest.mark.parametrize("collector", ["enable", "disable"])
def test_large_dicts_that_were_shared_are_freed_at_once(collector: str) -> None:
    program = """
        getattr(gc, sys.argv[1])()
        for _ in range(10):
            instance = AtomicDict.fromkeys(range(20_000))
            take_turns([instance], 20, step=6)
            reference = weakref.ref(instance)
            del instance
            assert reference() is None
        assert statistic("deferred") == statistic("collections") == 0
    """
    run_sharing(program, collector)


@where_objects_get_help
def test_a_dict_has_to_be_shared_for_the_longer_the_larger_it_is() -> None:
    program = """
        ages = []
        for size in (0, 10, 50_000, 200_000):
            instance = AtomicDict.fromkeys(range(size))
            age = 0
            while not has_help(instance):
                take_turns([instance], 4, step=20)
                age += 4 * 20
            ages.append(age)
            del instance
            gc.collect()
        assert ages[0] == ages[1] < ages[2] < ages[3] > 1000, ages
    """
    run_sharing(program)


@where_objects_get_help
def test_a_dict_that_grows_counts_as_what_it_is_at_the_next_collection() -> None:
    program = """
        instance = AtomicDict()
        take_turns([instance], 9, step=11)
        assert statistic("deferred") == 2**20
        for key in range(100_000): instance[key] = key
        gc.collect()
        assert 5 * 2**20 < statistic("deferred") < 50 * 2**20
        instance.clear()
        gc.collect()
        assert statistic("deferred") == 2**20
        del instance
        gc.collect()
        assert statistic("deferred") == 0
    """
    run_sharing(program)


@where_objects_get_help
@pytest.mark.parametrize("immortal", ["True", "False", "None"])
def test_the_argument_immortal_decides(immortal: str) -> None:
    program = """
        immortal = eval(sys.argv[1])
        instance = AtomicDict({1: 2}, immortal=immortal)
        assert has_help(instance) == (immortal is True)
        take_turns([instance], 100, step=1000)
        assert has_help(instance) == (immortal is not False)
        reference = weakref.ref(instance)
        gc.disable()
        del instance
        assert (reference() is None) == (immortal is False)
        gc.collect()
        assert (reference() is None) == (immortal is not True)
    """
    run_sharing(program, immortal)


@where_objects_get_help
def test_a_child_process_goes_on_where_its_parent_was() -> None:
    program = """
        import os
        instance = AtomicDict()
        take_turns([instance], 9, step=11)
        assert statistic("deferred") == 2**20
        child = os.fork()
        if not child:
            del instance
            gc.collect()
            assert statistic("deferred") == 0
            instance = AtomicDict()
            take_turns([instance], 9, step=11)
            assert has_help(instance) and statistic("deferred") == 2**20
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert statistic("deferred") == 2**20
    """
    run_sharing(program)
