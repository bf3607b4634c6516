# SPDX-License-Identifier: Apache-2.0
"""Change the configuration of a program while its threads read it.

python examples/config_hot_swap.py [--readers 4] [--writers 2] [--changes 2000]
"""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass

import options
from cereggii import AtomicEvent, AtomicRef, ThreadSet
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Config:
    """A configuration whose parts belong together. It never changes: a new one replaces it."""

    version: int
    database: str
    timeout: int

    @classmethod
    def of_version(cls, version: int) -> Config:
        """A configuration whose parts are all of this version."""
        return cls(version, f"database-{version}", 10 * version)

    def is_whole(self) -> bool:
        """Whether all parts are of the same version."""
        return self == self.of_version(self.version)


class RacyHolder:
    """Attributes that are set one by one. Another reader or writer may come in between."""

    def __init__(self) -> None:
        self.change_to(Config.of_version(0))

    def change_to(self, config: Config) -> None:
        """Set the attributes."""
        self.version = config.version
        self.database = config.database
        self.timeout = config.timeout

    def read(self) -> Config:
        """The configuration as a reader sees it."""
        return Config(self.version, self.database, self.timeout)

    def update(self) -> Config:
        """Change to the next version, which is made from the current one."""
        self.change_to(Config.of_version(self.version + 1))
        return self.read()


class AtomicHolder:
    """One reference to a whole Config."""

    def __init__(self) -> None:
        self.current: AtomicRef[Config] = AtomicRef(Config.of_version(0))

    def change_to(self, config: Config) -> None:
        """Replace the whole configuration."""
        self.current.set(config)

    def read(self) -> Config:
        """The configuration as a reader sees it. Read it once for each piece of work."""
        return self.current.get()

    def update(self) -> Config:
        """Change to the next version, which is made from the current one.

        The function may be called again if another thread's change came first. So it must have no
        side effects.
        """
        return self.current.update_and_get(lambda config: Config.of_version(config.version + 1))


@dataclass
class Seen:
    """What the threads saw."""

    reads: int
    halves: int  # configurations that no thread wrote: each is a mixture of two
    steps_back: int  # reads of a version older than the one read before
    versions: list[int]  # the versions that the writers made
    last: Config


def run(holder: RacyHolder | AtomicHolder, readers: int, writers: int, changes: int) -> Seen:
    """Let the writers update the configuration while the readers read it."""
    barrier = threading.Barrier(readers + writers)
    done = AtomicEvent()
    seen: list[tuple[int, int, int]] = [(0, 0, 0)] * readers
    versions: list[list[int]] = [[] for _ in range(writers)]

    @ThreadSet.range(readers)
    def reading(number: int) -> None:
        reads = halves = steps_back = before = 0
        barrier.wait()
        is_last = False
        while not is_last:
            is_last = done.is_set()
            config = holder.read()
            reads += 1
            halves += not config.is_whole()
            steps_back += config.version < before
            before = config.version
        seen[number] = reads, halves, steps_back

    @ThreadSet.range(writers)
    def writing(number: int) -> None:
        barrier.wait()
        for _ in range(changes):
            versions[number].append(holder.update().version)

    (reading | writing).start()
    writing.join()
    done.set()
    reading.join()
    reads, halves, steps_back = (sum(numbers) for numbers in zip(*seen, strict=True))
    return Seen(reads, halves, steps_back, sorted(itertools.chain(*versions)), holder.read())


WAYS: dict[str, Callable[[], RacyHolder | AtomicHolder]] = {
    "attributes (racy)": RacyHolder,
    "AtomicRef": AtomicHolder,
}


def main() -> int:
    """Print a row for each way. Return 1 if the AtomicRef ever held something wrong."""
    parser = options.Parser(__doc__)
    parser.add("--readers", options.threads, 4, "threads that read the configuration")
    parser.add("--writers", options.threads, 2, "threads that change it")
    parser.add("--changes", options.number, 2000, "how often each of them changes it")
    arguments = parser.parse_args()

    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    title = f"{arguments.readers} threads read what {arguments.writers} threads change"
    table = Table(
        title=f"{title}\nPython {sys.version.split()[0]}, the GIL is {'on' if gil else 'off'}"
    )
    for heading in ("configuration", "", "reads", "halves", "steps back", "updates", "lost"):
        table.add_column(heading, justify="left" if heading in ("configuration", "") else "right")
    all_right = True
    for name, make in WAYS.items():
        holder = make()
        seen = run(holder, arguments.readers, arguments.writers, arguments.changes)
        updates = arguments.writers * arguments.changes
        lost = updates - seen.last.version
        # Every update made a version of its own from the version before it.
        right = seen.last == Config.of_version(updates) and seen.versions == [
            *range(1, updates + 1)
        ]
        right = right and not seen.halves and not seen.steps_back
        # A configuration that is set replaces any other one.
        holder.change_to(Config.of_version(-1))
        right = right and holder.read() == Config.of_version(-1)
        if make is AtomicHolder:
            all_right = right
        table.add_row(
            name,
            "[green]right" if right else "[red]wrong",
            f"{seen.reads:,}",
            f"{seen.halves:,}",
            f"{seen.steps_back:,}",
            f"{updates:,}",
            f"{lost:,}",
        )
    console = Console()
    console.print(table)
    console.print("Halves are configurations that a reader saw and nobody wrote.")
    return 0 if all_right else 1


if __name__ == "__main__":
    sys.exit(main())
