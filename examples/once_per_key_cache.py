# SPDX-License-Identifier: Apache-2.0
"""Compute each of some slow things once, although many threads ask for it at the same time.

python examples/once_per_key_cache.py [--threads 8] [--keys 4] [--seconds 0.05]
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import options
from cereggii import AtomicCache, AtomicInt, AtomicKeyedCounter, ThreadSet
from rich.console import Console
from rich.table import Table


class Page:
    """Something that is slow to make. Each page is an object of its own."""

    def __init__(self, key: str) -> None:
        self.key = key


class Maker:
    """Makes pages slowly, and counts how often it makes each."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.made: AtomicKeyedCounter[str] = AtomicKeyedCounter()

    def __call__(self, key: str) -> Page:
        """Make a new page for the key."""
        self.made.add(key)
        time.sleep(self.seconds)
        return Page(key)


def ask_together(threads: int, ask: Callable[[], Any]) -> list[Any]:
    """Let so many threads ask at the same time. Return what each of them gets."""
    answers: list[Any] = [None] * threads
    barrier = threading.Barrier(threads)

    @ThreadSet.range(threads)
    def asking(thread: int) -> None:
        barrier.wait()
        answers[thread] = ask()

    asking.start_and_join()
    return answers


def once(threads: int, keys: int, seconds: float) -> tuple[Any, bool]:
    """All threads ask for all keys. Each page is made once, and all threads get the same page."""
    make = Maker(seconds)
    cache: AtomicCache[str, Page] = AtomicCache(make)
    names = [f"page {number}" for number in range(keys)]
    answers = ask_together(threads, lambda: [cache[name] for name in names])
    same = all(answer == answers[0] for answer in answers)
    return make.made, same and make.made == Counter(names)


def failure(threads: int, _keys: int, seconds: float) -> tuple[Any, bool]:
    """The first thread that makes the page fails and gets the error. The next thread makes it."""
    make = Maker(seconds)
    attempts = AtomicInt()

    def make_at_second_attempt(key: str) -> Page:
        page = make(key)
        if attempts.increment_and_get() == 1:
            raise OSError(f"cannot make {key}")
        return page

    cache: AtomicCache[str, Page] = AtomicCache(make_at_second_attempt)

    def ask() -> Page | str:
        try:
            return cache["page"]
        except OSError as error:
            return str(error)

    answers = ask_together(threads, ask)
    pages = {answer for answer in answers if isinstance(answer, Page)}
    # With one thread, no other thread is left to make it.
    right = answers.count("cannot make page") == 1 and len(pages) == min(1, threads - 1)
    return make.made, right and make.made["page"] == min(2, threads)


def invalidation(threads: int, _keys: int, seconds: float) -> tuple[Any, bool]:
    """A page that was invalidated is made again, once, for all threads that ask afterwards."""
    make = Maker(seconds)
    cache: AtomicCache[str, Page] = AtomicCache(make)
    before = {*ask_together(threads, lambda: cache["page"])}
    cache.invalidate("page")
    after = {*ask_together(threads, lambda: cache["page"])}
    return make.made, len(before) == len(after) == 1 and before != after and make.made["page"] == 2


def time_to_live(_threads: int, _keys: int, seconds: float) -> tuple[Any, bool]:
    """A page that is too old is made again. `in` does not make one."""
    make = Maker(seconds)
    cache: AtomicCache[str, Page] = AtomicCache(make, ttl=seconds)
    before = cache["page"]
    for _ in range(100):
        if "page" not in cache:
            break
        time.sleep(seconds)
    after = cache["page"]
    return make.made, before is not after and make.made["page"] == 2


def maximum_size(_threads: int, _keys: int, seconds: float) -> tuple[Any, bool]:
    """There is room for two pages. A third one takes the place of the one that is not in use."""
    make = Maker(seconds)
    cache: AtomicCache[str, Page] = AtomicCache(make, maxsize=2)
    for key in ("used", "unused", "used", "third"):
        cache[key]
    right = {*cache} == {"used", "third"} and make.made["used"] == 1
    cache["unused"]
    return make.made, right and len(cache) == 2 and make.made["unused"] == 2


def memoization(threads: int, _keys: int, seconds: float) -> tuple[Any, bool]:
    """A function computes its result once for each set of arguments."""
    made: AtomicKeyedCounter[str] = AtomicKeyedCounter()

    @AtomicCache.memoize(maxsize=100)
    def add(a: int, b: int) -> int:
        made.add(f"{a} + {b}")
        time.sleep(seconds)
        return a + b

    answers = ask_together(threads, lambda: (add(1, 2), add(3, 4)))
    right = answers == [(3, 7)] * threads and made == Counter({"1 + 2": 1, "3 + 4": 1})
    add.invalidate(1, 2)
    return made, right and add(1, 2) == 3 and add(3, 4) == 7 and made["1 + 2"] == 2


SHOWN = {
    "once per key": once,
    "errors are not kept": failure,
    "invalidate": invalidation,
    "ttl": time_to_live,
    "maxsize": maximum_size,
    "memoize": memoization,
}


def main() -> int:
    """Print a row for each thing that is shown. Return 1 if one of them went wrong."""
    parser = options.Parser(__doc__)
    parser.add("--threads", options.threads, 8, "threads that ask at the same time")
    parser.add("--keys", options.number, 4, "how many keys each of them asks for")
    parser.add("--seconds", options.seconds, 0.05, "how long it takes to make a page")
    arguments = parser.parse_args()

    table = Table(title=f"{arguments.threads} threads ask")
    for heading in ("shown", "computed", ""):
        table.add_column(heading)
    all_right = True
    for name, show in SHOWN.items():
        made, right = show(arguments.threads, arguments.keys, arguments.seconds)
        all_right = all_right and right
        table.add_row(
            name,
            ", ".join(f"{key}: {times}x" for key, times in sorted(made.items())),
            "[green]right" if right else "[red]wrong",
        )
    Console().print(table)
    return 0 if all_right else 1


if __name__ == "__main__":
    sys.exit(main())
