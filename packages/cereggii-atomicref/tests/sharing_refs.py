# SPDX-License-Identifier: Apache-2.0
"""Threads that use a ref as hard as they can, and what the tests of sharing ask about it."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from cereggii_atomicref import AtomicRef, AtomicStampedRef

from tools.testing.concurrency import run_threads

every_atomic = pytest.mark.parametrize("atomic", [AtomicRef, AtomicStampedRef])


def put(instance: Any, value: object) -> None:
    if isinstance(instance, AtomicStampedRef):
        instance.set(value, 1)
    else:
        instance.set(value)


def use(instance: Any, times: int) -> None:
    for _ in range(times):
        put(instance, instance.get())


def use_elsewhere(instance: Any, times: int, threads: int = 1) -> None:
    """Use the object from threads that do not own it, `times` in each."""
    run_threads(*[functools.partial(use, instance, times)] * threads)


class Counted:
    """Says when it dies."""

    __slots__ = ("_died", "name")

    def __init__(self, name: object, died: list[object]) -> None:
        self.name = name
        self._died = died

    def __del__(self) -> None:
        self._died.append(self.name)
