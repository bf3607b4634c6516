# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from verification import hash_map, reclaimer
from verification.cache import (
    MISTAKES,
    SCENARIOS,
    Result,
    clearing,
    explore,
    guard,
    lookup,
    maintenance,
    migration,
    removal,
    reservation,
)

from .mistakes import check_asked_for, check_counterexample, steps_in

MODULES = (guard, lookup, reservation, removal, maintenance, clearing, migration)
SHOWN = [(name, scenario) for name, mistake in MISTAKES.items() for scenario in mistake.shown_by]
_results: dict[str, Result] = {}


def explored(name: str) -> Result:
    if name not in _results:
        _results[name] = explore(SCENARIOS[name].cfg)
    return _results[name]


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_interleaving_breaks_a_promise(name: str) -> None:
    result = explored(name)
    assert result.violation is None, "\n".join([result.violation or "", *result.trace])
    assert result.ends > 0


@pytest.mark.parametrize(("name", "scenario"), SHOWN)
def test_each_mistake_has_a_counterexample(name: str, scenario: str) -> None:
    cfg = SCENARIOS[scenario].cfg._replace(mistakes=frozenset({name}))
    result = explore(cfg)
    check_counterexample(name, MISTAKES[name], scenario, result.violation, result.trace)


def test_every_mistake_is_of_a_step_that_asks_for_it() -> None:
    check_asked_for(MODULES, MISTAKES)


def test_every_step_is_taken_somewhere() -> None:
    annotations = {"w": "World", "t": "Thread", "return": "Step"}
    steps = steps_in(MODULES, lambda found: found == annotations)
    taken = frozenset[str]().union(*(explored(name).taken for name in SCENARIOS))
    assert steps - taken == set()


def test_names_are_unique() -> None:
    assert not {*SCENARIOS} & {*hash_map.SCENARIOS, *reclaimer.SCENARIOS}
    assert not {*MISTAKES} & {*hash_map.MISTAKES, *reclaimer.MISTAKES}
