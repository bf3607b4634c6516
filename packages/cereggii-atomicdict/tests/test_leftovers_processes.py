# SPDX-License-Identifier: Apache-2.0
"""Removed objects are freed before the interpreter ends, and in the child of a fork."""

from __future__ import annotations

import pytest

from tools.testing.interpreters import FREE_THREADED, run_program
from tools.testing.platforms import needs_fork

pytestmark = [
    pytest.mark.thread_unsafe(reason="measures when objects die"),
    pytest.mark.skipif(not FREE_THREADED, reason="with a GIL, everything is freed at once"),
]

PRELUDE = """
    import gc, os, sys, threading, time, warnings, weakref
    warnings.simplefilter("ignore", DeprecationWarning)
    from cereggii_atomicdict import AtomicDict, _atomicdict
    gc.disable()
    _atomicdict._hold_leftovers_back(True)

    class Key:
        pass

    kept = []
    stop = False
    def read():
        other, batch = AtomicDict.fromkeys(range(1000)), dict.fromkeys(range(1000))
        kept.append(other)
        while not stop:
            other.batch_getitem(batch, 1024)

    def leave_something(make=Key):
        d = AtomicDict()
        kept.append(d)
        while not stop:
            key = make()
            reference = weakref.ref(key)
            d[key] = None
            del d[key], key
            if reference() is not None:
                return reference

    left = threading.Event()
    def leave_and_wait():
        global reference
        reference = leave_something(Key)
        left.set()
        time.sleep(1000)

    readers = [threading.Thread(target=read, daemon=True) for _ in range(2)]
    for reader in readers: reader.start()
    def stop_reading():
        global stop
        stop = True
        for reader in readers: reader.join()
"""


@pytest.mark.parametrize("reading", [False, True])
def test_leftovers_are_finalized_at_the_exit_while_modules_are_whole(reading: bool) -> None:
    output = run_program(
        PRELUDE
        + """
    class Key:
        def __del__(self):
            print("finalized", threading.current_thread().name, reference is not None, flush=True)
    threading.Thread(target=leave_and_wait, daemon=True).start()
    assert left.wait(60)
    if sys.argv[1] == "False": stop_reading()
    print("end", flush=True)
    """,
        str(reading),
    )
    lines = output.splitlines()
    assert lines[lines.index("end") :] == ["end", "finalized MainThread True"]


def test_the_last_leftovers_of_the_main_thread_are_finalized() -> None:
    output = run_program(
        PRELUDE
        + """
    class Last:
        def __del__(self):
            print("finalized", flush=True)
    reference = leave_something(Last)
    """
    )
    assert set(output.splitlines()) == {"finalized"}


def test_the_exit_waits_for_what_the_reclaimer_thread_has_begun() -> None:
    output = run_program(
        PRELUDE
        + """
    begun = threading.Event()
    class Last:
        def __del__(self):
            if threading.current_thread() in (threading.main_thread(), worker): return
            begun.set()
            time.sleep(0.3)
            print("finalized", flush=True)
    def work():
        leave_something(Last)
        idle.wait()
    idle = threading.Event()
    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    _atomicdict._hold_leftovers_back(False)
    assert begun.wait(60)
    """
    )
    assert output == "finalized\n"


@needs_fork
def test_a_fork_finds_only_threads_that_the_program_started() -> None:
    """Python warns of a process that has several when it forks."""
    run_program(
        PRELUDE
        + """
    warnings.simplefilter("error", DeprecationWarning)
    _atomicdict._hold_leftovers_back(False)
    worker = threading.Thread(target=leave_something)
    worker.start()
    worker.join()
    stop_reading()
    for _ in range(10):
        child = os.fork()
        if child == 0: os._exit(0)
        os.waitpid(child, 0)
    """
    )


@needs_fork
def test_finalizers_in_the_child_come_after_the_hooks_of_other_modules() -> None:
    run_program(
        PRELUDE
        + """
    import logging
    handler = logging.StreamHandler()
    class Key:
        def __del__(self):
            if os.getpid() != parent:
                with handler.lock: died.set()
    parent, died = os.getpid(), threading.Event()
    threading.Thread(target=leave_and_wait, daemon=True).start()
    assert left.wait(60)
    stop_reading()
    locked, proceed = threading.Event(), threading.Event()
    def lock_it():
        with handler.lock:
            locked.set()
            proceed.wait(60)
    locks = threading.Thread(target=lock_it)
    locks.start()
    assert locked.wait(60)
    child = os.fork()
    if child == 0:
        import faulthandler
        faulthandler.dump_traceback_later(20, exit=True)
        _atomicdict._hold_leftovers_back(False)
        os._exit(0 if died.wait(60) else 1)
    assert os.waitpid(child, 0)[1] == 0
    proceed.set()
    locks.join()
    """
    )


def test_no_audit_events_are_raised() -> None:
    output = run_program(
        PRELUDE
        + """
    def work():
        for _ in range(10):
            leave_something()
        ready.set()
        proceed.wait(60)
    ready, proceed, seen = threading.Event(), threading.Event(), []
    _atomicdict._hold_leftovers_back(False)
    thread = threading.Thread(target=work)
    thread.start()
    def hook(name, args):
        # Those of the programs that are run here are known.
        if name not in ("object.__getattr__", "sys._getframe", "import"): seen.append(name)
    sys.addaudithook(hook)
    assert ready.wait(60)
    gc.collect()
    proceed.set()
    thread.join()
    AtomicDict()
    print(seen, flush=True)
    """
    )
    assert output.strip() == "[]"


@needs_fork
@pytest.mark.parametrize("how", ["removal", "collection", "end of a dict", "exit", "nothing"])
@pytest.mark.parametrize("used", [False, True])
def test_leftovers_of_other_threads_are_freed_in_the_child(how: str, used: bool) -> None:
    run_program(
        PRELUDE
        + """
    class Key:
        def __del__(self):
            if os.getpid() != parent: os.write(1, b"finalized")

    parent = os.getpid()
    how, used = sys.argv[1:]
    threading.Thread(target=leave_and_wait, daemon=True).start()
    assert left.wait(60)
    stop_reading()
    if used == "True": kept[0].get(1)
    assert reference() is not None
    child = os.fork()
    if child == 0:
        if how == "exit": sys.exit()
        if how == "removal":
            d = AtomicDict({1: 1})
            del d[1]
        if how == "collection": gc.collect()
        if how == "end of a dict": AtomicDict()
        if how == "nothing":
            _atomicdict._hold_leftovers_back(False)
            while reference() is not None: time.sleep(0.01)
        os._exit(0 if reference() is None else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, status
    assert reference() is not None
    gc.collect()
    assert reference() is None
    """,
        how,
        str(used),
    )


@needs_fork
def test_children_of_a_process_whose_threads_come_and_go() -> None:
    """Threads end, detached, at the moment of the fork, and one frees what they have left."""
    run_program(
        PRELUDE
        + """
    _atomicdict._hold_leftovers_back(False)
    def come_and_go():
        while not stop:
            threads = [threading.Thread(target=leave_something) for _ in range(3)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
    more = threading.Thread(target=come_and_go)
    more.start()
    for n in range(30):
        child = os.fork()
        if child == 0:
            import faulthandler
            faulthandler.dump_traceback_later(20, exit=True)
            d = AtomicDict()
            def work():
                d["work"] = 1
                del d["work"]
                len(d)
            threads = [threading.Thread(target=work) for _ in range(3)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            gc.collect()
            assert len(d) == 0
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0, status
    stop_reading()
    more.join()
    """
    )
