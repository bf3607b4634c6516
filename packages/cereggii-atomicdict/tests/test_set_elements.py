# SPDX-License-Identifier: Apache-2.0
"""Methods of an atomic set on one element do what those of a builtin set do, and say what."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from typing import Any

import pytest
from cereggii_atomicdict import ANY, EXPECTATION_FAILED, NOT_FOUND, AtomicDict, AtomicSet

from .mapping_forms import BadEq, BadHash, Collider, RefusalError, Thing
from .set_forms import MakeSet, both_sets


@both_sets
def test_add_says_whether_it_has_added(make: MakeSet) -> None:
    elements = make()
    for element in (1, "a", b"a", (1, "a"), None, 2**70, Collider("x"), Thing()):
        assert element not in elements
        assert elements.add(element) is True
        assert elements.add(element) is False
        assert element in elements
    assert len(elements) == 8


@both_sets
def test_discard_says_whether_it_has_removed(make: MakeSet) -> None:
    elements = make([1, "a", Collider("x")])
    for element in (1.0, "a", Collider("x")):
        assert elements.discard(element) is True
        assert elements.discard(element) is False
        assert element not in elements
    assert len(elements) == 0


@both_sets
def test_remove_of_an_absent_element_names_it(make: MakeSet) -> None:
    elements = make([(1, 2)])
    assert elements.remove((1, 2)) is None
    for absent in ((1, 2), "a", ()):
        with pytest.raises(KeyError) as caught:
            elements.remove(absent)
        assert caught.value.args == (absent,)


@both_sets
def test_the_element_that_came_first_stays(make: MakeSet) -> None:
    first, second = Collider("x"), Collider("x")
    elements = make([first])
    assert elements.add(second) is False
    elements.update([second], {second}, AtomicSet([second]))
    (found,) = elements
    assert found is first
    assert elements.pop() is first


@both_sets
def test_pop_takes_each_element_once(make: MakeSet) -> None:
    elements = make(range(1000))
    assert sorted(elements.pop() for _ in range(1000)) == [*range(1000)]
    with pytest.raises(KeyError, match="pop from an empty set"):
        elements.pop()
    elements.add(5)
    assert elements.pop() == 5


@both_sets
def test_clear_removes_all(make: MakeSet) -> None:
    things = {Thing() for _ in range(100)}
    elements = make(things)
    assert elements.clear() is None
    assert len(elements) == elements.approx_len() == 0
    assert [*elements] == []
    assert elements.snapshot() == frozenset()
    elements.clear()


# ── what cannot be an element ──────────────────────────────────────────────────────────────────

ONE_ELEMENT: dict[str, Callable[[Any, Any], Any]] = {
    "in": lambda elements, element: element in elements,
    "add": lambda elements, element: elements.add(element),
    "discard": lambda elements, element: elements.discard(element),
    "remove": lambda elements, element: elements.remove(element),
    "update": lambda elements, element: elements.update([element]),
    "difference_update": lambda elements, element: elements.difference_update([element]),
    "symmetric_difference_update": lambda elements, element: elements.symmetric_difference_update(
        [element]
    ),
    "union": lambda elements, element: elements.union([element]),
    "intersection": lambda elements, element: elements.intersection([element]),
    "issuperset": lambda elements, element: elements.issuperset([element]),
    "isdisjoint": lambda elements, element: elements.isdisjoint([element]),
}
every_operation = pytest.mark.parametrize("operation", ONE_ELEMENT.values(), ids=ONE_ELEMENT)


@both_sets
@every_operation
@pytest.mark.parametrize("sentinel", [NOT_FOUND, ANY, EXPECTATION_FAILED], ids=str)
def test_sentinels_are_refused(
    make: MakeSet, operation: Callable[[Any, Any], Any], sentinel: Any
) -> None:
    elements = make([1, 2])
    with pytest.raises(ValueError, match=f"{sentinel} cannot be an element"):
        operation(elements, sentinel)
    assert elements == {1, 2}
    with pytest.raises(ValueError, match=f"{sentinel} cannot be an element"):
        elements |= {sentinel}


@both_sets
@every_operation
def test_unhashable_elements_are_refused(
    make: MakeSet, operation: Callable[[Any, Any], Any]
) -> None:
    elements = make([1, 2])
    for unhashable in ([], {}, bytearray(b"a"), (1, []), AtomicDict()):
        with pytest.raises(TypeError, match="unhashable") as caught:
            operation(elements, unhashable)
        if sys.version_info >= (3, 14):
            assert "as a set element" in str(caught.value)
    assert elements == {1, 2}


@both_sets
@every_operation
def test_errors_of_elements_are_passed_on(
    make: MakeSet, operation: Callable[[Any, Any], Any]
) -> None:
    elements = make([7, 1])
    with pytest.raises(RefusalError, match="hash"):
        operation(elements, BadHash())
    with pytest.raises(RefusalError, match="eq"):
        operation(elements, BadEq())
    assert elements == {7, 1}


@both_sets
def test_a_set_stands_for_the_frozenset_of_its_elements(make: MakeSet) -> None:
    inner = [{1, 2}, AtomicSet([1, 2]), AtomicSet([1, 2]).get_handle()]
    for standing in inner:
        elements = make([frozenset({1, 2}), 3])
        assert standing in elements
        assert elements.discard(standing) is True
        assert standing not in elements
        assert elements.discard(standing) is False
        with pytest.raises(KeyError) as caught:
            elements.remove(standing)
        assert caught.value.args[0] is standing
        with pytest.raises(TypeError, match="unhashable"):
            elements.add(standing)
        assert elements == {3}
    with pytest.raises(RefusalError):
        {7, BadEq()} in make([frozenset({7, Collider("x")})])  # noqa: B015


# ── hashing and comparing ──────────────────────────────────────────────────────────────────────


class Counted:
    """Counts how often it is hashed and compared."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.hashed = self.compared = 0

    def __hash__(self) -> int:
        self.hashed += 1
        return hash(self.number)

    def __eq__(self, other: object) -> bool:
        self.compared += 1
        return isinstance(other, Counted) and self.number == other.number


@both_sets
def test_an_element_is_hashed_once_by_each_operation(make: MakeSet) -> None:
    element = Counted(5)
    elements = make()
    for operation in (elements.add, elements.add, elements.__contains__, elements.remove):
        element.hashed = element.compared = 0
        operation(element)
        assert element.hashed == 1
        assert element.compared == 0


@both_sets
def test_sets_are_combined_with_the_hashes_that_they_have(make: MakeSet) -> None:
    numbered = [Counted(number) for number in range(100)]
    elements, other, builtin = make(numbered), AtomicSet(numbered[50:]), {*numbered[50:]}
    for each in numbered:
        each.hashed = 0
    for same in (other, other.get_handle()):
        assert len(elements | same) == 100
        assert len(elements & same) == len(elements - same) == len(elements ^ same) == 50
        assert elements > same
        assert elements.issuperset(same)
        elements.difference_update(same)
        elements.symmetric_difference_update(same)
    assert len(elements.copy()) == 100
    assert len(elements | builtin) == 100
    assert len(elements ^ builtin) == len(elements - builtin) == 50
    elements.update(builtin)
    assert sum(each.hashed for each in numbered) == 0


def test_nothing_is_compared_where_all_hashes_differ() -> None:
    numbered = [Counted(number) for number in range(1000)]
    elements = AtomicSet(numbered)
    assert len(elements) == 1000
    assert sum(each.compared for each in numbered) == 0
    assert {each.hashed for each in numbered} == {1}


# ── remove_if, iteration, sizes ────────────────────────────────────────────────────────────────


@both_sets
def test_remove_if_removes_what_the_predicate_says(make: MakeSet) -> None:
    elements = make(range(1000))
    assert elements.remove_if(lambda number: number % 3) == 666
    assert elements == {*range(0, 1000, 3)}
    assert elements.remove_if(predicate=bool) == 333
    assert elements.remove_if(lambda _: True) == 1
    assert elements.remove_if(lambda _: True) == 0


@both_sets
def test_remove_if_that_raises_keeps_what_was_done(make: MakeSet) -> None:
    elements = make(range(100))

    def fails_later(_: int, left: list[int] = [*range(10)]) -> bool:  # noqa: B006
        left.pop()
        return True

    with pytest.raises(IndexError):
        elements.remove_if(fails_later)
    assert len(elements) == 90
    with pytest.raises(TypeError, match="predicate must be callable, not 5"):
        elements.remove_if(5)


@both_sets
def test_parts_are_disjoint_and_complete(make: MakeSet) -> None:
    for size in (0, 1, 1000):
        elements = make(range(size))
        for parts in (1, 2, 7):
            found = [[*elements.fast_iter(parts, part)] for part in range(parts)]
            assert sorted(itertools.chain(*found)) == [*range(size)]
    for wrong in ((0,), (2, 2), (-1, 0)):
        with pytest.raises(ValueError, match="partition"):
            make().fast_iter(*wrong)


@both_sets
def test_iteration_is_weak(make: MakeSet) -> None:
    elements = make(range(100))
    seen = []
    for element in elements:
        seen.append(element)
        elements.discard(element)
        elements.add(1000 + element)
        if len(seen) > 5000:
            break
    assert len(seen) == len({*seen})
    assert {*range(100)} <= {*seen}


@both_sets
def test_sizes(make: MakeSet) -> None:
    elements = make()
    empty = AtomicSet().__sizeof__()
    assert not elements
    elements.reserve(10_000)
    elements.update(range(5000))
    assert len(elements) == elements.approx_len() == 5000
    iterator = iter(elements)
    assert iterator.__length_hint__() == 5000
    next(iterator)
    assert iterator.__length_hint__() == 4999
    assert elements.copy().__sizeof__() > empty + 5000 * 8
    with pytest.raises(ValueError, match="n must not be negative"):
        elements.reserve(-1)
