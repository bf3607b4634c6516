# SPDX-License-Identifier: Apache-2.0
"""No limit but memory, and no more memory than the live keys need: nothing is leaked."""

from __future__ import annotations

import gc
import sys
import threading
import tracemalloc
import weakref
from typing import Any

import pytest
from cereggii_atomicdict import NOT_FOUND, AtomicDict, ExpectationFailed

from tools.testing.interpreters import run_program

from .workloads import THREADS, Name, access, check_whole, in_threads

pytestmark = [
    pytest.mark.thread_unsafe(reason="measures memory, and when objects die"),
    pytest.mark.usefixtures("switch_often"),
]

BYTES_PER_ENTRY = 56

# ── any number of dicts ────────────────────────────────────────────────────────────────────────


def test_ten_thousand_dicts_live_in_one_process() -> None:
    dicts: list[AtomicDict[Any, Any]] = [AtomicDict() for _ in range(10_000)]
    for number, d in enumerate(dicts):
        d["number"] = number

    def use(_: int) -> None:
        for number, d in enumerate(dicts):
            assert d["number"] == number
            d[threading.get_ident()] = number
            assert d.pop(threading.get_ident()) == number

    in_threads(use, threads=2)
    for number, d in enumerate(dicts):
        assert d.snapshot() == {"number": number}
    assert sum(map(len, dicts)) == 10_000


def test_an_empty_dict_is_small() -> None:
    assert AtomicDict().__sizeof__() <= 128
    assert AtomicDict({1: 1}).__sizeof__() <= 400
    d = AtomicDict({n: n for n in range(10_000)})
    d.clear()
    assert d.__sizeof__() <= 1000


# ── bytes per entry ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("reserved", [False, True])
def test_an_entry_takes_few_bytes_whatever_the_size(reserved: bool) -> None:
    d: AtomicDict[int, None] = AtomicDict()
    if reserved:
        d.reserve(100_000)
    worst = 0.0
    last = 0
    for n in range(300_000):
        d[n] = None
        if n >= 100_000 and (n % 16 == 0):
            size = d.__sizeof__()
            worst = max(worst, size / (n + 1))
            last = size
    assert worst <= BYTES_PER_ENTRY
    assert d.__sizeof__() >= last >= 300_000 * 24


def test_many_threads_take_no_more_bytes_per_entry_than_one() -> None:
    d: AtomicDict[int, None] = AtomicDict()
    sizes: list[float] = []

    def work(number: int) -> None:
        mine = access(d, number)
        for n in range(number, 200_000, THREADS):
            mine[n] = None

    in_threads(work)
    sizes.append(d.__sizeof__() / len(d))
    assert max(sizes) <= BYTES_PER_ENTRY


def test_a_dict_made_of_another_takes_no_more_bytes_than_one_that_grew() -> None:
    for n in (1000, 10_000, 33_000):
        content = dict.fromkeys(range(n))
        one = AtomicDict(content)
        for d in (one, AtomicDict(one), one.copy(), one | {}, AtomicDict.fromkeys(content)):
            assert d.__sizeof__() <= BYTES_PER_ENTRY * n + 1000


def test_large_tables_are_seen_by_tracemalloc() -> None:
    d: AtomicDict[int, None] = AtomicDict({0: None})
    tracemalloc.start()
    try:
        d.reserve(500_000)
        with_table = tracemalloc.get_traced_memory()[0]
        d = AtomicDict()
        without_table = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert with_table >= 500_000 * 8
    assert without_table < 100_000


# ── a dict stays as small as what is in it ─────────────────────────────────────────────────────


def small(keys: int) -> int:
    """More than a dict of so many keys needs, and much less than one that keeps what it had."""
    return 1000 + 150 * keys


def test_churning_around_a_few_keys_costs_no_memory() -> None:
    d: AtomicDict[int, int] = AtomicDict({n: n for n in range(100)})
    largest = 0
    for n in range(100, 100_000):
        d[n] = n
        del d[n]
        if n % 50 == 0:
            largest = max(largest, d.__sizeof__())
    assert largest <= small(100)
    check_whole(d, {n: n for n in range(100)})


def test_a_queue_that_moves_on_costs_no_memory() -> None:
    d: AtomicDict[int, int] = AtomicDict({n: n for n in range(100)})
    for n in range(50_000):
        d[n + 100] = n
        del d[n]
    assert d.__sizeof__() <= small(100)
    assert len(d) == 100


def test_churning_by_many_threads_costs_no_memory() -> None:
    d: AtomicDict[Any, int] = AtomicDict({n: n for n in range(100)})

    def work(number: int) -> None:
        mine = access(d, number)
        for n in range(20_000):
            mine[number, n] = n
            del mine[number, n]

    in_threads(work)
    for _ in range(200):  # in case a table was still being emptied
        d["another"] = 1
        del d["another"]
    assert d.__sizeof__() <= small(100)
    check_whole(d, {n: n for n in range(100)})


def test_a_dict_that_lost_most_of_its_keys_shrinks() -> None:
    d: AtomicDict[int, int] = AtomicDict({n: n for n in range(100_000)})
    full = d.__sizeof__()
    for n in range(100_000):
        if n % 100:
            del d[n]
    assert d.__sizeof__() < full / 20
    check_whole(d, {n: n for n in range(0, 100_000, 100)})
    for n in range(0, 100_000, 100):
        del d[n]
    assert d.__sizeof__() <= small(20)


def test_a_dict_emptied_by_popitem_shrinks() -> None:
    d: AtomicDict[int, int] = AtomicDict({n: n for n in range(20_000)})
    while d:
        d.popitem()
    assert d.__sizeof__() <= small(20)


def test_a_dict_that_threads_emptied_shrinks() -> None:
    d: AtomicDict[int, int] = AtomicDict({n: n for n in range(40_000)})

    def work(number: int) -> None:
        for n in range(number, 40_000, THREADS):
            if n % 100:
                del d[n]

    in_threads(work)
    for _ in range(500):
        d[-1] = 1
        del d[-1]
    assert d.__sizeof__() <= small(400)
    check_whole(d, {n: n for n in range(0, 40_000, 100)})


CHURN = """
    import gc, resource, sys, threading
    from cereggii_atomicdict import AtomicDict

    def churn(count):
        for n in range(count):
            d[n + 1000] = str(n)
            if n % 3:
                del d[n + 1000]
            else:
                d.pop(n + 1000)

    def churn_in_threads(count):
        def work(number):
            for n in range(count // 2):
                d[number, n] = n
                del d[number, n]
        threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()

    def grow_and_clear(count):
        for _ in range(count // 5000):
            for n in range(5000):
                d[n + 1000] = n
            d.clear()

    def make_dicts(count):
        for _ in range(count // 20):
            other = AtomicDict({n: str(n) for n in range(10)})
            other.snapshot(), list(other.items()), other.copy()

    def iterate(count):
        for n in range(count // 100):
            for key in d:
                break
            list(d), d.snapshot(), d.popitem(), d.setdefault(n % 100, n)

    work = {function.__name__: function for function in
            (churn, churn_in_threads, grow_and_clear, make_dicts, iterate)}[sys.argv[1]]
    d = AtomicDict({n: n for n in range(100)})
    work(20_000)
    gc.collect()
    before = sys.getallocatedblocks(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    work(100_000)
    gc.collect()
    after = sys.getallocatedblocks(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024
    print(after[0] - before[0], (after[1] - before[1]) * unit)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no module resource here")
@pytest.mark.parametrize(
    "work", ["churn", "churn_in_threads", "grow_and_clear", "make_dicts", "iterate"]
)
def test_a_process_that_goes_on_and_on_does_not_grow(work: str) -> None:
    blocks, size = map(int, run_program(CHURN, work).split())
    assert blocks < 2000
    assert size < 4 * 2**20


# ── nothing is kept ────────────────────────────────────────────────────────────────────────────


def test_objects_that_are_refused_or_not_inserted_are_not_kept() -> None:
    d: AtomicDict[Any, Any] = AtomicDict({Name(5): "stored"})
    key, value = Name(5), Name(6)
    references = weakref.ref(key), weakref.ref(value)
    d.setdefault(key, value)
    d.compare_and_exchange(key, NOT_FOUND, value)
    with pytest.raises(ExpectationFailed):
        d.compare_and_set(key, value, value)
    with pytest.raises(ExpectationFailed):
        d.compare_and_delete(key, value)
    d.get(key, value), d.pop(Name(7), value), key in d
    d[key] = 1  # the key that is there stays
    with pytest.raises(TypeError):
        d[[]] = value  # type: ignore[index]
    with pytest.raises(ValueError, match="NOT_FOUND"):
        d[key] = NOT_FOUND
    del key, value
    gc.collect()  # of the tracebacks
    assert [reference() for reference in references] == [None, None]


def test_the_collector_sees_each_key_and_value_once_in_every_size() -> None:
    d: AtomicDict[Any, Any] = AtomicDict()
    pairs = [(Name(number), Name(-number)) for number in range(500)]

    def check(live: list[tuple[Name, Name]]) -> None:
        seen = sorted(id(one) for one in gc.get_referents(d) if isinstance(one, Name))
        assert seen == sorted(id(one) for pair in live for one in pair)

    for count, (key, value) in enumerate(pairs):
        d[key] = value
        check(pairs[: count + 1])
    for count, (key, _) in enumerate(pairs):
        del d[key]
        check(pairs[count + 1 :])
