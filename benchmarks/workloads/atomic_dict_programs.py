# SPDX-License-Identifier: Apache-2.0
"""The program about AtomicDict in the first README of cereggii: ten counters in a dict.

`spam` is a global of the module, and each of three threads counts, here to a tenth of what it was
there. The counters are atomic in all variants. The builtin dict has ours: what is compared is what
`spam.d[k] += 1` costs, which looks up a counter, adds to it in place, and stores it again.
"""

from __future__ import annotations

import threading
from pkgutil import resolve_name
from typing import Any

from harness.registry import BUILTIN, CEREGGII, FT_UTILS, OURS, Setup, program
from workloads.atomic_int import CEREGGII_INT, FT_UTILS_INT, OUR_INT
from workloads.dicts import PATHS


class Spam:
    """The object of that program."""

    def __init__(self, d: Any) -> None:
        self.d = d


spam: Any = None


def spam_with(dict_path: str, counter_path: str) -> Setup:
    """A setup: make the module's `spam` one that has such a dict of such counters."""

    def setup(_work: range) -> None:
        global spam
        d = resolve_name(dict_path)()
        make_counter = resolve_name(counter_path)
        for key in range(10):
            d[key] = make_counter(0)
        spam = Spam(d)

    return setup


@program(
    "seed: spam.d[k] += 1",
    {
        OURS: spam_with(PATHS[OURS], OUR_INT),
        CEREGGII: spam_with(PATHS[CEREGGII], CEREGGII_INT),
        FT_UTILS: spam_with(PATHS[FT_UTILS], FT_UTILS_INT),
        BUILTIN: spam_with(PATHS[BUILTIN], OUR_INT),
    },
    threads=3,
    operations=500_000,
)
def seed_dict(_state: None, work: range) -> None:
    """The program of the first README."""

    def incr() -> None:
        keys = list(range(10))
        for _ in work:
            spam.d[keys[_ % len(keys)]] += 1

    threads = [threading.Thread(target=incr) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
