# SPDX-License-Identifier: Apache-2.0
"""Checks of types and their instances. Every type of the packages must pass them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable
from typing import Any

import pytest

from tools.testing.concurrency import THREADS, in_threads


class Anything(int):
    """An argument that every method takes: an integer that can be called."""

    def __call__(self, *_: object) -> int:
        return 1


def errors_of(
    instance: Any, name: str, counts: Iterable[int] = (0, 1, 2)
) -> set[type[BaseException] | None]:
    """The errors of a member that is called with all sorts of arguments; None means no error.

    `counts` are numbers of arguments.
    """
    found: set[type[BaseException] | None] = set()
    calls: list[list[Any]] = [[Anything(1)] * count for count in counts]
    for arguments in (*calls, [""]):
        try:
            member = getattr(instance, name)
            if callable(member):
                member(*arguments)
        except Exception as error:
            found.add(type(error))
        else:
            found.add(None)
    return found


def check_methods_refuse(
    kind: type[Any],
    strangers: Collection[object],
    counts: Collection[int],
    *,
    but_not: Collection[str] = (),
) -> None:
    """The methods of a type refuse instances of other types, for each number of arguments.

    `but_not` names its static and class methods, apart from `__new__`.
    """
    for name, member in vars(kind).items():
        if not callable(member) or name == "__new__" or name in but_not:
            continue
        for stranger in strangers:
            for count in counts:
                with pytest.raises(TypeError):
                    member(stranger, *[1] * count)


def check_no_attributes(instance: Any) -> None:
    """An instance of a type that is no subclass has no attributes of its own."""
    with pytest.raises(AttributeError):
        instance.name = 1
    with pytest.raises(AttributeError):
        instance.get = None


def check_types_stay_apart(kind: Any, others: Iterable[Any], make: Callable[[], Any]) -> None:
    """Instances of a type cannot be made or retyped behind its back."""
    with pytest.raises(TypeError):
        object.__new__(kind)
    for other in others:
        if other is kind:
            continue
        with pytest.raises(TypeError):
            kind.__new__(other)
        with pytest.raises(TypeError):
            make().__class__ = other
        with pytest.raises(TypeError):
            type("Both", (kind, other), {})


def check_type_documented(
    kind: type[Any], shortest: int, *, class_methods: Collection[str] = ()
) -> None:
    """A type and its public members have docstrings: the members of at least `shortest` letters."""
    assert len(inspect.getdoc(kind) or "") > 80
    for name, member in vars(kind).items():
        if not name.startswith("_"):
            assert len(inspect.getdoc(member) or "") >= shortest, name
            if callable(member):
                first = next(iter(inspect.signature(member).parameters))
                assert first == ("type" if name in class_methods else "self"), name


def check_one_init_wins(kind: Any, argument: Callable[[int], object]) -> None:
    """Of the threads that run __init__ of one object, one succeeds: its argument is the value.

    `argument` makes the argument for a value.
    """
    instances = [kind.__new__(kind) for _ in range(500)]

    def work(number: int) -> list[bool]:
        won = []
        for instance in instances:
            try:
                instance.__init__(argument(number))
            except RuntimeError:
                won.append(False)
            else:
                won.append(True)
            assert instance.get() in range(THREADS)
        return won

    results = in_threads(work)
    for index, instance in enumerate(instances):
        assert [won[index] for won in results] == [
            number == instance.get() for number in range(THREADS)
        ]
