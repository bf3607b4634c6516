# SPDX-License-Identifier: Apache-2.0
"""The game *hostile*: three threads, any public member, and arguments that fight back.

No result is known in advance. But no step may raise what only bugs raise; the types of results are
those of the annotations; a dict or a set has as many items as it says; and in the end everything is
freed, and no reference is left or lacking.

The steps of thread 0 are done first, and alone. They make the objects that the others share.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from tools.fuzz import steps
from tools.fuzz.adversaries import Hostile, HostileExit, World
from tools.fuzz.drawing import ANCHORS, generate
from tools.fuzz.programs import Program, Wrong
from tools.fuzz.together import PATIENCE, run_together

__all__ = ["generate", "play"]

# What was removed while another thread was inside is freed some 10 ms later.
TIME_TO_FREE = 8.0


class Anchor:
    """An object that is used as key, value and argument, and that does nothing by itself."""

    __slots__ = ("__weakref__",)

    def keys(self) -> list[Any]:
        """So it is a mapping, too, without items."""
        return []


def play(program: Program) -> None:
    """Raise Wrong if an exception, a result, a length or a reference is not as it should be."""
    world = World(steps.run)
    anchors = [Anchor() for _ in range(ANCHORS)]
    before = [sys.getrefcount(anchor) for anchor in anchors]
    world.pool = [*anchors, *[None] * program.setup["places"]]
    with _unexpected_exceptions(world):
        first, *others = program.threads
        steps.run(world, first)
        run_together([functools.partial(steps.run, world, each) for each in others])
        world.calm = True
        _wait_for_threads()
        _check_dicts(world)
        problems = world.problems
        _free(world, anchors, before)
    if problems:
        raise Wrong("\n".join(problems))


@contextlib.contextmanager
def _unexpected_exceptions(world: World) -> Iterator[None]:
    """Notes what finalizers raise, and threads of their own."""

    def note(found: Any) -> None:
        error = found.exc_value
        # A thread of a ThreadSet may end with what its function has raised. A finalizer, of an
        # adversary or of ours, raises only what an adversary does.
        of_thread = hasattr(found, "thread") and steps.is_allowed(error)
        if not of_thread and not isinstance(
            error, (Hostile, HostileExit, RecursionError, MemoryError)
        ):
            world.problems.append(f"nobody has caught {error!r}")

    before = sys.unraisablehook, threading.excepthook
    sys.unraisablehook = threading.excepthook = note
    try:
        yield
    finally:
        sys.unraisablehook, threading.excepthook = before


def _wait_for_threads() -> None:
    """Wait for the threads that a program has started, and has not joined."""
    for thread in threading.enumerate():
        # Threads of native code that have run a finalizer are dummies, which nobody can join.
        is_dummy = type(thread).__name__ == "_DummyThread"
        if not is_dummy and thread is not threading.current_thread():
            thread.join(PATIENCE)


def _check_dicts(world: World) -> None:
    for shared in [*world.pool]:
        _check_dict(world, shared)
        _check_set(world, shared)


def _check_dict(world: World, shared: Any) -> None:
    """A dict has as many items as it says, each key once, and nothing after clear()."""
    import cereggii

    kinds = (cereggii.AtomicDict, cereggii.AtomicDictHandle)
    if not isinstance(shared, kinds) or isinstance(shared, cereggii.AtomicCache):
        return
    try:
        length = len(shared)
    except RuntimeError:
        return  # __init__ was not called
    items, keys, copied = [*shared.items()], [*shared], shared.snapshot()
    lengths = {length, len(items), len(keys), len(copied), len({id(key) for key in keys})}
    if len(lengths) != 1:
        world.problems.append(
            f"len() is {length}, but there are {len(items)} items, {len(keys)} keys, "
            f"{len({id(key) for key in keys})} different keys and {len(copied)} in a snapshot"
        )
    shared.clear()
    if len(shared) != 0 or [*shared]:
        world.problems.append("a dict is not empty after clear()")


def _check_set(world: World, shared: Any) -> None:
    """The same for a set."""
    import cereggii

    if not isinstance(shared, (cereggii.AtomicSet, cereggii.AtomicSetHandle)):
        return
    try:
        length = len(shared)
    except RuntimeError:
        return  # __init__ was not called
    elements, copied = [*shared], shared.copy()
    if {length} != {len(elements), len(copied), len({id(element) for element in elements})}:
        world.problems.append(
            f"len() is {length}, but there are {len(elements)} elements, and {len(copied)} in a"
            " copy"
        )
    shared.clear()
    if len(shared) != 0 or [*shared]:
        world.problems.append("a set is not empty after clear()")


def _free(world: World, anchors: list[Any], before: list[int]) -> None:
    """Drops everything, and waits until it is freed."""
    world.pool = [None] * len(world.pool)  # a finalizer may still look at it
    if world.immortal:
        return
    end = time.monotonic() + TIME_TO_FREE
    while True:
        gc.collect()
        alive = [each for each in (reference() for reference in world.made) if each is not None]
        names = sorted(type(each).__name__ for each in alive if not _is_immortal(each))
        del alive
        counts = [sys.getrefcount(anchor) for anchor in anchors]
        if not names and counts == before:
            return
        if time.monotonic() > end:
            break
        time.sleep(0.005)
    if names:
        world.problems.append(f"these are never freed: {names}")
    if counts != before:
        world.problems.append(f"the reference counts are {counts}, and not {before}")


def _is_immortal(made: Any) -> bool:
    """Whether threads have shared it for so long that it became immortal."""
    return bool(getattr(sys, "_is_immortal", lambda _: False)(made))
