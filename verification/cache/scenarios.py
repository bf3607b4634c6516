# SPDX-License-Identifier: Apache-2.0
"""The scenarios of the cache: a few threads with a call or two, in a cache in some state."""

from __future__ import annotations

from typing import NamedTuple

from .state import Config, Op


class Scenario(NamedTuple):
    """Some threads with a few calls each, and what their meeting is about."""

    about: str
    cfg: Config


def get(key: int = 0) -> Op:
    """The value of a key, or its absence."""
    return Op("get", key)


def fill(key: int = 0) -> Op:
    """The value of a key, or a fill, which succeeds."""
    return Op("call", key)


def fail(key: int = 0) -> Op:
    """The value of a key, or a fill, which fails."""
    return Op("fail", key)


def put(key: int = 0) -> Op:
    """Replace the value of a key."""
    return Op("put", key)


def invalidate(key: int = 0) -> Op:
    """Remove the value of a key, and end the right of its fill to store one."""
    return Op("invalidate", key)


CLEAR, MOVE = Op("clear"), Op("move")

SCENARIOS: dict[str, Scenario] = {
    "fill and fill": Scenario(
        "Three threads ask for a key that is absent. One of them reads it afterwards.",
        Config(((fill(),), (fill(), get()), (fill(),))),
    ),
    "fill and invalidate": Scenario(
        "A key is invalidated while it is filled, and filled again.",
        Config(((fill(),), (invalidate(), fill()), (get(),))),
    ),
    "fail and fill": Scenario(
        "A fill fails, while another thread waits for it or comes later.",
        Config(((fail(),), (fill(), get()), (invalidate(),))),
    ),
    "stored and removed": Scenario(
        "A value is stored, and removed before the lists know of it. Two remove it.",
        Config(((fill(),), (invalidate(),), (invalidate(),))),
    ),
    "evict and invalidate": Scenario(
        "The victim of an eviction is invalidated and read meanwhile.",
        Config(((fill(1),), (invalidate(),), (get(),)), setup=(0,), maxsize=1),
    ),
    "evict the newest": Scenario(
        "A value is evicted as soon as it is stored, and invalidated.",
        Config(((fill(1),), (invalidate(1),), (get(1),)), setup=(0,), maxsize=1, newest=True),
    ),
    "evict and evict": Scenario(
        "Two threads store values, and one of them evicts for both.",
        Config(((fill(1),), (fill(2),), (get(),)), setup=(0,), maxsize=1),
    ),
    "evict and fill": Scenario(
        "The victim of an eviction is filled again, and that evicts the other value.",
        Config(((fill(1),), (fill(),)), setup=(0,), maxsize=1),
    ),
    "put and fill": Scenario(
        "A value is put, while another one is computed.",
        Config(((fill(),), (put(),), (get(),))),
    ),
    "put and put": Scenario(
        "Two values are put in the place of one.",
        Config(((put(),), (put(),)), setup=(0,)),
    ),
    "expired": Scenario(
        "Two threads find a value that has expired.",
        Config(((fill(),), (fill(),)), setup=(0,), expired=frozenset({0})),
    ),
    "expired and invalidated": Scenario(
        "A thread finds a value that has expired, while it is invalidated, and then read.",
        Config(((fill(),), (invalidate(), get())), setup=(0,), expired=frozenset({0})),
    ),
    "clear and fill": Scenario(
        "The cache is cleared while a key is filled.",
        Config(((CLEAR,), (fill(),), (fill(),))),
    ),
    "clear and invalidate": Scenario(
        "The cache is cleared while its one value is invalidated and read.",
        Config(((CLEAR,), (invalidate(),), (get(),)), setup=(0,)),
    ),
    "clear and invalidate a reservation": Scenario(
        "The cache is cleared while a key is filled and invalidated.",
        Config(((CLEAR,), (fill(),), (invalidate(),))),
    ),
    "clear and fail": Scenario(
        "The cache is cleared while a fill fails.",
        Config(((CLEAR,), (fail(),), (fill(),))),
    ),
    "clear and evict": Scenario(
        "The cache is cleared while a value is stored and another one is evicted, and read.",
        Config(((CLEAR,), (fill(1),), (get(),)), setup=(0,), maxsize=1),
    ),
    "clear and clear": Scenario(
        "Two threads clear the cache, while a key is filled.",
        Config(((CLEAR,), (CLEAR,), (fill(),))),
    ),
    "move and invalidate": Scenario(
        "A value is moved to the next table while two threads invalidate it.",
        Config(((MOVE,), (invalidate(),), (invalidate(),)), setup=(0,)),
    ),
    "move and fail": Scenario(
        "A reservation is moved to the next table while its fill fails, and is invalidated.",
        Config(((MOVE,), (fail(),), (invalidate(),))),
    ),
    "move and evict": Scenario(
        "A value is moved to the next table while it is evicted, and read.",
        Config(((MOVE,), (fill(1),), (get(),)), setup=(0,), maxsize=1),
    ),
    "move and clear": Scenario(
        "A value is moved to the next table while it is invalidated, cleared and read.",
        Config(((MOVE,), (CLEAR,), (invalidate(),), (get(),)), setup=(0,)),
    ),
    "without a policy": Scenario(
        "A cache without lists: a key is filled, read, invalidated and cleared.",
        Config(((fill(), invalidate()), (fill(),), (CLEAR,)), maxsize=None),
    ),
}
