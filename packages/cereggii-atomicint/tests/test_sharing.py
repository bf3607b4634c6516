# SPDX-License-Identifier: Apache-2.0
"""Integers that threads share for long become immortal by themselves; all others are freed."""

from __future__ import annotations

import weakref

import pytest
from cereggii_atomicint import AtomicInt

from tools.testing.concurrency import eventually
from tools.testing.interpreters import run_program
from tools.testing.lifetimes import is_immortal
from tools.testing.sharing import where_objects_get_help

from .shared import run_sharing, use, use_elsewhere

pytestmark = [
    pytest.mark.thread_unsafe(reason="starts threads of its own, and collects garbage"),
    pytest.mark.usefixtures("switch_often"),
]


# ── the age in use ─────────────────────────────────────────────────────────────────────────────


@where_objects_get_help
@pytest.mark.parametrize("atomic", ["AtomicInt", "AtomicCounter"])
def test_an_object_that_other_threads_use_in_turn_for_a_while_becomes_immortal(atomic: str) -> None:
    program = """
        make = globals()[sys.argv[1]]
        young, instance = make(), make()
        take_turns([young], 8)
        take_turns([instance], 9)  # eight pauses of 2.5 ms are 20 ms
        assert not has_help(young)
        assert has_help(instance) and not gc.is_tracked(instance)
        assert all(found is not instance for found in gc.get_objects())
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
def test_an_event_that_other_threads_look_at_for_a_while_becomes_immortal() -> None:
    program = """
        def look(event, times):
            for _ in range(times): event.is_set()
        event = AtomicEvent()
        take_turns([event], 9, use=look)
        assert has_help(event)
    """
    run_sharing(program)


@where_objects_get_help
def test_an_object_that_is_used_hard_for_a_moment_stays_mortal() -> None:
    program = """
        instance = AtomicInt()
        take_turns([instance], 100, step=0)
        take_turns([instance], 100, step=0.1)
        assert not has_help(instance)
        reference = weakref.ref(instance)
        del instance
        assert reference() is None
        assert extension._sharing_statistics() == dict.fromkeys(extension._sharing_statistics(), 0)
    """
    run_sharing(program)


@where_objects_get_help
def test_by_the_clock_an_object_in_use_becomes_immortal_as_well() -> None:
    program = """
        extension._set_sharing_time(None)
        instance = AtomicInt()
        end = time.monotonic() + 60
        def work():
            while not has_help(instance) and time.monotonic() < end:
                USE(instance, 100)
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert has_help(instance)
    """
    run_sharing(program)


@where_objects_get_help
def test_an_object_that_one_other_thread_keeps_using_for_long_becomes_immortal() -> None:
    """Its owner may use it all the time, too, and is not asked."""
    program = """
        instance = AtomicInt()
        def work():
            for _ in range(64):
                wait(1)
                USE(instance, TURN)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert has_help(instance)
    """
    run_sharing(program)


@where_objects_get_help
def test_an_object_that_goes_to_another_thread_and_back_stays_mortal() -> None:
    program = """
        instance = AtomicInt()
        take_turns([instance], 3, step=1000)
        assert not has_help(instance)
        reference = weakref.ref(instance)
        del instance
        assert reference() is None
    """
    run_sharing(program)


@where_objects_get_help
def test_an_object_that_is_passed_on_and_used_by_one_thread_stays_mortal() -> None:
    program = """
        instance = AtomicInt()
        def work():
            for _ in range(63):
                wait(1000)
                USE(instance, TURN)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert not has_help(instance)
    """
    run_sharing(program)


@where_objects_get_help
def test_an_object_is_not_taken_for_an_earlier_one_at_its_address() -> None:
    """Every object here is used for a moment only, but all of them for long."""
    program = """
        addresses = set()
        for _ in range(100):
            instance = AtomicInt()
            addresses.add(id(instance))
            take_turns([instance], 8)
            assert not has_help(instance)
            del instance
        assert len(addresses) < 50, "the memory is not used again"
        assert statistic("immortal") == 0
    """
    run_sharing(program)


@where_objects_get_help
@pytest.mark.parametrize("count", [2, 3, 64])
def test_objects_that_are_used_alternately_do_not_hide_each_other(count: int) -> None:
    program = """
        count = int(sys.argv[1])
        instances = [AtomicInt() for _ in range(count)]
        def use_all(instances, times):
            for _ in range(times):
                for instance in instances: instance += 1
        take_turns([instances], 60, step=1, use=use_all)
        print(sum(map(has_help, instances)))
    """
    assert int(run_sharing(program, str(count))) == count


@where_objects_get_help
@pytest.mark.parametrize("count", [2, 64])
def test_objects_that_stay_mortal_do_not_hide_the_one_used_before_them(count: int) -> None:
    """A thread that looks at every 256th use would look at the same object each time."""
    program = """
        instances = [AtomicInt() for _ in range(int(sys.argv[1]))]
        references = [weakref.ref(instance) for instance in instances[1:]]
        def use_all(instances, times):
            for _ in range(times):
                for instance in instances: instance += 1
        take_turns([instances], 30, use=use_all)
        assert [*map(has_help, instances)] == [True, *[False] * len(references)]
    """
    run_sharing(program, str(count))


# ── the budget ─────────────────────────────────────────────────────────────────────────────────


@where_objects_get_help
def test_objects_shared_for_a_moment_leave_the_budget_alone() -> None:
    program = """
        for _ in range(20):
            instances = [AtomicInt() for _ in range(100)]
            take_turns(instances, 8)
            del instances
        assert statistic("immortal") == statistic("world_stops") == 0
        wait(50)
        instance = AtomicInt()
        take_turns([instance], 9)
        assert has_help(instance)
    """
    run_sharing(program)


@where_objects_get_help
def test_at_most_half_a_mebibyte_becomes_immortal_and_the_last_of_it_after_minutes() -> None:
    program = """
        counters, spent, ages = [], [], []
        step = STEP
        while step < 10**6:
            counter = AtomicCounter()
            counters.append(counter)
            while step < 10**6:
                take_turns([counter], 9, step=step)
                if has_help(counter): break
                step *= 2
            else:
                break
            ages.append(8 * step)
            spent.append(statistic("immortal"))
        assert ages[0] == 20 and ages[-1] > 60_000, ages[-1]
        assert spent[-1] <= 2**19 < spent[-1] + spent[0], spent[-1]
        stops = statistic("world_stops")
        assert stops == len(spent)
        take_turns([counter], 20, step=1_000_000)
        assert not has_help(counter)
        assert statistic("world_stops") == stops
        assert has_help(AtomicInt(immortal=True))
    """
    run_sharing(program)


@where_objects_get_help
def test_a_counter_costs_what_its_cells_take() -> None:
    program = """
        def read(counter, times):
            for _ in range(times): counter.get()
        alone, shared = AtomicCounter(), AtomicCounter()
        take_turns([alone], 9, use=read)
        small = statistic("immortal")
        take_turns([shared], 9)
        assert has_help(alone) and has_help(shared)
        assert small < 200
        assert statistic("immortal") - small >= small + 2 * 64
    """
    run_sharing(program)


# ── objects that stay mortal ───────────────────────────────────────────────────────────────────


@where_objects_get_help
@pytest.mark.parametrize("immortal", ["True", "False", "None"])
@pytest.mark.parametrize("atomic", ["AtomicInt", "AtomicCounter", "AtomicEvent"])
def test_the_argument_immortal_decides(atomic: str, immortal: str) -> None:
    program = """
        atomic, immortal = sys.argv[1], eval(sys.argv[2])
        def look(instance, times):
            for _ in range(times):
                instance.is_set() if atomic == "AtomicEvent" else instance.get()
        instance = globals()[atomic](immortal=immortal)
        assert has_help(instance) == (immortal is True)
        take_turns([instance], 100, step=1000, use=look)
        assert has_help(instance) == (immortal is not False)
        assert statistic("world_stops") == (immortal is None)
        reference = weakref.ref(instance)
        del instance
        gc.collect()
        assert (reference() is None) == (immortal is False)
    """
    run_sharing(program, atomic, immortal)


@where_objects_get_help
def test_an_object_with_weak_references_stays_mortal_and_stops_no_threads() -> None:
    program = """
        instance = AtomicInt()
        reference = weakref.ref(instance)
        take_turns([instance], 200, step=100)
        assert not has_help(instance)
        assert statistic("world_stops") == statistic("immortal") == 0
        del instance
        assert reference() is None
    """
    run_sharing(program)


@where_objects_get_help
def test_an_object_without_weak_references_any_more_becomes_immortal() -> None:
    program = """
        instance = AtomicInt()
        reference = weakref.ref(instance)
        take_turns([instance], 20)
        assert not has_help(instance)
        del reference
        gc.collect()
        take_turns([instance], 20)
        assert not has_help(instance)  # the refusal is remembered for a second
        wait(1000)
        take_turns([instance], 20)
        assert has_help(instance)
    """
    run_sharing(program)


@where_objects_get_help
def test_the_world_is_not_stopped_for_an_object_whose_count_is_in_its_owners_queue() -> None:
    """The owner is asleep, so that it does not merge the counts."""
    program = """
        from collections import deque
        from operator import call
        instance = AtomicInt()
        references = [instance] * 10  # counted by the owner
        begin, end = threading.Lock(), threading.Lock()
        begin.acquire()
        end.acquire()
        helped = []
        def work():
            begin.acquire()
            references.clear()
            take_turns([instance], 100, step=10)
            helped.append(has_help(instance))
            end.release()
        thread = threading.Thread(target=work)
        thread.start()
        # One native call, so that the owner is asleep when the other begins.
        deque(map(call, [begin.release, end.acquire]), maxlen=0)
        thread.join()
        assert helped == [False]
        assert statistic("world_stops") == statistic("immortal") == 0
        assert instance.get() == 100 * TURN
    """
    run_sharing(program)


@where_objects_get_help
def test_sharing_raises_no_audit_event() -> None:
    program = """
        seen = []
        sys.addaudithook(lambda event, arguments: seen.append(event))
        instance = AtomicInt()
        take_turns([instance], 9)
        assert has_help(instance)
        assert not [event for event in seen if event.startswith("gc.")], seen
    """
    run_sharing(program)


@where_objects_get_help
def test_an_object_is_promoted_when_the_others_are_frozen() -> None:
    """Where the interpreter shows us no object, nothing is done, and nothing is spent."""
    program = """
        instance = AtomicInt()
        gc.collect()
        gc.freeze()
        take_turns([instance], 9)
        gc.unfreeze()
        assert statistic("immortal") == 80 * has_help(instance)
        assert instance.get() == 9 * TURN
    """
    run_sharing(program)


def test_an_object_that_only_its_own_thread_uses_is_freed() -> None:
    instance = AtomicInt()
    use(instance, 100_000)
    reference = weakref.ref(instance)
    assert not is_immortal(instance)
    del instance
    assert reference() is None


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
