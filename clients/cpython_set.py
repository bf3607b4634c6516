# SPDX-License-Identifier: Apache-2.0
"""CPython's `test.test_set`, in which every set is an AtomicSet."""

from __future__ import annotations

from cereggii import AtomicSet

from clients.client import Client, Difference, standard_library
from clients.substitution import replace_set


def put_in_place() -> None:
    """Makes every set of the suite an AtomicSet."""
    replace_set(AtomicSet, "test.test_set")


SUITE = "test/test_set.py"

DIFFERENCES = (
    Difference(
        reason="The repr of a set names the type.",
        shows=r"AssertionError: .AtomicSet\(",
        tests=(
            f"{SUITE}::TestSet::test_cyclical_repr",
            f"{SUITE}::TestBasicOpsEmpty::test_repr",
            f"{SUITE}::TestBasicOpsSingleton::test_repr",
            f"{SUITE}::TestBasicOpsTuple::test_repr",
            f"{SUITE}::TestBasicOpsString::test_repr",
            f"{SUITE}::TestBasicOpsBytes::test_repr",
            f"{SUITE}::TestBasicOpsMixedStringBytes::test_repr",
        ),
    ),
    Difference(
        reason="A second call of `__init__` is a RuntimeError.",
        shows=r"RuntimeError: \w+\.__init__\(\) has been called already",
        tests=(
            f"{SUITE}::TestSet::test_init",
            f"{SUITE}::TestSetSubclass::test_init",
        ),
    ),
    Difference(
        reason="The keys of a dict are hashed when they become elements: a dict shows their hashes"
        " to builtin sets only.",
        shows="AssertionError: [23]0 != 10",
        tests=(
            f"{SUITE}::TestSet::test_do_not_rehash_dict_keys",
            f"{SUITE}::TestSetSubclass::test_do_not_rehash_dict_keys",
            f"{SUITE}::TestFrozenSet::test_do_not_rehash_dict_keys",
            f"{SUITE}::TestFrozenSetSubclass::test_do_not_rehash_dict_keys",
        ),
    ),
    Difference(
        reason="Iteration is weak: it never raises, whatever is added or removed meanwhile.",
        shows="AssertionError: no exception when changing size during iteration",
        tests=(f"{SUITE}::TestExceptionPropagation::test_changingSizeWhileIterating",),
    ),
)

CLIENT = Client(
    title="test.test_set, where each set is an AtomicSet",
    suite="`test.test_set`",
    root=standard_library,
    tests=("test/test_set.py",),
    put_in_place=put_in_place,
    of_interpreter=True,
    # Without the bases of test cases, which are no test cases.
    options=("--assert=plain", "-o", "python_classes=_"),
    differences=DIFFERENCES,
)
