# SPDX-License-Identifier: Apache-2.0
"""CPython's `test.lock_tests`, the tests that the locks of several modules share."""

from __future__ import annotations

from clients.client import Client, Difference, here

DIFFERENCES = (
    Difference(
        reason="The repr shows who has the lock, and not how often.",
        shows="AssertionError: .*(Regex didn't match|not found in).*<WriterLock of",
        tests=(
            "suite_locks.py::TestWriterLock::test_locked_repr",
            "suite_locks.py::TestWriterLock::test_repr",
            "suite_locks.py::TestWriterLock::test_repr_count",
        ),
    ),
    Difference(
        reason="A private method of RLock: the lock has the public ones.",
        shows="AttributeError: 'WriterLock' object has no attribute '_recursion_count'",
        tests=("suite_locks.py::TestWriterLock::test_recursion_count",),
    ),
    Difference(
        reason="A private attribute of Event: there is no lock in an AtomicEvent.",
        shows="AttributeError: '.*AtomicEvent' object has no attribute '_cond'",
        tests=("suite_locks.py::TestAtomicEvent::test_at_fork_reinit",),
    ),
    Difference(
        reason="The repr names the type.",
        shows="AssertionError: Regex didn't match: .*<AtomicEvent at",
        tests=("suite_locks.py::TestAtomicEvent::test_repr",),
    ),
)

CLIENT = Client(
    title="test.lock_tests on the writer's side of ReadersWriterLock and on AtomicEvent",
    suite="`test.lock_tests`",
    root=here,
    tests=("suite_locks.py",),
    of_interpreter=True,
    differences=DIFFERENCES,
)
