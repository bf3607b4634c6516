# SPDX-License-Identifier: Apache-2.0
"""A handle in a class body does what its object does there."""

from __future__ import annotations

import abc
import copy
import functools
import pickle
import sys
import types
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from cereggii_atomicref import ThreadHandle

from tools.testing.concurrency import run_threads
from tools.testing.lifetimes import collected


class Field:
    """A data descriptor, which stores beside the instance's own attributes."""

    def __init__(self) -> None:
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = f"_{name}"

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else getattr(instance, self.name)

    def __set__(self, instance: Any, value: Any) -> None:
        setattr(instance, self.name, value)

    def __delete__(self, instance: Any) -> None:
        delattr(instance, self.name)


class ReadOnly:
    """Hides the instance's attribute, and refuses to be set."""

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return "fixed"

    def __set__(self, instance: Any, value: Any) -> None:
        raise AttributeError("read only")


class OnlyGets:
    """A descriptor without `__set__`, which is not a data descriptor."""

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return "got"


class OnlySets:
    def __set__(self, instance: Any, value: Any) -> None:
        vars(instance)["attribute"] = value


def function(self: Any, *arguments: Any) -> Any:
    return type(self).__name__, arguments


class Slotted:
    __slots__ = ("slot",)


class CallableObject:
    def __call__(self, *arguments: Any) -> Any:
        return "called", arguments


class Shape:
    def __init__(self) -> None:
        self.side = 2


def changing_property() -> property:
    def get(self: Any) -> Any:
        return self.side

    def change(self: Any, value: Any) -> None:
        self.side = value

    def delete(self: Any) -> None:
        del self.side

    return property(get, change, delete)


MAKERS: dict[str, Callable[[], Any]] = {
    "function": lambda: function,
    "lambda": lambda: lambda self: 5,
    "builtin": lambda: len,
    "method of another object": lambda: [1].count,
    "property": changing_property,
    "read-only property": lambda: property(lambda self: 5),
    "classmethod": lambda: classmethod(function),
    "staticmethod": lambda: staticmethod(function),
    "cached_property": lambda: functools.cached_property(lambda self: [5]),
    "partialmethod": lambda: functools.partialmethod(function, 1),
    "singledispatchmethod": lambda: functools.singledispatchmethod(function),
    "lru_cache": lambda: functools.lru_cache(lambda self: 5),
    "data descriptor": Field,
    "read-only descriptor": ReadOnly,
    "descriptor that only gets": OnlyGets,
    "descriptor that only sets": OnlySets,
    "class": lambda: Shape,
    "number": lambda: 5,
    "list": lambda: [1],
    "none": lambda: None,
    "callable": CallableObject,
    "partial": lambda: functools.partial(max, 1),
}
USES: dict[str, Callable[[Any, Any], Any]] = {
    "get": lambda kind, instance: instance.attribute,
    "get from the class": lambda kind, instance: kind.attribute,
    "get from a subclass": lambda kind, instance: types.new_class("Sub", (kind,))().attribute,
    "call": lambda kind, instance: instance.attribute(),
    "call with arguments": lambda kind, instance: instance.attribute(1, 2),
    "call on the class": lambda kind, instance: kind.attribute(instance),
    "set": lambda kind, instance: setattr(instance, "attribute", 7),
    "set and get": lambda kind, instance: (
        setattr(instance, "attribute", 7),
        instance.attribute,
        sorted(vars(instance)),
    ),
    "set and delete": lambda kind, instance: (
        setattr(instance, "attribute", 7),
        delattr(instance, "attribute"),
        hasattr(instance, "attribute"),
        sorted(vars(instance)),
    ),
    "delete": lambda kind, instance: delattr(instance, "attribute"),
    "hidden by the instance": lambda kind, instance: (
        vars(instance).update(attribute="own"),
        instance.attribute,
    ),
}


def outcome(use: Callable[[Any, Any], Any], attribute: Any) -> Any:
    """The result or exception of a use, and its effects; a handle counts as its object."""
    kind = type("Shape", (Shape,), {"attribute": attribute})
    instance = kind()
    try:
        result = use(kind, instance)
    except Exception as error:
        return type(error), vars(instance)
    return without_handles(result), {
        name: without_handles(value) for name, value in vars(instance).items()
    }


def without_handles(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(without_handles, value))
    if type(value).__name__ == "ThreadHandle":
        value = ThreadHandle.unwrap(value)
    if isinstance(value, (int, str, list, type(None))):
        return value
    return type(value).__name__, getattr(value, "__name__", "")


# Python asks the instance first, if the class's attribute has no __get__; a handle has one.
LIMITED = {
    ("descriptor that only sets", "set and get"),
    ("descriptor that only sets", "hidden by the instance"),
}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("use", USES)
def test_an_attribute_of_a_class_is_what_its_object_would_be(name: str, use: str) -> None:
    make = MAKERS[name]
    same = outcome(USES[use], ThreadHandle(make())) == outcome(USES[use], make())
    assert same == ((name, use) not in LIMITED)


def test_a_handle_of_what_does_not_bind_is_returned_itself() -> None:
    for value in (5, [1], None, CallableObject(), len, Shape):
        handle = ThreadHandle(value)
        kind = type("Shape", (Shape,), {"attribute": handle})
        assert kind.attribute is kind().attribute is handle  # type: ignore[attr-defined]
        assert vars(kind)["attribute"] is handle


def test_binding_by_hand() -> None:
    shape = Shape()
    handle: Any = ThreadHandle(function)
    for bound in (handle.__get__(shape), ThreadHandle.__get__(handle, shape, Shape)):
        assert type(bound) is types.MethodType
        assert bound.__self__ is shape
        assert bound(1) == ("Shape", (1,))
    assert types.MethodType(handle, shape)(1) == ("Shape", (1,))
    changing: Any = ThreadHandle(changing_property())
    type(changing).__set__(changing, shape, 9)
    assert type(changing).__get__(changing, shape) == shape.side == 9
    type(changing).__delete__(changing, shape)
    assert vars(shape) == {}


def test_a_slot_of_another_class() -> None:
    class Other(Slotted):
        attribute = ThreadHandle(Slotted.slot)  # type: ignore[attr-defined]

    instance: Any = Other()
    instance.attribute = 5
    assert instance.slot == instance.attribute == 5
    del instance.attribute
    with pytest.raises(AttributeError, match="slot"):
        _ = instance.attribute


def test_as_a_decorator() -> None:
    class Decorated(Shape):
        @ThreadHandle
        def area(self, factor: int = 1) -> int:
            return self.side**2 * factor

        @ThreadHandle
        @property
        def double(self) -> int:
            return self.side * 2

        @property
        @ThreadHandle
        def triple(self) -> int:
            return self.side * 3

        @classmethod
        @ThreadHandle
        def name(cls) -> str:
            return cls.__name__

        @staticmethod
        @ThreadHandle
        def five() -> int:
            return 5

    shape: Any = Decorated()
    assert shape.area() == 4
    assert shape.area(factor=3) == Decorated.area(shape, 3) == 12
    assert (shape.double, shape.triple, shape.name(), shape.five()) == (4, 6, "Decorated", 5)
    with pytest.raises(AttributeError):
        shape.double = 5
    assert ThreadHandle(shape).area() == 4


def test_special_methods_may_be_handles() -> None:
    class Special:
        __len__ = ThreadHandle(lambda self: 5)
        __add__ = ThreadHandle(lambda self, other: ("sum", other))
        __call__ = ThreadHandle(lambda self, *arguments: arguments)
        __getattr__ = ThreadHandle(lambda self, name: name)
        __iter__ = ThreadHandle(lambda self: iter("ab"))
        __enter__ = ThreadHandle(lambda self: "entered")
        __exit__ = ThreadHandle(lambda self, *exception: True)
        __hash__ = ThreadHandle(lambda self: 7)
        __init_subclass__ = ThreadHandle(classmethod(lambda cls: setattr(cls, "made", True)))
        __class_getitem__ = ThreadHandle(classmethod(lambda cls, item: item))

    special: Any = Special()
    assert (len(special), special + 1, special(1, 2), special.missing) == (
        5,
        ("sum", 1),
        (1, 2),
        "missing",
    )
    assert (list(special), hash(special), Special[int]) == (["a", "b"], 7, int)  # type: ignore[misc]
    with special as entered:
        assert entered == "entered"
        raise LookupError
    assert types.new_class("Sub", (Special,)).made


def test_an_abstract_method_behind_a_handle_is_abstract() -> None:
    class Base(abc.ABC):  # noqa: B024
        method = ThreadHandle(abc.abstractmethod(lambda self: 5))

    with pytest.raises(TypeError, match="method"):
        Base()
    assert types.new_class("Sub", (Base,), {}, lambda names: names.update(method=1))().method == 1


# ── __set_name__ ───────────────────────────────────────────────────────────────────────────────


def test_the_object_is_told_its_name() -> None:
    field = Field()

    class Owner:
        attribute = ThreadHandle(field)

    assert field.name == "_attribute"
    instance: Any = Owner()
    instance.attribute = 5
    assert vars(instance) == {"_attribute": 5}


def test_an_error_in_set_name_propagates() -> None:
    class Refuses:
        def __set_name__(self, owner: type, name: str) -> None:
            raise LookupError(name)

    expected: Any = LookupError if sys.version_info >= (3, 12) else RuntimeError
    with pytest.raises(expected, match="attribute"):
        type("Owner", (), {"attribute": ThreadHandle(Refuses())})


def test_a_name_is_not_looked_for_in_the_instance() -> None:
    class Owner:
        plain = Shape()
        plain.__set_name__ = None  # type: ignore[attr-defined]
        attribute = ThreadHandle(plain)

    assert Owner.attribute.side == 2


# ── the handles of data descriptors ────────────────────────────────────────────────────────────

DATA: dict[str, Callable[[], Any]] = {
    "property": changing_property,
    "data descriptor": Field,
    "slot": lambda: Slotted.slot,  # type: ignore[attr-defined]
    "descriptor that only sets": OnlySets,
}


@pytest.mark.parametrize("name", DATA)
def test_a_handle_of_a_data_descriptor_is_a_thread_handle(name: str) -> None:
    descriptor = DATA[name]()
    handle: Any = ThreadHandle(descriptor)
    for made in (
        handle,
        ThreadHandle(handle),
        ThreadHandle(obj=descriptor),
        ThreadHandle(obj=handle),
    ):
        assert isinstance(made, ThreadHandle)
        assert isinstance(made, type(descriptor))
        assert hasattr(type(made), "__set__")
        assert ThreadHandle.unwrap(made) is descriptor
        assert repr(made) == f"ThreadHandle({descriptor!r})"
        assert f"{type(made).__module__}.{type(made).__qualname__}" == (
            "cereggii_atomicref.ThreadHandle"
        )
        assert made.__class__ is type(descriptor)
        assert made.__doc__ == descriptor.__doc__
        assert not hasattr(made, "__slots__")
        with pytest.raises(RuntimeError, match="already"):
            ThreadHandle.__init__(made, 5)
    assert not hasattr(type(ThreadHandle(5)), "__set__")
    assert not hasattr(type(ThreadHandle(function)), "__set__")


@pytest.mark.parametrize("name", DATA)
def test_the_type_of_one_makes_handles_of_anything(name: str) -> None:
    kind: Any = type(ThreadHandle(DATA[name]()))
    assert kind is not ThreadHandle
    for value in (5, function, [1], ThreadHandle(5)):
        handle = kind(value)
        assert type(handle) is type(kind(obj=value)) is ThreadHandle
        assert handle == value
    descriptor = DATA[name]()
    assert type(kind(descriptor)) is kind
    assert ThreadHandle.unwrap(kind(descriptor)) is descriptor
    for arguments, keywords in [((), {}), ((1, 2), {}), ((1,), {"a": 2}), ((), {"target": 1})]:
        for made in (kind, ThreadHandle):
            with pytest.raises(TypeError, match="ThreadHandle"):
                made(*arguments, **keywords)
    for change in (setattr, delattr):
        with pytest.raises(TypeError, match="immutable"):
            change(*(kind, "__set__", None)[: 3 if change is setattr else 2])
    sub = types.new_class("Sub", (kind,))
    assert ThreadHandle.unwrap(sub(descriptor)) is descriptor
    assert sub(5) + 1 == 6


def test_copies_and_pickles_of_them() -> None:
    handle: Any = ThreadHandle(Field())
    handle.name = "field"
    copies = [copy.copy(handle), copy.deepcopy(handle)]
    copies += [pickle.loads(pickle.dumps(handle, p)) for p in range(pickle.HIGHEST_PROTOCOL + 1)]
    for copied in copies:
        assert type(copied) is type(handle)
        assert copied.name == "field"
        assert ThreadHandle.unwrap(copied) is not ThreadHandle.unwrap(handle)
    assert handle.__reduce_ex__(2)[0] is ThreadHandle


def test_a_copy_of_another_kind_gets_the_handle_that_it_needs() -> None:
    class Sheds(Field):
        def __copy__(self) -> int:
            return 5

    class Grows:
        def __copy__(self) -> Field:
            return Field()

    assert type(copy.copy(ThreadHandle(Sheds()))) is ThreadHandle
    assert hasattr(type(copy.copy(ThreadHandle(Grows()))), "__set__")


def test_using_them_leaves_no_references_behind() -> None:
    field = Field()
    handle: Any = ThreadHandle(field)
    before = sys.getrefcount(field)
    kind = type("Owner", (), {"attribute": handle})
    instance: Any = kind()
    for _ in range(200):
        instance.attribute = 5
        assert instance.attribute == 5
        del instance.attribute
        assert not hasattr(instance, "attribute")
    assert sys.getrefcount(field) == before


def used_in_a_cycle() -> list[weakref.ref[Any]]:
    field: Any = Field()
    handle = field.handle = ThreadHandle(field)
    return [weakref.ref(field), weakref.ref(handle)]


def test_they_are_collected() -> None:
    assert all(map(collected, used_in_a_cycle()))


def test_a_descriptor_that_stops_to_be_one() -> None:
    class Was:
        def __set__(self, instance: Any, value: Any) -> None:
            raise AssertionError

    handle: Any = ThreadHandle(Was())
    kind = type("Owner", (), {"attribute": handle})
    handle.__class__ = Shape
    with pytest.raises(TypeError, match="'Shape' object is not a data descriptor"):
        kind().attribute = 5
    with pytest.raises(TypeError, match="'Shape' object is not a data descriptor"):
        del kind().attribute
    assert kind().attribute is handle


def test_a_subclass_says_itself_what_it_is_in_a_class() -> None:
    class Mine(ThreadHandle[Any]):
        def __get__(self, instance: Any, owner: Any = None) -> Any:
            return "mine"

        def __set__(self, instance: Any, value: Any) -> None:
            instance.changed = value

        def __set_name__(self, owner: type, name: str) -> None:
            owner.named = name  # type: ignore[attr-defined]

    for value in (function, changing_property(), 5):
        kind: Any = type("Shape", (Shape,), {"attribute": Mine(value)})
        instance = kind()
        instance.attribute = 5
        assert (instance.attribute, instance.changed, kind.named) == ("mine", 5, "attribute")


def test_a_handle_without_its_constructor_in_a_class() -> None:
    handle = ThreadHandle.__new__(ThreadHandle)
    with pytest.raises(RuntimeError):
        type("Owner", (), {"attribute": handle})  # is to be told its name
    kind = type("Owner", (), {})
    kind.attribute = handle  # type: ignore[attr-defined]
    for owner in (kind, kind()):
        with pytest.raises(RuntimeError, match="has not been called"):
            _ = owner.attribute
    of_data = ThreadHandle.__new__(ThreadHandle, changing_property())
    kind.attribute = of_data  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError, match="has not been called"):
        kind().attribute = 5
    with pytest.raises(RuntimeError, match="has not been called"):
        del kind().attribute
    empty = ThreadHandle.__new__(ThreadHandle)
    with pytest.raises(RuntimeError, match="has not been called"):
        ThreadHandle(empty)


def test_a_keyword_that_cannot_be_compared() -> None:
    class Key(str):
        __slots__ = ()
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            raise LookupError

    for call in (ThreadHandle, ThreadHandle.__new__):
        with pytest.raises((LookupError, TypeError)):
            call(*[ThreadHandle][: call is not ThreadHandle], **{Key("obj"): 5})


@pytest.mark.parametrize("arguments", [(), (1,), (1, 2, 3)])
def test_wrong_arguments_of_the_methods(arguments: tuple[Any, ...]) -> None:
    handle: Any = ThreadHandle(Field())
    for method in (type(handle).__set__, ThreadHandle.__set_name__):
        with pytest.raises(TypeError):
            method(handle, *arguments)
    with pytest.raises(TypeError):
        type(handle).__set__(5, 1, 2)


def test_threads_that_use_one_class() -> None:
    class Counted(Shape):
        value = ThreadHandle(changing_property())
        twice = ThreadHandle(lambda self: self.side * 2)

    def work() -> None:
        instance: Any = Counted()
        for number in range(300):
            instance.value = number
            assert instance.value == number
            assert instance.twice() == number * 2

    run_threads(work, work, work, work)
