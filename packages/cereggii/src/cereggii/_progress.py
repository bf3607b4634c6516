# SPDX-License-Identifier: Apache-2.0
"""The progress bar of `python -m cereggii`, on standard error if that is a terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

WIDTH = 20

Step = Callable[[str], None]


@contextlib.contextmanager
def progress(total: int) -> Iterator[Step]:
    """A function to call with a label before each of `total` steps.

    What it shows is gone at the end. It draws only when it is called, so that no thread of it runs
    beside those that are measured.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda label: None
        return
    try:
        from rich.console import Console
        from rich.progress import Progress
    except ImportError:
        with _plain(total) as step:
            yield step
        return
    with Progress(console=Console(stderr=True), transient=True, auto_refresh=False) as bar:
        task = bar.add_task("", total=total)
        bar.advance(task, -1)

        def advance(label: str) -> None:
            bar.update(task, advance=1, description=label, refresh=True)

        yield advance


@contextlib.contextmanager
def _plain(total: int) -> Iterator[Step]:
    done = -1

    def advance(label: str) -> None:
        nonlocal done
        done += 1
        filled = "#" * (WIDTH * done // total)
        sys.stderr.write(f"\r\x1b[K[{filled:<{WIDTH}}] {label}")
        sys.stderr.flush()

    try:
        yield advance
    finally:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
