# SPDX-License-Identifier: Apache-2.0
"""The record of a thread in ThreadSets: whether it may run, its result and its exception."""

from __future__ import annotations

import atexit
import functools
import math
import threading
import types
import weakref
from collections.abc import Callable
from threading import Thread
from typing import Any, NoReturn, SupportsIndex

from cereggii_atomicint import AtomicEvent
from cereggii_atomicref import AtomicRef

from cereggii._deadline import remaining

__all__ = ["Gate", "Record", "make_thread", "record_of"]

_NAME = "_cereggii_thread_state"  # of the attribute of a thread


class Gate:
    """A gate where started threads wait until all have been started, or one could not be."""

    __slots__ = ("_opened", "is_cancelled")

    def __init__(self) -> None:
        self._opened = AtomicEvent(immortal=False)
        self.is_cancelled = False

    def open(self) -> None:
        """Let all threads run."""
        self._opened.set()

    def cancel(self) -> None:
        """Let all threads end without running."""
        self.is_cancelled = True
        self._opened.set()

    def lets_pass(self) -> bool:
        """Wait until the gate is open; False if it is cancelled."""
        self._opened.wait()
        return not self.is_cancelled


class _State:
    """The part of a record that the thread itself refers to."""

    __slots__ = ("record", "returned")

    def __init__(self) -> None:
        self.returned: tuple[Any, ...] = ()  # the result, once there is one
        self.record: AtomicRef[weakref.ref[Record] | None] = AtomicRef(immortal=False)


class _Target:
    """The target of a thread that a ThreadSet makes: it keeps the function's result."""

    def __init__(self, function: Callable[..., Any], state: _State) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._state = state

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        result = self._function(*args, **kwargs)
        self._state.returned = (result,)
        return result


def make_thread(
    factory: Callable[..., Thread],
    target: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    options: dict[str, Any],
) -> Thread:
    """A thread of a factory, whose record gets the result of the target."""
    state = _State()
    thread = factory(target=_Target(target, state), args=args, kwargs=kwargs, **options)
    attributes = getattr(thread, "__dict__", {})
    attributes[_NAME] = state
    return thread


def record_of(thread: Thread) -> Record:
    """The record of a thread. All sets that have the thread share it."""
    state: _State = getattr(thread, "__dict__", {}).setdefault(_NAME, _State())
    while True:
        reference = state.record.get()
        record = None if reference is None else reference()
        if record is not None:
            return record
        record = Record(thread, state)
        if state.record.compare_and_set(reference, weakref.ref(record)):
            return record


class Record:
    """The state of a thread that ThreadSets have.

    The sets refer to it. The thread refers to it only while it runs: the thread's exception refers
    to the thread, through its frames, so a reference from there would be a cycle, which only the
    collector frees.
    """

    __slots__ = ("__weakref__", "_ended", "_gate", "_hook", "_replaced", "_run", "_state",
                 "_thread", "error", "is_retrieved")  # fmt: skip

    def __init__(self, thread: Thread, state: _State) -> None:
        self.error: BaseException | None = None
        self.is_retrieved = False  # a join has raised the error, or it was reported
        self._thread = thread
        self._state = state
        self._gate: AtomicRef[Gate | None] = AtomicRef(immortal=False)  # where the thread waits
        self._run: Callable[[], object] | None = None  # the thread's own `run`
        self._hook: Any = None  # the `run` of `_method_of`, while it is the thread's attribute
        self._replaced: Any = None  # the attribute `run` that was there before, if any
        self._ended: AtomicEvent | None = None  # set when the thread has run

    @property
    def returned(self) -> tuple[Any, ...]:
        """The result of the target, as the only item; empty without a result."""
        return self._state.returned

    def start(self, gate: Gate) -> None:
        """Start the thread. It waits at the gate first, and its exception is kept."""
        if isinstance(self._thread, Thread):
            self._begin(gate)
        try:
            self._thread.start()
        except (RuntimeError, MemoryError):
            # It was not started, or another thread has started it and it must not be cancelled.
            if isinstance(self._thread, Thread):
                self._restore()
                self._ended = None
                self._gate.set(None)
            raise
        # An exception of a signal handler leaves it as it is: the thread may come to the gate.

    def _begin(self, gate: Gate) -> None:
        before = self._gate.get()
        is_free = before is None or before.is_cancelled
        if not is_free or not self._gate.compare_and_set(before, gate):
            raise RuntimeError(f"{self._thread!r} is being started already")
        self._ended = AtomicEvent(immortal=False)
        attributes = self._thread.__dict__
        replaced = attributes.get("run")
        if replaced is None or replaced is not self._hook:
            self._replaced = replaced
            self._run = self._thread.run
            self._hook = attributes["run"] = _method_of(self._thread, self)

    def join(self, end: float) -> None:
        """Wait until the thread has ended, or until `end`, by `time.monotonic()`."""
        ended = self._ended
        # Up to Python 3.12, a thread counts as ended if a signal interrupts its `join`. So `join`
        # has to be short, after a wait for the event. (In the child of a fork the thread is not
        # alive, and never sets the event.)
        if ended is not None and self._thread.is_alive():
            ended.wait(remaining(end))
        self._thread.join(None if end == math.inf else remaining(end))

    def _restore(self) -> None:
        self._hook = None
        if self._replaced is None:
            self._thread.__dict__.pop("run", None)
        else:
            self._thread.__dict__["run"] = self._replaced

    def run_thread(self) -> None:
        """Run the thread's own `run`, if the gate lets it pass."""
        self._restore()
        run, self._run = self._run, None
        ended = self._ended
        try:
            if run is not None and self._may_run():
                run()
        except SystemExit:
            pass
        except BaseException as error:
            self.error = error
            _failed.add(weakref.ref(self, _failed.discard))
        finally:
            if ended is not None:
                ended.set()
            # The traceback refers to this frame.
            del self, run

    def _may_run(self) -> bool:
        gate = self._gate.get()
        # A second look: another thread has started it if there is no gate any more.
        return gate is None or gate.lets_pass() or self._gate.get() is None

    def report(self) -> None:
        """Hand the error to `threading.excepthook`, unless a join has raised it."""
        error = self.error
        if error is not None and not self.is_retrieved:
            self.is_retrieved = True
            arguments = (type(error), error, error.__traceback__, self._thread)
            threading.excepthook(threading.ExceptHookArgs(arguments))

    def __del__(self) -> None:
        self.report()

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        # No copy is made without __init__, which __del__ relies on.
        raise TypeError("cannot copy or pickle the threads of a ThreadSet")


def _method_of(thread: Thread, record: Record) -> types.MethodType:
    """A `run` for a thread: a method of the thread, as programs that wrap `run` expect."""
    records = [record]

    def run(_thread: Thread) -> None:
        # This frame must not refer to the record: the traceback of its error refers to this frame.
        records.pop().run_thread()

    return types.MethodType(run, thread)


# Records with an error. Errors that no `join` has raised are reported at exit.
_failed: set[weakref.ref[Record]] = set()


@atexit.register
def _report_all() -> None:
    for reference in list(_failed):
        record = reference()
        if record is not None:
            record.report()
