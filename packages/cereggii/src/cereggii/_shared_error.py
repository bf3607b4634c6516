# SPDX-License-Identifier: Apache-2.0
"""An exception that many callers get: each gets its own copy.

One object cannot serve them all. Each `raise` adds frames to its traceback and sets its context, so
callers would keep each other's frames alive, and see each other's context. It is not safe either:
threads that raise one object at the same time write to the same fields.
"""

from __future__ import annotations

import copy
import types
from typing import Any, NoReturn

__all__ = ["SharedError", "drop_frame", "raise_error"]

_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: a class that was made while the program ran
_POINTER = tuple.__itemsize__

# A class may override these: a frozen one, for example, refuses to be changed.
_get = BaseException.__getattribute__
_set = BaseException.__setattr__


class SharedError:
    """The exception of a call, for the callers that share the call.

    `handled` is the exception that the thread was handling when the call began
    (`sys.exception()`). It belongs to the caller, so it is not shared.
    """

    __slots__ = ("_error",)

    def __init__(self, error: BaseException, handled: BaseException | None) -> None:
        try:
            self._error = _Copier(freezes=True, handled=handled).copy(error)
        except Exception:
            self._error = _substitute(error)

    def copy(self) -> BaseException:
        """The exception, for one caller.

        It has the type, arguments, attributes, notes, cause and context of the original, which are
        copies as well where they are exceptions. Neither `__new__` nor `__init__` of the class is
        called. Its traceback shows the same lines, but its frames have no variables.
        RuntimeError stands for an exception that cannot be copied.
        """
        return _Copier(freezes=False, handled=None).copy(self._error)


def raise_error(error: BaseException) -> NoReturn:
    """Raise an exception that no other thread has, with its own context, if it has one."""
    context = _get(error, "__context__")
    try:
        raise error
    finally:
        # `raise` has replaced the context by the exception that the caller handles.
        if context is not None:
            _set(error, "__context__", context)
        del error, context  # the traceback refers to this frame


def drop_frame(error: BaseException) -> None:
    """Take the first frame, of the function that has caught the exception, out of the traceback."""
    traceback = _get(error, "__traceback__")
    if traceback is not None:
        _set(error, "__traceback__", traceback.tb_next)


class _Copier:
    """Copies an exception, and all exceptions that it refers to."""

    def __init__(self, *, freezes: bool, handled: BaseException | None) -> None:
        self._freezes = freezes
        self._handled = handled
        self._copies: dict[int, BaseException] = {}  # by the id of the original
        self._unfinished: list[tuple[BaseException, BaseException]] = []

    def copy(self, error: BaseException) -> BaseException:
        copied = self._copy_of(error)
        # A chain of causes and contexts may be long, or a circle.
        while self._unfinished:
            self._finish(*self._unfinished.pop())
        return copied

    def _copy_of(self, error: BaseException) -> BaseException:
        copied = self._copies.get(id(error))
        if copied is None:
            copied = self._copies[id(error)] = self._begin(error)
            self._unfinished.append((error, copied))
        return copied

    def _begin(self, error: BaseException) -> BaseException:
        """An exception of the same type, without any fields but those that cannot be set later."""
        try:
            return _new(error, [self._copy_of(each) for each in _members(error)])
        except Exception:
            return _substitute(error)

    def _finish(self, error: BaseException, copied: BaseException) -> None:
        if type(copied) is type(error):
            try:
                self._copy_fields(error, copied)
            except Exception:  # a descriptor or a type of unusual kind
                _set(copied, "args", (f"{type(error).__qualname__} cannot be copied",))
        cause = _get(error, "__cause__")
        if cause is not None:
            _set(copied, "__cause__", self._copy_of(cause))
        _set(copied, "__suppress_context__", _get(error, "__suppress_context__"))
        context = _get(error, "__context__")
        # The chain ends at the exception that the caller was handling. Its context is the caller's.
        if context is not None and context is not self._handled and error is not self._handled:
            _set(copied, "__context__", self._copy_of(context))
        _set(copied, "__traceback__", self._value(_get(error, "__traceback__")))

    def _copy_fields(self, error: BaseException, copied: BaseException) -> None:
        _set(copied, "args", tuple(self._value(each) for each in _get(error, "args")))
        attributes = _get(copied, "__dict__")
        for name, value in _get(error, "__dict__").copy().items():
            attributes[name] = self._value(value)
        notes = attributes.get("__notes__")
        if type(notes) is list:
            attributes["__notes__"] = notes.copy()
        for field in _fields(type(error)):
            try:
                value = field.__get__(error)
            except AttributeError:  # a slot that is empty
                continue
            # A field of C code is None if it was never set. It has to stay so.
            if value is not None:
                try:
                    field.__set__(copied, self._value(value))
                except (AttributeError, TypeError):
                    continue  # read-only: set by __new__

    def _value(self, value: Any) -> Any:
        """An argument or attribute, in which exceptions and their frames are copied as well."""
        if isinstance(value, BaseException):
            return self._copy_of(value)
        if isinstance(value, types.TracebackType):
            return _frozen(value) if self._freezes else value
        if type(value) in (list, tuple) and any(isinstance(v, BaseException) for v in value):
            return type(value)(self._value(each) for each in value)
        return value


def _members(error: BaseException) -> tuple[BaseException, ...]:
    return error.exceptions if isinstance(error, BaseExceptionGroup) else ()


def _new(error: BaseException, members: list[BaseException]) -> BaseException:
    cls = type(error)
    base = cls
    while base.__flags__ & _HEAP_TYPE:
        if _has_hidden_fields(base):
            return _copy_by_its_own_means(error)
        base = base.__base__  # type: ignore[assignment]
    if base.__module__ != "builtins":
        return _copy_by_its_own_means(error)
    made: Any
    if isinstance(error, BaseExceptionGroup):
        new: Any = BaseExceptionGroup.__new__
        made = new(cls, error.message, members)
    else:
        made = base.__new__(cls)
    return made if type(made) is cls else _substitute(error)


def _has_hidden_fields(cls: type) -> bool:
    """Whether instances have more memory than their slots. C code may keep fields there."""
    assert cls.__base__ is not None
    seen = sum(
        isinstance(value, types.MemberDescriptorType) or name in ("__dict__", "__weakref__")
        for name, value in vars(cls).items()
    )
    return cls.__basicsize__ > cls.__base__.__basicsize__ + seen * _POINTER


def _copy_by_its_own_means(error: BaseException) -> BaseException:
    copied = copy.copy(error)
    is_copy = type(copied) is type(error) and copied is not error and copied.args == error.args
    return copied if is_copy else _substitute(error)


def _substitute(error: BaseException) -> BaseException:
    try:
        text = str(error)
    except Exception:
        text = ""
    name = type(error).__qualname__
    return RuntimeError(f"{name}: {text}" if text else name)


def _fields(cls: type) -> list[Any]:
    """The descriptors of slots, and of the fields that C code shows to Python."""
    kinds = (types.MemberDescriptorType, types.GetSetDescriptorType)
    return [
        value
        for each in cls.__mro__
        if each not in (BaseException, object)
        for name, value in vars(each).items()
        if isinstance(value, kinds) and name not in ("__dict__", "__weakref__")
    ]


# ── tracebacks ─────────────────────────────────────────────────────────────────────────────────


def _frozen(traceback: types.TracebackType) -> types.TracebackType:
    """A traceback that shows the same lines, and keeps no frame.

    A frame refers to the frame of its caller, and so on: it would keep the variables of all alive.
    """
    entries = []
    entry: types.TracebackType | None = traceback
    while entry is not None:
        entries.append(entry)
        entry = entry.tb_next
    frozen = None
    for entry in reversed(entries):
        frame = _frame_like(entry.tb_frame)
        # -1: there is no instruction that belongs to the line.
        frozen = types.TracebackType(frozen, frame, -1, entry.tb_lineno or 0)
    assert frozen is not None
    return frozen


def _frame_like(frame: types.FrameType) -> types.FrameType:
    """A frame of the same name, file and module, without variables and without a caller."""
    code = frame.f_code
    named = _stand_in.__code__.replace(
        co_filename=code.co_filename,
        co_name=code.co_name,
        co_qualname=code.co_qualname,
        co_firstlineno=code.co_firstlineno,
    )
    # These are needed to find the source, which may be in an archive.
    names = ("__name__", "__file__", "__loader__", "__spec__")
    known = {name: frame.f_globals[name] for name in names if name in frame.f_globals}
    generator = types.FunctionType(named, known)()
    made: types.FrameType = generator.gi_frame  # it has never run, so nothing has called it
    return made


def _stand_in() -> Any:
    yield
