# SPDX-License-Identifier: Apache-2.0
"""`python3 -m verification`: explores scenarios, shows mistakes, or draws scenarios at random."""

from __future__ import annotations

import argparse
import random
import sys

from . import cache, reclaimer
from .hash_map import MISTAKES, SCENARIOS, Result, explore
from .hash_map.explore import call
from .hash_map.scenarios import draw
from .hash_map.state import Config
from .search import TooManyStatesError

EVERY_MISTAKE = {**MISTAKES, **reclaimer.MISTAKES, **cache.MISTAKES}


def report(name: str, result: Result | cache.Result | reclaimer.Result) -> bool:
    """Prints one line, and says whether all is well."""
    print(f"{name:44}{result.states:9,} states {result.seconds:6.1f} s  "
          f"{result.violation or ''}".rstrip(), flush=True)  # fmt: skip
    return result.violation is None


def show_mistake(name: str) -> None:
    """Prints the shortest trace that each scenario of a mistake has."""
    mistake = EVERY_MISTAKE[name]
    print(f"{name}: {mistake.about}\n")
    for scenario in mistake.shown_by:
        result: Result | cache.Result | reclaimer.Result
        if name in MISTAKES:
            cfg = SCENARIOS[scenario].cfg._replace(mistakes=frozenset({name}))
            result = explore(cfg)
        elif name in cache.MISTAKES:
            wrong = cache.SCENARIOS[scenario].cfg._replace(mistakes=frozenset({name}))
            result = cache.explore(wrong)
        else:
            result = reclaimer.explore(reclaimer.SCENARIOS[scenario], frozenset({name}))
        report(scenario, result)
        print("  " + "\n  ".join(result.trace) + "\n")


def described(cfg: Config) -> str:
    """A scenario in one line, so that it can be told from another."""
    threads = " | ".join(", ".join(call(op) for op in program) for program in cfg.programs)
    settings = cfg._replace(programs=(), setup=())
    return f"{', '.join(call(op) for op in cfg.setup)} ‖ {threads}  {settings}"


def explore_at_random(seed: int, number: int, limit: int) -> bool:
    """Draws scenarios, and explores those that are small enough."""
    draws, states, skipped = random.Random(seed), 0, 0
    for _ in range(number):
        cfg = draw(draws)
        try:
            result = explore(cfg, limit)
        except TooManyStatesError:
            skipped += 1
            continue
        states += result.states
        if result.violation:
            print(described(cfg), result.violation, *result.trace, sep="\n  ")
            return False
    print(f"seed {seed}: {number - skipped} scenarios, {states:,} states; {skipped} were too large")
    return True


def main() -> int:
    """Returns 1 if a scenario violates a promise."""
    parser = argparse.ArgumentParser(prog="python3 -m verification", description=__doc__)
    parser.add_argument("name", nargs="?", help="only scenarios whose name has this in it")
    parser.add_argument("--mistake", choices=sorted(EVERY_MISTAKE), help="show what it leads to")
    parser.add_argument("--random", type=int, metavar="N", help="explore N scenarios at random")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--limit", type=int, default=300_000, help="of states, with --random")
    arguments = parser.parse_args()
    if arguments.mistake:
        show_mistake(arguments.mistake)
        return 0
    if arguments.random:
        return not explore_at_random(arguments.seed, arguments.random, arguments.limit)
    well = True
    for name, scenario in SCENARIOS.items():
        if (arguments.name or "") in name:
            result = explore(scenario.cfg)
            well &= report(name, result)
            print("".join(f"  {line}\n" for line in result.trace), end="")
    for name, alone in reclaimer.SCENARIOS.items():
        if (arguments.name or "") in name:
            found = reclaimer.explore(alone)
            well &= report(name, found)
            print("".join(f"  {line}\n" for line in found.trace), end="")
    for name, cached in cache.SCENARIOS.items():
        if (arguments.name or "") in name:
            seen = cache.explore(cached.cfg)
            well &= report(name, seen)
            print("".join(f"  {line}\n" for line in seen.trace), end="")
    return not well


if __name__ == "__main__":
    sys.exit(main())
