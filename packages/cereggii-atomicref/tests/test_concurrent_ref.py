# SPDX-License-Identifier: Apache-2.0
"""Threads that share a ref see only what was stored, lose nothing, and each step happens once."""

from __future__ import annotations

import functools
import itertools
import operator
import random
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from cereggii_atomicref import AtomicRef, AtomicRefHandle

from tools.testing.concurrency import PATIENCE, THREADS, eventually, in_threads, run_threads
from tools.testing.matching import twin
from tools.testing.object_model import check_one_init_wins

from .forms import Access, Reference, Thing, every_access

pytestmark = [
    pytest.mark.thread_unsafe(reason="starts threads of its own"),
    pytest.mark.usefixtures("switch_often"),
]

REPEATS = 5000


def flat(lists: list[list[Any]]) -> list[Any]:
    return [item for items in lists for item in items]


# ── get() returns stored objects ───────────────────────────────────────────────────────────────
#
# A reader finds an address, and before it has taken a reference, the object there may be replaced,
# freed, and its memory given to the next object of that size, which is stored in another ref. So
# there are several refs, which between them keep nearly all of that memory in use, each stores only
# objects that carry its number, and a reader of a ref looks for its number in what it got.


class Tagged:
    __slots__ = ("tag",)

    def __init__(self, tag: int) -> None:
        self.tag = tag


# How to make an object that carries a number, and to read the number.
MakeTagged = Callable[[int], Any]
TagOf = Callable[[Any], int]
TAGGED: dict[str, tuple[MakeTagged, TagOf]] = {
    # The interpreter itself keeps the memory of these for the next object of the type: the surest.
    "float": (lambda tag: tag + 0.5, int),
    "tuple": (lambda tag: (tag,), operator.itemgetter(0)),
    "list": (lambda tag: [tag], operator.itemgetter(0)),
    "int": (lambda tag: (tag << 40) + 12345, lambda value: int(value) >> 40),
    "object": (Tagged, operator.attrgetter("tag")),
    "bytes": (b"%04d".__mod__, int),
}
every_tagged = pytest.mark.parametrize(("make_tagged", "tag_of"), TAGGED.values(), ids=TAGGED)


def find_in_function(ref: Reference) -> Any:
    """The first object that a function is given, whether its result is stored or not."""
    seen: list[Any] = []

    def function(found: Any) -> Any:
        seen.append(found)
        return found

    ref.update_and_get(function)
    return seen[0]


GET: dict[str, Callable[[Reference], Any]] = {
    "compare_and_exchange": lambda ref: ref.compare_and_exchange(THREADS, None),
    "update_and_get": find_in_function,
    "repr": lambda ref: repr(ref).removeprefix("AtomicRefHandle(AtomicRef((").removesuffix(",)))"),
}
REFS = 3  # few, so that each is replaced as often as can be
READING = 0.7  # seconds


def find_strangers(get: Callable[[Reference], Any], make_tagged: MakeTagged, tag_of: TagOf) -> Any:
    """Write to several refs and read them; what was read from a ref but never stored in it."""
    refs = [AtomicRef(make_tagged(tag)) for tag in range(REFS)]
    end = time.monotonic() + READING
    strangers: list[str] = []

    def write() -> None:
        numbered = list(enumerate(refs))
        while time.monotonic() < end and not strangers:
            for _ in range(200):
                for tag, ref in numbered:
                    ref.set(make_tagged(tag))

    def read(tag: int) -> None:
        mine = refs[tag].get_handle()
        while time.monotonic() < end and not strangers:
            for _ in range(500):
                found = get(mine)
                if tag_of(found) != tag:
                    strangers.append(f"read from ref {tag} what was stored in {tag_of(found)}")

    run_threads(write, *(functools.partial(read, tag) for tag in range(REFS)))
    return strangers


@every_tagged
def test_get_never_returns_an_object_that_was_stored_elsewhere(
    make_tagged: MakeTagged, tag_of: TagOf
) -> None:
    assert find_strangers(lambda ref: ref.get(), make_tagged, tag_of) == []


@pytest.mark.parametrize("get", GET.values(), ids=GET)
def test_nothing_else_finds_an_object_that_was_stored_elsewhere(
    get: Callable[[Reference], Any],
) -> None:
    def tag_of(found: Any) -> int:
        return int(found) if isinstance(found, str) else found[0]

    assert find_strangers(get, lambda tag: (tag,), tag_of) == []


@pytest.mark.parametrize("size", [500, 5_000, 500_000, 20 * 2**20])
def test_get_is_safe_where_memory_is_given_back_to_the_system(size: int) -> None:
    # Not bytes(size), for which CPython has the allocator zero the memory, the header of the object
    # that was there included. The fields of its count may still be looked at, with atomics; all
    # else writes them with atomics, too, so the thread sanitizer would report this, rightly.
    zero = bytes(1)
    ref = AtomicRef(zero * size)
    end = time.monotonic() + READING / 2

    def write() -> None:
        while time.monotonic() < end:
            for _ in range(20):
                ref.set(zero * size)

    def read() -> None:
        while time.monotonic() < end:
            for _ in range(20):
                found = ref.get()
                assert type(found) is bytes
                assert len(found) == size
                assert found[-1] == 0
                del found

    run_threads(write, write, read, read)


@every_access
def test_a_thread_sees_the_writes_of_another_in_order(access: Access) -> None:
    shared = AtomicRef(0)
    last = 4 * REPEATS

    def write() -> None:
        mine = access(shared, 0)
        for value in range(1, last + 1):
            mine.set(value)

    def read() -> None:
        mine = access(shared, 1)
        seen = 0
        while seen < last:
            found = mine.get()
            assert found >= seen
            seen = found

    run_threads(write, read, read)


def test_writes_to_two_refs_have_one_order() -> None:
    """Two threads each store in one ref and then read the other's: at least one sees the store."""
    lefts = [AtomicRef(0) for _ in range(4 * REPEATS)]
    rights = [AtomicRef(0) for _ in lefts]

    def play(mine: list[AtomicRef[int]], yours: list[AtomicRef[int]]) -> list[int]:
        found = []
        for my, your in zip(mine, yours, strict=True):
            my.set(1)
            found.append(your.get())
        return found

    first, second = run_threads(
        functools.partial(play, lefts, rights), functools.partial(play, rights, lefts)
    )
    assert (0, 0) not in set(zip(first, second, strict=True))


# ── no update is lost ──────────────────────────────────────────────────────────────────────────


def add_by_identity(ref: Reference) -> int:
    while True:
        found = ref.get()
        if ref.compare_and_set(found, found + 1):
            return int(found) + 1


def add_by_value(ref: Reference) -> int:
    while True:
        found = ref.get()
        if ref.compare_and_set(twin(found), found + 1):
            return int(found) + 1


def add_by_exchange(ref: Reference) -> int:
    found = ref.get()
    while (now := ref.compare_and_exchange(twin(found), found + 1)) != found:
        found = now
    return int(found) + 1


ADD: dict[str, Callable[[Reference], int]] = {
    "compare_and_set by identity": add_by_identity,
    "compare_and_set by value": add_by_value,
    "compare_and_exchange": add_by_exchange,
    "update_and_get": lambda ref: int(ref.update_and_get(lambda value: value + 1)),
    "get_and_update": lambda ref: int(ref.get_and_update(lambda value: value + 1)) + 1,
    "accumulate_and_get": lambda ref: int(ref.accumulate_and_get(1, operator.add)),
    "get_and_accumulate": lambda ref: int(ref.get_and_accumulate(1, operator.add)) + 1,
}


@every_access
@pytest.mark.parametrize("add", ADD.values(), ids=ADD)
@pytest.mark.parametrize("start", [0, 2**70], ids=["cached", "large"])
def test_every_result_of_counting_is_given_once(
    access: Access, add: Callable[[Reference], int], start: int
) -> None:
    shared = AtomicRef(start)
    repeats = REPEATS // 4

    def work(number: int) -> list[int]:
        mine = access(shared, number)
        return [add(mine) for _ in range(repeats)]

    results = in_threads(work)
    assert sorted(flat(results)) == list(range(start + 1, start + THREADS * repeats + 1))
    assert shared.get() == start + THREADS * repeats
    for mine in results:
        assert mine == sorted(mine)  # a thread sees its own updates in order


def test_all_ways_to_count_add_up(seed: int) -> None:
    shared = AtomicRef(0)

    def work(number: int) -> None:
        choose = random.Random(seed + number)
        mine = shared.get_handle() if number % 2 else shared
        for add in choose.choices([*ADD.values()], k=REPEATS):
            add(mine)

    in_threads(work)
    assert shared.get() == THREADS * REPEATS


def test_a_stack_of_tuples_loses_nothing() -> None:
    """Treiber's stack, which a freed and reused node (ABA) would corrupt."""
    stack: AtomicRef[Any] = AtomicRef(None)

    def push(item: int) -> None:
        while True:
            top = stack.get()
            if stack.compare_and_set(top, (item, top)):
                return

    def pop() -> int | None:
        while (top := stack.get()) is not None:
            if stack.compare_and_set(top, top[1]):
                return int(top[0])
        return None

    def work(number: int) -> list[int | None]:
        popped = []
        for item in range(number * REPEATS, (number + 1) * REPEATS):
            push(item)
            if item % 8:
                popped.append(pop())
        return popped

    popped = flat(in_threads(work))
    while (item := pop()) is not None:
        popped.append(item)
    assert sorted(item for item in popped if item is not None) == [*range(THREADS * REPEATS)]


# ── each object is handed on once ──────────────────────────────────────────────────────────────


def exchange_by_compare_and_exchange(ref: Reference, token: object) -> Any:
    found = ref.get()
    while (now := ref.compare_and_exchange(found, token)) is not found:
        found = now
    return found


def exchange_by_compare_and_set(ref: Reference, token: object) -> Any:
    while True:
        found = ref.get()
        if ref.compare_and_set(found, token):
            return found


EXCHANGE: dict[str, Callable[[Reference, Any], Any]] = {
    "get_and_set": lambda ref, token: ref.get_and_set(token),
    "get_and_update": lambda ref, token: ref.get_and_update(lambda _: token),
    "get_and_accumulate": lambda ref, token: ref.get_and_accumulate(token, lambda _, x: x),
    "compare_and_exchange": exchange_by_compare_and_exchange,
    "compare_and_set": exchange_by_compare_and_set,
}


@every_access
@pytest.mark.parametrize("exchange", EXCHANGE.values(), ids=EXCHANGE)
def test_every_object_is_handed_on_once(
    access: Access, exchange: Callable[[Reference, Any], Any]
) -> None:
    first = Thing()
    shared = AtomicRef(first)
    tokens = [[Thing() for _ in range(REPEATS // 2)] for _ in range(THREADS)]

    def work(number: int) -> list[Thing]:
        mine = access(shared, number)
        return [exchange(mine, token) for token in tokens[number]]

    received = [*flat(in_threads(work)), shared.get()]
    assert sorted(map(id, received)) == sorted(map(id, [first, *flat(tokens)]))


@every_access
@pytest.mark.parametrize(
    "take",
    [
        lambda ref, mine: ref.compare_and_set(None, mine),
        lambda ref, mine: ref.compare_and_exchange(None, mine) is None,
        lambda ref, mine: ref.get_and_set(mine) is None,
        lambda ref, mine: ref.get_and_update(lambda found: found or mine) is None,
        lambda ref, mine: ref.update_and_get(lambda found: found or mine) is mine,
    ],
    ids=["compare_and_set", "compare_and_exchange", "get_and_set", "get_and_update", "update"],
)
def test_exactly_one_thread_wins(access: Access, take: Callable[[Reference, Any], bool]) -> None:
    refs = [AtomicRef() for _ in range(REPEATS)]

    def work(number: int) -> list[bool]:
        mine = Thing()
        return [take(access(ref, number), mine) for ref in refs]

    wins = [sum(attempts) for attempts in zip(*in_threads(work), strict=True)]
    assert wins == [1] * REPEATS


# ── short histories ────────────────────────────────────────────────────────────────────────────

# One call: when it began and ended, what it does to a value, and what it returned.
Step = Callable[[int], tuple[int, Any]]
Call = tuple[int, int, Step, Any]


def draw_call(choose: random.Random, fresh: int) -> tuple[Callable[[AtomicRef[int]], Any], Step]:
    """A call on a ref, and the same on a value: what is stored afterwards, and the result."""
    expected = choose.randrange(4)
    calls: list[tuple[Callable[[AtomicRef[int]], Any], Step]] = [
        (lambda ref: ref.get(), lambda value: (value, value)),
        (lambda ref: ref.set(fresh), lambda _: (fresh, None)),
        (lambda ref: ref.get_and_set(fresh), lambda value: (fresh, value)),
        (
            lambda ref: ref.compare_and_set(expected, fresh),
            lambda value: (fresh, True) if value == expected else (value, False),
        ),
        (
            lambda ref: ref.compare_and_exchange(expected, fresh),
            lambda value: (fresh if value == expected else value, value),
        ),
        (
            lambda ref: ref.accumulate_and_get(1, operator.xor),
            lambda value: (value ^ 1, value ^ 1),
        ),
    ]
    return choose.choice(calls)


def is_linearizable(value: int, remaining: list[Call], end: int) -> bool:
    """Whether some order of the calls, each within its time, explains all their results."""
    if not remaining:
        return value == end
    first_end = min(call[1] for call in remaining)
    for index, (began, _, step, result) in enumerate(remaining):
        if began > first_end:
            continue  # another call was over before this one began
        stored, expected = step(value)
        rest = remaining[:index] + remaining[index + 1 :]
        if expected == result and is_linearizable(stored, rest, end):
            return True
    return False


def test_short_histories_are_linearizable(seed: int) -> None:
    rounds, threads, calls = 250, 3, 3
    barrier = threading.Barrier(threads)
    refs = [AtomicRef(0) for _ in range(rounds)]

    def work(number: int) -> list[list[Call]]:
        choose = random.Random(seed + number)
        histories = []
        for ref in refs:
            drawn = [draw_call(choose, choose.randrange(4)) for _ in range(calls)]
            history: list[Call] = []
            barrier.wait(PATIENCE)
            for call, step in drawn:
                began = time.perf_counter_ns()
                result = call(ref)
                history.append((began, time.perf_counter_ns(), step, result))
            histories.append(history)
        return histories

    results = run_threads(*(functools.partial(work, number) for number in range(threads)))
    for ref, histories in zip(refs, zip(*results, strict=True), strict=True):
        calls_made = flat(list(histories))
        assert is_linearizable(0, calls_made, ref.get()), [
            (began, ended, result) for began, ended, _, result in sorted(calls_made, key=str)
        ]


# ── finalizers ─────────────────────────────────────────────────────────────────────────────────

USES: dict[str, Callable[[Reference], Any]] = {
    "get": lambda ref: ref.get(),
    "set": lambda ref: ref.set(None),
    "get_and_set": lambda ref: ref.get_and_set("from a finalizer"),
    "compare_and_set": lambda ref: ref.compare_and_set(ref.get(), 10**20),
    "compare_and_set fails": lambda ref: ref.compare_and_set(Thing(), None),
    "compare_and_exchange": lambda ref: ref.compare_and_exchange(10**20, 10**20),
    "update_and_get": lambda ref: ref.update_and_get(lambda _: None),
    "notify_all": lambda ref: ref.notify_all(),
    "wait_while": lambda ref: ref.wait_while(None, 0.0001),
    "get_handle": lambda ref: ref.get_handle().get_handle().get(),
    "repr": repr,
}
every_use = pytest.mark.parametrize("use", USES.values(), ids=USES)


class Finalized:
    """Uses the ref that it is stored in as it dies."""

    def __init__(self, ref: Reference, use: Callable[[Reference], Any], died: list[int]) -> None:
        self._ref, self._use, self._died = ref, use, died

    def __del__(self) -> None:
        self._use(self._ref)
        self._died.append(1)


REPLACE: list[Callable[[Reference, Any], Any]] = [
    lambda ref, value: ref.set(value),
    lambda ref, value: ref.get_and_set(value) and None,
    lambda ref, value: ref.compare_and_set(ref.get(), value),
    lambda ref, value: ref.compare_and_exchange(ref.get(), value) and None,
    lambda ref, value: ref.accumulate_and_get(value, lambda _, x: x) and None,
]


@every_use
def test_a_finalizer_may_use_the_ref_that_its_object_was_replaced_in(
    use: Callable[[Reference], Any], seed: int
) -> None:
    shared: AtomicRef[Any] = AtomicRef()
    died: list[int] = []
    repeats = REPEATS // 20

    def work(number: int) -> None:
        choose = random.Random(seed + number)
        mine = shared.get_handle() if number % 2 else shared
        for replace in choose.choices(REPLACE, k=repeats):
            replace(mine, Finalized(shared, use, died))

    in_threads(work)
    shared.set(None)
    assert eventually(lambda: len(died) >= THREADS * repeats)
    assert len(died) == THREADS * repeats


@every_use
def test_a_weak_reference_callback_may_use_the_ref_that_its_object_was_replaced_in(
    use: Callable[[Reference], Any], seed: int
) -> None:
    shared: AtomicRef[Any] = AtomicRef()
    died: list[object] = []
    repeats = REPEATS // 20

    def callback(reference: object) -> None:
        use(shared)
        died.append(reference)

    def work(number: int) -> list[object]:
        choose = random.Random(seed + number)
        references: list[object] = []
        for replace in choose.choices(REPLACE, k=repeats):
            value = Thing()
            references.append(weakref.ref(value, callback))
            replace(shared, value)
            del value
        return references

    references = in_threads(work)
    shared.set(None)
    assert eventually(lambda: len(died) >= THREADS * repeats)
    assert {*map(id, died)} == {*map(id, flat(references))}
    assert len(died) == THREADS * repeats


def test_a_finalizer_may_store_its_object_in_the_ref_again() -> None:
    shared: AtomicRef[Any] = AtomicRef()
    resurrections: list[int] = []
    deaths: list[object] = []
    repeats = REPEATS // 10

    class Phoenix:
        def __init__(self) -> None:
            self.name = [id(self)]

        def __del__(self) -> None:
            resurrections.append(1)
            shared.set(self)

    class Ashes:
        """Dies with its phoenix, whose own finalizer runs only once."""

        def __del__(self) -> None:
            deaths.append(1)

    def work(_: int) -> None:
        for _ in range(repeats):
            phoenix: Any = Phoenix()
            phoenix.ashes = Ashes()
            shared.set(phoenix)
            del phoenix
            found = shared.get()
            assert found is None or found.name == [id(found)]

    in_threads(work)

    def all_died() -> bool:
        shared.set(None)  # each phoenix dies twice
        return len(deaths) == THREADS * repeats

    assert eventually(all_died)
    assert len(resurrections) == THREADS * repeats


# ── construction ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", [AtomicRef, AtomicRefHandle])
def test_one_of_many_concurrent_inits_wins(kind: type[Any]) -> None:
    check_one_init_wins(kind, lambda number: number if kind is AtomicRef else AtomicRef(number))


def test_handles_are_made_and_dropped_while_others_use_the_ref() -> None:
    shared = AtomicRef(0)
    numbers = itertools.count()

    def work(_: int) -> None:
        for _ in range(REPEATS):
            handle: Any = shared.get_handle()
            assert handle == shared
            handle.set(next(numbers))
            assert AtomicRefHandle(handle).get() >= 0

    in_threads(work)
    reference = weakref.ref(shared)
    assert reference() is shared
