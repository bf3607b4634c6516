# SPDX-License-Identifier: Apache-2.0
"""The timeouts that every wait accepts and refuses, and the tests of that."""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, ClassVar, TypeAlias

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
    """An object whose conversion to a number raises."""

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

# A few of those, by name.
WRONG_TIMEOUTS: dict[str, tuple[Any, type[Exception]]] = {
    "text": ("soon", TypeError),
    "list": ([1], TypeError),
    "negative": (-1, ValueError),
    "a little negative": (-0.25, ValueError),
    "nan": (float("nan"), ValueError),
    "too large": (2 * threading.TIMEOUT_MAX, OverflowError),
}
every_wrong_timeout = pytest.mark.parametrize(
    ("timeout", "error"), WRONG_TIMEOUTS.values(), ids=WRONG_TIMEOUTS
)

# A wait, and the function that lets it go. The wait takes a timeout, and returns whether it was let
# go. The function also lets later calls of the wait go; it may be called again.
Wait: TypeAlias = tuple[Callable[[Any], bool], Callable[[], Any]]
MakeWait: TypeAlias = Callable[[], Wait]


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


class TimeoutTests:
    """The tests of a package's waits. Its subclass, which pytest collects, names the waits."""

    pytestmark: ClassVar = [
        pytest.mark.thread_unsafe(reason="starts threads of its own"),
        pytest.mark.usefixtures("switch_often"),
    ]

    waits: ClassVar[Mapping[str, MakeWait]]
    # Those that keep a timeout for many waits, so that they may ask for its value more than once.
    keep_timeout: ClassVar[Collection[str]] = ()

    def takes_as_endless(self, name: str, timeout: Any) -> bool:
        """Whether this wait has no limit with a timeout that the others refuse."""
        return False

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run a test with each wait, and with each of the timeouts that it is about."""
        if "refused" in metafunc.fixturenames:
            names = ids([timeout for timeout, _ in REFUSED])
            cases = [
                pytest.param(make, refused, id=f"{name}-{named}")
                for name, make in self.waits.items()
                for refused, named in zip(REFUSED, names, strict=True)
                if not self.takes_as_endless(name, refused[0])
            ]
            metafunc.parametrize(("make", "refused"), cases)
        elif "make_single" in metafunc.fixturenames:
            once = {
                name: make for name, make in self.waits.items() if name not in self.keep_timeout
            }
            metafunc.parametrize("make_single", once.values(), ids=once)
        elif "make" in metafunc.fixturenames:
            metafunc.parametrize("make", self.waits.values(), ids=self.waits)
        for argument, timeouts in (("accepted", ACCEPTED), ("short", SHORT)):
            if argument in metafunc.fixturenames:
                metafunc.parametrize(argument, timeouts, ids=ids(timeouts))

    def test_a_right_timeout_is_accepted_where_there_is_nothing_to_wait_for(
        self, make: MakeWait, accepted: Any
    ) -> None:
        accepts_at_once(make(), accepted)

    def test_a_wait_ends_when_its_time_is_over(self, make: MakeWait, short: Any) -> None:
        ends(make(), short)

    def test_a_wait_with_a_long_timeout_or_none_lasts_until_it_is_let_go(
        self, make: MakeWait
    ) -> None:
        waits_with(make(), [*LONG, *ENDLESS])

    def test_a_wrong_timeout_is_refused_and_named(
        self, make: MakeWait, refused: tuple[Any, type[Exception]]
    ) -> None:
        refuses(make(), *refused)

    def test_a_timeout_is_asked_for_its_value_once(self, make_single: MakeWait) -> None:
        asks_once(make_single())

    def test_an_exception_of_the_timeout_itself_propagates(self, make: MakeWait) -> None:
        go_on, let_go = make()
        try:
            with pytest.raises(LookupError, match="no float"):
                go_on(Broken())
        finally:
            let_go()
        assert go_on(None) is True
