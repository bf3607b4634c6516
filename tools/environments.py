# SPDX-License-Identifier: Apache-2.0
"""The virtual environments that sessions of nox run in, with the packages built for them."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import filelock  # virtualenv needs it, and nox needs virtualenv
import nox

from tools import builds, interpreters, sources

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml"))


class Environment:
    """A virtual environment of one session on one interpreter, kept from run to run."""

    def __init__(self, session: nox.Session, name: str, version: str) -> None:
        try:
            interpreter = interpreters.ensure(version)
        except builds.Unavailable as problem:
            session.error(str(problem))
        self.interpreter = interpreter
        self._session = session
        self._version = version
        self._how = builds.variant(version)
        self.home = ROOT / ".nox" / name
        self.bin = self.home / ("Scripts" if sys.platform == "win32" else "bin")
        if not (self.home / "ready").exists():
            shutil.rmtree(self.home, ignore_errors=True)
            session.run(sys.executable, "-m", "virtualenv", "-q", "-p", str(interpreter),
                        str(self.home), env=self._how.environment, external=True,
                        silent=True)  # fmt: skip
            (self.home / "ready").touch()

    @property
    def python(self) -> str:
        """The path of the environment's interpreter."""
        return str(self.bin / "python")

    def install(self, *arguments: str) -> None:
        """`pip install`. Prefers a wheel to a newer version that would have to be built."""
        self.run("-m", "pip", "install", "-q", "--disable-pip-version-check", "--prefer-binary",
                 *arguments)  # fmt: skip

    def install_packages(self, *more: str) -> None:
        """Builds and installs all packages of this repository, with warnings as errors.

        `more` are other settings for the build. For an interpreter with a sanitizer in it, they are
        built with the sanitizer.
        """
        settings = ["-Ccmake.define.CEREGGII_WERROR=ON", *more]
        if self._how.flags:
            # Debug: not optimized at link time, and with assertions.
            settings += [
                "-Ccmake.build-type=Debug",
                f"-Ccmake.define.CMAKE_CXX_COMPILER={self._how.cxx}",
                f"-Ccmake.define.CMAKE_CXX_FLAGS={self._how.flags} -DCEREGGII_SANITIZED",
                "-Ccmake.define.CMAKE_CXX_FLAGS_DEBUG=-g -O1 -fno-omit-frame-pointer",
            ]
        for package in PACKAGES:
            self.install_package(package, *settings)

    def install_package(self, package: Path, *settings: str) -> None:
        """Installs a package, built with these settings, unless it is installed already.

        Without its dependencies, which are other packages of this repository.
        """
        state = sources.state_of([str(self.interpreter), *settings, *sources.of_package(package)])
        mark = self.home / f"{package.name}.installed"
        if mark.exists() and mark.read_text() == state:
            return
        mark.unlink(missing_ok=True)
        self.install("--no-deps", "--force-reinstall", str(self._wheel(package, settings, state)))
        mark.write_text(state)

    def _wheel(self, package: Path, settings: tuple[str, ...], state: str) -> Path:
        """The wheel of a package, which all environments with this interpreter install.

        Building it takes most of a minute, so one of the sessions that run at the same time builds
        it, and the others wait. The wheels of the last states of the sources are kept.
        """
        shelf = ROOT / ".nox" / "wheels" / self._version / package.name
        place = shelf / state[:16]
        shelf.mkdir(parents=True, exist_ok=True)
        with (
            filelock.FileLock(f"{shelf}.lock"),
            tempfile.TemporaryDirectory(prefix="cereggii-wheel-", dir=shelf.parent) as scratch,
        ):
            if not place.exists():
                self.run("-m", "pip", "wheel", "-q", "--disable-pip-version-check",
                         "--prefer-binary", "--no-deps", *settings, f"-Cbuild-dir={scratch}/build",
                         "-w", f"{scratch}/wheel", str(package))  # fmt: skip
                Path(scratch, "wheel").rename(place)
            for old in sorted(shelf.iterdir(), key=lambda path: path.stat().st_mtime)[:-4]:
                shutil.rmtree(old, ignore_errors=True)
        (wheel,) = place.glob("*.whl")
        return wheel

    def run(self, *arguments: str, env: dict[str, str] | None = None) -> None:
        """Runs the environment's Python."""
        env = {**self._how.environment, **(env or {})}
        self._session.run(self.python, *arguments, env=env, external=True)
