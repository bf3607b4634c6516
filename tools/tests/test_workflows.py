# SPDX-License-Identifier: Apache-2.0
"""The workflows run what nox runs, on all that is supported, and may do no more than they need.

`lint` has actionlint and zizmor read them. This is about what these cannot know.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from nox import registry

import noxfile
from tools.publish.platforms import PLATFORMS

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = {path.name: yaml.safe_load(path.read_text("utf-8")) for path in FOLDER.iterdir()}
SESSIONS = set(registry.get())

NIGHTLY = {
    *("tsan", "asan", "weak-memory", "model", "interrupted", "repeat", "fuzz", "soak", "clients"),
    *("tidy", "wheels", "aarch64", "riscv64", "mingw"),
}

every_workflow = pytest.mark.parametrize("name", WORKFLOWS)


def cells(job: dict[str, Any]) -> Iterator[dict[str, str]]:
    """The values of the matrix in each run of a job."""
    matrix = dict(job.get("strategy", {}).get("matrix", {}))
    included = matrix.pop("include", [])
    if matrix:
        for values in product(*matrix.values()):
            yield dict(zip(matrix, values, strict=True))
    yield from included
    if not matrix and not included:
        yield {}


def commands(job: dict[str, Any]) -> Iterator[str]:
    """The lines that a job runs, besides what sets a machine up, for each cell of its matrix."""
    for step in job.get("steps", []):
        if "run" not in step or step.get("name", "").startswith("Set up "):
            continue
        for cell in cells(job):
            text = re.sub(r"\$\{\{ matrix\.(\w+) \}\}", lambda m: cell[m[1]], step["run"])  # noqa: B023
            yield from text.splitlines()


def sessions_in(command: str) -> list[str]:
    """The sessions that a line runs. It is an error if it does anything else."""
    words = shlex.split(command)
    assert words[:2] == ["python3", "tools/dev.py"], f"`{command}` is not a session of nox"
    rest = words[2:]
    sessions = rest[: rest.index("--")] if "--" in rest else rest
    assert sessions, f"`{command}` names no session"
    assert set(sessions) <= SESSIONS, f"`{command}` names a session that noxfile.py has not"
    return sessions


def sessions_of(*names: str) -> set[str]:
    return {
        session
        for name in names
        for job in WORKFLOWS[name]["jobs"].values()
        for command in commands(job)
        for session in sessions_in(command)
    }


def test_each_line_runs_sessions_that_exist() -> None:
    assert sessions_of(*WORKFLOWS) >= {"lint", "typing", "build", "cibuildwheel", "sdists"}


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("pip install cereggii", "is not a session"),
        ("python3 tools/dev.py no-such-session", "has not"),
        ("python3 tools/dev.py lint no-such-session -- --quick", "has not"),
        ("python3 tools/dev.py -- --quick", "names no session"),
    ],
)
def test_a_line_that_runs_no_session_is_found(command: str, problem: str) -> None:
    assert sessions_in("python3 tools/dev.py lint typing -- --quick") == ["lint", "typing"]
    with pytest.raises(AssertionError, match=problem):
        sessions_in(command)


def test_each_cell_of_a_matrix_is_a_line() -> None:
    step = {"run": "python3 tools/dev.py ${{ matrix.session }}-${{ matrix.python }}"}
    matrix: dict[str, Any] = {"session": ["tests"], "python": ["3.11", "3.14t"]}
    job = {"strategy": {"matrix": matrix}, "steps": [{"name": "Set up it", "run": "apt"}, step]}
    assert list(commands(job)) == [
        "python3 tools/dev.py tests-3.11",
        "python3 tools/dev.py tests-3.14t",
    ]
    job["strategy"] = {"matrix": {"include": [{"session": "soak", "python": "3"}]}}
    assert list(commands(job)) == ["python3 tools/dev.py soak-3"]


def test_a_change_has_to_pass_all_tests_on_all_versions() -> None:
    versions = {*noxfile.FREE_THREADED, *noxfile.WITH_GIL}
    jobs = WORKFLOWS["tests.yml"]["jobs"]
    assert jobs["suites"]["strategy"]["matrix"]["python"] == sorted(versions)
    assert set(jobs["systems"]["strategy"]["matrix"]["python"]) <= versions
    on_changes = [name for name, text in WORKFLOWS.items() if "pull_request" in text[True]]
    assert sessions_of(*on_changes) >= {
        *(f"tests-{version}" for version in versions),
        *noxfile.BESIDE_SUITES,
        *("lint", "typing"),
    }


def test_what_takes_long_is_run_every_night() -> None:
    assert sessions_of("nightly.yml") == NIGHTLY
    assert WORKFLOWS["nightly.yml"][True]["schedule"]


def test_wheels_are_built_for_each_platform_on_its_own_processor() -> None:
    found = WORKFLOWS["wheels.yml"]["jobs"]["wheels"]["strategy"]["matrix"]["include"]
    assert [cell["platform"] for cell in found] == list(PLATFORMS)
    systems = {"linux": "ubuntu", "macos": "macos", "windows": "windows"}
    for cell in found:
        platform = PLATFORMS[cell["platform"]]
        assert cell["runner"].startswith(systems[platform.system])
        arm = "arm" in cell["runner"] or cell["runner"] == "macos-15"
        assert arm is (platform.machine.lower() in {"aarch64", "arm64"})


def test_a_release_publishes_the_meta_package_last() -> None:
    jobs = WORKFLOWS["release.yml"]["jobs"]
    assert WORKFLOWS["release.yml"][True] == {"push": {"tags": ["v*"]}}
    assert jobs["wheels"]["with"] == {"tag": "${{ github.ref_name }}"}
    assert set(jobs["extensions"]["needs"]) == {"tests", "wheels"}
    assert jobs["meta"]["needs"] == ["extensions"]
    artifacts = {
        step["with"]["name"]: step["with"]["path"]
        for job in WORKFLOWS["wheels.yml"]["jobs"].values()
        for step in job["steps"]
        if "upload-artifact" in step.get("uses", "")
    }
    assert {path for name, path in artifacts.items() if name.startswith("extensions-")} == {
        "dist/extensions/*"
    }
    assert artifacts["meta"] == "dist/meta/*"
    for name, chosen in (("extensions", {"pattern": "extensions-*"}), ("meta", {"name": "meta"})):
        download, publish = jobs[name]["steps"]
        assert chosen.items() <= download["with"].items()
        assert publish["with"]["attestations"] is True
        assert publish["with"]["packages-dir"] == download["with"]["path"]


@every_workflow
def test_a_job_may_do_no_more_than_it_needs(name: str) -> None:
    workflow = WORKFLOWS[name]
    assert workflow["permissions"] == {}
    assert workflow["concurrency"]["group"]
    publishing = {"release.yml": ["extensions", "meta"], "docs.yml": ["publish"]}.get(name, [])
    for job_name, job in workflow["jobs"].items():
        assert job["permissions"], "what it may do is written down"
        if job_name in publishing:
            assert job["permissions"]["id-token"] == "write"
            assert job["environment"]
        else:
            assert job["permissions"] == {"contents": "read"}
        assert "uses" in job or 0 < job["timeout-minutes"] <= 300


@every_workflow
def test_actions_are_pinned(name: str) -> None:
    for line in (FOLDER / name).read_text("utf-8").splitlines():
        used = re.search(r"\buses: (?P<action>.*)", line)
        if used and not used["action"].startswith("./"):
            assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used["action"])


def test_one_version_of_each_action_is_used() -> None:
    texts = "\n".join(path.read_text("utf-8") for path in FOLDER.iterdir())
    pins = set(re.findall(r"uses: (\S+)@(\S+)", texts))
    assert len(pins) == len({action for action, _ in pins})


def test_checkouts_keep_no_password() -> None:
    for workflow in WORKFLOWS.values():
        for job in workflow["jobs"].values():
            for step in job.get("steps", []):
                if "actions/checkout" in step.get("uses", ""):
                    assert step["with"]["persist-credentials"] is False


def test_forms_for_issues_ask_questions() -> None:
    forms = list((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
    names = set()
    for path in forms:
        form = yaml.safe_load(path.read_text("utf-8"))
        if path.name == "config.yml":
            continue
        assert {"name", "description", "body"} <= form.keys() <= {"name", "description", "body"}
        names.add(form["name"])
        asked = [part for part in form["body"] if part["type"] != "markdown"]
        assert asked
        identifiers = [part["id"] for part in asked]
        assert len(set(identifiers)) == len(identifiers)
        assert all(part["attributes"]["label"] for part in asked)
        assert any(part.get("validations", {}).get("required") for part in asked)
    assert len(names) == len(forms) - 1
