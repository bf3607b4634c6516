# SPDX-License-Identifier: Apache-2.0
"""Removing steps from a program while it still fails.

After A. Zeller and R. Hildebrandt, "Simplifying and isolating failure-inducing input" (2002).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from tools.fuzz.programs import Program

# Whether a program fails. For one that has several threads it may be a matter of luck: it has to
# try often enough.
Fails: TypeAlias = Callable[[Program], bool]

# Where a step is: the number of its thread, and its own number.
_Place: TypeAlias = tuple[int, int]


def shrink(program: Program, fails: Fails) -> Program:
    """A program of the same game that fails and needs each of its steps.

    No single step can be taken out of it, and no part of a step that is a list, without a program
    that passes. `fails` may also stop the search: once it is always false, the result is the
    smallest program by then.
    """
    while True:
        before = program
        program = _without_steps(program, fails)
        program = _without_parts(program, fails)
        program = _without_threads(program, fails)
        if program == before:
            return program


def _without_steps(program: Program, fails: Fails) -> Program:
    size = max(1, program.steps() // 2)
    while True:
        kept, smaller = _without_blocks(program, size, fails)
        program = kept
        if size == 1 and not smaller:
            return program
        size = max(1, min(size // 2, program.steps()))


def _without_blocks(program: Program, size: int, fails: Fails) -> tuple[Program, bool]:
    """Takes out each block of so many steps that the failure does not need."""
    smaller = False
    first = 0
    while first < program.steps():
        places = _places(program)
        rest = program.with_threads(_steps_at(program, places[:first] + places[first + size :]))
        if fails(rest):
            program, smaller = rest, True
        else:
            first += size
    return program, smaller


def _places(program: Program) -> list[_Place]:
    return [
        (thread, number)
        for thread, steps in enumerate(program.threads)
        for number in range(len(steps))
    ]


def _steps_at(program: Program, places: list[_Place]) -> list[list[Any]]:
    """The steps at these places. A thread without a step stays: a game may count threads."""
    kept: list[list[Any]] = [[] for _ in program.threads]
    for thread, number in places:
        kept[thread].append(program.threads[thread][number])
    return kept


def _without_threads(program: Program, fails: Fails) -> Program:
    for thread in reversed(range(len(program.threads))):
        rest = program.with_threads(program.threads[:thread] + program.threads[thread + 1 :])
        if not program.threads[thread] and rest.threads and fails(rest):
            program = rest
    return program


def _without_parts(program: Program, fails: Fails) -> Program:
    """Takes elements out of the lists in steps: the arguments of a step, or the steps in it."""
    for thread, number in _places(program):
        tried = 0
        while True:
            step = program.threads[thread][number]
            smaller = next(_skip(_smaller(step), tried), None)
            if smaller is None:
                break
            changed = [[*steps] for steps in program.threads]
            changed[thread][number] = smaller
            candidate = program.with_threads(changed)
            if fails(candidate):
                program = candidate
            else:
                tried += 1
    return program


def _skip(found: Iterator[Any], count: int) -> Iterator[Any]:
    for number, each in enumerate(found):
        if number >= count:
            yield each


def _smaller(value: Any) -> Iterator[Any]:
    """The values that lack one element of one of the lists in it.

    The first element stays: it is a name as a rule.
    """
    if not isinstance(value, list):
        return
    for index in range(len(value) - 1, 0, -1):
        yield value[:index] + value[index + 1 :]
    for index, part in enumerate(value):
        for smaller in _smaller(part):
            yield [*value[:index], smaller, *value[index + 1 :]]
