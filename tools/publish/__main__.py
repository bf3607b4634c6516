# SPDX-License-Identifier: Apache-2.0
"""Checks wheels and sdists before they are published: `python -m tools.publish FILE_OR_FOLDER...`.

With `--release=VERSION` the files have to be all of this version, each of them once. The checks are
those of twine, of check-wheel-contents and of checks.py.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tools.publish import checks, platforms


def files_in(places: list[Path]) -> list[Path]:
    """The wheels and sdists that are named or are in named folders."""
    found = []
    for place in places:
        inside = [place] if place.is_file() else place.rglob("*")
        found += [path for path in inside if path.name.endswith((".whl", ".tar.gz"))]
    return sorted(found, key=lambda path: path.name)


def tool_problems(files: list[Path]) -> Iterator[str]:
    """What twine says of the metadata, and check-wheel-contents of the contents."""
    wheels = [path for path in files if path.suffix == ".whl"]
    for module, options, paths in (
        ("twine", ["check", "--strict"], files),
        ("check_wheel_contents", [], wheels),
    ):
        if not paths:
            continue
        command = [sys.executable, "-m", module, *options, *map(str, paths)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            yield f"{module}:\n{done.stdout}{done.stderr}"


def problems(files: list[Path], release: str | None = None) -> Iterator[str]:
    """All that is wrong with these files."""
    if not files:
        yield "there are no wheels and sdists"
        return
    for path in files:
        if path.suffix == ".whl":
            for problem in checks.problems(path):
                yield f"{path.name}: {problem}"
    yield from tool_problems(files)
    if release is not None:
        yield from platforms.missing_files(release, [path.name for path in files])


def main(arguments: list[str]) -> int:
    """The exit code is 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("places", nargs="+", type=Path, help="wheels, sdists and folders of them")
    parser.add_argument("--release", help="the version that they have to be the whole release of")
    options = parser.parse_args(arguments)
    files = files_in(options.places)
    found = list(problems(files, options.release))
    for problem in found:
        print(problem)
    if not found:
        print(f"{len(files)} files are as they must be")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
