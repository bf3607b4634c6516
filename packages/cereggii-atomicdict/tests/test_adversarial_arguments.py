# SPDX-License-Identifier: Apache-2.0
"""Whatever a dict is given and shown runs as it is read, compared and shown: it survives that."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cereggii_atomicdict import NOT_FOUND, AtomicDict

from .adversaries import PROGRAMS, Program, Provoked, unchanged
from .workloads import check_whole

every_program = pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)

# ── arguments change the dict ──────────────────────────────────────────────────────────────────


class Source:
    """A mapping that runs a program as it is read."""

    def __init__(self, program: Callable[[], Any], raises: bool = False) -> None:
        self._program = program
        self._raises = raises

    def keys(self) -> Iterator[str]:
        self._program()
        yield "first"
        self._program()
        yield "second"
        if self._raises:
            raise Provoked

    def __getitem__(self, key: str) -> str:
        self._program()
        return key * 2


UPDATE: dict[str, Callable[[AtomicDict[Any, Any], Any], Any]] = {
    "update": lambda d, source: d.update(source),
    "|=": lambda d, source: d.__ior__(source),
    "update with pairs": lambda d, source: d.update((k, source[k]) for k in source.keys()),  # noqa: SIM118
}
every_update = pytest.mark.parametrize("update", UPDATE.values(), ids=UPDATE)


@every_update
@every_program
def test_the_argument_of_update_may_change_the_dict(
    update: Callable[[AtomicDict[Any, Any], Any], Any], program: Program
) -> None:
    d: AtomicDict[Any, Any] = AtomicDict({"key": "value", "first": 1})
    update(d, Source(lambda: program(d, "key")))
    assert d["second"] == "secondsecond"
    check_whole(d)


@every_update
def test_an_update_that_fails_keeps_what_was_stored_before(
    update: Callable[[AtomicDict[Any, Any], Any], Any],
) -> None:
    d: AtomicDict[Any, Any] = AtomicDict({"key": "value", "first": 1})
    with pytest.raises(Provoked):
        update(d, Source(lambda: None, raises=True))
    nothing = {"key": "value", "first": 1}
    first = {"key": "value", "first": "firstfirst"}
    both = {**first, "second": "secondsecond"}
    assert d.snapshot() in (nothing, first, both)  # never the second alone
    check_whole(d)


def test_a_dict_may_be_updated_with_itself() -> None:
    content = {n: str(n) for n in range(1000)}
    d = AtomicDict(content)
    d.update(d)
    d |= d
    d.update(d.items())
    d.update(d.get_handle())
    d.get_handle().update(d)
    d.update((key + 1000, value) for key, value in d.items() if key < 1000)
    for n in range(1000, 2000):
        d.pop(n, None)
    check_whole(d, content)


@every_program
def test_missing_may_change_the_dict(program: Program) -> None:
    class Default(AtomicDict[Any, Any]):
        def __missing__(self, key: Any) -> Any:
            program(self, key)
            return "missing"

    d = Default({"key": "value"})
    assert d["absent"] == "missing"
    check_whole(d)


# ── values run programs ────────────────────────────────────────────────────────────────────────


class Value:
    """Runs a program as it is compared, shown or copied."""

    def __init__(self, program: Callable[[], Any]) -> None:
        self._program = program

    def __eq__(self, other: object) -> bool:
        self._program()
        return True

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        self._program()
        return "Value"

    def __reduce__(self) -> Any:
        self._program()
        return str, ("copied",)


SHOW: dict[str, Callable[[AtomicDict[Any, Any]], Any]] = {
    "==": lambda d: d == {"key": 1, "other": 2},
    "!=": lambda d: d != AtomicDict({"key": 1, "other": 2}),
    "in values": lambda d: "absent" in d.values(),
    "in items": lambda d: ("key", 5) in d.items(),
    "repr": repr,
    "repr of items": lambda d: repr(d.items()),
    "deepcopy": copy.deepcopy,
    "pickle": pickle.dumps,
}
# Without the one that would look at the value, which would look at the value, …
NOT_LOOKING = {name: program for name, program in PROGRAMS.items() if name != "look at all"}
every_show = pytest.mark.parametrize("show", SHOW.values(), ids=SHOW)


@every_show
@pytest.mark.parametrize("program", NOT_LOOKING.values(), ids=NOT_LOOKING)
def test_a_value_may_change_the_dict_as_it_is_looked_at(
    show: Callable[[AtomicDict[Any, Any]], Any], program: Program
) -> None:
    d: AtomicDict[Any, Any] = AtomicDict()
    d.update({"key": Value(lambda: program(d, "key")), "other": Value(lambda: program(d, "key"))})
    show(d)
    d.clear()
    check_whole(d, {})


@every_show
def test_an_exception_of_a_value_that_is_looked_at_propagates(
    show: Callable[[AtomicDict[Any, Any]], Any],
) -> None:
    def raise_provoked() -> None:
        raise Provoked

    d: AtomicDict[Any, Any] = AtomicDict()
    d.update({"key": Value(raise_provoked), "other": Value(raise_provoked)})
    with unchanged(d), pytest.raises(Provoked):
        show(d)


def test_stored_values_are_not_compared_by_programs_in_atomic_operations() -> None:
    def fail() -> None:
        raise AssertionError("compared")

    value, equal = Value(fail), Value(fail)
    d: AtomicDict[Any, Any] = AtomicDict({"key": value})
    assert d.compare_and_exchange("key", equal, 1) is value
    assert d.compare_and_exchange("key", NOT_FOUND, 1) is value
    d.compare_and_set("key", value, equal)
    d.compare_and_delete("key", equal)
    assert not d
