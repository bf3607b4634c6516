# SPDX-License-Identifier: Apache-2.0
"""The soak finds what it looks for: growth, what was lost, and threads that fail."""

from __future__ import annotations

import random

import pytest

from tools.soak import usage, work
from tools.soak.usage import Usage
from tools.soak.world import Tracked, World, Wrong

FLAT = [Usage(10.0 * i, (50 << 20) + 4096 * (i % 5), 150_000 + i % 7, 0, 1, 6) for i in range(720)]


def test_usages_are_kept_as_they_are() -> None:
    usages = usage.Usages()
    for row in FLAT:
        usages.append(row)
    assert [*usages] == FLAT
    assert len(usages) == len(FLAT)


def test_noise_is_not_growth() -> None:
    assert usage.growth(FLAT) == []


def test_what_grows_in_the_beginning_only_is_not_growth() -> None:
    warm = [row._replace(resident=20 << 20, blocks=90_000) for row in FLAT[:200]] + FLAT[200:]
    assert usage.growth(warm) == []


@pytest.mark.parametrize(
    ("field", "each"), [("resident", 16 << 10), ("blocks", 50), ("threads", 0.01), ("files", 0.01)]
)
def test_a_slow_leak_is_growth(field: str, each: float) -> None:
    leaking = [
        row._replace(**{field: getattr(row, field) + int(each * i)}) for i, row in enumerate(FLAT)
    ]
    (problem,) = usage.growth(leaking)
    assert problem.startswith(f"{field} has grown")


def test_an_object_that_stays_alive_is_growth() -> None:
    assert usage.growth([FLAT[0]._replace(tracked=1), *FLAT])


def test_a_lost_addition_is_found() -> None:
    world = World()
    world.count(1, 5)
    world.check_between_rounds()
    world.reduced[1] = 4
    with pytest.raises(Wrong, match="reduce_sum: 4 instead of 5"):
        world.check_between_rounds()


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What runs in a round, to be changed by the test."""
    chosen: list[object] = []
    monkeypatch.setattr(work, "PARTS", chosen)
    monkeypatch.setattr(work, "failures", [])
    return chosen


def test_an_exception_in_a_thread_ends_the_round(parts: list[object]) -> None:
    def fail(_world: World, _rng: random.Random) -> None:
        raise ValueError("as planned")

    parts.append(fail)
    with pytest.raises(Wrong, match="as planned"):
        work.run_round(World(), 1, 60.0)


def test_a_round_leaves_nothing(parts: list[object]) -> None:
    parts += [work.start_and_end_threads, work.change, work.grow_and_shrink, work.collect]
    world = World()
    work.run_round(world, 1, 0.5)
    world.check_between_rounds()
    assert world.threads.get() > 0
    world.empty()
    assert usage.measure(0.0).tracked == Tracked.alive.get() == 0
