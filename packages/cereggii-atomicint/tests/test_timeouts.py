# SPDX-License-Identifier: Apache-2.0
"""Every wait takes every timeout that Python has, and names a wrong one."""

from __future__ import annotations

from typing import Any

from cereggii_atomicint import AtomicEvent, AtomicInt

from tools.testing import timeouts

from .forms import HIGHEST


def wait_of(integer: Any) -> timeouts.Wait:
    value = integer.get()

    def let_go() -> None:
        integer.set(value - 1)
        integer.notify_all()

    return lambda timeout: integer.wait_while(value, timeout), let_go


def event_wait() -> timeouts.Wait:
    event = AtomicEvent()
    return event.wait, event.set


WAITS: dict[str, timeouts.MakeWait] = {
    "AtomicInt": lambda: wait_of(AtomicInt(5)),
    "AtomicInt beyond 61 bits": lambda: wait_of(AtomicInt(HIGHEST)),
    "AtomicIntHandle": lambda: wait_of(AtomicInt(5).get_handle()),
    "AtomicEvent": event_wait,
}


class TestTimeouts(timeouts.TimeoutTests):
    waits = WAITS
