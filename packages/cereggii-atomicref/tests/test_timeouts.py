# SPDX-License-Identifier: Apache-2.0
"""Every wait takes every timeout that Python has, and names a wrong one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from cereggii_atomicref import AtomicRef

from tools.testing import timeouts

from .forms import twin

Make: TypeAlias = Callable[[], timeouts.Wait]


def wait_of(ref: Any, value: Any) -> timeouts.Wait:
    def let_go() -> None:
        ref.set("another")
        ref.notify_all()

    return lambda timeout: ref.wait_while(value, timeout), let_go


WAITS: dict[str, Make] = {
    "AtomicRef": lambda: wait_of(AtomicRef(), None),
    "AtomicRef by value": lambda: wait_of(AtomicRef("some text"), twin("some text")),
    "AtomicRefHandle": lambda: wait_of(AtomicRef().get_handle(), None),
}

pytestmark = [
    pytest.mark.thread_unsafe(reason="starts threads of its own"),
    pytest.mark.usefixtures("switch_often"),
]

each_wait = pytest.mark.parametrize("make", WAITS.values(), ids=WAITS)


@each_wait
@pytest.mark.parametrize("timeout", timeouts.ACCEPTED, ids=timeouts.ids(timeouts.ACCEPTED))
def test_a_right_timeout_is_accepted_where_there_is_nothing_to_wait_for(
    make: Make, timeout: Any
) -> None:
    timeouts.accepts_at_once(make(), timeout)


@each_wait
@pytest.mark.parametrize("timeout", timeouts.SHORT, ids=timeouts.ids(timeouts.SHORT))
def test_a_wait_ends_when_its_time_is_over(make: Make, timeout: Any) -> None:
    timeouts.ends(make(), timeout)


@each_wait
def test_a_wait_with_a_long_timeout_or_none_lasts_until_it_is_let_go(make: Make) -> None:
    timeouts.waits_with(make(), [*timeouts.LONG, *timeouts.ENDLESS])


@each_wait
@pytest.mark.parametrize(
    ("timeout", "error"), timeouts.REFUSED, ids=timeouts.ids([t for t, _ in timeouts.REFUSED])
)
def test_a_wrong_timeout_is_refused_and_named(
    make: Make, timeout: Any, error: type[Exception]
) -> None:
    timeouts.refuses(make(), timeout, error)


@each_wait
def test_a_timeout_is_asked_for_its_value_once(make: Make) -> None:
    timeouts.asks_once(make())


@each_wait
def test_what_the_timeout_itself_raises_propagates(make: Make) -> None:
    go_on, let_go = make()
    try:
        with pytest.raises(LookupError, match="no float"):
            go_on(timeouts.Broken())
    finally:
        let_go()
    assert go_on(None) is True
