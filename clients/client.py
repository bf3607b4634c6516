# SPDX-License-Identifier: Apache-2.0
"""What a client consists of."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

NAMES = (
    "cpython_mappings",
    "cpython_dict",
    "cpython_set",
    "cpython_counter",
    "cpython_locks",
    "cachetools",
    "toolz",
    "networkx",
    "networkx_order",
    "ft_utils",
    "prometheus_client",
)


@dataclass(frozen=True)
class Difference:
    """Tests that fail, and have to: what they expect is not what the contract of our types says."""

    # One sentence, true by docs/api.md, the README or the docstring of the type.
    reason: str
    # Their ids, relative to the client's root.
    tests: tuple[str, ...]
    # A regular expression. The failure of each test, as in "KeyError: 'a'", matches it. A test that
    # fails in another way is not excused.
    shows: str = ""
    # False if they take hours, or pass by chance. Then they are not run, and need no `shows`.
    runs: bool = True


@dataclass(frozen=True)
class Client:
    """A suite, and what it takes to run it on our types."""

    # What is run, on which of our types. Then the suite alone, for the table.
    title: str
    suite: str
    # The folder that the ids of tests are relative to.
    root: Callable[[], Path]
    # Files, folders or ids below the root.
    tests: tuple[str, ...]
    # Puts our types in place. It runs before any module of the suite is imported.
    put_in_place: Callable[[], None] = lambda: None
    differences: tuple[Difference, ...] = ()
    # Whether the suite is CPython's: then its version is that of the interpreter, which may be an
    # earlier or later one than the list was written for.
    of_interpreter: bool = False
    # More arguments for pytest.
    options: tuple[str, ...] = field(default=())

    def unavailable(self) -> str | None:
        """Why the suite cannot run here, and what it takes; None if it can."""
        if self.of_interpreter and importlib.util.find_spec("test.mapping_tests") is None:
            return (
                f"{sys.executable} has no package `test`. This suite runs on a CPython with it,"
                " such as one that tools/builds.py builds."
            )
        return None


def tests_in(files: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The ids of tests that are given by their file."""
    return tuple(f"{file}::{test}" for file, tests in files.items() for test in tests)


def load(name: str) -> Client:
    """The client with this name."""
    if name not in NAMES:
        raise SystemExit(f"{name!r} is not a client: the clients are {', '.join(NAMES)}")
    client = importlib.import_module(f"clients.{name}").CLIENT
    assert isinstance(client, Client)
    return client


def here() -> Path:
    """The folder of this package, for suites that consist of base classes."""
    return Path(__file__).parent


def standard_library() -> Path:
    """The folder that the interpreter's package `test` is in."""
    return folder_of("test").parent


def folder_of(package: str) -> Path:
    """The folder of an installed package. Does not import it."""
    spec = importlib.util.find_spec(package)
    assert spec is not None, f"{package} is not installed"
    assert spec.origin is not None
    return Path(spec.origin).parent


def source_of(distribution: str) -> Path:
    """The folder of the source distribution of an installed package, downloaded once by pip.

    For suites that wheels do not contain.
    """
    version = importlib.metadata.version(distribution)
    place = Path(sys.prefix) / "suites" / f"{distribution}-{version}"
    if not place.exists():
        place.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
            subprocess.run(
                [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check",
                 "--no-deps", "--no-binary", ":all:", "-d", scratch,
                 f"{distribution}=={version}"],
                check=True,
            )  # fmt: skip
            (archive,) = Path(scratch).glob("*.tar.gz")
            with tarfile.open(archive) as tar:
                tar.extractall(scratch, filter="data")
            Path(scratch, place.name).rename(place)
    return place
