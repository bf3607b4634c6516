# SPDX-License-Identifier: Apache-2.0
"""The game *against*: one thread, whose every step does what it does to the builtin type."""

from __future__ import annotations

import random
from typing import Any

from tools.fuzz.arguments import FuzzError, draw
from tools.fuzz.programs import Program, Wrong
from tools.fuzz.tables import (
    NUMBERS,
    TABLES,
    new_atomic,
    new_model,
    outcome,
    plain,
)

__all__ = ["FuzzError", "generate", "play"]

STEPS = 60

# Steps that may change their keys in any order. After an exception, some keys are changed.
UNORDERED = {"reduce", "reduce_count"}


def generate(choose: random.Random) -> Program:
    """A random program."""
    kind = choose.choice([*TABLES])
    table = TABLES[kind]
    steps = []
    for _ in range(choose.randrange(1, STEPS)):
        name = choose.choice([*table])
        steps.append([name, *(draw(argument, choose) for argument in table[name].arguments)])
    accessor = choose.choice(["atomic", "handle", "subclass"])
    return Program("against", [steps], {"kind": kind, "accessor": accessor})


def play(program: Program) -> None:
    """Raise Wrong if a result, or what is left in the end, is not that of the builtin type."""
    kind = program.setup["kind"]
    ours, model = new_atomic(kind, program.setup["accessor"]), new_model(kind)
    (steps,) = program.threads
    for number, (name, *arguments) in enumerate(steps):
        step = TABLES[kind][name]
        if len(arguments) != len(step.arguments):
            continue  # an argument was taken out to shrink the program
        found, due = (outcome(step, each, arguments) for each in (ours, model))
        _compare(f"step {number}, {name}{tuple(arguments)}", found, due)
        if name in UNORDERED and str(found).startswith("raises"):
            return
        if kind in NUMBERS:
            _compare(f"the value after step {number}, {name}", ours.get(), model.get())
    if kind not in NUMBERS:
        _compare("all items", ours.snapshot(), model.snapshot())
        _compare("the length", len(ours), len(model))
        _compare("what iteration finds", sorted(map(repr, ours)), sorted(map(repr, model)))


def _compare(what: str, found: Any, due: Any) -> None:
    found, due = plain(found), plain(due)
    if type(found) is not type(due) or found != due:
        if isinstance(found, dict) and isinstance(due, dict):
            found, due = (
                {key: one[key] for key in one if key not in other or one[key] != other[key]}
                for one, other in ((found, due), (due, found))
            )
        raise Wrong(f"{what}: {found!r:.500}, and not {due!r:.500}")
