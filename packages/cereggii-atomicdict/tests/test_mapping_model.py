# SPDX-License-Identifier: Apache-2.0
"""Any sequence of operations does what it does to a builtin dict, whatever the keys are."""

from __future__ import annotations

import fractions
from typing import Any

import pytest
from cereggii_atomicdict import ANY, NOT_FOUND, AtomicDict, ExpectationFailed
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tools.testing.matching import MyBytes, MyInt, MyStr, matches, twin

from .mapping_forms import Collider, Thing

# Few, so that they meet; equal ones of other types and other objects; unequal ones of one hash.
KEYS: list[Any] = [
    *(0, 1, True, False, 1.0, -0.0, -1, -2, -2.0, MyInt(1), fractions.Fraction(7), 7, 7 + 0j),
    *(2**61 - 1, 2**61, 2**61 + 6, 2**64, twin(2**64), -(2**61), 2**70 + 7, float("inf"), 0.5),
    *("", "a", twin("abc"), twin("abc"), MyStr("abc"), "abc\0", "\xe9", "\N{SNOWMAN}", "\ud800"),
    *("\U0001f40d", twin("\U0001f40d"), MyStr("\U0001f40d"), MyStr("mine")),
    *(b"", b"a", twin(b"abc"), twin(b"abc"), MyBytes(b"abc"), memoryview(b"a")),
    *((), (1,), (True,), ("a", (1, 2.0)), ("a", (1, 2)), None, ..., float("nan"), float("nan")),
    *(Collider("x"), Collider("x"), Collider("y"), Thing(), Thing(), Thing, frozenset()),
]
VALUES: list[Any] = [
    *(None, 1, True, 1.0, 2**70, twin(2**70), 0.5, twin("text"), twin("text"), MyStr("text")),
    *(twin(b"text"), twin(b"text"), MyBytes(b"text"), (1,), (True,), Thing(), Collider("x")),
]

keys = st.sampled_from(KEYS)
values = st.sampled_from(VALUES)
expectations = st.sampled_from([*VALUES, NOT_FOUND, ANY])
ranges = st.builds(
    lambda start, size: range(start, start + size), st.integers(0, 2000), st.integers(1, 300)
)
MISSING = Thing()


class AgainstDict(RuleBasedStateMachine):
    ours: Any
    theirs: dict[Any, Any]

    @initialize(
        start=st.lists(st.tuples(keys, values), max_size=10),
        handle=st.booleans(),
        min_size=st.sampled_from([None, 0, 100, 1000]),
    )
    def construct(self, start: list[Any], handle: bool, min_size: int | None) -> None:
        self.handle = handle
        self.use(AtomicDict(start, min_size=min_size))
        self.theirs = dict(start)

    def use(self, mapping: Any) -> None:
        self.ours = mapping.get_handle() if self.handle else mapping

    def found(self, key: Any) -> Any:
        return self.theirs.get(key, NOT_FOUND)

    def expected_found(self, key: Any, expected: Any) -> bool:
        found = self.found(key)
        return expected is ANY or found is expected or matches(found, expected)

    # ── one key ──

    @rule(key=keys)
    def read(self, key: Any) -> None:
        value = self.theirs.get(key, MISSING)
        assert self.ours.get(key, MISSING) is value
        assert (key in self.ours) is (key in self.theirs)
        if value is MISSING:
            assert self.ours.get(key) is None
            with pytest.raises(KeyError):
                self.ours[key]
        else:
            assert self.ours[key] is value

    @rule(key=keys, value=values)
    def store(self, key: Any, value: Any) -> None:
        self.ours[key] = self.theirs[key] = value

    @rule(key=keys)
    def delete(self, key: Any) -> None:
        if key in self.theirs:
            del self.theirs[key], self.ours[key]
        else:
            with pytest.raises(KeyError):
                del self.ours[key]

    @rule(key=keys)
    def pop(self, key: Any) -> None:
        if key in self.theirs:
            assert self.ours.pop(key) is self.theirs.pop(key)
        else:
            with pytest.raises(KeyError):
                self.ours.pop(key)
            assert self.ours.pop(key, MISSING) is MISSING

    @rule(key=keys, value=values)
    def setdefault(self, key: Any, value: Any) -> None:
        assert self.ours.setdefault(key, value) is self.theirs.setdefault(key, value)

    @rule(key=keys, value=values)
    def get_and_set(self, key: Any, value: Any) -> None:
        assert self.ours.get_and_set(key, value) is self.found(key)
        self.theirs[key] = value

    @rule(key=keys, expected=expectations, value=values)
    def compare_and_set(self, key: Any, expected: Any, value: Any) -> None:
        if self.expected_found(key, expected):
            assert self.ours.compare_and_set(key, expected, value) is None
            self.theirs[key] = value
        else:
            with pytest.raises(ExpectationFailed):
                self.ours.compare_and_set(key, expected, value)

    @rule(key=keys, expected=expectations, value=values)
    def compare_and_exchange(self, key: Any, expected: Any, value: Any) -> None:
        assert self.ours.compare_and_exchange(key, expected, value) is self.found(key)
        if self.expected_found(key, expected):
            self.theirs[key] = value

    @rule(key=keys, expected=values | st.just(ANY))
    def compare_and_delete(self, key: Any, expected: Any) -> None:
        if key in self.theirs and self.expected_found(key, expected):
            assert self.ours.compare_and_delete(key, expected) is None
            del self.theirs[key]
        else:
            with pytest.raises(ExpectationFailed):
                self.ours.compare_and_delete(key, expected)

    # ── many keys ──

    @rule()
    def popitem(self) -> None:
        if self.theirs:
            key, value = self.ours.popitem()
            assert self.theirs.pop(key) is value
        else:
            with pytest.raises(KeyError):
                self.ours.popitem()

    @rule(many=ranges)
    def grow(self, many: range) -> None:
        for key in many:
            self.ours[key] = self.theirs[key] = "many"

    @rule(many=ranges)
    def grow_by_update(self, many: range) -> None:
        items = {str(key): key for key in many}
        self.ours.update(items)
        self.theirs.update(items)

    @rule(many=ranges)
    def delete_many(self, many: range) -> None:
        for key in [*many, *map(str, many)]:
            assert self.ours.pop(key, MISSING) is self.theirs.pop(key, MISSING)

    @rule(keep=st.integers(0, 10))
    def popitem_many(self, keep: int) -> None:
        while len(self.theirs) > keep:
            self.popitem()

    @rule()
    def clear(self) -> None:
        self.ours.clear()
        self.theirs.clear()

    @rule(size=st.integers(0, 3000))
    def reserve(self, size: int) -> None:
        self.ours.reserve(size)

    @rule()
    def copy(self) -> None:
        self.use(self.ours.copy())

    @rule(items=st.lists(st.tuples(keys, values), max_size=5))
    def merge(self, items: list[Any]) -> None:
        self.use(self.ours | dict(items))
        self.theirs |= dict(items)

    # ── what is always so ──

    @invariant()
    def same_items(self) -> None:
        """The very same objects: the key that came first, the value that came last."""
        ours = {(id(key), id(value)) for key, value in self.ours.items()}
        assert ours == {(id(key), id(value)) for key, value in self.theirs.items()}
        assert len(ours) == len(self.ours) == len(self.theirs)
        assert len([*self.ours]) == len(self.theirs)
        assert bool(self.ours) is bool(self.theirs)

    @invariant()
    def equal(self) -> None:
        assert self.ours == self.theirs
        assert self.ours.snapshot() == self.theirs


@pytest.mark.thread_unsafe(
    reason="Hypothesis parses source code, in which CPython 3.11 confuses threads (SystemError)"
)
def test_any_operations_do_what_they_do_to_a_dict() -> None:
    run_state_machine_as_test(AgainstDict, settings=settings(stateful_step_count=40))
