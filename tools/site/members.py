# SPDX-License-Identifier: Apache-2.0
"""What `docs/reference/members/` says about the members of each class, and the text of a class.

A file `NAME.toml` there is about the class or function `cereggii.NAME`. It has a table for each
member, or for several special methods that belong together:

- `atomic`: whether the call is one step, or what else it is,
- `progress`: whether and for what it waits,
- `errors`: what it raises,
- `example`: a program in the form of doctest, which the tests run,
- `names`: the special methods that the table is about, if it is about several.

`like = "AtomicInt"` at the top means: what the file does not list is as in `AtomicInt.toml`.
The tests check that each public member is listed (`tools/tests/test_reference.py`).
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.site.stubs import signature_of

# Those that are not in the namespace of `cereggii`, and where they are.
ELSEWHERE = {
    "MemoizedFunction": "cereggii.atomic_dict.atomic_cache",
    "ReaderLock": "cereggii.locks",
    "WriterLock": "cereggii.locks",
}

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference" / "members"

FACTS = {"atomic": "Atomic", "progress": "Progress", "errors": "Raises"}


@dataclass(frozen=True)
class Member:
    """A table of a file: a member, or special methods that belong together."""

    title: str
    names: tuple[str, ...]
    atomic: str
    progress: str
    errors: str
    example: str
    text: str

    @property
    def is_named(self) -> bool:
        """Whether it is a member with a name of its own, and not a group of special methods."""
        return self.names == (self.title,)


@dataclass(frozen=True)
class Described:
    """A file."""

    name: str
    like: str
    members: tuple[Member, ...]

    def all_names(self) -> set[str]:
        """All members that it describes, with those of the class that it is like."""
        names = {name for member in self.members for name in member.names}
        return names | (describe(self.like).all_names() if self.like else set())


@functools.cache
def describe(name: str) -> Described:
    """The content of the file about a class or function."""
    with (FOLDER / f"{name}.toml").open("rb") as file:
        content = tomllib.load(file)
    like = content.pop("like", "")
    members = []
    for title, facts in content.items():
        facts.setdefault("text", "")
        names = tuple(facts.pop("names", [title]))
        members.append(Member(title, names, **facts))
    return Described(name, like, tuple(members))


def module_of(name: str) -> str:
    """The module in which a class or function is."""
    return ELSEWHERE.get(name, "cereggii")


def resolve(name: str) -> Any:
    """The class or function of that name."""
    return getattr(importlib.import_module(module_of(name)), name)


def described() -> list[str]:
    """The names of all files."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def docstring_of(kind: type, name: str) -> str:
    """The docstring of a member, or that of the same member of the nearest base that has one."""
    found = (getattr(getattr(base, name, None), "__doc__", None) for base in kind.__mro__)
    return next((docstring for docstring in found if docstring), "")


def markdown_of(docstring: str) -> str:
    """A docstring as Markdown: powers such as 2**63 are no markup.

    It has no margin, as those of extension modules, and of Python since 3.13. (`inspect.getdoc`
    would take the indentation of an example for one.)
    """
    lines = []
    for line in docstring.strip().splitlines():
        if not line.startswith("    "):
            parts = re.split(r"(`[^`]*`)", line)
            parts[::2] = [re.sub(r"(?<=\d)\*\*(?=\d)", r"\\*\\*", part) for part in parts[::2]]
            line = "".join(parts)
        lines.append(line)
    return "\n".join(lines)


def _fence(length: int, directive: str, argument: str, content: list[str]) -> list[str]:
    marks = "`" * length
    return [f"{marks}{{{directive}}} {argument}", *content, "", marks, ""]


def _facts(member: Member) -> list[str]:
    shown = [f"**{label}:** {getattr(member, key)}." for key, label in FACTS.items()]
    return ["{.facts}", "\\\n".join(shown), ""]


def _example(member: Member) -> list[str]:
    return ["```pycon", *member.example.strip().splitlines(), "```", ""]


def _one_member(name: str, kind: Any, member: Member) -> Iterator[str]:
    if not member.is_named:
        yield f"**{member.title}**"
        yield ""
        yield from member.text.splitlines()
        yield ""
        yield from _facts(member)
        yield from _example(member)
        return
    static = inspect.getattr_static(kind, member.title)
    value = getattr(kind, member.title)
    text = member.text
    options: list[str] = []
    if not callable(value) or isinstance(value, type):
        directive, argument = "py:attribute", member.title
    else:
        directive = "py:method"
        argument = member.title + signature_of(name, member.title, value)
        if isinstance(static, classmethod) or _is_bound(value):
            options = [":classmethod:"]
        if isinstance(static, staticmethod):
            options = [":staticmethod:"]
        text = f"{markdown_of(docstring_of(kind, member.title))}\n\n{text}"
    content = [*options, "", *text.splitlines(), "", *_facts(member), *_example(member)]
    yield from _fence(6, directive, argument, content)


def _is_bound(value: Any) -> bool:
    return isinstance(getattr(value, "__self__", None), type)


def _table(name: str, members: tuple[Member, ...]) -> Iterator[str]:
    yield "| member | atomic | progress | raises |"
    yield "|---|---|---|---|"
    for member in members:
        shown = member.title
        if member.is_named:
            shown = f"{{py:obj}}`~{module_of(name)}.{name}.{member.title}`"
        cells = [shown, member.atomic, member.progress, member.errors]
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""


def text_of(name: str) -> str:
    """The reference of a class or function, in the Markdown that MyST reads."""
    value = resolve(name)
    content = describe(name)
    lines = markdown_of(value.__doc__ or "").splitlines()
    if not isinstance(value, type):
        (member,) = content.members
        lines += ["", *_facts(member), *_example(member)]
        arguments = signature_of("", name, value)
        return "\n".join(_fence(8, "py:function", name + arguments, lines))
    lines += [""]
    if content.like:
        lines += [f"What is not listed here is as in {{py:class}}`~cereggii.{content.like}`.", ""]
    lines += _table(name, content.members)
    for member in content.members:
        lines += _one_member(name, value, member)
    module = [f":module: {module_of(name)}"]
    return "\n".join(_fence(8, "py:class", name + signature_of(name, "__init__", value),
                            [*module, "", *lines]))  # fmt: skip
