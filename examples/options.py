# SPDX-License-Identifier: Apache-2.0
"""The options of the examples. A value that is not a suitable number is a usage error."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any


def number(text: str, most: int = 1_000_000_000) -> int:
    """A count: how many things there are, or how often something is done."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if not 1 <= value <= most:
        raise argparse.ArgumentTypeError(f"not a whole number from 1 to {most:,}: {text!r}")
    return value


def threads(text: str) -> int:
    """A number of threads or processes. It is limited, as a system has no room for more."""
    return number(text, most=1000)


def seconds(text: str) -> float:
    """A duration in seconds."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 3600:  # so NaN is refused, too
        raise argparse.ArgumentTypeError(f"not a number above 0 and up to 3600: {text!r}")
    return value


class Parser(argparse.ArgumentParser):
    """A parser for an example. `--help` shows the docstring of the example."""

    def __init__(self, description: str | None) -> None:
        super().__init__(
            description=description, formatter_class=argparse.RawDescriptionHelpFormatter
        )

    def add(
        self,
        option: str,
        kind: Callable[[str], Any],
        default: Any,
        meaning: str,
        nargs: str | None = None,
    ) -> None:
        """Add an option. `kind` is one of the functions above."""
        values = default if isinstance(default, list) else [default]
        shown = "all" if default is None else " ".join(map(str, values))
        self.add_argument(
            option,
            type=kind,
            default=default,
            nargs=nargs,
            metavar="S" if kind is seconds else "N",
            help=f"{meaning} (default: {shown})",
        )
