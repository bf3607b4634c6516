# SPDX-License-Identifier: Apache-2.0
"""Every wait takes every timeout that Python has, and names a wrong one."""

from __future__ import annotations

from typing import Any

from cereggii_atomicfloat import AtomicFloat

from tools.testing import timeouts

from .forms import INF


def wait_of(number: Any) -> timeouts.Wait:
    value = number.get()

    def let_go() -> None:
        number.set(0)
        number.notify_all()

    return lambda timeout: number.wait_while(value, timeout), let_go


WAITS: dict[str, timeouts.MakeWait] = {
    "AtomicFloat": lambda: wait_of(AtomicFloat(5)),
    "AtomicFloat of inf": lambda: wait_of(AtomicFloat(INF)),
    "AtomicFloatHandle": lambda: wait_of(AtomicFloat(5).get_handle()),
}


class TestTimeouts(timeouts.TimeoutTests):
    waits = WAITS
