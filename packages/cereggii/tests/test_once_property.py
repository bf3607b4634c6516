# SPDX-License-Identifier: Apache-2.0
"""once_property is computed once for each instance, and keeps nothing but the value."""

from __future__ import annotations

import abc
import copy
import functools
import gc
import pickle
import sys
import weakref
from collections.abc import AsyncIterator, Iterator
from fractions import Fraction
from typing import Any, Generic, TypeVar

import pytest
from cereggii import ANY, NOT_FOUND, AtomicInt, once_property

from tools.testing.concurrency import eventually

from .calls import FailedError, Thing, outcome_of

_T = TypeVar("_T")


class Report:
    """Keeps the value in its `__dict__`."""

    calls = 0

    @once_property
    def total(self) -> list[int]:
        """The documentation."""
        self.calls += 1
        return [self.calls]


class Slotted:
    """Keeps the value in a slot."""

    __slots__ = ("__weakref__", "_total", "calls")

    def __init__(self) -> None:
        self.calls = 0

    @once_property(slot="_total")
    def total(self) -> list[int]:
        """The documentation."""
        self.calls += 1
        return [self.calls]


class Unhashable(Report):
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise TypeError("cannot be compared")


class WithoutWeakReferences:
    __slots__ = ("__dict__", "calls")

    def __init__(self) -> None:
        self.calls = 0

    total = once_property(Report.total.func)


class False_(Report):  # noqa: N801
    def __bool__(self) -> bool:
        raise TypeError("is neither true nor false")


class FrozenError_(Report):  # noqa: N801
    """Refuses to be changed, but by whoever goes past that."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "calls":
            raise TypeError("frozen")
        super().__setattr__(name, value)


class OfAType(Generic[_T]):
    calls = 0
    total = once_property(Report.total.func)


class Derived(Report):
    pass


class Abstract(abc.ABC):  # noqa: B024
    calls = 0
    total = once_property(Report.total.func)


KINDS = [Report, Slotted, Unhashable, WithoutWeakReferences, False_, FrozenError_, OfAType[int],
         Derived, Abstract]  # fmt: skip
every_kind = pytest.mark.parametrize("kind", KINDS)


# ── values ─────────────────────────────────────────────────────────────────────────────────────


@every_kind
def test_it_is_computed_once_for_each_instance_and_not_before(kind: Any) -> None:
    one, other = kind(), kind()
    assert one.calls == 0
    value = one.total
    assert value == [1]
    assert all(one.total is value for _ in range(3))
    assert one.calls == 1
    assert other.calls == 0
    assert other.total == [1]
    assert other.total is not value


@pytest.mark.parametrize("value", [None, False, NotImplemented, NOT_FOUND, ANY, FailedError("x")])
def test_any_object_can_be_the_value(value: Any) -> None:
    class Holder:
        __slots__ = ("__dict__", "_second", "calls")

        @once_property
        def first(self) -> Any:
            self.calls.append(1)
            return value

        @once_property(slot="_second")
        def second(self) -> Any:
            self.calls.append(2)
            return value

    holder = Holder()
    holder.calls = []
    assert [holder.first is value, holder.second is value] * 3 == [True] * 6
    assert holder.calls == [1, 2]


def test_it_is_an_attribute_of_the_instance_afterwards() -> None:
    report = Report()
    value = report.total
    assert vars(report) == {"calls": 1, "total": value}
    assert "total" not in vars(Report())


@every_kind
def test_deleting_it_has_it_computed_again(kind: Any) -> None:
    instance = kind()
    with pytest.raises(AttributeError):
        delete(instance)
    assert instance.total == [1]
    delete(instance)
    assert instance.total == [2]
    assert instance.total == [2]
    delete(instance)
    delete_is_refused = outcome_of(delete, instance)
    assert isinstance(delete_is_refused, AttributeError)


def delete(instance: Any) -> None:
    if type(instance) is Slotted:
        del instance._total
    else:
        del instance.total


def test_it_can_be_set_as_any_attribute() -> None:
    report = Report()
    report.total = [7]  # type: ignore[misc]
    assert report.total == [7]
    assert report.calls == 0
    report.total.append(8)
    assert report.total == [7, 8]
    del report.total
    assert report.total == [1]


def test_one_in_a_slot_cannot_be_set() -> None:
    slotted: Any = Slotted()
    with pytest.raises(AttributeError):
        slotted.total = [7]
    assert slotted.total == [1]


def test_a_value_that_is_set_while_it_is_computed_stays() -> None:
    class Holder:
        @once_property
        def value(self) -> str:
            vars(self)["value"] = "set"
            return "computed"

    holder = Holder()
    assert holder.value == "set"
    assert holder.value == "set"


# ── classes ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", [Report, Slotted])
def test_read_from_the_class_it_is_the_property(kind: Any) -> None:
    assert kind.total is vars(kind)["total"]
    assert isinstance(kind.total, once_property)
    assert kind.total.__doc__ == "The documentation."
    assert kind.total.attrname == "total"
    assert kind.total.func.__name__ == "total"
    assert kind.total.__module__ == __name__


def test_a_subclass_overrides_it() -> None:
    class Base:
        @once_property
        def value(self) -> list[str]:
            calls.append("base")
            return ["base"]

    class Overridden(Base):
        @once_property
        def value(self) -> list[str]:
            calls.append("derived")
            return [*super().value, "derived"]

    class Twice(Overridden):
        @once_property
        def value(self) -> list[str]:
            return [*super().value, "twice"]

    class Plain(Base):
        value = 5  # type: ignore[assignment]

    calls: list[str] = []
    instance = Overridden()
    assert instance.value == ["base", "derived"]
    assert instance.value is instance.value
    assert vars(instance) == {"value": ["base", "derived"]}
    assert calls == ["derived", "base"]
    assert Twice().value == ["base", "derived", "twice"]
    assert Plain().value == 5
    assert Base().value == ["base"]


def test_a_name_for_each_and_one_only() -> None:
    prop = once_property(lambda self: [self])

    class First:
        value = prop

    class Second:
        value = prop  # of the same name it may be in many classes

    first, second = First(), Second()
    assert first.value == [first]
    assert second.value == [second]
    with pytest.raises((TypeError, RuntimeError)) as caught:
        type("Third", (), {"other": prop})
    error = caught.value if sys.version_info >= (3, 12) else caught.value.__cause__
    assert "'value' and 'other'" in str(error)


def test_without_a_name_it_cannot_be_used() -> None:
    class Holder:
        pass

    Holder.value = once_property(lambda self: 1)  # type: ignore[attr-defined]
    holder: Any = Holder()
    with pytest.raises(TypeError, match="__set_name__"):
        _ = holder.value
    Holder.value.__set_name__(Holder, "value")  # type: ignore[attr-defined]
    assert holder.value == 1


def test_an_instance_without_a_place_for_it_is_told_so_before_it_is_computed() -> None:
    class Bare:
        __slots__ = ()

        @once_property
        def value(self) -> int:
            calls.append(1)
            return 1

    class Meta(type):
        @once_property
        def value(cls) -> int:
            calls.append(1)
            return 1

    class OfMeta(metaclass=Meta):
        pass

    calls: list[int] = []
    for instance in (Bare(), OfMeta):
        with pytest.raises(TypeError, match=r"__dict__.*'value'.*slot"):
            _ = instance.value  # type: ignore[attr-defined]
    assert calls == []


@pytest.mark.parametrize("slot", ["_other", "calls", "__dict__"])
def test_a_slot_that_is_not_there_is_told_when_the_class_is_made(slot: str) -> None:
    with pytest.raises((TypeError, RuntimeError)) as caught:
        type("Holder", (), {"value": once_property(len, slot=slot), "__slots__": ("_one",)})
    error = caught.value if sys.version_info >= (3, 12) else caught.value.__cause__
    assert isinstance(error, TypeError)
    assert repr(slot) in str(error)
    assert "Holder" in str(error)


def test_a_slot_may_be_that_of_a_base_class() -> None:
    class Derived(Slotted):
        __slots__ = ()

    instance = Derived()
    assert instance.total is instance.total
    assert instance.calls == 1


def test_it_can_be_derived_from() -> None:
    class Mine(once_property[_T]):
        mark = 5

    class Holder:
        __slots__ = ("__dict__", "_second")

        @Mine
        def first(self) -> list[int]:
            return [1]

        @Mine(slot="_second")
        def second(self) -> list[int]:
            return [2]

    assert [type(made).__name__ for made in (Mine(len), Mine(), once_property())] == [
        *("Mine", "Mine", "once_property")
    ]
    assert isinstance(Mine(), Mine)
    holder = Holder()
    assert holder.first is holder.first
    assert holder.second is holder.second
    assert [type(prop) for prop in (Holder.first, Holder.second)] == [Mine, Mine]


# ── wrong arguments ────────────────────────────────────────────────────────────────────────────


def generate(self: Any) -> Iterator[int]:
    yield 1


async def generate_async(self: Any) -> AsyncIterator[int]:
    yield 1


async def await_(self: Any) -> int:
    return 1


@pytest.mark.parametrize("options", [{}, {"slot": "_x"}, {"timeout": 1}])
def test_functions_that_have_no_value_to_share_are_refused(options: dict[str, Any]) -> None:
    anything: Any = once_property
    wrong = [5, "text", generate, generate_async, await_, functools.partial(generate)]
    for func in wrong:
        calls = [lambda f=func: anything(f, **options)]
        if options:
            calls.append(lambda f=func: anything(**options)(f))
        for call in calls:
            with pytest.raises(TypeError) as caught:
                call()
            assert repr(func) in str(caught.value)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"slot": 5}, TypeError),
        ({"slot": b"x"}, TypeError),
        ({"timeout": "soon"}, TypeError),
        ({"timeout": -1}, ValueError),
        ({"timeout": float("nan")}, ValueError),
        ({"timeout": 10**30}, OverflowError),
    ],
    ids=repr,
)
def test_wrong_options_are_named(options: dict[str, Any], error: type[Exception]) -> None:
    anything: Any = once_property
    for use in (lambda: anything(len, **options), lambda: anything(**options)):
        with pytest.raises(error) as caught:
            use()
        assert repr(*options.values()) in str(caught.value)


@pytest.mark.parametrize(
    "timeout", [None, 0, Fraction(1, 2), AtomicInt(5), True, 9e9, float("inf")], ids=repr
)
def test_every_timeout_is_taken(timeout: Any) -> None:
    class Holder:
        @once_property(timeout=timeout)
        def value(self) -> list[int]:
            return [1]

    holder = Holder()
    assert holder.value is holder.value


# ── references ─────────────────────────────────────────────────────────────────────────────────


@every_kind
def test_instances_are_freed_with_their_last_reference(kind: Any) -> None:
    instance = kind()
    mark = Thing()
    if type(instance) is not Slotted:
        vars(instance)["mark"] = mark
        reference: Any = weakref.ref(mark)
    else:
        reference = weakref.ref(instance)
    _ = instance.total
    del mark, instance
    assert eventually(lambda: gc.collect() >= 0 and reference() is None)


@pytest.mark.parametrize("kind", [Report, Slotted])
def test_a_value_that_refers_to_its_instance_is_freed_with_it(kind: Any) -> None:
    instance, thing = kind(), Thing()
    instance.total.extend([instance, thing])
    reference = weakref.ref(thing)
    del instance, thing
    assert eventually(lambda: gc.collect() >= 0 and reference() is None)


@pytest.mark.parametrize("slot", [None, "_value"])
def test_nothing_but_the_value_is_kept(slot: str | None) -> None:
    class Holder:
        __slots__ = ("__dict__", "_value", "fails")

        @once_property(slot=slot)
        def value(self) -> list[int]:
            if self.fails:
                raise FailedError
            return [1]

    instances = [Holder() for _ in range(100)]
    for number, instance in enumerate(instances):
        instance.fails = number % 2 == 1
        outcome_of(lambda instance=instance: instance.value)
    assert len(Holder.value._computations) == 0
    kept = {"value"} if slot is None else set()
    assert {frozenset(vars(instance)) for instance in instances[::2]} == {frozenset(kept)}
    assert {frozenset(vars(instance)) for instance in instances[1::2]} == {frozenset()}


def test_copies_and_pickles_have_the_value() -> None:
    report = Report()
    before = [copy.copy(report), pickle.loads(pickle.dumps(report))]
    report.total.append(5)
    after = [copy.copy(report), copy.deepcopy(report), pickle.loads(pickle.dumps(report))]
    assert [each.total for each in after] == [[1, 5]] * 3
    assert [each.calls for each in after] == [1] * 3
    assert after[0].total is report.total
    assert [each.total for each in before] == [[1]] * 2


def test_copies_and_pickles_can_be_made_while_it_is_computed() -> None:
    slotted = Slotted()
    for instance, prop in ((Copying(), Copying.value), (slotted, Slotted.total)):
        assert prop.__get__(instance)
    found = Copying().value
    assert [vars(each) for each in found] == [{"name": "x"}] * 3
    assert all(each.value for each in found)


class Copying:
    def __init__(self) -> None:
        self.name = "x"

    @once_property
    def value(self) -> list[Any]:
        return [copy.copy(self), copy.deepcopy(self), pickle.loads(pickle.dumps(self))]


def test_the_property_can_be_copied() -> None:
    for kind in (Report, Slotted):
        copied: Any = copy.copy(kind.total)  # type: ignore[attr-defined]
        assert copied is not kind.total  # type: ignore[attr-defined]
        assert isinstance(copied, once_property)
        instance: Any = kind()
        assert copied.__get__(instance) == [1]
