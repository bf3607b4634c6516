# SPDX-License-Identifier: Apache-2.0
"""A ThreadSet makes threads of a function, and does to all of its threads what one can do."""

from __future__ import annotations

import copy
import functools
import gc
import inspect
import pickle
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from cereggii import AtomicInt, ThreadSet

from tools.testing.concurrency import PATIENCE, eventually

has_threads = pytest.mark.thread_unsafe(reason="has threads of its own")


def noted(calls: list[Any]) -> Callable[..., None]:
    """A function that notes its arguments; appending to a list is atomic."""

    def note(*args: Any, **kwargs: Any) -> None:
        calls.append((args, kwargs))

    return note


def run(threads: ThreadSet) -> None:
    threads.start_and_join(PATIENCE)
    assert threads.all_are_not_alive(), "a thread is stuck"


class FakeThread:
    """Has the methods of a thread, which only note their calls."""

    def __init__(self, name: str, log: list[Any], alive: bool = False) -> None:
        self.name = name
        self.log = log
        self.alive = alive

    def start(self) -> None:
        self.log.append((self.name, "start"))

    def join(self, timeout: float | None = None) -> None:
        self.log.append((self.name, "join", timeout))

    def is_alive(self) -> bool:
        self.log.append((self.name, "is_alive"))
        return self.alive

    def __repr__(self) -> str:
        return self.name


def fakes(log: list[Any], names: Iterable[str], alive: str = "") -> Any:
    return ThreadSet(*(FakeThread(name, log, name in alive) for name in names))  # type: ignore[arg-type]


def joins(log: list[Any]) -> list[Any]:
    return [(name, *rest) for name, what, *rest in log if what == "join"]


def names_of(threads: Any) -> str:
    return "".join(thread.name for thread in threads)


# ── making threads ─────────────────────────────────────────────────────────────────────────────


@has_threads
def test_with_args_makes_a_thread_for_each_of_the_arguments() -> None:
    calls: list[Any] = []
    decorate = ThreadSet.with_args(
        ThreadSet.Args(1, color="red"),
        ThreadSet.Args(2, "blue"),
        ThreadSet.Args(),
        ThreadSet.Args(2, "blue"),
    )
    threads = decorate(noted(calls))
    assert type(threads) is ThreadSet
    assert len(threads) == 4
    assert calls == []
    run(threads)
    expected = [((1,), {"color": "red"}), ((2, "blue"), {}), ((), {}), ((2, "blue"), {})]
    assert sorted(calls, key=repr) == sorted(expected, key=repr)


@has_threads
@pytest.mark.parametrize("times", [0, 1, 10])
def test_repeat_makes_so_many_threads(times: int) -> None:
    idents = set()
    together = threading.Barrier(times or 1)

    @ThreadSet.repeat(times)
    def workers() -> None:
        together.wait(PATIENCE)  # all of them run at once
        idents.add(threading.get_ident())

    assert len(workers) == times
    run(workers)
    assert len(idents) == times


@has_threads
@pytest.mark.parametrize(
    ("arguments", "numbers"),
    [
        ((5,), [0, 1, 2, 3, 4]),
        ((0,), []),
        ((-3,), []),
        ((2, 5), [2, 3, 4]),
        ((5, 2), []),
        ((0, 0), []),
        ((0, 10, 3), [0, 3, 6, 9]),
        ((5, 0, -2), [5, 3, 1]),
        ((2, None), [0, 1]),
        ((5, None, 2), [0, 2, 4]),
    ],
)
def test_range_makes_a_thread_for_each_number(arguments: Any, numbers: list[int]) -> None:
    calls: list[Any] = []
    threads = ThreadSet.range(*arguments)(noted(calls))
    assert len(threads) == len(numbers)
    run(threads)
    assert sorted(calls) == [((number,), {}) for number in sorted(numbers)]


@has_threads
def test_range_takes_its_arguments_by_name_too() -> None:
    calls: list[Any] = []
    run(ThreadSet.range(start=1, stop=6, step=2)(noted(calls)))
    run(ThreadSet.range(6, step=3)(noted(calls)))
    assert sorted(calls) == [((number,), {}) for number in (0, 1, 3, 3, 5)]


@has_threads
def test_target_makes_a_function_that_makes_threads() -> None:
    calls: list[Any] = []

    @ThreadSet.target
    def spam(number: int, color: str = "red") -> None:
        """Says what it is for."""
        calls.append((number, color))

    threads = ThreadSet(spam(1), spam(2, "blue"), spam(3, color="green"))
    assert all(type(thread) is threading.Thread for thread in threads)
    assert calls == []
    run(threads)
    assert sorted(calls) == [(1, "red"), (2, "blue"), (3, "green")]
    assert spam.__name__ == "spam"
    assert spam.__doc__ == "Says what it is for."
    assert [*inspect.signature(spam).parameters] == ["number", "color"]


@has_threads
def test_one_decorator_makes_threads_of_their_own_each_time() -> None:
    calls: list[Any] = []
    decorate = ThreadSet.repeat(2)
    first, second = decorate(noted(calls)), decorate(noted(calls))
    run(first)
    run(second)
    assert not {*first} & {*second}
    assert len(calls) == 4


def test_threads_that_are_given_are_kept_in_order_and_once() -> None:
    given = [threading.Thread() for _ in range(20)]
    threads = ThreadSet(*given, *given[5:], given[0])
    assert [*threads] == given
    assert len(threads) == 20
    assert [*ThreadSet()] == []
    assert given[3] in threads
    assert threading.Thread() not in threads
    assert bool(threads)
    assert not bool(ThreadSet())


def test_args_are_kept_and_shown() -> None:
    arguments = ThreadSet.Args(1, "a", color="red")
    assert arguments.args == (1, "a")
    assert arguments.kwargs == {"color": "red"}
    assert repr(arguments) == "ThreadSet.Args(1, 'a', color='red')"
    assert repr(ThreadSet.Args()) == "ThreadSet.Args()"
    assert ThreadSet.Args(args=1, kwargs=2).kwargs == {"args": 1, "kwargs": 2}


# ── methods for all threads ────────────────────────────────────────────────────────────────────


def test_threads_are_started_and_joined_in_order() -> None:
    log: list[Any] = []
    threads = fakes(log, "abc")
    assert threads.start() is None
    assert log == [("a", "start"), ("b", "start"), ("c", "start")]
    log.clear()
    assert threads.join() is True
    assert threads.join(timeout=0) is True
    assert joins(log) == [(name, timeout) for timeout in (None, 0) for name in "abc"]


def test_start_and_join_starts_all_before_it_joins() -> None:
    log: list[Any] = []
    assert fakes(log, "ab").start_and_join() is True
    assert log[:4] == [("a", "start"), ("b", "start"), ("a", "join", None), ("b", "join", None)]
    log.clear()
    assert fakes(log, "a").start_and_join(0) is True
    assert fakes(log, "b", alive="b").start_and_join(join_timeout=0) is False
    assert joins(log) == [("a", 0), ("b", 0)]


@pytest.mark.parametrize("alive", ["", "a", "c", "abc"])
def test_a_set_tells_which_threads_are_alive(alive: str) -> None:
    threads = fakes([], "abc", alive)
    assert [*threads.is_alive()] == [name in alive for name in "abc"]
    assert threads.any_is_alive() is (alive != "")
    assert threads.all_are_alive() is (alive == "abc")
    assert threads.all_are_not_alive() is (alive == "")


def test_an_empty_set_has_all_threads_alive_and_all_dead() -> None:
    threads = ThreadSet()
    run(threads)
    assert [*threads.is_alive()] == []
    assert threads.any_is_alive() is False
    assert threads.all_are_alive() is True
    assert threads.all_are_not_alive() is True


def test_is_alive_asks_when_it_is_iterated_over() -> None:
    log: list[Any] = []
    alive = fakes(log, "ab").is_alive()
    assert isinstance(alive, Iterator)
    assert log == []
    assert next(alive) is False
    assert log == [("a", "is_alive")]


@has_threads
def test_threads_are_alive_from_their_start_to_their_end() -> None:
    go = [threading.Event(), threading.Event()]

    @ThreadSet.range(2)
    def waiters(number: int) -> None:
        assert go[number].wait(PATIENCE)

    assert waiters.all_are_not_alive()
    waiters.start()
    assert waiters.all_are_alive()
    assert waiters.join(0.01) is False  # no error: they just go on
    assert [*waiters.is_alive()] == [True, True]
    go[0].set()
    assert eventually(lambda: [*waiters.is_alive()] == [False, True])
    assert waiters.any_is_alive()
    assert not waiters.all_are_alive()
    go[1].set()
    waiters.join(PATIENCE)
    assert waiters.all_are_not_alive()


@has_threads
def test_an_error_of_a_thread_method_is_raised_by_a_set_too() -> None:
    threads = ThreadSet.repeat(2)(lambda: None)
    with pytest.raises(RuntimeError, match="before it is started"):
        threads.join()
    run(threads)
    with pytest.raises(RuntimeError, match="once"):
        threads.start()
    with pytest.raises(RuntimeError, match="once"):
        threads.start_and_join()


# ── as a set ───────────────────────────────────────────────────────────────────────────────────


def test_a_union_has_the_threads_of_both_once_and_in_order() -> None:
    one, other = fakes([], "abc"), fakes([], "xy")
    both = one | other
    assert type(both) is ThreadSet
    assert names_of(both) == "abcxy"
    assert names_of(other | one) == "xyabc"
    assert names_of(both | one | other | both) == "abcxy"
    assert (names_of(one), names_of(other)) == ("abc", "xy")
    assert names_of(ThreadSet() | one) == names_of(one | ThreadSet()) == "abc"


def test_an_in_place_union_keeps_the_set() -> None:
    one, other = fakes([], "abc"), fakes([], "xy")
    before = one
    one |= other
    one |= other
    assert one is before
    assert names_of(one) == "abcxy"
    assert names_of(other) == "xy"
    one |= one
    assert len(one) == 5
    log: list[Any] = []
    one |= fakes(log, "z")
    one.start()
    assert log == [("z", "start")]


@has_threads
def test_a_union_of_sets_that_run_can_be_joined() -> None:
    ready, go = AtomicInt(), threading.Event()

    @ThreadSet.repeat(2)
    def readers() -> None:
        ready.increment_and_get()
        assert go.wait(PATIENCE)

    @ThreadSet.range(3)
    def writers(number: int) -> None:
        assert eventually(lambda: ready.get() == 2)
        go.set()

    readers.start()
    writers.start()
    both = readers | writers
    both.join(PATIENCE)
    assert both.all_are_not_alive()
    assert readers.all_are_not_alive()


def test_iteration_is_over_the_threads_that_there_were() -> None:
    threads = fakes([], "ab")
    iterator = iter(threads)
    threads |= fakes([], "c")
    assert names_of(iterator) == "ab"
    assert names_of(threads) == "abc"


def test_sets_are_told_apart_by_identity() -> None:
    thread = threading.Thread()
    one, other = ThreadSet(thread), ThreadSet(thread)
    assert one == one
    assert one != other
    assert len({one, other, one}) == 2


def test_repr_shows_the_threads_and_is_not_too_long() -> None:
    assert repr(ThreadSet()) == "<ThreadSet()>"
    assert repr(fakes([], "abc")) == "<ThreadSet(a, b, c)>"
    shown = repr(fakes([], ["name" * 10] * 20))
    assert len(shown) < 120
    assert "20 threads" in shown
    assert "NamedThread" in repr(ThreadSet(threading.Thread(name="NamedThread")))


# ── subclasses ─────────────────────────────────────────────────────────────────────────────────


class Resulting(threading.Thread):
    """A thread that keeps what its target returned."""

    result: Any = None

    def run(self) -> None:
        target, args, kwargs = self._target, self._args, self._kwargs  # type: ignore[attr-defined]
        self.result = target(*args, **kwargs)


class Results(ThreadSet):
    thread_factory = Resulting

    def results(self) -> list[Any]:
        return [thread.result for thread in self if isinstance(thread, Resulting)]


@has_threads
def test_a_subclass_has_its_own_threads_in_everything_that_makes_some() -> None:
    def double(number: int = 1) -> int:
        return 2 * number

    made = [
        (Results.with_args(Results.Args(5), ThreadSet.Args(number=6))(double), [10, 12]),
        (Results.repeat(3)(double), [2, 2, 2]),
        (Results.range(4)(double), [0, 2, 4, 6]),
        (Results(*map(Results.target(double), [7, 8])), [14, 16]),
    ]
    for threads, expected in made:
        assert type(threads) is Results
        assert all(type(thread) is Resulting for thread in threads)
        run(threads)
        assert threads.results() == expected
    assert ThreadSet.thread_factory is threading.Thread


@has_threads
def test_a_factory_may_be_any_function() -> None:
    def daemon(**kwargs: Any) -> threading.Thread:
        return threading.Thread(daemon=True, name="mine", **kwargs)

    class Daemons(ThreadSet):
        thread_factory = daemon

    class ByPartial(ThreadSet):
        thread_factory = staticmethod(functools.partial(threading.Thread, daemon=True, name="mine"))

    for kind in (Daemons, ByPartial):
        calls: list[Any] = []
        threads = kind.range(3)(noted(calls))
        assert {(thread.daemon, thread.name) for thread in threads} == {(True, "mine")}
        run(threads)
        assert sorted(calls) == [((number,), {}) for number in range(3)]


def test_a_union_is_of_the_type_on_the_left() -> None:
    one, other = ThreadSet(threading.Thread()), Results(threading.Thread())
    assert type(one | other) is ThreadSet
    assert type(other | one) is Results
    assert [*(other | one)] == [*other, *one]
    other |= one
    assert type(other) is Results
    assert len(other) == 2


def test_a_subclass_may_have_arguments_of_its_own_kind() -> None:
    class Strict(ThreadSet):
        class Args(ThreadSet.Args):
            pass

    assert len(Strict.with_args(Strict.Args(1))(print)) == 1
    assert len(Strict.range(3)(print)) == 3
    with pytest.raises(TypeError, match=r"instance of .*Strict\.Args"):
        Strict.with_args(ThreadSet.Args(1))


# ── wrong arguments ────────────────────────────────────────────────────────────────────────────


def test_wrong_arguments_are_refused() -> None:
    kind: Any = ThreadSet
    threads: Any = ThreadSet(threading.Thread())
    calls: list[tuple[Callable[[], Any], str]] = [
        (lambda: kind(5), "5"),
        (lambda: kind(threading.Thread(), None), "None"),
        (lambda: kind([threading.Thread()]), "Thread"),
        (lambda: kind(print), "print"),
        (lambda: kind.with_args(5)(print), "5.*Args"),
        (lambda: kind.with_args(kind.Args(1), (1,))(print), "Args"),
        (lambda: kind.with_args(kind.Args)(print), "Args"),
        (lambda: kind.repeat("text")(print), "str"),
        (lambda: kind.repeat(2.5)(print), "float"),
        (lambda: kind.repeat()(print), "times"),
        (lambda: kind.range("text")(print), "str"),
        (lambda: kind.range(0, 1.5)(print), "float"),
        (lambda: kind.range()(print), "start"),
        (lambda: threads | 5, "5"),
        (lambda: threads | {threading.Thread()}, "Thread"),
        (lambda: threads | [], r"\[\]"),
        (lambda: threads.__ior__(None), "None"),
        (lambda: 5 | threads, "ThreadSet"),
    ]
    for call, text in calls:
        with pytest.raises(TypeError, match=text):
            call()
    with pytest.raises(ValueError, match="zero"):
        kind.range(0, 5, 0)(print)
    assert len(threads) == 1


def test_a_wrong_union_changes_nothing() -> None:
    threads: Any = fakes([], "ab")
    with pytest.raises(TypeError):
        threads |= [threading.Thread()]
    assert names_of(threads) == "ab"


def test_everything_public_is_documented() -> None:
    for name in vars(ThreadSet):
        if not name.startswith("_") and name != "thread_factory":
            assert len(inspect.getdoc(getattr(ThreadSet, name)) or "") > 15, name
    for name in ("__or__", "__ior__", "__len__", "__iter__"):
        assert vars(ThreadSet)[name].__doc__, name


@has_threads
def test_programs_for_cereggii_1_run() -> None:
    from cereggii.thread_set import ThreadSet as Threads

    class CustomThread(threading.Thread):
        pass

    numbers = set()

    @Threads.range(5)
    def workers(thread_id: int) -> None:
        numbers.add(thread_id)

    @Threads.with_args(Threads.Args(5, color="red"), Threads.Args(6, "blue"))
    def spam(thread_id: int, color: str) -> None:
        numbers.add(thread_id)

    @Threads.target
    def reader(thread_id: int, color: str) -> None:
        numbers.add(thread_id)

    threads = Threads(reader(7, "red"), CustomThread(target=numbers.add, args=(8,)))
    threads |= workers
    (threads | spam).start_and_join(join_timeout=PATIENCE)
    assert numbers == {*range(9)}
    assert len(threads) == 7
    assert list(threads.is_alive()) == [False] * 7


def test_a_copy_has_the_same_threads_and_is_another_set() -> None:
    threads = ThreadSet(threading.Thread())
    copied = copy.copy(threads)
    assert [*copied] == [*threads]
    copied |= ThreadSet(threading.Thread())
    assert (len(copied), len(threads)) == (2, 1)


@pytest.mark.parametrize("make_copy", [copy.deepcopy, pickle.dumps])
def test_threads_are_not_copied_deeply_and_nothing_is_left_of_the_try(
    make_copy: Callable[[Any], Any],
) -> None:
    threads = ThreadSet(threading.Thread(), threading.Thread())
    with pytest.raises(TypeError):
        make_copy(threads)  # a half-made copy would be reported when it is freed
    gc.collect()


def test_an_object_that_is_not_callable_is_not_a_target() -> None:
    with pytest.raises(TypeError, match="5"):
        ThreadSet.repeat(3)(5)  # type: ignore[arg-type]
