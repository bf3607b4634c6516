# SPDX-License-Identifier: Apache-2.0
"""The public API, as the packages themselves show it: a new method is fuzzed without an edit."""

from __future__ import annotations

import ast
import functools
import inspect
import operator
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

PACKAGES = [
    "cereggii",
    "cereggii_atomicint",
    "cereggii_atomicfloat",
    "cereggii_atomicref",
    "cereggii_atomicdict",
]

# Members that are not called, and why.
LEFT_OUT = {
    "__class__": "it is not callable",
    "__del__": "only the interpreter calls it, once",
    "__get_pydantic_core_schema__": "it needs pydantic",
    "__init_subclass__": "classes are made in another way",
    "__new__": "its first argument is a class; a step of its own calls it",
    "__subclasshook__": "it belongs to abstract classes",
    "__weakref__": "it is not callable",
    "thread_factory": "it is the class of threading",
}

# Some methods wait without a timeout for what other steps do. If these come later in the same
# thread, the program waits for itself.
WAITS = {("ThreadSet", "__exit__")}

# A large argument of these is a lot of work for the builtin types, too.
COSTLY = {
    "__pow__",
    "__rpow__",
    "__ipow__",
    "__lshift__",
    "__rlshift__",
    "__ilshift__",
    "__round__",
}

# These make as many objects as an argument says.
COUNTED = {"repeat", "range"}

_Table: TypeAlias = dict[str, Callable[..., Any]]

_BINARY = "add sub mul matmul truediv floordiv mod lshift rshift and or xor pow"
_UNARY: _Table = {"__neg__": operator.neg, "__pos__": operator.pos, "__abs__": operator.abs,
          "__invert__": operator.invert, "__index__": operator.index}  # fmt: skip
_ORDER = ["lt", "le", "eq", "ne", "gt", "ge"]
_COMPARISONS = {f"__{name}__": getattr(operator, name) for name in _ORDER}
_CONTAINERS: _Table = {"__getitem__": operator.getitem, "__setitem__": operator.setitem,
               "__delitem__": operator.delitem, "__contains__": operator.contains,
               "__len__": len, "__iter__": iter, "__next__": next, "__reversed__": reversed,
               "__length_hint__": operator.length_hint}  # fmt: skip
_CONVERSIONS: _Table = {
    "__int__": int, "__float__": float, "__complex__": complex, "__bool__": bool, "__str__": str,
    "__repr__": repr, "__bytes__": bytes, "__hash__": hash, "__format__": format, "__dir__": dir,
    "__round__": round, "__divmod__": divmod,
}  # fmt: skip


def _operators() -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {**_UNARY, **_COMPARISONS, **_CONTAINERS, **_CONVERSIONS}
    for name in _BINARY.split():
        plain = getattr(operator, f"{name}_" if name in ("and", "or") else name)
        found[f"__{name}__"] = plain
        found[f"__r{name}__"] = functools.partial(_swapped, plain)
        found[f"__i{name}__"] = getattr(operator, f"i{name}")
    return found


def _swapped(function: Callable[..., Any], right: Any, left: Any) -> Any:
    return function(left, right)


# How a program uses these methods: not by their names, but as the interpreter does.
OPERATORS = _operators()


def public_names() -> dict[str, Any]:
    """Whatever the packages export, by its name."""
    found: dict[str, Any] = {}
    for package in map(__import__, PACKAGES):
        for name in package.__all__:
            found.setdefault(name, getattr(package, name))
    return found


def public_classes() -> dict[str, Any]:
    """The classes among them, without exceptions."""
    return {
        name: found
        for name, found in public_names().items()
        if isinstance(found, type) and not issubclass(found, BaseException)
    }


def is_ours(kind: type) -> bool:
    """Whether a class is of our packages, or derived from one that is."""
    return any(base.__module__.partition(".")[0] in PACKAGES for base in kind.__mro__)


def _cached_for_ours(function: Callable[..., Any]) -> Callable[..., Any]:
    """Keep the results for our classes. Those that a program makes have to be freed."""
    cached = functools.cache(function)

    @functools.wraps(function)
    def find(kind: type, *name: str) -> Any:
        return (cached if is_ours(kind) else function)(kind, *name)

    return find


@_cached_for_ours
def members(kind: type) -> list[str]:
    """The names of what can be called on an instance of a class."""
    names = set(dir(kind))
    names.update(name for base in kind.__mro__ for name in vars(base))
    return sorted(
        name
        for name in names - LEFT_OUT.keys()
        if (name.startswith("__") or not name.startswith("_"))
        and (kind.__name__, name) not in WAITS
        and (callable(inspect.getattr_static(kind, name, None)) or not name.startswith("__"))
    )


@_cached_for_ours
def parameters(kind: type, name: str) -> list[inspect.Parameter]:
    """The parameters of a method, or of the class itself if the name is empty.

    Without the instance. An empty list if they are not known.
    """
    try:
        if not name:
            return [*inspect.signature(kind).parameters.values()]
        found = getattr(kind, name)
        given = [*inspect.signature(found).parameters.values()]
        is_bound = getattr(found, "__self__", None) is kind
        is_static = isinstance(inspect.getattr_static(kind, name), staticmethod)
        return given if is_bound or is_static else given[1:]
    except (AttributeError, TypeError, ValueError):
        return []


# ── types of results ───────────────────────────────────────────────────────────────────────────

# Those annotations that say which type exactly a result has.
_EXACT = {"int", "bool", "None", "str", "float", "bytes", "dict", "list", "tuple", "frozenset"}


@functools.cache
def _annotations() -> dict[tuple[str, str], set[str]]:
    """The annotations of the results of each method, of all overloads, from stubs and sources."""
    found: dict[tuple[str, str], set[str]] = {}
    bases: dict[str, list[str]] = {}
    for package in PACKAGES:
        folder = Path(str(sys.modules[package].__file__)).parent
        for path in [*sorted(folder.rglob("*.pyi")), *sorted(folder.rglob("*.py"))]:
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.ClassDef):
                    bases.setdefault(node.name, [ast.unparse(each) for each in node.bases])
                    _note_methods(node, found)
    # The members that an atomic type and its handle share are those of a common base.
    for name, its_bases in bases.items():
        for base in its_bases:
            for (kind, method), results in [*found.items()]:
                if kind == base.partition("[")[0]:
                    found.setdefault((name, method), results)
    return found


def _note_methods(node: ast.ClassDef, found: dict[tuple[str, str], set[str]]) -> None:
    for method in node.body:
        if isinstance(method, ast.FunctionDef):
            text = ast.unparse(method.returns) if method.returns else "?"
            found.setdefault((node.name, method.name), set()).add(text)


# They return what was stored, or sums of it: that may be anything, whatever their annotations say.
STORES_ANYTHING = {"AtomicKeyedCounter", "AtomicKeyedCounterHandle"}


@_cached_for_ours
def exact_results(kind: type, name: str) -> set[str]:
    """The names of the types that a method returns; empty if they are not known exactly.

    Operators are left out: the other operand may decide.
    """
    if name.startswith("__") or kind.__name__ in STORES_ANYTHING:
        return set()
    texts = _annotations().get((kind.__name__, name), {"?"})
    names = {text.partition("[")[0] for each in texts for text in each.split(" | ")}
    return {name.replace("None", "NoneType") for name in names} if names <= _EXACT else set()
