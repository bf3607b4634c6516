# SPDX-License-Identifier: Apache-2.0
"""Finding interpreters: what is there is used, what is not there gives one clear line."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tools import interpreters

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


def fake_python(path: Path, answer: str) -> Path:
    """An executable that answers the probe like a Python of another version."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {answer}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without Pythons, caches or tools: PATH is the returned folder."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setattr(sys, "executable", str(folder / "none"))
    return folder


def test_running_interpreter_is_found() -> None:
    assert interpreters.ensure(HERE) is not None


def test_path_comes_before_the_cache(bare_machine: Path) -> None:
    source = interpreters.SOURCES["3.14t"][0]
    built = fake_python(
        interpreters.cache() / f"cpython-{source.release}t" / "bin" / "python3.14t", "3.14t"
    )
    assert interpreters.ensure("3.14t") == built
    first = fake_python(bare_machine / "python3.14t", "3.14t")
    assert interpreters.ensure("3.14t") == first


def test_pyenv_versions_are_found(bare_machine: Path) -> None:
    root = Path(os.environ["PYENV_ROOT"])
    python = fake_python(root / "versions" / "3.12.1" / "bin" / "python3.12", "3.12")
    assert interpreters.ensure("3.12") == python


def test_shim_that_does_not_run_is_passed_over(bare_machine: Path) -> None:
    shim = fake_python(bare_machine / "python3.12", "nothing; exit 127")
    assert interpreters.find("3.12") is None
    fake_python(shim, "3.13")
    assert interpreters.find("3.12") is None


def test_build_with_gil_is_not_taken_for_a_free_threaded_one(bare_machine: Path) -> None:
    fake_python(bare_machine / "python3.14t", "3.14")
    assert interpreters.find("3.14t") is None


def test_uv_is_asked_for_what_is_missing(bare_machine: Path, tmp_path: Path) -> None:
    python = tmp_path / "uv-python"
    uv = bare_machine / "uv"
    uv.write_text(
        "#!/bin/sh\n"
        'if [ "$2" = install ]; then\n'
        f'echo "#!/bin/sh\necho 3.14t" > {python}; /bin/chmod +x {python}; fi\n'
        f'if [ "$2" = find ]; then [ -e {python} ] || exit 2; echo {python}; fi\n'
    )
    uv.chmod(0o755)
    assert interpreters.ensure("3.14t") == python


def test_what_cannot_be_had_gives_one_line(
    bare_machine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(interpreters.Unavailable, match=r"Python 3\.10 was not found on PATH"):
        interpreters.ensure("3.10")
    assert interpreters.main(["3.10"]) == 1
    assert "3.10" in capsys.readouterr().err


def test_missing_compiler_is_named(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(interpreters.Unavailable, match=r"gcc make.*apt-get install"):
        interpreters.ensure("3.14t")


def test_download_that_is_not_what_was_published_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    for source in interpreters.SOURCES["3.14t"]:
        archive = site / source.path
        archive.parent.mkdir(parents=True, exist_ok=True)
        archive.write_bytes(b"not Python")
    apt = tmp_path / "apt-get"
    apt.write_text(f"#!/bin/sh\necho file://{site}\n")
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(interpreters.Unavailable, match="could not be downloaded"):
        interpreters._download("3.14t", tmp_path)
