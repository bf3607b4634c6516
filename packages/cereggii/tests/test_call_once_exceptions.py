# SPDX-License-Identifier: Apache-2.0
"""What the function raises, each call raises: a copy of its own, which keeps nothing of others."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import gc
import sys
import traceback
import types
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from cereggii import AtomicInt, call_once

from tools.testing.concurrency import Task, eventually, give_time_to_block, meet

from .calls import THREADS, FailedError, Held, Thing, concurrent, outcome_of


def raising(error: BaseException) -> Callable[..., Any]:
    """A function that raises it, to be called once."""

    @call_once
    def fail(*_: Any) -> None:
        raise error

    return fail


def names_of_frames(error: BaseException) -> list[str]:
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


# ── who gets what ──────────────────────────────────────────────────────────────────────────────


def test_an_exception_is_the_result_for_all() -> None:
    calls: list[int] = []
    error = FailedError("failed")

    @call_once
    def fail() -> None:
        calls.append(1)
        raise error

    found = [outcome_of(fail) for _ in range(4)]
    assert found[0] is error  # the call that ran the function has the original
    assert [(type(one), one.args) for one in found] == [(FailedError, ("failed",))] * 4
    assert len({id(one) for one in found}) == 4
    assert calls == [1]


@concurrent
def test_those_who_wait_get_the_same_exception() -> None:
    held = Held(FailedError("failed"))
    once = call_once(held)
    tasks = [Task(functools.partial(outcome_of, once, number)) for number in range(THREADS)]
    for task in tasks:
        task.start()
    held.wait_until_entered()
    give_time_to_block()
    assert all(task.is_alive() for task in tasks)
    held.proceed.release()
    found = [task.result() for task in tasks]
    assert [(type(one), one.args) for one in found] == [(FailedError, ("failed",))] * THREADS
    assert sum(one is held.result for one in found) == 1
    assert len(held.calls) == 1


@concurrent
def test_many_threads_raise_it_at_the_same_time() -> None:
    class Failing:
        def __init__(self) -> None:
            self.calls = AtomicInt()
            self.call = call_once(self.fail)

        def fail(self) -> None:
            self.calls.increment_and_get()
            raise FailedError(self) from KeyError(1)

    def call(failing: Failing) -> list[BaseException]:
        mine = LookupError()
        found = []
        for _ in range(5):
            try:
                raise mine
            except LookupError:
                found.append(outcome_of(failing.call))
        assert all(one.__context__ is mine or one.__cause__ is not None for one in found)
        assert all(traceback.format_exception(one) for one in found)
        return found

    functions = [Failing() for _ in range(50)]
    for failing, found in zip(functions, meet(functions, *[call] * THREADS), strict=True):
        errors = [error for of_one_thread in found for error in of_one_thread]
        assert len({id(error) for error in errors}) == len(errors)
        assert all(error.args == (failing,) for error in errors)
        assert all(type(error.__cause__) is KeyError for error in errors)
        assert failing.calls.get() == 1


@pytest.mark.parametrize(
    "ending", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError]
)
def test_what_ends_a_program_is_not_shared(ending: type[BaseException]) -> None:
    calls: list[int] = []

    @call_once
    def compute(number: int) -> int:
        calls.append(number)
        if len(calls) < 3:
            raise ending(number)
        return number

    for number in (1, 2):
        with pytest.raises(ending) as caught:
            compute(number)
        assert caught.value.args == (number,)
    assert [compute(number) for number in (3, 4)] == [3, 3]
    assert calls == [1, 2, 3]


def test_a_function_that_asks_for_its_own_result_is_told_so() -> None:
    @call_once
    def recurse() -> Any:
        return recurse()

    for _ in range(3):  # that was the result
        error = outcome_of(recurse)
        assert isinstance(error, RuntimeError)
        assert "recurse" in str(error)


def test_a_function_that_asked_for_its_own_result_may_go_on() -> None:
    @call_once
    def recurse(depth: int) -> Any:
        error = outcome_of(recurse, depth + 1)
        assert isinstance(error, RuntimeError)
        assert isinstance(outcome_of(also_asks), RuntimeError)
        return depth

    def also_asks() -> Any:
        return call_once(recurse)(7)

    assert recurse(0) == 0
    assert recurse(1) == 0


# ── tracebacks and context ─────────────────────────────────────────────────────────────────────


def test_the_traceback_leads_from_the_caller_to_the_function_and_does_not_grow() -> None:
    def helper() -> None:
        raise FailedError

    @call_once
    def fail() -> None:
        helper()

    def other_caller() -> Any:
        return outcome_of(fail)

    first = names_of_frames(outcome_of(fail))
    assert first[0] == "outcome_of"
    assert first[-2:] == ["fail", "helper"]
    later = [names_of_frames(outcome_of(fail)) for _ in range(5)]
    assert later == [first] * 5
    assert names_of_frames(other_caller()) == first


def test_the_traceback_shows_the_lines_of_the_function() -> None:
    @call_once
    def fail() -> None:
        raise FailedError("one line")  # this very line

    outcome_of(fail)
    text = "".join(traceback.format_exception(outcome_of(fail)))
    assert 'raise FailedError("one line")  # this very line' in text
    assert __file__ in text


@pytest.mark.parametrize("make", [lambda: 1 / 0, lambda: int("x"), len], ids=["/", "int", "len"])
def test_what_builtins_raise_is_raised_again(make: Callable[..., Any]) -> None:
    once = call_once(make)
    first, second = outcome_of(once), outcome_of(once)
    assert type(first) is type(second)
    assert str(first) == str(second)


def test_no_frame_and_no_variable_of_another_caller_is_kept() -> None:
    def fail() -> None:
        in_function = Thing()
        references.append(weakref.ref(in_function))
        try:
            raise KeyError(in_function.__class__)
        except KeyError as error:
            raise FailedError(error) from ExceptionGroup("several", [ValueError(1), error])

    once = call_once(fail)
    references: list[weakref.ref[Thing]] = []

    def call() -> None:
        mine = Thing()
        references.append(weakref.ref(mine))
        try:
            raise LookupError
        except LookupError:
            assert isinstance(outcome_of(once), FailedError)

    for _ in range(3):
        call()
    assert len(references) == 4
    assert eventually(lambda: gc.collect() >= 0 and not any(one() for one in references))
    error = outcome_of(once)
    shown = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    of_function = [frame for frame in shown if frame.f_code.co_name == "fail"]
    assert of_function
    assert all(frame.f_back is None and frame.f_locals == {} for frame in of_function)


def test_the_context_is_that_of_the_caller() -> None:
    once = raising(FailedError())
    mine = ValueError()
    try:
        raise mine
    except ValueError:
        first, second = outcome_of(once), outcome_of(once)
    assert first.__context__ is second.__context__ is mine
    assert outcome_of(once).__context__ is None
    assert outcome_of(once).__traceback__ is not first.__traceback__


def test_a_context_of_the_function_is_kept_without_that_of_its_caller() -> None:
    @call_once
    def fail() -> None:
        try:
            try:
                raise KeyError("innermost")
            except KeyError:
                raise LookupError("inner") from None
        except LookupError:
            raise FailedError("outer")  # noqa: B904

    def chain(error: BaseException | None) -> list[Any]:
        found = []
        while error is not None:
            found.append((type(error), error.__suppress_context__))
            error = error.__context__
        return found

    own = [(FailedError, False), (LookupError, True), (KeyError, False)]
    try:
        raise ValueError("of the caller")
    except ValueError:
        first = outcome_of(fail)
        second = outcome_of(fail)
    assert chain(first) == [*own, (ValueError, False)]  # it is part of the leader's own call
    assert chain(second) == own
    assert chain(outcome_of(fail)) == own
    text = "".join(traceback.format_exception(second))
    assert "outer" in text
    assert "inner" in text


def test_what_the_caller_was_handling_can_be_raised_again_by_the_function() -> None:
    @call_once
    def fail() -> None:
        raise  # what the caller handles

    try:
        try:
            raise KeyError("before")
        except KeyError:
            raise ValueError("handled")  # noqa: B904
    except ValueError as handled:
        assert outcome_of(fail) is handled
    second = outcome_of(fail)
    assert (type(second), second.args, second.__context__) == (ValueError, ("handled",), None)


def test_what_one_caller_does_to_its_copy_no_other_sees() -> None:
    cause = KeyError("cause")
    error = FailedError("failed")
    error.add_note("of the function")
    error.__cause__ = cause
    once = raising(error)
    for _ in range(3):
        found = outcome_of(once)
        assert found.__notes__ == ["of the function"]
        assert found.args == ("failed",)
        assert found.__cause__.args == ("cause",)
        assert not hasattr(found, "mark")
        found.add_note("of a caller")
        found.mark = 1
        found.args = ()
        found.__cause__.args = ()
        found.__cause__ = None


# ── kinds of exceptions ────────────────────────────────────────────────────────────────────────


class WithInit(Exception):
    """Could not be made again of its arguments."""

    def __init__(self, code: int, *, reason: str) -> None:
        super().__init__(f"code {code}")
        self.code = code
        self.reason = reason


class WithNew(Exception):
    def __new__(cls, code: int) -> WithNew:
        made = super().__new__(cls)
        made.made_by_new = code  # type: ignore[attr-defined]
        return made

    def __init__(self, code: int) -> None:
        super().__init__("from", code)


class WithSlots(Exception):
    __slots__ = ("__private", "empty", "first")

    def __init__(self) -> None:
        self.first = [1]
        self.__private = 2  # noqa: F841

    def __str__(self) -> str:
        return f"{self.first} {self.__private}"


class CannotBeCopied(FailedError):
    """By any of the usual ways."""

    def __reduce__(self) -> Any:
        raise TypeError("no")

    def __copy__(self) -> Any:
        raise TypeError("no")

    def __eq__(self, other: object) -> bool:
        raise TypeError("no")

    __hash__ = None  # type: ignore[assignment]

    def __setattr__(self, name: str, value: Any) -> None:
        raise TypeError("no")


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    code: int


class OfTwoKinds(KeyError, OSError):
    pass


class Group(ExceptionGroup[Exception]):
    def __new__(cls, code: int, errors: Sequence[Exception]) -> Group:
        made = super().__new__(cls, f"code {code}", errors)
        made.code = code  # type: ignore[attr-defined]
        return made

    def derive(self, errors: Sequence[Exception]) -> Group:  # type: ignore[override]
        return Group(self.code, errors)  # type: ignore[attr-defined]


def with_attributes(error: BaseException, **attributes: Any) -> BaseException:
    for name, value in attributes.items():
        setattr(error, name, value)
    return error


def raised_by(function: Callable[..., Any], *arguments: Any) -> Any:
    error = outcome_of(function, *arguments)
    assert isinstance(error, Exception)
    return error


KINDS: dict[str, Callable[[], BaseException]] = {
    "plain": lambda: Exception(),
    "arguments": lambda: FailedError(1, "two", [3]),
    "attributes": lambda: with_attributes(FailedError(), code=5, errors=[KeyError(1)]),
    "OSError": lambda: OSError(2, "no such thing", "a file", None, "another"),
    "OSError, text": lambda: OSError("text"),
    "opened": lambda: raised_by(open, "/does/not/exist"),
    "changed errno": lambda: with_attributes(OSError(9999, "x"), errno=2, args=(2, "y")),
    "blocking": lambda: BlockingIOError(11, "again", 5),
    "KeyError": lambda: KeyError("key"),
    "StopIteration": lambda: StopIteration(5),
    "decode": lambda: raised_by(b"\xff".decode),
    "encode": lambda: raised_by("\udc80".encode),
    "syntax": lambda: raised_by(compile, "a b", "<file>", "exec"),
    "import": lambda: raised_by(__import__, "does.not.exist"),
    "attribute": lambda: raised_by(getattr, 5, "spam"),
    "name": lambda: NameError("x", name="spam"),
    "with __init__": lambda: WithInit(5, reason="because"),
    "with __new__": lambda: WithNew(5),
    "with slots": WithSlots,
    "cannot be copied": lambda: CannotBeCopied(1),
    "frozen": lambda: Frozen(5),
    "two kinds": lambda: OfTwoKinds(1, "two"),
    "group": lambda: ExceptionGroup("some", [ValueError(1), ExceptionGroup("n", [KeyError()])]),
    "own group": lambda: Group(5, [ValueError(1)]),
    "unhashable": lambda: FailedError({}, []),
    "long": lambda: FailedError("x" * 10_000),
}


def fields_of(error: BaseException) -> dict[str, Any]:
    """All that Python can see, with what is in the exceptions it refers to."""

    def value(of: Any) -> Any:
        if isinstance(of, BaseException):
            return fields_of(of)
        if type(of) in (list, tuple):
            return type(of)(value(each) for each in of)
        return of

    names = {name for cls in type(error).__mro__ for name in vars(cls)} | vars(error).keys()
    skipped = {"__traceback__", "__context__", "__weakref__", "__dict__"}
    found: dict[str, Any] = {"type": type(error), "str": str(error), "args": value(error.args)}
    for name in names - skipped:
        field = getattr(error, name, None)
        if not callable(field):
            found[name] = value(field)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_has_all_that_the_original_has(kind: str) -> None:
    error = KINDS[kind]()
    expected = fields_of(error)
    once = raising(error)
    for _ in range(3):
        found = outcome_of(once)
        assert fields_of(found) == expected
    assert found is not error


@pytest.mark.parametrize("kind", KINDS)
def test_copies_keep_no_exception_of_others_alive(kind: str) -> None:
    class Mark(Exception):
        """Can be referred to weakly, unlike most of the kinds."""

    error = KINDS[kind]()
    mark = Mark()
    BaseException.__setattr__(error, "mark", [mark])
    reference = weakref.ref(mark)
    once = raising_from_list([error])
    outcome_of(once)
    del error, mark
    assert eventually(lambda: gc.collect() >= 0 and reference() is None)
    assert type(outcome_of(once).mark[0]) is Mark


def raising_from_list(errors: list[BaseException]) -> Callable[..., Any]:
    @call_once
    def fail() -> None:
        raise errors.pop()

    return fail


def test_a_group_can_be_split_by_each_caller() -> None:
    once = raising(Group(7, [ValueError(1), KeyError(2), ExceptionGroup("x", [ValueError(3)])]))
    for _ in range(3):
        caught: list[Any] = []
        try:
            once()
        except* ValueError as values:
            caught.append(values)
        except* KeyError as keys:
            caught.append(keys)
        assert [type(one) for one in caught] == [Group, Group]
        assert [one.code for one in caught] == [7, 7]
    for _ in range(2):
        single = raising(ValueError(1))
        try:
            single()
        except* ValueError as group:
            assert [one.args for one in group.exceptions] == [(1,)]


def test_exceptions_that_refer_to_each_other_do_so_in_the_copy() -> None:
    first, second = FailedError("first"), FailedError("second")
    first.__cause__ = second
    second.__context__ = first
    first.partner = [second]  # type: ignore[attr-defined]
    second.args = (second, first)
    once = raising(first)
    outcome_of(once)
    first.__cause__ = second.__context__ = None
    found = outcome_of(once)
    other = found.__cause__
    assert found is not first
    assert other is not second
    assert found.partner[0] is other
    assert other.__context__ is found
    assert other.args[0] is other
    assert other.args[1] is found


def test_a_long_chain_is_copied() -> None:
    error: BaseException = FailedError(0)
    for number in range(1, 3000):
        following = FailedError(number)
        following.__cause__ = error
        error = following
    once = raising(error)
    outcome_of(once)
    found: BaseException | None = outcome_of(once)
    numbers = []
    while found is not None:
        numbers.append(found.args[0])
        found = found.__cause__
    assert numbers == [*range(2999, -1, -1)]


def test_tracebacks_among_the_attributes_keep_no_frames() -> None:
    def fail() -> None:
        mine = Thing()
        references.append(weakref.ref(mine))
        try:
            raise KeyError
        except KeyError as error:
            raise with_attributes(FailedError(), traceback=error.__traceback__) from None

    references: list[weakref.ref[Thing]] = []
    once = call_once(fail)
    outcome_of(once)
    assert eventually(lambda: gc.collect() >= 0 and references[0]() is None)
    assert isinstance(outcome_of(once).traceback, types.TracebackType)


class LargerType(type):
    """Classes whose instances have fields that Python cannot see: as far as they say so."""

    @property
    def __basicsize__(cls) -> int:  # type: ignore[override]
        return Exception.__basicsize__ + 1000


def test_an_exception_with_hidden_fields_is_copied_by_its_own_means() -> None:
    class Hidden(Exception, metaclass=LargerType):
        def __copy__(self) -> Hidden:
            made = Hidden(*self.args)
            made.is_copy = True  # type: ignore[attr-defined]
            return made

    once = raising(Hidden(1))
    outcome_of(once)
    found = outcome_of(once)
    assert (type(found), found.args) == (Hidden, (1,))


def broken(*_: Any) -> Any:
    raise TypeError("no")


@pytest.mark.parametrize(
    "members",
    [
        {"__copy__": broken},
        {"__copy__": lambda self: self},
        {"__copy__": lambda self: KeyError(*self.args)},
        {"__copy__": lambda self: type(self)("something else")},
        {"__copy__": broken, "__str__": broken},
    ],
    ids=["raises", "itself", "another type", "other arguments", "no text"],
)
def test_one_that_cannot_be_copied_becomes_a_runtime_error(members: dict[str, Any]) -> None:
    hidden: Any = LargerType("Hidden", (Exception,), members)
    error = hidden("the text")
    error.__cause__ = KeyError("cause")
    once = raising(error)
    assert outcome_of(once) is error
    for _ in range(2):
        found = outcome_of(once)
        assert type(found) is RuntimeError
        assert "Hidden" in str(found)
        assert ("the text" in str(found)) is ("__str__" not in members)
        assert found.__cause__.args == ("cause",)
        assert names_of_frames(found)[-1] == "fail"


@pytest.mark.skipif(sys.platform == "win32", reason="the stack may be small")
def test_the_error_of_an_endless_recursion_is_shared() -> None:
    @call_once
    def fail() -> None:
        def recurse() -> Iterator[int]:
            return recurse()

        recurse()

    for _ in range(3):
        found = outcome_of(fail)
        assert type(found) is RecursionError
        assert names_of_frames(found)[-1] == "recurse"
