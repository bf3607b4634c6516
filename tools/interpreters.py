# SPDX-License-Identifier: Apache-2.0
"""The Python interpreters that this project is built for and tested on.

`ensure("3.14t")` returns the path of such an interpreter. It looks on PATH (and in pyenv), in the
cache of earlier builds, asks uv, and for free-threaded versions builds one (tools/builds.py), which
takes minutes, once. It is silent while there is nothing to do.

`python -m tools.interpreters 3.14t 3.13t` does the same from a shell and prints the paths.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tools import builds

MARKS = {how.options[0]: name for name, how in builds.VARIANTS.items() if how.options}

# Prints the version, with the variant in its name.
PROBE = f"""
import sys, sysconfig
version = "%d.%d" % sys.version_info[:2]
if sysconfig.get_config_var("Py_GIL_DISABLED"):
    version += "t"
for mark, name in {MARKS}.items():
    if mark in (sysconfig.get_config_var("CONFIG_ARGS") or ""):
        version += "-" + name
print(version)
"""


def ensure(version: str) -> Path:
    """The path of a Python of this version ("3.11", "3.14t", "3.14t-tsan"), made if need be.

    Raises Unavailable if it cannot be had, or if it would be of no use: one with a sanitizer needs
    the compiler of that sanitizer.
    """
    instrumented = bool(builds.variant(version).flags)
    if instrumented:
        builds.check(version)
    found = find(version)
    if found is None and not instrumented:
        found = _from_uv(version)
    if found is None and builds.sources(version):
        found = builds.build(version)
    if found is None:
        raise builds.Unavailable(
            f"Python {version} was not found on PATH, and could not be installed with uv."
            f" Install it so that `python{version}` runs, then try again."
        )
    return found


def find(version: str) -> Path | None:
    """The path of a Python of this version that is on this machine already."""
    others = (python for python in _elsewhere(version) if _is(python, version))
    return on_path(version) or next(others, None)


def on_path(version: str) -> Path | None:
    """The path of a Python of this version that is on PATH."""
    names = [Path(directory) / f"python{version}" for directory in os.get_exec_path()]
    return next((python for python in names if _is(python, version)), None)


def _elsewhere(version: str) -> Iterator[Path]:
    yield Path(sys.executable)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    yield from sorted(pyenv.glob(f"*/bin/python{version}"), reverse=True)
    for source in builds.sources(version):
        yield builds.python_of(source, version)


def _is(python: Path, version: str) -> bool:
    if not python.is_file() or not os.access(python, os.X_OK):
        return False
    try:
        probe = subprocess.run(
            [python, "-c", PROBE],
            env={**os.environ, **builds.variant(version).environment},
            capture_output=True,
            text=True,
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return probe.returncode == 0 and probe.stdout.strip() == version


def _from_uv(version: str) -> Path | None:
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        return None
    query = [uv, "python", "find", "--system", "--no-python-downloads", version]
    found = subprocess.run(query, capture_output=True, text=True)
    if found.returncode != 0:
        with builds.step(f"Python {version}: asking uv for it"):
            install = subprocess.run(
                [uv, "python", "install", version], capture_output=True, text=True
            )
        if install.returncode != 0:
            return None
        found = subprocess.run(query, capture_output=True, text=True)
    path = Path(found.stdout.strip())
    return path if found.returncode == 0 and _is(path, version) else None


def main(versions: list[str]) -> int:
    """Prints the path of each version; the exit code is 1 if one cannot be had."""
    try:
        for version in versions:
            print(ensure(version))
    except builds.Unavailable as problem:
        builds.console.print(f"[red]{problem}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
