# SPDX-License-Identifier: Apache-2.0
"""What a program is: data that can be printed, sent to another process, shrunk and replayed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


class Wrong(AssertionError):  # noqa: N818 - a verdict
    """A program shows a bug. The message says which."""


@dataclass(frozen=True)
class Program:
    """The steps of each thread. A step is JSON, and so is `setup`. The game gives them meaning."""

    game: str
    threads: list[list[Any]]
    setup: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """One line of text, from which `from_json` makes an equal program."""
        return json.dumps({"game": self.game, "setup": self.setup, "threads": self.threads})

    @classmethod
    def from_json(cls, text: str) -> Program:
        """The program of such a line."""
        found = json.loads(text)
        return cls(found["game"], found["threads"], found["setup"])

    def with_threads(self, threads: list[list[Any]]) -> Program:
        """The same program with other steps."""
        return Program(self.game, threads, self.setup)

    def steps(self) -> int:
        """How many steps all threads have together."""
        return sum(map(len, self.threads))

    def __str__(self) -> str:
        lines = [f"game: {self.game}", f"setup: {json.dumps(self.setup)}"]
        for number, steps in enumerate(self.threads):
            lines.append(f"thread {number}:")
            lines += [f"    {json.dumps(step)}" for step in steps]
        return "\n".join(lines)
