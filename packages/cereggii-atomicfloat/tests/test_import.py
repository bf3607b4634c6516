# SPDX-License-Identifier: Apache-2.0
"""Importing the package brings its types, leaves the GIL off, and fails in a subinterpreter."""

from __future__ import annotations

import cereggii_atomicfloat

from tools.testing.imports import (
    check_gil_stays_disabled,
    check_import_after_all_is_gone,
    check_import_in_a_subinterpreter,
    every_subinterpreter,
    needs_no_gil,
)


def test_the_package_exports_its_types() -> None:
    assert sorted(cereggii_atomicfloat.__all__) == [
        "AtomicFloat",
        "AtomicFloatHandle",
        "AtomicFloatSum",
        "AtomicFloatSumHandle",
    ]
    for name in cereggii_atomicfloat.__all__:
        assert isinstance(getattr(cereggii_atomicfloat, name), type)


@needs_no_gil
def test_the_import_leaves_the_gil_disabled() -> None:
    check_gil_stays_disabled("cereggii_atomicfloat")


@every_subinterpreter
def test_the_import_in_a_subinterpreter_is_an_import_error(isolated: bool) -> None:
    check_import_in_a_subinterpreter("cereggii_atomicfloat", isolated)


def test_the_module_may_be_imported_again_after_all_of_it_is_gone() -> None:
    make = """
        instances = [getattr(module, name)(5) for name in ("AtomicFloat", "AtomicFloatSum")]
        return [*instances, instances[0].get_handle()]
    """
    check_import_after_all_is_gone("cereggii_atomicfloat", make)
