# SPDX-License-Identifier: Apache-2.0
"""Finding interpreters: what is there is used, what is not there gives one clear line."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import sys
import sysconfig
import tarfile
from pathlib import Path

import pytest

from tools import builds, cross, interpreters

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


def script(path: Path, command: str) -> Path:
    """A program that runs a line of shell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{command}\n")
    path.chmod(0o755)
    return path


def fake_python(path: Path, answer: str) -> Path:
    """An executable that answers the probe like a Python of another version."""
    return script(path, f"echo {answer}")


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
    source = builds.SOURCES["3.14t"][0]
    built = fake_python(builds.python_of(source, "3.14t"), "3.14t")
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


def test_an_interpreter_that_cannot_be_had_gives_one_line(
    bare_machine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(builds.Unavailable, match=r"Python 2\.7 was not found on PATH"):
        interpreters.ensure("2.7")
    assert interpreters.main(["2.7"]) == 1
    assert "2.7" in capsys.readouterr().err


def test_missing_compiler_is_named(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(builds.Unavailable, match=r"gcc make.*apt-get install"):
        interpreters.ensure("3.14t")


@pytest.mark.parametrize("platform", cross.PLATFORMS)
def test_packages_for_another_platform_are_named(bare_machine: Path, platform: str) -> None:
    with pytest.raises(builds.Unavailable, match=rf"Building for {platform} needs (gcc|g\+\+)-"):
        cross.check(platform)
    for tool in cross.PLATFORMS[platform].tools:
        script(bare_machine / tool, "exit 1")
    cross.check(platform)


def test_download_that_is_not_what_was_published_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    for source in builds.SOURCES["3.14t"]:
        archive = site / source.path
        archive.parent.mkdir(parents=True, exist_ok=True)
        archive.write_bytes(b"not Python")
    script(tmp_path / "apt-get", f"echo file://{site}")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(builds.Unavailable, match="could not be downloaded"):
        builds._download("3.14t", tmp_path)


def test_variants_of_a_version_are_kept_apart() -> None:
    source = builds.Source("python3.14_3.14.7", "")
    paths = [builds.python_of(source, version) for version in ("3.14t", "3.14t-tsan")]
    assert [path.parent.parent.name for path in paths] == [
        "cpython-3.14.7t",
        "cpython-3.14.7t-tsan",
    ]
    assert [path.name for path in paths] == ["python3.14t", "python3.14t"]


def test_unknown_variant_gives_one_line(bare_machine: Path) -> None:
    with pytest.raises(builds.Unavailable, match="variants are tsan and asan"):
        interpreters.ensure("3.14t-other")


def test_sanitizers_compiler_is_named_and_not_installed(
    bare_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_python(builds.python_of(builds.SOURCES["3.14t"][0], "3.14t-tsan"), "3.14t-tsan")
    called = bare_machine / "called"
    script(bare_machine / "apt-get", f"echo > {called}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(builds.Unavailable, match="llvm-19 libclang-rt-19-dev`, then"):
        interpreters.ensure("3.14t-tsan")
    assert not called.exists()


def test_sanitizers_library_is_named_where_the_compiler_lacks_it(bare_machine: Path) -> None:
    for tool in builds.VARIANTS["tsan"].tools:
        script(bare_machine / tool, "exit 1")
    with pytest.raises(builds.Unavailable, match="needs libclang-rt-19-dev:"):
        interpreters.ensure("3.14t-tsan")


def test_version_tells_how_the_interpreter_was_configured(
    bare_machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, variant in builds.VARIANTS.items():
        arguments = " ".join(f"'{option}'" for option in variant.options)
        known = {"Py_GIL_DISABLED": 1, "CONFIG_ARGS": arguments}
        monkeypatch.setattr(sysconfig, "get_config_var", known.get)
        exec(interpreters.PROBE)
        assert capsys.readouterr().out.split() == [f"{HERE}t" + (f"-{name}" if name else "")]


@pytest.fixture
def small_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source package that is built at once, and installs what says that it is "3.14t-small".

    The returned file will say what `configure` was told.
    """
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = builds.Source("python3.14_3.14.7", "")
    python = builds.python_of(source, "3.14t-small")
    told = tmp_path / "told"
    tree = tmp_path / "Python"
    script(tree / "configure", f'echo "$MOOD" "$@" > {told}')
    script(tree / "python", "echo 3.14t-small")
    (tree / "rules").write_text("a rule\n")
    (tree / "Makefile").write_text(
        f"all:\naltinstall:\n\tmkdir -p $(DESTDIR){python.parent}\n\tcp python $(DESTDIR){python}\n"
    )
    archive = tmp_path / "site" / source.path
    archive.parent.mkdir(parents=True)
    with tarfile.open(archive, "w:xz") as tar:
        tar.add(tree, tree.name)
    source = dataclasses.replace(source, sha256=hashlib.sha256(archive.read_bytes()).hexdigest())
    monkeypatch.setattr(builds, "SOURCES", {"3.14t": (source,)})
    monkeypatch.setattr(builds, "BUILD_HEADERS", {})
    script(tmp_path / "tools" / "apt-get", f"echo file://{tmp_path}/site")
    monkeypatch.setenv("PATH", f"{tmp_path}/tools:{os.environ['PATH']}")
    return told


@pytest.mark.skipif(not shutil.which("make") or not shutil.which("cc"), reason="builds a program")
def test_variant_is_built_its_own_way_and_once(
    small_source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = builds.Variant(
        tools={"cc": "gcc"},
        cc="cc",
        cxx="c++",
        options=("--small",),
        flags="-O1",
        environment={"MOOD": "calm"},
        keeps="rules",
    )
    monkeypatch.setitem(builds.VARIANTS, "small", small)
    python = interpreters.ensure("3.14t-small")
    mood, *options = small_source.read_text().split()
    assert mood == "calm"
    assert {"CC=cc", "CXX=c++", "--disable-gil", "--small"} <= {*options}
    assert (python.parents[1] / "rules").read_text() == "a rule\n"
    small_source.unlink()
    assert interpreters.ensure("3.14t-small") == python
    assert not small_source.exists()
