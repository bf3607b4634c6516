# SPDX-License-Identifier: Apache-2.0
"""`python -m tools.soak --minutes=120`: rounds of ten seconds, with a look at the memory between.

A round: threads start and end, dicts grow and are emptied, the process forks, garbage is collected,
all at the same time. Then all threads end. Nothing may be lost, and nothing may be left over.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import random
import sys
import time

from rich.console import Console
from rich.table import Table

from tools.soak import usage, work
from tools.soak.world import World, Wrong

SECONDS_PER_ROUND = 10.0
ROWS = 12  # of the table at the end
FEWEST = 9  # rounds, to say whether something grows


def _table(usages: list[usage.Usage]) -> Table:
    table = Table(title="Between rounds, when all dicts are empty and one thread is left")
    for heading in ["minutes", "resident, MiB", "blocks", "objects left", "threads", "files"]:
        table.add_column(heading, justify="right")
    chosen = sorted({round(i * (len(usages) - 1) / (ROWS - 1)) for i in range(ROWS)})
    for number in chosen:
        row = usages[number]
        table.add_row(
            f"{row.seconds / 60:.1f}", f"{row.resident / 2**20:.1f}", f"{row.blocks:,}",
            str(row.tracked), str(row.threads), str(row.files),
        )  # fmt: skip
    return table


def main() -> int:
    """The exit code: 1 if something was lost, hung, or has grown."""
    parser = argparse.ArgumentParser(description="run for hours, with flat memory")
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    arguments = parser.parse_args()
    faulthandler.enable()  # a child that hangs is aborted, and prints its stacks
    console = Console(width=100)
    console.print(f"seed {arguments.seed}; {arguments.minutes:g} minutes; Python {sys.version}")
    world = World()
    usages = usage.Usages()
    start = time.monotonic()
    try:
        while time.monotonic() - start < 60 * arguments.minutes:
            number = len(usages)
            work.run_round(world, arguments.seed + 1000 * number, SECONDS_PER_ROUND)
            world.check_between_rounds()
            world.empty()
            now = usage.measure(start)
            usages.append(now)
            if number % 30 == 0:
                console.print(f"round {number}: {now}")
    except Wrong as problem:
        faulthandler.dump_traceback(all_threads=True)
        console.print(f"round {len(usages)} of seed {arguments.seed}: {problem}", markup=False)
        return 1
    console.print(_table([*usages]))
    console.print(
        f"{len(usages)} rounds, {world.threads.get():,} threads, {world.forks.get():,} forks, "
        f"{world.collections.get():,} collections, {world.expected:,} counted"
    )
    grown = usage.growth([*usages]) if len(usages) >= FEWEST else ["too few rounds to see growth"]
    for sentence in grown:
        console.print(sentence)
    return 1 if grown else 0


if __name__ == "__main__":
    exit_code = main()
    sys.stdout.flush()
    if exit_code:
        os._exit(exit_code)  # at once: a thread that hangs would be waited for
