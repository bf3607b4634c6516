# SPDX-License-Identifier: Apache-2.0
"""The blocks of docs/recipes.md run, one section after the other, and their assertions hold."""

from __future__ import annotations

import importlib.util
import os
import re
from collections import defaultdict
from pathlib import Path

import pytest

from tools.testing.interpreters import run_program

RECIPES = Path(__file__).resolve().parents[2] / "docs" / "recipes.md"

# The modules that each section imports and that do not come with Python.
NEEDS = {
    "json": [],
    "pydantic": ["pydantic"],
    "msgspec": ["msgspec"],
    "YAML": ["yaml"],
    "numpy": ["numpy"],
    "sqlite3": [],
}


def sections() -> dict[str, list[str]]:
    """The blocks of each section; those before the first one are under ''."""
    found: dict[str, list[str]] = defaultdict(list)
    title = ""
    pattern = r"^## (?P<title>[^\n]*)$|^```(?P<kind>\w*)\n(?P<code>.*?)^```$"
    for match in re.finditer(pattern, RECIPES.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        if match["title"]:
            title = match["title"]
        else:
            assert match["kind"] == "python", match[0]
            found[title].append(match["code"])
    return found


def test_every_section_is_run() -> None:
    assert sections().keys() == {"", *NEEDS}


@pytest.mark.parametrize("title", NEEDS)
def test_the_blocks_of_a_section_run(title: str) -> None:
    missing = [name for name in NEEDS[title] if importlib.util.find_spec(name) is None]
    if missing and not os.environ.get("CEREGGII_RECIPES"):
        pytest.skip(f"needs {' and '.join(missing)}, which `tools/dev.py recipes` installs")
    program = "\n".join([*sections()[""], *sections()[title]])
    assert "assert " in program
    # In a process of its own: they register types with libraries.
    gil = 'import sys\nprint(getattr(sys, "_is_gil_enabled", lambda: True)())'
    before, after = run_program(f"{gil}\n{program}\n{gil}").split()
    assert before == after
