# SPDX-License-Identifier: Apache-2.0
"""What `nox -s clients` relies on: each way to differ from a client's list fails the run."""

from __future__ import annotations

import builtins
import json
import sys
from collections import UserDict
from importlib import import_module
from pathlib import Path

import pytest

from clients import plugin
from clients.client import NAMES, Client, Difference
from clients.substitution import replace_dict

pytest_plugins = ["pytester"]

SUITE = """
    def test_that_passes(): pass
    def test_that_raises_a_key_error(): raise KeyError("a")
"""
SKIPS = """
    import pytest
    def test_that_is_skipped(): pytest.skip("a reason")
"""
PASSES = "test_suite.py::test_that_passes"
RAISES = "test_suite.py::test_that_raises_a_key_error"


def outcomes(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    *differences: Difference,
    of_interpreter: bool = False,
    suite: str = SUITE,
) -> tuple[int, dict[str, int]]:
    """The exit code of a run of a suite with this list, and the numbers that it writes down."""
    pytester.makepyfile(test_suite=suite)
    client = Client(
        title="",
        suite="",
        root=lambda: Path(),
        tests=(),
        differences=differences,
        of_interpreter=of_interpreter,
    )
    monkeypatch.setattr(plugin, "load", lambda name: client)
    tally = pytester.path / "tally.json"
    result = pytester.runpytest_inprocess(
        "-p", "clients.plugin", "--client=any", f"--tally={tally}", "-p", "no:cacheprovider"
    )
    return int(result.ret), json.loads(tally.read_text()) if tally.exists() else {}


def difference(test: str, shows: str = "^KeyError: 'a'$") -> Difference:
    return Difference(reason="A reason.", shows=shows, tests=(test,))


def test_a_test_that_differs_as_listed_is_expected(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = outcomes(pytester, monkeypatch, difference(RAISES))
    assert run == (0, {"passed": 1, "listed": 1})


def test_a_test_that_fails_and_is_not_listed_fails_the_run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert outcomes(pytester, monkeypatch) == (1, {"passed": 1, "failed": 1})


def test_a_listed_test_that_passes_fails_the_run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = outcomes(pytester, monkeypatch, difference(RAISES), difference(PASSES))
    assert run == (1, {"failed": 1, "listed": 1})


def test_a_listed_test_that_fails_in_another_way_fails_the_run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = outcomes(pytester, monkeypatch, difference(RAISES, shows="KeyError: 'b'"))
    assert run == (1, {"passed": 1, "failed": 1})


def test_a_listed_test_that_is_skipped_fails_the_run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    skipped = difference("test_suite.py::test_that_is_skipped")
    assert outcomes(pytester, monkeypatch, skipped, suite=SKIPS) == (1, {"failed": 1})
    assert outcomes(pytester, monkeypatch, suite=SKIPS) == (0, {"skipped": 1})


def test_a_listed_test_that_is_not_there_fails_the_run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = difference("test_suite.py::test_that_is_gone")
    code, _ = outcomes(pytester, monkeypatch, difference(RAISES), gone)
    assert code == int(pytest.ExitCode.USAGE_ERROR)


def test_another_version_of_the_interpreter_may_have_other_tests(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = difference("test_suite.py::test_that_is_gone")
    run = outcomes(pytester, monkeypatch, difference(RAISES), gone, of_interpreter=True)
    assert run == (0, {"passed": 1, "listed": 1})


def test_no_test_is_listed_twice(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _ = outcomes(pytester, monkeypatch, difference(RAISES), difference(RAISES))
    assert code == int(pytest.ExitCode.USAGE_ERROR)


def test_a_suite_of_cpython_needs_its_test_package(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(title="", suite="", root=lambda: Path(), tests=(), of_interpreter=True)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "has no package `test`" in str(client.unavailable())
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    assert client.unavailable() is None


def test_every_module_of_a_client_is_in_the_list_of_names() -> None:
    folder = Path(plugin.__file__).parent
    clients = {path.stem for path in folder.glob("*.py") if "CLIENT = " in path.read_text("utf-8")}
    assert clients - {"plugin"} == {*NAMES}


class Replacement(UserDict[object, object]):
    """Takes what dict takes, and is not one."""


PROGRAM = """
from __future__ import annotations

log = []

def say(x):
    log.append(x)
    return x

empty = {}
shown = {say("a"): say(1), say("b"): say(2)}
merged = {**shown, "c": 3}
comprehended = {x: y for x, y in shown.items()}
nested = {"outer": {"inner": 1}}
called = dict(a=1)
kind = dict

def function(**keywords: dict[str, int]):
    return keywords
"""


def test_every_dict_that_a_module_makes_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("replaced", "original"):
        (tmp_path / f"{name}.py").write_text(PROGRAM)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    monkeypatch.setattr(builtins, "__dict_type__", None, raising=False)
    replace_dict(Replacement, "replaced")
    original, replaced = import_module("original"), import_module("replaced")

    for name in ("empty", "shown", "merged", "comprehended", "nested", "called"):
        made = getattr(replaced, name)
        assert type(made) is Replacement
        assert made == getattr(original, name)
        assert type(getattr(original, name)) is dict
    assert type(replaced.nested["outer"]) is Replacement
    assert replaced.kind is Replacement
    assert replaced.log == original.log == ["a", 1, "b", 2]
    assert type(replaced.function()) is dict  # what the interpreter makes itself
