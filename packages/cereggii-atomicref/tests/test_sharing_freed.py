# SPDX-License-Identifier: Apache-2.0
"""A ref that threads have shared is freed, by its last owner or by the collector."""

from __future__ import annotations

import functools
import gc
import sys
import textwrap
import threading
import weakref
from typing import Any

import pytest
from cereggii_atomicref import AtomicRef

import tools.testing.sharing
from tools.testing.concurrency import background, eventually, run_threads
from tools.testing.interpreters import FREE_THREADED, run_program
from tools.testing.lifetimes import collected, is_immortal
from tools.testing.sharing import check_made_immortal_while_used, where_objects_get_help

from .forms import Thing
from .sharing_refs import Counted, every_atomic, put, use, use_elsewhere

pytestmark = [
    pytest.mark.thread_unsafe(reason="starts threads of its own, and collects garbage"),
    pytest.mark.usefixtures("switch_often"),
]


def run_sharing(program: str, *arguments: str) -> str:
    return tools.testing.sharing.run_sharing(
        "cereggii_atomicref._atomicref",
        "for _ in range(times): instance.get()",
        "class Thing: pass\n" + textwrap.dedent(program),
        *arguments,
    )


@every_atomic
@pytest.mark.parametrize("threads", [1, 4])
def test_a_ref_that_was_used_hard_is_freed_when_it_is_dropped(
    atomic: type[Any], threads: int
) -> None:
    thing = Thing()
    instance = atomic(thing)
    references = [weakref.ref(thing)]
    del thing
    use_elsewhere(instance, 30_000, threads)
    references.append(weakref.ref(instance))
    assert not is_immortal(instance) or sys.version_info >= (3, 14)
    del instance
    assert all(collected(reference) for reference in references)


@every_atomic
def test_a_ref_in_a_cycle_that_was_used_hard_is_freed(atomic: type[Any]) -> None:
    instance = atomic()
    put(instance, [instance, thing := Thing()])
    references = [weakref.ref(instance), weakref.ref(thing)]
    use_elsewhere(instance, 20_000, threads=2)
    del instance, thing
    assert all(collected(reference) for reference in references)


def test_a_ref_that_was_used_hard_through_handles_is_freed_without_the_collector() -> None:
    instance: AtomicRef[Any] = AtomicRef([])
    handles = [instance.get_handle(), instance.get_handle()]
    run_threads(*(functools.partial(use, handle, 20_000) for handle in handles))
    reference = weakref.ref(instance)
    del instance, handles
    assert eventually(lambda: reference() is None)


def test_a_subclass_is_freed_without_the_collector_however_it_was_used() -> None:
    class Owner(AtomicRef[Any]):
        pass

    instance = Owner([])
    use_elsewhere(instance, 20_000, threads=2)
    reference = weakref.ref(instance)
    del instance
    assert eventually(lambda: reference() is None)


@where_objects_get_help
@every_atomic
def test_a_ref_that_was_used_hard_for_a_moment_is_freed_without_the_collector(
    atomic: type[Any],
) -> None:
    program = """
        for enabled in (True, False):
            (gc.enable if enabled else gc.disable)()
            for _ in range(20):
                thing = Thing()
                instance = globals()[sys.argv[1]](thing)
                references = [weakref.ref(thing), weakref.ref(instance)]
                del thing
                take_turns([instance], 30, step=2)
                assert not has_help(instance)
                del instance
                assert [reference() for reference in references] == [None, None]
        assert extension._sharing_statistics() == dict.fromkeys(extension._sharing_statistics(), 0)
    """
    run_sharing(program, atomic.__name__)


@where_objects_get_help
@every_atomic
def test_a_ref_that_is_shared_for_long_is_left_to_the_collector(atomic: type[Any]) -> None:
    program = """
        young, instance = globals()[sys.argv[1]](), globals()[sys.argv[1]]()
        # A ref counts as a mebibyte, which takes a sixteenth of a second, and all help 20 ms.
        take_turns([young], 8, step=10.4)
        take_turns([instance], 9, step=10.4)
        assert not has_help(young) and has_help(instance)
        assert statistic("deferred") == 2**20
        assert gc.is_tracked(instance) and any(found is instance for found in gc.get_objects())
        assert gc.get_referents(instance)
        assert statistic("deferred") == 2**20
        gc.disable()
        reference = weakref.ref(instance)
        del instance
        assert reference() is not None
        gc.collect()
        assert reference() is None
        assert statistic("deferred") == statistic("world_stops") == 0
    """
    run_sharing(program, atomic.__name__)


@where_objects_get_help
def test_a_flag_counts_as_little() -> None:
    program = """
        instance = extension.AtomicBool()
        take_turns([instance], 9, step=3)
        assert has_help(instance)
        assert statistic("deferred") == 2**16
    """
    run_sharing(program)


@where_objects_get_help
@pytest.mark.parametrize("immortal", ["True", "False", "None"])
@pytest.mark.parametrize("atomic", ["AtomicRef", "AtomicBool", "AtomicStampedRef"])
def test_the_argument_immortal_decides(atomic: str, immortal: str) -> None:
    program = """
        immortal = eval(sys.argv[2])
        instance = getattr(extension, sys.argv[1])(immortal=immortal)
        assert has_help(instance) == (immortal is True)
        take_turns([instance], 100, step=1000)
        assert has_help(instance) == (immortal is not False)
        assert (statistic("deferred") != 0) == (immortal is None)
        reference = weakref.ref(instance)
        gc.disable()
        del instance
        assert (reference() is None) == (immortal is False)
        gc.collect()
        assert (reference() is None) == (immortal is not True)
    """
    run_sharing(program, atomic, immortal)


@where_objects_get_help
def test_nothing_is_left_to_a_collector_that_is_switched_off() -> None:
    program = """
        gc.disable()
        instance = AtomicRef()
        take_turns([instance], 100, step=1000)
        reference = weakref.ref(instance)
        del instance
        assert reference() is None
        assert statistic("deferred") == statistic("collections") == 0
    """
    run_sharing(program)


@where_objects_get_help
def test_a_collection_is_requested_when_too_much_is_left_to_it() -> None:
    program = """
        most = 0
        for _ in range(100):
            instance = AtomicRef(bytes(2**20))
            take_turns([instance], 9, step=300)
            del instance
            most = max(most, statistic("deferred"))
        assert most == 16 * 2**20, most
        assert 3 <= statistic("collections") <= 6, statistic("collections")
        assert statistic("deferred") <= most
    """
    run_sharing(program)


@where_objects_get_help
def test_nothing_more_is_left_to_the_collector_while_it_does_not_come() -> None:
    """A requested collection is the main thread's, which is asleep."""
    program = """
        kept, dropped = [], []
        def work():
            for _ in range(40):
                instance = AtomicRef()
                take_turns([instance], 30, step=300)
                kept.append(instance)
            dropped.append(statistic("deferred"))
            for _ in range(40):
                instance = AtomicRef()
                take_turns([instance], 30, step=300)
                reference = weakref.ref(instance)
                del instance
                dropped.append(reference() is None)
            dropped.append(statistic("collections"))
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert sum(map(has_help, kept)) == 16
        assert dropped == [16 * 2**20, *[True] * 40, 0], dropped
    """
    run_sharing(program)


@where_objects_get_help
def test_a_child_process_goes_on_when_it_collects() -> None:
    """A request of the parent is for a main thread that the child may not have."""
    program = """
        import os
        status = []
        def work():
            refs = [AtomicRef() for _ in range(20)]
            take_turns(refs, 9, step=300)
            assert sum(map(has_help, refs)) == 16
            child = os.fork()
            if not child:
                wait(60_000)
                gc.collect()
                take_turns(refs[-1:], 9, step=300)
                os._exit(0 if has_help(refs[-1]) else 1)
            status.append(os.waitpid(child, 0)[1])
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert status == [0], status
    """
    run_sharing(program)


@where_objects_get_help
def test_survivors_of_a_collection_make_room_for_as_many_again() -> None:
    """The collection need not be a requested one. None is requested afterwards."""
    program = """
        kept = []
        for count in (16, 32):
            refs = [AtomicRef() for _ in range(16)]
            take_turns(refs, 9, step=300)
            kept += refs
            gc.collect()
            assert sum(map(has_help, kept)) == count
        more = [AtomicRef() for _ in range(32)]
        take_turns(more, 9, step=600)
        assert sum(map(has_help, more)) == 32
        assert statistic("collections") == 0
        assert statistic("deferred") == 64 * 2**20
        del kept, refs, more
        gc.collect()
        assert statistic("deferred") == 0
    """
    run_sharing(program)


@where_objects_get_help
def test_a_ref_that_its_finalizer_brings_back_is_accounted_for_once() -> None:
    program = """
        back = []
        class Finalizer:
            def __del__(self):
                back.append(self.ref)
        instance = AtomicRef(Finalizer())
        instance.get().ref = instance
        take_turns([instance], 9, step=50)
        assert has_help(instance) and statistic("deferred") == 2**20
        del instance
        gc.collect()
        instance = back.pop()
        assert statistic("deferred") == 2**20
        wait(1000)
        take_turns([instance], 20, step=50)
        assert statistic("deferred") == 2**20
        instance.set(None)
        del instance
        gc.collect()
        gc.collect()
        assert statistic("deferred") == 0
    """
    run_sharing(program)


@where_objects_get_help
def test_refs_raise_no_audit_events() -> None:
    program = """
        seen = []
        sys.addaudithook(lambda event, arguments: seen.append(event))
        for _ in range(40):
            take_turns([AtomicRef()], 9, step=300)
        assert statistic("collections") >= 1
        assert not [event for event in seen if event.startswith("gc.")], seen
    """
    run_sharing(program)


def test_thousands_of_refs_that_are_passed_on_are_freed() -> None:
    program = """
        import gc, threading, weakref
        from cereggii_atomicref import AtomicRef
        class Thing:
            pass
        instances = [AtomicRef(Thing()) for _ in range(3000)]
        things = [weakref.ref(instance.get()) for instance in instances]
        def work():
            for instance in instances:
                for _ in range(100):
                    instance.set(instance.get())
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        references = [weakref.ref(instance) for instance in instances]
        del instances, work, thread, threads
        gc.collect()
        print(sum(reference() is not None for reference in references + things))
    """
    assert run_program(program).strip() == "0"


def test_sharing_goes_on_while_garbage_is_collected_and_weakly_referenced() -> None:
    refs: list[AtomicRef[int]] = [AtomicRef(0) for _ in range(10)]
    done = threading.Event()

    def work() -> None:
        for ref in refs:
            for _ in range(1000):
                ref.update_and_get(lambda value: value + 1)

    def collect() -> None:
        while not done.wait(0.02):
            gc.collect()

    def refer() -> None:
        while not done.is_set():
            for ref in refs:
                assert weakref.ref(ref)() is ref
                assert gc.get_referents(ref)

    with background(collect, refer):
        try:
            run_threads(work, work, work)
        finally:
            done.set()
    assert {ref.get() for ref in refs} == {3000}


def test_the_collector_may_run_while_cycles_through_refs_are_made_and_broken() -> None:
    shared: AtomicRef[Any] = AtomicRef()
    died: list[object] = []
    done = threading.Event()
    repeats = 1000

    def work(number: int) -> None:
        for step in range(repeats):
            own: AtomicRef[Any] = AtomicRef()
            own.set([own, shared, own.get_handle(), Counted((number, step), died)])
            replaced = shared.get_and_set(own)
            if step % 2 and replaced is not None:
                replaced.set(None)
            del own, replaced

    def collect() -> None:
        while not done.wait(0.005):
            gc.collect()

    with background(collect):
        try:
            run_threads(*(functools.partial(work, number) for number in range(3)))
        finally:
            done.set()
    shared.set(None)

    def all_died() -> bool:
        gc.collect()
        return len(died) >= 3 * repeats

    assert eventually(all_died, timeout=20)
    assert len({*died}) == len(died) == 3 * repeats


@pytest.mark.skipif(not FREE_THREADED, reason="with a GIL no reference count is contended")
def test_an_object_made_immortal_while_others_use_it_keeps_working() -> None:
    check_made_immortal_while_used(AtomicRef, rounds=20)
