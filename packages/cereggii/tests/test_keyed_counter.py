# SPDX-License-Identifier: Apache-2.0
"""An AtomicKeyedCounter does what collections.Counter does, and loses no count of any thread."""

from __future__ import annotations

import collections
import contextlib
import copy
import functools
import itertools
import operator
import pickle
import random
import sys
import threading
import time
import types
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest
from cereggii import (
    ANY,
    NOT_FOUND,
    AtomicDict,
    AtomicDictHandle,
    AtomicKeyedCounter,
    AtomicKeyedCounterHandle,
    ThreadHandle,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tools.testing.concurrency import PATIENCE, background, meet, run_threads

THREADS = 4


def counter_of(*arguments: Any, **counts: Any) -> Any:
    return AtomicKeyedCounter(*arguments, **counts)


def handle_of(*arguments: Any, **counts: Any) -> Any:
    return AtomicKeyedCounter(*arguments, **counts).get_handle()


def thread_handle_of(*arguments: Any, **counts: Any) -> Any:
    return ThreadHandle(AtomicKeyedCounter(*arguments, **counts))


# Runs a test with `make`, which makes an AtomicKeyedCounter or a handle of one.
both_forms = pytest.mark.parametrize("make", [counter_of, handle_of], ids=["counter", "handle"])


class MyCounter(Counter[Any]):
    pass


def each_pair(left: dict[Any, int], right: dict[Any, int]) -> Iterator[tuple[Any, Any]]:
    """The left counts in either form, with the right ones in all that an operator takes."""
    for make in (counter_of, handle_of):
        for make_other in (Counter, MyCounter, counter_of, handle_of, thread_handle_of):
            yield make(left), make_other(right)


# What the thread of this number uses of the shared counter.
Access: TypeAlias = Callable[[AtomicKeyedCounter[Any], int], Any]
ACCESS: dict[str, Access] = {
    "counter": lambda shared, _: shared,
    "handles": lambda shared, _: shared.get_handle(),
    "both": lambda shared, number: shared if number % 2 else shared.get_handle(),
}
every_access = pytest.mark.parametrize("access", ACCESS.values(), ids=ACCESS)


def concurrent(test: Any) -> Any:
    """Marks a test that has threads of its own."""
    mark = pytest.mark.thread_unsafe(reason="has threads of its own")
    return mark(pytest.mark.usefixtures("switch_often")(test))


def in_threads(work: Callable[[int], Any]) -> list[Any]:
    """Run work(number) in as many threads as there are numbers, which start at the same time."""
    return run_threads(*(functools.partial(work, number) for number in range(THREADS)))


# Few keys, so that they meet.
KEYS: list[Any] = ["a", "b", "abc", 0, 1, 7, ("a", 1), None]
keys = st.sampled_from(KEYS)
counts = st.dictionaries(keys, st.integers(-3, 3))
named_counts = st.dictionaries(st.sampled_from(["a", "b", "key", "self"]), st.integers(-3, 3))


def plain(counter: Any) -> dict[Any, Any]:
    """What is in a counter, also counts of 0."""
    return counter.snapshot() if hasattr(counter, "snapshot") else dict(counter)


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


# ── the API of Counter ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", [AtomicKeyedCounter, AtomicKeyedCounterHandle])
def test_every_public_member_of_counter_is_there(kind: type[Any]) -> None:
    for name in dir(Counter):
        if not name.startswith("_"):
            assert callable(getattr(kind, name)), name
            assert getattr(kind, name).__doc__, name


@pytest.mark.parametrize("kind", [AtomicKeyedCounter, AtomicKeyedCounterHandle])
def test_there_is_no_fromkeys_as_in_counter(kind: Any) -> None:
    with pytest.raises(NotImplementedError, match=kind.__name__):
        kind.fromkeys("abc")
    with pytest.raises(NotImplementedError):
        kind.fromkeys("abc", 1)


@both_forms
def test_an_absent_key_has_the_count_0_and_is_not_inserted(make: Any) -> None:
    mine = make()
    for key in KEYS:
        assert mine[key] == 0
        assert key not in mine
        assert mine.get(key) is None
        assert mine.get(key, 5) == 5
        with pytest.raises(KeyError):
            mine.pop(key)
        assert mine.pop(key, 5) == 5
        del mine[key]
    assert len(mine) == 0
    assert not mine
    assert plain(mine) == {}


@both_forms
def test_counts_may_be_given_by_any_name(make: Any) -> None:
    names = ("self", "iterable", "initial", "min_size", "buffer_size", "key", "amount", "kwds")
    mine = make(**dict.fromkeys(names, 2))
    assert plain(mine) == dict.fromkeys(names, 2)
    mine.update(**dict.fromkeys(names, 3))
    mine.subtract(**dict.fromkeys(names, 1))
    assert plain(mine) == dict.fromkeys(names, 4)
    mine.update({"self": 1}, self=1)
    mine.subtract(["key"], key=1)
    assert (mine["self"], mine["key"]) == (6, 2)


@both_forms
def test_counts_may_be_negative_zero_huge_or_no_integers(make: Any) -> None:
    mine = make({"zero": 0, "below": -5, "huge": 2**100, "half": 0.5})
    assert mine.total() == 2**100 - 5 + 0.5
    mine.update({"below": -5, "huge": 2**100, "half": 0.25})
    mine.subtract({"zero": 3})
    assert plain(mine) == {"zero": -3, "below": -10, "huge": 2**101, "half": 0.75}
    assert [key for key, _ in mine.most_common()] == ["huge", "half", "zero", "below"]
    assert mine.add("half", 0.25) == 1.0
    assert mine.add("new", -(2**70)) == -(2**70)
    assert [*make(a=-1, b=0, c=2).elements()] == ["c", "c"]


@both_forms
def test_keys_may_be_anything_that_hashes_and_are_equal_as_in_a_dict(make: Any) -> None:
    thing = object()
    mine = make([1, True, 1.0, thing, thing, "a", b"a", None])
    assert plain(mine) == {1: 3, thing: 2, "a": 1, b"a": 1, None: 1}
    calls: list[Callable[[], Any]] = [
        lambda: mine.add([]),
        lambda: mine.update([[]]),
        lambda: mine.subtract([[]]),
        lambda: mine[[]],
        lambda: mine.__delitem__([]),
        lambda: make([[]]),
    ]
    for call in calls:
        with pytest.raises(TypeError):
            call()
    assert mine.total() == 8


@both_forms
def test_wrong_arguments_are_refused(make: Any) -> None:
    mine = make("aab")
    calls: list[Callable[[], Any]] = [
        lambda: make(5),
        lambda: make("a", "b"),
        lambda: mine.update(5),
        lambda: mine.update("a", "b"),
        lambda: mine.subtract(5),
        lambda: mine.subtract("a", "b"),
        lambda: mine.add(),
        lambda: mine.add("a", 1, 2),
        lambda: mine.add("a", "text"),
        lambda: mine.update({"a": "text"}),
        lambda: mine.update(a="text"),
        lambda: mine.subtract({"a": "text"}),
        lambda: mine.subtract(a="text"),
        lambda: mine.most_common("text"),
    ]
    for call in calls:
        with pytest.raises(TypeError):
            call()
    assert plain(mine) == {"a": 2, "b": 1}


@both_forms
def test_an_exception_of_what_is_counted_propagates(make: Any) -> None:
    def failing() -> Any:
        yield "a"
        raise LookupError("failed")

    mine = make("b")
    for call in (mine.update, mine.subtract):
        with pytest.raises(LookupError, match="failed"):
            call(failing())
    assert plain(mine).keys() <= {"a", "b"}
    assert mine["a"] in (-1, 0, 1)
    assert mine["b"] == 1


@both_forms
def test_it_may_be_updated_with_itself(make: Any) -> None:
    mine = make("aab")
    mine.update(mine)
    assert plain(mine) == {"a": 4, "b": 2}
    mine.update(mine.get_handle())
    assert plain(mine) == {"a": 8, "b": 4}
    mine.subtract(mine)
    assert plain(mine) == {"a": 0, "b": 0}


@both_forms
def test_elements_and_most_common_are_of_the_moment(make: Any) -> None:
    mine = make("aab")
    elements = mine.elements()
    mine.update("abc")
    assert sorted(elements) == ["a", "a", "b"]
    assert iter(elements) is elements
    assert mine.most_common(1) == [("a", 3)]


# ── as an AtomicDict ───────────────────────────────────────────────────────────────────────────


@both_forms
def test_the_operations_of_an_atomic_dict_are_there(make: Any) -> None:
    mine = make("aab")
    assert mine.compare_and_set("a", 2, 5) is None
    assert mine.get_and_set("c", 1) is NOT_FOUND
    assert mine.compare_and_set("d", ANY, 3) is None
    assert mine.remove_if(lambda _, count: count == 1) == 2
    assert plain(mine) == {"a": 5, "d": 3}
    mine.reduce_max([("a", 9), ("d", 1)])
    mine.reduce_count("dd")
    assert plain(mine) == {"a": 9, "d": 5}
    assert isinstance(mine, (AtomicDict, AtomicDictHandle))
    assert isinstance(mine, collections.abc.MutableMapping)


def test_a_handle_is_made_of_a_counter_or_of_a_handle() -> None:
    shared = AtomicKeyedCounter("a")
    for handle in (
        shared.get_handle(),
        shared.get_handle().get_handle(),
        AtomicKeyedCounterHandle(shared),
        AtomicKeyedCounterHandle(shared.get_handle()),
    ):
        assert type(handle) is AtomicKeyedCounterHandle
        assert isinstance(handle, ThreadHandle)
        before = shared["a"]
        assert handle.add("a") == before + 1 == shared["a"]
    make: Any = AtomicKeyedCounterHandle
    others: list[Any] = [5, Counter("a"), {}, AtomicDict(), AtomicDict().get_handle()]
    for other in others:
        with pytest.raises(TypeError, match="AtomicKeyedCounter"):
            make(other)


def test_a_dicts_handle_of_a_counter_knows_that_absent_keys_have_the_count_0() -> None:
    shared = AtomicKeyedCounter("a")
    handle = AtomicDictHandle(shared)
    assert (handle["a"], handle["b"], len(handle)) == (1, 0, 1)


class Named(AtomicKeyedCounter[Any]):
    def __init__(self, name: str, items: Any = None) -> None:
        super().__init__(items)
        self.name = name


def pickled(protocol: int) -> Callable[[Any], Any]:
    return lambda instance: pickle.loads(pickle.dumps(instance, protocol))


COPIES: dict[str, Callable[[Any], Any]] = {"copy": copy.copy, "deepcopy": copy.deepcopy} | {
    f"pickle {protocol}": pickled(protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
}
every_copy = pytest.mark.parametrize("make_copy", COPIES.values(), ids=COPIES)


@every_copy
@both_forms
def test_a_copy_has_the_same_counts_and_is_independent(make_copy: Any, make: Any) -> None:
    mine = make({"a": 2, "zero": 0, "below": -1})
    other = make_copy(mine)
    assert type(other) is type(mine)
    assert plain(other) == plain(mine)
    other.update("ab")
    assert other["absent"] == 0
    assert plain(mine) == {"a": 2, "zero": 0, "below": -1}


@every_copy
def test_a_copy_of_a_subclass_keeps_its_class_and_attributes(make_copy: Any) -> None:
    other = make_copy(Named("letters", "aab"))
    assert type(other) is Named
    assert (other.name, plain(other)) == ("letters", {"a": 2, "b": 1})


@both_forms
def test_the_copy_method_makes_a_counter(make: Any) -> None:
    mine = make({"a": 2, "zero": 0, "below": -1})
    other = mine.copy()
    assert type(other) is AtomicKeyedCounter
    assert plain(other) == plain(mine)
    other.clear()
    assert mine["a"] == 2


@both_forms
def test_it_has_no_hash_and_can_be_referred_to_weakly(make: Any) -> None:
    mine = make("a")
    with pytest.raises(TypeError):
        hash(mine)
    assert weakref.ref(mine)() is mine
    assert sys.getsizeof(mine) > 0


def test_repr_shows_the_counts_with_the_largest_first() -> None:
    assert repr(AtomicKeyedCounter()) == "AtomicKeyedCounter()"
    mine = AtomicKeyedCounter({"b": 1, "a": 3, "c": -1, "d": 0})
    shown = "{'a': 3, 'b': 1, 'd': 0, 'c': -1}"
    assert repr(mine) == str(mine) == f"AtomicKeyedCounter({shown})"
    assert repr(Named("letters", "aab")) == "Named({'a': 2, 'b': 1})"
    assert shown in repr(mine.get_handle())
    mine["text"] = "has no order"  # type: ignore[assignment]
    assert "'text': 'has no order'" in repr(mine)


def test_it_is_generic() -> None:
    alias: Any = AtomicKeyedCounter[str]
    assert alias.__origin__ is AtomicKeyedCounter
    assert plain(alias("aab")) == {"a": 2, "b": 1}


def test_calling_init_again_is_refused() -> None:
    mine: Any = AtomicKeyedCounter("aab")
    with pytest.raises(RuntimeError):
        mine.__init__("ccc")
    assert plain(mine) == {"a": 2, "b": 1}


def test_subclasses_may_say_what_is_missing() -> None:
    class FromTen(AtomicKeyedCounter[Any]):
        def __missing__(self, key: object) -> int:
            return 10

    mine = FromTen("a")
    assert (mine["a"], mine["b"]) == (1, 10)
    assert mine.get_handle()["b"] == 10


# ── threads ────────────────────────────────────────────────────────────────────────────────────

REPEATS = 300


class Word(str):
    """A key that lets other threads in between any two steps, in each of which it is hashed."""

    __slots__ = ()

    def __hash__(self) -> int:
        time.sleep(0)
        return str.__hash__(self)


@concurrent
@every_access
def test_threads_that_add_to_a_key_each_see_another_count(access: Access) -> None:
    shared: AtomicKeyedCounter[str] = AtomicKeyedCounter()
    key = Word("key")

    def work(number: int) -> list[int]:
        mine = access(shared, number)
        return [mine.add(key) for _ in range(REPEATS)]

    seen = in_threads(work)
    for own in seen:
        assert own == sorted(own)
    assert sorted(itertools.chain(*seen)) == [*range(1, THREADS * REPEATS + 1)]
    assert plain(shared) == {key: THREADS * REPEATS}


WORDS = [Word(f"word{number}") for number in range(5)]
ONES = dict.fromkeys(WORDS, 1)
MINUS_ONES = dict.fromkeys(WORDS, -1)

# What changes the count of each of the words by 1, or by -1.
WAYS: dict[str, tuple[Callable[[Any], Any], int]] = {
    "add": (lambda mine: [mine.add(word) for word in WORDS], 1),
    "add less": (lambda mine: [mine.add(word, -1) for word in WORDS], -1),
    "update with items": (lambda mine: mine.update(WORDS), 1),
    "update with an iterator": (lambda mine: mine.update(iter(WORDS)), 1),
    "update with counts": (lambda mine: mine.update(ONES), 1),
    "update with a counter": (lambda mine: mine.update(AtomicKeyedCounter(WORDS)), 1),
    "update by name": (lambda mine: mine.update(**ONES), 1),
    "subtract items": (lambda mine: mine.subtract(WORDS), -1),
    "subtract counts": (lambda mine: mine.subtract(MINUS_ONES), 1),
    "subtract a counter": (lambda mine: mine.subtract(AtomicKeyedCounter(WORDS)), -1),
    "subtract by name": (lambda mine: mine.subtract(**ONES), -1),
    "+= Counter": (lambda mine: mine.__iadd__(Counter(WORDS)), 1),
    "+= handle": (lambda mine: mine.__iadd__(handle_of(WORDS)), 1),
    "-= Counter": (lambda mine: mine.__isub__(Counter(WORDS)), -1),
}


@concurrent
@pytest.mark.parametrize(("way", "amount"), WAYS.values(), ids=WAYS)
def test_no_count_of_threads_that_count_at_once_is_lost(
    way: Callable[[Any], Any], amount: int
) -> None:
    shared = AtomicKeyedCounter(dict.fromkeys(WORDS, 10**6))
    accesses = [shared, shared, shared.get_handle(), shared.get_handle()]
    times = 50
    meet([None] * times, *(lambda _, mine=mine: way(mine) for mine in accesses))
    assert plain(shared) == dict.fromkeys(WORDS, 10**6 + len(accesses) * times * amount)


def counting(choose: random.Random, words: list[str]) -> tuple[Callable[[Any], Any], Counter[str]]:
    """A way to count, chosen at random, and what it adds up to."""
    chosen = choose.choices(words, k=choose.randrange(1, 20))
    amounts = {word: choose.randrange(-5, 6) for word in chosen}
    negative = Counter({word: -amount for word, amount in amounts.items()})
    ways: list[tuple[Callable[[Any], Any], Counter[str]]] = [
        (lambda mine: mine.add(chosen[0]), Counter(chosen[:1])),
        (
            lambda mine: mine.add(chosen[0], amounts[chosen[0]]),
            Counter({chosen[0]: amounts[chosen[0]]}),
        ),
        (lambda mine: mine.update(chosen), Counter(chosen)),
        (lambda mine: mine.update(iter(chosen)), Counter(chosen)),
        (lambda mine: mine.update(amounts), Counter(amounts)),
        (lambda mine: mine.update(AtomicKeyedCounter(amounts)), Counter(amounts)),
        (lambda mine: mine.update(**amounts), Counter(amounts)),
        (lambda mine: mine.subtract(negative), Counter(amounts)),
        (lambda mine: mine.subtract(**negative), Counter(amounts)),
        (lambda mine: mine.subtract(chosen), Counter({w: -chosen.count(w) for w in chosen})),
    ]
    return choose.choice(ways)


@concurrent
@every_access
@pytest.mark.parametrize("words", [1, 10, 1000])
def test_no_count_is_lost_however_threads_count(access: Access, words: int, seed: int) -> None:
    shared: AtomicKeyedCounter[str] = AtomicKeyedCounter()
    vocabulary = [f"word{number}" for number in range(words)]

    def work(number: int) -> Counter[str]:
        choose = random.Random(seed + number)
        mine = access(shared, number)
        whole: Counter[str] = Counter()
        for _ in range(REPEATS):
            count, amounts = counting(choose, vocabulary)
            count(mine)
            whole.update(amounts)
        return whole

    expected: Counter[str] = Counter()
    for own in in_threads(work):
        expected.update(own)
    assert plain(shared) == dict(expected)
    assert shared.total() == sum(expected.values())


@concurrent
@every_access
def test_no_count_is_lost_by_in_place_additions(access: Access, seed: int) -> None:
    """Beside `add` and `update`: nothing falls to 0, which in-place operators would remove."""
    shared: AtomicKeyedCounter[int] = AtomicKeyedCounter()
    makers: list[Callable[[Any], Any]] = [Counter, AtomicKeyedCounter, handle_of]

    def work(number: int) -> Counter[int]:
        choose = random.Random(seed + number)
        mine = access(shared, number)
        whole: Counter[int] = Counter()
        for _ in range(REPEATS):
            amounts = {choose.randrange(20): choose.randrange(1, 5) for _ in range(3)}
            way = choose.randrange(3)
            before = mine
            if way == 0:
                mine += choose.choice(makers)(amounts)
            elif way == 1:
                mine.update(amounts)
            else:
                for key, amount in amounts.items():
                    assert mine.add(key, amount) >= amount
            assert mine is before
            whole.update(amounts)
        return whole

    expected: Counter[int] = sum(in_threads(work), Counter())
    assert plain(shared) == expected


@concurrent
@every_access
def test_no_count_is_lost_by_in_place_subtractions(access: Access) -> None:
    shared: AtomicKeyedCounter[int] = AtomicKeyedCounter(
        {key: THREADS * REPEATS + key for key in range(5)}
    )

    def work(number: int) -> None:
        mine = access(shared, number)
        for _ in range(REPEATS):
            mine -= Counter(range(5))

    in_threads(work)
    assert plain(shared) == {key: key for key in range(1, 5)}


@concurrent
@every_access
def test_in_place_unions_and_intersections_meet(access: Access, seed: int) -> None:
    largest: AtomicKeyedCounter[int] = AtomicKeyedCounter()
    smallest = AtomicKeyedCounter(dict.fromkeys(range(5), 10**6))

    def work(number: int) -> list[dict[int, int]]:
        choose = random.Random(seed + number)
        larger, smaller = access(largest, number), access(smallest, number)
        seen = []
        for _ in range(REPEATS):
            seen.append({key: choose.randrange(1, 10**5) for key in range(5)})
            larger |= Counter(seen[-1])
            smaller &= Counter(seen[-1])
        return seen

    seen = [*itertools.chain(*in_threads(work))]
    assert plain(largest) == {key: max(each[key] for each in seen) for key in range(5)}
    assert plain(smallest) == {key: min(each[key] for each in seen) for key in range(5)}


@concurrent
@every_access
def test_each_count_that_is_popped_or_left_was_counted_once(access: Access) -> None:
    shared: AtomicKeyedCounter[int] = AtomicKeyedCounter()

    def work(number: int) -> int:
        mine = access(shared, number)
        popped = 0
        for n in range(REPEATS):
            mine.update(range(5))
            popped += mine.pop(n % 5, 0)
        return popped

    assert sum(in_threads(work)) + shared.total() == THREADS * REPEATS * 5


@concurrent
def test_of_threads_that_delete_nobody_minds_that_another_was_first() -> None:
    counters = [AtomicKeyedCounter(["key"]) for _ in range(300)]

    def delete(counter: AtomicKeyedCounter[str]) -> None:
        del counter["key"]

    meet(counters, *[delete] * THREADS)
    assert not any(counters)


IN_TURN = [Word(f"word{number}") for number in range(20)]

# What is said about all keys, as counts.
SNAPSHOTS: dict[str, Callable[[Any], Any]] = {
    "most_common": lambda mine: dict(mine.most_common()),
    "elements": lambda mine: Counter(map(str, mine.elements())),
    "copy": lambda mine: plain(mine.copy()),
    "copy.copy": lambda mine: plain(copy.copy(mine)),
    "pickle": lambda mine: plain(pickle.loads(pickle.dumps(mine))),
    "+": lambda mine: plain(mine + Counter()),
    "-": lambda mine: plain(mine - Counter()),
    "|": lambda mine: plain(Counter() | mine),
    "&": lambda mine: plain(mine & Counter(dict.fromkeys(IN_TURN, 10**9))),
    "unary +": lambda mine: plain(+mine),
    "repr": lambda mine: eval(repr(mine).partition("(")[2].rpartition(")")[0]),
}


@contextlib.contextmanager
def beside(step: Callable[[int], None], turns: int = 1000) -> Iterator[Iterator[None]]:
    """In another thread, a step for each number in turn, so many times; when one may look."""
    started, enough = threading.Event(), threading.Event()

    def work() -> None:
        for _ in range(turns):
            for number in range(len(IN_TURN)):
                step(number)
            started.set()
            if enough.is_set():
                return

    with background(work) as [task]:
        try:
            assert started.wait(PATIENCE)
            yield (None for look in range(30) if look < 3 or task.is_alive())
        finally:
            enough.set()


@concurrent
@pytest.mark.parametrize("look", SNAPSHOTS.values(), ids=SNAPSHOTS)
@both_forms
def test_what_is_said_about_all_keys_is_said_as_of_one_instant(look: Any, make: Any) -> None:
    """A thread counts the keys in turn: at each instant none is more than one ahead."""
    mine = make(dict.fromkeys(IN_TURN, 1))
    with beside(lambda number: mine.add(IN_TURN[number])) as looks:
        for _ in looks:
            seen = look(mine)
            in_turn = [seen[key] for key in IN_TURN]
            assert in_turn == sorted(in_turn, reverse=True)
            assert in_turn[0] - in_turn[-1] <= 1


class Count(int):
    """A count that lets other threads in when it is added to something."""

    def __add__(self, other: int) -> Count:
        time.sleep(0)
        return Count(int(self) + int(other))

    __radd__ = __add__


@concurrent
@both_forms
def test_a_total_is_of_one_instant(make: Any) -> None:
    """A thread takes counts from one key to another: no more than one is ever on its way."""
    mine = make(dict.fromkeys(IN_TURN, Count(1)))

    def move(number: int) -> None:
        mine.add(IN_TURN[number], -1)
        mine.add(IN_TURN[number - 7])

    with beside(move) as looks:
        for _ in looks:
            assert mine.total() in (len(IN_TURN) - 1, len(IN_TURN))
    assert mine.total() == len(IN_TURN)


# ── as a Counter, in small things ──────────────────────────────────────────────────────────────


def test_any_mapping_can_be_added_in_place() -> None:
    counter: Any = AtomicKeyedCounter("aab")
    counter += {"a": 2, "c": 1}
    assert counter == Counter(a=4, b=1, c=1)
    counter -= {"a": 4}
    counter |= AtomicDict({"b": 3})
    counter &= {"b": 2}
    assert counter == Counter(b=2)
    with pytest.raises(TypeError):
        counter + {"a": 1}


def test_a_counter_that_counts_itself_can_be_shown() -> None:
    counter: Any = AtomicKeyedCounter()
    counter["me"] = counter
    assert repr(counter) == "AtomicKeyedCounter({'me': AtomicKeyedCounter(...)})"


def test_a_copy_of_a_subclass_is_one() -> None:
    class Mine(AtomicKeyedCounter[str]):
        pass

    assert type(Mine("aab").copy()) is Mine
    assert type(AtomicKeyedCounter("aab").get_handle().copy()) is AtomicKeyedCounter
