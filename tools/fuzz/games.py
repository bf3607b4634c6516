# SPDX-License-Identifier: Apache-2.0
"""The games, and which program a seed and a number give."""

from __future__ import annotations

import importlib
import random
from typing import Protocol, cast

from tools.fuzz.programs import Program

# How often each game is played, out of the sum of these.
SHARES = {"hostile": 5, "against": 4, "histories": 3, "counting": 2, "waiting": 1}


class Game(Protocol):
    """What the module of a game has."""

    def generate(self, choose: random.Random) -> Program:
        """A random program: the same one for a generator in the same state."""

    def play(self, program: Program) -> None:
        """Raise Wrong if the program shows a bug."""


def game(name: str) -> Game:
    """The game of this name: the module `tools.fuzz.<name>`, or another one with a dot in it.

    It is imported now, and not before: some games import the packages that they are about.
    """
    found = importlib.import_module(name if "." in name else f"tools.fuzz.{name}")
    return cast(Game, found)


def generate(seed: int, number: int, only: str | None = None) -> Program:
    """The program of this number in the run with this seed; of one game, if it is named."""
    choose = random.Random(f"{seed}/{number}")
    name = only or choose.choices([*SHARES], [*SHARES.values()])[0]
    return game(name).generate(choose)


def play(program: Program) -> None:
    """Raise Wrong if the program shows a bug."""
    game(program.game).play(program)
