# SPDX-License-Identifier: Apache-2.0
"""Wheels that must not be published are found, and cibuildwheel builds those that must be."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path
from platform import machine
from typing import Any

import pytest
from packaging.utils import parse_wheel_filename

import noxfile
from tools import smoke
from tools.publish import __main__ as publish
from tools.publish import checks, platforms

TAG = "cp314-cp314t-manylinux_2_28_x86_64"
MODULE = "spam_eggs/_spam.cpython-314t-x86_64-linux-gnu.so"
SOURCE = """
__attribute__((visibility("default"))) void *PyInit__spam(void) { return 0; }
STRAY int stray(void) { return 1; }
"""
VISIBLE = '__attribute__((visibility("default")))'

linux = pytest.mark.skipif(
    sys.platform != "linux" or machine() != "x86_64" or not shutil.which("cc"),
    reason="it compiles extension modules: runs on Linux on x86-64, where there is a C compiler",
)


def extension(folder: Path, *options: str, source: str = SOURCE, stray: str = "static") -> bytes:
    """An extension module of C code. It is stripped, unless other options are given."""
    output = folder / "module.so"
    command = ["cc", "-x", "c", "-shared", "-fPIC", "-fvisibility=hidden", f"-DSTRAY={stray}"]
    subprocess.run(
        [*command, *(options or ["-s"]), "-o", output, "-"], input=source, text=True, check=True
    )
    return output.read_bytes()


@pytest.fixture
def wheel(tmp_path: Path) -> Callable[..., Path]:
    """Makes wheels that are as they must be, but for what is given."""

    def make(
        module: bytes | None = None,
        *,
        entry: str = MODULE,
        tag: str = TAG,
        marked: str | None = None,
        metadata: str = "Name: spam-eggs\nVersion: 1.0\nSummary: Spam\n",
        more: dict[str, bytes] | None = None,
    ) -> Path:
        path = tmp_path / f"spam_eggs-1.0-{tag}.whl"
        files = {
            "spam_eggs/__init__.py": b"",
            entry: module if module is not None else extension(tmp_path),
            "spam_eggs-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\n{metadata}".encode(),
            "spam_eggs-1.0.dist-info/WHEEL": (
                f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {marked or tag}\n".encode()
            ),
            "spam_eggs-1.0.dist-info/RECORD": b"",
            **(more or {}),
        }
        with zipfile.ZipFile(path, "w") as archive:
            for name, contents in files.items():
                archive.writestr(name, contents)
        return path

    return make


Make = Callable[..., Path]


def found(wheel: Path) -> str:
    return "\n".join(checks.problems(wheel))


@linux
def test_a_good_wheel_has_no_problems(wheel: Make) -> None:
    assert found(wheel()) == ""


@linux
def test_a_wheel_that_is_too_large_is_found(wheel: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks.LARGEST == 500_000
    size = wheel().stat().st_size
    monkeypatch.setattr(checks, "LARGEST", size + 1)
    assert found(wheel()) == ""
    monkeypatch.setattr(checks, "LARGEST", size)
    assert f"it has {size} bytes" in found(wheel())


@linux
def test_symbols_that_strip_removes_are_found(wheel: Make, tmp_path: Path) -> None:
    assert "it is not stripped" in found(wheel(extension(tmp_path, "-O0")))
    assert "it is not stripped" in found(wheel(extension(tmp_path, "-g")))


@linux
def test_exported_symbols_are_found(wheel: Make, tmp_path: Path) -> None:
    assert "it exports stray" in found(wheel(extension(tmp_path, stray=VISIBLE)))
    assert "it exports stray" in found(wheel(extension(tmp_path, stray=f"{VISIBLE[:-2]}, weak))")))
    other = SOURCE.replace("PyInit__spam", "PyInit__spam_anywhere")
    assert "it exports PyInit__spam_anywhere" in found(wheel(extension(tmp_path, source=other)))
    nothing = "static int used;\nint *spam(void) { return &used; }"
    assert "it does not export PyInit__spam" in found(wheel(extension(tmp_path, source=nothing)))


@linux
def test_libraries_that_a_system_may_lack_are_found(wheel: Make, tmp_path: Path) -> None:
    rare = extension(tmp_path, "-s", "-Wl,--no-as-needed", "-lresolv")
    assert "it needs libresolv.so.2" in found(wheel(rare))
    musl: dict[str, Any] = {
        "tag": TAG.replace("manylinux_2_28", "musllinux_1_2"),
        "entry": MODULE.replace("gnu", "musl"),
    }
    assert "it needs libc.so.6" in found(wheel(rare, **musl))


@linux
@pytest.mark.parametrize(
    ("tag", "problem"),
    [
        ("cp314-cp314-manylinux_2_28_x86_64", "no extension module in it can be imported"),
        ("cp313-cp313t-manylinux_2_28_x86_64", "no extension module in it can be imported"),
        ("cp314-cp314t-win_amd64", "no extension module in it can be imported"),
        ("cp314-cp314t-macosx_11_0_arm64", "no extension module in it can be imported"),
        ("cp314-cp314t-manylinux_2_28_aarch64", "it is for EM_X86_64"),
        ("cp314-abi3-manylinux_2_28_x86_64", "the ABI is not the interpreter's"),
        ("cp314-cp313t-manylinux_2_28_x86_64", "the ABI is not the interpreter's"),
        ("cp314-none-manylinux_2_28_x86_64", "the ABI is not the interpreter's"),
        ("cp314-cp314t-linux_x86_64", "it is not repaired"),
        ("py3-none-any", "it is for all platforms, but has spam_eggs/_spam"),
        ("cp314-none-any", "is for all Pythons"),
    ],
)
def test_tags_that_do_not_fit_are_found(wheel: Make, tag: str, problem: str) -> None:
    assert problem in found(wheel(tag=tag))


@linux
def test_metadata_of_something_else_is_found(wheel: Make) -> None:
    other = TAG.replace("cp314t", "cp314")
    assert "WHEEL has other tags than the file name" in found(wheel(marked=other))
    assert "METADATA is of ham 1.0" in found(wheel(metadata="Name: ham\nVersion: 1.0\n"))
    assert "METADATA is of spam-eggs 2" in found(wheel(metadata="Name: spam-eggs\nVersion: 2\n"))


def test_what_is_no_wheel_and_no_extension_module_is_found(wheel: Make, tmp_path: Path) -> None:
    assert "it is not an ELF file" in found(wheel(b"no"))
    named_wrongly = wheel(b"no").rename(tmp_path / "spam.whl")
    assert "Invalid wheel filename" in found(named_wrongly)


@pytest.mark.parametrize(
    ("tag", "entry"),
    [
        ("cp311-cp311-macosx_11_0_x86_64", "spam_eggs/_spam.cpython-311-darwin.so"),
        ("cp315-cp315t-macosx_11_0_arm64", "spam_eggs/_spam.cpython-315t-darwin.so"),
        ("cp313-cp313-win_amd64", "spam_eggs/_spam.cp313-win_amd64.pyd"),
        ("cp314-cp314t-win_arm64", "spam_eggs/_spam.cp314t-win_arm64.pyd"),
    ],
)
def test_extension_modules_of_other_systems_are_known(wheel: Make, tag: str, entry: str) -> None:
    assert found(wheel(b"anything", tag=tag, entry=entry)) == ""
    assert "no extension module" in found(wheel(b"anything", tag=tag, entry="spam_eggs/_spam.so"))


@linux
def test_twine_and_check_wheel_contents_are_asked(wheel: Make, tmp_path: Path) -> None:
    unreadable = "Description-Content-Type: text/x-rst\n\n``spam\n====="
    metadata = f"Name: spam-eggs\nVersion: 1.0\n{unreadable}"
    litter = {"spam_eggs/__pycache__/a.cpython-314.pyc": b""}
    shown = "\n".join(publish.problems([wheel(metadata=metadata, more=litter)]))
    assert "twine:" in shown
    assert "check_wheel_contents:" in shown


def test_an_empty_folder_is_not_a_release(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publish.main([str(tmp_path)]) == 1
    assert "there are no wheels and sdists" in capsys.readouterr().out


# ── what is built ──────────────────────────────────────────────────────────────────────────────


def test_cibuildwheel_builds_for_all_versions_that_it_knows() -> None:
    # This cibuildwheel has no free-threaded 3.13, whose users build from the sdist.
    versions = {*noxfile.FREE_THREADED, *noxfile.WITH_GIL} - {"3.13t"}
    for platform in platforms.PLATFORMS:
        assert platforms.identifiers(platform) == [
            f"cp{version.replace('.', '')}-{platform}" for version in sorted(versions)
        ]


def test_all_packages_are_for_the_same_pythons_and_name_the_same_pages() -> None:
    projects = [
        tomllib.loads((package / "pyproject.toml").read_text("utf-8"))["project"]
        for package in platforms.PACKAGES
    ]
    assert len({project["requires-python"] for project in projects}) == 1
    for project in projects:
        pages = project["urls"]
        assert pages.keys() == {"Homepage", "Documentation", "Source", "Changelog", "Issues"}
        assert pages == projects[0]["urls"]
    assert platforms.META in platforms.PACKAGES
    assert len(platforms.EXTENSIONS) == len(platforms.PACKAGES) - 1


def test_each_package_is_used_before_it_is_published() -> None:
    assert smoke.CHECKS.keys() == {package.name for package in platforms.PACKAGES}
    assert all(smoke.CHECKS.values())


@pytest.mark.parametrize(
    ("tags", "identifier"),
    [
        ("cp314-cp314t-manylinux_2_28_x86_64", "cp314t-manylinux_x86_64"),
        ("cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64", "cp311-manylinux_x86_64"),
        ("cp315-cp315-musllinux_1_2_aarch64", "cp315-musllinux_aarch64"),
        ("cp312-cp312-macosx_11_0_arm64", "cp312-macosx_arm64"),
        ("cp313-cp313-win_arm64", "cp313-win_arm64"),
        ("py3-none-any", "none-any"),
    ],
)
def test_a_wheel_tells_which_build_it_is_of(tags: str, identifier: str) -> None:
    assert platforms.identifier_of(f"spam-1.0-{tags}.whl") == identifier


def release(version: str) -> list[str]:
    """The names of all files of a release."""
    names = []
    versions = {
        "manylinux": "manylinux_2_28",
        "musllinux": "musllinux_1_2",
        "macosx": "macosx_11_0",
    }
    for package in platforms.PACKAGES:
        name = f"{package.name.replace('-', '_')}-{version}"
        names.append(f"{name}.tar.gz")
        if package == platforms.META:
            names.append(f"{name}-py3-none-any.whl")
            continue
        for platform in platforms.PLATFORMS:
            system, _, processor = platform.partition("_")
            where = f"{versions.get(system, system)}_{processor}"
            for identifier in platforms.identifiers(platform):
                abi = identifier.partition("-")[0]
                names.append(f"{name}-{abi.rstrip('t')}-{abi}-{where}.whl")
    return names


def missing(version: str, names: list[str]) -> str:
    return "\n".join(platforms.missing_files(version, names))


def test_a_release_is_complete_and_nothing_else() -> None:
    names = release("2.0.0")
    assert missing("2.0.0", names) == ""
    for name in (names[0], names[len(names) // 2], names[-1]):
        rest = [other for other in names if other != name]
        assert "is missing" in missing("2.0.0", rest), name
    some = next(name for name in names if name.endswith("win_arm64.whl"))
    abi = parse_wheel_filename(some)[3]
    assert f"the wheel {next(iter(abi)).abi}-win_arm64 of" in missing(
        "2.0.0", [name for name in names if name != some]
    )
    assert "is not a file of version 2.0.0" in missing("2.0.0", [*names, *release("2.0.1")])
    assert "is not a file of version" in missing("2.0.0", [*names, "spam-2.0.0.tar.gz"])
    extra = some.replace("win_arm64", "manylinux_2_39_riscv64")
    assert "is not one that is published" in missing("2.0.0", [*names, extra])
