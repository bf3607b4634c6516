# SPDX-License-Identifier: Apache-2.0
"""Runs clang-tidy on the C++ sources: `python tools/tidy.py [--quick] [FILE…]`.

The checks are in `.clang-tidy`. `--quick` leaves out clang's static analyzer, which takes three
quarters of the time. The headers are those of the Python that runs this, and of its nanobind.

It prints what is found, each line once, and exits with 1 if that is anything.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ["packages/*/src/**/*.cpp", "atomics/tests/*.cpp"]


def nanobind_headers() -> str:
    """The folder of nanobind's headers."""
    command = [sys.executable, "-m", "nanobind", "--include_dir"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def options(source: Path, nanobind: str) -> list[str]:
    """How a source is compiled, as far as clang-tidy needs to know."""
    found = ["-std=c++20", f"-I{ROOT}/atomics/include", f"-I{ROOT}/atomics/tests"]
    for folder in source.parents:
        if folder.name == "src":
            found += [f"-I{folder}", f"-isystem{sysconfig.get_path('include')}"]
            found += [f"-isystem{nanobind}"]
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        found += ["-DPy_GIL_DISABLED=1", "-DNB_FREE_THREADED"]
    return found


def main(arguments: list[str]) -> int:
    """The exit code."""
    quick = "--quick" in arguments
    sources = [Path(name).resolve() for name in arguments if name != "--quick"]
    sources = sources or [path for pattern in SOURCES for path in ROOT.glob(pattern)]
    # The largest first: otherwise the last process would be alone for long.
    sources.sort(key=lambda path: path.stat().st_size, reverse=True)
    command = [str(Path(sys.executable).with_name("clang-tidy")), "--quiet"]
    command += ["--warnings-as-errors=*", *(["--checks=-clang-analyzer-*"] if quick else [])]
    nanobind = nanobind_headers()

    def find(source: Path) -> str:
        whole = [*command, str(source), "--", *options(source, nanobind)]
        done = subprocess.run(whole, cwd=ROOT, capture_output=True, text=True, check=False)
        return (done.stdout or done.stderr) if done.returncode else ""

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = [text for text in pool.map(find, sources) if text]
    # What is found in a header is found in each source that includes it.
    print(*dict.fromkeys("".join(found).splitlines()), sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
