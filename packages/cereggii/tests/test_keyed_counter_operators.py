# SPDX-License-Identifier: Apache-2.0
"""Operators and sequences of operations do to an AtomicKeyedCounter what they do to a Counter."""

from __future__ import annotations

import collections
import functools
import operator
import types
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest
from cereggii import AtomicDict, AtomicKeyedCounter, ThreadHandle
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from .keyed_counters import both_forms, counter_of, counts, handle_of, keys, plain


def thread_handle_of(*arguments: Any, **counts: Any) -> Any:
    return ThreadHandle(AtomicKeyedCounter(*arguments, **counts))


class MyCounter(Counter[Any]):
    pass


def each_pair(left: dict[Any, int], right: dict[Any, int]) -> Iterator[tuple[Any, Any]]:
    """The left counts in either form, with the right ones in all that an operator takes."""
    for make in (counter_of, handle_of):
        for make_other in (Counter, MyCounter, counter_of, handle_of, thread_handle_of):
            yield make(left), make_other(right)


named_counts = st.dictionaries(st.sampled_from(["a", "b", "key", "self"]), st.integers(-3, 3))


# ── operators, against Counter ─────────────────────────────────────────────────────────────────

Operation: TypeAlias = Callable[..., Any]
BINARY: dict[str, Operation] = {
    "+": operator.add,
    "-": operator.sub,
    "&": operator.and_,
    "|": operator.or_,
}
IN_PLACE: dict[str, Operation] = {
    "+=": operator.iadd,
    "-=": operator.isub,
    "&=": operator.iand,
    "|=": operator.ior,
}
COMPARISONS: dict[str, Operation] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
every_operator = pytest.mark.parametrize("operation", BINARY.values(), ids=BINARY)
every_in_place = pytest.mark.parametrize("operation", IN_PLACE.values(), ids=IN_PLACE)
every_comparison = pytest.mark.parametrize("operation", COMPARISONS.values(), ids=COMPARISONS)


@every_operator
@given(left=counts, right=counts)
def test_an_operator_gives_what_counters_give(operation: Operation, left: Any, right: Any) -> None:
    expected = dict(operation(Counter(left), Counter(right)))
    expected_of_swapped = dict(operation(Counter(right), Counter(left)))
    for mine, its in each_pair(left, right):
        for result, whole in [
            (operation(mine, its), expected),
            (operation(its, mine), expected_of_swapped),
        ]:
            assert type(result) is AtomicKeyedCounter
            assert plain(result) == whole, (mine, its)
        assert plain(mine) == left
        assert plain(its) == right


@every_in_place
@given(left=counts, right=counts)
def test_an_in_place_operator_does_what_it_does_to_a_counter_and_keeps_the_object(
    operation: Operation, left: Any, right: Any
) -> None:
    expected = dict(operation(Counter(left), Counter(right)))
    for mine, its in each_pair(left, right):
        assert operation(mine, its) is mine
        assert plain(mine) == expected, (mine, its)
        assert plain(its) == right


@every_in_place
@given(left=counts, right=counts)
def test_a_counter_takes_it_in_place_too(operation: Operation, left: Any, right: Any) -> None:
    for make in (counter_of, handle_of):
        theirs = Counter(left)
        assert operation(theirs, make(right)) is theirs
        assert dict(theirs) == dict(operation(Counter(left), Counter(right)))


@both_forms
@given(left=counts)
def test_operators_with_itself(make: Any, left: Any) -> None:
    for name, operation in BINARY.items():
        mine = make(left)
        expected = operation(Counter(left), Counter(left))
        assert plain(operation(mine, mine)) == dict(expected)
        IN_PLACE[f"{name}="](mine, mine)
        assert plain(mine) == dict(expected)


@both_forms
@given(left=counts)
def test_unary_operators_give_what_counters_give(make: Any, left: Any) -> None:
    mine = make(left)
    for operation in (operator.pos, operator.neg):
        result = operation(mine)
        assert type(result) is AtomicKeyedCounter
        assert plain(result) == dict(operation(Counter(left)))
    assert plain(mine) == left


@every_comparison
@given(left=counts, right=counts)
def test_comparisons_say_what_they_say_of_counters(
    operation: Operation, left: Any, right: Any
) -> None:
    for counts_of_other in (right, left, {**left, "zero": 0}):
        theirs, others = Counter(left), Counter(counts_of_other)
        for mine, its in each_pair(left, counts_of_other):
            assert operation(mine, its) is operation(theirs, others), (mine, its)
            assert operation(its, mine) is operation(others, theirs), (its, mine)


@both_forms
@given(left=counts, right=counts)
def test_to_a_dict_a_count_of_0_is_not_as_none(make: Any, left: Any, right: Any) -> None:
    mine = make(left)
    for its in (right, left, {**left, "zero": 0}):
        for mapping in (its, AtomicDict(its), AtomicDict(its).get_handle()):
            assert (mine == mapping) is (mapping == mine) is (Counter(left) == its)
            assert (mine != mapping) is (mapping != mine) is (Counter(left) != its)


@both_forms
def test_other_objects_are_unequal_and_have_no_operators(make: Any) -> None:
    mine = make("aab")
    others: list[Any] = [5, None, "aab", [("a", 2), ("b", 1)], {"a"}, object()]
    for other in others:
        assert (mine == other) is (other == mine) is False
        assert (mine != other) is (other != mine) is True
        for operation in (*BINARY.values(), operator.lt, operator.ge):
            with pytest.raises(TypeError):
                operation(mine, other)
            with pytest.raises(TypeError):
                operation(other, mine)
        for operation in IN_PLACE.values():
            with pytest.raises(TypeError):
                operation(mine, other)
    assert plain(mine) == {"a": 2, "b": 1}
    mapping: Any = {"a": 2}
    for operation in (*BINARY.values(), operator.lt, operator.ge):
        with pytest.raises(TypeError):
            operation(mine, mapping)
        with pytest.raises(TypeError):
            operation(mapping, mine)


def test_an_object_that_knows_better_is_asked() -> None:
    class Equal:
        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            return True

        def __radd__(self, other: object) -> str:
            return "added"

        def __ge__(self, other: object) -> bool:
            return True

    for mine in (counter_of("a"), handle_of("a")):
        assert mine == Equal()
        assert (mine != Equal()) is False
        assert mine + Equal() == "added"
        assert mine <= Equal()


def test_sums_of_many() -> None:
    parts: list[Any] = [
        AtomicKeyedCounter("ab"),
        Counter("bc"),
        AtomicKeyedCounter("cd").get_handle(),
    ]
    assert sum(parts, Counter()) == Counter("abbccd")
    assert functools.reduce(operator.or_, parts) == Counter("abcd")


# ── any sequence of operations, against Counter ────────────────────────────────────────────────

# Makes something to count of a list of items.
ITEMS: dict[str, Callable[[list[Any]], Any]] = {
    "list": lambda items: items,
    "tuple": tuple,
    "iterator": iter,
    "generator": lambda items: (item for item in items),
    "deque": collections.deque,
}
# Makes something with counts of a dict.
MAPPINGS: dict[str, Callable[[dict[Any, int]], Any]] = {
    "dict": dict,
    "Counter": Counter,
    "OrderedDict": collections.OrderedDict,
    "ChainMap": collections.ChainMap,
    "mappingproxy": types.MappingProxyType,
    "AtomicDict": AtomicDict,
    "AtomicDictHandle": lambda counts: AtomicDict(counts).get_handle(),
    "AtomicKeyedCounter": AtomicKeyedCounter,
    "AtomicKeyedCounterHandle": handle_of,
    "ThreadHandle": ThreadHandle,
}
sources = st.one_of(
    st.just((None, None)),
    st.builds(
        lambda make, items: (make(items), items),
        st.sampled_from([*ITEMS.values()]),
        st.lists(keys, max_size=8),
    ),
    st.builds(
        lambda make, counts: (make(counts), dict(counts)),
        st.sampled_from([*MAPPINGS.values()]),
        counts,
    ),
)


class AgainstCounter(RuleBasedStateMachine):
    ours: Any
    theirs: Counter[Any]

    @initialize(source=sources, named=named_counts, handle=st.booleans())
    def construct(self, source: Any, named: Any, handle: bool) -> None:
        self.ours = AtomicKeyedCounter(source[0], **named)
        if handle:
            self.ours = self.ours.get_handle()
        self.theirs = Counter(source[1], **named)

    @rule(source=sources, named=named_counts)
    def update(self, source: Any, named: Any) -> None:
        assert self.ours.update(source[0], **named) is None
        self.theirs.update(source[1], **named)

    @rule(source=sources, named=named_counts)
    def subtract(self, source: Any, named: Any) -> None:
        assert self.ours.subtract(source[0], **named) is None
        self.theirs.subtract(source[1], **named)

    @rule(key=keys, amount=st.integers(-3, 3) | st.none())
    def add(self, key: Any, amount: int | None) -> None:
        self.theirs[key] += 1 if amount is None else amount
        added = self.ours.add(key) if amount is None else self.ours.add(key, amount)
        assert added == self.theirs[key]

    @rule(key=keys, count=st.integers(-3, 3))
    def store(self, key: Any, count: int) -> None:
        self.ours[key] = self.theirs[key] = count

    @rule(key=keys)
    def count_up(self, key: Any) -> None:
        self.ours[key] += 1
        self.theirs[key] += 1

    @rule(key=keys)
    def read(self, key: Any) -> None:
        assert self.ours[key] == self.theirs[key]
        assert self.ours.get(key) == self.theirs.get(key)
        assert self.ours.get(key, "none") == self.theirs.get(key, "none")
        assert (key in self.ours) is (key in self.theirs)

    @rule(key=keys)
    def delete(self, key: Any) -> None:
        del self.ours[key], self.theirs[key]

    @rule(key=keys, default=st.booleans())
    def pop(self, key: Any, default: bool) -> None:
        if default or key in self.theirs:
            assert self.ours.pop(key, "none") == self.theirs.pop(key, "none")
        else:
            with pytest.raises(KeyError):
                self.ours.pop(key)

    @rule(key=keys)
    def setdefault(self, key: Any) -> None:
        assert self.ours.setdefault(key, 5) == self.theirs.setdefault(key, 5)

    @rule()
    def popitem(self) -> None:
        if self.theirs:
            key, count = self.ours.popitem()
            assert self.theirs.pop(key) == count
        else:
            with pytest.raises(KeyError):
                self.ours.popitem()

    @rule()
    def clear(self) -> None:
        self.ours.clear()
        self.theirs.clear()

    @rule(operation=st.sampled_from([*IN_PLACE.values()]), its=counts)
    def in_place(self, operation: Any, its: dict[Any, int]) -> None:
        self.ours = operation(self.ours, Counter(its))
        self.theirs = operation(self.theirs, Counter(its))

    @rule(n=st.sampled_from([None, 0, 1, 3, 100, -1]))
    def most_common(self, n: int | None) -> None:
        found = self.ours.most_common(n)
        expected = self.theirs.most_common(n)
        # The order of equal counts is nobody's.
        assert [count for _, count in found] == [count for _, count in expected]
        assert len({*found}) == len(found)
        assert {*found} <= {*self.theirs.items()}

    @invariant()
    def same_counts(self) -> None:
        assert plain(self.ours) == dict(self.theirs)
        assert self.ours == self.theirs
        assert len(self.ours) == len(self.theirs)
        assert bool(self.ours) is bool(self.theirs)
        assert {*self.ours} == {*self.ours.keys()} == {*self.theirs}
        assert {*self.ours.items()} == {*self.theirs.items()}
        assert sorted(self.ours.values()) == sorted(self.theirs.values())
        assert self.ours.total() == sum(self.theirs.values())
        assert Counter(self.ours.elements()) == Counter(self.theirs.elements())
        assert Counter(self.ours) == self.theirs


@pytest.mark.thread_unsafe(
    reason="Hypothesis parses source code, in which CPython 3.11 confuses threads (SystemError)"
)
def test_any_operations_do_what_they_do_to_a_counter() -> None:
    run_state_machine_as_test(AgainstCounter, settings=settings(stateful_step_count=30))
