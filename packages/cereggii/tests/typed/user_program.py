# SPDX-License-Identifier: Apache-2.0
"""A program that uses every type in every way: it runs, and every type checker accepts it."""

import json
import threading
from collections import Counter
from collections.abc import ItemsView, KeysView, ValuesView
from decimal import Decimal
from fractions import Fraction
from typing import Any, assert_type

import cereggii
from cereggii import (
    ANY,
    EXPECTATION_FAILED,
    NOT_FOUND,
    AtomicBool,
    AtomicBoolHandle,
    AtomicCache,
    AtomicCounter,
    AtomicCounterHandle,
    AtomicDict,
    AtomicDictHandle,
    AtomicEvent,
    AtomicFloat,
    AtomicFloatHandle,
    AtomicFloatSum,
    AtomicFloatSumHandle,
    AtomicInt,
    AtomicInt64,
    AtomicIntHandle,
    AtomicKeyedCounter,
    AtomicKeyedCounterHandle,
    AtomicRef,
    AtomicRefHandle,
    AtomicSet,
    AtomicSetHandle,
    AtomicStampedRef,
    ConcurrentUsageDetected,
    CountDownLatch,
    ExpectationFailed,
    ReadersWriterLock,
    ThreadHandle,
    ThreadSet,
    call_once,
    once_property,
    to_builtin,
)


def integers(number: AtomicInt | AtomicIntHandle) -> None:
    number.set(5)
    assert_type(number.get(), int)
    assert_type(number.get_and_set(6), int)
    assert_type(number.compare_and_set(6, 7), bool)
    assert_type(number.compare_and_set(expected=7, desired=8), bool)
    assert_type(number.compare_and_exchange(8, updated=9), int)
    assert_type(number.compare_and_exchange(9, desired=10), int)
    assert_type(number.increment_and_get() + number.get_and_increment(2), int)
    assert_type(number.decrement_and_get(None) + number.get_and_decrement(amount=1), int)
    assert_type(number.get_and_or(1) | number.get_and_and(7) | number.get_and_xor(1), int)
    assert_type(number.get_and_max(3) + number.get_and_min(100), int)
    assert_type(number.update_and_get(lambda n: n + 1), int)
    assert_type(number.get_and_update(callable=lambda n: n + 1), int)
    assert_type(number.accumulate_and_get("abc", lambda n, text: n + len(text)), int)
    assert_type(number.get_and_accumulate(2.5, callable=lambda n, x: n + int(x)), int)
    assert_type(number.wait_while(10**6, timeout=0.5), bool)
    number.notify_one()
    number.notify_all()
    assert_type(number + 1, int)
    assert_type(1 - number, int)
    assert_type(number * number, int)
    assert_type(number / 2, float)
    assert_type(number // 2 % 3, int)
    assert_type(number + 0.5, float)
    assert_type(0.5 * number, float)
    assert_type(number + 1j, complex)
    assert_type(number * Fraction(1, 2), Fraction)
    assert_type(number - Decimal(1), Decimal)
    assert_type(divmod(number, 3), tuple[int, int])
    assert_type(-number, int)
    assert_type(~number & 255 | number ^ 3, int)
    assert_type(number << 1 >> 1, int)
    assert_type(abs(number), int)
    assert_type(number < 10**9, bool)
    assert_type(number == 5.0, bool)
    assert_type([7, 8, 9][number - number], int)
    assert_type(int(number), int)
    assert_type(round(number), int)
    assert_type(number.bit_length() + number.real + number.denominator, int)
    assert_type(number.to_bytes(8, "little", signed=True), bytes)
    assert_type(AtomicInt.from_bytes(b"5", "little"), AtomicInt)
    assert_type(number.is_integer(), bool)
    assert_type(number.get_handle(), AtomicIntHandle)


def integers_in_place() -> None:
    number = before = AtomicInt(5)
    number += 1
    number *= 2
    number //= 2
    number -= 1
    number %= 10**6
    number <<= 1
    number >>= 1
    number |= 1
    number &= 2**32
    number ^= 1
    number **= 1
    assert number is before
    handle = same = AtomicInt(5).get_handle()
    handle += 1
    handle *= 2
    handle //= 2
    handle -= 1
    handle %= 10**6
    handle <<= 1
    handle >>= 1
    handle |= 1
    handle &= 2**32
    handle ^= 1
    handle **= 1
    assert handle is same


def floats(number: AtomicFloat | AtomicFloatHandle) -> None:
    number.set(5)
    assert_type(number.get(), float)
    assert_type(number.get_and_set(Fraction(13, 2)), float)
    assert_type(number.compare_and_set(6.5, 7), bool)
    assert_type(number.compare_and_set(expected=7, desired=Decimal(8)), bool)
    assert_type(number.compare_and_exchange(8, updated=9.5), float)
    assert_type(number.increment_and_get() + number.get_and_increment(2), float)
    assert_type(number.decrement_and_get(None) + number.get_and_decrement(amount=0.5), float)
    assert_type(number.get_and_max(3) + number.get_and_min(AtomicInt(100)), float)
    assert_type(number.update_and_get(lambda x: x + 1), float)
    assert_type(number.get_and_update(callable=lambda x: x / 2), float)
    assert_type(number.accumulate_and_get("abc", lambda x, text: x + len(text)), float)
    assert_type(number.get_and_accumulate(2, callable=lambda x, y: x**y), float)
    assert_type(number.wait_while(1e6, timeout=0.5), bool)
    number.notify_one()
    number.notify_all()
    assert_type(number + 1, float)
    assert_type(1 - number, float)
    assert_type(number * number, float)
    assert_type(number / Fraction(1, 2), float)
    assert_type(number // 2 % 3, float)
    assert_type(number + 1j, complex)
    assert_type(divmod(number, 3), tuple[float, float])
    assert_type(-number + abs(number), float)
    assert_type(number < 10**9, bool)
    assert_type(number == 5, bool)
    assert_type(int(number), int)
    number.set(float(number))
    assert_type(round(number), int)
    assert_type(round(number, 2), float)
    assert_type(number.real + number.imag + number.conjugate(), float)
    assert_type(number.as_integer_ratio(), tuple[int, int])
    assert_type(number.hex(), str)
    assert_type(number.is_integer(), bool)
    assert_type(number.get_handle(), AtomicFloatHandle)
    assert_type(AtomicFloat.fromhex("0x1p3"), AtomicFloat)
    assert_type(AtomicFloatHandle.from_number(3), AtomicFloat)


def floats_in_place() -> None:
    number = before = AtomicFloat(5)
    number += 0.5
    number -= 1
    number *= Fraction(1, 2)
    number /= AtomicInt(2)
    number //= Decimal(1)
    number %= 7
    number **= 2
    assert number is before
    handle = same = AtomicFloat(5).get_handle()
    handle += 0.5
    handle /= 2
    assert handle is same
    total = AtomicFloatSum(5)
    total += 0.5
    total -= 1
    total.add()
    total.add(n=0.25)
    assert_type(total.get_handle(), AtomicFloatSumHandle)
    assert_type(total.sum() + total.get() + total.sum_and_reset(), float)
    total.reset()


def counters() -> None:
    counter = AtomicCounter(5)
    counter += 2
    counter -= 1
    counter.add()
    counter.add(n=2)
    assert_type(counter.get_handle(), AtomicCounterHandle)
    assert_type(counter.sum() + counter.get() + counter.sum_and_reset(), int)
    counter.reset()


def references() -> None:
    ref = AtomicRef("text")
    assert_type(ref, AtomicRef[str])
    handle = ref.get_handle()
    assert_type(handle, AtomicRefHandle[str])
    for each in (ref, handle):
        each.set("other")
        assert_type(each.get(), str)
        assert_type(each.get_and_set("third"), str)
        assert_type(each.compare_and_set("third", desired="fourth"), bool)
        assert_type(each.compare_and_exchange("fourth", "fifth"), str)
        assert_type(each.update_and_get(str.upper), str)
        assert_type(each.get_and_update(callable=str.lower), str)
        assert_type(each.accumulate_and_get(3, lambda text, n: text * n), str)
        assert_type(each.wait_while("nothing", 0), bool)
    empty: AtomicRef[int | None] = AtomicRef()
    assert_type(empty.get(), int | None)
    stamped = AtomicStampedRef("text", stamp=1)
    assert_type(stamped.get(), tuple[str, int])
    stamped.set("other", 2)
    assert_type(stamped.compare_and_set("other", "new", 2, 3), bool)
    stamped.compare_and_set("new", desired="newer", expected_stamp=3, updated_stamp=4)


def flags(flag: AtomicBool | AtomicBoolHandle) -> None:
    flag.set(False)
    flag.set_or_raise()
    assert_type(flag.get(), bool)
    flag.reset_or_raise()
    assert_type(flag.get_and_set(True), bool)
    assert_type(flag.compare_and_set(True, False), bool)
    assert_type(flag.get_handle(), AtomicBoolHandle)
    event = AtomicEvent()
    event.set()
    assert_type(event.wait(timeout=1) and event.is_set(), bool)
    event.clear()


def dicts(mapping: AtomicDict[str, int] | AtomicDictHandle[str, int]) -> None:
    mapping["a"] = len("x")
    assert_type(mapping["a"], int)
    assert_type(mapping.get("b"), int | None)
    assert_type(mapping.get("b", 5), int)
    none: list[None] = []
    assert_type(mapping.pop("b", none), int | list[None])
    assert_type(mapping.setdefault("b", 2), int)
    assert_type("a" in mapping, bool)
    assert_type(len(mapping), int)
    assert_type(list(mapping), list[str])
    assert_type(mapping.keys(), KeysView[str])
    assert_type(mapping.values(), ValuesView[int])
    assert_type(mapping.items(), ItemsView[str, int])
    mapping.update({"c": 3}, d=4)
    assert_type(mapping | {"f": 6}, AtomicDict[str, int])
    assert_type(mapping | {7: b"seven"}, AtomicDict[str | int, int | bytes])
    assert_type(mapping.copy(), AtomicDict[str, int])
    assert_type(mapping.snapshot(), dict[str, int])
    mapping.compare_and_set("a", expected=1, updated=2)
    mapping.compare_and_set("a", ANY, desired=3)
    mapping.compare_and_set("g", NOT_FOUND, 7)
    mapping.compare_and_exchange("g", 7, desired=8)
    mapping.get_and_set("g", desired=9)
    mapping.compare_and_delete("g", 9)
    assert_type(mapping.get_or_compute("h", len, timeout=1), int)
    mapping.compute("h", lambda key, found: 1 if found is NOT_FOUND else len(key))
    mapping.merge("h", 5, int.__add__)
    assert_type(mapping.remove_if(lambda key, value: value > 100), int)
    mapping.reduce([("a", 1)], lambda key, found, new: new if found is NOT_FOUND else found + new)
    mapping.reduce(iterable=[("a", 1)], aggregate=lambda key, found, new: new)
    mapping.reduce_sum([("a", 1)])
    mapping.reduce_sum({"a": 1})
    mapping.reduce_max(iterable=[("a", 1)])
    mapping.reduce_count(["a", "a"])
    mapping.batch_getitem({"a": None}, chunk_size=10)
    for key, value in mapping.fast_iter(partitions=2, this_partition=1):
        assert_type((key, value), tuple[str, int])
    assert_type(mapping.len_bounds(), tuple[int, int])
    assert_type(mapping.approx_len(), int)
    mapping.reserve(100)
    assert_type(mapping.get_handle(), AtomicDictHandle[str, int])
    del mapping["a"]
    assert_type(mapping.popitem(), tuple[str, int])
    mapping.clear()
    assert_type(AtomicDict(a=1), AtomicDict[str, int])
    assert_type(AtomicDict({1: 2.5}, min_size=5, immortal=False), AtomicDict[int, float])
    pairs: list[tuple[int, str]] = [(1, "x")]
    by_number = AtomicDict(pairs)
    by_number |= pairs
    by_number |= {2: "y"}
    assert_type(by_number.get(2), str | None)
    handle = by_number.get_handle()
    handle |= pairs
    assert_type(handle, AtomicDictHandle[int, str])
    assert_type(AtomicDict(initial={1: 2.5}, buffer_size=4), AtomicDict[int, float])
    assert_type(AtomicDict.fromkeys(["a"], 5), AtomicDict[str, int])


def sets(elements: AtomicSet[str] | AtomicSetHandle[str]) -> None:
    assert_type(elements.add("a"), bool)
    assert_type(elements.discard("b"), bool)
    assert_type("a" in elements, bool)
    assert_type(len(elements), int)
    assert_type(list(elements), list[str])
    assert_type(elements.snapshot(), frozenset[str])
    assert_type(elements.copy(), AtomicSet[str])
    elements.update(["b"], {"c"}, AtomicSet(["d"]))
    elements.difference_update([5], ("d",))
    elements.intersection_update({"a", "b", "c", 5})
    elements.symmetric_difference_update(["c", "e"])
    assert_type(elements | {"f"}, AtomicSet[str])
    assert_type(elements | {5}, AtomicSet[str | int])
    assert_type(elements & {"a", 5}, AtomicSet[str])
    assert_type(elements - {5: 6}.keys(), AtomicSet[str])
    assert_type(elements ^ frozenset([5]), AtomicSet[str | int])
    assert_type({5} | elements, set[int | str])
    assert_type(elements.union([5], {6}), AtomicSet[str | int])
    assert_type(elements.intersection([5], ["a"]), AtomicSet[str])
    assert_type(elements < {"a"} or elements >= {"a"} or elements == 5, bool)
    assert_type(elements.issubset([5]) or elements.isdisjoint("abc"), bool)
    assert_type(elements.remove_if(lambda element: len(element) > 5), int)
    for element in elements.fast_iter(partitions=2, this_partition=1):
        assert_type(element, str)
    assert_type(elements.approx_len(), int)
    elements.reserve(100)
    assert_type(elements.get_handle(), AtomicSetHandle[str])
    elements.add("last")
    assert_type(elements.pop(), str)
    elements.clear()
    numbers = AtomicSet([1, 2], immortal=False)
    assert_type(numbers, AtomicSet[int])
    numbers |= {3}
    numbers -= {"a"}
    handle = numbers.get_handle()
    handle ^= numbers
    assert_type(handle, AtomicSetHandle[int])
    assert_type(to_builtin(numbers), set[Any])
    assert_type(ThreadHandle.unwrap(handle), AtomicSet[int])


def keyed_counters() -> None:
    counter = AtomicKeyedCounter(["a", "a", "b"])
    assert_type(counter, AtomicKeyedCounter[str])
    assert_type(AtomicKeyedCounter({1: 5}), AtomicKeyedCounter[int])
    handle = counter.get_handle()
    assert_type(handle, AtomicKeyedCounterHandle[str])
    for each in (counter, handle):
        assert_type(each["z"], int)
        assert_type(each.add("a", amount=2), int)
        each.update("abc")
        each.update({"a": 1}, b=2)
        each.subtract(Counter("c"))
        assert_type(each.most_common(2), list[tuple[str, int]])
        assert_type([*each.elements()], list[str])
        assert_type(each.total(), int)
        assert_type(each + Counter("ab"), AtomicKeyedCounter[str])
        assert_type(Counter(["a", "b"]) - each, AtomicKeyedCounter[str])
        assert_type(each + AtomicKeyedCounter([1]), AtomicKeyedCounter[str | int])
        assert_type(each | counter, AtomicKeyedCounter[str])
        assert_type(each & handle, AtomicKeyedCounter[str])
        assert_type(+each, AtomicKeyedCounter[str])
        assert_type(each <= counter, bool)
        assert_type(each.snapshot(), dict[str, int])
    assert_type(counter.copy(), AtomicKeyedCounter[str])
    assert_type(handle.copy(), AtomicKeyedCounter[str])
    before = counter
    counter += {"a": 5}
    counter -= Counter(["a"])
    counter |= handle
    counter &= counter
    assert counter is before


@AtomicCache.memoize
def area(width: int, height: float = 1.0) -> float:
    return width * height


class Shape:
    @AtomicCache.memoize(ttl=60, maxsize=100)
    def side(self, number: int) -> str:
        return f"side {number}"

    @classmethod
    @AtomicCache.memoize
    def named(cls, name: str) -> list[str]:
        return [name]

    @staticmethod
    @AtomicCache.memoize(maxsize=5)
    def unit(size: int) -> bytes:
        return bytes(size)


def caches() -> None:
    cache = AtomicCache(len, ttl=60, maxsize=10)
    assert_type(cache["text"], int)
    squares: AtomicCache[int, str] = AtomicCache(lambda n: f"{n * n}")
    assert_type(squares[5], str)
    assert_type(squares.get(6), str | None)
    assert_type(squares.get(6, "none"), str)
    assert_type(squares.keys(), KeysView[int])
    assert_type(squares.items(), ItemsView[int, str])
    assert_type(squares.snapshot(), dict[int, str])
    squares.invalidate(5, timeout=1)
    squares.clear()

    assert_type(area(2, height=2.5), float)
    area.invalidate(2, height=2.5)
    area.clear()
    assert_type(Shape().side(1), str)
    Shape().side.invalidate(number=1)
    assert_type(Shape.side(Shape(), 1), str)
    assert_type(Shape.named("x"), list[str])
    assert_type(Shape().named("x"), list[str])
    Shape.named.invalidate("x")
    Shape.named.clear()
    assert_type(Shape.unit(2), bytes)
    assert_type(Shape().unit(size=2), bytes)
    Shape.unit.invalidate(2)


@call_once
def configuration(path: str = "") -> dict[str, str]:
    return {"path": path}


@call_once(timeout=5)
def connection() -> int:
    return 5


class Report:
    @once_property
    def total(self) -> int:
        return 5

    @once_property(timeout=5)
    def lines(self) -> list[str]:
        return ["line"]


def threads() -> None:
    assert_type(configuration(path="x"), dict[str, str])
    assert_type(connection(), int)
    connection.reset()
    report = Report()
    assert_type(report.total, int)
    assert_type(report.lines, list[str])
    assert_type(Report.total, once_property[int])
    del report.total

    done = CountDownLatch(4)
    lock = ReadersWriterLock()
    seen: AtomicDict[int, str] = AtomicDict()

    @ThreadSet.range(2)
    def by_number(number: int) -> None:
        with lock.writer():
            seen[number] = threading.current_thread().name
        done.decrement()

    @ThreadSet.with_args(ThreadSet.Args(1, name="x"))
    def by_arguments(number: int, name: str) -> None:
        with lock.reader():
            done.decrement()

    @ThreadSet.repeat(1, name="alike", daemon=True)
    def alike() -> None:
        done.decrement()

    everyone: ThreadSet = by_number | by_arguments | alike
    assert_type(everyone.start_and_join(), bool)
    assert_type(everyone.join(timeout=1), bool)
    assert_type(everyone.results(), list[Any])
    assert_type(everyone.any_is_alive(), bool)
    assert_type(len(everyone), int)
    assert_type(list(everyone), list[threading.Thread])
    assert_type(done.wait(timeout=5), bool)
    assert_type(done.get() + done.decrement_and_get(), int)

    @ThreadSet.target
    def one(number: int) -> str:
        return f"{number}"

    thread = one(5)
    assert_type(thread, threading.Thread)
    thread.start()
    thread.join()


def handles_and_the_rest() -> None:
    handle = ThreadHandle([1, 2])
    assert_type(ThreadHandle.unwrap(handle), list[int])
    handle.append(3)
    assert len(handle) == 3

    assert_type(to_builtin(AtomicInt(1)), int)
    assert_type(to_builtin(AtomicFloat(1)), float)
    assert_type(to_builtin(AtomicFloatSum(1)), float)
    assert_type(ThreadHandle.unwrap(AtomicFloat(1).get_handle()), AtomicFloat)
    assert_type(to_builtin(AtomicBool(True).get_handle()), bool)
    assert_type(to_builtin(AtomicDict(a=1)), dict[Any, Any])
    assert json.dumps({"a": AtomicInt(1)}, default=to_builtin) == '{"a": 1}'

    try:
        AtomicDict(a=1).compare_and_set("a", 2, 3)
    except (ExpectationFailed, ConcurrentUsageDetected) as error:
        assert_type(error, ExpectationFailed | ConcurrentUsageDetected)
    assert EXPECTATION_FAILED is not NOT_FOUND
    assert_type(cereggii.__version__, str)


class Stamps(AtomicDict[str, AtomicRef[int]]):
    """Derived, and of atomic values."""

    def latest(self, key: str) -> int:
        return self.get_or_compute(key, lambda _: AtomicRef(0)).get()


def main() -> None:
    integers(AtomicInt())
    integers_in_place()
    integers(AtomicInt64(3, immortal=False).get_handle())
    floats(AtomicFloat())
    floats(AtomicFloat(3.5, immortal=False).get_handle())
    floats_in_place()
    counters()
    references()
    flags(AtomicBool())
    flags(AtomicBool(True).get_handle())
    dicts(AtomicDict())
    dicts(AtomicDict(a=1).get_handle())
    sets(AtomicSet())
    sets(AtomicSet(["a"]).get_handle())
    keyed_counters()
    caches()
    threads()
    handles_and_the_rest()
    assert_type(Stamps().latest("a"), int)


if __name__ == "__main__":
    main()
