# SPDX-License-Identifier: Apache-2.0
"""The code on the pages of docs/ runs and prints what is shown below it; the commands exist.

The blocks of one page are one program. A block of Python that prints is followed by a block of
text, which is what it prints. `docs/recipes.md` and `docs/thread-handle.md` have other tests.
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from tools.testing.interpreters import run_program

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

FENCE = re.compile(
    r"^(?P<fence>```+)(?P<kind>[^\n`]*)\n(?P<content>.*?)^(?P=fence)$", re.MULTILINE | re.DOTALL
)

TESTED_ELSEWHERE = {"recipes.md", "thread-handle.md"}
KINDS = {"", "console", "python", "text", "shell", "pycon", "toml", "json"}

# Runs the blocks of a page, and prints what each of them prints.
DRIVER = """
import contextlib, io, json, sys
names = {"__name__": "__main__"}
printed = []
for number, code in enumerate(json.loads(sys.argv[1])):
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(code, f"block {number}", "exec"), names)
    printed.append(output.getvalue())
print(json.dumps(printed))
"""


@dataclass
class Block:
    """A block of code on a page."""

    kind: str
    content: str
    line: int
    is_below: bool  # with nothing but blank lines between it and the block before


def blocks_of(text: str) -> list[Block]:
    """The blocks of code on a page. Directives, such as drawings, are not among them."""
    found: list[Block] = []
    end = -1
    for match in FENCE.finditer(text):
        kind = match["kind"].strip()
        if not kind.startswith("{"):
            is_below = end >= 0 and not text[end : match.start()].strip()
            line = text.count("\n", 0, match.start()) + 1
            found.append(Block(kind, match["content"], line, is_below))
        end = match.end()
    return found


def pages() -> list[str]:
    """The pages that have blocks of code."""
    paths = sorted(DOCS.rglob("*.md"))
    return [str(path.relative_to(DOCS)) for path in paths if blocks_of(path.read_text("utf-8"))]


def expected_outputs(blocks: list[Block]) -> list[tuple[Block, str]]:
    """Each block of Python, and what the page says that it prints."""
    programs = []
    for block, following in zip(blocks, [*blocks[1:], None], strict=True):
        if block.kind == "python":
            shown = following and following.kind == "text" and following.is_below
            programs.append((block, following.content if shown and following else ""))
    return programs


PROGRAMS = [page for page in pages()
            if page not in TESTED_ELSEWHERE
            and any(block.kind == "python" for block in blocks_of((DOCS / page).read_text("utf-8")))
            ]  # fmt: skip


@pytest.mark.parametrize("page", PROGRAMS)
def test_the_code_of_a_page_prints_what_is_shown_below_it(page: str) -> None:
    programs = expected_outputs(blocks_of((DOCS / page).read_text("utf-8")))
    given = json.dumps([block.content for block, _ in programs])
    printed = json.loads(run_program(DRIVER, given))
    for (block, shown), output in zip(programs, printed, strict=True):
        assert output == shown, f"{page}:{block.line}"


@pytest.mark.parametrize("page", pages())
def test_blocks_have_a_known_kind(page: str) -> None:
    for block in blocks_of((DOCS / page).read_text("utf-8")):
        assert block.kind in KINDS, f"{page}:{block.line}"
        if block.kind == "text":
            assert block.is_below, f"{page}:{block.line}: below which code?"


def test_pages_are_found() -> None:
    assert len(PROGRAMS) >= 10
    assert "tutorial/counter.md" in PROGRAMS


def test_a_wrong_output_is_noticed() -> None:
    page = "text\n```python\nprint(1)\n```\n\n```text\n2\n```\n```python\nx = 1\n```\n"
    programs = expected_outputs(blocks_of(page))
    assert [(block.content, shown) for block, shown in programs] == [
        ("print(1)\n", "2\n"),
        ("x = 1\n", ""),
    ]
    given = json.dumps([block.content for block, _ in programs])
    assert json.loads(run_program(DRIVER, given)) == ["1\n", ""]


# ── the commands ───────────────────────────────────────────────────────────────────────────────

DOCUMENTS = [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *ROOT.glob("packages/*/README.md"),
             *ROOT.glob("*/README.md")]  # fmt: skip


def sessions() -> set[str]:
    """The sessions of nox, as far as their names are constants."""
    files = ["noxfile.py", "tools/cross_sessions.py", "tools/publish/sessions.py"]
    text = "".join((ROOT / file).read_text("utf-8") for file in files)
    names = set(re.findall(r"^ *def (\w+)\(session", text, re.MULTILINE))
    return names | set(re.findall(r'name="([\w-]+)"', text))


def problem_of(command: str) -> str | None:
    """What is wrong with a command in a document."""
    words = shlex.split(command, comments=True)
    while words and re.fullmatch(r"\w+=\S*", words[0]):
        del words[0]
    if not words:
        return None
    if words[1:2] == ["tools/dev.py"] or words[0] == "nox":
        given = [word for word in words[2:] if not word.startswith("-")][:1]
        return None if not given or given[0] in sessions() else f"no session {given[0]}"
    if words[0].startswith("python") or words[0] in ("pip", "uv"):
        files = [word.partition("[")[0] for word in words if re.search(r"\.py$|^\./", word)]
        missing = [file for file in files if not (ROOT / file).exists()]
        return f"no {missing[0]}" if missing else None
    return None if words[0] == "git" else f"unknown program {words[0]}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_commands_of_a_document_exist(path: Path) -> None:
    for block in blocks_of(path.read_text("utf-8")):
        if block.kind == "shell":
            for command in block.content.replace("\\\n", " ").splitlines():
                if not command.lstrip().startswith("["):  # the rest of a synopsis
                    assert problem_of(command) is None, f"{path}:{block.line}: {command}"


def test_commands_that_do_not_exist_are_noticed() -> None:
    assert problem_of("python3 tools/dev.py no-session")
    assert problem_of("pip install ./packages/nothing")
    assert problem_of("python examples/nothing.py")
    assert problem_of("frobnicate --now")
    assert problem_of("python3 tools/dev.py docs -- --external   # a comment") is None
