# SPDX-License-Identifier: Apache-2.0
"""Building for platforms that this machine is not: cross compilers, emulators, a Python.

`check("aarch64")` says which packages are missing. `python("aarch64")` builds a free-threaded
Python for that platform from Debian's source package, which takes some minutes, once.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools import builds, interpreters


@dataclass(frozen=True)
class Platform:
    """A platform to build for."""

    # How compilers name it.
    triplet: str
    # The programs that it takes, and Debian's packages that have them.
    tools: Mapping[str, str]
    # The command that runs a program of this platform here, with the platform's libraries.
    emulator: tuple[str, ...] = ()


def _linux(machine: str) -> Platform:
    triplet = f"{machine}-linux-gnu"
    emulator = f"qemu-{machine}-static"
    return Platform(
        triplet,
        tools={
            f"{triplet}-gcc": f"gcc-{triplet}",
            f"{triplet}-g++": f"g++-{triplet}",
            emulator: "qemu-user-static",
        },
        emulator=(emulator, "-L", f"/usr/{triplet}"),
    )


# Each has a preset of the same name in CMakePresets.json.
PLATFORMS = {
    "aarch64": _linux("aarch64"),
    "riscv64": _linux("riscv64"),
    "mingw": Platform(
        "x86_64-w64-mingw32",
        # Its threads are POSIX's: the other kind has no std::thread before GCC 13.
        tools={"x86_64-w64-mingw32-g++-posix": "g++-mingw-w64-x86-64-posix"},
    ),
}


def check(name: str) -> None:
    """Raises Unavailable if a tool for this platform is missing, and names its package."""
    tools = PLATFORMS[name].tools
    missing = dict.fromkeys(package for tool, package in tools.items() if not shutil.which(tool))
    if missing:
        install = " ".join(["apt-get", "install", "-y", "--no-install-recommends", *missing])
        raise builds.Unavailable(
            f"Building for {name} needs {' '.join(missing)}: run `sudo {install}`, then try again."
        )


def python(name: str, version: str = "3.14t") -> Path:
    """The path of a free-threaded Python for this Linux platform. Only its emulator can run it.

    It is built as small as it can be: without modules that need a library.
    """
    check(name)
    for source in builds.sources(version):
        found = builds.python_of(source, f"{version}-{name}")
        if _runs(name, found):
            return found
    helper = interpreters.ensure(version)
    builds.cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="cereggii-python-") as scratch:
        source, tree = builds.unpack(version, Path(scratch))
        path = builds.python_of(source, f"{version}-{name}")
        prefix = path.parent.parent
        label = prefix.name.partition("-")[2]
        for what, command in _steps(PLATFORMS[name].triplet, helper, prefix, Path(scratch)):
            with builds.step(f"Python {label}: {what}"):
                builds.run(command, tree, os.environ, Path(scratch) / "log")
        if not prefix.exists():  # else another run was faster
            shutil.move(f"{scratch}/installed{prefix}", prefix)
    if not _runs(name, path):
        raise builds.Unavailable(f"{path} was built, but does not run in the emulator.")
    return path


def settings(name: str, python: Path) -> list[str]:
    """What pip takes to build a wheel of a package of this repository for such a Python."""
    triplet = PLATFORMS[name].triplet
    defines = {
        "CEREGGII_WERROR": "ON",
        "CMAKE_SYSTEM_NAME": "Linux",
        "CMAKE_SYSTEM_PROCESSOR": name,
        "CMAKE_CXX_COMPILER": f"{triplet}-g++",
        # The headers have the configuration of the platform. The interpreter is this machine's.
        "Python_INCLUDE_DIR": str(_headers(python)),
    }
    return [f"-Ccmake.define.{key}={value}" for key, value in defines.items()]


def environment(name: str, python: Path) -> dict[str, str]:
    """The variables that go with settings(): what the wheel and the modules in it are named for."""
    release = python.name.removeprefix("python").replace(".", "")
    return {
        "_PYTHON_HOST_PLATFORM": f"linux-{name}",
        "SETUPTOOLS_EXT_SUFFIX": f".cpython-{release}-{PLATFORMS[name].triplet}.so",
    }


def _headers(python: Path) -> Path:
    return python.parent.parent / "include" / python.name


def _steps(triplet: str, helper: Path, prefix: Path, scratch: Path) -> list[tuple[str, list[str]]]:
    configure = [
        "./configure",
        f"--host={triplet}",
        "--build=x86_64-linux-gnu",
        f"CC={triplet}-gcc",
        f"CXX={triplet}-g++",
        # The libraries that pkg-config knows are this machine's.
        "PKG_CONFIG=false",
        f"--with-build-python={helper}",
        "--disable-gil",
        "--without-ensurepip",
        "--disable-test-modules",
        f"--prefix={prefix}",
        # What cannot be found out without running a program of the platform.
        "ac_cv_file__dev_ptmx=yes",
        "ac_cv_file__dev_ptc=no",
        "ac_cv_buggy_getaddrinfo=no",
    ]
    fast = "OPT=-DNDEBUG -O1"  # to compile
    return [
        ("configuring (1/3)", configure),
        ("compiling, which takes minutes (2/3)", ["make", f"-j{os.cpu_count() or 1}", fast]),
        # Installed aside and moved as a whole: half an interpreter is never in the cache.
        ("installing (3/3)", ["make", "altinstall", fast, f"DESTDIR={scratch}/installed"]),
    ]


def _runs(name: str, python: Path) -> bool:
    if not python.is_file():
        return False
    command = [*PLATFORMS[name].emulator, str(python), "-c", "import threading"]
    return subprocess.run(command, capture_output=True).returncode == 0
