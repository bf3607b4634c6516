# SPDX-License-Identifier: Apache-2.0
"""Python code that runs within an operation changes the sets: the operation keeps to its instant.

What these programs do, another thread may do at the same moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cereggii_atomicdict import AtomicSet

from .set_forms import Listed, MakeSet, both_sets


class Asked(Listed):
    """A set that calls a function before it answers."""

    def __init__(self, elements: Any, call: Callable[[], object]) -> None:
        super().__init__(elements)
        self._call = call

    def __contains__(self, element: object) -> bool:
        self._call()
        return super().__contains__(element)

    def __iter__(self) -> Iterator[Any]:
        for element in super().__iter__():
            yield element
            self._call()


class Key:
    """Equal to others of its number. The comparison with this number calls a function once."""

    calls: dict[int, Callable[[], object]]

    def __init__(self, number: int, calls: dict[int, Callable[[], object]], hashed: int) -> None:
        self.number = number
        self.calls = calls
        self.hashed = hashed

    def __hash__(self) -> int:
        return self.hashed

    def __eq__(self, other: object) -> bool:
        self.calls.pop(max(self.calls, default=0), lambda: None)()
        return isinstance(other, Key) and self.number == other.number


def countdown(after: int, call: Callable[[], object]) -> dict[int, Callable[[], object]]:
    """What makes the comparison of this number call the function: those before it do nothing."""
    calls: dict[int, Callable[[], object]] = {
        number: lambda: None for number in range(2, after + 1)
    }
    return {**calls, 1: call}


@both_sets
def test_a_set_that_is_cleared_meanwhile_counts_as_it_was(make: MakeSet) -> None:
    expected: dict[str, tuple[Callable[[Any, Any], Any], Any]] = {
        "&": (lambda ours, other: ours & other, {1, 2, 3}),
        "<=": (lambda ours, other: ours <= other, True),
        "==": (lambda ours, other: ours == other, True),
        "issubset": (lambda ours, other: ours.issubset(other), True),
        "intersection": (lambda ours, other: ours.intersection(other, [3, 2]), {2, 3}),
        ">=": (lambda ours, other: ours >= other, True),
        "issuperset": (lambda ours, other: ours.issuperset(other), True),
        "isdisjoint": (lambda ours, other: ours.isdisjoint(other), False),
        "-": (lambda ours, other: ours - other, set()),
        "|": (lambda ours, other: ours | other, {1, 2, 3}),
        "^": (lambda ours, other: ours ^ other, set()),
    }
    for name, (operation, result) in expected.items():
        ours = make([1, 2, 3])
        assert operation(ours, Asked([1, 2, 3], ours.clear)) == result, name


@both_sets
def test_isdisjoint_does_not_look_at_a_set_that_changes(make: MakeSet) -> None:
    """At each instant the set has 1 or -1."""
    ours = make([1])

    def swap() -> None:
        ours.add(-1)
        ours.discard(1)

    for ask in (ours.isdisjoint, lambda other: not ours.issuperset(other)):
        ours.clear()
        ours.add(1)
        assert ask(Asked([-1, 1], swap)) is (ask != ours.isdisjoint)


@both_sets
@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_an_element_is_toggled_in_one_step(make: MakeSet, after: int) -> None:
    """If it is removed before that step, the step adds it; and the other way round."""
    for is_there in (True, False):
        ours: Any = make()
        beside: Any = Key(2, {}, 7)
        same: Any = Key(1, {}, 7)
        ours.add(beside)
        if is_there:
            ours.add(same)
        fired: list[int] = []

        def interfere(ours: Any = ours, same: Any = same, fired: Any = fired) -> None:
            fired.append(1)
            if not ours.discard(same):
                ours.add(same)

        calls = countdown(after, interfere)
        toggled = Key(1, calls, 7)
        beside.calls = calls
        ours.symmetric_difference_update([toggled])
        calls.clear()
        assert (same in ours) is (is_there == bool(fired)), (is_there, fired)


@both_sets
def test_another_set_that_is_cleared_meanwhile_is_used_up(make: MakeSet) -> None:
    """Comparing the first element clears the other set. The second one counts nevertheless."""
    for change in (
        lambda ours, other: ours.difference_update(other),
        lambda ours, other: ours.__isub__(other),
        lambda ours, other: ours.symmetric_difference_update(other),
        lambda ours, other: ours.__ixor__(other.get_handle()),
    ):
        calls: dict[int, Callable[[], object]] = {}
        ours = make([Key(number, calls, number * 1000) for number in range(3)])
        other: Any = AtomicSet([Key(number, calls, number * 1000) for number in range(3)])
        calls[1] = other.clear
        change(ours, other)
        assert len(other) == 0
        assert len(ours) == 0


def test_a_builtin_set_that_is_changed_meanwhile_is_no_error() -> None:
    calls: dict[int, Callable[[], object]] = {}
    builtin = {Key(number, calls, 7) for number in range(3)}
    calls[1] = lambda: builtin.add(5)
    made = AtomicSet(builtin)
    assert 5 in builtin
    assert len(made) == 3
    made = AtomicSet(Key(number, calls, 7) for number in range(3))
    calls[1] = builtin.clear
    made.difference_update(builtin)
    assert not calls
    assert not builtin
    assert len(made) == 0


@both_sets
def test_a_set_that_is_cleared_meanwhile_is_equal_to_itself(make: MakeSet) -> None:
    same: list[tuple[Callable[[Any, Any], Any], Any]] = [
        (lambda ours, same: ours == same, True),
        (lambda ours, same: ours != same, False),
        (lambda ours, same: ours <= same, True),
        (lambda ours, same: ours > same, False),
        (lambda ours, same: ours.issuperset(same), True),
        (lambda ours, same: ours - same, set()),
        (lambda ours, same: ours ^ same, set()),
        (lambda ours, same: len(ours & same), 3),
        (lambda ours, same: len(ours | same), 3),
    ]
    for operation, expected in same:
        calls: dict[int, Callable[[], object]] = {}
        ours = make([Key(number, calls, 7) for number in range(3)])
        calls[1] = ours.clear
        assert operation(ours, ours.get_handle()) == expected


def test_a_set_that_is_popped_while_it_is_read_is_whole() -> None:
    ours: Any = AtomicSet(range(10))
    made = AtomicSet(ours.pop() for _ in range(10))
    assert made == {*range(10)}
    assert not ours
    ours.update(range(5))
    ours |= Asked(range(10, 15), lambda: ours.discard(0))
    assert ours == {*range(1, 5), *range(10, 15)}
