# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import random

import pytest

from verification.hash_map import (
    MISTAKES,
    SCENARIOS,
    Result,
    exact,
    explore,
    guard,
    migration,
    scan,
    unlink,
    update,
)
from verification.hash_map.history import linearizable
from verification.hash_map.scenarios import HERE, draw, get, set_
from verification.hash_map.state import Config
from verification.search import TooManyStatesError

from .mistakes import check_asked_for, check_counterexample, steps_in

MODULES = (guard, update, unlink, migration, scan, exact)
SHORT = [name for name, scenario in SCENARIOS.items() if not scenario.long]
SHOWN = [(name, scenario) for name, mistake in MISTAKES.items() for scenario in mistake.shown_by]
_results: dict[str, Result] = {}


def explored(name: str) -> Result:
    if name not in _results:
        _results[name] = explore(SCENARIOS[name].cfg)
    return _results[name]


@pytest.mark.parametrize("name", SHORT)
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
    taken = frozenset[str]().union(*(explored(name).taken for name in SHORT))
    assert steps - taken == set()


def test_random_scenarios_break_no_promise() -> None:
    draws, explored_ones = random.Random(20), 0
    for _ in range(25):
        cfg = draw(draws)
        try:
            result = explore(cfg, limit=20_000)
        except TooManyStatesError:
            continue
        explored_ones += 1
        assert result.violation is None, (cfg, result.trace)
    assert explored_ones > 5


def test_the_search_for_an_order_rejects_what_has_none() -> None:
    cfg = Config(((set_(0, 2),), (get(0), get(0))), setup=HERE)
    written = (("call", 0, 0, None), ("return", 0, 0, 1))
    first = (("call", 1, 0, None), ("return", 1, 0, 2))
    second = (("call", 1, 1, None), ("return", 1, 1, 1))
    assert linearizable(cfg, written[:1] + first + written[1:])
    assert not linearizable(cfg, written[:1] + first + second + written[1:])
    assert not linearizable(cfg, (*written, first[0], ("return", 1, 0, 1)))
