# SPDX-License-Identifier: Apache-2.0
"""Signatures with types, of the stubs and sources of the installed packages.

The docstrings of the extension modules come with signatures without types. The stubs have the
types, but also overloads, of which some are for programs that were written for cereggii 1.x only.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cereggii.__main__ import PACKAGES as OF_THIS_PROJECT

PACKAGES = [name.replace("-", "_") for name in OF_THIS_PROJECT]

# Keywords of cereggii 1.x. A signature that has one of them is not shown.
OF_CEREGGII_1 = {"desired", "callable", "iterable", "aggregate"}

# What a reader wants to know of a type is shorter than what a type checker wants to know.
SHORTER = [
    (r"SupportsFloat \| SupportsIndex", "float"),
    (r"SupportsIndex", "int"),
    (r"\b_Number\b", "float"),
    (r"\bSeconds\b", "float"),
    (r"\b_Items\b", "Items"),
    (r"\b[a-z_]+\.(?=[A-Z])", ""),  # a module
    (r"=Ellipsis\b", "=..."),
    (r"\b_([A-Z]\w*)", r"\1"),
]

# Classes whose values are not of any type T, as those of their base are.
VALUES_OF = {"AtomicBool": "bool", "AtomicBoolHandle": "bool"}

MOST_RESULTS = 4

Function = ast.FunctionDef | ast.AsyncFunctionDef


@functools.cache
def _definitions() -> dict[str, list[ast.ClassDef | Function]]:
    """All classes and functions that are defined outside of classes, by name."""
    found: dict[str, list[ast.ClassDef | Function]] = {}
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        if spec is None:
            continue
        for folder in spec.submodule_search_locations or []:
            for path in sorted([*Path(folder).rglob("*.py"), *Path(folder).rglob("*.pyi")]):
                for node in _outside_of_classes(ast.parse(path.read_text("utf-8"))):
                    found.setdefault(node.name, []).append(node)
    return found


def _outside_of_classes(node: ast.AST) -> Iterator[ast.ClassDef | Function]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield child
        elif isinstance(child, ast.If):
            yield from _outside_of_classes(child)


def _bases(definition: ast.ClassDef) -> Iterator[str]:
    for base in definition.bases:
        if isinstance(base, ast.Subscript):
            base = base.value
        yield base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")


def _members(kind: str, name: str) -> list[Function]:
    """The overloads of a method in the class of that name, or in the nearest base that has it."""
    waiting, seen = [kind], set()
    while waiting:
        current = waiting.pop(0)
        if current in seen:
            continue
        seen.add(current)
        classes = [
            each for each in _definitions().get(current, []) if isinstance(each, ast.ClassDef)
        ]
        for definition in classes:
            found = [each for each in definition.body
                     if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef))
                     and each.name == name]  # fmt: skip
            if found:
                return found
        for definition in classes:
            waiting += _bases(definition)
    return []


def _overloads(definitions: list[Function]) -> list[Function]:
    def has(definition: Function, decorator: str) -> bool:
        return any(getattr(each, "id", "") == decorator for each in definition.decorator_list)

    overloads = [each for each in definitions if has(each, "overload")] or definitions
    return [each for each in overloads
            if not OF_CEREGGII_1 & {arg.arg for arg in [*each.args.args, *each.args.kwonlyargs]}
            ]  # fmt: skip


def _shorter(text: str) -> str:
    for pattern, replacement in SHORTER:
        text = re.sub(pattern, replacement, text)
    return text


def _returned(definitions: list[Function]) -> str:
    parts: list[str] = []
    for definition in definitions:
        shown = ast.unparse(definition.returns) if definition.returns else ""
        parts += [part for part in shown.split(" | ") if part and part not in parts]
    if "None" in parts and len(parts) > 1:
        parts = [part for part in parts if part != "None"] + ["None"]
    return " | ".join(parts) if len(parts) <= MOST_RESULTS else "Any"


def _arguments(definition: Function) -> str:
    arguments = definition.args
    positional = arguments.posonlyargs or arguments.args
    if positional and positional[0].arg in ("self", "cls"):
        positional[0].annotation = None
    shown = ast.unparse(arguments)
    return re.sub(r"^(self|cls)(, /)?(, )?", "", shown)


def _at_run_time(value: Any) -> str:
    """The parameters that `inspect` finds; all of them are without types."""
    signature = inspect.signature(value)
    parameters = [each.replace(annotation=inspect.Parameter.empty)
                  for each in signature.parameters.values()
                  if each.name not in ("self", "cls")]  # fmt: skip
    bare = signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty)
    return str(bare)[1:-1]


def signature_of(kind: str, name: str, value: Any) -> str:
    """The signature of a method of a class, or of a function if `kind` is ''."""
    if kind:
        definitions = _members(kind, name)
    else:
        definitions = [each for each in _definitions().get(name, [])
                       if not isinstance(each, ast.ClassDef)]  # fmt: skip
    shown = _overloads(definitions)
    returned = _returned(shown)
    if kind and not shown:
        return _shorter(f"({_at_run_time(value)})")
    arguments = _arguments(shown[0]) if len(shown) == 1 else _at_run_time(value)
    arrow = f" -> {returned}" if returned and name != "__init__" else ""
    text = _shorter(f"({arguments}){arrow}")
    return re.sub(r"\bT\b", VALUES_OF.get(kind, "T"), text)
