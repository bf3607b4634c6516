# SPDX-License-Identifier: Apache-2.0
"""batch_getitem: a dict's values become those of the same keys, as many lookups would have them."""

from __future__ import annotations

import collections
import gc
import random
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from cereggii_atomicdict import ANY, EXPECTATION_FAILED, NOT_FOUND, AtomicDict
from hypothesis import given
from hypothesis import strategies as st

from tools.testing.concurrency import beside, eventually

from .adversaries import PROGRAMS, Key, Program, Provoked, Trap, insert_many
from .mapping_forms import BadEq, Collider, Make, RefusalError, Thing, both_forms, contents
from .workloads import KEYS, MakeKey, access, check_whole, every_key, in_threads, resizing

MOST = 1024  # keys that are looked up at a time

every_program = pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)


# ── results ────────────────────────────────────────────────────────────────────────────────────


@both_forms
@every_key
@pytest.mark.parametrize("size", [0, 1, 5, 3000])
@pytest.mark.parametrize("chunk_size", [None, 1, 64, 65, 5000])
def test_a_batch_gets_what_lookups_get(
    make: Make, key: MakeKey, size: int, chunk_size: int | None
) -> None:
    if size == 3000 and chunk_size != 65 and key is not KEYS["int"]:
        size = 300
    values = [Thing() for _ in range(size)]
    mapping = make({key(n): values[n] for n in range(size)})
    batch: dict[Any, Any] = {key(n): n for n in range(-size // 2 - 1, size, 2)}
    keys = [*batch]
    arguments = () if chunk_size is None else (chunk_size,)
    assert mapping.batch_getitem(batch, *arguments) is batch
    assert all(one is other for one, other in zip(batch, keys, strict=True))
    for one, value in batch.items():
        assert value is mapping.get(one, NOT_FOUND)
    assert len(mapping) == size


@both_forms
def test_all_keys_of_a_large_dict_are_found(make: Make) -> None:
    mapping = make({n: -n for n in range(20_000)})
    batch = dict.fromkeys(range(-5_000, 25_000))
    mapping.batch_getitem(batch)
    assert batch == {n: -n if 0 <= n < 20_000 else NOT_FOUND for n in range(-5_000, 25_000)}


@both_forms
def test_an_empty_dict_has_none_of_the_keys(make: Make) -> None:
    batch = {"a": 1, 2: 3, Collider("x"): 4}
    emptied = make({"a": 1})
    del emptied["a"]
    for mapping in (make({}), emptied):
        assert {*mapping.batch_getitem(batch.copy()).values()} == {NOT_FOUND}
        assert mapping.batch_getitem({}) == {}


def test_a_deleted_key_is_not_found() -> None:
    d = AtomicDict({n: n for n in range(2000)})
    for n in range(0, 2000, 2):
        del d[n]
    for n in range(0, 2000, 4):
        d[n] = -n
    found = d.batch_getitem(dict.fromkeys(range(2000)))
    assert found == {n: n if n % 2 else NOT_FOUND if n % 4 else -n for n in range(2000)}


def test_keys_are_found_that_are_equal() -> None:
    d: AtomicDict[Any, Any] = AtomicDict({1: "int", "text": "str", Collider("x"): "own", 2.5: 1})
    batch: dict[Any, Any] = dict.fromkeys([True, "".join(["te", "xt"]), Collider("x"), 2.5, 2**61])
    keys = [*batch]
    assert [*d.batch_getitem(batch).values()] == ["int", "str", "own", 1, NOT_FOUND]
    assert all(one is other for one, other in zip(batch, keys, strict=True))


@given(
    st.dictionaries(st.integers(0, 50) | st.text(max_size=1), st.integers()),
    st.dictionaries(st.integers(0, 50) | st.text(max_size=1), st.none()),
    st.integers(1, 70),
)
def test_any_batch_gets_what_lookups_get(
    content: dict[Any, int], batch: dict[Any, Any], chunk_size: int
) -> None:
    expected = {key: content.get(key, NOT_FOUND) for key in batch}
    assert AtomicDict(content).batch_getitem(batch, chunk_size) == expected


def test_missing_is_not_asked() -> None:
    class Default(AtomicDict[Any, Any]):
        def __missing__(self, key: Any) -> Any:
            raise AssertionError("asked")

        def __getitem__(self, key: Any) -> Any:
            raise AssertionError("asked")

    assert Default({1: 2}).batch_getitem({1: 0, 3: 0}) == {1: 2, 3: NOT_FOUND}


def test_a_batch_may_be_of_a_subclass_of_dict() -> None:
    class Batch(dict[Any, Any]):
        pass

    batches: list[dict[Any, Any]] = [
        *(Batch({1: 0, 3: 0}), collections.OrderedDict({1: 0, 3: 0})),
        *(collections.Counter({1: 0, 3: 0}), collections.defaultdict(int, {1: 0, 3: 0})),
    ]
    for batch in batches:
        assert AtomicDict({1: 2}).batch_getitem(batch) is batch
        assert batch == {1: 2, 3: NOT_FOUND}
        assert [*batch] == [1, 3]


# ── arguments ──────────────────────────────────────────────────────────────────────────────────


@both_forms
def test_arguments_may_be_given_by_keyword(make: Make) -> None:
    mapping = make({1: 2})
    assert mapping.batch_getitem(batch={1: 0}) == {1: 2}
    assert mapping.batch_getitem(chunk_size=5, batch={1: 0}) == {1: 2}
    assert mapping.batch_getitem({1: 0}, chunk_size=2**63 - 1) == {1: 2}
    assert mapping.batch_getitem({1: 0}, True) == {1: 2}
    with pytest.raises(TypeError):
        mapping.batch_getitem({1: 0}, batch={1: 0})


@both_forms
def test_wrong_arguments_are_refused_and_the_batch_is_as_before(make: Make) -> None:
    mapping = make({1: 2})
    batch = {1: 0}
    wrong: list[tuple[Any, type[Exception], str]] = [
        (0, ValueError, "chunk_size must be at least 1, not 0"),
        (-1, ValueError, "chunk_size must not be negative, but it is -1"),
        (2**63, OverflowError, str(2**63)),
        (-(2**100), OverflowError, str(-(2**100))),
        (1.5, TypeError, "chunk_size"),
        ("5", TypeError, "chunk_size"),
        (None, TypeError, "chunk_size"),
    ]
    for chunk_size, error, message in wrong:
        with pytest.raises(error, match=message):
            mapping.batch_getitem(batch, chunk_size)
    for other in ([1], {1}, None, "text", AtomicDict({1: 0}), collections.UserDict({1: 0})):
        with pytest.raises(TypeError, match="batch must be a dict, not "):
            mapping.batch_getitem(other)
    assert batch == {1: 0}


@both_forms
@pytest.mark.parametrize("sentinel", [NOT_FOUND, ANY, EXPECTATION_FAILED], ids=repr)
def test_a_sentinel_is_not_a_key_and_the_batch_stays_unchanged(make: Make, sentinel: Any) -> None:
    mapping = make({n: -n for n in range(1000)})
    batch: dict[Any, Any] = {**dict.fromkeys(range(1000), 5), sentinel: 5}
    before = batch.copy()
    with pytest.raises(ValueError, match=repr(sentinel)):
        mapping.batch_getitem(batch)
    assert batch == before
    # As values of the batch, sentinels are like any other value.
    assert mapping.batch_getitem({1: sentinel, "absent": sentinel}) == {1: -1, "absent": NOT_FOUND}


# ── programs in the middle ─────────────────────────────────────────────────────────────────────


@every_program
def test_a_comparison_may_change_the_dict(program: Program) -> None:
    trap = Trap()
    stored = Key("key", trap)
    content: dict[Any, Any] = {stored: "stored", Key("other", trap): 1, "text": 2}
    d: AtomicDict[Any, Any] = AtomicDict(content)
    batch: dict[Any, Any] = {"text": 0, Key("key", trap): 0, "absent": 0, 10**6: 0}
    trap.set(lambda: program(d, stored))
    assert d.batch_getitem(batch) is batch
    assert trap.sprung == 1
    # Each is what was there at some instant.
    text, key, absent, number = batch.values()
    assert text in (2, NOT_FOUND)
    assert key in ("stored", "replaced", "again", NOT_FOUND)
    assert absent is number is NOT_FOUND
    check_whole(d)


def clear(batch: dict[Any, Any]) -> None:
    batch.clear()


def grow(batch: dict[Any, Any]) -> None:
    batch.update({f"new {n}": n for n in range(1000)})


def delete_and_insert(batch: dict[Any, Any]) -> None:
    for key in [*batch]:
        del batch[key]
        batch[key] = "again"


@pytest.mark.parametrize("change", [clear, grow, delete_and_insert])
@pytest.mark.parametrize("chunk_size", [10, 128, 1000])
def test_a_comparison_may_change_the_batch(
    change: Callable[[dict[Any, Any]], None], chunk_size: int
) -> None:
    """All that was in it at first is looked up; what is done before the change, may be lost."""
    trap = Trap()
    content: dict[Any, Any] = {n: -n for n in range(500)}
    d: AtomicDict[Any, Any] = AtomicDict({**content, Key("key", trap): "stored"})
    key = Key("key", trap)
    batch: dict[Any, Any] = dict.fromkeys([*range(250), key, *range(250, 500)], 0)
    trap.set(lambda: change(batch))
    assert d.batch_getitem(batch, chunk_size) is batch
    assert trap.sprung == 1
    assert batch[key] == "stored"
    for n in range(500):
        assert batch.get(n, "lost") in (-n, *(["lost", "again"] if n < 250 else []))
    if change is grow:
        assert {n: batch[n] for n in range(500)} == content
        assert all(batch[f"new {n}"] == n for n in range(1000))


def test_the_last_reference_to_a_key_may_go_meanwhile() -> None:
    trap = Trap()
    d: AtomicDict[Any, Any] = AtomicDict({Key("key", trap): "stored", Key("other", trap): 1})
    things = [Key(f"name {n}", trap, hash_=n) for n in range(300)]
    batch: dict[Any, Any] = dict.fromkeys([Key("key", trap), *things], 0)
    references = [weakref.ref(thing) for thing in things]
    things.clear()

    def drop() -> None:
        batch.clear()
        d.clear()
        gc.collect()

    trap.set(drop)
    d.batch_getitem(batch, 10)
    assert trap.sprung == 1
    assert len(batch) == 301
    batch.clear()
    assert eventually(lambda: not any(reference() for reference in references))


def test_an_exception_of_a_comparison_propagates_and_earlier_chunks_are_done() -> None:
    d: AtomicDict[Any, Any] = AtomicDict({**{n + 100: -n for n in range(100)}, BadEq(): 1})
    batch: dict[Any, Any] = dict.fromkeys(range(100, 200), "before")
    batch[7] = "before"  # it has the hash of BadEq
    batch |= dict.fromkeys(range(300, 400), "before")
    for chunk_size in (1, 10, 100, 128):
        mine = batch.copy()
        with pytest.raises(RefusalError, match="eq"):
            d.batch_getitem(mine, chunk_size)
        done = 100 // chunk_size * chunk_size
        keys = [*batch]
        assert {key: mine[key] for key in keys[:done]} == {n + 100: -n for n in range(done)}
        assert {mine[key] for key in keys[done:]} == {"before"}
        assert [*mine] == keys


def test_an_exception_of_a_hash_propagates() -> None:
    trap = Trap()
    key = Key("key", Trap(), hash_trap=trap)
    d = AtomicDict({n: n for n in range(10)})
    batch: dict[Any, Any] = {1: 0, key: 0}

    def fail() -> None:
        raise Provoked

    trap.set(fail)
    with pytest.raises(Provoked):
        d.batch_getitem(batch)
    assert [*batch.values()] == [0, 0]
    assert d.batch_getitem(batch) == {1: 1, key: NOT_FOUND}


def test_finalizers_of_the_values_before_may_use_both() -> None:
    d: AtomicDict[Any, Any] = AtomicDict({n: n for n in range(1000)})
    died = 0

    class Last:
        def __del__(self) -> None:
            nonlocal died
            died += 1
            d.pop(999, None)
            batch.pop(999, None)
            if died == 1:
                insert_many(d, None)

    batch: dict[Any, Any] = {n: Last() for n in range(900)}
    d.batch_getitem(batch)
    assert died == 900
    assert batch == {n: n for n in range(900)}
    check_whole(d)


@pytest.mark.thread_unsafe(reason="looks when objects die")
def test_no_reference_is_kept_or_lost() -> None:
    key, value, old = Thing(), Thing(), Thing()
    d: AtomicDict[Any, Any] = AtomicDict({key: value, BadEq(): 1})
    batch: dict[Any, Any] = {key: old, "absent": old}

    def counts() -> list[int]:
        return [sys.getrefcount(one) for one in (key, value, old, batch)]

    before = counts()
    for _ in range(10):
        batch.update({key: old, "absent": old})
        d.batch_getitem(batch)
        with pytest.raises(ValueError, match="ANY"):
            d.batch_getitem({key: old, ANY: 1})
        with pytest.raises(RefusalError):
            d.batch_getitem({key: old, Collider("x"): old})
    batch.update({key: old, "absent": old})
    assert eventually(lambda: counts() == before), (counts(), before)


# ── while others write ─────────────────────────────────────────────────────────────────────────

threaded = pytest.mark.thread_unsafe(reason="starts threads of its own")


@threaded
@pytest.mark.usefixtures("switch_often")
@pytest.mark.parametrize("key", [KEYS["int"], KEYS["str"], KEYS["own of few hashes"]])
def test_keys_that_stay_are_found_while_others_come_and_go(key: MakeKey, seed: int) -> None:
    size = 300
    shared: AtomicDict[Any, Any] = AtomicDict({key(n): n for n in range(size)})

    def replace() -> None:
        """A value is now the key's number, now a new object that says so."""
        for n in range(0, size, 3):
            shared[key(n)] = 10**9 + n
            shared[key(n)] = n

    def come_and_go() -> None:
        for n in range(size, size + 50):
            shared[key(n)] = n
            del shared[key(n)]

    def work(number: int) -> None:
        choose = random.Random(seed + number)
        mine = access(shared, number)
        for _ in range(6):
            numbers = choose.sample(range(size + 60), 200)
            batch = {key(n): None for n in numbers}
            mine.batch_getitem(batch, choose.choice([1, 10, 128, MOST]))
            for n, value in zip(numbers, batch.values(), strict=True):
                if n < size:
                    assert value in (n, 10**9 + n)
                else:
                    assert value is NOT_FOUND or (value == n < size + 50)

    with resizing(shared, size=150), beside(replace, come_and_go):
        in_threads(work, threads=2)
    check_whole(shared, {key(n): n for n in range(size)})


@threaded
@pytest.mark.usefixtures("switch_often")
def test_keys_whose_values_are_replaced_all_the_time_are_found() -> None:
    """A value may die as a reference to it is taken: then there is another."""
    keys = range(3)
    shared = AtomicDict({n: Thing() for n in keys})

    def replace() -> None:
        for _ in range(100):
            for n in keys:
                shared[n] = Thing()

    def work(number: int) -> None:
        mine = access(shared, number)
        for _ in range(5_000):
            assert {*map(type, mine.batch_getitem(dict.fromkeys(keys)).values())} == {Thing}

    with beside(replace):
        in_threads(work, threads=2)


@threaded
@pytest.mark.usefixtures("switch_often")
def test_lookups_of_a_batch_are_found_while_the_dict_is_cleared() -> None:
    shared: AtomicDict[int, Thing] = AtomicDict()

    def fill_and_clear() -> None:
        for n in range(300):
            shared[n] = Thing()
        shared.clear()

    def work(number: int) -> None:
        for _ in range(100):
            batch = access(shared, number).batch_getitem(dict.fromkeys(range(300)))
            assert {*map(type, batch.values())} <= {Thing, type(NOT_FOUND)}

    with beside(fill_and_clear):
        in_threads(work, threads=2)
    assert contents(shared).keys() <= {*range(300)}


@threaded
@pytest.mark.usefixtures("switch_often")
def test_threads_may_fill_in_the_same_batch() -> None:
    shared = AtomicDict({n: -n for n in range(2000)})
    batch: dict[int, Any] = dict.fromkeys(range(2000))
    in_threads(lambda n: access(shared, n).batch_getitem(batch, 10 * n + 1))
    assert batch == {n: -n for n in range(2000)}
