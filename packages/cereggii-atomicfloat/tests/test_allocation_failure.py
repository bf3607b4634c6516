# SPDX-License-Identifier: Apache-2.0
"""Whichever allocation fails, the operation raises MemoryError or succeeds, and nothing breaks."""

from __future__ import annotations

import pytest

from tools.testing import allocation_failure
from tools.testing.interpreters import run_program

pytestmark = allocation_failure.marks()

# Every operation: what makes its objects, what runs it, and what it may leave behind.
PROGRAM = (
    allocation_failure.ATTEMPTS
    + """
    import copy, weakref
    from cereggii_atomicfloat import *

    class Named(AtomicFloat):
        pass

    def named():
        instance = Named(5.5)
        instance.name = "kept"
        return instance

    def refused(instance, call):
        try:
            call(instance)
        except (TypeError, OverflowError, ValueError, ZeroDivisionError):
            return
        raise AssertionError("not refused")

    FLOAT = {
        "get": lambda f: f.get(),
        "set": lambda f: f.set(6.5),
        "get_and_set": lambda f: f.get_and_set(6.5),
        "compare_and_set": lambda f: f.compare_and_set(expected=5.5, updated=6.5),
        "compare_and_exchange": lambda f: f.compare_and_exchange(5.5, 6.5),
        "increment_and_get": lambda f: f.increment_and_get(),
        "get_and_decrement": lambda f: f.get_and_decrement(amount=2**70),
        "get_and_max": lambda f: f.get_and_max(8),
        "update_and_get": lambda f: f.update_and_get(lambda value: value + 1),
        "get_and_accumulate": lambda f: f.get_and_accumulate(2, lambda value, x: value * x),
        "wait_while": lambda f: f.wait_while(5.5, 0.001),
        "notify_all": lambda f: f.notify_all(),
        "get_handle": lambda f: f.get_handle(),
        "+": lambda f: f + 2**70,
        "r-": lambda f: 2**70 - f,
        "**": lambda f: pow(f, 3, None),
        "** complex": lambda f: (-f) ** 0.5,
        "<": lambda f: f < 2**70,
        "divmod": lambda f: divmod(f, 2),
        "+=": lambda f: f.__iadd__(1),
        "-= self": lambda f: f.__isub__(f),
        "*=": lambda f: f.__imul__(1),
        "/=": lambda f: f.__itruediv__(2),
        "/= zero": lambda f: refused(f, lambda g: g.__itruediv__(0)),
        "//=": lambda f: f.__ifloordiv__(3),
        "**=": lambda f: f.__ipow__(2),
        "**= overflow": lambda f: refused(f, lambda g: g.__ipow__(5000)),
        "+= text": lambda f: refused(f, lambda g: g.__iadd__("text")),
        "set text": lambda f: refused(f, lambda g: g.set("text")),
        "set long": lambda f: refused(f, lambda g: g.set(2**1024)),
        "wait text": lambda f: refused(f, lambda g: g.wait_while(1, "text")),
        "wait nan": lambda f: refused(f, lambda g: g.wait_while(1, float("nan"))),
        "unknown keyword": lambda f: refused(f, lambda g: g.set(other=1)),
        "init": lambda f: AtomicFloat(2**70),
        "init immortal": lambda f: AtomicFloat(6.5, immortal=True),
        "init text": lambda f: refused(f, lambda g: AtomicFloat("text")),
        "init handle": lambda f: AtomicFloatHandle(f),
        "init handle text": lambda f: refused(f, lambda g: AtomicFloatHandle("text")),
        "int": int,
        "float": float,
        "str": str,
        "repr": repr,
        "repr handle": lambda f: repr(f.get_handle()),
        "format": lambda f: format(f, "20g"),
        "round": lambda f: round(f, -3),
        "hex": lambda f: f.hex(),
        "as_integer_ratio": lambda f: f.as_integer_ratio(),
        "fromhex": lambda f: type(f).fromhex("0x1p3"),
        "real": lambda f: f.real,
        "hash": hash,
        "weakref": weakref.ref,
        "copy": copy.copy,
        "copy named": lambda f: copy.copy(named()),
        "copy handle": lambda f: copy.copy(f.get_handle()),
        "deepcopy": lambda f: copy.deepcopy(f),
        "pickle": lambda f: pickle.loads(pickle.dumps(f)),
    }
    SUM = {
        "add": lambda s: s.add(),
        "add keyword": lambda s: s.add(n=2**70),
        "+=": lambda s: s.__iadd__(0.1),
        "-=": lambda s: s.__isub__(0.1),
        "sum": lambda s: s.sum(),
        "sum_and_reset": lambda s: s.sum_and_reset(),
        "reset": lambda s: s.reset(),
        "repr": repr,
        "get_handle": lambda s: s.get_handle(),
        "init": lambda s: AtomicFloatSum(2**70),
        "init long": lambda s: refused(s, lambda d: AtomicFloatSum(2**1024)),
        "init text": lambda s: refused(s, lambda d: AtomicFloatSum("text")),
        "init immortal": lambda s: AtomicFloatSum(6.5, immortal=True),
        "init handle": lambda s: AtomicFloatSumHandle(s),
        "copy": copy.copy,
        "pickle": lambda s: pickle.loads(pickle.dumps(s)),
        "add text": lambda s: refused(s, lambda d: d.add("text")),
    }

    def run(name, make, operation):
        operation(make())
        after = make()
        operation(after)
        allowed = {5.5, after.get()}
        for instance, first in attempts(name, make, operation):
            found = instance.get()
            assert found in allowed, (name, first, found, allowed)
            # Still whole:
            instance += 1
            assert instance.get() == found + 1, (name, first)

    kind = sys.argv[1]
    table = SUM if kind.startswith("AtomicFloatSum") else FLOAT
    makers = {
        "AtomicFloat": lambda: AtomicFloat(5.5),
        "AtomicFloatHandle": lambda: AtomicFloat(5.5).get_handle(),
        "AtomicFloatSum": lambda: AtomicFloatSum(5.5),
        "AtomicFloatSumHandle": lambda: AtomicFloatSum(5.5).get_handle(),
    }
    for name, operation in table.items():
        if not name.startswith(SKIPPED):
            run(name, makers[kind], operation)
"""
)


@pytest.mark.parametrize("mode", ["one", "all"])
@pytest.mark.parametrize(
    "kind", ["AtomicFloat", "AtomicFloatHandle", "AtomicFloatSum", "AtomicFloatSumHandle"]
)
def test_a_failed_allocation_is_a_memory_error_and_no_more(kind: str, mode: str) -> None:
    output = run_program(PROGRAM, kind, mode)
    assert any(line.split()[-1] != "0" for line in output.splitlines())
