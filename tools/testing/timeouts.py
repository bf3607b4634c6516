# SPDX-License-Identifier: Apache-2.0
"""What every wait accepts and refuses as its timeout, and the checks of that."""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeAlias

import pytest

from tools.testing.concurrency import background, give_time_to_block

LONGEST = threading.TIMEOUT_MAX


class OnlyFloat:
    """A number that only has __float__. It counts how often it is asked."""

    def __init__(self, value: float) -> None:
        self.value = value
        self.asked = 0

    def __float__(self) -> float:
        self.asked += 1
        return self.value

    def __repr__(self) -> str:
        return f"OnlyFloat({self.value})"


class OnlyIndex:
    """A number that only has __index__."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value

    def __repr__(self) -> str:
        return f"OnlyIndex({self.value})"


class Broken:
    """A number that is none after all."""

    def __float__(self) -> float:
        raise LookupError("no float")


class SubFloat(float):
    """A subclass."""


class SubInt(int):
    """A subclass."""


SHORT: list[Any] = [
    *(0, 0.0, -0.0, False, 5e-324, 1e-9, 0.01, Fraction(1, 100), Decimal("0.01")),
    *(OnlyFloat(0.01), OnlyIndex(0), SubFloat(0.01), SubInt(0)),
]
LONG: list[Any] = [
    *(LONGEST, int(LONGEST), math.nextafter(LONGEST, 0), LONGEST - 1, LONGEST / 2, LONGEST / 3),
    *(Fraction(LONGEST) - Fraction(1, 3), OnlyFloat(LONGEST), OnlyIndex(int(LONGEST))),
    *(2**22, 1e6, True + 10**5, SubFloat(LONGEST), SubInt(LONGEST)),
]
ENDLESS: list[Any] = [None, math.inf, Decimal("inf"), OnlyFloat(math.inf), SubFloat("inf")]
ACCEPTED = [*SHORT, *LONG, *ENDLESS]

NOT_A_NUMBER: list[Any] = [
    "1",
    "inf",
    b"1",
    bytearray(b"1"),
    [],
    (1,),
    1j,
    object(),
    float,
    Ellipsis,
]
NEGATIVE: list[Any] = [
    *(-1, -1.0, -0.25, -1e-9, -5e-324, -math.inf, math.nan, -(10**400), -(2**63), Fraction(-1, 2)),
    *(Decimal("nan"), Decimal(-1), OnlyFloat(-2.0), OnlyFloat(math.nan), OnlyIndex(-1)),
    *(OnlyIndex(-(10**400)), SubFloat(-1), SubInt(-1)),
]
TOO_LARGE: list[Any] = [
    *(math.nextafter(LONGEST, math.inf), LONGEST + 1, int(LONGEST) + 1, 2 * LONGEST, 1e30),
    *(10**400, 2**63, 2**64, 1.7976931348623157e308, Fraction(LONGEST) * 2, Decimal("1e300")),
    *(OnlyFloat(LONGEST * 2), OnlyIndex(int(LONGEST) + 1), OnlyIndex(10**400)),
    *(SubFloat(LONGEST + 1), SubInt(LONGEST + 1)),
]
REFUSED: list[tuple[Any, type[Exception]]] = [
    *((value, TypeError) for value in NOT_A_NUMBER),
    *((value, ValueError) for value in NEGATIVE),
    *((value, OverflowError) for value in TOO_LARGE),
]

# A wait that has to wait: called with a timeout, it returns whether it has been let go. And what
# lets it go, and all that come later; it may be called again.
Wait: TypeAlias = tuple[Callable[[Any], bool], Callable[[], Any]]


def ids(values: list[Any]) -> list[str]:
    """Short names for the parameters of a test, the same in every process."""
    return [re.sub(" at 0x.*", ">", repr(value))[:30] for value in values]


def accepts_at_once(wait: Wait, timeout: Any) -> None:
    """Where there is nothing to wait for, a timeout that is right makes no difference."""
    go_on, let_go = wait
    let_go()
    assert go_on(timeout) is True


def ends(wait: Wait, timeout: Any) -> None:
    """A wait with a short timeout ends."""
    go_on, let_go = wait
    try:
        start = time.monotonic()
        assert go_on(timeout) is False
        assert time.monotonic() - start >= float(timeout) * 0.99
    finally:
        let_go()


def asks_once(wait: Wait) -> None:
    """The timeout is asked for its value once, although the wait may have several steps."""
    go_on, let_go = wait
    timeout = OnlyFloat(0.01)
    try:
        assert go_on(timeout) is False
        assert timeout.asked == 1
    finally:
        let_go()


def waits_with(wait: Wait, timeouts: list[Any]) -> None:
    """Waits with these timeouts, all at once, last until they are let go."""
    go_on, let_go = wait
    with background(*[lambda timeout=timeout: go_on(timeout) for timeout in timeouts]) as tasks:
        try:
            give_time_to_block()
            give_time_to_block()
            assert [task.is_alive() for task in tasks] == [True] * len(timeouts)
        finally:
            let_go()
        assert [task.result() for task in tasks] == [True] * len(timeouts)


def refuses(wait: Wait, timeout: Any, error: type[Exception]) -> None:
    """A wrong timeout is named, whether there is something to wait for or not."""
    go_on, let_go = wait
    try:
        for prepare in (lambda: None, let_go):
            prepare()
            with pytest.raises(error) as caught:
                go_on(timeout)
            assert caught.type is error
            assert repr(timeout)[:50] in str(caught.value)
            assert "timeout" in str(caught.value)
        assert go_on(1000) is True
    finally:
        let_go()
