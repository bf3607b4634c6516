# SPDX-License-Identifier: Apache-2.0
"""Makes the commit and the tag of a release: `python3 tools/dev.py release -- 2.0.0`.

This checks whether a release can be made. Then bump-my-version changes the version wherever
pyproject.toml says that it is, gives what is unreleased in CHANGELOG.md a section with the version
and the date, commits and tags. `--dry-run` changes nothing. Nothing is pushed.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.version import InvalidVersion, Version

BRANCH = "main"
UNRELEASED = "## Unreleased"


def git(root: Path, *arguments: str) -> str:
    """What git says."""
    done = subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def current_version(root: Path) -> str:
    """The version that is in the checkout."""
    configuration = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    version: str = configuration["tool"]["bumpversion"]["current_version"]
    return version


def version_problems(new: str, current: str) -> Iterator[str]:
    """Why this version cannot follow the current one."""
    try:
        version = Version(new)
    except InvalidVersion:
        yield f"{new} is not a version, such as 2.0.0 or 2.1.0rc1"
        return
    if str(version) != new:
        yield f"{new} is written {version}"
    if version.is_devrelease or version.local or version.is_postrelease or version.epoch:
        yield f"{new} is not for a release: take 2.0.0, or 2.1.0rc1 before it"
    elif len(version.release) != 3:
        yield f"{new} has to have three numbers, as 2.0.0 has"
    if version <= Version(current):
        yield f"{new} does not come after {current}, which is in the checkout"


def changelog_problems(changelog: str, new: str) -> Iterator[str]:
    """Why the changelog does not say what the release changes."""
    sections = re.split(r"^(?=## )", changelog, flags=re.MULTILINE)
    unreleased = [text for text in sections if text.startswith(f"{UNRELEASED}\n")]
    if len(unreleased) != 1:
        yield f'CHANGELOG.md has to have one section "{UNRELEASED}", and has {len(unreleased)}'
    elif not re.search(r"^- ", unreleased[0], re.MULTILINE):
        yield f'CHANGELOG.md says nothing in "{UNRELEASED}"'
    if any(re.match(rf"## {re.escape(new)}(?!\S)", text) for text in sections):
        yield f"CHANGELOG.md already has a section about {new}"


def checkout_problems(root: Path, new: str) -> Iterator[str]:
    """Why no release can be made of this checkout."""
    branch = git(root, "branch", "--show-current")
    if branch != BRANCH:
        yield f"releases are made on {BRANCH}, and this is {branch or 'no branch'}"
    changed = git(root, "status", "--porcelain")
    if changed:
        yield f"there are changes that are not committed:\n{changed}"
    if git(root, "tag", "--list", f"v{new}"):
        yield f"the tag v{new} exists"


def problems(root: Path, new: str) -> Iterator[str]:
    """All that speaks against this release."""
    yield from version_problems(new, current_version(root))
    yield from changelog_problems((root / "CHANGELOG.md").read_text("utf-8"), new)
    yield from checkout_problems(root, new)


def main(arguments: list[str], root: Path) -> int:
    """The exit code is 1 if no release was made."""
    parser = argparse.ArgumentParser(prog="release", description="Make a release, here only.")
    parser.add_argument("version", help="the new version, such as 2.0.0")
    parser.add_argument("--dry-run", action="store_true", help="show what would be done")
    options = parser.parse_args(arguments)
    found = list(problems(root, options.version))
    for problem in found:
        print(problem)
    if found:
        return 1
    bump = [sys.executable, "-m", "bumpversion", "bump", "--new-version", options.version]
    dry = ["--dry-run", "--verbose"] if options.dry_run else []
    done = subprocess.run([*bump, *dry], cwd=root, env={**os.environ, "COLUMNS": "100"})
    if done.returncode != 0:
        print("Nothing was released. `git diff` shows what was changed before that.")
        return 1
    if options.dry_run:
        print("Nothing was changed.")
    else:
        print(f"Look at it with `git show v{options.version}`, then publish it:")
        print(f"    git push --atomic origin {BRANCH} v{options.version}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path.cwd()))
