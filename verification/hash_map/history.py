# SPDX-License-Identifier: Apache-2.0
"""The search for an order of calls that explains a history, which says whether it is linearizable.

The search knows nothing of linearization points. So it checks whether
those that the ghosts rely on are well chosen. After J. M. Wing and C. Gong, "Testing and verifying
concurrent objects" (1993).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from .state import Config, Op

Event: TypeAlias = tuple[str, int, int, "int | None"]
Values: TypeAlias = tuple["int | None", ...]


def linearizable(cfg: Config, history: tuple[Event, ...]) -> bool:
    """Whether an order of the calls explains their answers and respects time."""
    found = {(me, op): value for what, me, op, value in history if what == "return"}
    return _explained(cfg, history, frozenset(), _values_at_first(cfg), found)


def _values_at_first(cfg: Config) -> Values:
    values: Values = (None,) * len(cfg.hashes)
    for op in cfg.setup:
        values = apply(op, values)
    return values


def _explained(
    cfg: Config,
    history: tuple[Event, ...],
    done: frozenset[tuple[int, int]],
    values: Values,
    found: dict[tuple[int, int], int | None],
) -> bool:
    candidates = list(_first_ones(history, done))
    if not candidates:
        return True
    for me, number in candidates:
        op = cfg.programs[me][number]
        right = op.kind in TRANSPARENT or found[me, number] == values[op.key]
        after = done | {(me, number)}
        if right and _explained(cfg, history, after, apply(op, values), found):
            return True
    return False


def _first_ones(
    history: tuple[Event, ...], done: frozenset[tuple[int, int]]
) -> Iterable[tuple[int, int]]:
    """The calls that are not done and began before any such call returned."""
    for what, me, number, _ in history:
        if (me, number) not in done:
            if what == "return":
                return
            yield me, number


TRANSPARENT = frozenset({"clear", "resize", "append", "migrate", "help"})


def apply(op: Op, values: Values) -> Values:
    """What a dict would do."""
    before = after = values[op.key]
    if op.kind == "clear":
        return (None,) * len(values)
    if op.kind == "set" or (op.kind == "insert" and before is None):
        after = op.value
    elif op.kind == "delete":
        after = None
    elif op.kind == "cas" and before is not None and before == op.expected:
        after = op.value
    return (*values[: op.key], after, *values[op.key + 1 :])
