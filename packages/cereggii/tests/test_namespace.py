# SPDX-License-Identifier: Apache-2.0
"""`import cereggii` has everything, under the names that there should be, and costs no GIL."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import cereggii
import cereggii_atomicdict
import cereggii_atomicfloat
import cereggii_atomicint
import cereggii_atomicref
import pytest

from tools.testing.interpreters import FREE_THREADED, run_program

ROOT = Path(__file__).resolve().parents[3]

PARTS: dict[str, Any] = {
    "cereggii-atomicint": cereggii_atomicint,
    "cereggii-atomicfloat": cereggii_atomicfloat,
    "cereggii-atomicref": cereggii_atomicref,
    "cereggii-atomicdict": cereggii_atomicdict,
}
VERSION = {"__license__", "__version__", "__version_tuple__"}
OWN = {
    *("AtomicBool", "AtomicBoolHandle", "AtomicCache", "AtomicEvent", "AtomicInt64"),
    *("AtomicKeyedCounter", "AtomicKeyedCounterHandle", "CountDownLatch", "ReadersWriterLock"),
    *("ThreadHandle", "ThreadSet", "call_once", "once_property", "to_builtin"),
}
CONSTANTS = {"ANY", "EXPECTATION_FAILED", "NOT_FOUND"}


def module_name(package: str) -> str:
    return package.replace("-", "_")


in_the_repository = pytest.mark.skipif(
    not (ROOT / "docs" / "api.md").exists(),
    reason="an sdist has neither the docs nor the other packages",
)

every_name = pytest.mark.parametrize("name", cereggii.__all__)


# ── names ──────────────────────────────────────────────────────────────────────────────────────


def test_the_namespace_is_that_of_the_packages_and_what_is_made_of_them() -> None:
    of_the_packages = {name for part in PARTS.values() for name in part.__all__}
    assert {*cereggii.__all__} == of_the_packages | OWN
    assert len({*cereggii.__all__}) == len(cereggii.__all__)


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_names_of_the_other_packages_are_the_same_objects_here(part: Any) -> None:
    for name in part.__all__:
        if name != "ThreadHandle":
            assert getattr(cereggii, name) is getattr(part, name), name
    assert cereggii.AtomicInt64 is cereggii_atomicint.AtomicInt


@every_name
def test_every_name_is_importable_and_documented(name: str) -> None:
    found = getattr(importlib.import_module("cereggii"), name)
    if name not in CONSTANTS:
        assert len(inspect.getdoc(found) or "") > 40


@every_name
def test_every_public_member_is_documented(name: str) -> None:
    found = getattr(cereggii, name)
    if not isinstance(found, type) or issubclass(found, BaseException):
        return
    for member in dir(found):
        if not member.startswith("_"):
            assert inspect.getdoc(getattr(found, member)), member


@every_name
def test_everything_says_where_it_is_found(name: str) -> None:
    found = getattr(cereggii, name)
    if name not in CONSTANTS:
        assert found.__module__.partition(".")[0] in ("cereggii", *map(module_name, PARTS))
        assert getattr(importlib.import_module(found.__module__), found.__qualname__) is found
        assert found.__qualname__ == name.removesuffix("64")


def test_importing_everything_gives_exactly_these_names() -> None:
    names: dict[str, Any] = {}
    exec("from cereggii import *", names)
    assert names.keys() - {"__builtins__"} == {*cereggii.__all__}
    for name in cereggii.__all__:
        assert names[name] is getattr(cereggii, name)


def test_a_star_import_leaves_the_version_of_the_importing_module() -> None:
    names: dict[str, Any] = dict.fromkeys(VERSION, "mine")
    exec("from cereggii import *", names)
    assert {names[name] for name in VERSION} == {"mine"}


def test_the_namespace_is_documented() -> None:
    assert len(cereggii.__doc__ or "") > 40


# Where programs for cereggii 1.x find things.
MODULES = {
    "cereggii.atomic_bool": ["AtomicBool"],
    "cereggii.atomic_dict": ["AtomicDict"],
    "cereggii.atomic_dict.atomic_cache": ["AtomicCache"],
    "cereggii.atomic_event": ["AtomicEvent"],
    "cereggii.atomic_int": ["AtomicInt64"],
    "cereggii.atomic_ref": ["AtomicRef"],
    "cereggii.constants": [
        *("ANY", "EXPECTATION_FAILED", "NOT_FOUND"),
        *("ConcurrentUsageDetected", "ExpectationFailed"),
    ],
    "cereggii.count_down_latch": ["CountDownLatch"],
    "cereggii.locks": ["ReadersWriterLock"],
    "cereggii.misc": ["call_once"],
    "cereggii.thread_handle": ["ThreadHandle"],
    "cereggii.thread_set": ["ThreadSet"],
    "cereggii.__about__": ["__license__", "__version__", "__version_tuple__"],
}


@pytest.mark.parametrize(("path", "names"), MODULES.items(), ids=MODULES)
def test_the_modules_of_cereggii_1_are_there(path: str, names: list[str]) -> None:
    module = importlib.import_module(path)
    for name in names:
        assert getattr(module, name) is getattr(cereggii, name)
    assert module.__doc__
    everything: dict[str, Any] = {}
    exec(f"from {path} import *", everything)
    if path != "cereggii.__about__":
        assert {*names} <= {*module.__all__} == everything.keys() - {"__builtins__"}


# ── importing ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.skipif(not FREE_THREADED, reason="there is a GIL in this build")
def test_the_import_leaves_the_gil_disabled() -> None:
    program = """
        import importlib, sys, warnings
        warnings.simplefilter("error")
        for path in ["cereggii", *sys.argv[1:]]:
            importlib.import_module(path)
            assert not sys._is_gil_enabled(), path
        print("disabled")
    """
    assert run_program(program, *MODULES).strip() == "disabled"


def test_the_import_takes_nothing_that_only_the_command_line_needs() -> None:
    program = """
        import sys
        import cereggii
        print("rich" in sys.modules)
    """
    assert run_program(program).strip() == "False"


# ── versions ───────────────────────────────────────────────────────────────────────────────────


def project_of(package: Path) -> Any:
    """The project table of a package's pyproject.toml."""
    tomllib: Any = pytest.importorskip("tomllib", reason="tomllib is new in Python 3.11")
    return tomllib.loads((package / "pyproject.toml").read_text("utf-8"))["project"]


def projects() -> dict[str, Any]:
    packages = sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml"))
    return {package.name: project_of(package) for package in packages}


@in_the_repository
def test_all_packages_have_one_version() -> None:
    found = {name: project["version"] for name, project in projects().items()}
    assert found.keys() == {"cereggii", *PARTS}
    assert {*found.values()} == {cereggii.__version__}


@in_the_repository
def test_this_package_depends_on_exactly_this_version_of_the_others() -> None:
    own = projects()["cereggii"]
    pins = {dependency for dependency in own["dependencies"] if dependency.startswith("cereggii")}
    assert pins == {f"{name}=={own['version']}" for name in PARTS}


@in_the_repository
def test_the_packages_agree_on_interpreters_and_license() -> None:
    found = [*projects().values()]
    for project in found:
        assert project["requires-python"] == found[0]["requires-python"]
        assert project["license"] == cereggii.__license__


def test_the_version_is_told_in_two_forms() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.?\w+)*", cereggii.__version__)
    assert all(isinstance(part, int) for part in cereggii.__version_tuple__[:3])
    assert ".".join(map(str, cereggii.__version_tuple__)) == cereggii.__version__


# ── docs/api.md ────────────────────────────────────────────────────────────────────────────────


def names_in_tables() -> dict[str, list[str]]:
    """The names that begin the rows of the tables of docs/api.md, by heading."""
    tables: dict[str, list[str]] = {}
    for line in (ROOT / "docs" / "api.md").read_text("utf-8").splitlines():
        if line.startswith("## "):
            tables[line.removeprefix("## ")] = names = []
        elif row := re.fullmatch(r"\| `(\w+)` \| (\S.*\S) \|", line):
            names.append(row[1])
        else:
            assert not line.startswith("| `"), line
    return tables


@in_the_repository
@every_name
def test_every_name_stands_in_the_docs(name: str) -> None:
    assert any(name in names for names in names_in_tables().values())


@in_the_repository
def test_the_docs_name_what_is_in_each_package_and_nothing_else() -> None:
    tables = names_in_tables()
    assert tables.keys() == {*PARTS, "cereggii"}
    for heading, part in PARTS.items():
        assert sorted(tables[heading]) == sorted(part.__all__)
    of_the_packages = {name for part in PARTS.values() for name in part.__all__}
    own = OWN - of_the_packages | {"ThreadHandle"} | VERSION
    assert sorted(tables["cereggii"]) == sorted(own)
