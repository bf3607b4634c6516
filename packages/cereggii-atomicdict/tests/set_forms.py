# SPDX-License-Identifier: Apache-2.0
"""The two forms of an atomic set, which promise the same, and other sets to combine them with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Set
from typing import Any, TypeAlias

import pytest
from cereggii_atomicdict import AtomicDict, AtomicSet, AtomicSetHandle

MakeSet: TypeAlias = Callable[..., Any]


def set_of(elements: Iterable[Any] = ()) -> AtomicSet[Any]:
    return AtomicSet(elements)


def set_handle_of(elements: Iterable[Any] = ()) -> AtomicSetHandle[Any]:
    return AtomicSet(elements).get_handle()


class Listed(Set[Any]):
    """A set that only has what `collections.abc.Set` asks for."""

    def __init__(self, elements: Iterable[Any] = ()) -> None:
        self._elements = [*dict.fromkeys(elements)]

    def __contains__(self, element: object) -> bool:
        return element in self._elements

    def __iter__(self) -> Iterator[Any]:
        return iter(self._elements)

    def __len__(self) -> int:
        return len(self._elements)


class MySet(set[Any]):
    """A subclass of a builtin set."""


OURS: dict[str, MakeSet] = {"set": set_of, "handle": set_handle_of}
BUILTIN: dict[str, MakeSet] = {"builtin": set, "frozen": frozenset, "derived": MySet}
VIEWS: dict[str, MakeSet] = {
    "keys": lambda elements=(): dict.fromkeys(elements).keys(),
    "atomic keys": lambda elements=(): AtomicDict.fromkeys(elements).keys(),
    "listed": Listed,
}
# What is no set, but may be passed to a method.
ITERABLES: dict[str, MakeSet] = {
    "list": lambda elements=(): [*elements, *elements],
    "iterator": iter,
    "dict": dict.fromkeys,
    "atomic dict": AtomicDict.fromkeys,
}


def each_of(name: str, *kinds: dict[str, MakeSet]) -> pytest.MarkDecorator:
    """Run a test with functions that make an object of each kind with the given elements."""
    makers = {key: make for kind in kinds for key, make in kind.items()}
    return pytest.mark.parametrize(name, makers.values(), ids=makers)


# Runs a test with `make`, which makes an AtomicSet or a handle with the given elements.
both_sets = each_of("make", OURS)
