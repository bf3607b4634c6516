# SPDX-License-Identifier: Apache-2.0
"""The Python interpreters that this project is built for and tested on.

`ensure("3.14t")` returns the path of such an interpreter. It looks on PATH (and in pyenv), in the
cache of earlier builds, asks uv, and for free-threaded versions builds one from the source package
that Debian publishes, which takes minutes, once. It is silent while there is nothing to do.

`python tools/interpreters.py 3.14t 3.13t` does the same from a shell and prints the paths.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

PROBE = (
    "import sys, sysconfig;"
    "print('%d.%d%s' % (*sys.version_info[:2],"
    " 't' if sysconfig.get_config_var('Py_GIL_DISABLED') else ''))"
)


class Unavailable(Exception):  # noqa: N818 - a state of affairs
    """An interpreter cannot be had; the message says what to do about it."""


@dataclass(frozen=True)
class Source:
    """A source package in Debian's archive."""

    name: str
    sha256: str

    @property
    def path(self) -> str:
        """Where it is in the archive."""
        package = self.name.partition("_")[0]
        return f"pool/main/{package[0]}/{package}/{self.name}.orig.tar.xz"

    @property
    def release(self) -> str:
        """The version of Python."""
        return self.name.partition("_")[2].replace("~", "")


# Newest first; the archive keeps a version for as long as a distribution ships it.
SOURCES = {
    "3.13t": (
        Source(
            "python3.13_3.13.15",
            "1e66a7945a48390ee4c2a4268a0e4185884059a13c4aab6d148aa208deea4a76",
        ),
        Source(
            "python3.13_3.13.14",
            "639e43243c620a308f968213df9e00f2f8f62332f7adbaa7a7eeb9783057c690",
        ),
        Source(
            "python3.13_3.13.5",
            "93e583f243454e6e9e4588ca2c2662206ad961659863277afcdb96801647d640",
        ),
    ),
    "3.14t": (
        Source(
            "python3.14_3.14.7",
            "3b48dac8fb59f62eaa67ac83c1eb12bda1b7a08406dd286e252c11a66be27f81",
        ),
        Source(
            "python3.14_3.14.6",
            "143b1dddefaec3bd2e21e3b839b34a2b7fb9842272883c576420d605e9f30c63",
        ),
        Source(
            "python3.14_3.14.5",
            "7e32597b99e5d9a39abed35de4693fa169df3e5850d4c334337ffd6a19a36db6",
        ),
    ),
    "3.15t": (
        Source(
            "python3.15_3.15.0~rc2",
            "8d93af5eaaaea5adfd41bd786a7ba3f03f2ad1ab57c6a65e0b963deab91d5ad7",
        ),
    ),
}

# What Python is built with, and what pip needs in it, by the program or the header that shows it.
BUILD_TOOLS = {"cc": "gcc", "make": "make"}
BUILD_HEADERS = {
    "zlib.h": "zlib1g-dev",
    "openssl/ssl.h": "libssl-dev",
    "ffi.h": "libffi-dev",
}

console = Console(stderr=True, highlight=False)


def ensure(version: str) -> Path:
    """The path of a Python of this version ("3.11", "3.14t"), made available if need be.

    Raises Unavailable if it cannot be had.
    """
    found = find(version)
    if found is None:
        found = _from_uv(version)
    if found is None and version in SOURCES:
        found = _build(version)
    if found is None:
        raise Unavailable(
            f"Python {version} was not found on PATH, and could not be installed with uv."
            f" Install it so that `python{version}` runs, then try again."
        )
    return found


def find(version: str) -> Path | None:
    """The path of a Python of this version that is on this machine already."""
    others = (python for python in _elsewhere(version) if _is(python, version))
    return on_path(version) or next(others, None)


def cache() -> Path:
    """Where built interpreters are kept, across checkouts."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "cereggii" / "interpreters"


def on_path(version: str) -> Path | None:
    """The path of a Python of this version that is on PATH."""
    names = [Path(directory) / f"python{version}" for directory in os.get_exec_path()]
    return next((python for python in names if _is(python, version)), None)


def _elsewhere(version: str) -> Iterator[Path]:
    yield Path(sys.executable)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    yield from sorted(pyenv.glob(f"*/bin/python{version}"), reverse=True)
    for source in SOURCES.get(version, ()):
        yield _prefix(source) / "bin" / f"python{version}"


def _is(python: Path, version: str) -> bool:
    if not python.is_file() or not os.access(python, os.X_OK):
        return False
    try:
        probe = subprocess.run([python, "-c", PROBE], capture_output=True, text=True, timeout=60)
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
        with _step(f"Python {version}: asking uv for it"):
            install = subprocess.run(
                [uv, "python", "install", version], capture_output=True, text=True
            )
        if install.returncode != 0:
            return None
        found = subprocess.run(query, capture_output=True, text=True)
    path = Path(found.stdout.strip())
    return path if found.returncode == 0 and _is(path, version) else None


def _prefix(source: Source) -> Path:
    return cache() / f"cpython-{source.release}t"


def _build(version: str) -> Path:
    _require_build_tools(version)
    cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="cereggii-python-") as scratch:
        source, archive = _download(version, Path(scratch))
        prefix = _prefix(source)
        tree = Path(scratch) / "source"
        with _step(f"Python {source.release}t: unpacking"), tarfile.open(archive) as tar:
            if hasattr(tarfile, "data_filter"):
                tar.extractall(tree, filter="data")
            else:
                tar.extractall(tree)
        (root,) = tree.iterdir()
        jobs = f"-j{os.cpu_count() or 1}"
        steps = {
            "configuring (1/3)": [
                "./configure",
                "--disable-gil",
                "--without-ensurepip",
                f"--prefix={prefix}",
            ],
            "compiling, which takes minutes (2/3)": ["make", jobs],
            # Installed aside and moved as a whole: half an interpreter is never in the cache.
            "installing (3/3)": ["make", "altinstall", f"DESTDIR={scratch}/installed"],
        }
        for step, command in steps.items():
            with _step(f"Python {source.release}t: {step}"):
                _run(command, root, Path(scratch) / "log")
        installed = Path(f"{scratch}/installed{prefix}")
        _check_modules(installed / "bin" / f"python{version}")
        if not prefix.exists():  # else another run was faster
            shutil.move(installed, prefix)
    return prefix / "bin" / f"python{version}"


def _check_modules(python: Path) -> None:
    check = subprocess.run(
        [python, "-c", "import ctypes, ssl, zlib"],
        env={**os.environ, "PYTHONHOME": str(python.parent.parent)},
        capture_output=True,
        text=True,
    )
    if check.returncode != 0:
        raise Unavailable(f"The Python that was built lacks what pip needs:\n{check.stderr}")


def _download(version: str, scratch: Path) -> tuple[Source, Path]:
    if not shutil.which("apt-get"):
        raise Unavailable(
            f"Python {version} was not found. Install it, or uv, or run this on Debian or Ubuntu,"
            " whose archive has its source."
        )
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE)"], capture_output=True, text=True
    )
    sites = sorted({site.rstrip("/") for site in targets.stdout.split() if "security" not in site})
    for source in SOURCES[version]:
        for site in sites:
            archive = scratch / "source.tar.xz"
            try:
                with (
                    _step(f"Python {source.release}t: downloading its source"),
                    urllib.request.urlopen(f"{site}/{source.path}", timeout=60) as response,
                    archive.open("wb") as file,
                ):
                    shutil.copyfileobj(response, file)
            except (urllib.error.URLError, TimeoutError):
                continue
            if hashlib.sha256(archive.read_bytes()).hexdigest() == source.sha256:
                return source, archive
            console.print(f"[yellow]{site}/{source.path} is not what was published; skipped")
    raise Unavailable(
        f"The source of Python {version} could not be downloaded from {', '.join(sites) or 'apt'}."
        f" Install free-threaded Python {version} so that `python{version}` runs, then try again."
    )


def _require_build_tools(version: str) -> None:
    missing = [package for tool, package in BUILD_TOOLS.items() if not shutil.which(tool)]
    missing += [package for header, package in BUILD_HEADERS.items() if not _compiles(header)]
    if not missing:
        return
    install = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        with _step(f"Python {version}: installing {' '.join(missing)}"):
            subprocess.run(["apt-get", "update"], capture_output=True)
            done = subprocess.run(install, capture_output=True, text=True)
        if done.returncode == 0:
            return
    raise Unavailable(
        f"Building Python {version} needs {' '.join(missing)}: run `sudo {' '.join(install)}`,"
        " then try again."
    )


def _compiles(header: str) -> bool:
    if not shutil.which("cc"):
        return False
    check = subprocess.run(
        ["cc", "-E", "-x", "c", "-"],
        input=f"#include <{header}>\n",
        capture_output=True,
        text=True,
    )
    return check.returncode == 0


def _run(command: list[str], directory: Path, log: Path) -> None:
    with log.open("w") as output:
        done = subprocess.run(command, cwd=directory, stdout=output, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
        raise Unavailable(f"`{' '.join(command)}` failed while building Python:\n{tail}")


@contextmanager
def _step(message: str) -> Iterator[None]:
    if console.is_terminal:
        with console.status(message):
            yield
    else:
        console.print(message)
        yield


def main(versions: list[str]) -> int:
    """Prints the path of each version; the exit code is 1 if one cannot be had."""
    try:
        for version in versions:
            print(ensure(version))
    except Unavailable as problem:
        console.print(f"[red]{problem}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
