# SPDX-License-Identifier: Apache-2.0
"""The differences from cereggii 1.x: what is new or fixed, and what a program can do no longer."""

from __future__ import annotations

import operator
import pickle
import signal
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tools.testing.concurrency import Task, eventually, give_time_to_block, run_threads

from .cereggii_1 import (
    ANY,
    EXPECTATION_FAILED,
    MAX,
    MIN,
    NOT_FOUND,
    AtomicBool,
    AtomicCache,
    AtomicDict,
    AtomicEvent,
    AtomicInt64,
    AtomicRef,
    CountDownLatch,
    Decorator,
    Fill,
    Make,
    ReadersWriterLock,
    ThreadHandle,
    ThreadSet,
    add,
    call_once,
    cannot_run_in_1,
    differs,
    has_threads,
    items,
    no_longer,
)

# ── new and fixed behaviour ────────────────────────────────────────────────────────────────────


@differs
@pytest.mark.parametrize(
    "use",
    [
        pytest.param(lambda n: n.bit_length() == 4, id="bit_length"),
        pytest.param(lambda n: n.as_integer_ratio() == (13, 1), id="as_integer_ratio"),
        pytest.param(lambda n: n.conjugate() == 13, id="conjugate"),
        pytest.param(lambda n: n.to_bytes(2, "big") == b"\0\x0d", id="to_bytes"),
        pytest.param(lambda n: (n.real, n.imag) == (13, 0), id="complex"),
        pytest.param(lambda n: (n.numerator, n.denominator) == (13, 1), id="rational"),
        pytest.param(lambda n: n.from_bytes(b"\x0d") == 13, id="from_bytes"),
        pytest.param(lambda n: round(n) == 13, id="round"),
        pytest.param(lambda n: f"{n:03d}" == "013", id="format"),
        pytest.param(lambda n: str(n) == f"{n}" == "13", id="str"),
        pytest.param(lambda n: n.increment_and_get(amount=2) == 15, id="amount"),
        pytest.param(lambda n: n.update_and_get(callable=abs) == 13, id="callable"),
        pytest.param(lambda n: weakref.ref(n)() is n, id="weak reference"),
        pytest.param(lambda n: pickle.loads(pickle.dumps(n)).get() == 13, id="pickle"),
    ],
)
def test_new_of_ints(use: Callable[[Any], bool]) -> None:
    assert use(AtomicInt64(13))


@differs
@pytest.mark.parametrize(
    ("change", "value", "operand"),
    [
        (operator.ifloordiv, -30, 7),
        (operator.ifloordiv, 30, -7),
        (operator.imod, -7, 5),
        (operator.imod, 7, -5),
    ],
)
def test_in_place_division_rounds_as_in_python(change: Make, value: int, operand: int) -> None:
    assert change(AtomicInt64(value), operand).get() == change(value, operand)


@differs
@pytest.mark.parametrize(
    ("change", "operand", "error"),
    [
        (operator.itruediv, 2, TypeError),
        (operator.ilshift, 62, OverflowError),
        (operator.ilshift, 100, OverflowError),
        (operator.ilshift, -1, ValueError),
        (operator.irshift, -1, ValueError),
    ],
)
def test_in_place_operators_raise_as_in_python(
    change: Make, operand: int, error: type[Exception]
) -> None:
    number = AtomicInt64(30)
    with pytest.raises(error):
        change(number, operand)
    assert number.get() == 30


@differs
@pytest.mark.parametrize(
    "change", [operator.isub, operator.ifloordiv, operator.imod, operator.iand, operator.irshift]
)
def test_an_operand_may_be_too_large_where_the_result_is_not(change: Make) -> None:
    number = AtomicInt64(7)
    assert change(number, MAX + 1).get() == change(7, MAX + 1)


@cannot_run_in_1
def test_calls_that_crashed_1_give_a_result_or_an_error() -> None:
    assert pow(2, 3, AtomicInt64(7)) == 1
    number = AtomicInt64(MIN)
    with pytest.raises(OverflowError):
        number //= -1
    assert number.get() == MIN


@differs
def test_an_int_and_a_handle_can_be_added() -> None:
    number = AtomicInt64(7)
    assert [number + number.get_handle(), number - number.get_handle()] == [14, 0]


@differs
def test_a_handle_stays_a_handle_when_it_is_changed_in_place() -> None:
    handle = AtomicInt64(7).get_handle()
    handle += 1
    assert isinstance(handle, ThreadHandle)


@differs
@pytest.mark.parametrize("value", [10**6, "a text", b"bytes"])
def test_int_str_and_bytes_are_expected_by_value(value: Any) -> None:
    equal = pickle.loads(pickle.dumps(value))
    assert equal is not value
    assert AtomicRef(value).compare_and_set(equal, None)
    dictionary = AtomicDict({"a": value})
    dictionary.compare_and_set("a", equal, None)
    assert dictionary["a"] is None


@differs
@pytest.mark.parametrize(
    "use",
    [
        pytest.param(lambda d: "a" in d, id="in"),
        pytest.param(lambda d: list(d) == ["a"], id="iteration"),
        pytest.param(lambda d: d == {"a": 1}, id="equality"),
        pytest.param(lambda d: list(d.items()) == [("a", 1)], id="items"),
        pytest.param(lambda d: d.pop("a") == 1, id="pop"),
        pytest.param(lambda d: d.snapshot() == {"a": 1}, id="snapshot"),
        pytest.param(lambda d: repr(d) == "AtomicDict({'a': 1})", id="repr"),
        pytest.param(lambda d: len(d.get_handle()) == 1, id="len of a handle"),
        pytest.param(lambda d: type(d)([("a", 1)]) == d, id="pairs"),
        pytest.param(lambda d: type(d)(a=1) == d, id="keywords"),
        pytest.param(lambda d: type(d)(min_size=None) == {}, id="no min_size"),
        pytest.param(lambda d: pickle.loads(pickle.dumps(d)) == d, id="pickle"),
    ],
)
def test_new_of_dicts(use: Callable[[Any], bool]) -> None:
    assert use(AtomicDict({"a": 1}))


@differs
def test_dicts_are_compared_by_value_and_so_have_no_hash() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(AtomicDict())


@differs
def test_there_may_be_any_number_of_dicts() -> None:
    dictionaries = [AtomicDict({0: number}) for number in range(1200)]
    assert [dictionary[0] for dictionary in dictionaries] == list(range(1200))


@differs
def test_a_constant_is_never_in_a_dict_nor_asked_for() -> None:
    with pytest.raises(ValueError, match="NOT_FOUND"):
        AtomicDict({NOT_FOUND: 1})
    with pytest.raises(ValueError, match="NOT_FOUND"):
        AtomicDict().get(NOT_FOUND)


@differs
def test_constants_are_pickled_as_what_they_are() -> None:
    for constant in (NOT_FOUND, ANY, EXPECTATION_FAILED):
        assert pickle.loads(pickle.dumps(constant)) is constant


@differs
def test_reduce_and_and_reduce_or_do_what_their_documentation_says() -> None:
    dictionary = AtomicDict({"current": 5})
    dictionary.reduce_or([("current", 7), ("absent", 7)])
    assert repr(sorted(items(dictionary).items())) == "[('absent', True), ('current', 5)]"


@differs
def test_reduce_list_keeps_a_list_that_it_was_given_as_it_was() -> None:
    dictionary = AtomicDict()
    dictionary.reduce_list([("a", mine := [1])])
    assert dictionary["a"] is not mine
    assert dictionary["a"] == mine


@differs
def test_reduce_count_takes_any_mapping_and_pairs_need_not_be_tuples() -> None:
    dictionary = AtomicDict()
    dictionary.reduce_count(AtomicDict({"a": 5}))
    dictionary.reduce_sum([["a", 1]])
    assert items(dictionary) == {"a": 6}


@differs
def test_batch_getitem_takes_a_subclass_of_dict() -> None:
    assert AtomicDict({"a": 1}).batch_getitem(OrderedDict(a=0)) == {"a": 1}


@differs
def test_a_bool_is_strict_from_the_start_and_true_if_its_value_is() -> None:
    assert (bool(AtomicBool(False)), bool(AtomicBool(True))) == (False, True)
    with pytest.raises(TypeError):
        AtomicBool(1)


@differs
def test_waiting_takes_a_timeout_and_tells_whether_it_was_over() -> None:
    event, latch, lock = AtomicEvent(), CountDownLatch(1), ReadersWriterLock()
    assert event.wait(timeout=0.001) is latch.wait(timeout=0.001) is False
    event.set()
    latch.decrement()
    assert event.is_set() is event.wait() is latch.wait() is True
    assert lock.reader(timeout=0.001).acquire() is True


@cannot_run_in_1
@pytest.mark.thread_unsafe(reason="signal handlers are run by the main thread only")
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs timers that send signals")
@pytest.mark.parametrize("make", [AtomicEvent, lambda: CountDownLatch(1)], ids=["event", "latch"])
def test_a_signal_ends_waiting(make: Make) -> None:
    class Interrupted(BaseException):
        pass

    def interrupt(*_: Any) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Interrupted):
            make().wait()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@differs
def test_exceptions_are_not_cached() -> None:
    results: Iterator[Any] = iter([LookupError(), "value"])

    def fill(_key: int) -> Any:
        result = next(results)
        if isinstance(result, Exception):
            raise result
        return result

    cache = AtomicCache(fill)
    with pytest.raises(LookupError):
        cache[1]
    assert 1 not in cache
    assert cache[1] == "value"


@cannot_run_in_1
@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit])
def test_an_exception_that_ends_a_program_is_not_a_result(ending: type[BaseException]) -> None:
    for make in (call_once, AtomicCache.memoize(), AtomicCache.memoize(ttl=3600.0)):
        endings = iter([ending])

        def work(endings: Iterator[type[BaseException]] = endings) -> str:
            for end in endings:
                raise end
            return "done"

        function = make(work)
        with pytest.raises(ending):
            function()
        assert function() == "done"


@cannot_run_in_1
def test_waiting_for_oneself_is_an_error() -> None:
    once: Any = call_once(lambda: once())
    cache: Any = AtomicCache(lambda key: cache[key])
    limited: Any = AtomicCache(lambda key: limited[key], ttl=3600.0)
    for ask in (once, lambda: cache[1], lambda: limited[1]):
        with pytest.raises(RuntimeError):
            ask()
    lock = ReadersWriterLock()
    with lock.reader(), pytest.raises(RuntimeError):
        lock.writer().acquire()
    with lock.writer(), lock.reader():
        pass


@differs
def test_a_lock_that_is_not_held_is_not_released() -> None:
    lock = ReadersWriterLock()
    for side in (lock.reader(), lock.writer()):
        with pytest.raises(RuntimeError):
            side.release()


@differs
@has_threads
def test_a_reader_waits_behind_a_waiting_writer() -> None:
    lock = ReadersWriterLock()
    order = []

    def nobody_gets_in() -> bool:
        side = lock.reader(timeout=0)
        if side.acquire():
            side.release()
            return False
        return True

    def write() -> None:
        with lock.writer():
            order.append("writer")

    def read() -> None:
        with lock.reader():
            order.append("reader")

    with lock.reader():
        writer = Task(write)
        writer.start()
        assert eventually(lambda: run_threads(nobody_gets_in) == [True])
        reader = Task(read)
        reader.start()
        give_time_to_block()
        order.append("first")
    writer.result()
    reader.result()
    assert order == ["first", "writer", "reader"]


@differs
def test_methods_are_memoized_with_their_instance() -> None:
    memoize: Decorator = AtomicCache.memoize()

    class Thing:
        @memoize
        def double(self, number: int) -> tuple[Any, int]:
            return self, 2 * number

    thing = Thing()
    assert thing.double(4) == (thing, 8)
    assert thing.double(4) is thing.double(4)


@differs
def test_a_thread_handle_gives_the_text_of_its_object_and_iterates_with_it() -> None:
    assert (str(ThreadHandle(5)), f"{ThreadHandle(5):03d}") == ("5", "005")
    assert next(ThreadHandle(iter([1]))) == 1


# ── other uses, and uses that are no longer possible ───────────────────────────────────────────


@pytest.mark.parametrize("make", [AtomicInt64, AtomicRef, AtomicDict, AtomicBool])
def test_a_handle_is_an_instance_of_the_class_of_its_object(make: type[Any]) -> None:
    assert isinstance(make().get_handle(), make)


@no_longer
def test_a_handle_has_what_a_subclass_has() -> None:
    class Tickets(AtomicInt64):  # type: ignore[misc, valid-type]
        def take(self) -> int:
            return int(self.get_and_increment())

    assert Tickets(5).get_handle().take() == 5


@no_longer
def test_a_handle_does_what_a_subclass_does() -> None:
    class Doubled(AtomicInt64):  # type: ignore[misc, valid-type]
        def get(self) -> int:
            return int(super().get()) * 2

    assert Doubled(5).get_handle().get() == 10


@no_longer
def test_a_subclass_of_an_int_need_not_initialize_it_and_may_do_so_again() -> None:
    class Named(AtomicInt64):  # type: ignore[misc, valid-type]
        def __init__(self, name: str) -> None:
            self.name = name

    number = Named("spam")
    assert number.get() == 0
    AtomicInt64.__init__(number, 5)
    assert number.get() == 5


def test_a_cache_takes_attributes() -> None:
    cache = AtomicCache(Fill())
    cache.name = "spam"
    assert cache.name == "spam"


@no_longer
def test_a_bool_takes_attributes() -> None:
    AtomicBool().name = "spam"


def test_thread_handle_can_be_derived_from() -> None:
    class Handle(ThreadHandle):  # type: ignore[misc, valid-type]
        pass

    handle = Handle(5)
    assert handle + 1 == 6
    assert isinstance(handle, ThreadHandle)


def test_a_cache_is_true_even_if_it_is_empty() -> None:
    assert AtomicCache(Fill())


@no_longer
def test_a_cache_holds_whatever_was_computed() -> None:
    for options in ({"ttl": 3600.0}, {}):
        cache = AtomicCache(lambda _: NOT_FOUND, **options)
        assert cache[1] is NOT_FOUND
        assert 1 in cache


def test_a_value_that_expires_at_once_is_computed_every_time() -> None:
    cache = AtomicCache(fill := Fill(), ttl=0)
    assert cache[1] == cache[1] == [1]
    assert 1 not in cache
    assert fill.calls == [1, 1]


@no_longer
def test_a_reduce_whose_input_fails_changes_nothing() -> None:
    def pairs() -> Iterator[tuple[str, int]]:
        yield "a", 1
        raise LookupError

    dictionary = AtomicDict({"a": 5})
    with pytest.raises(LookupError):
        dictionary.reduce_sum(pairs())
    with pytest.raises(LookupError):
        dictionary.reduce(pairs(), add)
    assert items(dictionary) == {"a": 5}


@no_longer
def test_an_input_that_is_not_a_pair_is_a_type_error() -> None:
    for wrong in ([("a",)], [("a", 1, 2)], {"b": 2}):
        with pytest.raises(TypeError):
            AtomicDict().reduce_sum(wrong)


@no_longer
def test_a_min_size_that_no_dict_has_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="min_size"):
        AtomicDict(min_size=2**56 + 1)


def test_a_star_import_leaves_the_version_of_the_importing_module() -> None:
    namespace: dict[str, Any] = {"__version__": "mine"}
    exec("from cereggii import *", namespace)
    assert namespace["__version__"] == "mine"


@no_longer
def test_every_call_raises_the_very_exception_of_the_only_call() -> None:
    @call_once
    def fail() -> None:
        raise LookupError

    raised = []
    for _ in range(2):
        with pytest.raises(LookupError) as caught:
            fail()
        raised.append(caught.value)
    assert raised[0] is raised[1]


@no_longer
@has_threads
def test_threads_report_what_they_raise_and_join_returns_none() -> None:
    def fail() -> None:
        raise LookupError

    reported = []
    before, threading.excepthook = threading.excepthook, reported.append
    try:
        assert ThreadSet.repeat(2)(fail).start_and_join() is None
    finally:
        threading.excepthook = before
    assert len(reported) == 2
