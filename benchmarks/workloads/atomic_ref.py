# SPDX-License-Identifier: Apache-2.0
"""AtomicRef and its handle."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pkgutil import resolve_name
from typing import Any

from harness.registry import BUILTIN, CEREGGII, FT_UTILS, OURS, Setup, workload


class Item:
    """The stored object. Its references are counted, as those of almost all objects."""


class LockedAttribute:
    """The correct program without a library: an attribute, replaced with a lock held."""

    def __init__(self) -> None:
        self.value = Item()
        self.lock = threading.Lock()


def new(path: str) -> Setup:
    """A setup: a reference to an item."""
    return lambda _work: resolve_name(path)(Item())


def new_get_handle(path: str) -> Setup:
    """A setup: the function that a thread calls to get its own handle."""
    return lambda _work: resolve_name(path)(Item()).get_handle


def new_local_wrapper(_work: range) -> Callable[[], Any]:
    """The handle of ft_utils."""
    shared = resolve_name(FT_UTILS_REF)(Item())
    local_wrapper = resolve_name("ft_utils.concurrency:LocalWrapper")
    return lambda: local_wrapper(shared)


def locked_attribute(_work: range) -> LockedAttribute:
    """An attribute and its lock."""
    return LockedAttribute()


OUR_REF = "cereggii_atomicref:AtomicRef"
CEREGGII_REF = "cereggii:AtomicRef"
FT_UTILS_REF = "ft_utils.concurrency:AtomicReference"

REFS = {OURS: new(OUR_REF), CEREGGII: new(CEREGGII_REF), FT_UTILS: new(FT_UTILS_REF)}
HANDLES = {
    OURS: new_get_handle(OUR_REF),
    CEREGGII: new_get_handle(CEREGGII_REF),
    FT_UTILS: new_local_wrapper,
}


@workload("ref.get()", REFS)
def get(ref: Any, work: range) -> None:
    """Threads only read, always the same object."""
    for _ in work:
        ref.get()


@get.variant({BUILTIN: locked_attribute})
def _(obj: Any, work: range) -> None:
    """Reading an attribute needs no lock."""
    for _ in work:
        _value = obj.value


@workload("ref handle get()", HANDLES)
def handle_get(get_handle: Any, work: range) -> None:
    """Threads only read, each through its own handle."""
    h = get_handle()
    for _ in work:
        h.get()


@workload("ref.set()", REFS)
def set_(ref: Any, work: range) -> None:
    """Each thread stores its own object."""
    item = Item()
    for _ in work:
        ref.set(item)


@set_.variant({BUILTIN: locked_attribute})
def _(obj: Any, work: range) -> None:
    item = Item()
    for _ in work:
        with obj.lock:
            obj.value = item


@workload("ref swap", {OURS: new(OUR_REF), CEREGGII: new(CEREGGII_REF)})
def swap(ref: Any, work: range) -> None:
    """Each thread stores the object that it got from its last swap."""
    item = Item()
    for _ in work:
        item = ref.get_and_set(item)


@swap.variant({FT_UTILS: new(FT_UTILS_REF)})
def _(ref: Any, work: range) -> None:
    item = Item()
    for _ in work:
        item = ref.exchange(item)


@swap.variant({BUILTIN: locked_attribute})
def _(obj: Any, work: range) -> None:
    item = Item()
    for _ in work:
        with obj.lock:
            obj.value, item = item, obj.value


@workload("ref get and compare_and_set loop", {OURS: new(OUR_REF), CEREGGII: new(CEREGGII_REF)})
def compare_and_set(ref: Any, work: range) -> None:
    """A loop until it succeeds: the way to apply any function to the object atomically."""
    item = Item()
    for _ in work:
        while True:
            found = ref.get()
            if ref.compare_and_set(found, item):
                item = found
                break


@compare_and_set.variant({FT_UTILS: new(FT_UTILS_REF)})
def _(ref: Any, work: range) -> None:
    item = Item()
    for _ in work:
        while True:
            found = ref.get()
            if ref.compare_exchange(found, item):
                item = found
                break


@compare_and_set.variant({BUILTIN: locked_attribute})
def _(obj: Any, work: range) -> None:
    item = Item()
    for _ in work:
        while True:
            found = obj.value
            with obj.lock:
                if obj.value is found:
                    obj.value, item = item, found
                    break
