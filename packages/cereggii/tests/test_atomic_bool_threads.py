# SPDX-License-Identifier: Apache-2.0
"""One of the threads that change an AtomicBool at the same time wins; a change wakes waiters."""

from __future__ import annotations

import functools
import operator
import random
import time
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from cereggii import AtomicBool, AtomicBoolHandle, ExpectationFailed

from tools.testing.concurrency import (
    PATIENCE,
    background,
    concurrent,
    give_time_to_block,
    meet,
    run_threads,
)

from .flags import both_forms, both_values

THREADS = 4

# The shared flag, or a handle of it, for the thread of this number.
Access: TypeAlias = Callable[[AtomicBool, int], Any]
ACCESS: dict[str, Access] = {
    "flag": lambda flag, _: flag,
    "handles": lambda flag, _: flag.get_handle(),
    "both": lambda flag, number: flag if number % 2 else flag.get_handle(),
}
every_access = pytest.mark.parametrize("access", ACCESS.values(), ids=ACCESS)


# ── threads ────────────────────────────────────────────────────────────────────────────────────


def succeeds(call: Callable[[], None]) -> bool:
    try:
        call()
    except ExpectationFailed:
        return False
    return True


def let_others_in(name: str) -> Any:
    """A method that does what that of the base does, and lets other threads in before and after."""

    def method(self: Any, *arguments: Any) -> Any:
        time.sleep(0)
        result = getattr(super(type(self), self), name)(*arguments)
        time.sleep(0)
        return result

    return method


STEPS = {name: let_others_in(name) for name in ("get", "set", "compare_and_set")}
Slow: Any = type("Slow", (AtomicBool,), STEPS)
SlowHandle: Any = type("SlowHandle", (AtomicBoolHandle,), STEPS)


def slowly(flag: AtomicBool, number: int) -> Any:
    return flag if number % 2 else SlowHandle(flag)


@concurrent
@pytest.mark.parametrize("access", [*ACCESS.values(), slowly], ids=[*ACCESS, "slowly"])
@both_values
def test_exactly_one_of_the_threads_that_change_a_flag_at_once_wins(
    access: Access, value: bool
) -> None:
    flags = [(Slow if access is slowly else AtomicBool)(value) for _ in range(300)]

    def change_as(number: int) -> Callable[[AtomicBool], bool]:
        def change(flag: AtomicBool) -> bool:
            mine = access(flag, number)
            return succeeds(mine.reset_or_raise if value else mine.set_or_raise)

        return change

    for won in meet(flags, *map(change_as, range(THREADS))):
        assert sum(won) == 1
    assert {flag.get() for flag in flags} == {not value}


@concurrent
@every_access
def test_changes_there_and_back_take_turns(access: Access, seed: int) -> None:
    """Each change succeeds only from the other value, so their numbers differ by one at most."""
    flag = AtomicBool()

    def work(number: int) -> int:
        choose = random.Random(seed + number)
        mine = access(flag, number)
        there = 0
        for _ in range(60_000):
            if choose.random() < 0.5:
                there += succeeds(mine.set_or_raise)
            else:
                there -= succeeds(mine.reset_or_raise)
        return there

    there = run_threads(*(functools.partial(work, number) for number in range(THREADS)))
    assert sum(there) == int(flag.get())


TOGGLES: dict[str, Callable[[Any], bool]] = {
    "update_and_get": lambda flag: flag.update_and_get(operator.not_),
    "get_and_update": lambda flag: not flag.get_and_update(operator.not_),
    "accumulate_and_get": lambda flag: flag.accumulate_and_get(True, operator.xor),
    "get_and_accumulate": lambda flag: not flag.get_and_accumulate(True, operator.xor),
}


@concurrent
@every_access
@pytest.mark.parametrize("toggle", TOGGLES.values(), ids=TOGGLES)
def test_no_change_by_a_function_is_lost(access: Access, toggle: Callable[[Any], bool]) -> None:
    flags = [AtomicBool() for _ in range(300)]

    def toggle_as(number: int) -> Callable[[AtomicBool], bool]:
        return lambda flag: toggle(access(flag, number))

    for seen in meet(flags, *map(toggle_as, range(3))):
        assert sorted(seen) == [False, True, True]  # there, back, and there
    assert all(flags)


# ── waiting ────────────────────────────────────────────────────────────────────────────────────


@concurrent
@both_forms
@both_values
@pytest.mark.parametrize("notify", ["notify_one", "notify_all"])
def test_wait_while_is_woken_by_a_notification_after_a_change(
    make: Any, value: bool, notify: str
) -> None:
    flag = make(value)
    with background(lambda: flag.wait_while(value)) as [task]:
        give_time_to_block()
        assert task.is_alive()
        getattr(flag, notify)()  # nothing has changed
        give_time_to_block()
        assert task.is_alive()
        (flag.reset_or_raise if value else flag.set_or_raise)()
        getattr(flag, notify)()
        assert task.result() is True


@concurrent
def test_flag_and_handles_wake_each_other() -> None:
    flag = AtomicBool()
    waits = [flag.wait_while, flag.get_handle().wait_while, flag.get_handle().wait_while]
    with background(*(functools.partial(wait, False, PATIENCE) for wait in waits)) as tasks:
        give_time_to_block()
        flag.get_handle().set(True)
        flag.get_handle().notify_all()
        assert [task.result() for task in tasks] == [True] * 3


@both_forms
@both_values
def test_wait_while_returns_at_once_or_when_the_time_is_over(make: Any, value: bool) -> None:
    flag = make(value)
    assert flag.wait_while(not value) is True
    assert flag.wait_while(value, 0) is False
    assert flag.wait_while(value=value, timeout=0.01) is False
