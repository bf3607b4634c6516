# SPDX-License-Identifier: Apache-2.0
"""A game for the tests of the fuzzer: its programs fail in all ways that there are."""

from __future__ import annotations

import os
import random
import time
from typing import Any

from tools.fuzz.programs import Program, Wrong

NAME = "tools.tests.a_game"


def generate(choose: random.Random) -> Program:
    threads = [[["fine", choose.randrange(100)] for _ in range(5)] for _ in range(3)]
    if choose.randrange(4) == 0:
        threads[1].append(["wrong", 1])
    return Program(NAME, threads)


def play(program: Program) -> None:
    steps: list[Any] = [step for steps in program.threads for step in steps]
    for name, *_ in steps:
        if name == "wrong":
            raise Wrong("as it was asked to be")
        if name == "crash":
            os.abort()
        if name == "hang":
            time.sleep(1000)
        if name == "leave":
            os._exit(0)
        if name == "defect":
            raise KeyError("of the game itself")
