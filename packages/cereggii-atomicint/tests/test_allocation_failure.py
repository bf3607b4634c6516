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
    from cereggii_atomicint import AtomicCounter, AtomicCounterHandle, AtomicInt, AtomicIntHandle

    FAR = 2**62 + 5  # ints large enough to be allocated

    class Named(AtomicInt):
        pass

    def named():
        instance = Named(FAR)
        instance.name = "kept"
        return instance

    def refused(instance, call):
        try:
            call(instance)
        except (TypeError, OverflowError, ValueError, ZeroDivisionError):
            return
        raise AssertionError("not refused")

    INT = {
        "get": lambda i: i.get(),
        "set": lambda i: i.set(FAR + 1),
        "get_and_set": lambda i: i.get_and_set(FAR + 1),
        "compare_and_set": lambda i: i.compare_and_set(expected=FAR, updated=FAR + 1),
        "compare_and_exchange": lambda i: i.compare_and_exchange(FAR, FAR + 1),
        "increment_and_get": lambda i: i.increment_and_get(),
        "get_and_decrement": lambda i: i.get_and_decrement(amount=FAR),
        "get_and_or": lambda i: i.get_and_or(FAR + 8),
        "update_and_get": lambda i: i.update_and_get(lambda value: value + 1),
        "get_and_accumulate": lambda i: i.get_and_accumulate(FAR, lambda value, x: value ^ x),
        "wait_while": lambda i: i.wait_while(FAR, 0.001),
        "notify_all": lambda i: i.notify_all(),
        "get_handle": lambda i: i.get_handle(),
        "+": lambda i: i + FAR,
        "r-": lambda i: FAR - i,
        "**": lambda i: pow(i, 3, FAR),
        "~": lambda i: ~i,
        "<": lambda i: i < FAR * 1.5,
        "+=": lambda i: i.__iadd__(1),
        "+= long": lambda i: i.__iadd__(2**70 - 2**70 + 1),
        "-= self": lambda i: i.__isub__(i),
        "*=": lambda i: i.__imul__(1),
        "//=": lambda i: i.__ifloordiv__(3),
        "<<=": lambda i: refused(i, lambda j: j.__ilshift__(70)),
        "&=": lambda i: i.__iand__(2**200 - 1),
        "+= overflow": lambda i: refused(i, lambda j: j.__iadd__(FAR)),
        "+= text": lambda i: refused(i, lambda j: j.__iadd__("text")),
        "set float": lambda i: refused(i, lambda j: j.set(1.5)),
        "set long": lambda i: refused(i, lambda j: j.set(2**100)),
        "wait text": lambda i: refused(i, lambda j: j.wait_while(1, "text")),
        "wait nan": lambda i: refused(i, lambda j: j.wait_while(1, float("nan"))),
        "unknown keyword": lambda i: refused(i, lambda j: j.set(other=1)),
        "init": lambda i: AtomicInt(FAR),
        "init immortal": lambda i: AtomicInt(FAR, immortal=True),
        "init text": lambda i: refused(i, lambda j: AtomicInt("text")),
        "init handle": lambda i: AtomicIntHandle(i),
        "init handle text": lambda i: refused(i, lambda j: AtomicIntHandle("text")),
        "int": int,
        "float": float,
        "str": str,
        "repr": repr,
        "repr handle": lambda i: repr(i.get_handle()),
        "format": lambda i: format(i, "20d"),
        "round": lambda i: round(i, -3),
        "to_bytes": lambda i: i.to_bytes(length=9, byteorder="big"),
        "bit_length": lambda i: i.bit_length(),
        "real": lambda i: i.real,
        "hash": hash,
        "weakref": weakref.ref,
        "copy": copy.copy,
        "copy named": lambda i: copy.copy(named()),
        "copy handle": lambda i: copy.copy(i.get_handle()),
        "deepcopy": lambda i: copy.deepcopy(i),
        "pickle": lambda i: pickle.loads(pickle.dumps(i)),
    }
    COUNTER = {
        "add": lambda c: c.add(),
        "add keyword": lambda c: c.add(n=FAR),
        "+=": lambda c: c.__iadd__(FAR),
        "-=": lambda c: c.__isub__(-FAR),
        "sum": lambda c: c.sum(),
        "sum_and_reset": lambda c: c.sum_and_reset(),
        "reset": lambda c: c.reset(),
        "repr": repr,
        "get_handle": lambda c: c.get_handle(),
        "init": lambda c: AtomicCounter(FAR * 2**60),
        "init long": lambda c: refused(c, lambda d: AtomicCounter(2**200)),
        "init text": lambda c: refused(c, lambda d: AtomicCounter("text")),
        "init immortal": lambda c: AtomicCounter(FAR, immortal=True),
        "init handle": lambda c: AtomicCounterHandle(c),
        "copy": copy.copy,
        "pickle": lambda c: pickle.loads(pickle.dumps(c)),
        "add text": lambda c: refused(c, lambda d: d.add("text")),
    }

    def run(name, make, operation):
        operation(make())
        after = make()
        operation(after)
        allowed = {FAR, after.get()}
        for instance, first in attempts(name, make, operation):
            found = instance.get()
            assert found in allowed, (name, first, found, allowed)
            # Still whole:
            instance += 1
            assert instance.get() == found + 1, (name, first)

    kind = sys.argv[1]
    table = INT if kind.startswith("AtomicInt") else COUNTER
    makers = {
        "AtomicInt": lambda: AtomicInt(FAR),
        "AtomicIntHandle": lambda: AtomicInt(FAR).get_handle(),
        "AtomicCounter": lambda: AtomicCounter(FAR),
        "AtomicCounterHandle": lambda: AtomicCounter(FAR).get_handle(),
    }
    for name, operation in table.items():
        if not name.startswith(SKIPPED):
            run(name, makers[kind], operation)
"""
)


@pytest.mark.parametrize("mode", ["one", "all"])
@pytest.mark.parametrize(
    "kind", ["AtomicInt", "AtomicIntHandle", "AtomicCounter", "AtomicCounterHandle"]
)
def test_a_failed_allocation_is_a_memory_error_and_no_more(kind: str, mode: str) -> None:
    output = run_program(PROGRAM, kind, mode)
    assert any(line.split()[-1] != "0" for line in output.splitlines())
