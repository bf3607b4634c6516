# SPDX-License-Identifier: Apache-2.0
"""The Python code in the documents runs, and each value that a comment gives is the value.

docs/recipes.md has a test of its own, as it needs libraries, and the other pages of docs/ have
test_pages.py. benchmarks/README.md shows a part of a file that the benchmarks run.
"""

from __future__ import annotations

import ast
import re
import threading
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

# What the code takes for granted, by document.
NAMES: dict[str, Mapping[str, Any]] = {
    "README.md": {},
    "docs/thread-handle.md": {},
    "packages/cereggii/README.md": {
        "requests": ["/", "/docs", "/"],
        "load": str.upper,
        "send": lambda page: page,
    },
    "packages/cereggii-atomicdict/README.md": {"ask_for": len, "basket": ["figs", "nuts", "figs"]},
    "packages/cereggii-atomicfloat/README.md": {},
    "packages/cereggii-atomicint/README.md": {},
    "packages/cereggii-atomicref/README.md": {},
}
TESTED_ELSEWHERE = {"docs/index.md", "docs/recipes.md", "benchmarks/README.md"}

# A literal or a name behind the code, alone or followed by an explanation.
VALUE = re.compile(
    r"#\s+(?P<value>-?\d+|[A-Z]\w+|[{(\[].*?[})\]])(?:$|:|,(?! [(\[{]))", re.MULTILINE
)


def blocks(document: str) -> list[str]:
    """The blocks of Python code in a document."""
    text = (ROOT / document).read_text("utf-8")
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def run(code: str, names: dict[str, Any]) -> list[tuple[Any, str]]:
    """Run a block. The values of expressions, and what is printed, with the comments beside them.

    A statement after another one on the same line is run with it.
    """
    found = []
    lines = code.splitlines()
    for statement in ast.parse(code).body:
        line = lines[(statement.end_lineno or 0) - 1]
        comment = VALUE.search(line)
        shown = statement.value if isinstance(statement, ast.Expr) else None
        if isinstance(shown, ast.Call) and isinstance(shown.func, ast.Name):
            shown = shown.args[0] if shown.func.id == "print" else shown
        if comment and shown:
            value = eval(compile(ast.Expression(shown), line, "eval"), names)
            found.append((value, comment["value"]))
        else:
            exec(compile(ast.Module([statement], []), line, "exec"), names)
    return found


def test_every_document_with_code_is_tested() -> None:
    patterns = ["*.md", "docs/*.md", "packages/*/*.md", "*/README.md"]
    found = {str(path.relative_to(ROOT)) for path in chain(*map(ROOT.glob, patterns))}
    assert {name for name in found if blocks(name)} == NAMES.keys() | TESTED_ELSEWHERE


@pytest.mark.parametrize("document", NAMES)
def test_the_code_of_a_document_runs(document: str) -> None:
    before = threading.active_count()
    for code in blocks(document):
        names = {"__name__": "__main__", "spam": SimpleNamespace(counter=0), **NAMES[document]}
        for value, comment in run(code, names):
            assert repr(value) == comment or value == ast.literal_eval(comment)
    assert threading.active_count() == before


@pytest.mark.parametrize("document", NAMES)
def test_what_a_document_prints_is_shown_beside_it(document: str) -> None:
    for code in blocks(document):
        for line in code.splitlines():
            assert "print(" not in line or re.search(r"\) +# ", line), line


def test_values_in_comments_are_compared() -> None:
    assert run("1 + 1   # 2: the sum\nx = 3   # 4\nprint([x])  # [3]", {}) == [
        (2, "2"),
        ([3], "[3]"),
    ]
    documented = [value for name in NAMES for code in blocks(name) for value in VALUE.findall(code)]
    assert len(documented) >= 10


def test_the_two_halves_of_the_readme_make_a_program() -> None:
    racy, atomic, *_ = map(ast.parse, blocks("README.md"))
    definitions = {getattr(node, "name", None): node for node in atomic.body}
    body = [definitions.get(getattr(node, "name", ""), node) for node in racy.body]
    names: dict[str, Any] = {"print": lambda value: found.append(value)}
    found: list[object] = []
    exec(compile(ast.Module([*atomic.body[:1], *body], []), "README.md", "exec"), names)
    assert found == [2_000_000]
