# SPDX-License-Identifier: Apache-2.0
"""Helpers for tests in which allocations fail."""

from __future__ import annotations

import functools
import importlib.util

import pytest

from tools.testing.interpreters import run_program

# Operations of a builtin dict. Some releases crash here, with freed frames (3.12.1, 3.13.0).
BUILTIN = """
    import _testcapi

    def refused(d, call):
        try:
            call(d)
        except KeyError:
            return
        raise AssertionError("not refused")

    def run(call, mode):
        for first in range(100):
            d = make()
            _testcapi.set_nomemory(first, 0 if mode == "all" else first + 1)
            try:
                call(d)
            except (MemoryError, SystemError):
                pass
            finally:
                _testcapi.remove_mem_hooks()
            assert d.keys() >= make().keys()

    class Key:
        def __init__(self, number): self.number = number
        def __hash__(self): return 5
        def __eq__(self, other): return isinstance(other, Key) and self.number == other.number

    def make():
        return {"old": 5, Key(1): 6}

    CALLS = [
        lambda d: d["old"],
        lambda d: refused(d, lambda e: e["new"]),
        lambda d: d.get(Key(1)),
        lambda d: Key(2) in d,
        lambda d: d.__setitem__(2**65, 2**65),
    ]
    for mode in ("one", "all"):
        for call in CALLS:
            run(call, mode)
"""

# Programs that try operations begin with it. The last argument of such a program says which
# allocations fail: "one", or "all" from that one on.
ATTEMPTS = """
    import pickle, sys, sysconfig
    import _testcapi

    # Up to 3.13, Python itself makes a SystemError of a traceback that it has no memory for.
    FAILURES = (MemoryError, SystemError) if sys.version_info < (3, 14) else (MemoryError,)
    # Pickle makes an error of its own of any that an import raises.
    FAILURES += (pickle.PicklingError,)

    # Free-threaded Python itself crashes where it has no memory for the items of a new list, which
    # copy and pickle make; and as it frees a list, what it keeps for the next one makes it so.
    SKIPPED = ("copy", "deepcopy", "pickle") if sysconfig.get_config_var("Py_GIL_DISABLED") else ()

    def attempts(name, make, operation):
        # Runs the operation on one new instance after the other, whose allocation number `first`
        # fails, until that one does not matter. Yields each instance, and `first`.
        failures = 0
        for first in range(1000):
            instance = make()
            failed = False
            _testcapi.set_nomemory(first, 0 if sys.argv[-1] == "all" else first + 1)  # 0: never
            try:
                operation(instance)
            except FAILURES:
                failed = True
            finally:
                _testcapi.remove_mem_hooks()
            yield instance, first
            if not failed:
                break
            failures += 1
        else:
            raise AssertionError("never enough memory: " + name)
        print(name, failures, flush=True)
"""


@functools.cache
def python_crashes() -> bool:
    """Whether this Python, on its own, does not survive allocations that fail."""
    try:
        run_program(BUILTIN)
    except AssertionError:
        return True
    return False


def marks() -> list[pytest.MarkDecorator]:
    """The marks of a module of such tests, which run programs in other processes."""
    missing = importlib.util.find_spec("_testcapi") is None
    return [
        pytest.mark.skipif(
            missing, reason="this Python comes without _testcapi, which makes allocations fail"
        ),
        pytest.mark.skipif(
            not missing and python_crashes(),
            reason="this Python crashes at allocation failures in operations of a builtin dict",
        ),
        pytest.mark.thread_unsafe(reason="starts processes"),
    ]
