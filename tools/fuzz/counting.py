# SPDX-License-Identifier: Apache-2.0
"""The game *counting*: three threads do the same things very often, and nothing is lost.

A step is [name, times]. What all of them add up to is known from the program alone.
"""

from __future__ import annotations

import functools
import operator
import random
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from tools.fuzz.arguments import Collider
from tools.fuzz.programs import Program, Wrong
from tools.fuzz.together import run_together

THREADS = 3
STEPS = 4
STABLE = range(10**6, 10**6 + 50)  # keys that are in the dict throughout
RACES = 200  # keys that all threads insert at the same time


class World:
    """What the threads share, and what they note to be checked at the end."""

    def __init__(self) -> None:
        import cereggii

        self.integer = cereggii.AtomicInt()
        self.counter = cereggii.AtomicCounter()
        self.real = cereggii.AtomicFloat()
        self.floats = cereggii.AtomicFloatSum()
        self.reference: Any = cereggii.AtomicRef(0)
        self.keyed: Any = cereggii.AtomicKeyedCounter()
        self.mapping: Any = cereggii.AtomicDict({key: key for key in STABLE})
        self.tokens: Any = cereggii.AtomicDict({number: number for number in range(3 * RACES)})
        self.taken: list[Any] = []  # an append is atomic
        self.won: list[tuple[int, Any]] = []
        self.computed: list[int] = []
        self.key = Collider(1)


class Addition(NamedTuple):
    """Adds `amount` to a total, once for each time."""

    total: str
    amount: int
    function: Callable[[World, int], None]  # gets the number of times


class Check(NamedTuple):
    """Does something that is checked at once, or at the end."""

    function: Callable[[World, int, int], None]  # gets the number of the thread, too


def _times(step: Callable[[World], Any]) -> Callable[[World, int], None]:
    def repeat(world: World, times: int) -> None:
        for _ in range(times):
            step(world)

    return repeat


def _by_handle(world: World, times: int) -> None:
    handle = world.integer.get_handle()
    for _ in range(times):
        handle += 1


def _counter_by_handle(world: World, times: int) -> None:
    handle = world.counter.get_handle()
    for _ in range(times):
        handle.add(2)


def _real_by_handle(world: World, times: int) -> None:
    handle = world.real.get_handle()
    for _ in range(times):
        handle -= 3


def _large_and_small(world: World) -> None:
    """Adds 1: the sum keeps it beside numbers to which a float cannot add it."""
    world.floats.add(2.0**80)
    world.floats.add()
    world.floats.add(-(2.0**80))


def _compare_and_set_int(world: World) -> None:
    while not world.integer.compare_and_set(found := world.integer.get(), found + 1):
        pass


def _compare_and_set_key(world: World) -> None:
    while True:
        found = world.mapping.setdefault(world.key, 0)
        if world.mapping.compare_and_exchange(world.key, found, found + 1) == found:
            return


def _increase(_key: Any, current: Any) -> Any:
    return current + 1 if isinstance(current, int) else 1


def _iterate(world: World, _thread: int, times: int) -> None:
    for _ in range(1 + times // 500):
        found = Counter(key for key, _ in world.mapping.items())
        twice = [key for key, count in found.items() if count > 1]
        missed = [key for key in STABLE if key not in found]
        if twice or missed:
            raise Wrong(f"an iterator has found {twice} twice, and has missed {missed}")


def _snapshot(world: World, _thread: int, times: int) -> None:
    for _ in range(1 + times // 500):
        missed = [key for key in STABLE if world.mapping.snapshot().get(key) != key]
        if missed or len(world.mapping) < len(STABLE):
            raise Wrong(f"a snapshot lacks {missed}, or the length is too small")


def _insert_and_remove(world: World, thread: int, times: int) -> None:
    """Makes the table grow and shrink. Each key belongs to one thread."""
    keys = [(thread, number) for number in range(times)]
    for key in keys:
        world.mapping[key] = key
    for key in keys:
        if world.mapping.get(key) != key or world.mapping.pop(key, None) != key:
            raise Wrong(f"the value of {key} is lost")


def _take_tokens(world: World, _thread: int, times: int) -> None:
    for _ in range(times):
        try:
            world.taken.append(world.tokens.popitem()[0])
        except KeyError:
            return


def _race_to_insert(world: World, thread: int, _times: int) -> None:
    for number in range(RACES):
        world.won.append((number, world.mapping.setdefault(f"race {number}", thread)))


def _race_to_compute(world: World, thread: int, _times: int) -> None:
    def compute(key: str) -> int:
        world.computed.append(int(key.split()[1]))
        return thread

    for number in range(RACES):
        world.mapping.get_or_compute(f"compute {number}", compute)


_ADD = operator.add
_minus: Callable[[Any, int], Any] = operator.isub
_plus: Callable[[Any, int], Any] = operator.iadd

STEPS_OF: dict[str, Addition | Check] = {
    "int +=": Addition("int", 1, _times(lambda w: _plus(w.integer, 1))),
    "int -=": Addition("int", -1, _times(lambda w: _minus(w.integer, 1))),
    "int handle": Addition("int", 1, _by_handle),
    "int increment": Addition("int", 1, _times(lambda w: w.integer.increment_and_get())),
    "int decrement": Addition("int", -2, _times(lambda w: w.integer.get_and_decrement(2))),
    "int update": Addition("int", 1, _times(lambda w: w.integer.update_and_get(lambda v: v + 1))),
    "int accumulate": Addition("int", 3, _times(lambda w: w.integer.get_and_accumulate(3, _ADD))),
    "int compare": Addition("int", 1, _times(_compare_and_set_int)),
    "counter add": Addition("counter", 1, _times(lambda w: w.counter.add())),
    "counter +=": Addition("counter", 2**33, _times(lambda w: _plus(w.counter, 2**33))),
    "counter handle": Addition("counter", 2, _counter_by_handle),
    "float +=": Addition("float", 1, _times(lambda w: _plus(w.real, 1))),
    "float handle": Addition("float", -3, _real_by_handle),
    "float increment": Addition("float", 1, _times(lambda w: w.real.increment_and_get())),
    "float update": Addition("float", 1, _times(lambda w: w.real.update_and_get(lambda v: v + 1))),
    "sum add": Addition("sum", 1, _times(_large_and_small)),
    "sum -=": Addition("sum", -2, _times(lambda w: _minus(w.floats, 2))),
    "ref update": Addition("ref", 1, _times(lambda w: w.reference.update_and_get(lambda v: v + 1))),
    "keyed add": Addition("keyed", 1, _times(lambda w: w.keyed.add(w.key))),
    "keyed update": Addition("keyed", 3, _times(lambda w: w.keyed.update([w.key] * 3))),
    "keyed subtract": Addition("keyed", -1, _times(lambda w: w.keyed.subtract([w.key]))),
    "dict merge": Addition("dict", 1, _times(lambda w: w.mapping.merge(w.key, 1, _ADD))),
    "dict compute": Addition("dict", 1, _times(lambda w: w.mapping.compute(w.key, _increase))),
    "dict sum": Addition("dict", 4, _times(lambda w: w.mapping.reduce_sum([(w.key, 2)] * 2))),
    "dict count": Addition("dict", 5, _times(lambda w: w.mapping.reduce_count([w.key] * 5))),
    "dict compare": Addition("dict", 1, _times(_compare_and_set_key)),
    "iterate": Check(_iterate),
    "snapshot": Check(_snapshot),
    "insert and remove": Check(_insert_and_remove),
    "take tokens": Check(_take_tokens),
    "race to insert": Check(_race_to_insert),
    "race to compute": Check(_race_to_compute),
}


def generate(choose: random.Random) -> Program:
    """A random program."""
    names = choose.sample([*STEPS_OF], choose.randrange(1, 6))  # few, so that they meet
    threads = [
        [
            [choose.choice(names), choose.choice([10, 200, 1000, 2000])]
            for _ in range(choose.randrange(1, STEPS))
        ]
        for _ in range(THREADS)
    ]
    return Program("counting", threads)


def play(program: Program) -> None:
    """Raise Wrong if something was lost, repeated or done twice."""
    world = World()
    due: Counter[str] = Counter()
    plans = [[step for step in steps if len(step) == 2] for steps in program.threads]
    for name, times in (step for steps in plans for step in steps):
        step = STEPS_OF[name]
        if isinstance(step, Addition):
            due[step.total] += step.amount * times

    def run(thread: int) -> None:
        for name, times in plans[thread]:
            step = STEPS_OF[name]
            if isinstance(step, Addition):
                step.function(world, times)
            else:
                step.function(world, thread, times)

    run_together([functools.partial(run, thread) for thread in range(len(plans))])
    _check_totals(world, due)
    _check_once("popitem() has taken", world.taken)
    _check_once("the function was called for", world.computed)
    if {*world.taken} & {*world.tokens}:
        raise Wrong("popitem() has left a key that it has returned")
    if len(world.taken) + len(world.tokens) != 3 * RACES:
        raise Wrong(f"{len(world.taken)} + {len(world.tokens)} tokens of {3 * RACES} are left")
    winners = dict(world.won)
    if any(winners[number] != thread for number, thread in world.won):
        raise Wrong("setdefault() has returned different values of one key")


def _check_totals(world: World, due: Counter[str]) -> None:
    found = {
        "int": world.integer.get(),
        "counter": world.counter.sum(),
        "float": world.real.get(),
        "sum": world.floats.sum(),
        "ref": world.reference.get(),
        "keyed": world.keyed[world.key],
        "dict": world.mapping.get(world.key, 0),
    }
    for name, total in found.items():
        if total != due[name]:
            raise Wrong(f"the total of {name} is {total}, and not {due[name]}")
    inserted = len({*world.computed}) + len({number for number, _ in world.won})
    length = len(STABLE) + inserted + (world.key in world.mapping)
    if len(world.mapping) != length:
        raise Wrong(f"the length is {len(world.mapping)}, and not {length}")


def _check_once(what: str, values: list[Any]) -> None:
    twice = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        raise Wrong(f"{what} {twice} more than once")
