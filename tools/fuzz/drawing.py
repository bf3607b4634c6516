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
ANCHORS = 3  # places of the pool whose objects never change, and whose references are counted
MADE = 6  # objects of ours that are made before the threads start
THINGS = 2  # adversaries that are made before, too
RESULTS = 6  # places for results

INTS = [
    *(0, 1, -1, 2, 3, 7, 64, 127, 1000, 2**16, 2**61, 2**61 + 1, -(2**61), 2**62, 2**63 - 1),
    *(-(2**63), 2**63, -(2**63) - 1, 2**64, 10**30),
]
FLOATS = [*INTS[:7], 0.1, -0.0, 1.5, 1e308, 5e-324, 2**1024]
SMALL = [0, 1, 2, 3, 5, -1]
NAMES = ["NOT_FOUND", "ANY", "EXPECTATION_FAILED", "...", "complex", "print", "int", "nan",
         "not implemented", "AtomicDict", "max"]  # fmt: skip
TEXTS = ["", "a", "abc", "\0", "\ud800", ">10", "little", "value", "get"]

# Parameters with these names get what they are for, as a rule.
FUNCTION_NAMES = {"fn", "callable", "factory", "predicate", "function", "func", "fill", "target"}
ITERABLE_NAMES = {"pairs", "iterable", "mapping", "initial", "batch", "keys_or_mapping", "other",
                  "others"}  # fmt: skip
KEY_NAMES = {"key", "expected", "updated", "desired", "value", "initial_value", "default", "obj",
             "element"}  # fmt: skip
# These have to have one type, or all the rest is not reached.
TYPED: dict[str, list[Any]] = {
    "bytes": [["bytes", "abc"], ["bytes", ""]],
    "byteorder": ["little", "big"],
    "format_spec": ["", "d", ">10"],
    "name": ["value", "__doc__", "", "abc"],
    "protocol": [0, 2, 5],
    "signed": [True, False],
    "immortal": [False, None, False, None, False, None, True, 1],
    "daemon": [True, None],
}

# What is stored in these, as a rule.
VALUES: dict[str, list[Any]] = {
    "AtomicBool": [True, False],
    "AtomicInt": INTS,
    "AtomicInt64": INTS,
    "AtomicCounter": INTS,
    "AtomicFloat": FLOATS,
    "AtomicFloatSum": FLOATS,
    "CountDownLatch": [0, 1, 2, 3],
}

# The results of these have methods of their own.
PRODUCERS = {
    *("keys", "values", "items", "__iter__", "fast_iter", "reader", "writer", "get_handle"),
    *("memoize", "copy", "snapshot", "with_args", "target", "is_alive"),
}

# The right operand of these is a mapping, or an object of the same class.
UNIONS = {
    f"__{prefix}{name}__"
    for name in ("or", "and", "add", "sub", "xor", "eq", "le")
    for prefix in ("", "r", "i")
}

# Which function is called on the result of which other one.
USES = {"call": "call_once", "reset": "call_once", "read": "owner of once_property",
        "delete": "owner of once_property", "next": "iter", "await": "awaited once"}  # fmt: skip

# These say how much work is to be done.
SMALL_NAMES = {"times", "start", "stop", "step", "ndigits", "length", "maxsize"}
SIZE_NAMES = {"n", "min_size", "chunk_size", "partitions", "this_partition", "buffer_size"}
SIZES = [0, 1, 2, 64, 1000, 2**16, 2**62, 2**64, -1]

QUESTIONS = ["hash", "eq", "lt", "bool", "index", "float", "iter", "len", "repr", "reduce", "del"]
ANSWERS = ["raise", "exit", "reenter", "reenter", "wrong", "change", "same"]
FUNCTION_MODES = ["", "first", "last", "itself", "sentinel", "huge", "raise", "exit", "reenter"]
ITERABLES = ["list", "tuple", "dict", "set", "pairs", "pairs", "generator", "mapping"]


def generate(choose: random.Random) -> Program:
    """A random program."""
    return _Drawing(choose).program()


class _Drawing:
    """Draws the steps of one program, which are about a few classes."""

    def __init__(self, choose: random.Random) -> None:
        self._choose = choose
        self._classes = api.public_classes()
        few = choose.sample([*self._classes], choose.randrange(1, 4))
        # The classes of the objects in the pool, by their places. A handle follows its target.
        self._made: list[str] = []
        for name in [choose.choice(few) for _ in range(choose.randrange(1, MADE))]:
            if name.endswith("Handle"):
                self._made.append(name.removesuffix("Handle"))
            self._made.append(name)
        self._made = [name for name in self._made if name in self._classes]
        self._things = ANCHORS + len(self._made)
        self._results = self._things + THINGS
        self._depth = 0
        # Places with objects that other steps have returned.
        self._kept: list[int] = []
        # Where the results of some functions are kept, and which functions use them.
        makers = choose.sample([*MAKERS, "iter"], choose.randrange(len(MAKERS) + 2))
        places = range(self._results + RESULTS, self._results + RESULTS + len(makers))
        self._places_of_makers = dict(zip(makers, places, strict=True))
        self._usable = [name for name, maker in USES.items() if maker in makers]

    def program(self) -> Program:
        choose = self._choose
        first = [["keep", [0, self._things + number], self._thing()] for number in range(THINGS)]
        first += [self._make(name, ANCHORS + place) for place, name in enumerate(self._made)]
        first += [self._maker_step(name) for name in self._places_of_makers]
        threads = [
            [self._step() for _ in range(choose.randrange(1, STEPS))] for _ in range(THREADS)
        ]
        places = self._results + RESULTS + len(self._places_of_makers) - ANCHORS
        return Program("hostile", [first, *threads], {"places": places})

    # ── steps ──────────────────────────────────────────────────────────────────────────────────

    def _make(self, name: str, keep: int) -> list[Any]:
        """Makes an object, and as a rule one that can be made."""
        choose = self._choose
        how = choose.choices(["", "+", "-"], [8, 3, 1])[0]
        if name == "ThreadSet" and choose.random() < 0.7:
            return ["threads", [0, keep], self._function()]
        if name.endswith("Handle") and choose.random() < 0.9:
            target = ["ref", self._place_of(name.removesuffix("Handle"))]
            return [name + how, [0, keep], target]
        return [name + how, [0, keep], *self._arguments(name, "")]

    def _place_of(self, name: str) -> int:
        places = [ANCHORS + place for place, made in enumerate(self._made) if made == name]
        return self._choose.choice(places) if places else self._place()

    def _place(self) -> int:
        return self._choose.randrange(self._results + RESULTS)

    def _place_of_result(self) -> int:
        """A place where a step keeps its result, as a rule."""
        if self._kept and self._choose.random() < 0.9:
            return self._choose.choice(self._kept)
        return self._results + self._choose.randrange(RESULTS)

    def _keep(self, name: str = "") -> int | None:
        if self._choose.random() > (0.8 if name in PRODUCERS else 0.3):
            return None
        place = self._results + self._choose.randrange(RESULTS)
        if name in PRODUCERS:
            self._kept.append(place)
        return place

    def _step(self) -> list[Any]:
        choose = self._choose
        kind = choose.random()
        if kind < 0.1:
            number = choose.randrange(len(self._made) + 3)
            if number >= len(self._made):
                place = self._results + choose.randrange(RESULTS)
                return self._make(choose.choice([*self._classes]), place)
            return self._make(self._made[number], ANCHORS + number)
        if kind < 0.25:
            return self._function_step()
        if kind < 0.4:  # the result of another step: its class is not known yet
            place = self._place_of_result()
            return [choose.randrange(1000), [place, self._keep()], *self._few()]
        number = choose.randrange(len(self._made))
        name = choose.choice(api.members(self._classes[self._made[number]]))
        arguments = self._arguments(self._made[number], name)
        return [f".{name}", [ANCHORS + number, self._keep(name)], *arguments]

    def _function_step(self) -> list[Any]:
        """Calls one of FUNCTIONS: on the result of another one, or on anything."""
        choose = self._choose
        name = choose.choice([*FUNCTIONS, *self._places_of_makers, *self._usable])
        if name in self._places_of_makers:
            return self._maker_step(name)
        place = self._places_of_makers.get(USES.get(name, ""), self._place())
        return [name, [place, self._keep()], *self._few()]

    def _maker_step(self, name: str) -> list[Any]:
        place = self._places_of_makers[name]
        if name == "iter":
            return [name, [ANCHORS + self._choose.randrange(len(self._made)), place]]
        return [name, [0, place], self._function()]

    def _few(self) -> list[Any]:
        return [self._anything() for _ in range(self._choose.randrange(3))]

    # ── arguments ──────────────────────────────────────────────────────────────────────────────

    def _arguments(self, kind: str, method: str) -> list[Any]:
        """Arguments for the parameters of a method; as a rule, as many as there should be."""
        choose = self._choose
        drawn: list[Any] = []
        if choose.random() < 0.05:
            return self._few()
        for each in api.parameters(self._classes[kind], method):
            if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
                drawn += self._few() if choose.random() < 0.3 else []
                continue
            by_keyword = each.kind is each.KEYWORD_ONLY
            if each.default is not each.empty and choose.random() < (0.8 if by_keyword else 0.4):
                break
            argument = self._argument(kind.removesuffix("Handle"), method, each.name)
            if by_keyword or (each.kind is not each.POSITIONAL_ONLY and choose.random() < 0.05):
                argument = ["key", each.name, argument]
            drawn.append(argument)
        return drawn

    def _argument(self, kind: str, method: str, name: str) -> Any:
        choose = self._choose
        if name in SMALL_NAMES:
            return choose.choice([*SMALL, None])
        if name in TYPED:
            return choose.choice(TYPED[name])
        if choose.random() < 0.15:
            return self._anything()
        if name in SIZE_NAMES:
            return choose.choice(SIZES)
        if "timeout" in name:
            return choose.choice([0, 0.0005, True, "soon", ["name", "..."]])
        if name in FUNCTION_NAMES:
            return self._function()
        is_union = method in UNIONS and kind in ("AtomicDict", "AtomicKeyedCounter")
        if is_union and choose.random() < 0.5:
            return ["ref", self._place_of(kind)]
        if name in ITERABLE_NAMES or is_union:
            return self._iterable("dict" if name == "batch" or is_union else "")
        if name == "expected" and "Dict" in kind and choose.random() < 0.5:
            return ["name", choose.choice(["ANY", "NOT_FOUND"])]
        if kind in VALUES and choose.random() < 0.8:
            return choose.choice(VALUES[kind])
        if name in KEY_NAMES:
            places = [*range(ANCHORS), *range(self._things, self._results)]
            return choose.choice([["ref", choose.choice(places)], self._thing(), 0, 1, "a"])
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

    def _iterable(self, kind: str = "") -> Any:
        choose = self._choose
        if choose.random() < 0.2:
            return ["ref", self._place()]
        if self._depth >= 2:
            return ["list"]
        self._depth += 1
        count = choose.choice([0, 2, 2, 4, 6])
        if choose.random() < 0.6:  # keys and values that all operations know
            items = [choose.choice([0, 1, 2, 3, True, ["ref", 0]]) for _ in range(count)]
        else:
            items = [self._anything() for _ in range(count)]
        self._depth -= 1
        return [kind or choose.choice(ITERABLES), *items]
