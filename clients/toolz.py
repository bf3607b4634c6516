# SPDX-License-Identifier: Apache-2.0
"""toolz and its own tests, both with an AtomicDict for each dict.

So AtomicDict is the default `factory` of each function of dicts, their argument and the `factory`
that the tests give them, and the cache of `toolz.memoize`.
"""

from __future__ import annotations

from pathlib import Path

from cereggii import AtomicDict

from clients.client import Client, Difference, folder_of
from clients.substitution import replace_dict


def put_in_place() -> None:
    """Makes every dict of toolz and of its tests an AtomicDict."""
    replace_dict(AtomicDict, "toolz", "tlz")


def root() -> Path:
    """Where the package is: its tests are in it."""
    return folder_of("toolz").parent


DIFFERENCES = (
    Difference(
        reason="An AtomicDict is a MutableMapping and not a dict, so `dict.__eq__` refuses it; the"
        " suite's subclass of defaultdict does not expect that.",
        shows="TypeError: NotImplemented should not be used in a boolean context",
        tests=(
            "toolz/tests/test_dicttoolz.py::TestCustomMapping::test_factory",
            "toolz/tests/test_dicttoolz.py::TestDefaultDict::test_factory",
            "toolz/tests/test_dicttoolz.py::TestDict::test_factory",
        ),
    ),
    Difference(
        reason="An AtomicDict is a MutableMapping and not a dict: the interpreter does not take it"
        " as the annotations of a function or the globals of a program.",
        shows=r"Error: (__annotations__ must be set to a dict object"
        r"|.*__annotations__ is neither a dict nor None|exec\(\) globals must be a dict)",
        tests=(
            "toolz/tests/test_functoolz.py::test_compose_annotations",
            "toolz/tests/test_functoolz.py::test_compose_annotations_formats",
            "toolz/tests/test_functoolz.py::test_compose_metadata",
        ),
    ),
    Difference(
        reason="The suite expects that `inspect.signature` knows nothing of the type, as of dict:"
        " AtomicDict has a signature.",
        shows="AssertionError",
        tests=("toolz/tests/test_inspect_args.py::test_num_required_args",),
    ),
)

CLIENT = Client(
    title="toolz, where each dict is an AtomicDict",
    suite="toolz",
    root=root,
    tests=("toolz/tests",),
    put_in_place=put_in_place,
    options=("--assert=plain",),
    differences=DIFFERENCES,
)
