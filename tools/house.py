# SPDX-License-Identifier: Apache-2.0
"""Checks the layout and the language of this repository: `python3 tools/house.py`.

The session `lint` runs it. It prints each problem as `path:line: what to do`, and exits with 1 if
there is any.

- The hash map, in `packages/cereggii-atomicdict/src/map/`, includes nothing from `src/python/`.
- No file has a word or phrase that is retired, which means: replaced by another one everywhere.
- A test file has at most 600 lines, a source file at most 450.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent

SOURCES = {".cpp", ".hpp", ".py", ".pyi"}
READ = {*SOURCES, ".md"}

# These two files have to contain the retired words.
ABOUT_WORDS = {"tools/house.py", "tools/tests/test_house.py"}

MAP = PurePosixPath("packages/cereggii-atomicdict/src/map")

TEST_LINES = 600
SOURCE_LINES = 450

# Files that are too long and are still to be split. There should be none.
STILL_TO_SPLIT: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Retired:
    """A word or phrase that is not used any more, what is said instead, and why."""

    old: str
    new: str
    why: str
    allowed_in: tuple[str, ...] = ()  # patterns of paths
    ignore_case: bool = False

    def pattern(self) -> re.Pattern[str]:
        """Matches it as a whole word. A phrase may go on in the next line of prose or comment."""
        words = r"[\s/#*>]+".join(re.escape(word) for word in self.old.split())
        flags = re.IGNORECASE if self.ignore_case else re.NOFLAG
        return re.compile(rf"(?<!\w){words}(?!\w)", flags)


def _names(why: str, **replacements: str) -> list[Retired]:
    return [Retired(old, new, why) for old, new in replacements.items()]


def _phrases(why: str, replacements: dict[str, str]) -> list[Retired]:
    return [Retired(old, new, why, ignore_case=True) for old, new in replacements.items()]


RETIRED = [
    *_names(
        "the literature has a name for it",
        AtomicForm="AtomicAccessor",
        HandleForm="HandleAccessor",
        Hammered="WithBackoff",
        Loan="Participant",
        Turns="ContentionState",
        mover="migrator",
        movers="migrators",
        bury="unlink_and_retire",
        far_away="saturated",
        something_waits="has_garbage",
        taken_over_="orphans_",
    ),
    *_names(
        "the name says what is done, or what it is",
        EditKind="UpdateSpec",
        Edited="UpdateResult",
        Upkeep="ResizeRequest",
        keep_up="maybe_resize",
        left_to_movers="deferred_unlinks",
        look_again="recheck",
        look_around="try_collect",
        breathe="check_signals",
    ),
    *_names(
        "the name says which count of references changes",
        hold_shared="incref_shared",
        hold_findable="incref_published",
        release_shared="decref_shared",
    ),
    *_names(
        "it is a policy",
        BecomesImmortal="ImmortalPolicy",
        BecomesDeferred="DeferredPolicy",
    ),
    *_names(
        "one word for one thing",
        serial="generation",
        hammering="contention",
        findable="published",
    ),
    Retired(
        "neighbours",
        "group (eight slots) or bundle (cells that a scan visits together)",
        "one word for one thing",
        allowed_in=("atomics/*/sharing_policy*",),  # objects at addresses that are close together
    ),
    Retired(
        "Session",
        "Guard",
        "the literature has a name for it",
        # nox has sessions
        allowed_in=(
            *("noxfile.py", "tools/environments.py", "tools/cross_sessions.py"),
            "tools/publish/sessions.py",
        ),
    ),
    Retired("pairs.hpp", "iterables.hpp", "the file has another name"),
    Retired("whole.cpp", "exact.cpp", "the file has another name"),
    *_phrases(
        "it is easier to read",
        {
            "anew": "again",
            "for ever": "forever",
            "at last": "eventually",
            "by the way of": "through",
            "mend": "fix",
            "mends": "fixes",
            "mended": "fixed",
            "also if": "even if",
            "of before": "from before",
            "more than they must": "nothing (the sentence says as much without it)",
        },
    ),
    *_names(
        "a sentence begins with its subject",
        Who="A thread that …",
        Whoever="Any thread that …",
    ),
    Retired("What there is", "Contents", "a sentence begins with its subject"),
]


def include_problems(path: str, text: str) -> Iterator[str]:
    """Where a file of the hash map includes one of the files that are about Python."""
    if MAP not in PurePosixPath(path).parents:
        return
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r'\s*#\s*include\s*["<](\.\./)*python/', line):
            yield f"{path}:{number}: map/ must not include python/: move what it needs to map/"


def word_problems(path: str, text: str) -> Iterator[str]:
    """Where a file has a retired word."""
    if path in ABOUT_WORDS:
        return
    for word in RETIRED:
        if any(fnmatch(path, pattern) for pattern in word.allowed_in):
            continue
        for match in word.pattern().finditer(text):
            number = text.count("\n", 0, match.start()) + 1
            yield f"{path}:{number}: '{word.old}' is retired, say: {word.new} ({word.why})"


def length_problems(
    path: str, text: str, still_to_split: frozenset[str] = STILL_TO_SPLIT
) -> Iterator[str]:
    """Whether a file of tests or of source text is too long."""
    file = PurePosixPath(path)
    if file.suffix not in SOURCES:
        return
    limit = TEST_LINES if "tests" in file.parts else SOURCE_LINES
    lines = len(text.splitlines())
    if path in still_to_split:
        if lines <= limit:
            yield f"{path}:1: short enough now: take it out of STILL_TO_SPLIT in tools/house.py"
    elif lines > limit:
        yield f"{path}:{limit + 1}: {lines} lines, more than {limit}: split it"


def problems(path: str, text: str) -> Iterator[str]:
    """All that is wrong with a file; its path is relative to the repository's root."""
    yield from include_problems(path, text)
    yield from word_problems(path, text)
    yield from length_problems(path, text)


def files() -> list[str]:
    """The paths of the files to check: in git, or to be added to it."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    shown = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [path for path in sorted(shown.split("\0")) if PurePosixPath(path).suffix in READ]


def main() -> int:
    """The exit code."""
    here = [path for path in files() if (ROOT / path).is_file()]
    missing = sorted(STILL_TO_SPLIT.difference(here))
    found = [f"{path}: is not there: take it out of STILL_TO_SPLIT" for path in missing]
    for path in here:
        found += problems(path, (ROOT / path).read_text("utf-8"))
    for problem in found:
        print(problem)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
