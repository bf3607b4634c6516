# SPDX-License-Identifier: Apache-2.0
"""Puts a type in the place of `dict` or of `set` in modules that are imported later.

Every `{…}` that makes a dict, every dict comprehension and every use of the name `dict` in these
modules makes an instance of that type, or names the type. The same holds for `set`. The text of the
modules stays as it is.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

_NAME = "__our_type__"


def replace_dict(dict_type: type, *modules: str) -> None:
    """Puts `dict_type` in the place of `dict` in these modules and in the modules below them."""
    _replace(dict_type, _DictReplacement(), modules)


def replace_set(set_type: type, *modules: str) -> None:
    """Puts `set_type` in the place of `set` in these modules and in the modules below them."""
    _replace(set_type, _SetReplacement(), modules)


def _replace(kind: type, replacement: ast.NodeTransformer, modules: Sequence[str]) -> None:
    early = [name for name in sys.modules if _is_below(name, modules)]
    assert not early, f"imported too early: {early}"
    # Not in the modules themselves: suites look at the names of their modules.
    setattr(builtins, _NAME, kind)
    sys.meta_path.insert(0, _Finder(modules, replacement))


def _is_below(name: str, modules: Sequence[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


class _Finder(MetaPathFinder):
    def __init__(self, modules: Sequence[str], replacement: ast.NodeTransformer) -> None:
        self._modules = modules
        self._replacement = replacement

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not _is_below(fullname, self._modules):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader, self._replacement)
        return spec


class _Loader(SourceFileLoader):
    def __init__(self, original: SourceFileLoader, replacement: ast.NodeTransformer) -> None:
        super().__init__(original.name, original.path)
        self._replacement = replacement

    def get_code(self, fullname: str) -> CodeType:
        # Without the bytecode that the interpreter has cached.
        tree = ast.parse(Path(self.path).read_bytes())
        changed = ast.fix_missing_locations(self._replacement.visit(tree))
        code = compile(changed, self.path, "exec", dont_inherit=True)
        assert isinstance(code, CodeType)
        return code


class _DictReplacement(ast.NodeTransformer):
    # Each key is hashed once, as in the original: so no dict is made first.

    def visit_Dict(self, node: ast.Dict) -> Any:
        self.generic_visit(node)
        if None not in node.keys:
            pairs = [_pair(key, value) for key, value in zip(node.keys, node.values, strict=True)]
            made = ast.Call(_type(), [ast.List(pairs, ast.Load())] if pairs else [], [])
        else:  # it has a `**`
            made = ast.Call(_type(), [node], [])
        return ast.copy_location(made, node)

    def visit_DictComp(self, node: ast.DictComp) -> Any:
        self.generic_visit(node)
        pairs = ast.ListComp(_pair(node.key, node.value), node.generators)
        return ast.copy_location(ast.Call(_type(), [pairs], []), node)

    def visit_Name(self, node: ast.Name) -> Any:
        if node.id == "dict" and isinstance(node.ctx, ast.Load):
            return ast.copy_location(_type(), node)
        return node


class _SetReplacement(ast.NodeTransformer):
    # Each element is hashed once, as in the original: so no set is made first.

    def visit_Set(self, node: ast.Set) -> Any:
        self.generic_visit(node)
        made = ast.Call(_type(), [ast.List(node.elts, ast.Load())], [])
        return ast.copy_location(made, node)

    def visit_SetComp(self, node: ast.SetComp) -> Any:
        self.generic_visit(node)
        made = ast.Call(_type(), [ast.ListComp(node.elt, node.generators)], [])
        return ast.copy_location(made, node)

    def visit_Name(self, node: ast.Name) -> Any:
        if node.id == "set" and isinstance(node.ctx, ast.Load):
            return ast.copy_location(_type(), node)
        return node


def _type() -> ast.expr:
    return ast.Name(_NAME, ast.Load())


def _pair(key: ast.expr | None, value: ast.expr) -> ast.expr:
    assert key is not None
    return ast.Tuple([key, value], ast.Load())
