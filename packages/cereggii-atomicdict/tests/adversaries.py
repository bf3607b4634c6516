# SPDX-License-Identifier: Apache-2.0
"""Adversaries: programs that run in the middle of an operation, which has to survive them."""

from __future__ import annotations

import contextlib
import gc
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from cereggii_atomicdict import ANY, NOT_FOUND, AtomicDict, ExpectationFailed

from tools.testing.concurrency import PATIENCE

# ── programs in the middle of an operation ─────────────────────────────────────────────────────


class Provoked(Exception):  # noqa: N818 - no error of anybody's
    """Raised by a program that was called in the middle of an operation."""


class Trap:
    """Runs a program the first time that somebody steps on it, once it is set."""

    def __init__(self) -> None:
        self._program: Callable[[], Any] | None = None
        self.sprung = 0

    def set(self, program: Callable[[], Any]) -> None:
        self._program = program

    def step(self) -> None:
        program, self._program = self._program, None
        if program is not None:
            self.sprung += 1
            program()


class Key:
    """A key that steps on a trap when it is compared, and perhaps when it is hashed."""

    def __init__(
        self, name: str, trap: Trap, hash_: int = 5, hash_trap: Trap | None = None
    ) -> None:
        self.name = name
        self._trap = trap
        self._hash = hash_
        self._hash_trap = hash_trap

    def __eq__(self, other: object) -> bool:
        self._trap.step()
        return isinstance(other, Key) and self.name == other.name

    def __hash__(self) -> int:
        if self._hash_trap is not None:
            self._hash_trap.step()
        return self._hash

    def __repr__(self) -> str:
        return f"Key({self.name!r})"


Program: TypeAlias = Callable[[AtomicDict[Any, Any], Any], Any]


def insert_many(d: AtomicDict[Any, Any], _: Any) -> None:
    for n in range(500):
        d[n] = n


def grow_and_shrink(d: AtomicDict[Any, Any], _: Any) -> None:
    for _turn in range(2):
        insert_many(d, None)
        for n in range(500):
            d.pop(n, None)
    gc.collect(0)


def insert_again(d: AtomicDict[Any, Any], key: Any) -> None:
    value = d.pop(key, "was absent")
    d[key] = value


def clear_and_insert(d: AtomicDict[Any, Any], key: Any) -> None:
    d.clear()
    d["another"] = "value"
    d[key] = "again"


def look_at_all(d: AtomicDict[Any, Any], _: Any) -> None:
    assert len(d) == len(d.snapshot()) == len(list(d))
    assert repr(d)
    gc.collect(0)


def count_down(d: AtomicDict[Any, Any], key: Any) -> None:
    with contextlib.suppress(KeyError):
        while True:
            d.popitem()


# Each does something to the dict; the key is the one that is in it.
PROGRAMS: dict[str, Program] = {
    "insert many": insert_many,
    "grow and shrink": grow_and_shrink,
    "delete the key": lambda d, key: d.pop(key, None),
    "insert the key again": insert_again,
    "replace the value": lambda d, key: d.get_and_set(key, "replaced"),
    "clear": lambda d, key: d.clear(),
    "clear and insert": clear_and_insert,
    "pop all items": count_down,
    "reserve": lambda d, key: d.reserve(1000),
    "look at all": look_at_all,
    "sleep": lambda d, key: time.sleep(0.001),
}


def in_another_thread(program: Callable[[], Any]) -> None:
    """Let another thread run the program, and wait for it: it must not wait for us."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            program()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive(), "it waits for the operation in which it was started"
    assert errors == []


# ── the operations ─────────────────────────────────────────────────────────────────────────────

NEW = ["the new value"]


class Greatest:
    """Is greater than whatever is stored."""

    def __gt__(self, other: object) -> bool:
        return True

    def __lt__(self, other: object) -> bool:
        return False


GREATEST = Greatest()

# Each makes a call, and returns what has to be stored then, if nobody has written since: Ellipsis,
# if that can be anything.
Operation: TypeAlias = Callable[[Any, Any], Any]
ABSENT = None


def get(d: Any, key: Any) -> Any:
    d.get(key)
    return ...


def get_item(d: Any, key: Any) -> Any:
    with contextlib.suppress(KeyError):
        d[key]
    return ...


def contains(d: Any, key: Any) -> Any:
    assert isinstance(key in d, bool)
    return ...


def set_item(d: Any, key: Any) -> Any:
    d[key] = NEW
    return NEW


def update(d: Any, key: Any) -> Any:
    d.update([(key, NEW)])
    return NEW


def update_in_place(d: Any, key: Any) -> Any:
    d |= [(key, NEW)]
    return NEW


def set_default(d: Any, key: Any) -> Any:
    return NEW if d.setdefault(key, NEW) is NEW else ...


def get_and_set(d: Any, key: Any) -> Any:
    d.get_and_set(key, NEW)
    return NEW


def delete(d: Any, key: Any) -> Any:
    try:
        del d[key]
    except KeyError:
        return ...
    return ABSENT


def pop(d: Any, key: Any) -> Any:
    return ... if d.pop(key, None) is None else ABSENT


def insert_only(d: Any, key: Any) -> Any:
    try:
        d.compare_and_set(key, NOT_FOUND, NEW)
    except ExpectationFailed:
        return ...
    return NEW


def upsert(d: Any, key: Any) -> Any:
    d.compare_and_set(key, ANY, NEW)
    return NEW


def compare_and_set(d: Any, key: Any) -> Any:
    try:
        d.compare_and_set(key, "stored", NEW)
    except ExpectationFailed:
        return ...
    return NEW


def compare_and_exchange(d: Any, key: Any) -> Any:
    return NEW if d.compare_and_exchange(key, "stored", NEW) == "stored" else ...


def compare_and_delete(d: Any, key: Any) -> Any:
    try:
        d.compare_and_delete(key, "stored")
    except ExpectationFailed:
        return ...
    return ABSENT


def reduce(d: Any, key: Any) -> Any:
    d.reduce([(key, NEW)], lambda _key, _current, new: new)
    return NEW


def reduce_max(d: Any, key: Any) -> Any:
    d.reduce_max([(key, GREATEST)])
    return GREATEST


def reduce_list(d: Any, key: Any) -> Any:
    d.reduce_list([(key, NEW)])
    assert NEW == ["the new value"]
    return ...


def batch_getitem(d: Any, key: Any) -> Any:
    d.batch_getitem({key: None})
    return ...


OPERATIONS: dict[str, Operation] = {
    function.__name__: function
    for function in [
        *(get, get_item, contains, set_item, update, update_in_place, set_default, get_and_set),
        *(delete, pop, insert_only, upsert, compare_and_set, compare_and_exchange),
        *(compare_and_delete, reduce, reduce_max, reduce_list, batch_getitem),
    ]
}


@contextlib.contextmanager
def unchanged(d: AtomicDict[Any, Any]) -> Iterator[None]:
    """The dict has the same keys with the same values, by identity, before and after."""

    def content() -> dict[int, int]:
        return {id(key): id(value) for key, value in d.items()}

    before = content()
    yield
    assert content() == before
    assert len(d) == len(before)
