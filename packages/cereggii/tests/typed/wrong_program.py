# SPDX-License-Identifier: Apache-2.0
"""Mistakes: every type checker has to report each line that ends in `# error`, and no other."""

from collections import Counter

from cereggii import (
    AtomicBool,
    AtomicCache,
    AtomicCounter,
    AtomicDict,
    AtomicEvent,
    AtomicFloat,
    AtomicFloatHandle,
    AtomicFloatSum,
    AtomicInt,
    AtomicIntHandle,
    AtomicKeyedCounter,
    AtomicRef,
    AtomicSet,
    AtomicStampedRef,
    CountDownLatch,
    ReadersWriterLock,
    ThreadHandle,
    ThreadSet,
    call_once,
    once_property,
    to_builtin,
)

# The types are declared: otherwise some checkers give a variable the type of a wrong value.
number: AtomicInt = AtomicInt()
handle: AtomicIntHandle = number.get_handle()
AtomicInt("5")  # error
AtomicInt(1, 2)  # error
AtomicInt(immortal="yes")  # error
number.set("5")  # error
number.set(updated=5)  # error
number.get_and_set(1.5)  # error
number.compare_and_set(1)  # error
number.compare_and_set(1, 2, desired=3)  # error
number.compare_and_set(1, wanted=2)  # error
number.increment_and_get("1")  # error
number.update_and_get(lambda: 1)  # error
number.update_and_get(str)  # error
number.accumulate_and_get("text", lambda n, x: n + x)  # error
number.wait_while(1, "long")  # error
number.to_bytes(8, "middle")  # error
number.increment()  # error
number + "text"  # error
number << 0.5  # error
less = number < "text"  # error
text: str = number.get()  # error
handle.set(None)  # error


def in_place(number: AtomicInt, handle: AtomicIntHandle) -> None:
    number += 0.5  # error
    handle -= "text"  # error


def divided(number: AtomicInt) -> None:
    number /= 2  # error


def multiplied(handle: AtomicIntHandle) -> None:
    handle @= 2  # error


real: AtomicFloat = AtomicFloat()
real_handle: AtomicFloatHandle = real.get_handle()
AtomicFloat("5")  # error
AtomicFloat(1j)  # error
real.set("5")  # error
real.set(None)  # error
real.compare_and_set(1)  # error
real.update_and_get(str)  # error
real.bit_length()  # error
real.get_and_or(1)  # error
real + "text"  # error
real << 1  # error
real_less = real < "text"  # error
real_text: str = real.get()  # error
real_handle.wait_while(1, "long")  # error


def real_in_place(real: AtomicFloat) -> None:
    real += "text"  # error


def real_shifted(real: AtomicFloat) -> None:
    real <<= 1  # error


total: AtomicFloatSum = AtomicFloatSum()
total.add("1")  # error
total += 1j  # error
total + 1  # error

counter: AtomicCounter = AtomicCounter()
counter.add("1")  # error
counter += 0.5  # error
counter + 1  # error
counter.increment_and_get()  # error

ref = AtomicRef("text")
ref.set(5)  # error
ref.get_and_set(None)  # error
ref.get_and_set(desired="other")  # error
ref.compare_and_set("text", desired=5)  # error
ref.update_and_get(len)  # error
length: int = ref.get()  # error
ref.get_handle().set(b"text")  # error
stamped = AtomicStampedRef("text")
stamped.set("text")  # error
stamped.set("text", "stamp")  # error
stamped.compare_and_set("text", "other")  # error
stamped.get() + 1  # error

flag = AtomicBool()
AtomicBool(1)  # error
flag.set(1)  # error
flag.set(updated=True)  # error
flag.compare_and_set(False, None)  # error
flag.toggle()  # error
event = AtomicEvent()
event.wait("long")  # error
event.set(True)  # error

mapping = AtomicDict(a=1)
mapping[1] = 1  # error
mapping["a"] = "one"  # error
mapping[5]  # error
mapping.get(5)  # error
mapping.update({1: 1})  # error
mapping.compare_and_set("a", 1)  # error
mapping.compare_and_set("a", expected=1, updated="x")  # error
mapping.compare_and_set("a", expected=1, desired="x")  # error
mapping.get_and_set("a", "x")  # error
mapping.get_or_compute("a", 5)  # error
mapping.get_or_compute("a", lambda: 5)  # error
mapping.get_or_compute("a", str.upper)  # error
mapping.merge("a", 1, lambda a: a)  # error
mapping.reduce_sum([1, 2])  # error
mapping.reduce_sum(pairs=[("a", 1)], iterable=[("a", 1)])  # error
mapping.reduce([("a", 1)])  # error
mapping.fast_iter(parts=2)  # error
mapping.sorted()  # error
AtomicDict(5)  # error
AtomicDict(min_size="large")  # error
name: str = mapping.snapshot()["a"]  # error

elements: AtomicSet[str] = AtomicSet(["a"])
elements.add(5)  # error
elements.update([5])  # error
elements | [5]  # error
elements & ["a"]  # error
elements |= {5}  # error
elements.remove_if(5)  # error
elements.pop("a")  # error
AtomicSet(5)  # error
element: int = elements.pop()  # error

counts: AtomicKeyedCounter[str] = AtomicKeyedCounter(["a"])
counts.add(5)  # error
counts.add("a", "many")  # error
counts.update([5])  # error
counts + {"a": 1}  # error
counts - 1  # error
counts += 1  # error
counts.most_common("all")  # error
AtomicKeyedCounter(5)  # error
five: AtomicKeyedCounter[int] = counts + Counter(["a"])  # error
top: list[tuple[int, int]] = counts.most_common()  # error


@AtomicCache.memoize
def area(width: int, height: float = 1.0) -> float:
    return width * height


@AtomicCache.memoize(maxsize=5)
def volume(width: int, height: float = 1.0) -> float:
    return width * height


class Shape:
    @AtomicCache.memoize
    def side(self, number: int) -> str:
        return f"side {number}"

    @classmethod
    @AtomicCache.memoize
    def named(cls, name: str) -> list[str]:
        return [name]

    @staticmethod
    @AtomicCache.memoize
    def unit(size: int) -> bytes:
        return bytes(size)


area("2")  # error
area()  # error
area(2, depth=5)  # error
area.invalidate("2")  # error
area.forget(2)  # error
volume("2")  # error
side: int = area(2)  # error
Shape().side("1")  # error
Shape().side()  # error
Shape().side.invalidate("1")  # error
Shape().side.forget(1)  # error
Shape.named(5)  # error
Shape().named(5)  # error
Shape.named.invalidate(5)  # error
Shape.unit("1")  # error
Shape.unit.invalidate("1")  # error
AtomicCache.memoize(ttl="5")  # error
AtomicCache(5)  # error
AtomicCache(len, ttl="1")  # error
squares: AtomicCache[int, int] = AtomicCache(lambda n: n * n)
squares["2"]  # error
squares.get("2")  # error
square: str = squares[2]  # error


@call_once
def configuration() -> dict[str, str]:
    return {}


class Report:
    @once_property
    def total(self) -> int:
        return 5


title: str = Report().total  # error
once_property(5)  # error
configuration(5)  # error
CountDownLatch("1")  # error
ReadersWriterLock().reader(timeout="1")  # error
ThreadSet(5)  # error
ThreadHandle.unwrap(5)  # error
to_builtin()  # error
count: str = to_builtin(number)  # error
