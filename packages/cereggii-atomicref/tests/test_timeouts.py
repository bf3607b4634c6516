# SPDX-License-Identifier: Apache-2.0
"""Every wait takes every timeout that Python has, and names a wrong one."""

from __future__ import annotations

from typing import Any

from cereggii_atomicref import AtomicRef

from tools.testing import timeouts
from tools.testing.matching import twin


def wait_of(ref: Any, value: Any) -> timeouts.Wait:
    def let_go() -> None:
        ref.set("another")
        ref.notify_all()

    return lambda timeout: ref.wait_while(value, timeout), let_go


WAITS: dict[str, timeouts.MakeWait] = {
    "AtomicRef": lambda: wait_of(AtomicRef(), None),
    "AtomicRef by value": lambda: wait_of(AtomicRef("some text"), twin("some text")),
    "AtomicRefHandle": lambda: wait_of(AtomicRef().get_handle(), None),
}


class TestTimeouts(timeouts.TimeoutTests):
    waits = WAITS
