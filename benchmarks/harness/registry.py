# SPDX-License-Identifier: Apache-2.0
"""The things to measure: implementations, workloads, and variants, which join the two.

Workers import this module under every interpreter, so it needs the standard library only.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

Setup = Callable[[range], Any]
"""Called once in the main thread with the work of all threads; makes the object they share."""

Plan = Callable[[Any, range], Sequence[Any]]
"""Called by each thread, before any loop starts, with what the setup made and the thread's own
part of the work; returns what its loop goes over instead: keys, in the order of their use."""

Loop = Callable[[Any, Any], None]
"""Called by each thread with what the setup made and the thread's own part of the work, or what
the plan made of that."""

_Decorator = Callable[[Loop], Loop]


@dataclass(frozen=True)
class Implementation:
    """Something to compare. Each sample of it is taken in a process of its own."""

    name: str
    """Column header; if a distribution has this name, its version is shown with it."""
    environment: str
    """Which of the interpreters given to the runner has it installed."""
    is_peer: bool = True
    """Whether ours has to beat it; False for ours, and for programs that lose updates."""


OURS = Implementation("ours", "ours", is_peer=False)
CEREGGII = Implementation("cereggii", "peers")
FT_UTILS = Implementation("ft_utils", "peers")
BUILTIN = Implementation("builtin", "ours")
RACY = Implementation("racy", "ours", is_peer=False)

IMPLEMENTATIONS = (OURS, CEREGGII, FT_UTILS, BUILTIN, RACY)
"""In the order in which a round takes them."""


class Kind(Enum):
    """How a workload is run and reported."""

    OPERATION = "operation"
    """The loop runs in every worker thread; reported per operation, less an empty loop."""
    PROGRAM = "program"
    """The loop is called once and makes its own threads; reported as a whole."""


def numbers(_state: Any, work: range) -> range:
    """The plan of a loop that only repeats something."""
    return work


@dataclass(frozen=True)
class Variant:
    """How one implementation does one workload."""

    setup: Setup
    loop: Loop
    plan: Plan = numbers


@dataclass
class Workload:
    """Something to do, in as many variants as there are implementations that can do it."""

    key: str
    title: str
    kind: Kind
    operations: int
    """Per thread."""
    threads: tuple[int, ...] | None
    """The only thread counts it is made for; None: the runner chooses."""
    plan: Plan = numbers
    variants: dict[Implementation, Variant] = field(default_factory=dict)

    def variant(self, setups: Mapping[Implementation, Setup]) -> _Decorator:
        """Register the decorated loop for each implementation in `setups`."""

        def register(loop: Loop) -> Loop:
            for implementation, setup in setups.items():
                self.variants[implementation] = Variant(setup, loop, self.plan)
            return loop

        return register

    def as_in(self, other: Workload, *implementations: Implementation) -> None:
        """Let these implementations do what they do in the `other` workload."""
        for implementation in implementations:
            self.variants[implementation] = other.variants[implementation]


WORKLOADS: dict[str, Workload] = {}


def workload(
    title: str,
    setups: Mapping[Implementation, Setup],
    *,
    operations: int = 500_000,
    plan: Plan = numbers,
) -> Callable[[Loop], Workload]:
    """Register the decorated loop as a workload that is measured per operation."""
    return _registrar(title, setups, Kind.OPERATION, operations, None, plan)


def program(
    title: str, setups: Mapping[Implementation, Setup], *, threads: int, operations: int
) -> Callable[[Loop], Workload]:
    """Register the decorated function, which makes `threads` threads, as a whole program."""
    return _registrar(title, setups, Kind.PROGRAM, operations, (threads,))


def _registrar(
    title: str,
    setups: Mapping[Implementation, Setup],
    kind: Kind,
    operations: int,
    threads: tuple[int, ...] | None,
    plan: Plan = numbers,
) -> Callable[[Loop], Workload]:
    def register(loop: Loop) -> Workload:
        key = f"{loop.__module__.removeprefix('workloads.')}.{loop.__name__}"
        if key in WORKLOADS:
            raise ValueError(f"there are two workloads named {key!r}")
        registered = Workload(key, title, kind, operations, threads, plan)
        registered.variant(setups)(loop)
        WORKLOADS[key] = registered
        return registered

    return register


def load_workloads() -> dict[str, Workload]:
    """Import every module of the `workloads` package, and return what they registered."""
    package = importlib.import_module("workloads")
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda found: found.name):
        importlib.import_module(f"workloads.{module.name}")
    return WORKLOADS


def implementation_named(name: str) -> Implementation:
    """The implementation that a worker was asked for."""
    return next(known for known in IMPLEMENTATIONS if known.name == name)
