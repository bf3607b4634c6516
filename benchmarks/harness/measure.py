# SPDX-License-Identifier: Apache-2.0
"""Taking one sample of one variant, inside a worker process."""

from __future__ import annotations

import gc
import mmap
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.registry import Loop, Variant

WARM_UP_SHARE = 10
"""The warm-up is one part in this many of the measured work, on an object of its own."""

BASELINES = 3
"""How often the empty loop is timed; the fastest counts."""


@dataclass(frozen=True)
class Sample:
    """Nanoseconds: per operation and thread for an operation, in total for a program."""

    cpu: float
    wall: float
    cores: float
    """How many threads were running, on average."""
    delayed: float
    """The part of the time in which a thread that could run waited for a core, which another
    process had. Threads that take turns do not contend: without this, a busy machine would make
    contended operations look cheap. 0 where the system does not tell, and for programs."""
    gil: bool


@dataclass(frozen=True)
class _Span:
    cpu: int
    delay: int
    start: int
    end: int


def time_operations(variant: Variant, threads: int, operations: int) -> Sample:
    """CPU and wall time of one operation, less what the loop around it costs."""
    warm_up = max(operations // WARM_UP_SHARE, 1)
    warm_up_state = variant.setup(range(threads * warm_up))
    state = variant.setup(range(threads * operations))
    barrier = threading.Barrier(threads)
    spans: list[list[_Span]] = [[] for _ in range(threads)]

    def work(index: int) -> None:
        warm_up_share = variant.plan(warm_up_state, share_of(index, warm_up))
        share = variant.plan(state, share_of(index, operations))
        barrier.wait()  # Plans look at the state: it must be as the setup left it.
        # Each thread of a free-threaded build specializes a copy of the bytecode of its own: the
        # thread that is measured is the one to be warmed up.
        variant.loop(warm_up_state, warm_up_share)
        for _ in range(BASELINES):
            spans[index].append(_span(empty_loop, None, share, barrier))
        spans[index].append(_span(variant.loop, state, share, barrier))

    run_in_threads(work, threads, barrier)
    passes = [_combine(list(at_once)) for at_once in zip(*spans, strict=True)]
    *baselines, (cpu, wall) = passes
    delay = sum(own_spans[-1].delay for own_spans in spans) / threads
    return Sample(
        cpu=(cpu - min(cpu for cpu, _ in baselines)) / operations,
        wall=(wall - min(wall for _, wall in baselines)) / operations,
        cores=threads * cpu / wall,
        delayed=delay / wall,
        gil=gil_is_enabled(),
    )


def time_program(variant: Variant, operations: int) -> Sample:
    """CPU and wall time of a program that makes its own threads, cold, as its user runs it."""
    work = range(operations)
    state = variant.setup(work)
    wall = time.perf_counter_ns()
    cpu = time.process_time_ns()
    variant.loop(state, work)
    cpu = time.process_time_ns() - cpu
    wall = time.perf_counter_ns() - wall
    return Sample(cpu, wall, cpu / wall, 0.0, gil_is_enabled())


def run_for_counting(variant: Variant, *, prepared: int, executed: int, empty: bool) -> None:
    """Do `executed` of `prepared` operations in one thread, for a tool that counts from outside.

    Setup and plan depend on `prepared` only: in the difference between two runs they cancel out.
    """
    state = variant.setup(range(prepared))
    loop = empty_loop if empty else variant.loop

    def work(_index: int) -> None:
        loop(state, variant.plan(state, range(prepared))[:executed])

    run_in_threads(work, 1, threading.Barrier(1))


def measure_memory(variant: Variant, operations: int) -> int:
    """The bytes by which the process grows while the loop fills the object of the setup."""
    work = range(operations)
    state = variant.setup(work)
    share = variant.plan(state, work)
    gc.collect()
    before = _resident_bytes()
    variant.loop(state, share)
    gc.collect()
    return _resident_bytes() - before


def empty_loop(_state: Any, work: Sequence[Any]) -> None:
    """The cost of a loop that does nothing."""
    for _ in work:
        pass


def share_of(thread: int, operations: int) -> range:
    """The operations of one thread: no two threads have one in common."""
    return range(thread * operations, (thread + 1) * operations)


def run_in_threads(work: Callable[[int], None], threads: int, barrier: threading.Barrier) -> None:
    """Run `work(index)` in each thread; an exception in one of them ends all, and is raised."""
    errors: list[BaseException] = []

    def guarded(index: int) -> None:
        try:
            work(index)
        except BaseException as error:
            errors.append(error)
            barrier.abort()

    workers = [threading.Thread(target=guarded, args=(index,)) for index in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if errors:
        raise errors[0]


def gil_is_enabled() -> bool:
    """Whether this process has a GIL, right now."""
    is_enabled = getattr(sys, "_is_gil_enabled", None)
    return True if is_enabled is None else bool(is_enabled())


def _span(loop: Loop, state: Any, work: Sequence[Any], barrier: threading.Barrier) -> _Span:
    barrier.wait()
    delay = _time_without_core()
    start = time.perf_counter_ns()
    cpu = time.thread_time_ns()
    loop(state, work)
    cpu = time.thread_time_ns() - cpu
    end = time.perf_counter_ns()
    return _Span(cpu, _time_without_core() - delay, start, end)


def _time_without_core() -> int:
    """The nanoseconds for which this thread has been ready to run, but not running."""
    try:
        with open("/proc/thread-self/schedstat", encoding="ascii") as statistics:
            return int(statistics.read().split()[1])
    except OSError:
        return 0


def _resident_bytes() -> int:
    """The resident memory of this process, in bytes."""
    with open("/proc/self/statm", encoding="ascii") as statistics:
        return int(statistics.read().split()[1]) * mmap.PAGESIZE


def _combine(at_once: list[_Span]) -> tuple[float, float]:
    """Mean CPU time of the threads, and the wall time from the first start to the last end."""
    cpu = sum(span.cpu for span in at_once) / len(at_once)
    return cpu, max(span.end for span in at_once) - min(span.start for span in at_once)
