# SPDX-License-Identifier: Apache-2.0
"""The process that plays programs. It may crash or hang: `supervise` watches it.

It writes one line of JSON to stdout before each program, and one more if the program is wrong. A
program that takes too long ends the process, which then prints the stacks of all threads.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import json
import os
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.fuzz import games
from tools.fuzz.programs import Program, Wrong

# An argument may be a size, and one that is too large has to raise MemoryError here.
MEMORY = 6 << 30


def _report(**line: Any) -> None:
    os.write(1, json.dumps(line).encode() + b"\n")


def _limit_memory() -> None:
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _programs(arguments: argparse.Namespace) -> Iterator[tuple[int, Program]]:
    if arguments.program:
        program = Program.from_json(Path(arguments.program).read_text("utf-8"))
        for number in range(arguments.count):
            yield number, program
        return
    for number in range(arguments.first, arguments.first + arguments.count):
        yield number, games.generate(arguments.seed, number, arguments.game)


def _play(program: Program) -> str:
    """What is wrong; empty if nothing is."""
    try:
        games.play(program)
    except Wrong as wrong:
        return str(wrong)
    except BaseException:
        return f"the game itself has failed\n{traceback.format_exc()}"
    return ""


def main() -> int:
    """Play programs until one is wrong, or for so many seconds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--game", help="only this game")
    parser.add_argument("--first", type=int, default=0, help="number of the first program")
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--program", help="a file with one program, to be played --count times")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds that a program may take")
    arguments = parser.parse_args()
    faulthandler.enable()
    _limit_memory()
    end = time.monotonic() + arguments.seconds
    frozen = False
    for number, program in _programs(arguments):
        if time.monotonic() > end:
            break
        _report(begin=number)
        faulthandler.dump_traceback_later(arguments.limit, exit=True)
        wrong = _play(program)
        faulthandler.cancel_dump_traceback_later()
        if wrong:
            _report(wrong=wrong)
            # Not by way of the interpreter's exit: what is wrong may hang there.
            os._exit(1)
        if not frozen:
            # What has been imported by now need not be visited by each collection.
            gc.collect()
            gc.freeze()
            frozen = True
    _report(end=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
