# SPDX-License-Identifier: Apache-2.0
"""The first thing that a thread does with a package is right, whatever has been loaded before.

A thread gets the thread-local variables of an extension module when it first needs them. With
glibc before 2.40, this can change registers in which the compiler keeps values: see
atomics/cmake/CereggiiExtension.cmake. The operation then stores something else.
"""

from __future__ import annotations

import pytest

from tools.testing.interpreters import run_program

KINDS = [
    *("AtomicInt", "AtomicCounter", "AtomicFloat +", "AtomicFloat -", "AtomicFloat *"),
    *("AtomicFloat /", "AtomicFloat set", "AtomicFloat add", "AtomicFloat max", "AtomicFloatSum"),
    *("AtomicRef", "AtomicDict update"),
]


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_operation_of_a_thread_is_right(kind: str) -> None:
    program = """
        import operator, sys, threading
        from cereggii import *  # each package has thread-local variables

        def made_by(action):
            found = []
            thread = threading.Thread(target=lambda: found.append(action()))
            thread.start()
            thread.join()
            return found[0]

        PAIRS = [(f"key {number}", 1) for number in range(5)]
        class Values(AtomicDict):
            def get(self):
                return sum(self[key] for key, _ in PAIRS)

        OPERATIONS = {
            "AtomicInt": (AtomicInt, lambda x: operator.iadd(x, 5)),
            "AtomicCounter": (AtomicCounter, lambda x: operator.iadd(x, 5)),
            "AtomicFloat +": (AtomicFloat, lambda x: operator.iadd(x, 5)),
            "AtomicFloat -": (AtomicFloat, lambda x: operator.isub(x, -5)),
            "AtomicFloat *": (lambda: AtomicFloat(2), lambda x: operator.imul(x, 2.5)),
            "AtomicFloat /": (lambda: AtomicFloat(20), lambda x: operator.itruediv(x, 4)),
            "AtomicFloat set": (AtomicFloat, lambda x: x.set(5)),
            "AtomicFloat add": (AtomicFloat, lambda x: x.increment_and_get(5)),
            "AtomicFloat max": (AtomicFloat, lambda x: x.get_and_max(5)),
            "AtomicFloatSum": (AtomicFloatSum, lambda x: operator.iadd(x, 5)),
            "AtomicRef": (AtomicRef, lambda x: x.set(5)),
            "AtomicDict update": (Values, lambda x: x.update(PAIRS)),
        }
        make, operation = OPERATIONS[sys.argv[1]]
        for _ in range(20):
            shared = make()
            made_by(lambda: operation(shared))
            assert shared.get() == 5, shared
    """
    run_program(program, kind)
