# SPDX-License-Identifier: Apache-2.0
"""The fuzzer repeats what it has played, sees each way to fail, and makes programs small."""

from __future__ import annotations

import itertools
import random
import re
from pathlib import Path
from typing import Any

import pytest

from tools.fuzz import adversaries, api, games, steps
from tools.fuzz.planted import PLANTED
from tools.fuzz.programs import Program
from tools.fuzz.shrink import shrink
from tools.fuzz.supervise import replay, run_worker

from .a_game import NAME

ROOT = Path(__file__).resolve().parents[2]


def program_of(*names: str) -> Program:
    return Program(NAME, [[[name] for name in names]])


# ── programs ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("game", games.SHARES)
def test_a_seed_and_a_number_give_one_program(game: str) -> None:
    programs = [games.generate(5, number, game) for number in range(20)]
    assert programs == [games.generate(5, number, game) for number in range(20)]
    assert len({program.to_json() for program in programs}) > 10
    assert programs != [games.generate(6, number, game) for number in range(20)]


@pytest.mark.parametrize("game", games.SHARES)
def test_a_program_is_the_same_after_a_way_through_json(game: str) -> None:
    for number in range(20):
        program = games.generate(5, number, game)
        assert Program.from_json(program.to_json()) == program


def test_each_game_is_played() -> None:
    assert {games.generate(1, number).game for number in range(100)} == {*games.SHARES}


@pytest.mark.parametrize("game", games.SHARES)
def test_the_first_programs_pass(game: str) -> None:
    for number in range(5):
        games.play(games.generate(1, number, game))


def test_a_program_from_which_parts_were_taken_can_still_be_played() -> None:
    choose = random.Random(1)
    for number in range(3):
        program = games.generate(2, number, "hostile")
        cut = [[step[: choose.randrange(1, len(step) + 1)] for step in each]
               for each in program.threads]  # fmt: skip
        games.play(program.with_threads(cut))


# ── shrinking ──────────────────────────────────────────────────────────────────────────────────


def test_a_program_is_shrunk_to_the_steps_that_it_needs() -> None:
    for first, second in itertools.combinations(range(12), 2):
        threads = [[["step", 4 * thread + number] for number in range(4)] for thread in range(3)]
        program = Program(NAME, threads)

        def fails(tried: Program, needed: Any = ([["step", first]], [["step", second]])) -> bool:
            here = [step for each in tried.threads for step in each]
            return all(step in here for (step,) in needed)

        small = shrink(program, fails)
        assert sorted(step for each in small.threads for step in each) == [
            ["step", first],
            ["step", second],
        ]


def test_parts_of_a_step_are_taken_out_even_from_lists_in_it() -> None:
    program = Program(NAME, [[["step", 1, ["list", 2, ["list", 3, 4]], 5]]])
    small = shrink(program, lambda tried: "4" in tried.to_json())
    assert small.threads == [[["step", ["list", ["list", 4]]]]]


def test_threads_without_steps_are_taken_out() -> None:
    program = Program(NAME, [[["a"]], [["b"]], [["c"]]])
    assert shrink(program, lambda tried: '"b"' in tried.to_json()).threads == [[["b"]]]
    assert shrink(program, lambda tried: True).threads == [[]]


def test_threads_stay_if_it_matters_how_many_there_are() -> None:
    program = Program(NAME, [[["a"]], [["b"]], [["c"]]])
    small = shrink(program, lambda tried: len(tried.threads) == 3 and ["c"] in tried.threads[2])
    assert small.threads == [[], [], [["c"]]]


def test_a_search_that_is_stopped_gives_a_program_that_fails() -> None:
    program = Program(NAME, [[["step", number] for number in range(100)]])
    tries = iter(range(10))

    def fails(tried: Program) -> bool:
        return next(tries, None) is not None and ["step", 77] in tried.threads[0]

    small = shrink(program, fails)
    assert ["step", 77] in small.threads[0]
    assert small.steps() < 100


# ── the worker ─────────────────────────────────────────────────────────────────────────────────


def test_a_worker_plays_one_program_after_the_other() -> None:
    verdict = run_worker("--seed=1", f"--game={NAME}", "--count=1000", seconds=60)
    wrong = [n for n in range(1000) if '"wrong"' in games.generate(1, n, NAME).to_json()]
    assert verdict.failed
    assert verdict.number == wrong[0]
    assert verdict.played == wrong[0] + 1
    assert verdict.what == "as it was asked to be"


def test_a_worker_that_finds_nothing_says_so() -> None:
    verdict = replay(program_of("fine"), 7, seconds=60)
    assert (verdict.failed, verdict.what, verdict.played) == (False, "", 7)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("wrong", "as it was asked to be"),
        ("crash", "Fatal Python error: Aborted"),
        ("hang", "Timeout"),
        ("leave", "it has ended early"),
        ("defect", "the game itself has failed"),
    ],
)
def test_each_way_to_fail_is_seen(name: str, what: str) -> None:
    verdict = replay(program_of("fine", name), 3, seconds=60, limit=1)
    assert verdict.failed
    assert what in verdict.what
    assert (verdict.number, verdict.played) == (0, 1)


# ── the public API ─────────────────────────────────────────────────────────────────────────────


def test_all_that_is_exported_can_be_drawn() -> None:
    drawn = "\n".join(games.generate(1, number, "hostile").to_json() for number in range(1500))
    names = {name for kind in api.public_classes().values() for name in api.members(kind)}
    missing = {name for name in names if f'[".{name}"' not in drawn}
    missing |= {name for name in api.public_classes() if f'["{name}"' not in drawn}
    missing |= {name for name in steps.FUNCTIONS if f'["{name}"' not in drawn}
    assert not missing


def test_a_new_method_is_found() -> None:
    class New:
        def frobnicate(self, key: object, timeout: float = 1.0) -> int:
            return 1

        def _private(self) -> None:
            pass

    New.__module__ = "cereggii"
    assert "frobnicate" in api.members(New)
    assert "_private" not in api.members(New)
    assert [each.name for each in api.parameters(New, "frobnicate")] == ["key", "timeout"]


def test_the_types_of_results_are_those_of_the_annotations() -> None:
    classes = api.public_classes()
    assert api.exact_results(classes["AtomicInt"], "increment_and_get") == {"int"}
    assert api.exact_results(classes["AtomicIntHandle"], "compare_and_set") == {"bool"}
    assert api.exact_results(classes["AtomicDict"], "snapshot") == {"dict"}
    assert api.exact_results(classes["AtomicSet"], "snapshot") == {"frozenset"}
    assert api.exact_results(classes["AtomicSetHandle"], "add") == {"bool"}
    assert api.exact_results(classes["AtomicDict"], "get") == set()
    assert api.exact_results(classes["CountDownLatch"], "wait") == {"bool"}


def test_a_step_that_raises_what_no_step_may_is_noted() -> None:
    def run(error: BaseException) -> list[str]:
        class Raises:
            def frobnicate(self) -> None:
                raise error

        world = adversaries.World(steps.run)
        world.pool = [Raises()]
        steps.run(world, [[".frobnicate", [0, None]]])
        return world.problems

    assert run(TypeError()) == []
    assert run(adversaries.HostileExit()) == []
    assert run(ExceptionGroup("", [ValueError()])) == []
    for error in (SystemError("x"), AssertionError(), NameError(), KeyboardInterrupt()):
        assert type(error).__name__ in "".join(run(error))


# ── planted bugs ───────────────────────────────────────────────────────────────────────────────


def test_each_planted_bug_is_in_the_copies_of_the_sources() -> None:
    text = (ROOT / "atomics/cmake/Planted.cmake").read_text("utf-8")
    assert sorted({*map(int, re.findall(r"planted\((\d+)\)", text))}) == [*PLANTED]


def test_the_text_that_a_planted_bug_replaces_is_in_one_source_once() -> None:
    text = (ROOT / "atomics/cmake/Planted.cmake").read_text("utf-8")
    plants = re.findall(
        r'cereggii_plant\("\$\{copies\}" "([^"]+)"\s+\[\[(.*?)\]\]\s', text, re.DOTALL
    )
    assert len(plants) == len(PLANTED)
    for path, old in plants:
        shared = path.replace("${shared}", "atomics/include/cereggii/atomics")
        sources = [*ROOT.glob(shared), *ROOT.glob(f"packages/*/{path}")]
        assert [source.read_text("utf-8").count(old) for source in sources] == [1], (path, old)
