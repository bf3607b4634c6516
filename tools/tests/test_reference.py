# SPDX-License-Identifier: Apache-2.0
"""The API reference names every public member, says what it promises, and its examples run."""

from __future__ import annotations

import doctest
import operator
import re
import threading
from collections.abc import Set
from pathlib import Path
from typing import Any

import cereggii
import pytest

from tools.site import members

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"

# Described in docs/reference/index.md, for all types.
OF_ALL_TYPES = {
    "__class_getitem__", "__copy__", "__get_pydantic_core_schema__", "__getnewargs__",
    "__reduce__", "__reduce_ex__", "__repr__", "__setstate__", "__sizeof__", "__slotnames__",
}  # fmt: skip

# What every class has, and what describes a class and not its instances.
OF_CLASSES = {
    "__abstractmethods__", "__annotate_func__", "__annotations__", "__annotations_cache__",
    "__class__", "__dict__", "__dir__", "__doc__", "__firstlineno__", "__init__",
    "__init_subclass__", "__module__", "__new__", "__orig_bases__", "__parameters__", "__slots__",
    "__static_attributes__", "__subclasshook__", "__weakref__",
}  # fmt: skip

# Described on a page in words.
CONSTANTS = {"ANY", "EXPECTATION_FAILED", "NOT_FOUND"}
EXCEPTIONS = {"ConcurrentUsageDetected", "ExpectationFailed"}
SAME = {"AtomicInt64": "AtomicInt"}

EXAMPLES = [
    (name, member) for name in members.described() for member in members.describe(name).members
]
every_class = pytest.mark.parametrize(
    "name", [name for name in members.described() if isinstance(members.resolve(name), type)]
)
every_member = pytest.mark.parametrize(
    ("name", "member"), EXAMPLES, ids=[f"{name}: {member.title}" for name, member in EXAMPLES]
)


def members_of(kind: type) -> set[str]:
    """The public members, and the special methods that are not those of `object`."""
    return {
        name
        for name in dir(kind)
        if not name.startswith("_")
        or (
            name.startswith("__")
            and name not in OF_ALL_TYPES | OF_CLASSES
            and getattr(kind, name, None) is not getattr(object, name, None)
        )
    }


def problems(kind: type, own: set[str], of_others: Set[str] = frozenset()) -> list[str]:
    """What is missing in the description of a class, and what is there and should not be.

    What the description of the class that it is like has in addition does no harm.
    """
    missing = members_of(kind) - own - of_others
    unknown = {name for name in own if not hasattr(kind, name)}
    return sorted(missing) + [f"unknown: {name}" for name in sorted(unknown)]


@every_class
def test_every_member_is_described(name: str) -> None:
    described = members.describe(name)
    own = {each for member in described.members for each in member.names}
    assert problems(members.resolve(name), own, described.all_names()) == []


def test_a_missing_member_is_noticed() -> None:
    described = members.describe("AtomicInt").all_names()
    assert problems(cereggii.AtomicInt, described - {"get", "__iadd__"}) == ["__iadd__", "get"]
    assert problems(cereggii.AtomicInt, described | {"spam"}) == ["unknown: spam"]


def test_every_public_name_is_described() -> None:
    named = {SAME.get(name, name) for name in cereggii.__all__}
    assert named == {*members.described()} - members.ELSEWHERE.keys() | CONSTANTS | EXCEPTIONS
    words = (REFERENCE / "dictionaries.md").read_text("utf-8")
    for name in CONSTANTS | EXCEPTIONS:
        assert f"| `{name}` |" in words


def test_every_description_is_on_a_page_once() -> None:
    text = "".join(path.read_text("utf-8") for path in REFERENCE.glob("*.md"))
    assert sorted(re.findall(r"^```\{members\} (\w+)$", text, re.MULTILINE)) == members.described()


@every_member
def test_a_member_has_all_facts_and_a_docstring(name: str, member: members.Member) -> None:
    for fact in (member.atomic, member.progress, member.errors):
        assert fact.strip() == fact != ""
        assert not fact.endswith(".")
    assert member.example.count(">>>") >= 1
    value: Any = members.resolve(name)
    for each in member.names:
        if isinstance(value, type) and not each.startswith("__"):
            assert members.docstring_of(value, each) or member.text
    if not member.is_named:
        assert all(each.startswith("__") or name == "AtomicCache" for each in member.names)


@every_member
def test_the_example_of_a_member_runs(name: str, member: members.Member) -> None:
    names = {each: getattr(cereggii, each) for each in cereggii.__all__}
    names |= {each: members.resolve(each) for each in members.ELSEWHERE}
    names |= {"operator": operator, "threading": threading}
    title = f"{name}.{member.title}"
    test = doctest.DocTestParser().get_doctest(member.example, names, title, None, None)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL)
    shown: list[str] = []
    runner.run(test, out=shown.append)
    assert runner.failures == 0, "".join(shown)


@pytest.mark.parametrize("name", members.described())
def test_the_text_of_a_class_has_its_signatures_with_types(name: str) -> None:
    text = members.text_of(name)
    for member in members.describe(name).members:
        assert f"**Progress:** {member.progress}." in text
    assert "desired" not in text  # a keyword of cereggii 1.x
    assert not re.search(
        r"^`{6}\{py:method\} .*(SupportsIndex|SupportsFloat|: _|\bself\b)", text, re.MULTILINE
    )


def test_a_signature_has_types() -> None:
    text = members.text_of("AtomicInt")
    assert "{py:method} compare_and_set(expected: int, updated: int) -> bool" in text
    assert "{py:method} wait_while(value: int, timeout: float | None=None) -> bool" in text
    assert "{py:method} get() -> bool" in members.text_of("AtomicBool")


def test_powers_in_docstrings_are_no_markup() -> None:
    assert members.markdown_of("in [-2**63, 2**63), `2**63`") == r"in [-2\*\*63, 2\*\*63), `2**63`"
    assert members.markdown_of("code:\n\n    2**63\n") == "code:\n\n    2**63"
