# SPDX-License-Identifier: Apache-2.0
"""An event that threads wait for."""

from __future__ import annotations

from cereggii_atomicint import AtomicInt
from cereggii_atomicref import AtomicRef

__all__ = ["AtomicEvent"]


class AtomicEvent:
    """An event that threads wait for; it is set or not, and not at first.

    After `threading.Event`, without a lock: `is_set` is one atomic load.
    """

    __slots__ = ("__dict__", "__weakref__", "_is_set", "_times_set")

    def __init__(self) -> None:
        self._is_set: AtomicRef[bool] = AtomicRef(False)
        self._times_set = AtomicInt()
        if type(self).is_set is AtomicEvent.is_set:
            # The same, without a call of Python code on the way.
            self.__dict__["is_set"] = self._is_set.get

    def is_set(self) -> bool:
        """Whether the event is set. Linearizable and wait-free."""
        return self._is_set.get()

    def set(self) -> None:
        """Set the event, and let all threads go on that wait for it.

        They do, even if it is cleared again at once. Linearizable; never blocks.
        """
        self._is_set.set(True)
        self._times_set.increment_and_get()
        self._times_set.notify_all()

    def clear(self) -> None:
        """Have threads wait again. Linearizable; never blocks."""
        self._is_set.set(False)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the event is set, for `timeout` seconds at most; None waits for ever.

        False if the time is over. Detached from the interpreter, and ends for signals.
        """
        # In this order: a set that is not seen by the look at the flag adds to the count after it
        # was read.
        times_set = self._times_set.get()
        return self._is_set.get() or self._times_set.wait_while(times_set, timeout)

    def __repr__(self) -> str:
        state = "set" if self._is_set.get() else "unset"
        return f"<{type(self).__name__} at {id(self):#x}: {state}>"

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (type(self), self._is_set.get(), self._attributes())

    def _attributes(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "is_set"}


def _restore(cls: type[AtomicEvent], is_set: bool, attributes: dict[str, object]) -> AtomicEvent:
    event = cls.__new__(cls)
    AtomicEvent.__init__(event)
    event.__dict__.update(attributes)
    if is_set:
        AtomicEvent.set(event)
    return event
