# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from verification import cache, hash_map, reclaimer

README = (Path(__file__).parent.parent / "README.md").read_text()


@pytest.mark.parametrize("name", [*hash_map.SCENARIOS, *reclaimer.SCENARIOS, *cache.SCENARIOS])
def test_each_scenario_is_listed(name: str) -> None:
    assert f"\n| {name} |" in README or f"\n| {name} (long) |" in README


@pytest.mark.parametrize("name", [*hash_map.MISTAKES, *reclaimer.MISTAKES, *cache.MISTAKES])
def test_each_mistake_is_listed(name: str) -> None:
    assert f"\n| *{name}*: " in README
