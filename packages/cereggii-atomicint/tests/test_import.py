# SPDX-License-Identifier: Apache-2.0
"""Importing the package brings its types, leaves the GIL off, and fails in a subinterpreter."""

from __future__ import annotations

import cereggii_atomicint
import pytest

from tools.testing.interpreters import FREE_THREADED, run_program


def test_the_package_exports_its_types() -> None:
    assert sorted(cereggii_atomicint.__all__) == [
        "AtomicCounter",
        "AtomicCounterHandle",
        "AtomicEvent",
        "AtomicInt",
        "AtomicIntHandle",
    ]
    for name in cereggii_atomicint.__all__:
        assert isinstance(getattr(cereggii_atomicint, name), type)


@pytest.mark.skipif(not FREE_THREADED, reason="there is a GIL in this build")
def test_the_import_leaves_the_gil_disabled() -> None:
    program = """
        import sys, warnings
        warnings.simplefilter("error")
        import cereggii_atomicint
        print(sys._is_gil_enabled())
    """
    assert run_program(program).strip() == "False"


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
            import cereggii_atomicint
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
                import cereggii_atomicint as module
            except ImportError:
                break
            instances = [getattr(module, name)(5) for name in ("AtomicInt", "AtomicCounter")]
            instances += [instance.get_handle() for instance in instances[:1]]
            assert all(repr(instance) for instance in instances)
            del instances, module
            for name in [name for name in sys.modules if name.startswith("cereggii_atomicint")]:
                del sys.modules[name]
            gc.collect()
        print("survived")
    """
    assert run_program(program).strip() == "survived"
