# SPDX-License-Identifier: Apache-2.0
"""Whatever __eq__ and __hash__ of keys do in the middle of an operation, the dict survives it."""

from __future__ import annotations

import contextlib
import functools
import random
from collections.abc import Callable
from typing import Any

import pytest
from cereggii_atomicdict import AtomicDict

from .adversaries import (
    NEW,
    OPERATIONS,
    PROGRAMS,
    Key,
    Operation,
    Program,
    Provoked,
    Trap,
    in_another_thread,
    unchanged,
)
from .workloads import PERIOD, THREADS, access, check_whole, in_threads, resizing

every_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
every_operation_inside = pytest.mark.parametrize("inner", OPERATIONS.values(), ids=OPERATIONS)
every_program = pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
both_forms = pytest.mark.parametrize("handle", [False, True], ids=["dict", "handle"])
threaded = pytest.mark.thread_unsafe(reason="starts threads of its own")


def raise_provoked() -> None:
    raise Provoked


def check_stored(d: AtomicDict[Any, Any], key: Any, expected: Any) -> None:
    assert expected is ... or d.get(key) is expected
    check_whole(d)


# ── a comparison changes the dict ──────────────────────────────────────────────────────────────


@every_operation
@every_program
@both_forms
def test_a_comparison_may_change_the_dict(
    operation: Operation, program: Program, handle: bool
) -> None:
    for name in ("key", "absent"):
        trap = Trap()
        stored = Key("key", trap)
        d: AtomicDict[Any, Any] = AtomicDict({stored: "stored", Key("other", trap): 1, "str": 2})
        trap.set(functools.partial(program, d, stored))
        expected = operation(d.get_handle() if handle else d, Key(name, trap))
        assert trap.sprung == 1
        check_stored(d, Key(name, trap), expected)


@threaded
@every_operation
@every_program
def test_another_thread_may_change_the_dict_while_a_comparison_waits_for_it(
    operation: Operation, program: Program
) -> None:
    trap = Trap()
    stored = Key("key", trap)
    d: AtomicDict[Any, Any] = AtomicDict({stored: "stored", Key("other", trap): 1})
    trap.set(lambda: in_another_thread(lambda: program(d, stored)))
    expected = operation(d, Key("key", trap))
    assert trap.sprung == 1
    check_stored(d, Key("key", trap), expected)


@every_operation
@every_program
def test_a_hash_may_change_the_dict(operation: Operation, program: Program) -> None:
    trap, quiet = Trap(), Trap()
    stored = Key("key", quiet)
    d: AtomicDict[Any, Any] = AtomicDict({stored: "stored"})
    trap.set(lambda: program(d, stored))
    expected = operation(d, Key("key", quiet, hash_trap=trap))
    assert trap.sprung == 1
    check_stored(d, Key("key", quiet), expected)


@every_operation
@every_operation_inside
def test_a_comparison_may_make_any_other_call_with_the_same_key(
    operation: Operation, inner: Operation
) -> None:
    trap = Trap()
    d: AtomicDict[Any, Any] = AtomicDict({Key("key", trap): "stored", Key("other", trap): 1})
    probe = Key("key", trap)
    trap.set(lambda: inner(d, probe))
    expected = operation(d, probe)
    assert trap.sprung == 1
    check_stored(d, probe, expected)


def test_comparisons_may_nest() -> None:
    trap = Trap()
    d: AtomicDict[Any, Any] = AtomicDict({Key("key", trap): "stored", Key("other", trap): 1})
    depth = 0

    def compare() -> None:
        nonlocal depth
        depth += 1
        if depth < 50:
            trap.set(compare)
            d[Key(f"key {depth % 5}", trap)] = depth
            d.pop(Key(f"key {depth % 3}", trap), None)

    trap.set(compare)
    d[Key("key", trap)] = NEW
    assert depth == 50
    check_stored(d, Key("key", trap), NEW)


# ── a comparison raises ────────────────────────────────────────────────────────────────────────


@every_operation
@both_forms
@pytest.mark.parametrize("name", ["key", "absent"])
def test_an_exception_of_a_comparison_propagates_and_changes_nothing(
    operation: Operation, handle: bool, name: str
) -> None:
    trap = Trap()
    d: AtomicDict[Any, Any] = AtomicDict({Key("key", trap): "stored", 7: 8})
    trap.set(raise_provoked)
    with unchanged(d), pytest.raises(Provoked):
        operation(d.get_handle() if handle else d, Key(name, trap))
    check_whole(d)


@every_operation
@both_forms
def test_an_exception_of_a_hash_propagates_and_changes_nothing(
    operation: Operation, handle: bool
) -> None:
    trap, quiet = Trap(), Trap()
    d: AtomicDict[Any, Any] = AtomicDict({Key("key", quiet): "stored", 7: 8})
    trap.set(raise_provoked)
    with unchanged(d), pytest.raises(Provoked):
        operation(d.get_handle() if handle else d, Key("key", quiet, hash_trap=trap))
    with unchanged(d), pytest.raises(TypeError):
        operation(d, [])
    check_whole(d)


@every_operation
def test_an_exception_of_a_truth_value_propagates_and_changes_nothing(
    operation: Operation,
) -> None:
    class Answer:
        def __bool__(self) -> bool:
            raise Provoked

    class Doubtful:
        def __hash__(self) -> int:
            return 5

        def __eq__(self, other: object) -> Any:
            return Answer()

    d: AtomicDict[Any, Any] = AtomicDict({6: "six", Doubtful(): "stored"})
    with unchanged(d), pytest.raises(Provoked):
        operation(d, Doubtful())


# ── keys that break the rules ──────────────────────────────────────────────────────────────────


class Lawless:
    """Compares and hashes as it likes."""

    def __init__(self, choose: random.Random) -> None:
        self._choose = choose

    def __eq__(self, other: object) -> bool:
        return self._choose.random() < 0.3

    def __hash__(self) -> int:
        return self._choose.randrange(3)


def test_keys_without_a_stable_hash_or_equality_break_nothing_else(seed: int) -> None:
    choose = random.Random(seed)
    d: AtomicDict[Any, Any] = AtomicDict()
    for n in range(1000):
        d[n + 10] = n  # keys whose hash is another
        choose.choice([*OPERATIONS.values()])(d, Lawless(choose))
        assert d.pop(n + 10) == n
        assert len(d) == len(list(d))
    while d:
        d.popitem()
    assert list(d) == []


def test_a_key_that_equals_nothing_is_found_by_identity() -> None:
    class Different:
        def __eq__(self, other: object) -> bool:
            return False

        def __hash__(self) -> int:
            return 5

    keys = [Different() for _ in range(20)] + [float("nan")]
    d = AtomicDict({key: number for number, key in enumerate(keys)})
    assert [d[key] for key in keys] == [*range(21)]
    assert Different() not in d
    for key in keys:
        del d[key]
    check_whole(d, {})


# ── many keys of one hash ──────────────────────────────────────────────────────────────────────


class Collider:
    """One of very many of the same hash."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    def __eq__(self, other: object) -> bool:
        return self.number == other.number  # type: ignore[attr-defined, no-any-return]

    def __hash__(self) -> int:
        return 77


@pytest.mark.thread_unsafe(reason="takes long enough once")
def test_thousands_of_keys_of_one_hash_work() -> None:
    count = 2000
    keys = [Collider(number) for number in range(count)]
    d: AtomicDict[Any, int] = AtomicDict()
    for number, key in enumerate(keys):
        d[key] = number
    assert len(d) == count
    assert sorted(d.values()) == [*range(count)]
    for number in range(0, count, 50):
        assert d[Collider(number)] == number
        assert Collider(-1 - number) not in d
    for key in keys[: count - 100]:
        del d[key]
    assert sorted(d.values()) == [*range(count - 100, count)]
    for number in range(count - 100, count):
        assert d[Collider(number)] == number


def test_ints_of_one_hash_work_by_the_thousand() -> None:
    count = 3000
    d = AtomicDict({7 + number * PERIOD: number for number in range(count)})
    assert len({hash(key) for key in d}) == 1
    for number in range(0, count, 7):
        assert d[7 + number * PERIOD] == number
        assert d.pop(7 + number * PERIOD) == number
        assert 7 + number * PERIOD not in d
    assert sorted(d.values()) == [number for number in range(count) if number % 7]


@threaded
@pytest.mark.usefixtures("switch_often")
def test_threads_insert_and_delete_many_keys_of_one_hash() -> None:
    each = 100
    d: AtomicDict[Any, int] = AtomicDict()

    def work(number: int) -> None:
        mine = access(d, number)
        own = range(number, each * THREADS, THREADS)
        for which in own:
            mine[Collider(which)] = which
        for which in own:
            assert mine[Collider(which)] == which
            if which % 8 < 4:
                del mine[Collider(which)]
                assert Collider(which) not in mine

    in_threads(work)
    assert sorted(d.values()) == [n for n in range(each * THREADS) if n % 8 >= 4]
    assert len(d) == len(list(d)) == each * THREADS // 2


# ── many threads ───────────────────────────────────────────────────────────────────────────────


class Nervous:
    """A key whose comparison now and then raises, changes the dict, or lets others in."""

    def __init__(self, number: int, act: Callable[[], None]) -> None:
        self.number = number
        self._act = act

    def __eq__(self, other: object) -> bool:
        self._act()
        return isinstance(other, Nervous) and self.number == other.number

    def __hash__(self) -> int:
        return self.number % 5


@threaded
@pytest.mark.usefixtures("switch_often")
def test_threads_survive_keys_that_do_anything_in_comparisons(seed: int) -> None:
    d: AtomicDict[Any, Any] = AtomicDict()
    programs = [PROGRAMS[name] for name in ("replace the value", "insert the key again", "clear")]
    programs += [lambda d, key: d.pop(key, None), lambda d, key: raise_provoked()]
    quiet: list[bool] = []

    def work(number: int) -> None:
        choose = random.Random(seed + number)
        mine = access(d, number)
        inside: list[bool] = []
        kept = [Nervous(n, lambda: None) for n in range(40)]

        def act() -> None:
            if not inside and not quiet and choose.random() < 0.1:
                inside.append(True)
                try:
                    choose.choice(programs)(mine, choose.choice(kept))
                finally:
                    inside.clear()

        for _ in range(1500):
            operation = choose.choice([*OPERATIONS.values()])
            with contextlib.suppress(Provoked):
                operation(mine, Nervous(choose.randrange(40), act))

    with resizing(d, cleared=True):
        in_threads(work, threads=3)
    quiet.append(True)
    check_whole(d)
    assert len(d) <= 40
