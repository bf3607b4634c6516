# SPDX-License-Identifier: Apache-2.0
"""Classes that are derived from cereggii.ThreadHandle, alone and together with others."""

from __future__ import annotations

import abc
import collections.abc
import copy
import enum
import pickle
import types
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import cereggii_atomicref
import pytest
from cereggii import ThreadHandle

ANY_HANDLE: Any = ThreadHandle
PROXY: Any = cereggii_atomicref.ThreadHandle
_T = TypeVar("_T")


class Meta(type):
    """Shows what it was called with."""

    @classmethod
    def __prepare__(cls, name: str, bases: Any, /, **keywords: Any) -> Any:
        return {"prepared": (name, bases, keywords)}

    def __new__(cls, name: str, bases: Any, names: Any, /, **keywords: Any) -> Any:
        return super().__new__(cls, name, bases, names)

    def __init__(cls, name: str, bases: Any, names: Any, /, **keywords: Any) -> None:
        cls.initialised = keywords


class WithMeta(metaclass=Meta):
    pass


class Abstract(abc.ABC):
    @abc.abstractmethod
    def missing(self) -> int: ...


@runtime_checkable
class HasSize(Protocol):
    def size(self) -> int: ...


class Mixin:
    def mixed(self) -> str:
        return f"mixed {self}"


class GenericMixin(Generic[_T]):
    def mixed(self) -> str:
        return f"mixed {self}"


# Bases that go with a class whose metaclass is `type`, and the metaclass that follows.
MIXINS: dict[str, tuple[Any, type]] = {
    "nothing": ((), type),
    "class": ((Mixin,), type),
    "generic class": ((GenericMixin,), type),
    "subscribed generic class": ((GenericMixin[int],), type),
    "Generic": ((Generic[_T],), type),
    "ABC": ((abc.ABC,), abc.ABCMeta),
    "abstract class": ((Abstract,), abc.ABCMeta),
    "protocol": ((HasSize,), type(Protocol)),
    "two": ((Abstract, HasSize), type(Protocol)),
    "Sized": ((collections.abc.Sized,), abc.ABCMeta),
    "Hashable": ((collections.abc.Hashable,), abc.ABCMeta),
}


def body(names: dict[str, Any]) -> None:
    names["size"] = names["missing"] = lambda self: 7
    names["__len__"] = names["__hash__"] = lambda self: 2


@pytest.mark.parametrize("name", MIXINS)
@pytest.mark.parametrize("last", [False, True])
def test_a_handle_type_is_mixed_with_other_classes(name: str, last: bool) -> None:
    mixins, metaclass = MIXINS[name]
    bases = (*mixins, ANY_HANDLE) if last else (ANY_HANDLE, *mixins)
    kind = types.new_class("Mine", bases, {}, body)
    assert PROXY in kind.__mro__
    assert ANY_HANDLE not in kind.__mro__
    assert type(kind) is metaclass
    handle: Any = kind([1, 2])
    assert (handle, handle.size(), len(handle)) == ([1, 2], 7, 2)
    assert isinstance(handle, ANY_HANDLE)
    assert isinstance(handle, list)
    assert issubclass(kind, ANY_HANDLE)
    assert all(isinstance(handle, types.resolve_bases((mixin,))[0]) for mixin in mixins)
    assert ThreadHandle.unwrap(handle) == [1, 2]
    assert type(copy.copy(handle)) is kind
    assert repr(handle) == "Mine([1, 2])"


def test_open_abstract_methods_are_refused() -> None:
    kind = types.new_class("Open", (ANY_HANDLE, Abstract))
    with pytest.raises(TypeError, match="missing"):
        kind([1])


def test_with_a_class_of_another_metaclass_the_proxy_itself_is_the_base() -> None:
    with pytest.raises(TypeError, match="metaclass conflict"):
        types.new_class("Mine", (ANY_HANDLE, WithMeta))

    class Mine(PROXY, WithMeta):  # type: ignore[misc]
        pass

    assert type(Mine) is Meta
    assert isinstance(Mine([1]), ANY_HANDLE)
    with pytest.raises(TypeError):
        types.new_class("Mine", (ANY_HANDLE, enum.Enum))


class AbstractMeta(Meta, type(Protocol)):  # type: ignore[misc]
    """The metaclass of a class that can be mixed with both."""


def test_a_metaclass_of_the_user_is_called_as_a_class_statement_does() -> None:
    handle_type: Any = type(ANY_HANDLE)

    class Both(AbstractMeta, handle_type):  # type: ignore[misc]
        __new__ = Meta.__new__
        __prepare__ = Meta.__prepare__

    class WithBoth(metaclass=AbstractMeta):
        pass

    class Mine(ANY_HANDLE, WithBoth, metaclass=Both, flag=5):  # type: ignore[misc]
        pass

    assert Mine([1]) == [1]


def test_keywords_init_subclass_and_super() -> None:
    class Base(ANY_HANDLE):  # type: ignore[misc]
        def __init_subclass__(cls, /, flag: int = 0, **keywords: Any) -> None:
            super().__init_subclass__(**keywords)
            cls.flag = flag

        def shown(self) -> str:
            return f"base of {__class__.__name__}"  # type: ignore[name-defined]

    class Sub(Base, flag=3):
        def shown(self) -> str:
            return f"{super().shown()}, {__class__.__name__}"  # type: ignore[name-defined]

    class Again(Mixin, Base, flag=4):
        pass

    assert (Sub.flag, Again.flag) == (3, 4)
    assert Sub([1]).shown() == "base of Base, Sub"
    assert Again([1]).mixed() == "mixed [1]"
    for base in (Base, ANY_HANDLE):
        with pytest.raises(TypeError, match=r"__init_subclass__\(\) takes no keyword arguments"):
            types.new_class("Wrong", (base,), {"other": 1})


def test_a_class_statement_names_its_class_and_tells_its_attributes() -> None:
    seen: list[str] = []

    class Field:
        def __set_name__(self, owner: type, name: str) -> None:
            seen.append(f"{owner.__name__}.{name}")

    class Mine(ANY_HANDLE):  # type: ignore[misc]
        """A class."""

        field = Field()
        value: int = 5

    assert seen == ["Mine.field"]
    assert (Mine.__name__, Mine.__module__, Mine.__doc__) == ("Mine", __name__, "A class.")
    assert Mine.__qualname__.endswith("<locals>.Mine")
    assert Mine.__bases__ == (PROXY,)
    # What Python puts into the class is not the handle's.
    handle: Any = Mine(len)
    assert handle.__doc__ == len.__doc__
    assert handle.__module__ == "builtins"
    assert not hasattr(handle, "__annotations__")
    assert not hasattr(handle, "__firstlineno__")
    assert handle.value == 5


def test_a_base_may_be_derived_from_it_already() -> None:
    first = types.new_class("First", (ANY_HANDLE,))
    second = types.new_class("Second", (first, ANY_HANDLE))
    assert second.__mro__ == (second, first, PROXY, object)


def test_the_order_of_the_bases_is_checked() -> None:
    first = types.new_class("First", (ANY_HANDLE,))
    for bases in [(ANY_HANDLE, first), (ANY_HANDLE, ANY_HANDLE), (ANY_HANDLE, PROXY)]:
        with pytest.raises(TypeError):
            types.new_class("Wrong", bases)
    with pytest.raises(TypeError, match=r"layout|lay-out"):
        types.new_class("Wrong", (ANY_HANDLE, int))


def test_names_are_the_public_ones() -> None:
    assert repr(ANY_HANDLE) == "<class 'cereggii.ThreadHandle'>"
    assert repr(PROXY) == "<class 'cereggii_atomicref.ThreadHandle'>"
    data = pickle.dumps(ANY_HANDLE, 0)
    assert b"thread_handle" not in data
    assert pickle.loads(data) is ANY_HANDLE
    data = pickle.dumps(ANY_HANDLE([1]), 0)
    assert b"cereggii_atomicref\nThreadHandle" in data
    assert b"_atomicref\n" not in data.replace(b"cereggii_atomicref\n", b"")
    assert pickle.loads(data) == [1]
