# SPDX-License-Identifier: Apache-2.0
"""Random programs of the game *hostile*."""

from __future__ import annotations

import random
from typing import Any

from tools.fuzz import api
from tools.fuzz.programs import Program
from tools.fuzz.steps import FUNCTIONS, MAKERS

THREADS = 3
STEPS = 12  # of each thread, at most
ANCHORS = 3
MADE = 6  # objects that are made before the threads start
RESULTS = 6  # places for results

INTS = [
    *(0, 1, -1, 2, 3, 7, 64, 127, 1000, 2**16, 2**61, 2**61 + 1, -(2**61), 2**62, 2**63 - 1),
    *(-(2**63), 2**63, -(2**63) - 1, 2**64, 10**30),
]
SMALL = [0, 1, 2, 3, 5, -1]
NAMES = ["NOT_FOUND", "ANY", "EXPECTATION_FAILED", "...", "complex", "print", "int", "nan",
         "not implemented", "AtomicDict", "max"]  # fmt: skip
TEXTS = ["", "a", "abc", "\0", "\ud800", ">10", "little", "value", "get"]

# Parameters with these names get what they are for, as a rule.
FUNCTION_NAMES = {"fn", "callable", "factory", "predicate", "function", "func", "fill", "target"}
ITERABLE_NAMES = {"pairs", "iterable", "mapping", "initial", "batch", "keys_or_mapping", "other"}
KEY_NAMES = {"key", "expected", "updated", "desired", "value", "initial_value", "default", "obj"}
# These say how much work is to be done.
SMALL_NAMES = {"times", "start", "stop", "step", "ndigits", "length", "maxsize"}
SIZE_NAMES = {"n", "min_size", "chunk_size", "partitions", "this_partition", "buffer_size"}
SIZES = [0, 1, 2, 64, 1000, 2**16, 2**62, 2**64, -1]

QUESTIONS = ["hash", "eq", "lt", "bool", "index", "float", "iter", "len", "repr", "reduce", "del"]
ANSWERS = ["raise", "exit", "reenter", "reenter", "wrong", "change", "same"]
FUNCTION_MODES = ["", "first", "last", "itself", "sentinel", "huge", "raise", "exit", "reenter"]
ITERABLES = ["list", "tuple", "dict", "pairs", "pairs", "generator", "mapping"]


def generate(choose: random.Random) -> Program:
    """A random program."""
    return _Drawing(choose).program()


class _Drawing:
    """Draws the steps of one program, which are about a few classes."""

    def __init__(self, choose: random.Random) -> None:
        self._choose = choose
        self._classes = api.public_classes()
        few = choose.sample([*self._classes], choose.randrange(1, 4))
        # The classes of the objects in the pool, by their places.
        self._made = [choose.choice(few) for _ in range(choose.randrange(1, MADE))]
        self._depth = 0

    def program(self) -> Program:
        choose = self._choose
        first = [self._make(name, ANCHORS + place) for place, name in enumerate(self._made)]
        threads = [
            [self._step() for _ in range(choose.randrange(1, STEPS))] for _ in range(THREADS)
        ]
        setup = {"first": first, "places": len(self._made) + RESULTS}
        return Program("hostile", threads, setup)

    # ── steps ──────────────────────────────────────────────────────────────────────────────────

    def _make(self, name: str, keep: int) -> list[Any]:
        """Makes an object, and as a rule one that can be made."""
        choose = self._choose
        how = choose.choices(["", "+", "-"], [8, 3, 1])[0]
        if name.endswith("Handle"):
            how = "" if how == "-" else how
            target = ["ref", self._place_of(name.removesuffix("Handle"))]
            return [name + how, [0, keep], target]
        count = choose.choice([0, 1, 1, 2])
        parameters = api.parameters(self._classes[name], "")
        return [name + how, [0, keep], *self._arguments(parameters, count)]

    def _place_of(self, name: str) -> int:
        places = [ANCHORS + place for place, made in enumerate(self._made) if made == name]
        return self._choose.choice(places) if places else self._place()

    def _place(self) -> int:
        return self._choose.randrange(ANCHORS + len(self._made) + RESULTS)

    def _keep(self) -> int | None:
        if self._choose.random() < 0.6:
            return None
        return ANCHORS + len(self._made) + self._choose.randrange(RESULTS)

    def _step(self) -> list[Any]:
        choose = self._choose
        kind = choose.random()
        if kind < 0.1:
            place = ANCHORS + choose.randrange(len(self._made) + RESULTS)
            return self._make(choose.choice([*self._made, *self._classes]), place)
        if kind < 0.25:
            name = choose.choice([*FUNCTIONS])
            given = [self._function()] if name in MAKERS else self._few()
            return [name, [self._place(), self._keep()], *given]
        if kind < 0.4:  # the result of another step: its class is not known yet
            place = ANCHORS + len(self._made) + choose.randrange(RESULTS)
            return [choose.randrange(1000), [place, self._keep()], *self._few()]
        number = choose.randrange(len(self._made))
        found = self._classes[self._made[number]]
        name = choose.choice(api.members(found))
        known = api.parameters(found, name)
        required = sum(each.default is each.empty for each in known)
        count = choose.choice([required, required, len(known), choose.randrange(4)])
        arguments = self._arguments(known, min(count, 5))
        return [f".{name}", [ANCHORS + number, self._keep()], *arguments]

    def _few(self) -> list[Any]:
        return [self._anything() for _ in range(self._choose.randrange(3))]

    # ── arguments ──────────────────────────────────────────────────────────────────────────────

    def _arguments(self, parameters: list[Any], count: int) -> list[Any]:
        names = [each.name for each in parameters] + [""] * count
        return [self._argument(name) for name in names[:count]]

    def _argument(self, name: str) -> Any:
        choose = self._choose
        if name in SMALL_NAMES:
            return choose.choice([*SMALL, None])
        if choose.random() < 0.15:
            return self._anything()
        if name in SIZE_NAMES:
            return choose.choice(SIZES)
        if "timeout" in name:
            return choose.choice([0, 0.0005, True, "soon", ["name", "..."]])
        if name in FUNCTION_NAMES:
            return self._function()
        if name in ITERABLE_NAMES:
            return self._iterable()
        if name in KEY_NAMES:
            return choose.choice([["ref", choose.randrange(ANCHORS)], self._thing(), 0, 1, "a"])
        return choose.choice([choose.choice(INTS), self._anything()])

    def _anything(self) -> Any:
        choose = self._choose
        kind = choose.randrange(10)
        if kind < 2:
            return ["ref", self._place()]
        if kind == 2:
            return ["ref", choose.randrange(ANCHORS)]
        if kind == 3:
            return choose.choice(INTS)
        if kind == 4:
            return choose.choice([None, True, 0.5, *TEXTS])
        if kind == 5:
            return ["name", choose.choice(NAMES)]
        if kind == 6:
            return choose.choice([["self"], ["bytes", "abc"], ["float", "inf"]])
        if kind == 7:
            return self._function()
        return self._iterable() if kind == 8 else self._thing()

    def _nested(self) -> list[Any]:
        """The steps that an adversary does."""
        if self._depth >= 2:
            return []
        self._depth += 1
        steps = [self._step() for _ in range(self._choose.randrange(1, 3))]
        self._depth -= 1
        return steps

    def _thing(self) -> list[Any]:
        choose = self._choose
        modes: dict[str, Any] = {
            question: choose.choice(ANSWERS)
            for question in choose.sample(QUESTIONS, choose.choice([0, 0, 1, 1, 2, 3]))
        }
        if choose.random() < 0.5:
            modes["bucket"] = choose.choice([0, 1, 2**61 - 1])
        if choose.random() < 0.3:
            modes["base"] = choose.choice(["int", "str", "dict"])
        return ["thing", modes, *(self._nested() if "reenter" in modes.values() else [])]

    def _function(self) -> list[Any]:
        mode = self._choose.choice(FUNCTION_MODES)
        return ["function", {"mode": mode}, *(self._nested() if mode == "reenter" else [])]

    def _iterable(self) -> Any:
        if self._choose.random() < 0.2:
            return ["ref", self._place()]
        if self._depth >= 2:
            return ["list"]
        self._depth += 1
        items = [self._anything() for _ in range(self._choose.choice([0, 2, 2, 4, 6]))]
        self._depth -= 1
        return [self._choose.choice(ITERABLES), *items]
