# SPDX-License-Identifier: Apache-2.0
"""Runs nox sessions on a machine that has only Python and pip: `python3 tools/dev.py tests`.

Makes an environment with nox in the cache folder, once, and hands the arguments on: session names
first, then whatever nox is to get. Where tools/requirements.txt is installed, `nox -s tests` does
the same.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "tools" / "requirements.txt"

# This session consists of others, which do not need each other. Side by side they take less time,
# but the output of each is seen only when it has ended.
CONSISTS_OF_OTHERS = "tests"


def nox_python() -> Path:
    """The Python of an environment that has nox; made on the first call."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cereggii"
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    contents = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    home = cache / f"nox-{version}-{contents}"
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (home / "ready").exists():
        print("Installing nox, once", file=sys.stderr, flush=True)
        # Without ensurepip, which Debian packages apart from Python: our own pip can do it.
        venv = [sys.executable, "-m", "venv", "--clear", "--without-pip", str(home)]
        subprocess.run(venv, check=True)
        pip = [sys.executable, "-m", "pip", "--python", str(python)]
        quiet = ["--disable-pip-version-check", "--quiet"]
        subprocess.run([*pip, "install", *quiet, "-r", str(REQUIREMENTS)], check=True)
        (home / "ready").touch()
    return python


def main(arguments: list[str]) -> int:
    """The exit code of nox."""
    sessions = []
    while arguments and not arguments[0].startswith("-"):
        sessions.append(arguments.pop(0))
    chosen = ["--session", *sessions] if sessions else []
    if len(sessions) > 1 or CONSISTS_OF_OTHERS in sessions:
        chosen += ["--parallel", "auto"]
    command = [str(nox_python()), "-m", "nox", *chosen, *arguments]
    return subprocess.run(command, cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
