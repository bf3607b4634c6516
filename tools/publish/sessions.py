# SPDX-License-Identifier: Apache-2.0
"""The nox sessions about publishing: wheels, cibuildwheel, sdists, distributions, release.

What is to be published is collected in `dist/`: the packages with extension modules in
`dist/extensions/`, the meta-package in `dist/meta/`. They are published in this order.
"""

from __future__ import annotations

import os
import shutil
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nox

from tools.publish import release
from tools.publish.platforms import CONFIGURATION, EXTENSIONS, META, PACKAGES, PLATFORMS, ROOT

DIST = ROOT / "dist"
FOLDERS = {package: "meta" if package == META else "extensions" for package in PACKAGES}
REQUIREMENTS = ["-r", str(ROOT / "tools" / "publish" / "requirements.txt")]

# All packages together, as users have them. No index is asked, so a missing wheel is noticed.
TOGETHER = " && ".join(
    [
        "python -m pip install --pre --no-index --find-links {project}/dist/extensions"
        " --find-links {project}/dist/meta cereggii",
        "python -m cereggii --increments 1000",
        "python {project}/tools/smoke.py",
    ]
)


def register(
    make_environment: Callable[[nox.Session, str, str], Any], free_threaded: list[str], here: str
) -> None:
    """Registers the sessions, which use what noxfile.py has: Environment and versions of Python."""

    def checked(session: nox.Session, *arguments: str) -> None:
        environment = make_environment(session, "publish", here)
        environment.install(*REQUIREMENTS)
        environment.run("-m", "tools.publish", *arguments)

    def make_sdists(session: nox.Session, dist: Path) -> None:
        """The sdists of all packages, and the wheel of the meta-package."""
        environment = make_environment(session, "publish", here)
        environment.install(*REQUIREMENTS)
        for package, folder in FOLDERS.items():
            kinds = ["--sdist", "--wheel"] if package == META else ["--sdist"]
            environment.run("-m", "build", *kinds, "-o", str(dist / folder), str(package))

    def use(session: nox.Session, version: str, package: Path, place: Path) -> None:
        """Installs a package from files alone into an environment that has nothing, and uses it."""
        name = f"installed-{version}"
        shutil.rmtree(ROOT / ".nox" / name, ignore_errors=True)
        environment = make_environment(session, name, version)
        environment.run("-m", "pip", "install", "-q", "--disable-pip-version-check", "--pre",
                        "--no-index", "--find-links", str(place / "repaired"), "--find-links",
                        str(place / "sdists" / "meta"), package.name)  # fmt: skip
        environment.run("-m", "pip", "check")
        if package == META:
            environment.run("-P", "-m", "cereggii", "--increments", "1000")
            environment.run("-P", "tools/smoke.py")
        else:
            environment.run("-P", "tools/smoke.py", package.name)

    @nox.session(python=False)
    def sdists(session: nox.Session) -> None:
        """Make the sdists of all packages, and the wheel of the meta-package, in dist/."""
        shutil.rmtree(DIST, ignore_errors=True)
        make_sdists(session, DIST)
        checked(session, str(DIST))

    @nox.session(python=False)
    def cibuildwheel(session: nox.Session) -> None:
        """Build all packages for a platform, in containers on Linux; `-- musllinux_aarch64`."""
        if len(session.posargs) != 1 or session.posargs[0] not in PLATFORMS:
            session.error(f"name one platform: {', '.join(PLATFORMS)}")
        platform = PLATFORMS[session.posargs[0]]
        environment = make_environment(session, "cibuildwheel", here)
        environment.install(*REQUIREMENTS)
        shutil.rmtree(DIST, ignore_errors=True)
        environment.run("-m", "build", "--wheel", "-o", str(DIST / FOLDERS[META]), str(META))
        output = str((DIST / "extensions").relative_to(ROOT))
        for package in EXTENSIONS:
            # The last one is tested alone, as the others, and then with all of them.
            alone = tomllib.loads(CONFIGURATION.read_text("utf-8"))["tool"]["cibuildwheel"]
            together = {"CIBW_TEST_COMMAND": f"{alone['test-command']} && {TOGETHER}"}
            more = together if package == EXTENSIONS[-1] else {}
            environment.run("-m", "cibuildwheel", *platform.options, "--output-dir", output,
                            str(package.relative_to(ROOT)),
                            env={**platform.environment, **more})  # fmt: skip

    @nox.session(python=False)
    def distributions(session: nox.Session) -> None:
        """Check that dist/ has all files of a release and no other; `-- v2.0.0` says of which."""
        version = release.current_version(ROOT)
        tag = "".join(session.posargs)  # empty where a workflow has none
        if tag not in {"", f"v{version}"}:
            session.error(f"{tag} is not the tag of version {version}, which is in the checkout")
        checked(session, f"--release={version}", str(DIST))

    @nox.session(name="release", python=False, allow_parallel=False)
    def make_release(session: nox.Session) -> None:
        """Make the commit and the tag of a release, here only; `-- 2.0.0 --dry-run`."""
        environment = make_environment(session, "publish", here)
        environment.install(*REQUIREMENTS)
        environment.run("-m", "tools.publish.release", *session.posargs)

    @nox.session(python=False, allow_parallel=False)
    def wheels(session: nox.Session) -> None:
        """Build wheels for the free-threaded Pythons and this one from sdists; check and use them.

        As far as that goes without containers: the wheels are for systems as new as this one.
        """
        if sys.platform != "linux":
            session.error("this is for Linux: the session cibuildwheel builds for this system")
        place = ROOT / "build" / "wheels"
        shutil.rmtree(place, ignore_errors=True)
        make_sdists(session, place / "sdists")
        publish = make_environment(session, "publish", here)
        publish.install(*REQUIREMENTS)
        path = {"PATH": f"{publish.bin}:{os.environ['PATH']}"}
        versions = session.posargs or list(dict.fromkeys([*free_threaded, here]))
        for version in versions:
            builder = make_environment(session, f"wheels-{version}", version)
            for sdist in sorted((place / "sdists" / "extensions").glob("*.tar.gz")):
                builder.run("-m", "pip", "wheel", "-q", "--disable-pip-version-check",
                            "--prefer-binary", "--no-deps", "-w", str(place / version),
                            str(sdist))  # fmt: skip
            for wheel in sorted((place / version).glob("*.whl")):
                publish.run("-m", "auditwheel", "repair", "-w", str(place / "repaired"), str(wheel),
                            env=path)  # fmt: skip
        checked(session, str(place / "repaired"), str(place / "sdists"))
        for version in versions:
            for package in PACKAGES:
                use(session, version, package, place)
