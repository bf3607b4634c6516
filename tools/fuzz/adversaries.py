# SPDX-License-Identifier: Apache-2.0
"""Objects that raise, change and call back whenever our code asks them anything."""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

# How often the adversaries of one program act. After that they are harmless, so that a program
# ends whose functions change what they are called for.
FUEL = 400
DEPTH = 3  # how deeply steps run inside of steps


class Hostile(Exception):  # noqa: N818 - what it is about
    """Raised by an adversary."""


class HostileExit(BaseException):
    """Raised by an adversary, and no Exception: it is like KeyboardInterrupt."""


class World:
    """What the steps of one program share."""

    def __init__(self, run: Callable[[World, list[Any]], None]) -> None:
        self.pool: list[Any] = []
        self.calm = False  # adversaries do nothing any more
        self.fuel = FUEL
        self.problems: list[str] = []
        self.made: list[weakref.ref[Any]] = []  # what has to be freed
        self.immortal = False  # some of it is not freed, as it should be
        self._run = run
        self._depth = threading.local()
        self._count = itertools.count()

    def track(self, made: Any) -> Any:
        """Note an object that has to be freed when the program has ended."""
        self.made.append(weakref.ref(made))
        return made

    def number(self) -> int:
        """Another number each time."""
        return next(self._count)

    def act(self, mode: str, steps: list[Any]) -> None:
        """Do what an adversary of this mode does when it is asked."""
        if self.calm or self.fuel <= 0 or not mode:
            return
        self.fuel -= 1
        if mode == "raise":
            raise Hostile(mode)
        if mode == "exit":
            raise HostileExit(mode)
        depth = getattr(self._depth, "now", 0)
        if mode == "reenter" and depth < DEPTH:
            self._depth.now = depth + 1
            try:
                self._run(self, steps)
            finally:
                self._depth.now = depth


class Adversary:
    """A key, value or operand. Its `modes` say how it answers each question."""

    def __init__(self, world: World, modes: dict[str, Any], steps: list[Any]) -> None:
        self._world = world
        self._modes = modes
        self._steps = steps

    def _ask(self, question: str) -> str:
        mode = str(self._modes.get(question, ""))
        self._world.act(mode, self._steps)
        return "" if self._world.calm else mode

    def __hash__(self) -> int:
        mode = self._ask("hash")
        if mode == "change":
            return self._world.number()
        if mode == "wrong":
            return "a hash"  # type: ignore[return-value]
        bucket = self._modes.get("bucket")
        return object.__hash__(self) if bucket is None or self._world.calm else int(bucket)

    def __eq__(self, other: object) -> Any:
        mode = self._ask("eq")
        if mode == "same":
            return True
        return _NoTruth(self._world) if mode == "wrong" else self is other

    def __lt__(self, other: object) -> Any:
        return self._ask("lt") == "same"

    def __bool__(self) -> bool:
        return self._ask("bool") != "same"

    def __index__(self) -> int:
        mode = self._ask("index")
        return "an index" if mode == "wrong" else 2**70 if mode == "change" else 1  # type: ignore

    def __float__(self) -> float:
        self._ask("float")
        return 0.0005

    def __iter__(self) -> Iterator[Any]:
        self._ask("iter")
        yield 1
        self._ask("iter")
        yield (1, self)

    def __len__(self) -> int:
        return -1 if self._ask("len") == "wrong" else 1

    def __repr__(self) -> str:
        self._ask("repr")
        return f"<{type(self).__name__}>"

    def __reduce__(self) -> Any:
        self._ask("reduce")
        return int, (1,)

    def __del__(self) -> None:
        mode = self._ask("del")
        if mode == "same" and not self._world.calm:
            self._world.pool[-1] = self  # it is alive again


class _NoTruth:
    """The result of a comparison, which is neither true nor false."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __bool__(self) -> bool:
        if self._world.calm:
            return False
        raise Hostile("bool")


class IntAdversary(Adversary, int):
    """An int that answers in its own way."""

    def __new__(cls, *_: Any) -> IntAdversary:  # noqa: D102
        return int.__new__(cls, 1)

    def __index__(self) -> int:
        return Adversary.__index__(self)


class StrAdversary(Adversary, str):
    """A str that answers in its own way."""

    def __new__(cls, *_: Any) -> StrAdversary:  # noqa: D102
        return str.__new__(cls, "a")

    def __iter__(self) -> Iterator[Any]:
        return Adversary.__iter__(self)


class DictAdversary(Adversary, dict[Any, Any]):  # type: ignore[misc]
    """A dict that answers in its own way."""

    def __iter__(self) -> Iterator[Any]:
        return Adversary.__iter__(self)

    def keys(self) -> Any:
        """Keys that it has not got."""
        return iter(self)

    def __reduce__(self) -> Any:
        return Adversary.__reduce__(self)


ADVERSARIES: dict[str, type[Adversary]] = {
    "object": Adversary, "int": IntAdversary, "str": StrAdversary, "dict": DictAdversary,
}  # fmt: skip


class Function:
    """A callable that acts, and then returns something of its own choice."""

    def __init__(self, world: World, mode: str, steps: list[Any]) -> None:
        self._world = world
        self._mode = mode
        self._steps = steps

    def __call__(self, *arguments: Any, **_: Any) -> Any:  # noqa: D102
        self._world.act(self._mode, self._steps)
        if self._mode == "first" and arguments:
            return arguments[0]
        if self._mode == "last" and arguments:
            return arguments[-1]
        if self._mode == "itself":
            return self
        if self._mode == "sentinel":
            import cereggii

            return cereggii.NOT_FOUND
        return 2**70 if self._mode == "huge" else 1


class HalfMapping:
    """It has keys, and raises for some."""

    def __init__(self, world: World, items: list[Any]) -> None:
        self._world = world
        self._items = items

    def keys(self) -> Any:
        """Anything at all."""
        return [*self._items, 1]

    def __getitem__(self, key: Any) -> Any:
        self._world.act("raise" if key == 1 else "", [])
        return key


def broken_generator(items: list[Any]) -> Iterator[Any]:
    """Yields all items, and then raises."""
    yield from items
    fail()


def fail() -> NoReturn:
    """Raise what adversaries raise."""
    raise Hostile("fail")
