# SPDX-License-Identifier: Apache-2.0
"""A wait for a value that is being computed takes every timeout that Python has."""

from __future__ import annotations

from typing import Any

from cereggii_atomicdict import AtomicDict

from tools.testing import timeouts
from tools.testing.concurrency import Gate, Task


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


WAITS: dict[str, timeouts.MakeWait] = {
    "AtomicDict": lambda: wait_of(AtomicDict()),
    "AtomicDictHandle": lambda: wait_of(AtomicDict().get_handle()),
}


class TestTimeouts(timeouts.TimeoutTests):
    waits = WAITS
