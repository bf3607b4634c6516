# SPDX-License-Identifier: Apache-2.0
"""The atomic types can be fields of pydantic models."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from cereggii import (
    AtomicBool,
    AtomicCache,
    AtomicCounter,
    AtomicDict,
    AtomicEvent,
    AtomicFloat,
    AtomicFloatSum,
    AtomicInt,
    AtomicKeyedCounter,
    AtomicRef,
    AtomicSet,
    AtomicStampedRef,
    to_builtin,
)

from tools.testing.interpreters import run_program

pydantic = pytest.importorskip(
    "pydantic", reason="needs pydantic, which `tools/dev.py recipes` installs"
)

# The type of a field; the plain data that it takes, and those that it refuses.
FIELDS: dict[str, tuple[Any, list[Any], list[Any]]] = {
    "AtomicInt": (AtomicInt, [0, -(2**63), 2**63 - 1, "12"], [2**63, "x", 1.5, None, [], {}]),
    "AtomicCounter": (AtomicCounter, [0, 5], [2**63, "x", None]),
    "AtomicFloat": (AtomicFloat, [0.5, 5, "1e3"], ["x", None, [], {}]),
    "AtomicFloatSum": (AtomicFloatSum, [0.5, -5], ["x", None]),
    "AtomicBool": (AtomicBool, [True, False, 0, "yes"], [2, "x", None, []]),
    "AtomicEvent": (AtomicEvent, [True, False], ["x", None]),
    "AtomicRef": (AtomicRef, [None, 5, "x", [1]], []),
    "AtomicRef[int]": (AtomicRef[int], [5, "5"], ["x", None, [1]]),
    "AtomicRef[AtomicInt]": (AtomicRef[AtomicInt], [5], ["x", 2**63]),
    "AtomicStampedRef": (AtomicStampedRef, [("x", 1), [None, -1]], [("x",), "x", (1, 2**63)]),
    "AtomicStampedRef[int]": (AtomicStampedRef[int], [(5, 1)], [("x", 1), (5, "x")]),
    "AtomicDict": (AtomicDict, [{}, {"a": [1], 5: None}], [5, [1], None]),
    "AtomicDict[str, int]": (AtomicDict[str, int], [{"a": 1}], [{"a": "x"}, {1: 1}]),
    "AtomicDict[str, AtomicInt]": (AtomicDict[str, AtomicInt], [{"a": 1}], [{"a": 2**63}]),
    "AtomicSet": (AtomicSet, [set(), [1, "a"], {None}], [5, None, [[1]]]),
    "AtomicSet[int]": (AtomicSet[int], [{1, 2}, [1, "2"]], [["x"], {"a": 1}, 5]),
    "AtomicKeyedCounter": (AtomicKeyedCounter, [{"a": 1}, {}], [{"a": "x"}, 5]),
    "AtomicKeyedCounter[str]": (AtomicKeyedCounter[str], [{"a": 10**30}], [{1: 1}]),
}
every_field = pytest.mark.parametrize(("field", "good", "bad"), FIELDS.values(), ids=FIELDS)


def class_of(field: Any) -> Any:
    return getattr(field, "__origin__", field)


@every_field
def test_a_field_makes_an_object_of_plain_data(field: Any, good: Any, bad: Any) -> None:
    adapter = pydantic.TypeAdapter(field)
    for data in good:
        made = adapter.validate_python(data)
        assert type(made) is class_of(field)
        plain = to_builtin(made)
        assert to_builtin(adapter.validate_python(plain)) == plain
        assert adapter.dump_python(made) == plain
        if all(isinstance(key, str) for key in (data if isinstance(data, dict) else ())):
            text = adapter.dump_json(made)
            if isinstance(plain, set):  # a list in JSON, in any order
                assert sorted(map(str, json.loads(text))) == sorted(map(str, plain))
            else:
                assert json.loads(text) == json.loads(json.dumps(plain))
            assert to_builtin(adapter.validate_json(text)) == plain


@every_field
def test_a_field_refuses_other_data(field: Any, good: Any, bad: Any) -> None:
    adapter = pydantic.TypeAdapter(field)
    for data in bad:
        with pytest.raises(pydantic.ValidationError) as caught:
            adapter.validate_python(data)
        assert caught.value.error_count() == 1


@every_field
def test_an_object_stays_the_same(field: Any, good: Any, bad: Any) -> None:
    adapter = pydantic.TypeAdapter(field)
    made = adapter.validate_python(good[0])
    assert adapter.validate_python(made) is made
    assert adapter.validate_python(made, strict=True) is made
    derived = type("Derived", (class_of(field),), {})()
    assert adapter.validate_python(derived) is derived


@every_field
def test_a_subclass_is_a_field_of_its_own(field: Any, good: Any, bad: Any) -> None:
    derived = type("Derived", (class_of(field),), {})
    adapter = pydantic.TypeAdapter(derived)
    assert type(adapter.validate_python(good[0])) is derived


@every_field
def test_a_field_has_a_json_schema(field: Any, good: Any, bad: Any) -> None:
    adapter = pydantic.TypeAdapter(field)
    for mode in ("validation", "serialization"):
        assert isinstance(adapter.json_schema(mode=mode), dict)
    number = {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1}
    assert pydantic.TypeAdapter(AtomicInt).json_schema() == number


@pytest.mark.parametrize("limits", [{}, {"maxsize": 5}], ids=str)
def test_a_cache_can_be_a_field_and_is_written_as_what_it_holds(limits: Any) -> None:
    cache: AtomicCache[str, int] = AtomicCache(len, **limits)
    cache["abc"]
    adapter = pydantic.TypeAdapter(AtomicCache[str, int])
    assert adapter.validate_python(cache) is cache
    assert adapter.dump_python(cache) == {"abc": 3}
    assert adapter.dump_json(cache) == b'{"abc":3}'
    for wrong in ({}, None, AtomicDict()):
        with pytest.raises(pydantic.ValidationError):
            adapter.validate_python(wrong)


def test_a_model_of_all_of_them() -> None:
    class Inner(pydantic.BaseModel):
        count: AtomicInt = pydantic.Field(default_factory=AtomicInt)

    class Model(pydantic.BaseModel):
        ref: AtomicRef[Inner]
        inner: AtomicDict[str, Inner]
        maybe: AtomicInt | None = None

    Inner.model_rebuild(_types_namespace={"AtomicInt": AtomicInt})
    names = {"AtomicRef": AtomicRef, "AtomicDict": AtomicDict, "AtomicInt": AtomicInt}
    Model.model_rebuild(_types_namespace={**names, "Inner": Inner})
    model: Any = Model.model_validate({"ref": {"count": 1}, "inner": {"a": {}}})
    model.inner["a"].count += 5
    plain = {"ref": {"count": 1}, "inner": {"a": {"count": 5}}, "maybe": None}
    assert model.model_dump() == plain
    assert model.model_copy().ref is model.ref
    copied = model.model_copy(deep=True)
    model.inner["a"].count += 1
    assert copied.model_dump() == plain
    assert copy.deepcopy(model).model_dump() == model.model_dump() != plain


@pytest.mark.parametrize("kind", [AtomicInt, AtomicDict, AtomicRef])
def test_an_exception_of_the_users_constructor_propagates(kind: Callable[..., Any]) -> None:
    class OwnError(Exception):
        pass

    def fail(self: Any, *args: Any) -> None:
        raise OwnError

    adapter = pydantic.TypeAdapter(type("Derived", (kind,), {"__init__": fail}))  # type: ignore[arg-type]
    with pytest.raises(OwnError):
        adapter.validate_python({} if kind is AtomicDict else 1)


@pytest.mark.parametrize(
    ("module", "field", "data"),
    [
        ("cereggii_atomicint", "AtomicInt", 5),
        ("cereggii_atomicint", "AtomicEvent", True),
        ("cereggii_atomicfloat", "AtomicFloat", 5.5),
        ("cereggii_atomicref", "AtomicRef[int]", 5),
        ("cereggii_atomicdict", "AtomicDict[str, int]", {"a": 1}),
    ],
)
def test_each_package_does_it_alone(module: str, field: str, data: Any) -> None:
    program = f"""
        import sys
        from {module} import *
        import pydantic
        adapter = pydantic.TypeAdapter({field})
        print(adapter.dump_python(adapter.validate_python({data})), "cereggii" in sys.modules)
    """
    assert run_program(program).strip() == f"{data} False"


@pytest.mark.parametrize("kind", [AtomicInt, AtomicBool, AtomicDict, AtomicRef])
def test_a_handle_is_not_a_field(kind: Any) -> None:
    with pytest.raises(pydantic.errors.PydanticSchemaGenerationError):
        pydantic.TypeAdapter(type(kind().get_handle()))


def test_cereggii_itself_does_not_import_pydantic() -> None:
    program = """
        import sys
        import cereggii
        print({name for name in sys.modules if name.startswith("pydantic")})
    """
    assert run_program(program).strip() == "set()"
