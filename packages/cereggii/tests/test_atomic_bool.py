# SPDX-License-Identifier: Apache-2.0
"""An AtomicBool is an AtomicRef that takes nothing but True and False, however it is written to."""

from __future__ import annotations

import copy
import enum
import functools
import gc
import inspect
import operator
import pickle
import random
import re
import sys
import time
import weakref
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from cereggii import (
    AtomicBool,
    AtomicBoolHandle,
    AtomicRef,
    ExpectationFailed,
    ThreadHandle,
)

from tools.testing.concurrency import (
    PATIENCE,
    background,
    eventually,
    give_time_to_block,
    meet,
    run_threads,
)
from tools.testing.interpreters import FREE_THREADED

THREADS = 4


def flag_of(value: bool) -> Any:
    return AtomicBool(value)


def handle_of(value: bool) -> Any:
    return AtomicBool(value).get_handle()


# Runs a test with `make`, which makes an AtomicBool or a handle of one.
both_forms = pytest.mark.parametrize("make", [flag_of, handle_of], ids=["flag", "handle"])
both_values = pytest.mark.parametrize("value", [False, True])

# What the thread of this number uses of the shared flag.
Access: TypeAlias = Callable[[AtomicBool, int], Any]
ACCESS: dict[str, Access] = {
    "flag": lambda flag, _: flag,
    "handles": lambda flag, _: flag.get_handle(),
    "both": lambda flag, number: flag if number % 2 else flag.get_handle(),
}
every_access = pytest.mark.parametrize("access", ACCESS.values(), ids=ACCESS)


def concurrent(test: Any) -> Any:
    """Marks a test that has threads of its own."""
    mark = pytest.mark.thread_unsafe(reason="has threads of its own")
    return mark(pytest.mark.usefixtures("switch_often")(test))


# ── what it does ───────────────────────────────────────────────────────────────────────────────


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
def test_what_is_no_bool_is_refused_and_changes_nothing(
    write: Write, make: Any, value: bool
) -> None:
    flag = make(value)
    for wrong in NOT_BOOLS:
        with pytest.raises(TypeError, match=re.escape(repr(wrong))):
            write(flag, wrong)
        assert flag.get() is value


def test_an_initial_value_that_is_no_bool_is_refused() -> None:
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
def test_what_cannot_be_called_is_refused_as_a_function(make: Any) -> None:
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


# ── threads ────────────────────────────────────────────────────────────────────────────────────


def succeeds(call: Callable[[], None]) -> bool:
    try:
        call()
    except ExpectationFailed:
        return False
    return True


def let_others_in(name: str) -> Any:
    """A method that does what that of the base does, and lets other threads in before and after."""

    def method(self: Any, *arguments: Any) -> Any:
        time.sleep(0)
        result = getattr(super(type(self), self), name)(*arguments)
        time.sleep(0)
        return result

    return method


STEPS = {name: let_others_in(name) for name in ("get", "set", "compare_and_set")}
Slow: Any = type("Slow", (AtomicBool,), STEPS)
SlowHandle: Any = type("SlowHandle", (AtomicBoolHandle,), STEPS)


def slowly(flag: AtomicBool, number: int) -> Any:
    return flag if number % 2 else SlowHandle(flag)


@concurrent
@pytest.mark.parametrize("access", [*ACCESS.values(), slowly], ids=[*ACCESS, "slowly"])
@both_values
def test_of_threads_that_change_a_flag_at_once_exactly_one_wins(
    access: Access, value: bool
) -> None:
    flags = [(Slow if access is slowly else AtomicBool)(value) for _ in range(300)]

    def change_as(number: int) -> Callable[[AtomicBool], bool]:
        def change(flag: AtomicBool) -> bool:
            mine = access(flag, number)
            return succeeds(mine.reset_or_raise if value else mine.set_or_raise)

        return change

    for won in meet(flags, *map(change_as, range(THREADS))):
        assert sum(won) == 1
    assert {flag.get() for flag in flags} == {not value}


@concurrent
@every_access
def test_changes_there_and_back_take_turns(access: Access, seed: int) -> None:
    """As each of them changes the value, there is one more there than back, or as many."""
    flag = AtomicBool()

    def work(number: int) -> int:
        choose = random.Random(seed + number)
        mine = access(flag, number)
        there = 0
        for _ in range(60_000):
            if choose.random() < 0.5:
                there += succeeds(mine.set_or_raise)
            else:
                there -= succeeds(mine.reset_or_raise)
        return there

    there = run_threads(*(functools.partial(work, number) for number in range(THREADS)))
    assert sum(there) == int(flag.get())


TOGGLES: dict[str, Callable[[Any], bool]] = {
    "update_and_get": lambda flag: flag.update_and_get(operator.not_),
    "get_and_update": lambda flag: not flag.get_and_update(operator.not_),
    "accumulate_and_get": lambda flag: flag.accumulate_and_get(True, operator.xor),
    "get_and_accumulate": lambda flag: not flag.get_and_accumulate(True, operator.xor),
}


@concurrent
@every_access
@pytest.mark.parametrize("toggle", TOGGLES.values(), ids=TOGGLES)
def test_no_change_by_a_function_is_lost(access: Access, toggle: Callable[[Any], bool]) -> None:
    flags = [AtomicBool() for _ in range(300)]

    def toggle_as(number: int) -> Callable[[AtomicBool], bool]:
        return lambda flag: toggle(access(flag, number))

    for seen in meet(flags, *map(toggle_as, range(3))):
        assert sorted(seen) == [False, True, True]  # there, back, and there
    assert all(flags)


# ── waiting ────────────────────────────────────────────────────────────────────────────────────


@concurrent
@both_forms
@both_values
@pytest.mark.parametrize("notify", ["notify_one", "notify_all"])
def test_wait_while_is_woken_by_a_notification_after_a_change(
    make: Any, value: bool, notify: str
) -> None:
    flag = make(value)
    with background(lambda: flag.wait_while(value)) as [task]:
        give_time_to_block()
        assert task.is_alive()
        getattr(flag, notify)()  # nothing has changed
        give_time_to_block()
        assert task.is_alive()
        (flag.reset_or_raise if value else flag.set_or_raise)()
        getattr(flag, notify)()
        assert task.result() is True


@concurrent
def test_flag_and_handles_wake_each_other() -> None:
    flag = AtomicBool()
    waits = [flag.wait_while, flag.get_handle().wait_while, flag.get_handle().wait_while]
    with background(*(functools.partial(wait, False, PATIENCE) for wait in waits)) as tasks:
        give_time_to_block()
        flag.get_handle().set(True)
        flag.get_handle().notify_all()
        assert [task.result() for task in tasks] == [True] * 3


@both_forms
@both_values
def test_wait_while_returns_at_once_or_when_the_time_is_over(make: Any, value: bool) -> None:
    flag = make(value)
    assert flag.wait_while(not value) is True
    assert flag.wait_while(value, 0) is False
    assert flag.wait_while(value=value, timeout=0.01) is False


# ── as an object ───────────────────────────────────────────────────────────────────────────────


class Named(AtomicBool):
    def __init__(self, name: str, *, start: bool) -> None:
        super().__init__(start)
        self.name = name


def pickled(protocol: int) -> Callable[[Any], Any]:
    return lambda instance: pickle.loads(pickle.dumps(instance, protocol))


COPIES: dict[str, Callable[[Any], Any]] = {"copy": copy.copy, "deepcopy": copy.deepcopy} | {
    f"pickle {protocol}": pickled(protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
}
every_copy = pytest.mark.parametrize("make_copy", COPIES.values(), ids=COPIES)


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


def collected(reference: weakref.ref[Any]) -> bool:
    def gone() -> bool:
        gc.collect()
        return reference() is None

    return eventually(gone, timeout=10)


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
