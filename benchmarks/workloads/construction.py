# SPDX-License-Identifier: Apache-2.0
"""Making objects and handles, and dropping them again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pkgutil import resolve_name
from typing import Any

from harness.registry import BUILTIN, CEREGGII, FT_UTILS, OURS, Setup, workload


class LockedInt:
    """The correct program without a library: an int, changed with a lock held."""

    __slots__ = ("lock", "value")

    def __init__(self) -> None:
        self.value = 0
        self.lock = threading.Lock()


def constructor(path: str) -> Setup:
    """A setup: a class."""
    return lambda _work: resolve_name(path)


def subclass(path: str) -> Setup:
    """A setup: a class derived from that one."""
    return lambda _work: type("Derived", (resolve_name(path),), {})


def get_handle(path: str) -> Setup:
    """A setup: the function that returns a handle of an instance."""
    return lambda _work: resolve_name(path)().get_handle


@workload(
    "AtomicInt()",
    {
        OURS: constructor("cereggii_atomicint:AtomicInt"),
        CEREGGII: constructor("cereggii:AtomicInt64"),
        FT_UTILS: constructor("ft_utils.concurrency:AtomicInt64"),
        BUILTIN: lambda _work: LockedInt,
    },
)
def make_int(make: Callable[[], Any], work: range) -> None:
    """An integer of 0."""
    for _ in work:
        make()


@workload(
    "AtomicRef()",
    {
        OURS: constructor("cereggii_atomicref:AtomicRef"),
        CEREGGII: constructor("cereggii:AtomicRef"),
        FT_UTILS: constructor("ft_utils.concurrency:AtomicReference"),
    },
)
def make_ref(make: Callable[[], Any], work: range) -> None:
    """A reference to None."""
    for _ in work:
        make()


@workload(
    "AtomicDict()",
    {
        OURS: constructor("cereggii_atomicdict:AtomicDict"),
        FT_UTILS: constructor("ft_utils.concurrency:ConcurrentDict"),
        BUILTIN: constructor("builtins:dict"),
    },
)
def make_dict(make: Callable[[], Any], work: range) -> None:
    """An empty dict."""
    for _ in work:
        make()


@workload(
    "a subclass of AtomicInt",
    {
        OURS: subclass("cereggii_atomicint:AtomicInt"),
        CEREGGII: subclass("cereggii:AtomicInt64"),
    },
)
def make_derived(make: Callable[[], Any], work: range) -> None:
    """An instance of a class written in Python."""
    for _ in work:
        make()


@workload(
    "get_handle()",
    {
        OURS: get_handle("cereggii_atomicint:AtomicInt"),
        CEREGGII: get_handle("cereggii:AtomicInt64"),
    },
)
def make_handle(make: Callable[[], Any], work: range) -> None:
    """A handle of an integer that all threads share."""
    for _ in work:
        make()
