# SPDX-License-Identifier: Apache-2.0
"""clear() beside writers removes all that was there at one instant, and nothing else."""

from __future__ import annotations

import functools
import random
import threading
import time
import weakref
from typing import Any

import pytest
from cereggii_atomicdict import AtomicDict

from tools.testing.concurrency import beside, eventually, run_threads

from .workloads import THREADS, Name, access, check_whole, in_threads, resizing

pytestmark = [
    pytest.mark.thread_unsafe(reason="starts threads of its own"),
    pytest.mark.usefixtures("switch_often"),
]


def test_items_that_clear_removes_stay_removed() -> None:
    shared: AtomicDict[int, int] = AtomicDict()
    end = time.monotonic() + 0.5
    removed = []

    def work(number: int) -> None:
        mine = access(shared, number)
        count = 0
        while time.monotonic() < end or (count == 0 and time.monotonic() < end + 20):
            keys = range(number, 100 * THREADS, THREADS)
            for key in keys:
                mine[key] = key
            gone: set[int] = set()
            for _ in range(3):
                for key in keys:
                    found = mine.get(key)
                    assert found == key or found is None
                    assert found is None or key not in gone
                    if found is None:
                        gone.add(key)
            count += len(gone)
        removed.append(count)

    with beside(shared.clear):
        in_threads(work, threads=3)
    assert sum(removed) > 0
    check_whole(shared)
    shared.clear()
    check_whole(shared, {})


def test_clear_removes_all_at_one_instant() -> None:
    """Each writer's keys are inserted in order: so what is there is always the last so many."""
    shared: AtomicDict[Any, int] = AtomicDict()
    end = time.monotonic() + 0.6
    done = threading.Event()
    lengths: list[int] = []

    def write(number: int) -> None:
        count = 0
        while not done.is_set():
            shared[number, count] = count
            count += 1

    def look() -> None:
        try:
            # For longer where the processors are busy and nothing was there yet.
            while time.monotonic() < end or (not any(lengths) and time.monotonic() < end + 60):
                found = shared.snapshot()
                for writer in range(2):
                    counts = sorted(count for number, count in found if number == writer)
                    assert counts == [*range(counts[0], counts[-1] + 1)] if counts else True
                    lengths.append(len(counts))
        finally:
            done.set()

    def clear() -> None:
        while not done.wait(0.002):
            shared.clear()

    run_threads(functools.partial(write, 0), functools.partial(write, 1), look, clear)
    assert any(lengths)
    check_whole(shared)


def test_a_key_inserted_after_clear_returned_is_there() -> None:
    shared: AtomicDict[int, int] = AtomicDict()
    turn = threading.Lock()

    def work(number: int) -> None:
        for round_ in range(150):
            with turn:  # one thread clears at a time, the others only insert and delete
                shared.clear()
                keys = range(1000 * number, 1000 * number + round_)
                for key in keys:
                    shared[key] = round_
                assert [shared[key] for key in keys] == [round_] * len(keys)
                for key in keys[::2]:
                    del shared[key]
                assert sum(key in shared for key in keys) == len(keys[1::2])

    with resizing(shared, cleared=True):
        in_threads(work)
    shared.clear()
    check_whole(shared, {})


def test_many_may_clear_at_once_and_all_is_freed(seed: int) -> None:
    shared: AtomicDict[Any, Any] = AtomicDict()
    references: list[list[weakref.ref[Name]]] = [[] for _ in range(THREADS)]

    def work(number: int) -> None:
        choose = random.Random(seed + number)
        mine = access(shared, number)
        for count in range(1500):
            key, value = Name(count % 300), Name(-count)
            references[number] += [weakref.ref(key), weakref.ref(value)]
            mine[key] = value
            del key, value
            if choose.random() < 0.02:
                mine.clear()
            elif choose.random() < 0.3:
                mine.pop(Name(choose.randrange(300)), None)

    in_threads(work)
    shared.clear()
    check_whole(shared, {})
    assert eventually(lambda: all(ref() is None for mine in references for ref in mine), 20)
