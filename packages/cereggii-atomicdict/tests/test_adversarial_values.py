# SPDX-License-Identifier: Apache-2.0
"""Whatever finalizers and weakref callbacks do as something is dropped, the dict survives it."""

from __future__ import annotations

import functools
import gc
import random
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from cereggii_atomicdict import AtomicDict

from tools.testing.concurrency import eventually

from .adversaries import PROGRAMS, Program, in_another_thread
from .workloads import access, check_whole, in_threads

every_program = pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
threaded = pytest.mark.thread_unsafe(reason="starts threads of its own")

# ── finalizers that use the dict ───────────────────────────────────────────────────────────────


class Last:
    """An object that runs a program as it dies."""

    def __init__(self, program: Callable[[], Any]) -> None:
        self._program = program

    def __del__(self) -> None:
        self._program()


class LastKey(Last):
    """Many of the same hash, so that others are compared with it."""

    def __hash__(self) -> int:
        return 3

    def __eq__(self, other: object) -> bool:
        return self is other


# Each drops the value of "key" (and of those, some drop much else).
DROP: dict[str, Callable[[AtomicDict[Any, Any]], Any]] = {
    "set": lambda d: d.__setitem__("key", "new"),
    "update": lambda d: d.update(key="new"),
    "del": lambda d: d.__delitem__("key"),
    "pop": lambda d: d.pop("key"),
    "get_and_set": lambda d: d.get_and_set("key", "new"),
    "compare_and_set": lambda d: d.compare_and_set("key", d["key"], "new"),
    "compare_and_exchange": lambda d: d.compare_and_exchange("key", d["key"], "new"),
    "compare_and_delete": lambda d: d.compare_and_delete("key", d["key"]),
    "clear": lambda d: d.clear(),
    "popitem": lambda d: [d.popitem() for _ in range(len(d))],
}
every_drop = pytest.mark.parametrize("drop", DROP.values(), ids=DROP)


@every_drop
@every_program
@pytest.mark.parametrize("threads", [False, pytest.param(True, marks=threaded)])
def test_a_finalizer_of_a_value_may_use_the_dict(
    drop: Callable[[AtomicDict[Any, Any]], Any], program: Program, threads: bool
) -> None:
    d: AtomicDict[Any, Any] = AtomicDict({n: n for n in range(10)})
    died: list[bool] = []

    def die() -> None:
        if threads:
            in_another_thread(lambda: program(d, "key"))
        else:
            program(d, "key")
        died.append(True)

    d["key"] = Last(die)
    drop(d)
    assert eventually(lambda: died == [True])
    check_whole(d)


@every_program
@pytest.mark.parametrize("name", ["del", "pop", "compare_and_delete", "clear", "popitem"])
def test_a_finalizer_of_a_key_may_use_the_dict(program: Program, name: str) -> None:
    died: list[bool] = []
    d: AtomicDict[Any, Any] = AtomicDict()

    def die() -> None:
        program(d, "key")
        died.append(True)

    class Text(str):
        def __del__(self) -> None:
            die()

    key = Text("key")
    d[key] = "value"
    del key
    for _ in range(5):
        d[LastKey(die)] = "value"
    DROP[name](d)
    d.clear()
    assert eventually(lambda: len(died) == 6)
    check_whole(d)


@every_program
def test_a_weakref_callback_may_use_the_dict(program: Program) -> None:
    class Thing:
        pass

    d: AtomicDict[Any, Any] = AtomicDict({n: n for n in range(10)})
    d["key"] = thing = Thing()
    called: list[bool] = []

    def call(_: object) -> None:
        called.append(True)
        program(d, "key")

    reference = weakref.ref(thing, call)
    del thing
    d["key"] = "new"
    assert called == [True]
    assert reference() is None
    check_whole(d)


def test_finalizers_may_drop_more() -> None:
    d: AtomicDict[int, Any] = AtomicDict()
    depth = 60

    def die(number: int) -> None:
        d.pop(number + 1, None)
        d[1000 + number] = number

    for number in range(depth):
        d[number] = Last(functools.partial(die, number))
    del d[0]
    check_whole(d, {1000 + number: number for number in range(depth)})


def test_finalizers_run_by_the_collector_may_use_the_dict() -> None:
    d: AtomicDict[Any, Any] = AtomicDict()
    died: list[int] = []

    class Cyclic(Last):
        pass

    def die(number: int) -> None:
        died.append(number)
        d[number] = d.get(number, 0) + 1
        d.pop("cycle", None)

    for number in range(100):
        cyclic: Any = Cyclic(functools.partial(die, number))
        cyclic.me = cyclic
        d["cycle"] = cyclic
        del cyclic
    d.clear()

    def all_died() -> bool:
        gc.collect()
        return len(died) == 100

    assert eventually(all_died)
    check_whole(d, dict.fromkeys(range(100), 1))


def test_a_dict_may_be_used_by_what_dies_with_it() -> None:
    seen: list[Any] = []

    class Witness:
        def __init__(self, d: AtomicDict[Any, Any]) -> None:
            self.d = d

        def __del__(self) -> None:
            seen.append((len(self.d), "key" in self.d))
            self.d["more"] = 1
            self.d.clear()

    d: AtomicDict[Any, Any] = AtomicDict({"key": 1})
    d["witness"] = Witness(d)
    reference = weakref.ref(d)
    del d
    assert eventually(lambda: gc.collect() is not None and reference() is None)
    assert len(seen) == 1


@threaded
@pytest.mark.usefixtures("switch_often")
def test_threads_survive_finalizers_that_use_the_dict(seed: int) -> None:
    d: AtomicDict[Any, Any] = AtomicDict()
    made, died = [0] * 4, []
    quiet: list[bool] = []

    def work(number: int) -> None:
        choose = random.Random(seed + number)
        mine = access(d, number)

        def die() -> None:
            died.append(number)
            if not quiet:
                DROP_SOME[choose.randrange(len(DROP_SOME))](mine, choose.randrange(50))

        for _ in range(1000):
            made[number] += 2
            mine[choose.randrange(50)] = Last(die)
            key = LastKey(die)
            mine[key] = "value"
            if choose.random() < 0.9:
                mine.pop(key, None)
            if choose.random() < 0.01:
                mine.clear()

    in_threads(work)
    quiet.append(True)
    d.clear()
    assert eventually(lambda: len(died) == sum(made))
    check_whole(d, {})


DROP_SOME: list[Callable[[Any, int], Any]] = [
    lambda d, key: d.pop(key, None),
    lambda d, key: d.__setitem__(key, key),
    lambda d, key: d.setdefault(key, key),
    lambda d, key: len(d),
    lambda d, key: d.snapshot(),
    lambda d, key: next(iter(d), None),
    lambda d, key: time.sleep(0),
]
