# SPDX-License-Identifier: Apache-2.0
"""Checks of the mistakes and the steps of a model, which hold for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

from verification.search import Mistake


def check_counterexample(
    name: str, mistake: Mistake, scenario: str, violation: str | None, trace: list[str]
) -> None:
    """The scenario shows the mistake: a promise is broken, and it is the one that is named."""
    print(f"{name}: {mistake.about}", *trace, violation, sep="\n")
    assert violation is not None
    assert mistake.shown_by[scenario] in violation


def check_asked_for(modules: Iterable[ModuleType], mistakes: Iterable[str]) -> None:
    """Some function in these modules asks for each mistake by its name."""
    asked = "".join(
        str(function.__code__.co_consts)
        for module in modules
        for function in vars(module).values()
        if hasattr(function, "__code__")
    )
    assert all(repr(name) in asked for name in mistakes)


def steps_in(modules: Iterable[ModuleType], is_step: Callable[[dict[str, Any]], bool]) -> set[str]:
    """The names of the steps in these modules, but not of mistakes, and not of local steps.

    `is_step` tells a step by its annotations.
    """
    return {
        name
        for module in modules
        for name, thing in vars(module).items()
        if is_step(getattr(thing, "__annotations__", {}))
        and "(Mistake)" not in (thing.__doc__ or "")
        and "; local" not in (thing.__doc__ or "")
    }
