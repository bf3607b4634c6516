# SPDX-License-Identifier: Apache-2.0
"""Fork, signals, the end of threads and of the interpreter, whatever threads do at that time."""

from __future__ import annotations

import sys

import pytest

from tools.testing.interpreters import run_program
from tools.testing.platforms import needs_fork, needs_timer_signals
from tools.testing.processes import END_AMID_DAEMONS

from .forks import FORK

pytestmark = pytest.mark.thread_unsafe(reason="starts processes, and measures memory")


# ── fork ───────────────────────────────────────────────────────────────────────────────────────


@needs_fork
def test_a_fork_at_any_moment_leaves_a_dict_that_is_whole_in_both_processes() -> None:
    run_program(
        FORK
        + """
    def churn(number):
        while not stop.is_set():
            for n in range(300):
                d["churn", number, n] = n
            for n in range(300):
                del d["churn", number, n]

    def look():
        while not stop.is_set():
            assert 100 <= len(d) <= 700
            d.snapshot(), list(d), d.get(("kept", 5))

    def work():
        found = d.snapshot()
        assert {("kept", n) for n in range(100)} <= {*found}
        for number in range(2):
            # Inserted and deleted in order: what is there is a run.
            run = sorted(key[2] for key in found if key[:2] == ("churn", number))
            assert run == ([*range(run[0], run[-1] + 1)] if run else [])
        use(d)

    for _ in run(lambda: churn(0), lambda: churn(1), look):
        in_child(work)
    check(d)
    assert d.snapshot() == {("kept", n): n for n in range(100)}
    use(d)
    """
    )


@needs_fork
def test_a_fork_while_others_clear_resize_and_compare() -> None:
    run_program(
        FORK
        + """
    class Slow:
        def __init__(self, number): self.number = number
        def __hash__(self): return self.number % 3
        def __eq__(self, other):
            if threading.current_thread() is not main: time.sleep(0)
            return isinstance(other, Slow) and self.number == other.number

    main = threading.main_thread()

    def compare():
        while not stop.is_set():
            for n in range(20):
                d[Slow(n)] = n
                d.pop(Slow(n - 5), None)

    def clear():
        while not stop.is_set():
            for n in range(200):
                d[n] = n
            d.clear()

    def resize():
        for size in itertools.cycle([10, 5000]):
            d.reserve(size)
            for n in range(1000, 1600):
                d[n] = n
            for n in range(1000, 1600):
                d.pop(n, None)
            if stop.is_set(): return

    for _ in run(compare, clear, resize):
        in_child(lambda: use(d))
    check(d)
    use(d)
    """
    )


@needs_fork
def test_objects_that_other_threads_deleted_before_a_fork_are_freed_in_the_child() -> None:
    run_program(
        FORK
        + """
    import weakref
    class Thing: pass

    def work():
        things = [Thing() for _ in range(300)]
        references = [weakref.ref(thing) for thing in things]
        for n, thing in enumerate(things):
            d[n] = thing
        for n in range(300):
            del d[n]
        del things, thing
        assert all(reference() is None for reference in references)
        use(d)

    def churn():
        while not stop.is_set():
            d["churn"] = Thing()
            del d["churn"]

    for _ in run(churn, churn):
        in_child(work)
    """
    )


@needs_fork
def test_a_thread_that_another_hook_starts_in_the_child_is_not_forgotten() -> None:
    run_program("""
        import os, threading, warnings
        warnings.simplefilter("ignore", DeprecationWarning)

        def start():
            thread.start()
            assert used.wait(20)

        # Before there are dicts, whose own hook is not to come after it.
        os.register_at_fork(after_in_child=start)
        from cereggii_atomicdict import AtomicDict

        d = AtomicDict()
        used, both = threading.Event(), threading.Barrier(2)

        def work():
            d["work"] = 0
            used.set()
            churn("work")

        def churn(name):
            both.wait(20)
            for n in range(400_000):
                d[name, n] = n
                del d[name, n]

        thread = threading.Thread(target=work)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                churn("main")
                thread.join(60)
                assert not thread.is_alive()
                assert len(d) == len(list(d)) == 1, (len(d), list(d))
                code = 0
            except BaseException:
                import traceback
                traceback.print_exc()
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0, status
    """)


# ── the end of the interpreter ─────────────────────────────────────────────────────────────────

END = """
    import itertools, threading, time
    from cereggii_atomicdict import NOT_FOUND, AtomicDict
    sleep = time.sleep
    numbers = itertools.count()

    class Slow:
        def __init__(self, number): self.number = number
        def __hash__(self): return self.number % 3
        def __eq__(self, other):
            sleep(0.0001)
            return isinstance(other, Slow) and self.number == other.number
    class SlowHash:
        def __hash__(self):
            sleep(0.0001)
            return 5
    class SlowToDie:
        def __del__(self):
            sleep(0.0001)
            d.get(1)
    class SlowDict(dict):
        def keys(self):
            sleep(0.0001)
            return ["key"]
    class Default(AtomicDict):
        def __missing__(self, key):
            sleep(0.0001)
            return key

    def churn():
        for n in range(500):
            d[threading.get_ident(), n] = n
        for n in range(500):
            d.pop((threading.get_ident(), n), None)
    def exact():
        len(d), d.snapshot(), bool(d)
    def iterate():
        for key in d:
            sleep(0.00001)
    d = AtomicDict({n: n for n in range(100)})
    operations = {
        "a comparison": lambda: d.setdefault(Slow(next(numbers) % 7), 1),
        "a hash": lambda: d.get(SlowHash()),
        "a finalizer of a value": lambda: d.update(key=SlowToDie()),
        "a finalizer of a key": lambda: d.__setitem__(SlowToDie(), d.clear()),
        "an update": lambda: d.update(SlowDict()),
        "a missing key": lambda: Default()[5],
        "growth": churn,
        "exact operations": exact,
        "iteration": iterate,
        "new dicts": lambda: [AtomicDict({1: 2}).get_handle().copy() for _ in range(100)],
        "lookups": lambda: [d.get(n) for n in range(100)],
    }
"""
OPERATIONS = END[END.index("operations = {") :].split('"')[1::2]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_interpreter_may_end_while_daemon_threads_are_in(operation: str) -> None:
    run_program(END + END_AMID_DAEMONS, operation)


def test_objects_in_a_module_are_finalized_at_the_end() -> None:
    output = run_program("""
        from cereggii_atomicdict import AtomicDict
        class Last:
            def __del__(self):
                print("finalized", flush=True)
        d = AtomicDict({"value": Last(), Last(): "key"})
        cycle = AtomicDict()
        cycle["me"] = [cycle, Last()]
        handle = AtomicDict({1: Last()}).get_handle()
    """)
    assert output.splitlines() == ["finalized"] * 4


def test_dicts_may_be_used_by_finalizers_as_the_interpreter_ends() -> None:
    output = run_program("""
        import atexit, threading
        from cereggii_atomicdict import AtomicDict
        class Last:
            def __init__(self, d):
                self.d = d
            def __del__(self):
                self.d["last"] = 1
                print(len(self.d), sorted(map(str, self.d)), flush=True)
        d = AtomicDict(immortal=True)
        d["first"] = 1
        last = Last(d)
        atexit.register(d.get, "first")
        def work():
            d["thread"] = 1
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    """)
    assert output.strip() == "3 ['first', 'last', 'thread']"


# ── threads that come and go ───────────────────────────────────────────────────────────────────


@pytest.mark.skipif(sys.platform == "win32", reason="there is no module resource here")
def test_threads_that_came_and_went_cost_nothing() -> None:
    output = run_program("""
        import gc, resource, sys, threading
        from cereggii_atomicdict import AtomicDict

        d = AtomicDict({n: n for n in range(100)})
        def work():
            number = threading.get_ident()
            for n in range(20):
                d[number, n] = n
            for n in range(20):
                del d[number, n]
            len(d), list(d), d.snapshot()
        def start(count):
            for _ in range(count // 4):
                threads = [threading.Thread(target=work) for _ in range(4)]
                for thread in threads: thread.start()
                for thread in threads: thread.join()
            gc.collect()
            return (d.__sizeof__(), sys.getallocatedblocks(),
                    resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        start(100)
        before = start(100)
        after = start(1000)
        unit = 1 if sys.platform == "darwin" else 1024
        assert len(d) == d.approx_len() == 100
        print(after[0] - before[0], after[1] - before[1], (after[2] - before[2]) * unit)
    """)
    dict_size, blocks, size = map(int, output.split())
    assert dict_size <= 5000  # less than 8 bytes for each; the table may be of the next size
    assert blocks < 1000
    assert size < 2 * 2**20


# ── signals ────────────────────────────────────────────────────────────────────────────────────


@needs_timer_signals
def test_a_dict_is_usable_after_ctrl_c_at_any_moment() -> None:
    run_program("""
        import signal
        from cereggii_atomicdict import AtomicDict
        # A shell's background jobs ignore SIGINT, so Python has not installed this handler there.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGALRM, signal.default_int_handler)

        class Key:
            def __init__(self, number): self.number = number
            def __hash__(self): return hash(self.number) // 8
            def __eq__(self, other):
                return isinstance(other, Key) and self.number == other.number

        def pairs():
            while True:
                for n in range(2000):
                    yield Key(n), n

        def delete():
            while True:
                for n in range(2000):
                    d.pop(Key(n), None)
                d.update({Key(n): n for n in range(2000)})

        d = AtomicDict()
        for turn in range(30):
            signal.setitimer(signal.ITIMER_REAL, 0.002 + turn * 0.0007)
            try:
                if turn % 2: d.update(pairs())
                else: delete()
            except KeyboardInterrupt:
                pass
            else:
                raise AssertionError("not interrupted")
            items = list(d.items())
            assert len(d) == len(items) == len({key.number for key, _ in items})
            for key, value in items:
                assert key.number == value == d[Key(value)]
    """)


# ── cereggii 1.x ───────────────────────────────────────────────────────────────────────────────


def test_the_program_of_the_first_readme_counts_exactly() -> None:
    pytest.importorskip("cereggii_atomicint", reason="its values are of cereggii-atomicint")
    output = run_program("""
        import threading
        from cereggii_atomicdict import AtomicDict
        from cereggii_atomicint import AtomicInt


        class Spam:
            def __init__(self):
                self.d = AtomicDict({k: AtomicInt(0) for k in range(10)})


        spam = Spam()


        def incr():
            keys = list(range(10))
            for _ in range(100_000):
                spam.d[keys[_ % len(keys)]] += 1


        threads = [threading.Thread(target=incr) for _ in range(3)]
        for t in threads:
            t.start()

        for t in threads:
            t.join()

        print(*(spam.d[k].get() for k in range(10)))
    """)
    assert output.split() == ["30000"] * 10
