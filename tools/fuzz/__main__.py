# SPDX-License-Identifier: Apache-2.0
"""`python -m tools.fuzz`: plays random programs until one fails, and shrinks that one."""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tools.fuzz import games
from tools.fuzz.planted import PLANTED, TIME, VARIABLE
from tools.fuzz.programs import Program
from tools.fuzz.shrink import shrink
from tools.fuzz.supervise import Verdict, replay, run_worker

# A new process plays after so many seconds: what one of them keeps is not kept for long.
SECONDS_PER_WORKER = 30.0

# To find out whether a program fails alone, and then to shrink it.
REPLAYS = 500
SECONDS_PER_REPLAY = 30.0


@dataclass(frozen=True)
class Failure:
    """A program that has failed, the smallest one that fails as well, and how that one does."""

    number: int
    program: Program
    smallest: Program
    what: str
    is_replayed: bool


class Hunt:
    """Looks for a program that fails, and makes it small."""

    def __init__(self, seed: int, game: str | None, shrink_seconds: float) -> None:
        self._seed = seed
        self._game = game
        self._shrink_seconds = shrink_seconds
        self.played = 0

    def run(self, first: int, seconds: float, *, report: bool = True) -> Failure | None:
        """The first failure from this program on; None if there is none in so many seconds."""
        end = time.monotonic() + seconds
        number = first
        while (left := end - time.monotonic()) > 0:
            arguments = [f"--seed={self._seed}", f"--first={number}", "--count=1000000000"]
            if self._game:
                arguments.append(f"--game={self._game}")
            verdict = run_worker(*arguments, seconds=min(left, SECONDS_PER_WORKER))
            self.played += verdict.played
            if verdict.failed:
                return self._failure(verdict)
            number = verdict.number + 1
            if report:
                print(f"{number - first} programs, {left:.0f} s left", flush=True)
        return None

    def _failure(self, verdict: Verdict) -> Failure:
        program = games.generate(self._seed, verdict.number, self._game)
        print(f"program {verdict.number} of seed {self._seed} has failed; shrinking", flush=True)
        again = replay(program, REPLAYS, SECONDS_PER_REPLAY)
        if not again.failed:
            return Failure(verdict.number, program, program, verdict.what, False)
        # What fails once in n times is played a few times as often, to be as good as sure.
        times = 1 if again.played == 1 else min(REPLAYS, 5 * again.played)
        found = [again]
        end = time.monotonic() + self._shrink_seconds

        def fails(candidate: Program) -> bool:
            if time.monotonic() > end:
                return False
            tried = replay(candidate, times, SECONDS_PER_REPLAY, limit=30.0)
            if tried.failed:
                found.append(tried)
            return tried.failed

        return Failure(verdict.number, program, shrink(program, fails), found[-1].what, True)


def _show(failure: Failure) -> None:
    print(f"\n{failure.smallest}\n\n{failure.what}\n")
    if not failure.is_replayed:
        print(f"It did not fail again, alone, in {REPLAYS} tries: it has not been shrunk.")
    print(f"As JSON, for --replay:\n{failure.smallest.to_json()}\n", flush=True)


def _hunt(arguments: argparse.Namespace) -> int:
    seed = arguments.seed
    print(f"seed {seed}: --seed={seed} repeats this run", flush=True)
    hunt = Hunt(seed, arguments.game, shrink_seconds=300.0)
    failure = hunt.run(arguments.first, arguments.minutes * 60)
    if failure is None:
        print(f"{hunt.played} programs, and none of them has failed")
        return 0
    _show(failure)
    print(f"--seed={seed} --first={failure.number} begins with this program")
    return 1


def _replay(arguments: argparse.Namespace) -> int:
    program = Program.from_json(Path(arguments.replay).read_text("utf-8"))
    verdict = replay(program, REPLAYS, arguments.minutes * 60)
    print(f"{program}\n\n{verdict.what or 'It has passed.'}\n({verdict.played} times)")
    return int(verdict.failed)


def _hunt_planted(arguments: argparse.Namespace) -> int:
    """Every planted bug has to be found, and nothing without one."""
    seed = arguments.seed
    print(f"seed {seed}", flush=True)
    chosen = [arguments.bug] if arguments.bug else [0, *PLANTED]
    rows = []
    for bug in chosen:
        os.environ[VARIABLE] = str(bug)
        name = PLANTED.get(bug, "none")
        print(f"\n── planted bug {bug}: {name}", flush=True)
        hunt = Hunt(seed, arguments.game, shrink_seconds=60.0)
        began = time.monotonic()
        failure = hunt.run(0, TIME if bug else 30.0, report=False)
        taken = time.monotonic() - began
        if failure:
            _show(failure)
        is_right = (failure is not None) == (bug != 0)
        result = f"program {failure.number}, {taken:.0f} s" if failure else "nothing found"
        steps = f"{failure.smallest.steps()} of {failure.program.steps()} steps" if failure else ""
        rows.append((is_right, f"{bug:2}  {result:24}  {steps:20}  {name}"))
    print("\nbug  found                     smallest program")
    for is_right, row in rows:
        print(f"{row}{'' if is_right else '   WRONG'}")
    return 0 if all(is_right for is_right, _ in rows) else 1


def main() -> int:
    """The exit code: 0 if everything is as it should be."""
    parser = argparse.ArgumentParser(prog="tools.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, help="another run with it plays the same programs")
    parser.add_argument("--first", type=int, default=0, help="number of the first program")
    parser.add_argument("--game", choices=[*games.SHARES], help="only this game")
    parser.add_argument("--replay", help="a file with one program, as JSON")
    parser.add_argument("--planted", action="store_true", help="find the planted bugs")
    parser.add_argument("--bug", type=int, choices=[*PLANTED], help="only this planted bug")
    arguments = parser.parse_args()
    if arguments.seed is None:
        arguments.seed = random.SystemRandom().randrange(2**32)
    if arguments.planted:
        return _hunt_planted(arguments)
    return _replay(arguments) if arguments.replay else _hunt(arguments)


if __name__ == "__main__":
    sys.exit(main())
