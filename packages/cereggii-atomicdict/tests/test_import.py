# SPDX-License-Identifier: Apache-2.0
"""Importing the package brings its types, leaves the GIL off, and fails in a subinterpreter."""

from __future__ import annotations

import inspect
import typing

import cereggii_atomicdict
import pytest

from tools.testing.interpreters import FREE_THREADED, run_program


def test_the_package_exports_its_types() -> None:
    types = {"AtomicDict", "AtomicDictHandle", "ConcurrentUsageDetected", "ExpectationFailed"}
    sentinels = {"ANY", "EXPECTATION_FAILED", "NOT_FOUND"}
    assert {*cereggii_atomicdict.__all__} == types | sentinels
    for name in types:
        kind = getattr(cereggii_atomicdict, name)
        assert isinstance(kind, type)
        assert (kind.__module__, kind.__name__) == ("cereggii_atomicdict", name)
    for name in sentinels:
        assert repr(getattr(cereggii_atomicdict, name)) == name


def test_everything_public_is_documented() -> None:
    assert cereggii_atomicdict.__doc__
    for name in cereggii_atomicdict.__all__:
        kind = getattr(cereggii_atomicdict, name)
        assert inspect.getdoc(kind), name
        members = vars(kind) if isinstance(kind, type) else {}
        for member_name, member in members.items():
            if not member_name.startswith("_"):
                assert inspect.getdoc(member), (name, member_name)


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


@pytest.mark.skipif(not FREE_THREADED, reason="there is a GIL in this build")
def test_the_import_leaves_the_gil_disabled() -> None:
    program = """
        import sys, warnings
        warnings.simplefilter("error")
        import cereggii_atomicdict
        print(sys._is_gil_enabled())
    """
    assert run_program(program).strip() == "False"


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
            import cereggii_atomicdict
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
                import cereggii_atomicdict as module
            except ImportError:
                break
            mapping = module.AtomicDict({1: 5})
            instances = [mapping, mapping.get_handle(), mapping.items(), iter(mapping)]
            instances += [module.NOT_FOUND, module.ANY, module.EXPECTATION_FAILED]
            assert all(repr(instance) for instance in instances)
            del instances, mapping, module
            for name in [name for name in sys.modules if name.startswith("cereggii_atomicdict")]:
                del sys.modules[name]
            gc.collect()
        print("survived")
    """
    assert run_program(program).strip() == "survived"
