# SPDX-License-Identifier: Apache-2.0
"""Importing the package brings its types, leaves the GIL off, and fails in a subinterpreter."""

from __future__ import annotations

import inspect
import typing

import cereggii_atomicref
import pytest

from tools.testing.interpreters import FREE_THREADED, run_program


def test_the_package_exports_its_types() -> None:
    exported = {"AtomicRef", "AtomicRefHandle", "AtomicStampedRef", "ThreadHandle"}
    assert {*cereggii_atomicref.__all__} == exported
    for name in cereggii_atomicref.__all__:
        kind = getattr(cereggii_atomicref, name)
        assert isinstance(kind, type)
        assert (kind.__module__, kind.__name__) == ("cereggii_atomicref", name)


def test_everything_public_is_documented() -> None:
    assert cereggii_atomicref.__doc__
    for name in cereggii_atomicref.__all__:
        kind = getattr(cereggii_atomicref, name)
        assert inspect.getdoc(kind), name
        for member_name, member in vars(kind).items():
            if not member_name.startswith("_"):
                assert inspect.getdoc(member), (name, member_name)


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


@pytest.mark.skipif(not FREE_THREADED, reason="there is a GIL in this build")
def test_the_import_leaves_the_gil_disabled() -> None:
    program = """
        import sys, warnings
        warnings.simplefilter("error")
        import cereggii_atomicref
        print(sys._is_gil_enabled())
    """
    assert run_program(program).strip() == "False"


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


@pytest.mark.parametrize("isolated", [True, False])
def test_the_import_in_a_subinterpreter_is_an_import_error(isolated: bool) -> None:
    program = """
        import sys
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        isolated = sys.argv[1] == "True"
        if sys.version_info >= (3, 13):
            made = interpreters.create("isolated" if isolated else "legacy")
        else:
            made = interpreters.create(isolated=isolated)
        source = '''
        try:
            import cereggii_atomicref
        except ImportError as error:
            text = "ImportError: " + str(error)
        else:
            text = "imported"
        print(text, flush=True)
        '''
        run = getattr(interpreters, "exec", None) or interpreters.run_string
        import textwrap
        run(made, textwrap.dedent(source))
        interpreters.destroy(made)
    """
    output = run_program(program, str(isolated))
    assert output.startswith("ImportError: ")
    assert "subinterpreter" in output


def test_the_module_may_be_imported_again_after_all_of_it_is_gone() -> None:
    program = """
        import gc, sys
        for _ in range(3):
            try:
                import cereggii_atomicref as module
            except ImportError:
                break
            instances = [getattr(module, name)(5) for name in ("AtomicRef", "AtomicStampedRef")]
            instances += [instance.get_handle() for instance in instances[:1]]
            assert all(repr(instance) for instance in instances)
            del instances, module
            for name in [name for name in sys.modules if name.startswith("cereggii_atomicref")]:
                del sys.modules[name]
            gc.collect()
        print("survived")
    """
    assert run_program(program).strip() == "survived"
