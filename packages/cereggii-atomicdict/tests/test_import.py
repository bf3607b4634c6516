# SPDX-License-Identifier: Apache-2.0
"""Importing the package brings its types, leaves the GIL off, and fails in a subinterpreter."""

from __future__ import annotations

import typing

import cereggii_atomicdict

from tools.testing.imports import (
    check_gil_stays_disabled,
    check_import_after_all_is_gone,
    check_import_in_a_subinterpreter,
    check_module_documented,
    every_subinterpreter,
    needs_no_gil,
)
from tools.testing.interpreters import run_program


def test_the_package_exports_its_types() -> None:
    types = {
        *("AtomicDict", "AtomicDictHandle", "AtomicSet", "AtomicSetHandle"),
        *("ConcurrentUsageDetected", "ExpectationFailed"),
    }
    sentinels = {"ANY", "EXPECTATION_FAILED", "NOT_FOUND"}
    assert {*cereggii_atomicdict.__all__} == types | sentinels
    for name in types:
        kind = getattr(cereggii_atomicdict, name)
        assert isinstance(kind, type)
        assert (kind.__module__, kind.__name__) == ("cereggii_atomicdict", name)
    for name in sentinels:
        assert repr(getattr(cereggii_atomicdict, name)) == name


def test_everything_public_is_documented() -> None:
    check_module_documented(cereggii_atomicdict)


def test_the_types_can_be_named_in_annotations() -> None:
    program = """
        import typing
        from cereggii_atomicdict import AtomicDict, AtomicDictHandle
        def function(mapping: AtomicDict[int, str], handle: AtomicDictHandle[str, None]) -> None:
            other: AtomicDict[str, list[int]] = AtomicDict()
        print(typing.get_type_hints(function)["mapping"])
    """
    assert run_program(program).strip() == "cereggii_atomicdict.AtomicDict[int, str]"
    assert typing.get_args(cereggii_atomicdict.AtomicDict[int, str]) == (int, str)


@needs_no_gil
def test_the_import_leaves_the_gil_disabled() -> None:
    check_gil_stays_disabled("cereggii_atomicdict")


def test_the_module_may_be_imported_again() -> None:
    program = """
        import sys
        import cereggii_atomicdict
        first = cereggii_atomicdict.AtomicDict({1: 5})
        for name in [name for name in sys.modules if name.startswith("cereggii_atomicdict")]:
            del sys.modules[name]
        try:
            import cereggii_atomicdict as again
        except ImportError:
            print("refused")
        else:
            mapping = again.AtomicDict(first)
            mapping["first"] = first
            handle = again.AtomicDictHandle(mapping)
            assert handle["first"] is first
            assert handle[1] == first.get_handle()[1] == 5
            print("imported")
    """
    assert run_program(program).strip() in ("imported", "refused")


@every_subinterpreter
def test_the_import_in_a_subinterpreter_is_an_import_error(isolated: bool) -> None:
    check_import_in_a_subinterpreter("cereggii_atomicdict", isolated)


def test_the_module_may_be_imported_again_after_all_of_it_is_gone() -> None:
    make = """
        mapping = module.AtomicDict({1: 5})
        instances = [mapping, mapping.get_handle(), mapping.items(), iter(mapping)]
        return [*instances, module.NOT_FOUND, module.ANY, module.EXPECTATION_FAILED]
    """
    check_import_after_all_is_gone("cereggii_atomicdict", make)
