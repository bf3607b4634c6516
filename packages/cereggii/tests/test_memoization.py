# SPDX-License-Identifier: Apache-2.0
"""AtomicCache.memoize, on functions and methods."""

from __future__ import annotations

import copy
import functools
import gc
import inspect
import pickle
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from cereggii import AtomicCache

from tools.testing.lifetimes import collected

from .caches import Clock, Limits, RefusalError, Thing, every_cache

# ── memoization ────────────────────────────────────────────────────────────────────────────────


def counted(limits: Limits) -> tuple[Any, list[tuple[Any, ...]]]:
    """A memoized function, and the list of the calls that were not answered from the cache."""
    calls: list[tuple[Any, ...]] = []

    @AtomicCache.memoize(**limits)
    def function(*args: Any, **kwargs: Any) -> Thing:
        calls.append((args, kwargs))
        return Thing()

    return function, calls


@every_cache
def test_a_memoized_function_is_called_once_for_the_same_arguments(limits: Limits) -> None:
    function, calls = counted(limits)
    arguments: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((), {}),
        ((1,), {}),
        (((1,),), {}),
        ((1, 2), {}),
        ((2, 1), {}),
        ((1, ("b", 2)), {}),
        ((1,), {"b": 2}),
        ((), {"a": 1, "b": 2}),
        ((), {"a": 1}),
        ((None,), {}),
        ((("a", 1),), {}),
    ]
    things = [function(*args, **kwargs) for args, kwargs in arguments]
    assert len({*things}) == len(arguments)
    assert [function(*args, **kwargs) for args, kwargs in arguments] == things
    assert calls == arguments


@every_cache
def test_the_order_of_keywords_is_of_no_matter(limits: Limits) -> None:
    function, calls = counted(limits)
    assert function(1, a=2, b="x", c=None) is function(1, c=None, b="x", a=2)
    function.invalidate(1, b="x", c=None, a=2)
    function(1, a=2, c=None, b="x")
    assert len(calls) == 2


def test_keywords_of_any_name_are_the_function_s() -> None:
    function, calls = counted({})
    names = {"self": 1, "cls": 2, "key": 3, "args": 4, "func": 5, "timeout": 6, "fill": 7}
    assert function(**names) is function(**names)
    function.invalidate(**names)
    function(**names)
    assert calls == [((), names)] * 2


@every_cache
def test_one_result_or_all_can_be_forgotten(limits: Limits) -> None:
    function, calls = counted(limits)
    first, second, third = function(1), function(2), function(2, x=3)
    function.invalidate(1)
    function.invalidate(5)
    assert function(2) is second
    assert function(2, x=3) is third
    assert function(1) is not first
    function.invalidate(2, x=3)
    assert function(2) is second
    assert function(2, x=3) is not third
    function.clear()
    assert function(2) is not second
    assert len(calls) == 6


@every_cache
def test_arguments_have_to_be_hashable(limits: Limits) -> None:
    function, calls = counted(limits)
    for act in (function, function.invalidate):
        with pytest.raises(TypeError, match="unhashable"):
            act([])
        with pytest.raises(TypeError, match="unhashable"):
            act(x={})
    assert calls == []


@every_cache
def test_a_memoized_function_may_call_itself(limits: Limits) -> None:
    calls = []

    @AtomicCache.memoize(**limits)
    def fib(n: int) -> int:
        calls.append(n)
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    assert fib(60) == 1548008755920
    assert sorted(calls) == [*range(61)]

    @AtomicCache.memoize(**limits)
    def forever(n: int) -> int:
        return forever(n)

    with pytest.raises(RuntimeError, match="own value"):
        forever(5)


def test_the_limits_are_those_of_the_results(clock: Clock) -> None:
    function, calls = counted({"ttl": 10, "maxsize": 2})
    for n in (1, 2, 3, 3, 2):
        function(n)
    assert len(calls) == 3
    function(1)
    assert len(calls) == 4
    clock.now += 11
    function(1)
    assert len(calls) == 5


def test_an_exception_of_a_memoized_function_is_not_cached() -> None:
    calls = []

    @AtomicCache.memoize
    def function(n: int) -> Any:
        calls.append(n)
        raise RefusalError(n)

    for _ in range(2):
        with pytest.raises(RefusalError, match="5"):
            function(5)
    with pytest.raises(TypeError, match="argument"):
        function()
    assert calls == [5, 5]


def test_a_function_can_be_memoized_in_every_way() -> None:
    def function(n: int) -> str:
        return f"{n}"

    for memoized in (
        AtomicCache.memoize(function),
        AtomicCache.memoize()(function),
        AtomicCache.memoize(ttl=60.0)(function),
        AtomicCache.memoize(60.0)(function),
        AtomicCache.memoize(60.0, 10)(function),
        AtomicCache.memoize(maxsize=10)(function),
        AtomicCache.MemoizedFunction(AtomicCache, function, ttl=60.0),
    ):
        assert type(memoized) is AtomicCache.MemoizedFunction
        assert memoized(5) is memoized(5)
        assert memoized(5) == "5"
        memoized.invalidate(5)
        assert memoized(5) == "5"
    assert AtomicCache.memoize(Thing)() is not AtomicCache.memoize(Thing)()
    memoize: Any = AtomicCache.memoize
    with pytest.raises(TypeError, match="func must be callable, not 5"):
        memoize()(5)
    with pytest.raises(TypeError):
        memoize(speed=5)(function)


@AtomicCache.memoize(maxsize=10)
def memoized_here(n: int) -> Thing:
    """Says what it is."""
    return Thing()


def test_a_memoized_function_looks_like_the_function() -> None:
    function: Any = memoized_here
    assert function.__name__ == function.__qualname__ == "memoized_here"
    assert function.__doc__ == "Says what it is."
    assert function.__module__ == __name__
    assert function.__wrapped__(5) is not function.__wrapped__(5)
    assert "memoized_here" in repr(function)
    reference = weakref.ref(function)
    assert reference() is function

    def own(n: int) -> int:
        return n

    own.author = "somebody"  # type: ignore[attr-defined]
    function = AtomicCache.memoize(own)
    assert function.author == "somebody"
    assert AtomicCache.memoize(functools.partial(max, 5))(7) == 7


def test_attributes_of_the_function_do_not_disturb() -> None:
    calls = []

    @AtomicCache.memoize(maxsize=1)
    @AtomicCache.memoize
    def twice(n: int) -> int:
        calls.append(n)
        return n

    assert [twice(1), twice(2), twice(1)] == [1, 2, 1]
    assert calls == [1, 2]
    twice.invalidate(1)  # of the outer cache; the inner one has it still
    twice(1)
    assert calls == [1, 2]

    def other(n: int) -> int:
        return n

    other.cache = {}  # type: ignore[attr-defined]
    assert AtomicCache.memoize(other)(5) == 5


@pytest.mark.parametrize(
    "make_copy",
    [copy.copy, copy.deepcopy, lambda function: pickle.loads(pickle.dumps(function))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_a_memoized_function_is_copied_as_a_function(make_copy: Callable[[Any], Any]) -> None:
    assert make_copy(memoized_here) is memoized_here


class Account:
    """A class whose methods are memoized."""

    def __init__(self, name: str = "") -> None:
        self.name = name

    @AtomicCache.memoize
    def method(self, n: int = 0, **kwargs: int) -> tuple[Any, ...]:
        """Says what it does."""
        return (self, n, kwargs)

    @property
    @AtomicCache.memoize
    def attribute(self) -> list[Any]:
        return [self]


class Savings(Account):
    pass


def test_a_method_has_results_of_each_instance() -> None:
    one, other = Account(), Savings()
    found = one.method(5)
    assert found == (one, 5, {})
    assert one.method(5) is found
    assert Account.method(one, 5) is found
    assert other.method(5) == (other, 5, {})
    assert one.method() == (one, 0, {})
    assert one.method(5, a=1, b=2) is one.method(5, b=2, a=1)
    assert one.attribute is one.attribute
    assert one.attribute == [one]


def test_a_bound_method_forgets_a_result_of_its_instance() -> None:
    one, other = Account(), Account()
    old, kept, with_keyword = one.method(5), other.method(5), one.method(5, a=1)
    one.method.invalidate(5)
    assert one.method(5) is not old
    assert other.method(5) is kept
    assert one.method(5, a=1) is with_keyword
    one.method.invalidate(5, a=1)
    assert one.method(5, a=1) is not with_keyword
    Account.method.invalidate(other, 5)
    assert other.method(5) is not kept


def test_all_results_of_a_method_can_be_forgotten_by_way_of_any_instance() -> None:
    class Mine:
        @AtomicCache.memoize
        def method(self) -> Thing:
            return Thing()

    one, other = Mine(), Mine()
    old = one.method(), other.method()
    one.method.clear()
    assert one.method() is not old[0]
    assert other.method() is not old[1]


def test_class_methods_and_static_methods_can_be_memoized() -> None:
    class Base:
        @classmethod
        @AtomicCache.memoize
        def of_class(cls, n: int) -> tuple[Any, ...]:
            return (cls, n)

        @staticmethod
        @AtomicCache.memoize(maxsize=10)
        def of_none(n: int) -> tuple[Any, ...]:
            return (n,)

    class Derived(Base):
        pass

    found = Base.of_class(5)
    assert found == (Base, 5)
    assert Base().of_class(5) is Base.of_class(5) is found
    assert Derived.of_class(5) == (Derived, 5)
    # The attributes of a bound class method differ between releases of Python.
    memoized = vars(Base)["of_class"].__func__
    memoized.invalidate(Base, 5)
    assert Base.of_class(5) is not found
    alone = Base.of_none(5)
    assert Base().of_none(5) is Base.of_none(5) is Derived.of_none(5) is alone
    Base().of_none.invalidate(5)
    assert Base.of_none(5) is not alone


def shapes() -> tuple[Any, Any]:
    """A class whose class methods are memoized, in all ways to write it, and a subclass."""

    class Shape:
        @classmethod
        @AtomicCache.memoize
        def bare(cls, n: int = 0, **kwargs: int) -> Thing:
            return Thing()

        @classmethod
        @AtomicCache.memoize(maxsize=1000, ttl=1e9)
        def limited(cls, n: int = 0, **kwargs: int) -> Thing:
            return Thing()

        def _plain(cls: Any, n: int = 0, **kwargs: int) -> Thing:  # noqa: N805
            return Thing()

        renamed = classmethod(AtomicCache.memoize(_plain))

    class Square(Shape):
        pass

    return Shape, Square


CLASS_METHODS = ["bare", "limited", "renamed"]
ARGUMENTS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((), {}),
    ((5,), {}),
    ((), {"n": 5}),
    ((5,), {"a": 1, "b": 2}),
    ((int,), {}),
    ((None,), {}),
]


@pytest.mark.parametrize("make", [lambda cls: cls, lambda cls: cls()], ids=["class", "instance"])
@pytest.mark.parametrize("name", CLASS_METHODS)
def test_a_class_method_forgets_one_result(name: str, make: Any) -> None:
    for cls in shapes():
        method = getattr(make(cls), name)
        for args, kwargs in ARGUMENTS:
            found = method(*args, **kwargs)
            others = [method(*more, **extra) for more, extra in ARGUMENTS]
            assert found in others
            getattr(make(cls), name).invalidate(*args, **kwargs)
            fresh = [method(*more, **extra) for more, extra in ARGUMENTS]
            assert [*map(others.index, {*others} - {*fresh})] == [others.index(found)]


@pytest.mark.parametrize("name", CLASS_METHODS)
def test_a_class_method_forgets_all_results(name: str) -> None:
    Shape, Square = shapes()  # noqa: N806
    before = getattr(Shape, name)(1), getattr(Square, name)(1), getattr(Square, name)(2)
    getattr(Square, name).clear()
    after = getattr(Shape, name)(1), getattr(Square, name)(1), getattr(Square, name)(2)
    assert not {*before} & {*after}


def test_a_class_method_may_be_that_of_several_classes() -> None:
    Shape, _ = shapes()  # noqa: N806

    class Other:  # not a subclass
        shared: Any = vars(Shape)["bare"]

    mine, theirs = Shape.bare(7), Other.shared(7)
    assert mine is not theirs
    Other.shared.invalidate(7)
    assert Other.shared(7) is not theirs


def test_an_overridden_class_method_forgets_its_own() -> None:
    class Base:
        @classmethod
        @AtomicCache.memoize
        def make(cls) -> Thing:
            return Thing()

    class Derived(Base):
        @classmethod
        @AtomicCache.memoize
        def make(cls) -> Thing:
            return Thing()

    of_base, of_derived = Base.make(), Derived.make()
    Derived.make.invalidate()
    assert Base.make() is of_base
    assert Derived.make() is not of_derived


def test_a_result_that_belongs_to_a_class_by_its_argument_only_stays() -> None:
    function, _ = counted({})
    found = [function(int, 5), function(5), function(str, 5)]
    function.invalidate(5)
    assert [function(int, 5), function(str, 5)] == [found[0], found[2]]
    assert function(5) is not found[1]


def test_a_class_method_keeps_no_class_alive_whose_results_are_forgotten() -> None:
    class Base:
        @classmethod
        @AtomicCache.memoize
        def make(cls) -> Thing:
            return Thing()

    references = []
    for _ in range(20):
        derived = type("Derived", (Base,), {})
        derived.make()  # type: ignore[attr-defined]
        references.append(weakref.ref(derived))
    del derived
    Base.make()
    Base.make.clear()
    assert all(map(collected, references))
    thing = Base.make()
    Base.make.invalidate()
    assert Base.make() is not thing


def test_a_class_that_compares_in_its_own_way_can_be_invalidated() -> None:
    class Meta(type):
        def __eq__(cls, other: object) -> bool:
            return isinstance(other, Meta)

        def __hash__(cls) -> int:
            return 5

    class One(metaclass=Meta):
        @classmethod
        @AtomicCache.memoize
        def make(cls) -> Thing:
            return Thing()

    found = One.make()
    One.make.invalidate()
    assert One.make() is not found


def test_a_memoized_function_is_freed_with_its_last_reference() -> None:
    function, _ = counted({})
    function(int)
    reference = weakref.ref(function)
    del function
    assert reference() is None


def method_of_many(self: Any, a: int, /, b: str = "", *args: int, c: float, **kwargs: int) -> None:
    pass


@every_cache
def test_a_bound_method_has_the_signature_of_one(limits: Limits) -> None:
    class Plain:
        method = method_of_many

        @classmethod
        def of_class(cls, a: int) -> str:
            return ""

        @staticmethod
        def of_none(a: int) -> str:
            return ""

    class Mine:
        method = AtomicCache.memoize(**limits)(method_of_many)
        of_class = classmethod(AtomicCache.memoize(**limits)(vars(Plain)["of_class"].__func__))
        of_none = staticmethod(AtomicCache.memoize(**limits)(Plain.of_none))

    for name in ("method", "of_class", "of_none"):
        for make in (lambda cls: cls, lambda cls: cls()):
            mine, plain = getattr(make(Mine), name), getattr(make(Plain), name)
            assert inspect.signature(mine) == inspect.signature(plain), name
            assert str(inspect.signature(mine)) == str(inspect.signature(plain))
    assert inspect.signature(functools.partial(Mine().method, 1, c=2.0)).parameters.keys() == (
        inspect.signature(functools.partial(Plain().method, 1, c=2.0)).parameters.keys()
    )


def test_a_callable_without_a_signature_has_none_when_it_is_bound() -> None:
    class Mine:
        method = AtomicCache.memoize(type("NoSignature", (), {
            "__call__": lambda *args: 5, "__signature__": "wrong",
        })())  # fmt: skip

    bound = Mine().method
    assert not hasattr(bound, "no_such_attribute")
    with pytest.raises((TypeError, ValueError)):
        inspect.signature(bound)
    assert bound() == 5


def test_a_bound_method_looks_like_one() -> None:
    one, other = Account("one"), Account("other")
    method: Any = one.method
    assert method.__self__ is one
    assert method.__func__ is Account.method
    assert method.__name__ == "method"
    assert method.__qualname__ == "Account.method"
    assert method.__doc__ == "Says what it does."
    assert method.__wrapped__ is Account.method.__wrapped__
    assert method == one.method
    assert hash(method) == hash(one.method)
    assert method != other.method
    with pytest.raises(AttributeError):
        method.unheard_of  # noqa: B018
    assert copy.copy(method) == method
    assert copy.copy(method)(5) is method(5)
    reference = weakref.ref(method)
    assert reference() is method
    copied = pickle.loads(pickle.dumps(method))
    assert copied.__self__.name == "one"
    assert copied.__func__ is Account.method


def test_the_results_of_a_method_keep_its_instances_alive_until_they_are_forgotten() -> None:
    class Mine:
        @AtomicCache.memoize
        def method(self) -> int:
            return 5

    instance = Mine()
    instance.method()
    reference = weakref.ref(instance)
    method = Mine.method
    del instance
    gc.collect()
    assert reference() is not None
    method.clear()
    assert collected(reference)


def test_a_memoized_function_of_a_subclass_has_a_cache_of_it() -> None:
    made: list[Any] = []

    class Mine(AtomicCache[Any, Any]):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            made.append((args[1:], kwargs))

    @Mine.memoize
    def bare(n: int) -> int:
        return n

    @Mine.memoize(60.0, maxsize=5)
    def limited(n: int) -> int:
        return n

    assert bare(5) == limited(5) == 5
    assert made == [((), {}), ((60.0,), {"maxsize": 5})]
