# SPDX-License-Identifier: Apache-2.0
"""Any sequence of operations does what it does to a builtin set, whatever the elements are."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from cereggii_atomicdict import AtomicSet
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from .set_forms import BUILTIN, ITERABLES, OURS, VIEWS, MakeSet
from .test_mapping_model import KEYS
from .test_set_algebra import CHANGES, COMPARISONS, IN_PLACE, NEW_SETS, OPERATORS, QUESTIONS

elements = st.sampled_from(KEYS)
some_elements = st.lists(elements, max_size=8) | st.builds(
    lambda start, size: [*range(start, start + size)], st.integers(0, 2000), st.integers(1, 300)
)
any_set = st.sampled_from([*OURS.values(), *BUILTIN.values(), *VIEWS.values()])
any_iterable = any_set | st.sampled_from([*ITERABLES.values()])
COPIES: list[Callable[[Any], Any]] = [
    lambda ours: ours.copy(),
    copy.copy,
    AtomicSet,
    lambda ours: ours | set(),
    lambda ours: AtomicSet(ours.snapshot()),
]


class AgainstSet(RuleBasedStateMachine):
    ours: Any
    theirs: set[Any]

    @initialize(start=some_elements, make=any_iterable, handle=st.booleans())
    def construct(self, start: list[Any], make: MakeSet, handle: bool) -> None:
        self.handle = handle
        self.use(AtomicSet(make(start)))
        self.theirs = set(make(start))

    def use(self, elements: Any) -> None:
        self.ours = elements.get_handle() if self.handle else elements

    # ── one element ──

    @rule(element=elements)
    def add(self, element: Any) -> None:
        assert self.ours.add(element) is (element not in self.theirs)
        self.theirs.add(element)

    @rule(element=elements)
    def discard(self, element: Any) -> None:
        assert self.ours.discard(element) is (element in self.theirs)
        self.theirs.discard(element)

    @rule(element=elements)
    def remove(self, element: Any) -> None:
        if element in self.theirs:
            self.ours.remove(element)
            self.theirs.remove(element)
        else:
            with pytest.raises(KeyError):
                self.ours.remove(element)

    @rule(element=elements)
    def look(self, element: Any) -> None:
        assert (element in self.ours) is (element in self.theirs)

    @rule()
    def pop(self) -> None:
        if self.theirs:
            self.theirs.remove(self.ours.pop())
        else:
            with pytest.raises(KeyError):
                self.ours.pop()

    @rule(keep=st.integers(0, 10))
    def pop_many(self, keep: int) -> None:
        while len(self.theirs) > keep:
            self.pop()

    @rule()
    def clear(self) -> None:
        self.ours.clear()
        self.theirs.clear()

    @rule(divisor=st.integers(1, 5))
    def remove_if(self, divisor: int) -> None:
        gone = {each for each in self.theirs if type(each) is int and each % divisor == 0}
        assert self.ours.remove_if(gone.__contains__) == len(gone)
        self.theirs -= gone

    # ── other sets ──

    @rule(name=st.sampled_from(CHANGES), make=any_iterable, other=some_elements)
    def change(self, name: str, make: MakeSet, other: list[Any]) -> None:
        getattr(self.ours, name)(make(other))
        getattr(self.theirs, name)({*other})
        self.take_objects()

    @rule(symbol=st.sampled_from([*IN_PLACE]), make=any_set, other=some_elements)
    def change_in_place(self, symbol: str, make: MakeSet, other: list[Any]) -> None:
        assert IN_PLACE[symbol](self.ours, make(other)) is self.ours
        IN_PLACE[symbol](self.theirs, {*other})
        self.take_objects()

    def take_objects(self) -> None:
        """Of two equal elements, an intersection of builtin sets may have either one."""
        assert self.ours == self.theirs
        self.theirs = {*self.ours}

    @rule(symbol=st.sampled_from([*OPERATORS]), make=any_set, other=some_elements)
    def combine(self, symbol: str, make: MakeSet, other: list[Any]) -> None:
        made = OPERATORS[symbol](self.ours, make(other))
        assert made == OPERATORS[symbol](self.theirs, {*other})
        reflected = OPERATORS[symbol](make(other), self.ours)
        assert reflected == OPERATORS[symbol]({*other}, self.theirs)
        self.use(made)
        self.theirs = {*made}

    @rule(name=st.sampled_from(NEW_SETS), make=any_iterable, other=some_elements)
    def make_new(self, name: str, make: MakeSet, other: list[Any]) -> None:
        assert getattr(self.ours, name)(make(other)) == getattr(self.theirs, name)({*other})

    @rule(name=st.sampled_from(QUESTIONS), make=any_iterable, other=some_elements)
    def ask(self, name: str, make: MakeSet, other: list[Any]) -> None:
        assert getattr(self.ours, name)(make(other)) is getattr(self.theirs, name)({*other})

    @rule(symbol=st.sampled_from([*COMPARISONS]), make=any_set, other=some_elements)
    def compare(self, symbol: str, make: MakeSet, other: list[Any]) -> None:
        expected = COMPARISONS[symbol](self.theirs, {*other})
        assert COMPARISONS[symbol](self.ours, make(other)) is expected

    @rule(make_copy=st.sampled_from(COPIES))
    def copy(self, make_copy: Callable[[Any], Any]) -> None:
        self.use(make_copy(self.ours))

    # ── what is always so ──

    @invariant()
    def same_elements(self) -> None:
        """The very same objects: of equal ones, the one that came first."""
        assert {*map(id, self.ours)} == {*map(id, self.theirs)}
        assert len([*self.ours]) == len(self.ours) == len(self.theirs)
        assert bool(self.ours) is bool(self.theirs)

    @invariant()
    def equal(self) -> None:
        assert self.ours == self.theirs
        assert self.theirs == self.ours
        assert self.ours.snapshot() == self.theirs


@pytest.mark.thread_unsafe(
    reason="Hypothesis parses source code, in which CPython 3.11 confuses threads (SystemError)"
)
def test_any_operations_do_what_they_do_to_a_set() -> None:
    run_state_machine_as_test(AgainstSet, settings=settings(stateful_step_count=40))


def test_pickles_of_all_elements() -> None:
    plain = [key for key in KEYS if key is None or type(key) in (int, str, bytes, tuple, float)]
    ours = AtomicSet(plain)
    copied = pickle.loads(pickle.dumps(ours))
    assert len(copied) == len(ours)
    assert {*map(repr, copied)} == {*map(repr, ours)}
