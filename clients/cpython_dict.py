# SPDX-License-Identifier: Apache-2.0
"""CPython's `test.test_dict`, in which every dict is an AtomicDict."""

from __future__ import annotations

from cereggii import AtomicDict

from clients.client import Client, Difference, standard_library
from clients.substitution import replace_dict


def put_in_place() -> None:
    """Makes every dict of the suite an AtomicDict."""
    replace_dict(AtomicDict, "test.test_dict")


SUITE = "test/test_dict.py"

DIFFERENCES = (
    Difference(
        reason="The order of the keys is not kept.",
        shows="AssertionError: Lists differ",
        tests=(
            f"{SUITE}::DictTest::test_dict_copy_order",
            f"{SUITE}::DictTest::test_splittable_update",
        ),
    ),
    Difference(
        reason="There is no order that `reversed` could reverse.",
        shows="TypeError: '.*AtomicDict.*' object is not reversible",
        tests=(
            f"{SUITE}::DictTest::test_dict_items_result_gc_reversed",
            f"{SUITE}::DictTest::test_reverse_iterator_for_empty_dict",
            f"{SUITE}::DictTest::test_reversed",
            f"{SUITE}::DictTest::test_reversed_dict_after_clear_and_restore",
            f"{SUITE}::DictTest::test_reverseitemiterator_pickling",
            f"{SUITE}::DictTest::test_reverseiterator_pickling",
            f"{SUITE}::DictTest::test_reversevaluesiterator_pickling",
        ),
    ),
    Difference(
        reason="Iteration is weak: it never raises, whatever is inserted or deleted meanwhile.",
        shows="AssertionError: RuntimeError not raised",
        tests=(
            f"{SUITE}::DictTest::test_mutating_iteration",
            f"{SUITE}::DictTest::test_mutating_iteration_delete",
            f"{SUITE}::DictTest::test_mutating_iteration_delete_over_items",
            f"{SUITE}::DictTest::test_mutating_iteration_delete_over_values",
            f"{SUITE}::DictTest::test_oob_indexing_dictiter_iternextitem",
        ),
    ),
    Difference(
        reason="`update` takes the items of an AtomicDict at one instant: later changes of it are"
        " no error.",
        shows="AssertionError: RuntimeError not raised by update",
        tests=(f"{SUITE}::DictTest::test_merge_and_mutate",),
    ),
    Difference(
        reason="The repr of a dict, and that of a view, names the type.",
        shows=r"AssertionError: .AtomicDict\w*\(.* != ",
        tests=(
            f"{SUITE}::DictTest::test_items",
            f"{SUITE}::DictTest::test_keys",
            f"{SUITE}::DictTest::test_repr",
            f"{SUITE}::DictTest::test_values",
        ),
    ),
    Difference(
        reason="The `__init__` of a subclass has to call that of AtomicDict.",
        shows=r"RuntimeError: F\.__init__\(\) has not been called",
        tests=(f"{SUITE}::DictTest::test_missing",),
    ),
    Difference(
        reason="An AtomicDict is a MutableMapping and not a dict: the interpreter does not take it"
        " where it needs a dict.",
        shows="TypeError: __dict__ must be set to a dictionary|SystemError: .* bad argument",
        tests=(
            f"{SUITE}::CAPITest::test_getitem_knownhash",
            f"{SUITE}::DictTest::test_store_evilattr",
        ),
    ),
)

CLIENT = Client(
    title="test.test_dict, where each dict is an AtomicDict",
    suite="`test.test_dict`",
    root=standard_library,
    tests=("test/test_dict.py",),
    put_in_place=put_in_place,
    of_interpreter=True,
    options=("--assert=plain",),
    differences=DIFFERENCES,
)
