# SPDX-License-Identifier: Apache-2.0
"""CPython's `test.mapping_tests`, the tests that `dict` and `UserDict` share."""

from __future__ import annotations

from clients.client import Client, Difference, here

DIFFERENCES = (
    Difference(
        reason="The repr names the type.",
        shows=r"AssertionError: '\w+\(.*\)' != '{}'",
        tests=(
            "suite_mappings.py::TestAtomicDict::test_repr",
            "suite_mappings.py::TestHandle::test_repr",
            "suite_mappings.py::TestSubclass::test_repr",
        ),
    ),
    Difference(
        reason="A copy of an instance of a subclass is an AtomicDict, as that of a dict is a dict.",
        shows=r"AssertionError: AtomicDict\({}\) is not an instance of <class '.*Subclass'>",
        tests=("suite_mappings.py::TestSubclass::test_copy",),
    ),
    Difference(
        reason="`fromkeys` of a handle makes an AtomicDict: a handle holds nothing itself.",
        shows=r"AssertionError: False is not true",
        tests=("suite_mappings.py::TestHandle::test_fromkeys",),
    ),
)

CLIENT = Client(
    title="test.mapping_tests on AtomicDict, a subclass, and handles",
    suite="`test.mapping_tests`",
    root=here,
    tests=("suite_mappings.py",),
    of_interpreter=True,
    differences=DIFFERENCES,
)
