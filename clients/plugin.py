# SPDX-License-Identifier: Apache-2.0
"""A pytest plugin: the tests of a client pass, except those that its list says differ.

A test that is listed is expected to fail, in the way that the list shows. The run fails if such a
test passes, is skipped, fails in another way, or is not there.
"""

from __future__ import annotations

import json
import random
import re
import sys
import sysconfig
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest

from clients.client import Client, Difference, load

SEED = 20

CLIENT = pytest.StashKey[Client]()
LISTED = pytest.StashKey[dict[str, Difference]]()
DIFFERENCE = pytest.StashKey[Difference]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options that `python -m clients` gives."""
    parser.addoption("--client", required=True, help="the client whose suite this is")
    parser.addoption("--tally", type=Path, help="the file to write the numbers to, as JSON")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Puts our types in place, before any test is collected."""
    client = load(config.getoption("--client"))
    client.put_in_place()
    config.stash[CLIENT] = client
    config.stash[LISTED] = listed(client)


def listed(client: Client) -> dict[str, Difference]:
    """The tests that differ; each of them is listed once."""
    tests = [test for difference in client.differences for test in difference.tests]
    twice = [test for test, times in Counter(tests).items() if times > 1]
    if twice:
        raise pytest.UsageError(f"listed twice as different: {', '.join(twice)}")
    vague = [each.reason for each in client.differences if each.runs and not each.shows]
    if vague:
        raise pytest.UsageError(f"without what the failure shows: {', '.join(vague)}")
    return {test: each for each in client.differences for test in each.tests}


def pytest_report_header(config: pytest.Config) -> str:
    """Says what runs."""
    client = config.stash[CLIENT]
    return f"client: {client.title} (random numbers: seed {SEED})"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks the tests that are listed. Each of them has to be there."""
    has_gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    if has_gil and sysconfig.get_config_var("Py_GIL_DISABLED"):
        raise pytest.UsageError("a module of the suite has enabled the GIL")
    listed = config.stash[LISTED]
    client = config.stash[CLIENT]
    for item in items:
        if item.nodeid in listed:
            difference = listed[item.nodeid]
            item.stash[DIFFERENCE] = difference
            reason, runs = difference.reason, difference.runs
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True, run=runs))
    missing = sorted(listed.keys() - {item.nodeid for item in items})
    if missing and not client.of_interpreter and not _is_partial(config):
        raise pytest.UsageError(f"listed as different, but not there: {', '.join(missing)}")


def _is_partial(config: pytest.Config) -> bool:
    return bool(config.option.keyword or config.option.markexpr or config.option.maxfail)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    random.seed(SEED)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Does not excuse a listed test that fails in another way than the list shows."""
    report = yield
    difference = item.stash.get(DIFFERENCE, None)
    if difference and difference.runs and call.excinfo and hasattr(report, "wasxfail"):
        failure = f"{call.excinfo.type.__name__}: {call.excinfo.value}"
        if not re.search(difference.shows, failure):
            del report.wasxfail
            report.outcome = "failed"
            report.sections.append(("not as listed", f"{failure!r} shows no {difference.shows!r}"))
    elif difference and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"listed as different, but skipped: {report.longrepr}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Writes down how many tests passed, and how many differ."""
    config = terminalreporter.config
    listed = config.stash[LISTED]
    tally = Counter[str]()
    for outcome in ("passed", "skipped", "failed", "error", "xfailed", "xpassed"):
        for report in terminalreporter.getreports(outcome):
            # A suite has failures of its own that it expects.
            tally["listed" if outcome == "xfailed" and report.nodeid in listed else outcome] += 1
    path = config.getoption("--tally")
    if path is not None:
        path.write_text(json.dumps(tally))
