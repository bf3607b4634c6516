# SPDX-License-Identifier: Apache-2.0
"""The types are plain, immutable classes with public names.

Every native type against every rule.
"""

from __future__ import annotations

import abc
import collections.abc
import copy
import functools
import gc
import importlib
import pickle
import re
import subprocess
import sys
import types
import typing
import unittest.mock
import weakref
from typing import Any

import cereggii
import cereggii_atomicdict
import cereggii_atomicref
import pytest
from cereggii import AtomicBool, AtomicCounter, AtomicDict, AtomicEvent, AtomicInt, AtomicRef

# A type, and what makes an instance of it or of a subclass.
ATOMICS: dict[Any, tuple[Any, ...]] = {
    AtomicInt: (),
    AtomicCounter: (),
    cereggii.AtomicFloat: (),
    cereggii.AtomicFloatSum: (),
    AtomicEvent: (),
    AtomicRef: (),
    cereggii.AtomicStampedRef: (),
    AtomicBool: (),
    AtomicDict: (),
    cereggii.AtomicSet: (),
}
HANDLES: dict[Any, tuple[Any, ...]] = {
    cereggii.AtomicIntHandle: (AtomicInt(),),
    cereggii.AtomicCounterHandle: (AtomicCounter(),),
    cereggii.AtomicFloatHandle: (cereggii.AtomicFloat(),),
    cereggii.AtomicFloatSumHandle: (cereggii.AtomicFloatSum(),),
    cereggii.AtomicRefHandle: (AtomicRef(),),
    cereggii.AtomicBoolHandle: (AtomicBool(),),
    cereggii.AtomicDictHandle: (AtomicDict(),),
    cereggii.AtomicSetHandle: (cereggii.AtomicSet(),),
    cereggii_atomicref.ThreadHandle: ([1],),
}
ARGUMENTS = {**ATOMICS, **HANDLES}
# These cannot be subclassed, nor made by calling them.
FINAL = [
    type(iter(AtomicDict())),
    type(AtomicDict().fast_iter()),
    type(iter(cereggii.AtomicSet())),
    type(cereggii.NOT_FOUND),
    type(cereggii_atomicdict._items_at_one_instant(AtomicDict())),
]

every_type = pytest.mark.parametrize("kind", [*ARGUMENTS, *FINAL], ids=lambda t: t.__name__)
every_class = pytest.mark.parametrize("kind", ARGUMENTS, ids=lambda t: t.__name__)
T = typing.TypeVar("T")


class Protocol(typing.Protocol):
    def get_no_such(self) -> int: ...


class Slotted:
    __slots__ = ()


class Initialised(abc.ABC):  # noqa: B024
    """A class of its own that says when subclasses are made of it."""

    made: typing.ClassVar[list[str]] = []

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__()
        cls.made = [cls.__name__, *keywords]


# ── classes ────────────────────────────────────────────────────────────────────────────────────


@every_type
def test_the_metaclass_is_type(kind: Any) -> None:
    assert type(kind) is type
    assert kind.__base__ is object


@every_type
def test_a_type_cannot_be_changed(kind: Any) -> None:
    before = dict(vars(kind))
    for name in ("added", "__repr__", "__doc__", "__name__", "__module__", "__bases__", *before):
        if name == "__slotnames__":  # copyreg's
            continue
        with pytest.raises(TypeError, match="immutable type"):
            setattr(kind, name, None)
        with pytest.raises((TypeError, AttributeError)):
            delattr(kind, name)
    assert dict(vars(kind)) == before


@pytest.mark.parametrize("kind", [AtomicInt, AtomicDict, AtomicRef], ids=lambda t: t.__name__)
def test_a_subclass_can_be_patched(kind: Any) -> None:
    with (
        pytest.raises(TypeError, match="immutable type"),
        unittest.mock.patch.object(kind, "get", return_value="patched"),
    ):
        pass
    subclass = type("Sub", (kind,), {})
    with unittest.mock.patch.object(subclass, "get", return_value="patched"):
        assert subclass().get("key") == "patched"
    assert "get" not in vars(subclass)


@every_class
@pytest.mark.parametrize(
    "other",
    [abc.ABC, Protocol, typing.Generic[T], Slotted, Initialised],
    ids=lambda t: getattr(t, "__name__", str(t)),
)
def test_a_type_mixes_with_other_classes(kind: Any, other: Any) -> None:
    for bases in ((kind, other), (other, kind)):
        made = types.new_class("Mixed", bases)
        instance = made(*ARGUMENTS[kind])
        assert type(instance) is made
        assert issubclass(made, kind)
        assert made.__mro__[1] in (kind, getattr(other, "__origin__", other))
    if other is Initialised:
        assert made.made == ["Mixed"]
        assert types.new_class("Named", (kind, other), {"word": 1}).made == ["Named", "word"]


@every_class
def test_a_class_with_open_abstract_methods_has_no_instances(kind: Any) -> None:
    class Abstract(kind, abc.ABC):
        @abc.abstractmethod
        def open(self) -> int: ...

    class Concrete(Abstract):
        def open(self) -> int:
            return 3

    for arguments in ((), ARGUMENTS[kind]):
        with pytest.raises(TypeError, match="abstract"):
            Abstract(*arguments)
    with pytest.raises(TypeError, match="abstract"):
        kind.__new__(Abstract)
    assert Concrete(*ARGUMENTS[kind]).open() == 3


def outcome_of(kind: Any, make: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """The instance as its methods show it; for a refused call, the type and text of the error."""
    try:
        made = make(*arguments, **keywords)
    except Exception as error:
        return type(error), str(error)
    return re.sub("Derived| at 0x[0-9a-f]+", "", repr(made).replace(kind.__name__, ""))


@pytest.mark.parametrize("kind", ATOMICS, ids=lambda t: t.__name__)
@pytest.mark.parametrize("keywords", [{}, {"immortal": False}, {"initial_value": 1}, {"other": 1}])
@pytest.mark.parametrize("arguments", [(), (True,), (None,), ("1",), (2**200,), (1, 2), (1, 2, 3)])
def test_a_class_is_called_in_any_way(
    kind: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> None:
    """A call of the class itself goes a shorter way than that of a subclass, or of `type`."""

    class Derived(kind):  # type: ignore[misc]
        pass

    def in_two_steps(*arguments: Any, **keywords: Any) -> Any:
        made = kind.__new__(kind)
        made.__init__(*arguments, **keywords)
        return made

    expected = outcome_of(kind, kind, arguments, keywords)
    assert outcome_of(kind, functools.partial(type.__call__, kind), arguments, keywords) == expected
    assert outcome_of(kind, in_two_steps, arguments, keywords) == expected
    assert outcome_of(kind, Derived, arguments, keywords) == expected


@every_class
def test_an_instance_is_made_by_the_type_itself_only(kind: Any) -> None:
    with pytest.raises(TypeError, match=r"object\.__new__\(.*is not safe"):
        object.__new__(kind)
    with pytest.raises(TypeError):
        kind.__new__(int)
    with pytest.raises(TypeError):
        int.__new__(kind)


@pytest.mark.parametrize("kind", FINAL, ids=lambda t: t.__name__)
def test_some_types_cannot_be_subclassed_or_called(kind: Any) -> None:
    with pytest.raises(TypeError, match="not an acceptable base type"):
        type("Sub", (kind,), {})
    with pytest.raises((TypeError, RuntimeError)):
        kind()


def test_a_generic_class_of_ours_can_be_parametrized() -> None:
    class Box(AtomicRef[T], typing.Generic[T]):
        pass

    class Table(AtomicDict[str, T], collections.abc.MutableMapping[str, T]):
        pass

    assert Box[int](3).get() == 3
    assert Table[int](a=1)["a"] == 1
    assert typing.get_args(Box[int]) == (int,)


def test_a_dict_is_a_mapping() -> None:
    class Mapping(AtomicDict[str, int], collections.abc.MutableMapping[str, int]):
        pass

    class Plain(AtomicDict[str, int]):
        pass

    for mapping in (Mapping(a=1), Plain(a=1), AtomicDict(a=1), AtomicDict(a=1).get_handle()):
        assert isinstance(mapping, collections.abc.MutableMapping)
        match mapping:
            case {"a": found, **rest}:
                assert (found, rest) == (1, {})
            case _:
                pytest.fail(f"{mapping!r} matches no mapping")


# ── names ──────────────────────────────────────────────────────────────────────────────────────


@every_type
def test_a_type_is_found_under_its_public_name(kind: Any) -> None:
    assert "._" not in kind.__module__
    if not kind.__name__.startswith("_"):
        assert getattr(importlib.import_module(kind.__module__), kind.__qualname__) is kind
    assert repr(kind) == f"<class '{kind.__module__}.{kind.__qualname__}'>"


@every_class
def test_messages_show_public_names(kind: Any) -> None:
    public = f"{kind.__module__}.{kind.__qualname__}"
    made = kind(*ARGUMENTS[kind])
    if kind is not cereggii_atomicref.ThreadHandle:  # its attributes are the object's
        with pytest.raises(AttributeError) as caught:
            made.no_such_thing  # noqa: B018
        assert str(caught.value) in (
            f"'{public}' object has no attribute 'no_such_thing'",
            f"'{kind.__name__}' object has no attribute 'no_such_thing'",
        )
    for wrong in (lambda: kind.__repr__(object()), lambda: kind.__init__(object())):
        with pytest.raises(TypeError) as error:
            wrong()
        assert "._" not in str(error.value)
    for name in ("__weaklistoffset__", "__vectorcalloffset__"):
        assert name not in vars(kind)


@every_class
def test_a_pickle_shows_public_names(kind: Any) -> None:
    pickled = pickle.dumps(kind(*ARGUMENTS[kind]), protocol=0)
    assert b"._atomic" not in pickled
    assert kind.__qualname__.encode() in pickled


# ── instances ──────────────────────────────────────────────────────────────────────────────────


@every_class
def test_a_class_is_freed_with_its_last_instance(kind: Any) -> None:
    for bases in ((kind,), (kind, abc.ABC), (Slotted, kind)):
        made = types.new_class("Short", bases)
        for _ in range(100):
            made(*ARGUMENTS[kind])
            made.__new__(made)
        alive = [made(*ARGUMENTS[kind]) for _ in range(3)]
        watch = weakref.ref(made)
        del made
        gc.collect()
        assert watch() is type(alive[0])
        del alive
        gc.collect()
        assert watch() is None


@every_class
def test_the_parts_of_a_subclass_are_released(kind: Any) -> None:
    class Part:
        pass

    class Sub(kind):
        __slots__ = ("__dict__", "slot")

    ended: list[str] = []
    instance = Sub(*ARGUMENTS[kind])
    if kind is cereggii_atomicref.ThreadHandle:  # what is set, is set in the object
        instance = Sub(types.SimpleNamespace())
        part = instance.slot = Part()
    else:
        part = instance.slot = instance.attribute = Part()
    watches = [
        weakref.ref(instance, lambda _: ended.append("instance")),
        weakref.ref(part, lambda _: ended.append("part")),
    ]
    del part, instance
    gc.collect()
    assert sorted(ended) == ["instance", "part"]
    assert all(watch() is None for watch in watches)


@every_class
def test_an_instance_without_init_is_harmless(kind: Any) -> None:
    for cls in (kind, types.new_class("Sub", (kind, abc.ABC))):
        empty = cls.__new__(cls)
        watch = weakref.ref(empty)
        gc.collect()
        assert gc.is_tracked(empty)
        with pytest.raises(RuntimeError, match="has not been called"):
            copy.copy(empty)
        del empty
        gc.collect()
        assert watch() is None


# A program of its own: it leaves the modules of this one alone.
AGAIN = """
import sys
import cereggii
types = [cereggii.AtomicInt, cereggii.AtomicBool, cereggii.AtomicDict, cereggii.AtomicRefHandle]
kept = [t() for t in types[:3]]
for name in [n for n in sys.modules if n.startswith("cereggii")]:
    del sys.modules[name]
import cereggii as again
assert [again.AtomicInt, again.AtomicBool, again.AtomicDict, again.AtomicRefHandle] == types
assert again is not cereggii
import copy, pickle
kept.append(kept[2].get_handle())
for k in [*kept, again.AtomicStampedRef(1, 2), again.AtomicRef(3)]:
    assert type(copy.copy(k)) is type(k)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert type(pickle.loads(pickle.dumps(k, protocol))) is type(k)
try:
    again.AtomicInt.get = None
except TypeError:
    print("immutable")
"""


def test_the_types_are_the_same_when_imported_again() -> None:
    ran = subprocess.run([sys.executable, "-c", AGAIN], capture_output=True, text=True, timeout=60)
    assert (ran.stdout, ran.returncode) == ("immutable\n", 0), ran.stderr
