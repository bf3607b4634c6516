# SPDX-License-Identifier: Apache-2.0
"""The check of layout and language finds what it looks for, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import house

MAP_FILE = "packages/cereggii-atomicdict/src/map/table.hpp"


def found_words(text: str, path: str = "docs/page.md") -> list[str]:
    """The retired words that are found in a text, with their lines."""
    return [
        problem.removeprefix(f"{path}:").partition(" is retired")[0]
        for problem in house.word_problems(path, text)
    ]


@pytest.mark.parametrize(
    "line",
    [
        '#include "python/types.hpp"',
        '  #  include "python/types.hpp"',
        "#include <python/types.hpp>",
        '#include "../python/types.hpp"',
    ],
)
def test_the_map_must_not_include_python(line: str) -> None:
    (problem,) = house.include_problems(MAP_FILE, f"#pragma once\n{line}\n")
    assert problem.startswith(f"{MAP_FILE}:2: ")


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (MAP_FILE, '#include "map/key.hpp"'),
        (MAP_FILE, '#include "cereggii/atomics/python/compat.hpp"'),
        (MAP_FILE, '// not #include "python/types.hpp"'),
        ("packages/cereggii-atomicdict/src/python/types.hpp", '#include "python/docs.hpp"'),
    ],
)
def test_other_includes_are_allowed(path: str, line: str) -> None:
    assert not [*house.include_problems(path, line)]


@pytest.mark.parametrize("word", house.RETIRED, ids=lambda word: word.old)
def test_each_retired_word_is_found(word: house.Retired) -> None:
    assert f"2: '{word.old}'" in found_words(f"first line\nsome {word.old}, here\n")


def test_part_of_a_word_is_not_a_retired_word() -> None:
    assert not found_words("commended, serialize, xserial, serial_number, Whole, buryx, removers")


def test_an_identifier_is_found_in_its_own_case_only() -> None:
    assert found_words("who buries a Loan") == ["1: 'Loan'"]
    assert not found_words("who asks for a loan")


def test_a_phrase_is_found_in_any_case_and_across_lines() -> None:
    assert found_words("For ever.") == ["1: 'for ever'"]
    assert found_words("    // waits for\n    // ever\n") == ["1: 'for ever'"]
    assert found_words("# also\n# if it\n") == ["1: 'also if'"]


def test_a_word_is_allowed_in_the_files_that_its_entry_names() -> None:
    assert found_words("neighbours", "docs/page.md")
    assert not found_words("neighbours", "atomics/tests/sharing_policy_test.cpp")


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("packages/cereggii/tests/test_locks.py", house.TEST_LINES),
        ("atomics/tests/stripes_test.cpp", house.TEST_LINES),
        ("packages/cereggii/src/cereggii/locks.py", house.SOURCE_LINES),
        ("atomics/include/cereggii/atomics/stripes.hpp", house.SOURCE_LINES),
    ],
)
def test_a_file_must_not_be_too_long(path: str, limit: int) -> None:
    nothing: frozenset[str] = frozenset()
    assert not [*house.length_problems(path, "x\n" * limit, nothing)]
    (problem,) = house.length_problems(path, "x\n" * (limit + 1), nothing)
    assert f"{limit + 1} lines" in problem


def test_a_document_may_be_long() -> None:
    assert not [*house.length_problems("docs/migration.md", "x\n" * 5000)]


def test_a_file_that_is_still_to_be_split_may_be_long_and_must_not_be_short() -> None:
    path = "verification/state.py"
    assert not [*house.length_problems(path, "x\n" * 451, frozenset({path}))]
    (problem,) = house.length_problems(path, "x\n" * 450, frozenset({path}))
    assert "STILL_TO_SPLIT" in problem


def test_the_program_prints_problems_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "page.md").write_text("It waits for ever.\n", "utf-8")
    (tmp_path / "right.md").write_text("It waits forever.\n", "utf-8")
    monkeypatch.setattr(house, "ROOT", tmp_path)
    monkeypatch.setattr(house, "STILL_TO_SPLIT", frozenset({"gone.py"}))
    monkeypatch.setattr(house, "files", lambda: ["deleted.md", "page.md", "right.md"])
    assert house.main() == 1
    missing, problem = capsys.readouterr().out.splitlines()
    assert missing.startswith("gone.py: ")
    assert problem.startswith("page.md:1: 'for ever'")
    monkeypatch.setattr(house, "STILL_TO_SPLIT", frozenset())
    monkeypatch.setattr(house, "files", lambda: ["right.md"])
    assert house.main() == 0


def test_the_files_of_this_repository_are_checked() -> None:
    paths = house.files()
    assert {MAP_FILE, "README.md", "tools/house.py", "noxfile.py"} <= {*paths}
    assert not any(".nox" in path or "/build/" in path for path in paths)
