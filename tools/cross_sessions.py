# SPDX-License-Identifier: Apache-2.0
"""The nox sessions for platforms that this machine is not: aarch64, riscv64, mingw."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nox

from tools import builds, cross


def register(
    make_environment: Callable[[nox.Session, str, str], Any],
    ctest: Callable[..., None],
    packages: list[Path],
    version: str,
) -> None:
    """Registers the sessions, which use what noxfile.py has: Environment and _ctest()."""

    def aarch64(session: nox.Session) -> None:
        """Run the C++ tests and a program that uses all packages for aarch64, in an emulator."""
        _check(session, "aarch64")
        ctest(session, "aarch64")
        try:
            python = cross.python("aarch64", version)
        except builds.Unavailable as problem:
            session.error(str(problem))
        environment = make_environment(session, f"wheels-{version}-aarch64", version)
        wheels, site = environment.home / "wheels", environment.home / "site"
        for folder in (wheels, site):
            shutil.rmtree(folder, ignore_errors=True)
        for package in packages:
            # Its own folder to build in: not the one of this machine's wheels.
            build = f"-Cbuild-dir={environment.home}/build/{package.name}"
            environment.run("-m", "pip", "wheel", "-q", "--disable-pip-version-check",
                            "--prefer-binary", "--no-deps", "-w", str(wheels), build,
                            *cross.settings("aarch64", python), str(package),
                            env=cross.environment("aarch64", python))  # fmt: skip
        for wheel in sorted(wheels.glob("*.whl")):
            environment.run("-m", "zipfile", "-e", str(wheel), str(site))
        for program in (["tools/smoke.py"], ["-m", "cereggii", "--help"]):
            session.run(*cross.PLATFORMS["aarch64"].emulator, str(python), "-P", *program,
                        env={"PYTHONPATH": str(site)}, external=True)  # fmt: skip

    def riscv64(session: nox.Session) -> None:
        """Run the C++ tests for riscv64, in an emulator."""
        _check(session, "riscv64")
        ctest(session, "riscv64")

    def mingw(session: nox.Session) -> None:
        """Build the C++ tests for Windows, by MinGW-w64. They are not run."""
        _check(session, "mingw")
        ctest(session, "mingw", only_build=True)

    for run in (aarch64, riscv64, mingw):
        nox.session(python=False)(run)


def _check(session: nox.Session, platform: str) -> None:
    try:
        cross.check(platform)
    except builds.Unavailable as problem:
        session.error(str(problem))
