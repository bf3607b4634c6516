# SPDX-License-Identifier: Apache-2.0
"""The platforms that wheels are published for, and which wheels a release consists of.

cibuildwheel names each build by an identifier such as "cp314t-musllinux_aarch64". What is called a
platform here is the part behind the dash.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from packaging.utils import parse_sdist_filename, parse_wheel_filename

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = ROOT / "cibuildwheel.toml"
PACKAGES = sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml"))
# It has no extension module, and needs this very version of each of the others.
META = ROOT / "packages" / "cereggii"
EXTENSIONS = [package for package in PACKAGES if package != META]


@dataclass(frozen=True)
class Platform:
    """How cibuildwheel is told to build for a platform."""

    system: str
    machine: str
    skip: str = ""

    @property
    def options(self) -> list[str]:
        """What is on its command line for each package."""
        where = ["--platform", self.system, "--archs", self.machine]
        return [*where, "--config-file", str(CONFIGURATION.relative_to(ROOT))]

    @property
    def environment(self) -> dict[str, str]:
        """What has no option."""
        return {"CIBW_SKIP": self.skip} if self.skip else {}


PLATFORMS = {
    "manylinux_x86_64": Platform("linux", "x86_64", skip="*-musllinux_*"),
    "manylinux_aarch64": Platform("linux", "aarch64", skip="*-musllinux_*"),
    "musllinux_x86_64": Platform("linux", "x86_64", skip="*-manylinux_*"),
    "musllinux_aarch64": Platform("linux", "aarch64", skip="*-manylinux_*"),
    "macosx_x86_64": Platform("macos", "x86_64"),
    "macosx_arm64": Platform("macos", "arm64"),
    "win_amd64": Platform("windows", "AMD64"),
    "win_arm64": Platform("windows", "ARM64"),
}


@cache
def identifiers(platform: str) -> list[str]:
    """What cibuildwheel builds of each package that has an extension module, for this platform.

    It takes the versions of Python that a package supports from it, and these are the same for all.
    """
    how = PLATFORMS[platform]
    python = [sys.executable, "-m", "cibuildwheel", "--print-build-identifiers"]
    others = {name: value for name, value in os.environ.items() if not name.startswith("CIBW_")}
    shown = subprocess.run(
        [*python, *how.options, EXTENSIONS[0]],
        cwd=ROOT,
        env={**others, **how.environment},
        capture_output=True,
        text=True,
    )
    if shown.returncode != 0:
        raise RuntimeError(f"cibuildwheel does not accept {CONFIGURATION.name}:\n{shown.stderr}")
    return shown.stdout.split()


def identifier_of(wheel: str) -> str:
    """What cibuildwheel calls the build of a wheel with this file name."""
    tags = sorted(parse_wheel_filename(wheel)[3], key=str)
    # A wheel of auditwheel may name several policies, all for the same libc and machine.
    found = {f"{tag.abi}-{_platform_of(tag.platform)}" for tag in tags}
    if len(found) != 1:
        raise ValueError(f"{wheel} is for several platforms: {', '.join(sorted(found))}")
    return found.pop()


def _platform_of(tag: str) -> str:
    """The platform of a tag, without its version or year: that of "macosx_11_0_arm64"."""
    return re.sub(r"^(manylinux|musllinux|macosx)(_\d+_\d+|\d+)_", r"\1_", tag)


def missing_files(version: str, names: Iterable[str]) -> Iterator[str]:
    """What keeps these file names from being a whole release of this version, and nothing else."""
    wheels: dict[str, set[str]] = {package.name: set() for package in PACKAGES}
    sdists: set[str] = set()
    for name in sorted(names):
        is_wheel = name.endswith(".whl")
        project, found = parse_wheel_filename(name)[:2] if is_wheel else parse_sdist_filename(name)
        if project not in wheels or str(found) != version:
            yield f"{name} is not a file of version {version} of a package of this project"
        elif not is_wheel:
            sdists.add(project)
        else:
            wheels[project].add(identifier_of(name))
    for package in PACKAGES:
        if package.name not in sdists:
            yield f"the sdist of {package.name} is missing"
        expected = {"none-any"}
        if package != META:
            expected = {name for platform in PLATFORMS for name in identifiers(platform)}
        for identifier in sorted(expected - wheels[package.name]):
            yield f"the wheel {identifier} of {package.name} is missing"
        for identifier in sorted(wheels[package.name] - expected):
            yield f"the wheel {identifier} of {package.name} is not one that is published"
