# SPDX-License-Identifier: Apache-2.0
"""Integers that threads share for long become immortal by themselves; all others are freed."""

from __future__ import annotations

import gc
import random
import sys
import threading
import weakref
from typing import Any

import pytest
from cereggii_atomicint import AtomicCounter, AtomicInt

from tools.testing.concurrency import background, eventually, run_threads
from tools.testing.interpreters import FREE_THREADED, run_program

pytestmark = [
    pytest.mark.thread_unsafe(reason="starts threads of its own, and collects garbage"),
    pytest.mark.usefixtures("switch_often"),
]

where_objects_are_promoted = pytest.mark.skipif(
    not FREE_THREADED or sys.version_info < (3, 14),
    reason="objects become immortal by themselves on free-threaded 3.14 and later only",
)

only_free_threaded = pytest.mark.skipif(
    not FREE_THREADED, reason="with a GIL no reference count is contended"
)


def is_immortal(instance: object) -> bool:
    return sys.getrefcount(instance) > 2**28


def use(instance: Any, times: int) -> None:
    for _ in range(times):
        instance += 1


def use_elsewhere(instance: Any, times: int, threads: int = 1) -> None:
    """Use the object from threads that do not own it, `times` in each."""
    run_threads(*[lambda: use(instance, times)] * threads)


@where_objects_are_promoted
@pytest.mark.parametrize("atomic", [AtomicInt, AtomicCounter])
def test_an_object_that_other_threads_keep_using_becomes_immortal(atomic: type[Any]) -> None:
    instance = atomic()
    use_elsewhere(instance, 5000, threads=2)
    assert is_immortal(instance)
    assert instance.get() == 10_000
    use(instance, 5)
    reference = weakref.ref(instance)
    del instance
    gc.collect()
    survivor: Any = reference()
    assert survivor.get() == 10_005


@where_objects_are_promoted
def test_an_object_that_one_other_thread_keeps_using_for_long_becomes_immortal() -> None:
    instance = AtomicInt()
    use_elsewhere(instance, 50_000)
    assert is_immortal(instance)


def test_an_object_that_only_its_own_thread_uses_is_freed() -> None:
    instance = AtomicInt()
    use(instance, 100_000)
    reference = weakref.ref(instance)
    assert not is_immortal(instance)
    del instance
    assert reference() is None


def test_an_object_with_a_weak_reference_never_becomes_immortal() -> None:
    instance = AtomicInt()
    reference = weakref.ref(instance)
    use_elsewhere(instance, 50_000, threads=2)
    assert not is_immortal(instance)
    del instance
    assert eventually(lambda: reference() is None)


def test_a_subclass_never_becomes_immortal_by_itself() -> None:
    class Owner(AtomicInt):
        pass

    instance = Owner()
    use_elsewhere(instance, 50_000)
    assert not is_immortal(instance)
    reference = weakref.ref(instance)
    del instance
    assert eventually(lambda: reference() is None)


def test_an_object_that_is_used_through_handles_does_not_become_immortal() -> None:
    instance = AtomicInt()
    handle = instance.get_handle()
    use_elsewhere(handle, 50_000)
    assert not is_immortal(instance)
    references = [weakref.ref(instance), weakref.ref(handle)]
    del instance, handle
    assert eventually(lambda: all(reference() is None for reference in references))


@pytest.mark.parametrize("times", [1, 100])
def test_thousands_of_objects_that_are_passed_on_are_freed(times: int) -> None:
    # In a process of its own: what earlier tests left at the same addresses can mislead the guess.
    program = """
        import gc, sys, threading, weakref
        from cereggii_atomicint import AtomicInt
        times = int(sys.argv[1])
        instances = [AtomicInt() for _ in range(5000)]
        def work():
            for instance in instances:
                for _ in range(times):
                    instance += 1
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert {instance.get() for instance in instances} == {times}
        # Only now: an object with a weak reference would be safe from immortality.
        references = [weakref.ref(instance) for instance in instances]
        del instances, work, thread
        gc.collect()
        print(sum(reference() is not None for reference in references))
    """
    assert run_program(program, str(times)).strip() == "0"


def test_sharing_keeps_the_value_while_garbage_is_collected_and_weakly_referenced() -> None:
    instances = [AtomicInt() for _ in range(10)]
    threads, times = 3, 1000
    done = threading.Event()

    def work() -> None:
        for instance in instances:
            use(instance, times)

    def collect() -> None:
        while not done.wait(0.02):
            gc.collect()

    def refer() -> None:
        while not done.is_set():
            for instance in instances:
                assert weakref.ref(instance)() is instance

    with background(collect, refer):
        try:
            run_threads(*[work] * threads)
        finally:
            done.set()
    assert {instance.get() for instance in instances} == {threads * times}


def test_a_weak_reference_to_an_object_that_is_becoming_immortal_stays_true(seed: int) -> None:
    """It is alive and immortal, or the object is mortal and it dies: never anything between."""
    choose = random.Random(seed)
    for _ in range(40):
        instance = AtomicInt()
        delay = choose.randrange(1500)
        references: list[weakref.ref[AtomicInt]] = []

        def refer(instance: AtomicInt = instance, delay: int = delay) -> None:
            for _ in range(delay):
                pass
            references.append(weakref.ref(instance))  # noqa: B023

        users = [lambda instance=instance: use(instance, 1000)] * 2  # type: ignore[misc]
        run_threads(*users, refer)
        assert instance.get() == 2000
        immortal = is_immortal(instance)
        del instance, refer, users
        survivor = None if immortal else references[0]
        assert eventually(lambda survivor=survivor: survivor is None or survivor() is None)  # type: ignore[misc]
        if immortal:
            alive = references[0]()
            assert alive is not None
            assert alive.get() == 2000


@where_objects_are_promoted
def test_at_most_half_a_mebibyte_becomes_immortal_by_itself() -> None:
    program = """
        import sys, threading
        from cereggii_atomicint import AtomicInt
        instances = [AtomicInt() for _ in range(9000)]
        barrier = threading.Barrier(2)
        def work():
            for instance in instances:
                barrier.wait()
                for _ in range(300):
                    instance += 1
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert all(instance.get() == 600 for instance in instances)
        print(sum(sys.getrefcount(instance) > 2**28 for instance in instances))
        asked_for = AtomicInt(immortal=True)
        assert sys.getrefcount(asked_for) > 2**28
    """
    assert 8000 <= int(run_program(program)) <= 8192


@where_objects_are_promoted
def test_an_object_that_is_passed_on_and_used_by_one_thread_stays_mortal() -> None:
    program = """
        import sys, threading
        from cereggii_atomicint import AtomicInt
        instance = AtomicInt()
        def work():
            global instance
            for _ in range(5000):
                instance += 1
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        print(sys.getrefcount(instance) > 2**28)
    """
    assert run_program(program).strip() == "False"


@where_objects_are_promoted
def test_garbage_that_a_finalizer_uses_is_freed() -> None:
    """The collector links garbage through the fields that immortality would change."""
    program = """
        import gc
        from cereggii_atomicint import AtomicInt
        class Part(AtomicInt):
            pass
        class Node:
            def __init__(self):
                self.me = self
                self.counter = AtomicInt()
                self.parts = [Part() for _ in range(10)]
                for part in self.parts:
                    part.node = self
            def __del__(self):
                for _ in range(40_000):
                    self.counter += 1
        gc.collect()
        before = len(gc.get_objects())
        for _ in range(30):
            Node()
            gc.collect()
        print(len(gc.get_objects()) - before)
    """
    assert int(run_program(program)) < 50


@only_free_threaded
def test_an_object_made_immortal_while_others_use_it_keeps_working() -> None:
    class Late(AtomicInt):
        """Immortal only once other threads have references to it."""

    for _ in range(30):
        instance = Late.__new__(Late)
        started = threading.Barrier(3)

        def work(instance: Late = instance, started: threading.Barrier = started) -> None:
            started.wait(30)
            references = []
            for _ in range(2000):
                references.append(instance)
                if len(references) > 100:
                    references.clear()

        with background(work, work):
            started.wait(30)
            AtomicInt.__init__(instance, 5, immortal=True)
        assert is_immortal(instance)
        assert instance.get() == 5
