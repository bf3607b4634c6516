# SPDX-License-Identifier: Apache-2.0
"""Integers that threads share for long become immortal by themselves; all others are freed."""

from __future__ import annotations

import gc
import sys
import textwrap
import threading
import weakref
from typing import Any

import pytest
from cereggii_atomicint import AtomicInt

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


# What the programs below begin with. They run in processes of their own, since what becomes
# immortal by itself counts towards the limit of its process.
SHARE = """
    import gc, random, sys, threading, weakref
    from cereggii_atomicint import AtomicCounter, AtomicInt

    TURN = 256  # one of so many uses by a thread is looked at

    def is_immortal(instance):
        return sys.getrefcount(instance) > 2**28

    def use(instance, times):
        for _ in range(times):
            instance += 1

    def use_elsewhere(instance, times):
        thread = threading.Thread(target=use, args=(instance, times))
        thread.start()
        thread.join()

    def take_turns(instances, turns):
        # Two threads use each instance in turn, and each of their turns is looked at once.
        gates = [threading.Lock(), threading.Lock()]
        gates[1].acquire()
        def work(number):
            for instance in instances:
                for turn in range(turns):
                    if turn % 2 == number:
                        gates[number].acquire()
                        use(instance, TURN)
                        gates[(turn + 1) % turns % 2].release()
        threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
"""


def run_sharing(program: str, *arguments: str) -> str:
    return run_program(textwrap.dedent(SHARE) + textwrap.dedent(program), *arguments).strip()


def is_immortal(instance: object) -> bool:
    return sys.getrefcount(instance) > 2**28


def use(instance: Any, times: int) -> None:
    for _ in range(times):
        instance += 1


def use_elsewhere(instance: Any, times: int, threads: int = 1) -> None:
    """Use the object from threads that do not own it, `times` in each."""
    run_threads(*[lambda: use(instance, times)] * threads)


@where_objects_are_promoted
@pytest.mark.parametrize("atomic", ["AtomicInt", "AtomicCounter"])
def test_an_object_that_other_threads_use_in_turn_becomes_immortal(atomic: str) -> None:
    program = """
        instance = globals()[sys.argv[1]]()
        take_turns([instance], 4)
        assert is_immortal(instance)
        assert instance.get() == 4 * TURN
        use(instance, 5)
        reference = weakref.ref(instance)
        del instance
        gc.collect()
        assert reference().get() == 4 * TURN + 5
    """
    run_sharing(program, atomic)


@where_objects_are_promoted
def test_an_object_that_one_other_thread_keeps_using_for_long_becomes_immortal() -> None:
    program = """
        instance = AtomicInt()
        use_elsewhere(instance, 50_000)
        assert is_immortal(instance)
        assert instance.get() == 50_000
    """
    run_sharing(program)


@where_objects_are_promoted
def test_an_object_that_goes_to_another_thread_and_back_stays_mortal() -> None:
    program = """
        instance = AtomicInt()
        take_turns([instance], 3)
        assert not is_immortal(instance)
        reference = weakref.ref(instance)
        del instance
        assert reference() is None
    """
    run_sharing(program)


@where_objects_are_promoted
def test_an_object_that_is_passed_on_and_used_by_one_thread_stays_mortal() -> None:
    program = """
        instance = AtomicInt()
        use_elsewhere(instance, 10_000)
        assert not is_immortal(instance)
    """
    run_sharing(program)


@where_objects_are_promoted
def test_an_object_is_not_taken_for_an_earlier_one_at_its_address() -> None:
    """Every object here is used by one thread only, but all of them by many."""
    program = """
        def new_at(address):
            for _ in range(1_000_000):
                instance = AtomicInt()
                if id(instance) == address:
                    return instance
            sys.exit("the memory is not used again")

        address = id(AtomicInt())
        alive = threading.Barrier(21)
        threads = []
        for _ in range(20):
            instance = new_at(address)
            def work(instance):
                use(instance, 10 * TURN)
                del instance
                used.set()
                alive.wait(30)  # so that no thread gets the identity of an earlier one
            used = threading.Event()
            # The target and its arguments die before the thread does.
            thread = threading.Thread(
                target=lambda box: work(box.pop()), args=([instance],), daemon=True
            )
            thread.start()
            threads.append(thread)
            used.wait(30)
            assert not is_immortal(instance)
            del instance
        alive.wait(30)
        for thread in threads: thread.join()
    """
    run_sharing(program)


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
    program = """
        choose = random.Random(int(sys.argv[1]))
        immortal = 0
        for _ in range(100):
            instance = AtomicInt()
            take_turns([instance], 3)  # the next thread but the last makes it immortal
            start = threading.Barrier(3)
            references = []
            def use_more():
                start.wait(30)
                use(instance, 2 * TURN)
            def refer(delay):
                start.wait(30)
                for _ in range(delay):
                    pass
                references.append(weakref.ref(instance))
            threads = [threading.Thread(target=use_more) for _ in range(2)]
            threads.append(threading.Thread(target=refer, args=(choose.randrange(1500),)))
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            assert instance.get() == 7 * TURN
            survives = is_immortal(instance)
            immortal += survives
            del instance, threads, thread
            gc.collect()
            assert (references[0]() is not None) == survives
            assert not survives or references[0]().get() == 7 * TURN
        print(immortal)
    """
    print(run_sharing(program, str(seed)), "of 100 became immortal")


@where_objects_are_promoted
def test_an_object_that_is_weakly_referenced_at_the_last_moment_stays_mortal() -> None:
    program = """
        references = []
        def refer(event, arguments):
            if event == "gc.get_referents":  # which stops the world
                references.append(weakref.ref(instance))
        sys.addaudithook(refer)
        instance = AtomicInt()
        take_turns([instance], 4)
        assert references
        assert not is_immortal(instance)
    """
    run_sharing(program)


@where_objects_are_promoted
def test_an_object_that_its_owner_is_counting_becomes_immortal_for_good() -> None:
    """The owner counts without atomics: what is stored between its load and its store is lost."""
    program = """
        for _ in range(60):
            instance = AtomicInt()
            take_turns([instance], 3)
            start = threading.Barrier(3)
            def use_more():
                start.wait(30)
                # By its global name: what the owner lends, another thread does not give back.
                use(instance, 2 * TURN)
            threads = [threading.Thread(target=use_more) for _ in range(2)]
            for thread in threads: thread.start()
            start.wait(30)
            while any(thread.is_alive() for thread in threads):
                [instance] * 500
            for thread in threads: thread.join()
            assert is_immortal(instance)
            assert instance.get() == 7 * TURN
    """
    run_sharing(program)


@where_objects_are_promoted
def test_at_most_half_a_mebibyte_becomes_immortal_by_itself() -> None:
    program = """
        instances = [AtomicInt() for _ in range(9000)]
        take_turns(instances, 4)
        assert all(instance.get() == 4 * TURN for instance in instances)
        print(sum(map(is_immortal, instances)))
        assert is_immortal(AtomicInt(immortal=True))
    """
    assert int(run_sharing(program)) == 2**19 // 80


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
