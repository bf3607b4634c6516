# SPDX-License-Identifier: Apache-2.0
"""Checks of what happens when a package is imported, and of what it exports."""

from __future__ import annotations

import inspect
import textwrap
from types import ModuleType

import pytest

from tools.testing.interpreters import FREE_THREADED, run_program

needs_no_gil = pytest.mark.skipif(not FREE_THREADED, reason="there is a GIL in this build")
every_subinterpreter = pytest.mark.parametrize("isolated", [True, False])


def check_module_documented(module: ModuleType) -> None:
    """A module, all that it exports, and the public members of its types have docstrings."""
    assert module.__doc__
    for name in module.__all__:
        exported = getattr(module, name)
        assert inspect.getdoc(exported), name
        members = vars(exported) if isinstance(exported, type) else {}
        for member_name, member in members.items():
            if not member_name.startswith("_"):
                assert inspect.getdoc(member), (name, member_name)


def check_gil_stays_disabled(package: str) -> None:
    """The import of a package does not enable the GIL, and warns of nothing."""
    program = f"""
        import sys, warnings
        warnings.simplefilter("error")
        import {package}
        print(sys._is_gil_enabled())
    """
    assert run_program(program).strip() == "False"


def check_import_in_a_subinterpreter(package: str, isolated: bool) -> None:
    """The import of a package in a subinterpreter raises an ImportError that says why."""
    program = """
        import sys
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        package, isolated = sys.argv[1], sys.argv[2] == "True"
        if sys.version_info >= (3, 13):
            made = interpreters.create("isolated" if isolated else "legacy")
        else:
            made = interpreters.create(isolated=isolated)
        source = '''
        try:
            import PACKAGE
        except ImportError as error:
            text = "ImportError: " + str(error)
        else:
            text = "imported"
        print(text, flush=True)
        '''
        run = getattr(interpreters, "exec", None) or interpreters.run_string
        import textwrap
        run(made, textwrap.dedent(source).replace("PACKAGE", package))
        interpreters.destroy(made)
    """
    output = run_program(program, package, str(isolated))
    assert output.startswith("ImportError: ")
    assert "subinterpreter" in output


def check_import_after_all_is_gone(package: str, make: str) -> None:
    """A package may be imported again after its modules and all instances are gone.

    `make` is the body of a function that returns a list of instances of the types in `module`.
    """
    program = [
        "import gc, sys",
        "def make(module):",
        textwrap.indent(textwrap.dedent(make), "    "),
        textwrap.dedent(f"""
            for _ in range(3):
                try:
                    import {package} as module
                except ImportError:
                    break
                instances = make(module)
                assert instances and all(repr(instance) for instance in instances)
                del instances, module
                for name in [name for name in sys.modules if name.startswith("{package}")]:
                    del sys.modules[name]
                gc.collect()
            print("survived")
        """),
    ]
    assert run_program("\n".join(program)).strip() == "survived"
