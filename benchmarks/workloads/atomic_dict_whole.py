# SPDX-License-Identifier: Apache-2.0
"""AtomicDict, all keys at once; and one key at a time beside a thousand threads that do nothing.

Copies are programs of one thread, reported as a whole: for a million keys, milliseconds are
nanoseconds for each key.
"""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Iterable
from math import inf
from pkgutil import resolve_name
from typing import Any

from harness.registry import BUILTIN, OURS, Setup, program, workload
from workloads.dicts import KEYS, OWN, PATHS, PRESENT, Setups, filled, int_key, str_key

BOTH = (OURS, BUILTIN)

# ── copies ──────────────────────────────────────────────────────────────────────────────────────


def big(make: Callable[[Any], Any] = lambda d: d, **how: Any) -> Setups:
    """A setup: the result of `make` for a dict of a million keys, and the type of that dict."""

    def setup_of(path: str) -> Setup:
        fill = filled(path, per_operation=1, **how)

        def setup(work: range) -> tuple[Any, Any]:
            d = fill(work)
            return make(d), type(d)

        return setup

    return {of: setup_of(PATHS[of]) for of in BOTH}


def builtin_of(make_key: Callable[[int], Any] = int_key) -> Setups:
    """A setup: a builtin dict, to fill one of another type with."""

    def setup_of(path: str) -> Setup:
        return lambda work: (
            filled(PATHS[BUILTIN], per_operation=1, make_key=make_key)(work),
            resolve_name(path),
        )

    return {of: setup_of(PATHS[of]) for of in BOTH}


@program("dict copy() of ints", big(), threads=1, operations=KEYS)
def copy_ints(state: tuple[Any, Any], _work: range) -> None:
    """The copy is that of one instant."""
    state[0].copy()


@program("dict copy() of strings", big(make_key=str_key), threads=1, operations=KEYS)
def copy_strings(state: tuple[Any, Any], _work: range) -> None:
    """The same for keys that keep their hashes."""
    state[0].copy()


@program("dict of a builtin dict of ints", builtin_of(), threads=1, operations=KEYS)
def fill_from_dict(state: tuple[Any, Any], _work: range) -> None:
    """Filling a new dict from a builtin one, to compare with a copy."""
    state[1](state[0])


@program("dict update() from a builtin dict", builtin_of(), threads=1, operations=KEYS)
def update_from_dict(state: tuple[Any, Any], _work: range) -> None:
    """The dict that is updated is empty."""
    state[1]().update(state[0])


@program("dict copied by a loop over items()", big(), threads=1, operations=KEYS)
def copy_by_loop(state: tuple[Any, Any], _work: range) -> None:
    """The keys come in the order of the copied dict, and the new one grows."""
    copied = state[1]()
    for key, value in state[0].items():
        copied[key] = value


@program("dict unpickled", big(pickle.dumps), threads=1, operations=KEYS)
def unpickle(state: tuple[Any, Any], _work: range) -> None:
    """A dict of ints."""
    pickle.loads(state[0])


@program("dict pickled", big(), threads=1, operations=KEYS)
def pickle_it(state: tuple[Any, Any], _work: range) -> None:
    """A dict of ints."""
    pickle.dumps(state[0])


# ── beside threads that are idle ────────────────────────────────────────────────────────────────

IDLE = 1000


def beside_idle_threads(setup: Setup) -> Setup:
    """A setup: the same, after many threads have used the dict and gone to sleep.

    Fewer if there is little work, as in a warm-up: they stay until the process ends.
    """

    def with_threads(work: range) -> Any:
        d = setup(work)
        idle = min(IDLE, len(work) // 100)
        met = threading.Barrier(idle + 1)

        def use_and_sleep(number: int) -> None:
            key = "idle", number
            d[key] = number
            del d[key]
            met.wait()
            threading.Event().wait()

        size = threading.stack_size(128 * 1024)
        for number in range(idle):
            threading.Thread(target=use_and_sleep, args=[number], daemon=True).start()
        threading.stack_size(size)
        met.wait()
        return d

    return with_threads


OWN_KEYS: Setups = {of: filled(PATHS[of], entries=inf, per_operation=1) for of in BOTH}
OWN_BESIDE_IDLE = {of: beside_idle_threads(setup) for of, setup in OWN_KEYS.items()}
FEW: Setups = {of: filled(PATHS[of], entries=64) for of in BOTH}
FEW_BESIDE_IDLE = {of: beside_idle_threads(setup) for of, setup in FEW.items()}


def delete(d: Any, keys: Iterable[int]) -> None:
    """Delete each key once."""
    for key in keys:
        del d[key]


def length(d: Any, keys: Iterable[int]) -> None:
    """Ask for the length as often as there are keys."""
    for _ in keys:
        len(d)


delete_alone = workload("dict del", OWN_KEYS, plan=OWN)(delete)


@workload("dict del, beside 1000 idle threads", OWN_BESIDE_IDLE, plan=OWN)
def delete_beside_idle(d: Any, keys: Iterable[int]) -> None:
    """The cost of idle threads for a thread that is not idle."""
    delete(d, keys)


@workload("dict len()", FEW, plan=PRESENT)
def length_alone(d: Any, keys: Iterable[int]) -> None:
    """`len` is exact."""
    length(d, keys)


@workload("dict len(), beside 1000 idle threads", FEW_BESIDE_IDLE, plan=PRESENT)
def length_beside_idle(d: Any, keys: Iterable[int]) -> None:
    """The cost of idle threads for a thread that is not idle."""
    length(d, keys)
