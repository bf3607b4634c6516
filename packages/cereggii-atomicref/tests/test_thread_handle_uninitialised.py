# SPDX-License-Identifier: Apache-2.0
"""A handle whose constructor has not run is refused by everything, and crashes nothing."""

from __future__ import annotations

import asyncio
import copy
import gc
import math
import operator
import os
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from cereggii_atomicref import ThreadHandle

from .test_thread_handle_operators import ARITHMETIC, COMPARISONS, IN_PLACE

IN_PLACE_CONCAT: Callable[[Any, Any], Any] = operator.iconcat
UNINITIALISED: dict[str, Callable[[Any], Any]] = {
    "repr": repr,
    "str": str,
    "format": format,
    "hash": hash,
    "bytes": bytes,
    "bool": bool,
    "int": int,
    "float": float,
    "complex": complex,
    "index": operator.index,
    "round": round,
    "trunc": math.trunc,
    "floor": math.floor,
    "ceil": math.ceil,
    "neg": operator.neg,
    "pos": operator.pos,
    "abs": abs,
    "invert": operator.invert,
    "len": len,
    "length_hint": lambda handle: type(handle).__length_hint__(handle),
    "iter": iter,
    "next": next,
    "reversed": reversed,
    "contains": lambda handle: 1 in handle,
    "contained": lambda handle: handle in ThreadHandle([1]),
    "getitem": lambda handle: handle[0],
    "as a key": lambda handle: ThreadHandle([1])[handle],
    "setitem": lambda handle: operator.setitem(handle, 0, 1),
    "delitem": lambda handle: operator.delitem(handle, 0),
    "concat": lambda handle: operator.concat(handle, [1]),
    "iconcat": lambda handle: IN_PLACE_CONCAT(handle, [1]),
    "call": lambda handle: handle(),
    "call with keywords": lambda handle: handle(1, a=2),
    "tp_call": lambda handle: type(handle).__call__(handle),
    "getattr": lambda handle: handle.real,
    "class": lambda handle: handle.__class__,
    "setattr": lambda handle: setattr(handle, "a", 1),
    "delattr": lambda handle: delattr(handle, "a"),
    "dir": dir,
    "fspath": os.fspath,
    "memoryview": memoryview,
    "with": lambda handle: handle_with(handle),
    "exit": lambda handle: type(handle).__exit__(handle, None, None, None),
    "aenter": lambda handle: type(handle).__aenter__(handle),
    "aexit": lambda handle: type(handle).__aexit__(handle, None, None, None),
    "await": lambda handle: asyncio.run(awaiting(handle)),
    "send": lambda handle: asyncio.run(in_a_task(handle)),
    "get": lambda handle: type(handle).__get__(handle, 5),
    "set name": lambda handle: type(handle).__set_name__(handle, int, "name"),
    "base": lambda handle: type(handle).__mro_entries__(handle, ()),
    "aiter": aiter,
    "anext": anext,
    "isinstance": lambda handle: isinstance(5, handle),
    "issubclass": lambda handle: issubclass(int, handle),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": pickle.dumps,
    "reduce": lambda handle: ThreadHandle.__reduce__(handle),
    "unwrap": ThreadHandle.unwrap,
    "handle": ThreadHandle,
    "power": lambda handle: pow(handle, 2, 3),
    "exponent": lambda handle: pow(2, handle, 3),
    "modulus": lambda handle: pow(2, 3, handle),
    "itself": lambda handle: handle.__init__(handle),
}


def both_sides(operation: Callable[[Any, Any], Any]) -> dict[str, Callable[[Any], Any]]:
    name = operation.__name__
    return {
        f"{name} left": lambda handle: operation(handle, 1),
        f"{name} right": lambda handle: operation(1, handle),
        f"{name} of a handle": lambda handle: operation(ThreadHandle(1), handle),
    }


for _operation in (*ARITHMETIC.values(), *COMPARISONS.values(), *IN_PLACE.values()):
    UNINITIALISED |= both_sides(_operation)


def handle_with(handle: Any) -> None:
    with handle:
        pass


async def awaiting(handle: Any) -> Any:
    return await handle


async def in_a_task(handle: Any) -> Any:
    coroutine = awaiting(asyncio.sleep(0))
    await asyncio.create_task(ThreadHandle(coroutine))  # asyncio remembers the type
    return await asyncio.create_task(handle)


@pytest.mark.parametrize("name", UNINITIALISED)
def test_a_handle_without_its_constructor_is_refused_everywhere(name: str) -> None:
    handle = ThreadHandle.__new__(ThreadHandle)
    with pytest.raises(RuntimeError, match="has not been called"):
        UNINITIALISED[name](handle)
    ThreadHandle.__init__(handle, 5)
    assert ThreadHandle.unwrap(handle) == 5


def test_a_handle_without_its_constructor_survives_a_collection() -> None:
    handle = ThreadHandle.__new__(ThreadHandle)
    for use in UNINITIALISED.values():
        with pytest.raises(RuntimeError, match="has not been called"):
            use(handle)
    gc.collect()
    ThreadHandle.__init__(handle, 5)
    assert ThreadHandle.unwrap(handle) == 5
