# SPDX-License-Identifier: Apache-2.0
"""Doing the steps of the game *hostile*.

A step is [name, [target, keep], argument, …]. The target is a place in the pool, and the result
goes to the place `keep`, if that is not null. An argument by keyword is ["key", name, argument].
A step whose parts are missing does what it can: parts are taken out to shrink a program. What a
name means:

    "AtomicInt"          make an instance of the class
    "AtomicInt+"         make an instance of a subclass
    "AtomicInt-"         an instance whose __init__ is not called
    ".get"               the method of the target, or the operator that stands for it
    17                   the method with this number, modulo how many the target has
    "copy.copy"          one of FUNCTIONS, with the target as its first argument
"""

from __future__ import annotations

import asyncio
import copy
import functools
import gc
import inspect
import pickle
import sys
import traceback
import weakref
from collections.abc import Callable
from typing import Any

from tools.fuzz import api
from tools.fuzz.adversaries import (
    ADVERSARIES,
    Function,
    HalfMapping,
    Hostile,
    HostileExit,
    World,
    broken_generator,
)

# What a step may raise. Anything else is a bug: SystemError, NameError, AssertionError and so on.
ALLOWED = (
    Hostile, HostileExit, TypeError, ValueError, ArithmeticError, LookupError, RuntimeError,
    AttributeError, StopIteration, MemoryError, BufferError, TimeoutError, copy.Error,
    pickle.PickleError,
)  # fmt: skip


def is_allowed(error: BaseException) -> bool:
    """Whether a step may raise it."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(is_allowed, error.exceptions))
    # ExpectationFailed is of our packages, and derives from Exception alone.
    return isinstance(error, ALLOWED) or type(error).__name__ == "ExpectationFailed"


# ── functions ──────────────────────────────────────────────────────────────────────────────────


def _function(arguments: tuple[Any, ...]) -> Callable[..., Any]:
    return next(filter(callable, arguments), _few)


def _once_property(_: Any, *arguments: Any) -> Any:
    import cereggii

    prop = cereggii.once_property(_function(arguments), timeout=0.002)
    return type("Owner", (), {"value": prop})()


def _call_once(_: Any, *arguments: Any) -> Any:
    import cereggii

    return cereggii.call_once(_function(arguments), timeout=0.002)


def _awaited_once(_: Any, *arguments: Any) -> Any:
    import cereggii

    function = _function(arguments)

    async def run() -> Any:
        await asyncio.sleep(0)
        return function(None)

    return cereggii.call_once(run, timeout=0.002)


def _await(target: Any, *_: Any) -> Any:
    """Two tasks await it, on an event loop of their own."""

    async def run() -> Any:
        return await asyncio.gather(target(), target(), return_exceptions=True)

    for result in asyncio.run(run()):
        if isinstance(result, BaseException):
            raise result
    return None


def _threads(_: Any, *arguments: Any) -> Any:
    import cereggii

    return cereggii.ThreadSet.range(2)(_function(arguments))


def _read(target: Any, *_: Any) -> Any:
    return target.value


def _delete(target: Any, *_: Any) -> None:
    del target.value


def _reset(target: Any, *_: Any) -> None:
    target.reset()


def _call(target: Any, *arguments: Any) -> Any:
    return target(*arguments)


def _to_builtin(target: Any, *_: Any) -> Any:
    import cereggii

    return cereggii.to_builtin(target)


def _unwrap(target: Any, *_: Any) -> Any:
    import cereggii

    return cereggii.ThreadHandle.unwrap(target)


def _pickle(target: Any, *_: Any) -> Any:
    return pickle.loads(pickle.dumps(target))


def _few(target: Any, *_: Any) -> list[Any]:
    """Some of its elements: adversaries may yield without an end."""
    iterator = iter(target)
    return [each for each, _ in zip(iterator, range(300), strict=False)]


# Those that need a function as their argument: they make objects that call it.
MAKERS = ["owner of once_property", "call_once", "awaited once", "threads"]

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "keep": lambda target, *arguments: (*arguments, target)[0],
    "owner of once_property": _once_property,
    "read": _read,
    "delete": _delete,
    "reset": _reset,
    "call": _call,
    "call_once": _call_once,
    "awaited once": _awaited_once,
    "await": _await,
    "threads": _threads,
    "to_builtin": _to_builtin,
    "unwrap": _unwrap,
    "pickle": _pickle,
    "list": _few,
    "copy.copy": lambda target, *_: copy.copy(target),
    "copy.deepcopy": lambda target, *_: copy.deepcopy(target),
    "iter": lambda target, *_: iter(target),
    "next": lambda target, *_: next(target),
    "dict": lambda target, *_: dict(target),
    "repr": lambda target, *_: repr(target),
    "sizeof": lambda target, *_: sys.getsizeof(target),
    "weakref": lambda target, *_: weakref.ref(target)(),
    "referents": lambda target, *_: len(gc.get_referents(target)),
    "gc": lambda *_: gc.collect(0),
    "with": lambda target, *_: target.__enter__(),
}


# ── arguments ──────────────────────────────────────────────────────────────────────────────────


def build(world: World, argument: Any, target: Any) -> Any:
    """What an argument stands for."""
    if not isinstance(argument, list):
        return argument
    kind, *parts = argument or [None]
    first = parts[0] if parts else None
    if kind == "self":
        return target
    if kind == "ref":
        return world.pool[first % len(world.pool)] if isinstance(first, int) else None
    if kind == "name":
        return _constants().get(str(first))
    if kind == "bytes":
        return str(first).encode()
    if kind == "float":
        return float(str(first)) if parts else 0.0
    modes = first if isinstance(first, dict) else {}
    steps = [part for part in parts if isinstance(part, list)]
    if kind == "thing":
        made = ADVERSARIES[modes.get("base", "object")](world, modes, steps)
        return world.track(made) if type(made).__itemsize__ == 0 else made
    if kind == "function":
        return world.track(Function(world, str(modes.get("mode", "")), steps))
    items = [build(world, part, target) for part in parts]
    return _iterable(world, str(kind), items)


def _iterable(world: World, kind: str, items: list[Any]) -> Any:
    if kind == "list":
        return items
    if kind == "tuple":
        return tuple(items)
    if kind == "dict":
        return {items[index]: items[index + 1] for index in range(0, len(items) - 1, 2)}
    if kind == "pairs":
        return [(items[index], items[index + 1]) for index in range(0, len(items) - 1, 2)]
    if kind == "set":
        return set(items)
    if kind == "generator":
        return broken_generator(items)
    return HalfMapping(world, items) if kind == "mapping" else None


@functools.cache
def _constants() -> dict[str, Any]:
    import cereggii

    return {
        "NOT_FOUND": cereggii.NOT_FOUND, "ANY": cereggii.ANY, "nan": float("nan"), "int": int,
        "EXPECTATION_FAILED": cereggii.EXPECTATION_FAILED, "...": ..., "complex": 1j, "print": len,
        "not implemented": NotImplemented, "AtomicDict": cereggii.AtomicDict, "max": 2**63 - 1,
    }  # fmt: skip


# ── calls ──────────────────────────────────────────────────────────────────────────────────────


@functools.cache
def subclass_of(kind: type) -> Any:
    """A class derived from one of ours, with attributes of its own. Made once: it is immutable."""
    return type(f"Derived{kind.__name__}", (kind,), {"__missing__": lambda self, key: [key]})


def _arguments(
    parameters: list[inspect.Parameter], given: list[Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Positional and keyword arguments. A wait gets a short timeout, whatever is given."""
    for index, parameter in enumerate(parameters):
        if "timeout" in parameter.name:
            timeout = given[-1] if given and _is_short(given[-1]) else 0.001
            if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
                return [*given[:index], timeout], {}
            return given[:index], {parameter.name: timeout}
    return given, {}


def _is_short(timeout: Any) -> bool:
    """Whether a wait with this timeout ends or is refused. None, inf and -1 would wait forever."""
    if timeout is None or isinstance(timeout, (int, float)):
        return isinstance(timeout, bool) or timeout in (0, 0.0005)
    return not hasattr(type(timeout), "__index__")


def _method(target: Any, name: str, given: list[Any], keywords: dict[str, Any]) -> Any:
    kind = type(target)
    if name in api.COSTLY:
        given = [0 if name.startswith("__r") else 2 for _ in given]
    if name in api.COUNTED:
        given = [each % 4 if isinstance(each, int) else each for each in given]
        keywords = {}
    if name in api.OPERATORS:
        return api.OPERATORS[name](target, *given)
    positional, timeout = _arguments(api.parameters(kind, name), given)
    found = getattr(target, name)
    return found(*positional, **{**keywords, **timeout}) if callable(found) else found


def _make(world: World, name: str, given: list[Any], keywords: dict[str, Any]) -> Any:
    plain = name.rstrip("+-")
    kind = api.public_classes()[plain]
    if name.endswith("-"):
        return world.track(kind.__new__(kind))
    positional, timeout = _arguments(api.parameters(kind, ""), given)
    if name.endswith("+"):
        kind = subclass_of(kind)
    return world.track(kind(*positional, **{**keywords, **timeout}))


def _do(world: World, step: list[Any]) -> Any:
    name, *rest = step
    target_at, keep = rest[0] if rest and len(rest[0]) == 2 else (0, None)
    target = world.pool[target_at % len(world.pool)]
    keywords, given = {}, []
    for argument in rest[1:]:
        if isinstance(argument, list) and argument[:1] == ["key"]:
            if len(argument) == 3:
                keywords[str(argument[1])] = build(world, argument[2], target)
        else:
            given.append(build(world, argument, target))
    world.immortal |= keywords.get("immortal") is True
    if isinstance(name, int):
        kind = type(target)
        if not api.is_ours(kind):
            return None
        names = api.members(kind)
        name = "." + names[name % len(names)]
    if name.startswith("."):
        result = _method(target, name[1:], given, keywords)
        _check_type(world, type(target), name[1:], result)
    elif name in FUNCTIONS:
        result = FUNCTIONS[name](target, *given)
    else:
        result = _make(world, name, given, keywords)
    if isinstance(keep, int):
        world.pool[keep] = result
    return None


def _check_type(world: World, kind: type, name: str, result: Any) -> None:
    due = api.exact_results(kind, name)
    if due and type(result).__name__ not in due:
        world.problems.append(f"{kind.__name__}.{name} has returned {result!r}, and not a {due}")


def run(world: World, steps: list[Any]) -> None:
    """Do all steps. Notes the exceptions that no step should raise."""
    for step in steps:
        if not isinstance(step, list) or not step:
            continue
        try:
            _do(world, step)
        except BaseException as error:
            if not is_allowed(error):
                world.problems.append(f"{step} has raised:\n{traceback.format_exc()}")
            else:
                _look_at(world, error)


def _look_at(world: World, error: BaseException) -> None:
    """The text of an exception may be made when it is asked for."""
    try:
        str(error)
    except BaseException as another:
        if not is_allowed(another):
            world.problems.append(f"the text of an exception:\n{traceback.format_exc()}")
