# SPDX-License-Identifier: Apache-2.0
"""One command makes a release, or says why it must not be made and changes nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from tools.publish import release
from tools.publish.platforms import META, PACKAGES

ROOT = Path(__file__).resolve().parents[2]
NEW = "7.0.0"
FILES = ["pyproject.toml", "CHANGELOG.md", "CITATION.cff"]
CHANGELOG = (
    "# Changelog\n\n## Unreleased\n\n### Added\n\n- Spam.\n\n## 1.0.0 - 2026-01-02\n\n- Eggs.\n"
)


def versions(root: Path) -> dict[str, str]:
    """The version in each place that has one."""
    found = {"pyproject.toml": release.current_version(root)}
    for path in sorted(root.glob("packages/*/pyproject.toml")):
        project = tomllib.loads(path.read_text("utf-8"))["project"]
        found[project["name"]] = project["version"]
        for requirement in project.get("dependencies", []):
            name, pinned, version = requirement.partition("==")
            if pinned:
                found[f"{project['name']}: {name}"] = version
    citation = (root / "CITATION.cff").read_text("utf-8")
    found["CITATION.cff"] = re.findall(r"^version: (.*)$", citation, re.MULTILINE)[0]
    return found


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with what has a version, and a change that is not released."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Spam")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "spam@example.org")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    root = tmp_path / "checkout"
    for name in [*FILES, *(f"packages/{package.name}/pyproject.toml" for package in PACKAGES)]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    (root / "CHANGELOG.md").write_text(CHANGELOG, "utf-8")
    release.git(root, "init", "-q", "-b", "main")
    commit(root)
    return root


def commit(root: Path) -> None:
    release.git(root, "add", "-A")
    release.git(root, "commit", "-q", "-m", "Spam")


def state(root: Path) -> tuple[str, ...]:
    return tuple(
        release.git(root, *command)
        for command in (["rev-parse", "HEAD"], ["tag", "--list"], ["status", "--porcelain"])
    )


def refused(root: Path, capsys: pytest.CaptureFixture[str], new: str = NEW) -> str:
    """What a release that must not be made says."""
    before = state(root)
    assert release.main([new], root) == 1
    assert state(root) == before
    return capsys.readouterr().out


def test_all_places_have_the_same_version() -> None:
    found = versions(ROOT)
    assert set(found.values()) == {release.current_version(ROOT)}
    pins = {name for name in found if name.startswith(f"{META.name}: ")}
    assert pins == {f"{META.name}: {package.name}" for package in PACKAGES if package != META}


def test_a_release_changes_the_version_everywhere(
    checkout: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    places = versions(checkout).keys()
    assert release.main([NEW], checkout) == 0
    assert f"git push --atomic origin main v{NEW}" in capfd.readouterr().out
    assert versions(checkout) == dict.fromkeys(places, NEW)

    changelog = (checkout / "CHANGELOG.md").read_text("utf-8")
    date = re.findall(rf"^## {NEW} - (\d{{4}}-\d\d-\d\d)$", changelog, re.MULTILINE)
    assert len(date) == 1
    assert changelog == CHANGELOG.replace(
        "## Unreleased\n", f"## Unreleased\n\n## {NEW} - {date[0]}\n"
    )
    citation = (checkout / "CITATION.cff").read_text("utf-8")
    assert f"version: {NEW}\ndate-released: {date[0]}\n" in citation

    assert release.git(checkout, "status", "--porcelain") == ""
    assert release.git(checkout, "log", "-1", "--format=%s") == f"Release {NEW}"
    assert release.git(checkout, "rev-parse", f"v{NEW}^{{commit}}") == release.git(
        checkout, "rev-parse", "HEAD"
    )
    assert release.git(checkout, "cat-file", "-t", f"v{NEW}") == "tag"


def test_a_second_release_follows_a_candidate(checkout: Path) -> None:
    assert release.main(["7.0.0rc1"], checkout) == 0
    text = (checkout / "CHANGELOG.md").read_text("utf-8")
    (checkout / "CHANGELOG.md").write_text(
        text.replace("## Unreleased\n", "## Unreleased\n\n- Ham.\n"), "utf-8"
    )
    commit(checkout)
    assert release.main(["7.0.0"], checkout) == 0
    assert set(versions(checkout).values()) == {"7.0.0"}
    assert (checkout / "CITATION.cff").read_text("utf-8").count("date-released: ") == 1
    assert release.git(checkout, "tag", "--list").split() == ["v7.0.0", "v7.0.0rc1"]


def test_a_dry_run_changes_nothing(checkout: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = state(checkout)
    assert release.main([NEW, "--dry-run"], checkout) == 0
    assert state(checkout) == before
    shown = capfd.readouterr()
    assert f'version = "{NEW}"' in shown.out + shown.err


def test_changes_that_are_not_committed_are_refused(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / "new").write_text("spam")
    assert "not committed:\n?? new" in refused(checkout, capsys)
    (checkout / "new").unlink()
    (checkout / "CITATION.cff").write_text("spam")
    assert "not committed:" in refused(checkout, capsys)


def test_other_branches_are_refused(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    release.git(checkout, "checkout", "-q", "-b", "spam")
    assert "releases are made on main, and this is spam" in refused(checkout, capsys)
    release.git(checkout, "checkout", "-q", "--detach")
    assert "this is no branch" in refused(checkout, capsys)


@pytest.mark.parametrize(
    ("new", "problem"),
    [
        ("spam", "spam is not a version"),
        ("v7.0.0", "v7.0.0 is written 7.0.0"),
        ("7.0.0-rc1", "7.0.0-rc1 is written 7.0.0rc1"),
        ("7.0", "7.0 has to have three numbers"),
        ("7.0.0.dev1", "7.0.0.dev1 is not for a release"),
        ("7.0.0.post1", "7.0.0.post1 is not for a release"),
        ("7.0.0+spam", "is not for a release"),
        ("1.9.9", "1.9.9 does not come after"),
        (release.current_version(ROOT), "does not come after"),
    ],
)
def test_versions_that_cannot_follow_are_refused(
    new: str, problem: str, checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert problem in refused(checkout, capsys, new)


@pytest.mark.parametrize(
    ("old", "text", "problem"),
    [
        ("## Unreleased\n", "", 'has to have one section "## Unreleased", and has 0'),
        ("# Changelog\n", "# Changelog\n\n## Unreleased\n", "and has 2"),
        ("### Added\n\n- Spam.\n", "", 'says nothing in "## Unreleased"'),
        ("## 1.0.0 ", f"## {NEW} ", f"already has a section about {NEW}"),
    ],
)
def test_a_changelog_that_does_not_fit_is_refused(
    old: str, text: str, problem: str, checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / "CHANGELOG.md").write_text(CHANGELOG.replace(old, text), "utf-8")
    commit(checkout)
    assert problem in refused(checkout, capsys)


def test_a_tag_that_exists_is_refused(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    release.git(checkout, "tag", f"v{NEW}")
    assert f"the tag v{NEW} exists" in refused(checkout, capsys)


def test_a_place_without_the_version_fails(
    checkout: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (checkout / "CITATION.cff").write_text("version: 1.0.0\n", "utf-8")
    commit(checkout)
    before = state(checkout)[:2]
    assert release.main([NEW], checkout) == 1
    assert state(checkout)[:2] == before
    assert "Nothing was released" in capfd.readouterr().out


def test_releases_are_made_of_a_clone(checkout: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", checkout, clone], check=True)
    assert release.main([NEW], clone) == 0
    assert release.git(checkout, "tag", "--list") == ""
