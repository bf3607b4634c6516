# SPDX-License-Identifier: Apache-2.0
"""What the threads of a soak do, until the round is over."""

from __future__ import annotations

import gc
import itertools
import os
import random
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tools.soak.world import Tracked, World, Wrong

KEYS = 200  # of the small dict
LIMIT = 120.0  # seconds that a child may take


def _change(world: World, rng: random.Random) -> None:
    """One operation on what is always small."""
    key = rng.randrange(KEYS)
    value = Tracked(key, cyclic=rng.random() < 0.1)
    operations: list[Callable[[], Any]] = [
        lambda: world.few.__setitem__(key, value),
        lambda: world.few.pop(key, None),
        lambda: world.few.get(key),
        lambda: world.few.setdefault(key, value),
        lambda: world.few.compute(key, lambda _key, _old: value),
        lambda: world.few.get_or_compute(key, lambda _key: value),
        lambda: world.few.snapshot(),
        lambda: len(world.few),
        lambda: world.few.update({f"text {key}": value, (key, "pair"): value}),
        lambda: world.few.remove_if(lambda k, _v: k == key),
        lambda: next(iter(world.few.items()), None),  # an iterator that is left half-way
        lambda: world.few.get_handle().popitem(),
        lambda: world.ref.set(value),
        lambda: world.ref.get(),
        lambda: world.ref.update_and_get(lambda _old: value),
        lambda: world.ref.compare_and_set(None, value),
        lambda: world.cache[key],
        lambda: world.cache.invalidate(key),
        lambda: world.gate.increment_and_get(),
        lambda: world.gate.notify_all(),
        lambda: world.gate.wait_while(world.gate.get(), timeout=0.001),
        lambda: gc.collect(0),
    ]
    with suppress(KeyError, LookupError):
        rng.choice(operations)()
    with world.readers.reader() if rng.random() < 0.9 else world.readers.writer() as _:
        if world.guarded[0] != world.guarded[1]:
            raise Wrong(f"a reader ran beside a writer: {world.guarded}")


def _write_under_lock(world: World) -> None:
    with world.readers.writer():
        world.guarded[0] += 1
        world.guarded[1] += 1


def _short_life(world: World, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(rng.randrange(1, 60)):
        _change(world, rng)
    world.count(rng.randrange(KEYS), rng.randrange(1, 10))
    _write_under_lock(world)
    world.threads += 1


def start_and_end_threads(world: World, rng: random.Random) -> None:
    """Threads that do little and end: a few after each other, and many at the same time."""
    while not world.stop.is_set():
        group = 1 if rng.random() < 0.8 else 40
        threads = [
            threading.Thread(target=_guarded, args=(world, _short_life, rng.getrandbits(64)))
            for _ in range(group)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def change(world: World, rng: random.Random) -> None:
    """One thread that lives for the whole round."""
    while not world.stop.is_set():
        _change(world, rng)


def grow_and_shrink(world: World, rng: random.Random) -> None:
    """Many keys come, and go in one of several ways."""
    while not world.stop.is_set():
        count = rng.choice([100, 3_000, 60_000])
        first = rng.getrandbits(40)
        for key in range(first, first + count):
            world.many[key] = Tracked(key)
            if world.stop.is_set():
                break
        way = rng.randrange(5)
        if way == 0:
            world.many.clear()
        elif way == 1:
            world.many.remove_if(lambda _key, _value: True)
        elif way == 2:
            with suppress(KeyError):
                while True:
                    world.many.popitem()
        elif way == 3:
            for key in itertools.islice(world.many, count // 2):
                world.many.pop(key, None)
        else:
            for key in range(first, first + count):
                world.many.pop(key, None)
            copy = world.many.copy()
            copy.clear()


def collect(world: World, rng: random.Random) -> None:
    """Collections, each of which stops all threads."""
    while not world.stop.is_set():
        gc.collect()
        world.collections += 1
        time.sleep(rng.uniform(0.1, 0.5))


def _in_the_child(world: World, seed: int) -> None:
    """Everything goes on in a process that has one thread, and may start others."""
    rng = random.Random(seed)
    for _ in range(50):
        _change_in_child(world, rng)
    before = world.total.get()
    helpers = [threading.Thread(target=world.total.increment_and_get) for _ in range(3)]
    for helper in helpers:
        helper.start()
    for helper in helpers:
        helper.join()
    if world.total.get() != before + 3:
        raise Wrong(f"in a child: {world.total.get()} instead of {before + 3}")
    if len(world.few) != len(world.few.snapshot()):
        raise Wrong("in a child: the length is not the number of keys")
    world.many.clear()
    gc.collect()


def _change_in_child(world: World, rng: random.Random) -> None:
    # Only what holds no lock: a thread that is not there may have held one at the fork.
    key = rng.randrange(KEYS)
    world.few[key] = Tracked(key)
    world.few.pop(rng.randrange(KEYS), None)
    world.ref.set(Tracked(key))
    world.counter.add(1)


def fork(world: World, rng: random.Random) -> None:
    """Processes that are forked while all other threads are running."""
    while not world.stop.is_set():
        seed = rng.getrandbits(64)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that there are other threads
            child = os.fork()
        if child == 0:
            code = 1
            try:
                _in_the_child(world, seed)
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        _wait_for(child, seed)
        world.forks += 1
        time.sleep(rng.uniform(0.5, 2.0))


def _wait_for(child: int, seed: int) -> None:
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            if status:
                raise Wrong(f"a child with the seed {seed} has ended with the status {status}")
            return
        time.sleep(0.01)
    os.kill(child, signal.SIGABRT)  # it prints the stacks of its threads
    os.waitpid(child, 0)
    raise Wrong(f"a child with the seed {seed} did not end in {LIMIT} s")


PARTS = [
    start_and_end_threads,
    start_and_end_threads,
    change,
    grow_and_shrink,
    collect,
    fork,
]

failures: list[str] = []  # of any thread


def _guarded(world: World, work: Callable[..., None], *arguments: Any) -> None:
    try:
        work(world, *arguments)
    except BaseException:
        failures.append(traceback.format_exc())
        world.stop.set()


def run_round(world: World, seed: int, seconds: float) -> None:
    """Let all parts run for so many seconds. Raise Wrong if one of them has failed."""
    world.stop = type(world.stop)()
    threads = [
        threading.Thread(target=_guarded, args=(world, part, random.Random(seed + number)))
        for number, part in enumerate(PARTS)
    ]
    for thread in threads:
        thread.start()
    world.stop.wait(seconds)
    world.stop.set()
    for thread in threads:
        thread.join(LIMIT)
        if thread.is_alive():
            raise Wrong(f"{thread.name} did not end in {LIMIT} s")
    if failures:
        raise Wrong("\n".join(sorted(set(failures))[:3]))
