# SPDX-License-Identifier: Apache-2.0
"""Sets, whatever threads do with them: forks, the end of the interpreter, and long sharing."""

from __future__ import annotations

import pytest

import tools.testing.sharing
from tools.testing.interpreters import run_program
from tools.testing.platforms import needs_fork
from tools.testing.processes import END_AMID_DAEMONS, IN_CHILD
from tools.testing.sharing import where_objects_get_help

pytestmark = pytest.mark.thread_unsafe(reason="starts processes")


@needs_fork
def test_a_fork_at_any_moment_leaves_a_set_that_is_whole_in_both_processes() -> None:
    run_program(
        IN_CHILD
        + """
    from cereggii_atomicdict import AtomicSet

    KEPT = frozenset(("kept", n) for n in range(100))

    def use(s):
        before = s.snapshot()
        s |= {("used", n) for n in range(3000)}
        assert len(s) == len(before) + 3000
        s -= {("used", n) for n in range(3000)}
        assert s == before == s.copy() and len(s & KEPT) == 100

    def churn(number):
        while not stop.is_set():
            for n in range(300):
                assert s.add((number, n))
            for n in range(300):
                assert s.discard((number, n))

    def look():
        while not stop.is_set():
            assert 100 <= len(s) <= 700
            assert s >= KEPT and s & KEPT == KEPT
            s.snapshot(), [*s]

    def work():
        found = s.snapshot()
        assert found >= KEPT
        for number in range(2):
            # Added and removed in order: what is there is a run.
            run = sorted(n for of, n in found if of == number)
            assert run == ([*range(run[0], run[-1] + 1)] if run else [])
        use(s)

    sys.setswitchinterval(1e-5)
    stop = threading.Event()
    s = AtomicSet(KEPT)
    threads = [threading.Thread(target=churn, args=(n,)) for n in range(2)]
    threads.append(threading.Thread(target=look))
    for thread in threads: thread.start()
    try:
        for _ in range(15):
            time.sleep(0.002)
            in_child(work)
    finally:
        stop.set()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert s == KEPT
    use(s)
    """
    )


@pytest.mark.parametrize("operation", ["change", "look", "combine"])
def test_the_interpreter_ends_amid_daemons_that_use_a_set(operation: str) -> None:
    run_program(
        """
    from cereggii_atomicdict import AtomicSet

    s = AtomicSet(range(100))

    def change():
        for n in range(100, 400):
            s.add(n)
        for n in range(100, 400):
            s.discard(n)

    def look():
        len(s), s.snapshot(), s.copy(), [*s], repr(s)

    def combine():
        made = s.intersection(range(50))
        made |= s
        made ^= {1, 2}
        made == s

    operations = {"change": change, "look": look, "combine": combine}
    """
        + END_AMID_DAEMONS,
        operation,
    )


def run_sharing(program: str, *arguments: str) -> str:
    return tools.testing.sharing.run_sharing(
        "cereggii_atomicdict._atomicdict",
        "for _ in range(times): instance.add(1)",
        program,
        *arguments,
    )


@where_objects_get_help
def test_a_set_that_is_shared_for_long_is_left_to_the_collector() -> None:
    program = """
        young, instance = AtomicSet(), AtomicSet()
        take_turns([young], 8, step=10.4)
        take_turns([instance], 9, step=10.4)
        assert not has_help(young) and has_help(instance)
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
@pytest.mark.parametrize("immortal", ["True", "False", "None"])
def test_the_argument_immortal_decides(immortal: str) -> None:
    program = """
        immortal = eval(sys.argv[1])
        instance = AtomicSet([1], immortal=immortal)
        assert has_help(instance) == (immortal is True)
        take_turns([instance], 100, step=1000)
        assert has_help(instance) == (immortal is not False)
    """
    run_sharing(program, immortal)
