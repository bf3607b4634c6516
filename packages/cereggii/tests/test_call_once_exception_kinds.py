# SPDX-License-Identifier: Apache-2.0
"""Exceptions of every kind are shared by the calls of what call_once makes."""

from __future__ import annotations

import dataclasses
import gc
import sys
import types
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from cereggii import call_once

from tools.testing.concurrency import eventually

from .calls import FailedError, Thing, names_of_frames, outcome_of, raising


class WithInitError(Exception):
    """Could not be made again of its arguments."""

    def __init__(self, code: int, *, reason: str) -> None:
        super().__init__(f"code {code}")
        self.code = code
        self.reason = reason


class WithNewError(Exception):
    def __new__(cls, code: int) -> WithNewError:
        made = super().__new__(cls)
        made.made_by_new = code  # type: ignore[attr-defined]
        return made

    def __init__(self, code: int) -> None:
        super().__init__("from", code)


class WithSlotsError(Exception):
    __slots__ = ("__private", "empty", "first")

    def __init__(self) -> None:
        self.first = [1]
        self.__private = 2

    def __str__(self) -> str:
        return f"{self.first} {self.__private}"


class CannotBeCopiedError(FailedError):
    """An exception that refuses every usual way to copy it."""

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
class FrozenError(Exception):
    code: int


class OfTwoKindsError(KeyError, OSError):
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
    "with __init__": lambda: WithInitError(5, reason="because"),
    "with __new__": lambda: WithNewError(5),
    "with slots": WithSlotsError,
    "cannot be copied": lambda: CannotBeCopiedError(1),
    "frozen": lambda: FrozenError(5),
    "two kinds": lambda: OfTwoKindsError(1, "two"),
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
    class MarkError(Exception):
        """Can be referred to weakly, unlike most of the kinds."""

    error = KINDS[kind]()
    mark = MarkError()
    BaseException.__setattr__(error, "mark", [mark])
    reference = weakref.ref(mark)
    once = raising_from_list([error])
    outcome_of(once)
    del error, mark
    assert eventually(lambda: gc.collect() >= 0 and reference() is None)
    assert type(outcome_of(once).mark[0]) is MarkError


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
        except* ValueError as error:
            caught.append(error)
        assert [one.args for one in caught.pop().exceptions] == [(1,)]


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
    class HiddenError(Exception, metaclass=LargerType):
        def __copy__(self) -> HiddenError:
            made = HiddenError(*self.args)
            made.is_copy = True  # type: ignore[attr-defined]
            return made

    once = raising(HiddenError(1))
    outcome_of(once)
    found = outcome_of(once)
    assert (type(found), found.args) == (HiddenError, (1,))


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
    hidden: Any = LargerType("HiddenError", (Exception,), members)
    error = hidden("the text")
    error.__cause__ = KeyError("cause")
    once = raising(error)
    assert outcome_of(once) is error
    for _ in range(2):
        found = outcome_of(once)
        assert type(found) is RuntimeError
        assert "HiddenError" in str(found)
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
