# SPDX-License-Identifier: Apache-2.0
"""A reduce takes memory for few keys only, and keeps no key and no value."""

from __future__ import annotations

import contextlib
import gc
import itertools
import sys
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cereggii_atomicdict import ANY, NOT_FOUND, AtomicDict

from tools.testing.concurrency import eventually
from tools.testing.interpreters import run_program

from .mapping_forms import Thing
from .reductions import TABLE, Broken, Unsociable, add, collect, fail, largest, not_reduced

# ── the memory that it takes ───────────────────────────────────────────────────────────────────

alone = pytest.mark.thread_unsafe(reason="measures memory, and when objects die")


class Enough(Exception):  # noqa: N818 - no error of anybody's
    pass


@alone
@pytest.mark.parametrize("name", ["reduce_sum", "reduce_list", "reduce"])
def test_few_keys_are_alive_however_many_come(name: str) -> None:
    alive = most = 0

    class Key:
        __slots__ = ()

        def __init__(self) -> None:
            nonlocal alive
            alive += 1

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    d: AtomicDict[Any, Any] = AtomicDict()

    def endless() -> Iterator[tuple[Key, int]]:
        nonlocal most
        for n in itertools.count():
            yield Key(), 1
            if n % 500 == 0:
                d.clear()
                most = max(most, alive)
            if n == 50_000:
                raise Enough

    with pytest.raises(Enough):
        getattr(d, name)(endless(), *([add] if name == "reduce" else []))
    assert TABLE // 2 < most < 8_000
    d.clear()
    assert eventually(lambda: alive == 0)


@alone
def test_the_inputs_of_few_keys_take_no_memory() -> None:
    d: AtomicDict[Any, Any] = AtomicDict()

    def endless() -> Iterator[tuple[str, int]]:
        for n in itertools.count():
            yield f"key {n % 10}", 10**6 + n
            if n == 20_000:
                raise Enough

    calls: list[Callable[[], None]] = [
        lambda: d.reduce_sum(endless()),
        lambda: d.reduce_max(endless()),
        lambda: d.reduce(endless(), largest),
        lambda: d.reduce_count(key for key, _ in endless()),
    ]
    for call in calls:
        gc.collect()
        tracemalloc.start()
        with pytest.raises(Enough):
            call()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 100_000


@pytest.mark.thread_unsafe(reason="starts processes")
@pytest.mark.parametrize("call", ["d.reduce_count(items)", "d.reduce_sum(zip(items, items))"])
def test_an_interrupt_ends_an_iterable_that_does_not_end(call: str) -> None:
    run_program(
        f"""
        import itertools, operator, signal, threading, time
        from cereggii_atomicdict import AtomicDict
        signal.signal(signal.SIGINT, signal.default_int_handler)  # also where it is ignored
        d, many = AtomicDict(), 10**15
        items = itertools.repeat(1, many)
        left = operator.length_hint
        def interrupt():
            while left(items) > many - 50_000:
                time.sleep(0.001)
            signal.raise_signal(signal.SIGINT)
        threading.Thread(target=interrupt).start()
        try:
            {call}
        except KeyboardInterrupt:
            taken = many - left(items)
            # zip takes two at a time.
            assert d[1] == taken // {2 if "zip" in call else 1}, (d, taken)
        else:
            raise AssertionError("not interrupted")
        """
    )


# ── nothing leaks ──────────────────────────────────────────────────────────────────────────────

LEAKS: dict[str, Callable[[Any, list[Any]], Any]] = {
    "sum": lambda d, pairs: d.reduce_sum(pairs),
    "and": lambda d, pairs: d.reduce_and(pairs),
    "or": lambda d, pairs: d.reduce_or(pairs),
    "max": lambda d, pairs: d.reduce_max(pairs),
    "min": lambda d, pairs: d.reduce_min(pairs),
    "list": lambda d, pairs: d.reduce_list(pairs),
    "count": lambda d, pairs: d.reduce_count(key for key, _ in pairs),
    "count of a mapping": lambda d, pairs: d.reduce_count(dict(pairs)),
    "function": lambda d, pairs: d.reduce(pairs, largest),
    "function of all": lambda d, pairs: d.reduce(pairs, collect),
    "function that raises": lambda d, pairs: d.reduce(pairs, fail),
    "function that raises later": lambda d, pairs: d.reduce(
        pairs, lambda k, current, v: v if current is NOT_FOUND else fail()
    ),
    "wrong input": lambda d, pairs: d.reduce_max([*pairs, 5]),
    "unhashable": lambda d, pairs: d.reduce_list([*pairs, ([], 5)]),
    "sentinel": lambda d, pairs: d.reduce_sum([*pairs, (5, ANY)]),
    "not an iterable": lambda d, pairs: d.reduce_sum(5),
}


class Value(Thing):
    """Can be summed up and compared; it is always itself that comes of it."""

    def __add__(self, other: object) -> Value:
        return self

    def __gt__(self, other: object) -> bool:
        return True

    def __lt__(self, other: object) -> bool:
        return False


@alone
@pytest.mark.parametrize("call", LEAKS.values(), ids=LEAKS)
@pytest.mark.parametrize("size", [3, 300, 6000])
def test_no_key_and_no_value_is_kept(call: Callable[[Any, list[Any]], Any], size: int) -> None:
    pairs = [(Thing(), Value()) for _ in range(size)]
    pairs += [(pairs[0][0], pairs[1][1]), pairs[0]]
    d: AtomicDict[Any, Any] = AtomicDict()

    def counts() -> list[int]:
        return [sys.getrefcount(one) for pair in (pairs[0], pairs[size - 1]) for one in pair]

    before = counts()
    for content in ([], pairs):
        d.update(content)
        for _ in range(3):
            with contextlib.suppress(Broken, TypeError, ValueError):
                call(d, pairs)
        d.clear()
    assert eventually(lambda: counts() == before), (counts(), before)
    references = [weakref.ref(one) for pair in pairs for one in pair]
    pairs.clear()
    assert eventually(lambda: not any(reference() for reference in references))


@alone
def test_pairs_that_were_not_reduced_die_with_the_exception() -> None:
    d: AtomicDict[Any, Any] = AtomicDict({(key := Thing()): Unsociable()})
    value = Value()
    reference = weakref.ref(value)
    with pytest.raises(TypeError) as caught:
        d.reduce([(key, value)], lambda k, current, v: v if current is NOT_FOUND else 1 + v)
    error: Any = caught.value
    assert not_reduced(error) == [(key, value)]
    del value, caught
    assert reference() is not None
    error.not_reduced.clear()
    error.__traceback__ = None
    assert eventually(lambda: gc.collect() is not None and reference() is None)
