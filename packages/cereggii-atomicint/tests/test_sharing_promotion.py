# SPDX-License-Identifier: Apache-2.0
"""Whatever else is done with an integer while it becomes immortal, nothing is lost or freed."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest
from cereggii_atomicint import AtomicInt

from tools.testing.concurrency import background, run_threads
from tools.testing.interpreters import FREE_THREADED, run_program
from tools.testing.sharing import check_made_immortal_while_used, where_objects_get_help

from .shared import run_sharing, use

pytestmark = [
    pytest.mark.thread_unsafe(reason="starts threads of its own, and collects garbage"),
    pytest.mark.usefixtures("switch_often"),
]

only_free_threaded = pytest.mark.skipif(
    not FREE_THREADED, reason="with a GIL no reference count is contended"
)


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


@where_objects_get_help
def test_a_weak_reference_to_an_object_that_is_becoming_immortal_stays_true(seed: int) -> None:
    """Either the object is immortal and the reference alive, or it is mortal and both die."""
    program = """
        import random
        choose = random.Random(int(sys.argv[1]))
        immortal = 0
        for _ in range(100):
            instance = AtomicInt()
            take_turns([instance], 8)  # the next thread makes it immortal
            wait(10_000)
            start = threading.Barrier(3)
            references = []
            def use_more():
                start.wait(30)
                USE(instance, TURN)
            def refer(delay):
                start.wait(30)
                for _ in range(delay):
                    pass
                references.append(weakref.ref(instance))
            threads = [threading.Thread(target=use_more) for _ in range(2)]
            threads.append(threading.Thread(target=refer, args=(choose.randrange(1500),)))
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            assert instance.get() == 10 * TURN
            survives = has_help(instance)
            immortal += survives
            del instance, threads, thread
            gc.collect()
            assert (references[0]() is not None) == survives
            assert not survives or references[0]().get() == 10 * TURN
        print(immortal)
    """
    print(run_sharing(program, str(seed)), "of 100 became immortal")


@where_objects_get_help
def test_an_object_that_is_weakly_referenced_at_the_last_moment_stays_mortal() -> None:
    """While its thread waits for the world to stop, another makes the reference."""
    program = """
        from collections import deque
        from itertools import chain, repeat
        from operator import call
        def attempt(length):
            instance = AtomicInt()
            take_turns([instance], 8)
            wait(1000)
            references = []
            before = statistic("world_stops")
            refers = threading.Lock()
            refers.acquire()
            def refer():
                # One native call: from when it has released the lock, nothing interrupts it before
                # it has made the reference.
                release = map(call, [refers.release])
                make = map(references.append, map(weakref.ref, [instance]))
                deque(chain(release, repeat(None, length), make), maxlen=0)
            def use():
                assert refers.acquire(timeout=30)
                USE(instance, TURN)
            threads = [threading.Thread(target=target) for target in (refer, use)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            assert references
            if statistic("world_stops") == before:
                return False  # it came too late: there was a reference already
            assert not has_help(instance)
            return True
        assert any(attempt(10**exponent) for exponent in (7, 8, 9))
        assert statistic("immortal") == 0
    """
    run_sharing(program)


@where_objects_get_help
def test_a_global_that_the_interpreter_has_deferred_becomes_immortal_for_good() -> None:
    """CPython 3.15 defers a global when a thread reads it that does not own it."""
    program = """
        global instance
        instance = AtomicInt()
        def use_global(_, times):
            for _ in range(times):
                instance.get()
        take_turns([instance], 10, use=use_global)
        assert sys._is_immortal(instance)
        reference = weakref.ref(instance)
        del instance
        for _ in range(2):
            gc.collect()
        assert reference().get() == 0
    """
    run_sharing(program)


@where_objects_get_help
def test_an_object_that_its_owner_is_counting_becomes_immortal_for_good() -> None:
    """The owner counts without atomics: what is stored between its load and its store is lost."""
    program = """
        for _ in range(60):
            instance = AtomicInt()
            take_turns([instance], 8)
            wait(100)
            start = threading.Barrier(3)
            def use_more():
                start.wait(30)
                # By its name: what the owner lends, another thread does not give back.
                USE(instance, TURN)
            threads = [threading.Thread(target=use_more) for _ in range(2)]
            for thread in threads: thread.start()
            start.wait(30)
            while any(thread.is_alive() for thread in threads):
                [instance] * 500
            for thread in threads: thread.join()
            assert has_help(instance)
            assert instance.get() == 10 * TURN
    """
    run_sharing(program)


@where_objects_get_help
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
    check_made_immortal_while_used(AtomicInt, rounds=30)
