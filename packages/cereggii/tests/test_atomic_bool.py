# SPDX-License-Identifier: Apache-2.0
"""An AtomicBool is an AtomicRef that takes nothing but True and False, however it is written to."""

from __future__ import annotations

import enum
import functools
import operator
import re
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from cereggii import AtomicBool, AtomicBoolHandle, AtomicRef, ExpectationFailed, ThreadHandle

from .flags import both_forms, both_values

# ── operations ─────────────────────────────────────────────────────────────────────────────────


def test_a_flag_is_false_unless_told_otherwise() -> None:
    assert AtomicBool().get() is False
    assert AtomicBool(False).get() is False
    assert AtomicBool(True).get() is True
    assert AtomicBool(initial_value=True, immortal=False).get() is True


@both_forms
@both_values
def test_reading_and_writing(make: Any, value: bool) -> None:
    flag = make(value)
    assert flag.get() is value
    assert flag.set(not value) is None
    assert flag.get_and_set(value) is (not value)
    assert flag.get_and_set(value) is value
    assert flag.compare_and_set(not value, value) is False
    assert flag.compare_and_set(value, not value) is True
    assert flag.compare_and_exchange(value, value) is (not value)
    assert flag.compare_and_exchange(not value, value) is (not value)
    assert flag.get() is value


@both_forms
@both_values
def test_changing_by_a_function(make: Any, value: bool) -> None:
    flag = make(value)
    assert flag.update_and_get(operator.not_) is (not value)
    assert flag.get_and_update(operator.not_) is (not value)
    assert flag.accumulate_and_get(True, operator.xor) is (not value)
    assert flag.get_and_accumulate("any object", lambda current, x: current is not x) is (not value)
    assert flag.get() is True


@both_forms
def test_arguments_may_be_given_by_name(make: Any) -> None:
    flag = make(False)
    flag.set(True)
    assert flag.compare_and_set(expected=True, updated=False) is True
    assert flag.compare_and_set(expected=False, desired=True) is True
    assert flag.compare_and_exchange(expected=True, updated=False) is True
    assert flag.compare_and_exchange(expected=True, desired=True) is False
    assert flag.update_and_get(fn=operator.not_) is True
    assert flag.get_and_update(fn=operator.not_) is True
    assert flag.accumulate_and_get(x=True, fn=operator.or_) is True
    assert flag.get_and_accumulate(x=True, fn=operator.or_) is True


@both_forms
def test_set_or_raise_changes_false_only(make: Any) -> None:
    flag = make(False)
    assert flag.set_or_raise() is None
    assert flag.get() is True
    for _ in range(2):
        with pytest.raises(ExpectationFailed, match="True"):
            flag.set_or_raise()
        assert flag.get() is True


@both_forms
def test_reset_or_raise_changes_true_only(make: Any) -> None:
    flag = make(True)
    assert flag.reset_or_raise() is None
    assert flag.get() is False
    for _ in range(2):
        with pytest.raises(ExpectationFailed, match="False"):
            flag.reset_or_raise()
        assert flag.get() is False


@both_forms
@both_values
def test_a_flag_is_true_if_its_value_is(make: Any, value: bool) -> None:
    flag = make(value)
    assert bool(flag) is value
    assert (not flag) is (not value)
    flag.set(not value)
    assert ("yes" if flag else "no") == ("no" if value else "yes")


def test_a_program_for_cereggii_1_runs() -> None:
    from cereggii.atomic_bool import AtomicBool as Flag
    from cereggii.constants import ExpectationFailed as Failed

    flag: Any = Flag(False)
    flag.set(True)
    assert flag.get() is True
    assert flag.compare_and_set(True, False) is True
    assert flag.get_and_set(True) is False
    handle = flag.get_handle()
    assert isinstance(handle, ThreadHandle)
    handle.set(False)
    handle.set_or_raise()
    with pytest.raises(Failed):
        flag.set_or_raise()
    flag.reset_or_raise()
    assert handle.get() is False


# ── nothing else than True and False ───────────────────────────────────────────────────────────


class MyInt(int):
    pass


class Level(enum.IntEnum):
    LOW = 0
    HIGH = 1


class Truthy:
    """Claims to be True, and to equal everything."""

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        return True

    def __index__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        return True


NOT_BOOLS: list[Any] = [None, 0, 1, 2, 1.0, 0.0, "True", "", b"", [], (), bool, 1j]
NOT_BOOLS += [MyInt(1), MyInt(0), Level.HIGH, Level.LOW, Truthy(), AtomicBool(True)]
NOT_BOOLS += [AtomicBool(True).get_handle(), ThreadHandle(True)]

Write: TypeAlias = Callable[[Any, Any], Any]
WRITES: dict[str, Write] = {
    "set": lambda flag, wrong: flag.set(wrong),
    "get_and_set": lambda flag, wrong: flag.get_and_set(wrong),
    "compare_and_set": lambda flag, wrong: flag.compare_and_set(flag.get(), wrong),
    "compare_and_set fails": lambda flag, wrong: flag.compare_and_set(not flag.get(), wrong),
    "compare_and_set updated=": lambda flag, wrong: flag.compare_and_set(flag.get(), updated=wrong),
    "compare_and_set desired=": lambda flag, wrong: flag.compare_and_set(flag.get(), desired=wrong),
    "compare_and_set expected": lambda flag, wrong: flag.compare_and_set(wrong, not flag.get()),
    "compare_and_set expected=": lambda flag, wrong: flag.compare_and_set(
        expected=wrong, updated=not flag.get()
    ),
    "compare_and_exchange": lambda flag, wrong: flag.compare_and_exchange(flag.get(), wrong),
    "compare_and_exchange fails": lambda flag, wrong: flag.compare_and_exchange(
        not flag.get(), wrong
    ),
    "compare_and_exchange updated=": lambda flag, wrong: flag.compare_and_exchange(
        flag.get(), updated=wrong
    ),
    "compare_and_exchange desired=": lambda flag, wrong: flag.compare_and_exchange(
        flag.get(), desired=wrong
    ),
    "compare_and_exchange expected": lambda flag, wrong: flag.compare_and_exchange(
        wrong, not flag.get()
    ),
    "compare_and_exchange expected=": lambda flag, wrong: flag.compare_and_exchange(
        expected=wrong, desired=not flag.get()
    ),
    "update_and_get": lambda flag, wrong: flag.update_and_get(lambda _: wrong),
    "update_and_get fn=": lambda flag, wrong: flag.update_and_get(fn=lambda _: wrong),
    "get_and_update": lambda flag, wrong: flag.get_and_update(lambda _: wrong),
    "get_and_update fn=": lambda flag, wrong: flag.get_and_update(fn=lambda _: wrong),
    "accumulate_and_get": lambda flag, wrong: flag.accumulate_and_get(wrong, lambda _, x: x),
    "accumulate_and_get fn=": lambda flag, wrong: flag.accumulate_and_get(
        x=True, fn=lambda _, x: wrong
    ),
    "get_and_accumulate": lambda flag, wrong: flag.get_and_accumulate(wrong, lambda _, x: x),
    "get_and_accumulate fn=": lambda flag, wrong: flag.get_and_accumulate(
        x=True, fn=lambda _, x: wrong
    ),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@both_forms
@both_values
def test_an_argument_that_is_not_a_bool_is_refused_and_changes_nothing(
    write: Write, make: Any, value: bool
) -> None:
    flag = make(value)
    for wrong in NOT_BOOLS:
        with pytest.raises(TypeError, match=re.escape(repr(wrong))):
            write(flag, wrong)
        assert flag.get() is value


def test_an_initial_value_that_is_not_a_bool_is_refused() -> None:
    make: Any = AtomicBool
    for wrong in NOT_BOOLS:
        with pytest.raises(TypeError, match=re.escape(repr(wrong))):
            make(wrong)
        with pytest.raises(TypeError, match=re.escape(repr(wrong))):
            make(initial_value=wrong)


def test_every_method_that_writes_is_among_these() -> None:
    harmless = {"get", "get_handle", "wait_while", "notify_one", "notify_all"}
    without_argument = {"set_or_raise", "reset_or_raise"}
    for kind in (AtomicBool, AtomicBoolHandle):
        public = {name for name in dir(kind) if not name.startswith("_")}
        assert public - harmless - without_argument == {write.split()[0] for write in WRITES}


@both_forms
def test_missing_and_repeated_arguments_are_refused(make: Any) -> None:
    flag = make(False)
    calls: list[Callable[[], Any]] = [
        flag.set,
        flag.get_and_set,
        flag.compare_and_set,
        lambda: flag.compare_and_set(False),
        lambda: flag.compare_and_exchange(False),
        lambda: flag.compare_and_set(updated=True),
        lambda: flag.set(True, updated=True),
        lambda: flag.set(True, desired=True),
        lambda: flag.set(updated=True),
        lambda: flag.set(desired=True),
        lambda: flag.get_and_set(updated=True),
        lambda: flag.get_and_set(True, desired=True),
        lambda: flag.compare_and_set(False, True, desired=True),
        lambda: flag.compare_and_exchange(False, True, desired=True),
        lambda: flag.set(True, True),
        lambda: flag.set(value=True),
        flag.update_and_get,
        lambda: flag.accumulate_and_get(True),
    ]
    for call in calls:
        with pytest.raises(TypeError):
            call()
        assert flag.get() is False


@both_forms
def test_an_argument_that_is_not_callable_is_refused_as_a_function(make: Any) -> None:
    flag = make(False)
    calls: list[Callable[[Any], Any]] = [
        flag.update_and_get,
        flag.get_and_update,
        functools.partial(flag.accumulate_and_get, True),
        functools.partial(flag.get_and_accumulate, True),
    ]
    for call in calls:
        for wrong in (None, True, "text"):
            with pytest.raises(TypeError, match=re.escape(repr(wrong))):
                call(wrong)
            assert flag.get() is False


@both_forms
def test_an_exception_of_a_function_propagates_and_changes_nothing(make: Any) -> None:
    flag = make(True)

    def fail(*_: object) -> bool:
        raise LookupError("failed")

    for call in (flag.update_and_get, flag.get_and_update):
        with pytest.raises(LookupError, match="failed"):
            call(fail)
    for call in (flag.accumulate_and_get, flag.get_and_accumulate):
        with pytest.raises(LookupError, match="failed"):
            call(None, fail)
    assert flag.get() is True


def test_a_handle_is_made_of_a_flag_or_of_a_handle() -> None:
    flag = AtomicBool()
    for handle in (
        flag.get_handle(),
        flag.get_handle().get_handle(),
        AtomicBoolHandle(flag),
        AtomicBoolHandle(flag.get_handle()),
        AtomicBoolHandle(target=flag),
    ):
        assert type(handle) is AtomicBoolHandle
        handle.set_or_raise()
        assert flag.get() is True
        flag.reset_or_raise()
        assert handle.get() is False
    make: Any = AtomicBoolHandle
    others: list[Any] = [True, None, AtomicRef(True), AtomicRef(True).get_handle(), AtomicBool]
    for other in others:
        with pytest.raises(TypeError, match=re.escape(repr(other))):
            make(other)
