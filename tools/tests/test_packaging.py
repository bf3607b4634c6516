# SPDX-License-Identifier: Apache-2.0
"""The packages install from a checkout, and from their sdists, which can be tested alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
META = "cereggii"
NATIVE = sorted(path.parent.name for path in ROOT.glob("packages/cereggii-*/pyproject.toml"))
NAMES = [*NATIVE, META]
TOOLS = ["build", "cmake>=3.25", "nanobind>=3.1,<4", "scikit-build-core>=1.1", "uv"]

every_package = pytest.mark.parametrize("name", NAMES)

# Folders and files that may be in a working tree, but not in a release.
FOLDERS = {
    *(".hypothesis", ".mypy_cache", ".nox", ".pytest_cache", ".ruff_cache", ".venv"),
    *("__pycache__", "build", "cereggii.egg-info", "dist"),
}
GENERATED = {*FOLDERS, ".coverage", ".git", "uv.lock"}
LITTER = [
    *(f"{folder}/left_over" for folder in sorted(FOLDERS)),
    *(".coverage", "src/__pycache__/left_over.pyc", "tests/__pycache__/left_over.pyc"),
]

USE = """
import sys, sysconfig
import {name}
assert {name}.__all__
for name in {name}.__all__:
    getattr({name}, name)
if sysconfig.get_config_var("Py_GIL_DISABLED"):
    assert not sys._is_gil_enabled(), "importing {name} turned the GIL on"
print({name}.__file__)
"""

# All tests of each sdist are collected. The files with these names are run.
FEW_TESTS = "test_import or test_main or test_namespace or test_object_model"


def run(*command: str | Path, cwd: Path) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment["UV_CONCURRENT_BUILDS"] = "1"  # a build takes memory, and all cores itself
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def files_in(folder: Path) -> set[str]:
    """The paths of the files that belong to the folder, relative to it."""
    paths = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return {path.as_posix() for path in paths if GENERATED.isdisjoint(path.parts)}


class Environment:
    """A new virtual environment, and what can be done with it."""

    def __init__(self, home: Path) -> None:
        run(sys.executable, "-m", "virtualenv", "-q", home, cwd=home.parent)
        self.home = home
        self.python = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

    def run(self, *arguments: str | Path, cwd: Path | None = None) -> str:
        return run(self.python, *arguments, cwd=cwd or self.home)

    def pip(self, *arguments: str | Path, cwd: Path | None = None) -> str:
        return self.run("-m", "pip", "--disable-pip-version-check", *arguments, cwd=cwd)

    def uv(self, *arguments: str | Path, cwd: Path) -> str:
        return self.run("-m", "uv", *arguments, cwd=cwd)

    def installed(self) -> set[str]:
        entries = json.loads(self.pip("list", "--format=json"))
        return {entry["name"] for entry in entries} - {"pip"}

    def check_works(self, name: str) -> Path:
        """Uses all that a package brings. The file that is imported."""
        program = USE.format(name=name.replace("-", "_"))
        return Path(self.run("-W", "error", "-c", program).strip())


@pytest.fixture
def empty(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "empty")


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = Environment(tmp_path_factory.mktemp("tools") / "environment")
    environment.pip("install", "-q", "--prefer-binary", *TOOLS)
    return environment


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository that somebody has worked in, at a path that has to be quoted."""
    copy = tmp_path_factory.mktemp("checkout") / "cereggii à 100 %"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*GENERATED))
    packages = [copy / "packages" / name for name in NAMES]
    for folder in (*packages, copy / "atomics", copy / "tools" / "testing"):
        for litter in LITTER:
            (folder / litter).parent.mkdir(parents=True, exist_ok=True)
            (folder / litter).touch()
    return copy


@dataclass
class Sdist:
    """The source distribution of a package, and where it has been unpacked."""

    archive: Path
    unpacked: Path


@pytest.fixture(scope="module")
def sdists(
    tools: Environment, checkout: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Sdist]:
    folder = tmp_path_factory.mktemp("sdists")
    made = {}
    for name in NAMES:
        package = checkout / "packages" / name
        tools.run("-m", "build", "-q", "--no-isolation", "--sdist", "-o", folder, package)
        (archive,) = folder.glob(f"{name.replace('-', '_')}-[0-9]*.tar.gz")
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        made[name] = Sdist(archive, folder / archive.name.removesuffix(".tar.gz"))
    return made


class Wheels:
    """Built from the sdists, each in an environment of its own as users' pips do."""

    def __init__(self, tools: Environment, sdists: dict[str, Sdist], folder: Path) -> None:
        self._tools = tools
        self._sdists = sdists
        self.folder = folder

    def __getitem__(self, name: str) -> Path:
        pattern = f"{name.replace('-', '_')}-[0-9]*.whl"
        if not any(self.folder.glob(pattern)):
            archive = self._sdists[name].archive
            self._tools.pip("wheel", "-q", "--no-deps", "-w", self.folder, archive)
        (wheel,) = self.folder.glob(pattern)
        return wheel

    def needed_by(self, name: str) -> list[Path]:
        """The package's, and those of the packages that it needs."""
        return [self[needed] for needed in (NAMES if name == META else [name])]


@pytest.fixture(scope="module")
def wheels(
    tools: Environment, sdists: dict[str, Sdist], tmp_path_factory: pytest.TempPathFactory
) -> Wheels:
    return Wheels(tools, sdists, tmp_path_factory.mktemp("wheels"))


def requirements_in(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_bytes(archive.read(name)).get_all("Requires-Dist") or []


def check_pins(requirements: list[str], version: str) -> None:
    """Whether the meta-package needs exactly this version of the others, and nothing else."""
    needed = [text for text in requirements if "extra ==" not in text]
    assert sorted(needed) == sorted(f"{name}=={version}" for name in NATIVE)
    assert sorted(text for text in requirements if text not in needed) == [
        'matplotlib>=3.8; extra == "plot"',
        'rich>=13; extra == "rich"',
    ]


# ── sdists, and wheels made of them ────────────────────────────────────────────────────────────


@every_package
def test_an_sdist_has_what_belongs_there_and_no_more(name: str, sdists: dict[str, Sdist]) -> None:
    shared = {"conftest.py": "packages/conftest.py", "pytest.ini": "pytest.ini"}
    shared["tools/__init__.py"] = "tools/__init__.py"
    folders = ["tools/testing"] if name == META else ["tools/testing", "atomics"]
    for folder in folders:
        shared |= {f"{folder}/{path}": f"{folder}/{path}" for path in files_in(ROOT / folder)}
    own = {path: f"packages/{name}/{path}" for path in files_in(ROOT / "packages" / name)}
    assert {"LICENSE", "README.md", "pyproject.toml"} <= own.keys()
    assert any(path.startswith("tests/test_") for path in own)

    unpacked = sdists[name].unpacked
    found = {
        path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()
    }
    assert found == {*own, *shared, "PKG-INFO"}
    for path, origin in (own | shared).items():
        assert (unpacked / path).read_bytes() == (ROOT / origin).read_bytes(), path


@every_package
def test_an_sdist_makes_the_same_sdist(
    name: str, tools: Environment, sdists: dict[str, Sdist], tmp_path: Path
) -> None:
    again = shutil.copytree(sdists[name].unpacked, tmp_path / "again")
    tools.run("-m", "build", "-q", "--no-isolation", "--sdist", "-o", tmp_path, again)
    with (
        tarfile.open(tmp_path / sdists[name].archive.name) as new,
        tarfile.open(sdists[name].archive) as old,
    ):
        assert sorted(new.getnames()) == sorted(old.getnames())


@every_package
def test_a_wheel_made_of_an_sdist_works_alone(
    name: str, wheels: Wheels, empty: Environment
) -> None:
    empty.pip("install", "-q", "--no-index", *wheels.needed_by(name))
    assert empty.home in empty.check_works(name).parents
    assert empty.installed() == ({*NAMES} if name == META else {name})
    shown = empty.pip("show", "-f", name)
    assert "py.typed" in shown
    assert (".pyi" in shown) is (name != META)
    assert "LICENSE" in shown
    empty.pip("check")
    if name == META:
        assert "AtomicDict of AtomicInts" in empty.run("-m", "cereggii", "--increments", "1000")


def test_wheels_of_the_meta_package_pin_the_others(
    tools: Environment, checkout: Path, wheels: Wheels, tmp_path: Path
) -> None:
    version = wheels[META].name.split("-")[1]
    check_pins(requirements_in(wheels[META]), version)
    # In a checkout, too, where pip is told where the others are.
    package = checkout / "packages" / META
    tools.pip("wheel", "-q", "--no-deps", "--no-build-isolation", "-w", tmp_path, package)
    (wheel,) = tmp_path.glob("*.whl")
    check_pins(requirements_in(wheel), version)


@every_package
def test_the_tests_in_an_sdist_run_outside_the_repository(
    name: str, sdists: dict[str, Sdist], wheels: Wheels, empty: Environment, thorough: bool
) -> None:
    unpacked = sdists[name].unpacked
    group = f"{unpacked / 'pyproject.toml'}:test"
    empty.pip("install", "-q", "--prefer-binary", "--group", group, *wheels.needed_by(name))
    only = [] if thorough else ["-k", FEW_TESTS]
    shown = empty.run("-m", "pytest", "-q", "tests", *only, cwd=unpacked)
    assert int(re.findall(r"(\d+) passed", shown)[-1]) > 0


# ── checkouts ──────────────────────────────────────────────────────────────────────────────────


def paths(*names: str) -> list[str]:
    return [f"./packages/{name}" for name in names]


def editable(*names: str) -> list[str]:
    return [argument for path in paths(*names) for argument in ("-e", path)]


WAYS = {
    "the meta-package": (paths(META), NAMES),
    "with the extra": ([f"./packages/{META}[rich]"], [*NAMES, "rich"]),
    "all": (paths(*NAMES), NAMES),
    "all, the meta-package last": (paths(*reversed(NAMES)), NAMES),
    "all, editable": (editable(*NAMES), NAMES),
    **{f"only {name}": (paths(name), [name]) for name in NATIVE},
    **{f"only {name}, editable": (editable(name), [name]) for name in NATIVE},
}


@pytest.mark.parametrize("way", WAYS)
def test_pip_finds_in_a_checkout_what_a_package_needs(
    way: str, tools: Environment, checkout: Path
) -> None:
    arguments, expected = WAYS[way]
    what = ["--dry-run", "--quiet", "--report", "-", "--no-build-isolation", "--ignore-installed"]
    report = json.loads(tools.pip("install", *what, *arguments, cwd=checkout))
    found = {entry["metadata"]["name"]: entry["download_info"] for entry in report["install"]}
    assert found.keys() >= {*expected}
    assert {name for name in found if name.startswith("cereggii")} == {*expected} & {*NAMES}
    for name in found.keys() & NAMES:
        assert found[name]["url"] == (checkout / "packages" / name).as_uri()
        assert found[name]["dir_info"].get("editable", False) is ("-e" in arguments)


def test_editable_packages_are_used_where_they_are(
    checkout: Path, wheels: Wheels, empty: Environment, thorough: bool
) -> None:
    # One native package stands for the others, which are built alike.
    names = NAMES if thorough else ["cereggii-atomicint", META]
    others = [wheels[name] for name in NATIVE if name not in names]
    empty.pip("install", "-q", *others, *editable(*names), cwd=checkout)
    assert empty.installed() == {*NAMES}
    for name in names:
        package = checkout / "packages" / name
        assert package / "src" in empty.check_works(name).parents
    empty.pip("check")
    about = checkout / "packages" / META / "src" / "cereggii" / "__about__.py"
    before = about.read_text("utf-8")
    about.write_text(f"{before}\nEDITED = 1\n", "utf-8")
    assert empty.run("-c", "import cereggii.__about__ as a; print(a.EDITED)").strip() == "1"
    about.write_text(before, "utf-8")


def test_uv_finds_in_a_checkout_what_a_package_needs(
    tools: Environment, empty: Environment, checkout: Path
) -> None:
    tools.uv("lock", "--python", sys.executable, cwd=checkout)
    locked = (checkout / "uv.lock").read_text("utf-8")
    for name in NAMES:
        assert f'source = {{ editable = "packages/{name}" }}' in locked
    # It names the hosts of an index, so it is not to be committed.
    assert "uv.lock" in (ROOT / ".gitignore").read_text("utf-8").split()
    tools.uv("sync", "--dry-run", "--locked", "--python", sys.executable, cwd=checkout)
    for package in paths(*NAMES):
        tools.uv("pip", "install", "--dry-run", "--python", empty.python, package, cwd=checkout)


@every_package
def test_uv_builds_a_package_again_when_a_file_of_it_has_changed(name: str) -> None:
    package = ROOT / "packages" / name
    keys = tomllib.loads((package / "pyproject.toml").read_text("utf-8"))["tool"]["uv"][
        "cache-keys"
    ]
    noticed = {path.resolve() for key in keys for path in package.glob(key["file"])}
    sources = [package / path for path in files_in(package)]
    if name != META:
        sources += [ROOT / "atomics" / path for path in files_in(ROOT / "atomics")]
    not_built = {".md", "", ".typed"}  # documents, the license, and marks
    expected = {
        path for path in sources if path.suffix not in not_built and "tests" not in path.parts
    }
    assert expected - noticed == {package / "build_backend.py"} & {*sources}


def test_pip_and_uv_install_a_checkout(
    tools: Environment, checkout: Path, tmp_path: Path, thorough: bool
) -> None:
    if not thorough:
        pytest.skip("takes minutes: --thorough runs it")
    by_pip, by_uv = Environment(tmp_path / "pip"), Environment(tmp_path / "uv")
    by_pip.pip("install", "-q", *paths(META), cwd=checkout)
    # Members of a workspace that others need are editable otherwise.
    where = ["--no-editable", "--python", str(by_uv.python)]
    tools.uv("pip", "install", *where, *paths(META), cwd=checkout)
    for environment in (by_pip, by_uv):
        assert environment.installed() == {*NAMES}
        for name in NAMES:
            assert environment.home in environment.check_works(name).parents
        environment.pip("check")
    tools.uv("sync", "--python", sys.executable, cwd=checkout)
    for name in NAMES:
        program = USE.format(name=name.replace("-", "_"))
        shown = tools.uv("run", "--no-sync", "python", "-W", "error", "-c", program, cwd=checkout)
        assert checkout / "packages" / name in Path(shown.strip()).parents
