# SPDX-License-Identifier: Apache-2.0
"""Importing the package brings its types, leaves the GIL off, and fails in a subinterpreter."""

from __future__ import annotations

import typing

import cereggii_atomicref

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
    exported = {"AtomicRef", "AtomicRefHandle", "AtomicStampedRef", "ThreadHandle"}
    assert {*cereggii_atomicref.__all__} == exported
    for name in cereggii_atomicref.__all__:
        kind = getattr(cereggii_atomicref, name)
        assert isinstance(kind, type)
        assert (kind.__module__, kind.__name__) == ("cereggii_atomicref", name)


def test_everything_public_is_documented() -> None:
    check_module_documented(cereggii_atomicref)


def test_the_types_can_be_named_in_annotations() -> None:
    program = """
        import typing
        from cereggii_atomicref import AtomicRef, AtomicRefHandle, AtomicStampedRef
        def function(ref: AtomicRef[int], handle: AtomicRefHandle[str | None]) -> None:
            stamped: AtomicStampedRef[list[int]] = AtomicStampedRef([], 0)
        print(typing.get_type_hints(function)["ref"])
    """
    assert run_program(program).strip() == "cereggii_atomicref.AtomicRef[int]"
    assert typing.get_args(cereggii_atomicref.AtomicRef[int]) == (int,)


@needs_no_gil
def test_the_import_leaves_the_gil_disabled() -> None:
    check_gil_stays_disabled("cereggii_atomicref")


def test_the_module_may_be_imported_again() -> None:
    program = """
        import sys
        import cereggii_atomicref
        first = cereggii_atomicref.AtomicRef(5)
        for name in [name for name in sys.modules if name.startswith("cereggii_atomicref")]:
            del sys.modules[name]
        try:
            import cereggii_atomicref as again
        except ImportError:
            print("refused")
        else:
            ref = again.AtomicRef(first)
            handle = again.AtomicRefHandle(ref)
            assert handle.get() is first
            assert first.get_handle().get() == 5
            print("imported")
    """
    assert run_program(program).strip() in ("imported", "refused")


@every_subinterpreter
def test_the_import_in_a_subinterpreter_is_an_import_error(isolated: bool) -> None:
    check_import_in_a_subinterpreter("cereggii_atomicref", isolated)


def test_the_module_may_be_imported_again_after_all_of_it_is_gone() -> None:
    make = """
        instances = [getattr(module, name)(5) for name in ("AtomicRef", "AtomicStampedRef")]
        return [*instances, instances[0].get_handle()]
    """
    check_import_after_all_is_gone("cereggii_atomicref", make)
