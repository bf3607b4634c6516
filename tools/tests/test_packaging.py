# SPDX-License-Identifier: Apache-2.0
"""Each package builds anywhere from its sdist, and installs and works alone."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml"))

USE = """
import sys, sysconfig
import {name}
assert {name}.__all__
if sysconfig.get_config_var("Py_GIL_DISABLED"):
    assert not sys._is_gil_enabled(), "importing {name} turned the GIL on"
"""


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(params=PACKAGES, ids=lambda path: path.name)
def package(request: pytest.FixtureRequest) -> Path:
    path = request.param
    assert isinstance(path, Path)
    return path


@pytest.fixture
def empty_python(tmp_path: Path) -> Path:
    home = tmp_path / "empty"
    run(sys.executable, "-m", "virtualenv", "-q", home, cwd=tmp_path)
    return home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def check_alone(python: Path, package: Path, cwd: Path) -> None:
    name = package.name.replace("-", "_")
    run(python, "-W", "error", "-c", USE.format(name=name), cwd=cwd)
    installed = json.loads(run(python, "-m", "pip", "list", "--format=json", cwd=cwd))
    assert {entry["name"] for entry in installed} - {"pip"} == {package.name}


def test_sdist_builds_and_works_outside_the_repository(
    package: Path, empty_python: Path, tmp_path: Path
) -> None:
    run(sys.executable, "-m", "build", "--sdist", "-o", tmp_path, package, cwd=tmp_path)
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    assert {"LICENSE", "README.md", "pyproject.toml", "atomics/CMakeLists.txt"} <= names
    assert not [name for name in names if name.startswith(("build/", "atomics/build/"))]

    pip = [str(empty_python), "-m", "pip", "--disable-pip-version-check"]
    run(*pip, "install", "-q", sdist, cwd=tmp_path)
    check_alone(empty_python, package, tmp_path)
    shown = run(*pip, "show", "-f", package.name, cwd=tmp_path)
    assert "py.typed" in shown
    assert ".pyi" in shown


def test_checkout_installs_and_works_alone(
    package: Path, empty_python: Path, tmp_path: Path
) -> None:
    pip = [str(empty_python), "-m", "pip", "--disable-pip-version-check"]
    run(*pip, "install", "-q", f"./packages/{package.name}", cwd=ROOT)
    check_alone(empty_python, package, tmp_path)
