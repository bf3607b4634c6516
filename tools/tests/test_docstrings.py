# SPDX-License-Identifier: Apache-2.0
"""The code in the docstrings runs, with the objects that it takes for granted."""

from __future__ import annotations

import contextlib
import io
import json
import math
import operator
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import cereggii
import pytest
from cereggii import (
    AtomicCounter,
    AtomicDict,
    AtomicEvent,
    AtomicFloat,
    AtomicFloatSum,
    AtomicInt,
    AtomicRef,
    AtomicSet,
    AtomicStampedRef,
    CountDownLatch,
    ReadersWriterLock,
)

from tools.site import members


def nothing(*_arguments: object) -> None:
    """A function or class that the code calls."""


CONSTANTS = {"WAITING": 0, "RUNNING": 1, "READY": 2}

# What the code in the docstrings of a class, or of a member, takes for granted.
OF_CLASSES: dict[str, Callable[[], dict[str, Any]]] = {
    "AtomicBool": lambda: {"started": cereggii.AtomicBool(), "start": nothing},
    "AtomicCache": lambda: {"download": len, "url": "https://example.org"},
    "AtomicCounter": lambda: {"requests": AtomicCounter()},
    "AtomicDict": lambda: {"d": AtomicDict(job="waiting"), "download": len, "i": 0},
    "AtomicEvent": lambda: {"ready": AtomicEvent(True)},  # so the wait ends at once
    "AtomicFloat": lambda: {
        "seconds": AtomicFloat(),
        "price": AtomicFloat(9.99),
        "slowest": AtomicFloat(),
        "level": AtomicFloat(),
        "sample": 0.5,
        "length": AtomicFloat(3.0),
        "side": 4.0,
        "progress": AtomicFloat(0.5),  # so the wait ends at once
    },
    "AtomicFloatSum": lambda: {"seconds": AtomicFloatSum()},
    "AtomicInt": lambda: {
        **CONSTANTS,
        "hits": AtomicInt(),
        "state": AtomicInt(0),
        "flags": AtomicInt(),
        "highest": AtomicInt(),
        "n": AtomicInt(99),
        "run": nothing,
        "temperature": 20,
    },
    "AtomicKeyedCounter": lambda: {"text": "to be or not to be"},
    "AtomicRef": lambda: {
        "ref": AtomicRef({"eggs"}),
        "config": AtomicRef(),
        "load": lambda: SimpleNamespace(timeout=5.0),
        "changed": repr,
        "result": "done",
    },
    "AtomicSet": lambda: {
        "s": AtomicSet(["a", "b"]),
        "seen": AtomicSet(),
        "url": "https://example.org",
        "download": len,
        "i": 0,
    },
    "AtomicStampedRef": lambda: {"ref": AtomicStampedRef(), "changed": repr},
    # Its code counts once, "in each of two threads".
    "CountDownLatch": lambda: {"CountDownLatch": lambda count: CountDownLatch(count - 1)},
    "ReadersWriterLock": lambda: {"lock": ReadersWriterLock()},
    "ThreadHandle": lambda: {"shared": SimpleNamespace(method=nothing)},
    "ThreadSet": lambda: {"add_up": lambda part: part},
    "call_once": lambda: {"Connection": nothing},
}
OF_MEMBERS: dict[str, Callable[[], dict[str, Any]]] = {
    "AtomicDict.get_or_compute": lambda: {"pages": AtomicDict()},
    "AtomicDict.remove_if": lambda: {
        "sessions": AtomicDict(ann=SimpleNamespace(has_expired=lambda: True))
    },
    "AtomicInt.wait_while": lambda: {"state": AtomicInt(1)},  # so the wait ends at once
}


def kind_of(title: str) -> str:
    """The class that an object or its handle is about."""
    kind = title.partition(".")[0]
    return kind if kind == "ThreadHandle" else kind.removesuffix("Handle")


def blocks_of(docstring: str) -> Iterator[str]:
    """The blocks of code in a docstring, which are indented."""
    block: list[str] = []
    for line in [*docstring.strip().splitlines(), "."]:
        if line.startswith("    ") or (block and not line.strip()):
            block.append(line[4:])
        elif block:
            yield "\n".join(block).rstrip()
            block = []


def docstrings() -> Iterator[tuple[str, str]]:
    for name in members.described():
        value = members.resolve(name)
        yield name, value.__doc__ or ""
        if isinstance(value, type):
            for member in members.describe(name).members:
                if member.is_named:
                    docstring = members.docstring_of(value, member.title)
                    yield f"{name}.{member.title}", docstring


def programs() -> dict[str, str]:
    """Each block of code once, with the name of the first object whose docstring has it."""
    return {
        code: title
        for title, docstring in reversed([*docstrings()])
        for code in reversed([*blocks_of(docstring)])
    }


def run(code: str, title: str) -> None:
    """Run a block of code in the docstring of that object."""
    kind = kind_of(title)
    names: dict[str, Any] = {name: getattr(cereggii, name) for name in cereggii.__all__}
    names |= {"cereggii": cereggii, "json": json, "math": math, "operator": operator}
    for table, key in ((OF_CLASSES, kind), (OF_CLASSES, title), (OF_MEMBERS, title)):
        if key in table:
            names |= table[key]()
    if kind == "AtomicBool" and title != "AtomicBool":  # it has the docstrings of AtomicRef
        names |= OF_CLASSES["AtomicRef"]()
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(code, title, "exec"), names)


@pytest.mark.parametrize(("code", "title"), programs().items(), ids=programs().values())
def test_the_code_of_a_docstring_runs(code: str, title: str) -> None:
    run(code, title)


@pytest.mark.parametrize("wrong", ["hits.increment()", "hits.get(1)", "spam += 1", "hits +="])
def test_wrong_code_is_noticed(wrong: str) -> None:
    run("hits.get()", "AtomicInt.get")
    with pytest.raises((AttributeError, NameError, SyntaxError, TypeError)):
        run(wrong, "AtomicInt.get")


def test_code_is_found() -> None:
    assert [*blocks_of("Text.\n\n    a = 1\n\n    b = 2\n\nText.\n\n    c = 3")] == [
        "a = 1\n\nb = 2",
        "c = 3",
    ]
    found = programs()
    assert len(found) > 40
    assert "AtomicInt.get_and_or" in found.values()


@pytest.mark.parametrize("name", [*OF_CLASSES, *OF_MEMBERS])
def test_the_tables_are_about_code_that_is_there(name: str) -> None:
    titles = {title for title, text in docstrings() if [*blocks_of(text)]}
    assert name in titles | {kind_of(title) for title in titles}
