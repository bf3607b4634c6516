# SPDX-License-Identifier: Apache-2.0
"""A wait for a value that is being computed takes every timeout that Python has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from cereggii_atomicdict import AtomicDict

from tools.testing import timeouts
from tools.testing.concurrency import Gate, Task

Make: TypeAlias = Callable[[], timeouts.Wait]


def wait_of(mapping: Any) -> timeouts.Wait:
    """Another thread computes the value, until it is let go."""
    gate = Gate()
    leader = Task(lambda: mapping.get_or_compute("key", gate))
    leader.start()
    gate.wait_until_entered()

    def go_on(timeout: Any) -> bool:
        try:
            value = mapping.get_or_compute("key", gate, timeout)
        except TimeoutError:
            return False
        assert value is leader.result()
        assert gate.calls == ["key"]
        return True

    def let_go() -> None:
        gate.opened.set()
        leader.result()

    return go_on, let_go


WAITS: dict[str, Make] = {
    "AtomicDict": lambda: wait_of(AtomicDict()),
    "AtomicDictHandle": lambda: wait_of(AtomicDict().get_handle()),
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
