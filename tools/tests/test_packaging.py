# SPDX-License-Identifier: Apache-2.0
"""Each package builds anywhere from its sdist, and installs and works alone; and all together."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml"))
META = ROOT / "packages" / "cereggii"
NATIVE = [package for package in PACKAGES if package != META]

USE = """
import sys, sysconfig
import {name}
assert {name}.__all__
for name in {name}.__all__:
    getattr({name}, name)
if sysconfig.get_config_var("Py_GIL_DISABLED"):
    assert not sys._is_gil_enabled(), "importing {name} turned the GIL on"
"""


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def empty_python(tmp_path: Path) -> Path:
    home = tmp_path / "empty"
    run(sys.executable, "-m", "virtualenv", "-q", home, cwd=tmp_path)
    return home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def pip(python: Path, *arguments: str | Path, cwd: Path) -> str:
    return run(python, "-m", "pip", "--disable-pip-version-check", *arguments, cwd=cwd)


def check_works(python: Path, package: Path, cwd: Path) -> None:
    run(python, "-W", "error", "-c", USE.format(name=package.name.replace("-", "_")), cwd=cwd)


def installed(python: Path, cwd: Path) -> set[str]:
    entries = json.loads(pip(python, "list", "--format=json", cwd=cwd))
    return {entry["name"] for entry in entries} - {"pip"}


def build_sdist(package: Path, folder: Path) -> tuple[Path, set[str]]:
    """The archive, and the names of the files in it."""
    run(sys.executable, "-m", "build", "--sdist", "-o", folder, package, cwd=folder)
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    assert {"LICENSE", "README.md", "pyproject.toml"} <= names
    assert not [name for name in names if name.startswith(("build/", "atomics/build/"))]
    return sdist, names


@pytest.mark.parametrize("package", NATIVE, ids=lambda path: path.name)
def test_sdist_builds_and_works_alone_and_outside_the_repository(
    package: Path, empty_python: Path, tmp_path: Path
) -> None:
    sdist, names = build_sdist(package, tmp_path)
    assert "atomics/CMakeLists.txt" in names
    pip(empty_python, "install", "-q", sdist, cwd=tmp_path)
    check_works(empty_python, package, tmp_path)
    assert installed(empty_python, tmp_path) == {package.name}
    shown = pip(empty_python, "show", "-f", package.name, cwd=tmp_path)
    assert "py.typed" in shown
    assert ".pyi" in shown


def test_checkout_installs_one_by_one_and_the_meta_package_on_top(
    empty_python: Path, tmp_path: Path
) -> None:
    before: set[str] = set()
    for package in NATIVE:
        pip(empty_python, "install", "-q", f"./packages/{package.name}", cwd=ROOT)
        check_works(empty_python, package, tmp_path)
        before.add(package.name)
        assert installed(empty_python, tmp_path) == before

    _, names = build_sdist(META, tmp_path)
    assert not [name for name in names if name.startswith("atomics")]
    pip(empty_python, "install", "-q", "./packages/cereggii", cwd=ROOT)
    check_works(empty_python, META, tmp_path)
    assert installed(empty_python, tmp_path) >= before | {"cereggii", "rich"}
    assert "py.typed" in pip(empty_python, "show", "-f", "cereggii", cwd=tmp_path)
    pip(empty_python, "check", cwd=tmp_path)
    shown = run(empty_python, "-m", "cereggii", "--increments", "1000", cwd=tmp_path)
    assert "AtomicDict of AtomicInts" in shown
