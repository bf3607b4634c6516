# SPDX-License-Identifier: Apache-2.0
"""Free-threaded Pythons built from the source packages that Debian publishes.

A version names its variant after a dash: "3.14t" is the Python of users; "3.14t-tsan" and
"3.14t-asan" are the same Python with a sanitizer in it. A sanitizer can check extensions only in
such a Python. Built interpreters are kept in the user's cache folder.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console


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


@dataclass(frozen=True)
class Variant:
    """A way to build an interpreter, and extensions for it."""

    # The programs that it takes, and the packages that have them.
    tools: Mapping[str, str]
    cc: str
    cxx: str
    # The options of `configure`. The first one identifies a build of this variant.
    options: tuple[str, ...] = ()
    # The flags that extensions are compiled with, and the package of the library that they link.
    flags: str = ""
    runtime: str = ""
    # The variables without which it does not run.
    environment: Mapping[str, str] = field(default_factory=dict)
    # The file of the source to keep, next to `bin`.
    keeps: str | None = None

    def missing(self) -> list[str]:
        """The packages to install before anything can be built this way."""
        missing = [package for tool, package in self.tools.items() if not shutil.which(tool)]
        if self.flags and (missing or not self._links()):
            missing.append(self.runtime)
        return list(dict.fromkeys(missing))

    def _links(self) -> bool:
        command = [self.cc, *self.flags.split(), "-x", "c", "-", "-o", os.devnull]
        program = "int main(void) { return 0; }"
        done = subprocess.run(command, input=program, capture_output=True, text=True)
        return done.returncode == 0


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

VARIANTS = {
    "": Variant(tools={"cc": "gcc"}, cc="cc", cxx="c++"),
    "tsan": Variant(
        # Without the symbolizer a report has no names, and no suppression would apply to it.
        tools={"clang-19": "clang-19", "clang++-19": "clang-19", "llvm-symbolizer-19": "llvm-19"},
        cc="clang-19",
        cxx="clang++-19",
        options=("--with-thread-sanitizer", "--disable-test-modules"),
        flags="-fsanitize=thread",
        runtime="libclang-rt-19-dev",
        keeps="Tools/tsan/suppressions_free_threading.txt",
    ),
    "asan": Variant(
        tools={"gcc": "gcc", "g++": "g++"},
        cc="gcc",
        cxx="g++",
        options=(
            "--with-address-sanitizer",
            "--with-undefined-behavior-sanitizer",
            "--disable-test-modules",
        ),
        flags="-fsanitize=address,undefined -fno-sanitize-recover=all",
        runtime="gcc",
        # Objects are in mimalloc's memory, where the leak detector does not look for pointers. It
        # would report memory that belongs to objects which live to the end, such as types.
        environment={"ASAN_OPTIONS": "detect_leaks=0"},
    ),
}

# The packages that pip needs in a Python, by a header of each.
BUILD_HEADERS = {
    "zlib.h": "zlib1g-dev",
    "openssl/ssl.h": "libssl-dev",
    "ffi.h": "libffi-dev",
}

console = Console(stderr=True, highlight=False)


def variant(version: str) -> Variant:
    """How Pythons of this version are built."""
    _, _, name = version.partition("-")
    if name not in VARIANTS:
        known = " and ".join(filter(None, VARIANTS))
        raise Unavailable(f"Python {version} is not known: the variants are {known}.")
    return VARIANTS[name]


def check(version: str) -> None:
    """Raises Unavailable if a tool to build extensions for this version is missing."""
    missing = variant(version).missing()
    if missing:
        raise Unavailable(_advice(version, missing))


def cache() -> Path:
    """Where built interpreters are kept, across checkouts."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "cereggii" / "interpreters"


def sources(version: str) -> tuple[Source, ...]:
    """The source packages that this version can be built from, the best one first."""
    return SOURCES.get(_plain(version), ())


def python_of(source: Source, version: str) -> Path:
    """The path of the interpreter that is built from this source. It need not exist."""
    return cache() / f"cpython-{_label(source, version)}" / "bin" / f"python{_plain(version)}"


def build(version: str) -> Path:
    """Builds a Python of this version and puts it into the cache; its path."""
    how = variant(version)
    _require_build_tools(version)
    cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="cereggii-python-") as scratch:
        source, root = unpack(version, Path(scratch))
        label = _label(source, version)
        python = python_of(source, version)
        prefix = python.parent.parent
        jobs = f"-j{os.cpu_count() or 1}"
        steps = {
            "configuring (1/3)": [
                "./configure",
                f"CC={how.cc}",
                f"CXX={how.cxx}",
                "--disable-gil",
                "--without-ensurepip",
                *how.options,
                f"--prefix={prefix}",
            ],
            "compiling, which takes minutes (2/3)": ["make", jobs],
            # Installed aside and moved as a whole: half an interpreter is never in the cache.
            "installing (3/3)": ["make", "altinstall", f"DESTDIR={scratch}/installed"],
        }
        environment = {**os.environ, **how.environment}
        for name, command in steps.items():
            with step(f"Python {label}: {name}"):
                run(command, root, environment, Path(scratch) / "log")
        installed = Path(f"{scratch}/installed{prefix}")
        _check_modules(installed / "bin" / python.name, environment)
        if how.keeps:
            shutil.copy(root / how.keeps, installed)
        if not prefix.exists():  # else another run was faster
            shutil.move(installed, prefix)
    return python


def unpack(version: str, scratch: Path) -> tuple[Source, Path]:
    """Downloads the best source of this version; the folder in `scratch` where it is unpacked."""
    source, archive = _download(version, scratch)
    tree = scratch / "source"
    with step(f"Python {_label(source, version)}: unpacking"), tarfile.open(archive) as tar:
        if hasattr(tarfile, "data_filter"):
            tar.extractall(tree, filter="data")
        else:
            tar.extractall(tree)
    (root,) = tree.iterdir()
    return source, root


def _plain(version: str) -> str:
    return version.partition("-")[0]


def _label(source: Source, version: str) -> str:
    """The version with the source's patch level, as in "3.14.7t-tsan"."""
    return source.release + version.lstrip("0123456789.")


def _advice(version: str, packages: list[str]) -> str:
    return (
        f"Building for Python {version} needs {' '.join(packages)}:"
        f" run `sudo {' '.join(_install(packages))}`, then try again."
    )


def _install(packages: list[str]) -> list[str]:
    return ["apt-get", "install", "-y", "--no-install-recommends", *packages]


def _check_modules(python: Path, environment: Mapping[str, str]) -> None:
    check = subprocess.run(
        [python, "-c", "import ctypes, ssl, zlib"],
        env={**environment, "PYTHONHOME": str(python.parent.parent)},
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
    for source in sources(version):
        for site in sites:
            archive = scratch / "source.tar.xz"
            try:
                with (
                    step(f"Python {_label(source, version)}: downloading its source"),
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
    how = variant(version)
    missing = how.missing()
    if not shutil.which("make"):
        missing.append("make")
    missing += [name for header, name in BUILD_HEADERS.items() if not _compiles(how.cc, header)]
    if not missing:
        return
    # Compilers for a sanitizer are not installed unasked: they are large, and few users need them.
    unasked = how == VARIANTS[""]
    if unasked and shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        with step(f"Python {version}: installing {' '.join(missing)}"):
            subprocess.run(["apt-get", "update"], capture_output=True)
            done = subprocess.run(_install(missing), capture_output=True, text=True)
        if done.returncode == 0:
            return
    raise Unavailable(_advice(version, missing))


def _compiles(cc: str, header: str) -> bool:
    if not shutil.which(cc):
        return False
    check = subprocess.run(
        [cc, "-E", "-x", "c", "-"],
        input=f"#include <{header}>\n",
        capture_output=True,
        text=True,
    )
    return check.returncode == 0


def run(command: list[str], directory: Path, environment: Mapping[str, str], log: Path) -> None:
    """Runs a step of a build. Raises Unavailable with the end of its output if it fails."""
    with log.open("w") as output:
        done = subprocess.run(
            command, cwd=directory, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    if done.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
        raise Unavailable(f"`{' '.join(command)}` failed while building Python:\n{tail}")


@contextmanager
def step(message: str) -> Iterator[None]:
    """Shows a message while the body runs."""
    if console.is_terminal:
        with console.status(message):
            yield
    else:
        console.print(message)
        yield
