# SPDX-License-Identifier: Apache-2.0
"""AtomicDict, many keys to a call: aggregation, lookups in batches, counting words.

What a call gets is made before the clock starts. A loop goes over batches, and times are per key.
"""

from __future__ import annotations

import re
import sysconfig
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, overload

from harness.registry import BUILTIN, CEREGGII, OURS, Plan, Setup, program, workload
from workloads.atomic_dict_mixes import (
    OPERATIONS,
    ComparedCounters,
    Counters,
    LockedCounters,
    compared,
    locked,
    zipf_keys,
)
from workloads.dicts import KEYS, PATHS, Setups, filled, present_keys

BATCH = 10_000
"""Keys to a call."""


class Batches(Sequence[Any]):
    """Iterates over batches of keys. Its length and its slices are those of single keys."""

    def __init__(self, keys: Sequence[Any], make: Callable[[Sequence[Any]], Any]) -> None:
        self._keys = keys
        self._make = make
        self._batches = [make(keys[begin : begin + BATCH]) for begin in range(0, len(keys), BATCH)]

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._batches)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Batches: ...
    def __getitem__(self, index: int | slice) -> Any:
        """A slice has its own batches."""
        return (
            Batches(self._keys[index], self._make)
            if isinstance(index, slice)
            else self._keys[index]
        )


def in_batches(plan: Plan, make: Callable[[Sequence[Any]], Any] = list) -> Plan:
    """A plan: the results of `make` for the keys of another plan, batch by batch."""
    return lambda d, work: Batches(plan(d, work), make)


def ones(keys: Sequence[Any]) -> list[tuple[Any, int]]:
    """Pairs that add one to each."""
    return [(key, 1) for key in keys]


# ── aggregation ─────────────────────────────────────────────────────────────────────────────────

AGGREGATING: Setups = {of: compared(PATHS[of]) for of in (OURS, CEREGGII)}
LOCKED: Setups = {BUILTIN: locked(PATHS[BUILTIN])}

ZIPF = in_batches(zipf_keys)
ZIPF_PAIRS = in_batches(zipf_keys, ones)
UNIFORM = in_batches(present_keys())
UNIFORM_PAIRS = in_batches(present_keys(), ones)


def counter(work: range) -> LockedCounters:
    """A setup: the same counters, in a Counter with a lock."""
    fill = filled(PATHS[BUILTIN], entries=KEYS // 2)
    return LockedCounters(Counter(fill(work)), threading.Lock())


def increment(counters: ComparedCounters, batches: Iterable[list[int]]) -> None:
    """One key after the other, each until it succeeds."""
    d = counters.d
    failure = counters.failure
    for keys in batches:
        for key in keys:
            while True:
                value = d[key]
                try:
                    d.compare_and_set(key, value, value + 1)
                    break
                except failure:
                    pass


def increment_locked(counters: LockedCounters, batches: Iterable[list[int]]) -> None:
    """One key after the other, but the lock is taken once for a batch."""
    d = counters.d
    for keys in batches:
        with counters.lock:
            for key in keys:
                d[key] += 1


def add_locked(counters: LockedCounters, batches: Iterable[list[tuple[int, int]]]) -> None:
    """Add pairs, with the lock taken once for a batch."""
    d = counters.d
    for pairs in batches:
        with counters.lock:
            for key, number in pairs:
                d[key] += number


def update_locked(counters: LockedCounters, batches: Iterable[list[int]]) -> None:
    """`Counter.update`, with a lock."""
    d = counters.d
    for keys in batches:
        with counters.lock:
            d.update(keys)


def add(_key: int, current: Any, number: int) -> int:
    """A function for `reduce`. `current` is an object that is not an int if there is no value."""
    return current + number if isinstance(current, int) else number


@workload("dict counting, compare_and_set, Zipf", AGGREGATING, operations=OPERATIONS, plan=ZIPF)
def compare_and_set_zipf(counters: ComparedCounters, batches: Iterable[list[int]]) -> None:
    """Counting without aggregation, to compare with the rows below."""
    increment(counters, batches)


@workload(
    "dict counting, compare_and_set, uniform", AGGREGATING, operations=OPERATIONS, plan=UNIFORM
)
def compare_and_set_uniform(counters: ComparedCounters, batches: Iterable[list[int]]) -> None:
    """Half a million keys, at random."""
    increment(counters, batches)


@workload("dict reduce(), Zipf", AGGREGATING, operations=OPERATIONS, plan=ZIPF_PAIRS)
def reduce_zipf(counters: Counters, batches: Iterable[list[tuple[int, int]]]) -> None:
    """Aggregation with a function in Python."""
    for pairs in batches:
        counters.d.reduce(pairs, add)


@workload("dict reduce(), uniform", AGGREGATING, operations=OPERATIONS, plan=UNIFORM_PAIRS)
def reduce_uniform(counters: Counters, batches: Iterable[list[tuple[int, int]]]) -> None:
    """Few inputs of a batch have the same key."""
    for pairs in batches:
        counters.d.reduce(pairs, add)


@workload("dict reduce_sum(), Zipf", AGGREGATING, operations=OPERATIONS, plan=ZIPF_PAIRS)
def reduce_sum_zipf(counters: Counters, batches: Iterable[list[tuple[int, int]]]) -> None:
    """Aggregation without a Python function."""
    for pairs in batches:
        counters.d.reduce_sum(pairs)


@workload("dict reduce_sum(), uniform", AGGREGATING, operations=OPERATIONS, plan=UNIFORM_PAIRS)
def reduce_sum_uniform(counters: Counters, batches: Iterable[list[tuple[int, int]]]) -> None:
    """Aggregation without a Python function."""
    for pairs in batches:
        counters.d.reduce_sum(pairs)


@workload("dict reduce_count(), Zipf", AGGREGATING, operations=OPERATIONS, plan=ZIPF)
def reduce_count_zipf(counters: Counters, batches: Iterable[list[int]]) -> None:
    """Aggregation of keys, which count 1 each."""
    for keys in batches:
        counters.d.reduce_count(keys)


@workload("dict reduce_count(), uniform", AGGREGATING, operations=OPERATIONS, plan=UNIFORM)
def reduce_count_uniform(counters: Counters, batches: Iterable[list[int]]) -> None:
    """Aggregation of keys, which count 1 each."""
    for keys in batches:
        counters.d.reduce_count(keys)


for _load in (compare_and_set_zipf, compare_and_set_uniform):
    _load.variant(LOCKED)(increment_locked)
for _load in (reduce_zipf, reduce_uniform, reduce_sum_zipf, reduce_sum_uniform):
    _load.variant(LOCKED)(add_locked)
for _load in (reduce_count_zipf, reduce_count_uniform):
    _load.variant({BUILTIN: counter})(update_locked)


# ── lookups ─────────────────────────────────────────────────────────────────────────────────────


def look_up(d: Any, batches: Iterable[dict[int, Any]]) -> None:
    """One key after the other."""
    for batch in batches:
        for key in batch:
            batch[key] = d[key]


@workload(
    "dict batch_getitem()",
    {of: filled(PATHS[of]) for of in (OURS, CEREGGII)},
    plan=in_batches(present_keys(), dict.fromkeys),
)
def batch_getitem(d: Any, batches: Iterable[dict[int, Any]]) -> None:
    """Keys at random in a dict of a million, ten thousand to a call."""
    for batch in batches:
        d.batch_getitem(batch)


@workload(
    "dict loop of [] over a batch",
    {of: filled(PATHS[of]) for of in (OURS, CEREGGII)},
    plan=in_batches(present_keys(), dict.fromkeys),
)
def batch_by_loop(d: Any, batches: Iterable[dict[int, Any]]) -> None:
    """The same lookups without `batch_getitem`."""
    look_up(d, batches)


for _load in (batch_getitem, batch_by_loop):
    _load.variant({BUILTIN: filled(PATHS[BUILTIN])})(look_up)


# ── a program ───────────────────────────────────────────────────────────────────────────────────

WORD = re.compile(r"\w+")
THREADS = 2


@dataclass(frozen=True)
class Corpus:
    """Texts, and the counter of their words."""

    texts: list[str]
    d: Any


@dataclass(frozen=True)
class LockedCorpus(Corpus):
    """Texts, and a Counter of their words with a lock."""

    lock: threading.Lock


def sources(work: range) -> list[str]:
    """The texts of as many modules of the standard library, the same in each environment."""
    library = Path(sysconfig.get_path("stdlib"))
    paths = sorted([*library.glob("*.py"), *library.glob("[a-z]*/*.py")])
    return [
        path.read_text(encoding="utf-8", errors="replace")
        for path in paths[: len(work)]
        if "site-packages" not in path.parts
    ]


def corpus(path: str) -> Setup:
    """A setup: texts, and an empty dict."""
    return lambda work: Corpus(sources(work), resolve_name(path)())


def locked_corpus(work: range) -> LockedCorpus:
    """A setup: texts, and an empty Counter with a lock."""
    return LockedCorpus(sources(work), Counter(), threading.Lock())


def count_with(count: Callable[[list[str]], None], texts: list[str]) -> None:
    """Call `count` with the words of each text, in two threads."""

    def work(own: list[str]) -> None:
        for text in own:
            count(WORD.findall(text))

    threads = [
        threading.Thread(target=work, args=[texts[number::THREADS]]) for number in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@program(
    "counting the words of Python's library",
    {of: corpus(PATHS[of]) for of in (OURS, CEREGGII)},
    threads=THREADS,
    operations=300,
)
def word_count(state: Corpus, _work: range) -> None:
    """A call of `reduce_count` for each module: the program in examples/ has counters instead."""
    count_with(state.d.reduce_count, state.texts)


@word_count.variant({BUILTIN: locked_corpus})
def _(state: LockedCorpus, _work: range) -> None:
    def count(words: list[str]) -> None:
        with state.lock:
            state.d.update(words)

    count_with(count, state.texts)
