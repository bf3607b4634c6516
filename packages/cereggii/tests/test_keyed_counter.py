# SPDX-License-Identifier: Apache-2.0
"""An AtomicKeyedCounter has the methods of collections.Counter: the same results and errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from cereggii import AtomicDict, AtomicKeyedCounter, AtomicKeyedCounterHandle

from .keyed_counters import KEYS, both_forms, plain

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
