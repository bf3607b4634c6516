# SPDX-License-Identifier: Apache-2.0
"""Subclasses may add and override what those of dict may: attributes, methods, __missing__."""

from __future__ import annotations

import weakref
from typing import Any

import pytest
from cereggii_atomicdict import AtomicDict, AtomicDictHandle

from tools.testing.lifetimes import collected

from .mapping_forms import Collider, Thing, contents


class Default(AtomicDict[Any, Any]):
    """Answers for what is missing."""

    def __missing__(self, key: Any) -> Any:
        return ("missing", key)


# ── __missing__ ────────────────────────────────────────────────────────────────────────────────


def test_missing_is_asked_by_subscription_only() -> None:
    mapping = Default({1: "one"})
    for key in (2, ("a", 1), None, (), Collider("x")):
        assert mapping[key] == ("missing", key)
        assert mapping[key][1] is key
        assert mapping.get(key) is None
        assert mapping.get(key, "default") == "default"
        assert key not in mapping
        assert mapping.pop(key, None) is None
        with pytest.raises(KeyError):
            mapping.pop(key)
        with pytest.raises(KeyError):
            del mapping[key]
    assert mapping[1] == "one"
    assert mapping.setdefault(3, "three") == "three"
    assert contents(mapping) == {1: "one", 3: "three"}


def test_missing_may_store_raise_and_be_an_attribute_of_any_kind() -> None:
    class Storing(AtomicDict[Any, Any]):
        def __missing__(self, key: Any) -> Any:
            if key == "bad":
                raise LookupError(key)
            self[key] = [key]
            return self[key]

    storing = Storing()
    storing["a"].append(1)
    assert contents(storing) == {"a": ["a", 1]}
    with pytest.raises(LookupError, match="bad"):
        storing["bad"]

    class Static(AtomicDict[Any, Any]):
        @staticmethod
        def __missing__(key: Any) -> Any:
            return key

    assert Static()["a"] == "a"

    class NotCallable(AtomicDict[Any, Any]):
        __missing__ = None

    for make in (lambda: NotCallable(), lambda: type("Dict", (dict,), {"__missing__": None})()):
        with pytest.raises(TypeError, match="callable"):
            make()["a"]


def test_missing_is_not_asked_for_a_key_that_cannot_be_hashed() -> None:
    key: Any = []
    with pytest.raises(TypeError, match="unhashable"):
        Default()[key]


def test_missing_of_an_instance_is_not_asked() -> None:
    class Open(AtomicDict[Any, Any]):
        pass

    mapping: Any = Open()
    mapping.__missing__ = lambda key: key
    with pytest.raises(KeyError):
        mapping["a"]
    Open.__missing__ = lambda self, key: key  # type: ignore[attr-defined]
    assert mapping["a"] == "a"


def test_a_handle_asks_as_its_dict_does() -> None:
    handle = Default({1: "one"}).get_handle()
    assert handle[1] == "one"
    assert handle["a"] == ("missing", "a")
    assert handle.get("a") is None


def test_a_handle_subclass_may_answer_for_what_is_missing() -> None:
    class Answering(AtomicDictHandle[Any, Any]):
        def __missing__(self, key: Any) -> Any:
            return ("handle", key)

    assert Answering(AtomicDict({1: "one"}))[1] == "one"


def test_there_is_no_missing_otherwise() -> None:
    assert not hasattr(AtomicDict, "__missing__")
    with pytest.raises(KeyError):
        AtomicDict()["a"]


# ── attributes, slots, methods ─────────────────────────────────────────────────────────────────


def test_subclasses_may_take_other_arguments_and_have_attributes() -> None:
    class Named(AtomicDict[Any, Any]):
        def __init__(self, name: str, *, start: Any) -> None:
            super().__init__(start, extra=1)
            self.name = name

    instance = Named("hits", start={1: 2})
    assert (instance.name, contents(instance)) == ("hits", {1: 2, "extra": 1})
    assert type(instance.get_handle()) is AtomicDictHandle
    assert isinstance(instance.copy(), AtomicDict)
    assert isinstance(instance | {}, AtomicDict)


def test_subclasses_may_have_slots() -> None:
    class Slotted(AtomicDict[Any, Any]):
        __slots__ = ("name",)

    instance: Any = Slotted({1: 2})
    instance.name = "hits"
    assert (instance.name, instance[1]) == ("hits", 2)
    with pytest.raises(AttributeError):
        instance.other = 1
    reference = weakref.ref(instance)
    instance.name = instance[1] = instance
    del instance
    assert collected(reference)


def shouting(base: Any) -> Any:
    """A subclass of a mapping that does everything in another way."""

    class Shouting(base):  # type: ignore[misc]
        def __getitem__(self, key: Any) -> Any:
            return str(super().__getitem__(key)) + "!"

        def __setitem__(self, key: Any, value: Any) -> None:
            super().__setitem__(key, (value,))

        def __contains__(self, key: object) -> bool:
            return True

        def __len__(self) -> int:
            return super().__len__() + 1  # type: ignore[no-any-return]

        def get(self, key: Any, default: Any = None) -> Any:
            return "got"

    return Shouting({"a": 1})


def test_subclasses_may_override_methods_which_the_others_do_not_call() -> None:
    def use(mapping: Any) -> list[Any]:
        mapping["b"] = 2
        return [
            *(mapping["a"], mapping["b"], mapping.get("c"), "c" in mapping, len(mapping)),
            *(mapping.setdefault("d", 4), mapping.pop("d"), mapping.pop("e", None)),
            *(sorted(mapping.items()), sorted(mapping.values(), key=repr), sorted(mapping)),
            *(bool(mapping), mapping == {"a": 1, "b": (2,)}, dict(mapping.copy())),
        ]

    assert use(shouting(AtomicDict)) == use(shouting(dict))


def test_subclasses_may_mix_in_python_classes() -> None:
    class Mixin:
        def double(self) -> int:
            return 2 * len(self)  # type: ignore[arg-type]

    class Mixed(Mixin, AtomicDict[str, Thing]):
        pass

    assert Mixed(a=Thing()).double() == 2


def test_a_subclass_may_have_a_hash() -> None:
    class Hashed(AtomicDict[Any, Any]):
        def __hash__(self) -> int:  # type: ignore[override]
            return 5

    instance = Hashed()
    assert hash(instance) == 5
    assert {instance: 1}[instance] == 1
    assert AtomicDict({instance: 2})[instance] == 2
