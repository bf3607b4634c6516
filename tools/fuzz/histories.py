# SPDX-License-Identifier: Apache-2.0
"""The game *histories*: three threads, and some order of their steps explains all results."""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeAlias

from tools.fuzz.arguments import Step, draw
from tools.fuzz.programs import Program, Wrong
from tools.fuzz.tables import NUMBERS, TABLES, new_atomic, new_model, outcome, plain
from tools.fuzz.together import Meeting, run_together
from tools.testing import linearizability, models

THREADS = 3
STEPS = 5
ROUNDS = 20

# When a step began and ended, and what it returned.
_Timed: TypeAlias = tuple[int, int, Any]


def generate(choose: random.Random) -> Program:
    """A random program."""
    kind = choose.choice([*TABLES])
    table = {name: step for name, step in TABLES[kind].items() if step.is_atomic}
    keys = [draw("key", choose) for _ in range(choose.randrange(1, 3))]

    def argument(of_kind: str) -> Any:
        return choose.choice(keys) if of_kind == "key" else draw(of_kind, choose)

    names = choose.sample([*table], choose.randrange(1, 5))  # few, so that they meet
    threads = [
        [
            [name, *map(argument, table[name].arguments)]
            for name in choose.choices(names, k=choose.randrange(1, STEPS))
        ]
        for _ in range(THREADS)
    ]
    # Keys that are deleted before the threads start use up slots, so that a step soon needs
    # another table.
    used = choose.choice([0, 0, 4, 5, 6, 7, 12, 13, 14])
    return Program("histories", threads, {"kind": kind, "used": used, "rounds": ROUNDS})


def play(program: Program) -> None:
    """Raise Wrong if a history is not linearizable. It may take luck: there are several rounds."""
    kind, rounds = program.setup["kind"], program.setup["rounds"]
    objects = [_new(kind, program.setup["used"]) for _ in range(rounds)]
    plans = [
        [
            (TABLES[kind][name], name, arguments)
            for name, *arguments in steps
            if len(arguments) == len(TABLES[kind][name].arguments)
        ]
        for steps in program.threads
    ]
    meeting = Meeting(len(plans))

    def run(number: int) -> list[list[_Timed]]:
        found = []
        try:
            for shared in objects:
                mine = shared.get_handle() if number == 0 else shared
                meeting.wait(number)
                found.append(
                    [_timed(mine, step, arguments) for step, _, arguments in plans[number]]
                )
        except BaseException:
            meeting.end()
            raise
        return found

    by_thread = run_together([functools.partial(run, number) for number in range(len(plans))])
    for number, shared in enumerate(objects):
        history = [
            linearizability.Call(
                began, ended, _effect(kind, step, arguments), result, f"{name}{arguments}"
            )
            for thread, plan in enumerate(plans)
            for (began, ended, result), (step, name, arguments) in zip(
                by_thread[thread][number], plan, strict=True
            )
        ]
        _check(kind, shared, history)


def _new(kind: str, used: int) -> Any:
    shared = new_atomic(kind, "atomic")
    for number in range(used if kind == "dict" else 0):
        shared[f"used {number}"] = number
        del shared[f"used {number}"]
    for number in range(used if kind == "set" else 0):
        shared.add(f"used {number}")
        shared.discard(f"used {number}")
    return shared


def _timed(shared: Any, step: Step, arguments: list[Any]) -> _Timed:
    began = time.perf_counter_ns()
    result = outcome(step, shared, arguments)
    return began, time.perf_counter_ns(), result


def _check(kind: str, shared: Any, history: list[linearizability.Call]) -> None:
    """Checks the history, and that what is left in the end fits it."""
    last = Step(lambda each: each.get() if kind in NUMBERS else each.snapshot())
    left, now = plain(last.function(shared)), time.perf_counter_ns()
    history.append(linearizability.Call(now, now + 1, _effect(kind, last, []), left, "the end"))
    try:
        linearizability.assert_linearizable(_freeze(new_model(kind)), history)
    except linearizability.NotLinearizable as found:
        raise Wrong(str(found)) from None


def _effect(kind: str, step: Step, arguments: list[Any]) -> linearizability.Step:
    """What a step does to a state, and what it returns."""

    def effect(state: Any) -> Iterable[tuple[Hashable, Any]]:
        model = _thaw(kind, state)
        result = outcome(step, model, arguments)
        return [(_freeze(model), result)]

    return effect


def _freeze(model: Any) -> Hashable:
    if isinstance(model, models.ModelSet):
        return model.snapshot()
    return frozenset(model.items()) if isinstance(model, dict) else plain(model.get())


def _thaw(kind: str, state: Any) -> Any:
    made: Callable[..., Any] = type(new_model(kind))
    if kind in NUMBERS:
        return made(float(state) if kind == "float" else state)
    return made(state) if kind == "set" else made(dict(state))
