# SPDX-License-Identifier: Apache-2.0
"""The bugs that `atomics/cmake/Planted.cmake` plants, each of which the fuzzer has to find."""

from __future__ import annotations

# A build with -DCEREGGII_PLANTED=ON has them all. This environment variable switches one on.
VARIABLE = "CEREGGII_PLANTED"

# Seconds in which each has to be found.
TIME = 300.0

PLANTED = {
    1: "an addition to an AtomicInt is not one step: it loses the update of another thread",
    2: "an inserted key lacks its reference",
    3: "a replaced value keeps its reference",
    4: "the length of a dict that was cleared is 1",
    5: "a migration skips a key",
    6: "a function's result replaces a value that the function has not seen",
    7: "an exception of an iterable is swallowed",
    8: "the subtraction of -2**63 has the wrong sign",
    9: "notify_all() wakes one thread",
    10: "an iterator yields a key twice during a migration",
}
