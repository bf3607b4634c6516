# SPDX-License-Identifier: Apache-2.0
"""An AtomicBool is copied, shown, compared, derived from and freed as other objects are."""

from __future__ import annotations

import functools
import gc
import inspect
import sys
import weakref
from typing import Any

import pytest
from cereggii import AtomicBool, AtomicBoolHandle, AtomicRef

from tools.testing.copying import every_copy
from tools.testing.interpreters import FREE_THREADED
from tools.testing.lifetimes import collected

from .flags import both_forms, both_values, handle_of


class Named(AtomicBool):
    def __init__(self, name: str, *, start: bool) -> None:
        super().__init__(start)
        self.name = name


@every_copy
@both_forms
@both_values
def test_a_copy_is_a_strict_flag_of_its_own(make_copy: Any, make: Any, value: bool) -> None:
    flag = make(value)
    other = make_copy(flag)
    assert type(other) is type(flag)
    assert other != flag
    assert other.get() is value
    with pytest.raises(TypeError):
        other.set(1)
    other.set(not value)
    assert flag.get() is value


@every_copy
def test_a_copy_of_a_subclass_keeps_its_class_and_attributes(make_copy: Any) -> None:
    other = make_copy(Named("ready", start=True))
    assert type(other) is Named
    assert (other.name, other.get()) == ("ready", True)


def test_subclasses_have_strict_handles() -> None:
    make: Any = functools.partial(Named, "ready")
    flag = make(start=False)
    handle = flag.get_handle()
    assert type(handle) is AtomicBoolHandle
    with pytest.raises(TypeError):
        handle.set(1)  # type: ignore[arg-type]
    handle.set_or_raise()
    assert flag.get() is True
    with pytest.raises(TypeError):
        make(start=1)


@both_values
def test_repr_shows_the_value(value: bool) -> None:
    flag = AtomicBool(value)
    assert repr(flag) == str(flag) == f"AtomicBool({value})"
    assert repr(flag.get_handle()) == f"AtomicBoolHandle(AtomicBool({value}))"
    assert repr(Named("ready", start=value)) == f"Named({value})"


def test_flags_compare_and_hash_by_identity_as_their_handles_do() -> None:
    flag: Any = AtomicBool(True)
    others: list[Any] = [True, 1, AtomicBool(True), AtomicRef(True), AtomicBool(True).get_handle()]
    for one in (flag, flag.get_handle()):
        assert one == flag
        assert one == flag.get_handle()
        assert hash(one) == hash(flag)
        for other in others:
            assert one != other


@pytest.mark.thread_unsafe(reason="collects garbage")
@both_forms
def test_weak_references_end_with_the_object(make: Any) -> None:
    flag = make(True)
    reference = weakref.ref(flag)
    assert reference() is flag
    assert weakref.getweakrefcount(flag) == 1
    del flag
    assert collected(reference)


@pytest.mark.thread_unsafe(reason="collects garbage")
def test_a_handle_keeps_its_flag_alive() -> None:
    flag = AtomicBool(True)
    reference = weakref.ref(flag)
    handle = flag.get_handle()
    del flag
    gc.collect()
    assert reference() is not None
    assert handle.get() is True
    del handle
    assert collected(reference)


@pytest.mark.thread_unsafe(reason="collects garbage")
@pytest.mark.parametrize("kind", [AtomicBool, type("Mine", (AtomicBool,), {})])
def test_an_immortal_flag_works_and_stays(kind: type[AtomicBool]) -> None:
    flag: Any = kind(True, immortal=True)
    reference = weakref.ref(flag)
    if FREE_THREADED:
        assert sys.getrefcount(flag) > 2**28
    del flag
    gc.collect()
    survivor: Any = reference()
    survivor.get_handle().reset_or_raise()
    assert survivor.get() is False
    with pytest.raises(TypeError):
        survivor.set(0)
    make: Any = kind
    with pytest.raises(TypeError):
        make(True, True)  # by keyword only


@pytest.mark.parametrize("kind", [AtomicBool, AtomicBoolHandle])
def test_an_object_that_is_not_made_yet_or_made_already_says_so(kind: Any) -> None:
    raw = kind.__new__(kind)
    for call in (raw.get, raw.set_or_raise, raw.reset_or_raise, raw.get_handle, raw.__bool__):
        with pytest.raises(RuntimeError, match="__init__"):
            call()
    with pytest.raises(RuntimeError, match="__init__"):
        raw.set(True)
    made, argument = (AtomicBool(True), False) if kind is AtomicBool else (handle_of(True), raw)
    with pytest.raises(RuntimeError, match="__init__"):
        kind.__init__(made, argument)
    assert made.get() is True


@pytest.mark.parametrize("kind", [AtomicBool, AtomicBoolHandle])
def test_every_public_member_is_documented(kind: type[Any]) -> None:
    for name in dir(kind):
        if not name.startswith("_"):
            assert len(inspect.getdoc(getattr(kind, name)) or "") > 15, name
