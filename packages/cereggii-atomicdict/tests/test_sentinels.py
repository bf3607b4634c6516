# SPDX-License-Identifier: Apache-2.0
"""NOT_FOUND, ANY and EXPECTATION_FAILED: one of each, and none of them is ever in a mapping."""

from __future__ import annotations

import copy
import operator
import pickle
import weakref
from collections.abc import Callable
from typing import Any

import cereggii_atomicdict
import pytest
from cereggii_atomicdict import (
    ANY,
    EXPECTATION_FAILED,
    NOT_FOUND,
    AtomicDict,
    ConcurrentUsageDetected,
    ExpectationFailed,
)

from tools.testing.interpreters import run_program

from .mapping_forms import Make, Thing, both_forms, contents

SENTINELS: dict[str, Any] = {
    "NOT_FOUND": NOT_FOUND,
    "ANY": ANY,
    "EXPECTATION_FAILED": EXPECTATION_FAILED,
}
every_sentinel = pytest.mark.parametrize("name", SENTINELS)


# ── the objects ────────────────────────────────────────────────────────────────────────────────


@every_sentinel
def test_a_sentinel_shows_its_name_and_equals_itself_only(name: str) -> None:
    sentinel = SENTINELS[name]
    assert repr(sentinel) == str(sentinel) == name
    assert getattr(cereggii_atomicdict, name) is sentinel
    assert [other for other in SENTINELS.values() if other == sentinel] == [sentinel]
    assert sentinel not in (None, name, 0, False, (), object())
    assert {sentinel: 1}[sentinel] == 1


@every_sentinel
def test_copies_and_pickles_are_the_sentinel_itself(name: str) -> None:
    sentinel = SENTINELS[name]
    assert copy.copy(sentinel) is sentinel
    assert copy.deepcopy(sentinel) is sentinel
    assert copy.deepcopy([sentinel, {1: sentinel}]) == [sentinel, {1: sentinel}]
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(sentinel, protocol)) is sentinel
        (loaded,) = pickle.loads(pickle.dumps((sentinel,), protocol))
        assert loaded is sentinel


@pytest.mark.thread_unsafe(reason="starts processes")
def test_a_pickle_is_the_sentinel_of_another_process() -> None:
    dumped = [pickle.dumps(sentinel) for sentinel in SENTINELS.values()]
    program = """
        import pickle, sys
        loaded = [pickle.loads(dumped) for dumped in eval(sys.argv[1])]
        import cereggii_atomicdict as module
        print(loaded == [module.NOT_FOUND, module.ANY, module.EXPECTATION_FAILED])
    """
    assert run_program(program, repr(dumped)).strip() == "True"


@every_sentinel
def test_there_cannot_be_another(name: str) -> None:
    kind: Any = type(SENTINELS[name])
    with pytest.raises(RuntimeError, match=kind.__name__):
        kind()
    for arguments in ((1,), (name,)):
        with pytest.raises((RuntimeError, TypeError)):
            kind(*arguments)
    for make in (lambda: kind.__new__(kind), lambda: object.__new__(kind)):
        with pytest.raises((RuntimeError, TypeError)):
            make()
    with pytest.raises((RuntimeError, TypeError)):
        type("Sub", (kind,), {})()


@every_sentinel
def test_a_sentinel_has_no_attributes_to_set(name: str) -> None:
    with pytest.raises((AttributeError, TypeError)):
        SENTINELS[name].name = 1
    with pytest.raises((AttributeError, TypeError)):
        SENTINELS[name].__class__ = Thing


def test_the_exceptions_are_exceptions() -> None:
    for kind in (ExpectationFailed, ConcurrentUsageDetected):
        assert issubclass(kind, Exception)
        assert kind.__module__ == "cereggii_atomicdict"
        assert kind("why").args == ("why",)
        loaded = pickle.loads(pickle.dumps(kind("why")))
        assert (type(loaded), loaded.args) == (kind, ("why",))
        with pytest.raises(kind, match="why"):
            raise kind("why")
    assert not issubclass(ExpectationFailed, ConcurrentUsageDetected)
    assert not issubclass(ConcurrentUsageDetected, ExpectationFailed)


# ── refused as a key ───────────────────────────────────────────────────────────────────────────

Use = Callable[[Any, Any], Any]

AS_KEY: dict[str, Use] = {
    "[]": operator.getitem,
    "[]=": lambda m, s: operator.setitem(m, s, 1),
    "del": operator.delitem,
    "in": operator.contains,
    "get": lambda m, s: m.get(s),
    "get default": lambda m, s: m.get(s, 5),
    "get keyword": lambda m, s: m.get(key=s),
    "pop": lambda m, s: m.pop(s),
    "pop default": lambda m, s: m.pop(s, 5),
    "setdefault": lambda m, s: m.setdefault(s, 5),
    "update": lambda m, s: m.update({s: 5}),
    "update pairs": lambda m, s: m.update([(s, 5)]),
    "update atomic": lambda m, s: m.update(_Items([(s, 5)])),
    "|": lambda m, s: m | {s: 5},
    "reversed |": lambda m, s: {s: 5} | m,
    "|=": lambda m, s: operator.ior(m, {s: 5}),
    "get_and_set": lambda m, s: m.get_and_set(s, 5),
    "compare_and_set": lambda m, s: m.compare_and_set(s, ANY, 5),
    "compare_and_exchange": lambda m, s: m.compare_and_exchange(s, NOT_FOUND, 5),
    "compare_and_delete": lambda m, s: m.compare_and_delete(s, ANY),
    "fromkeys": lambda _, s: AtomicDict.fromkeys([1, s]),
    "init": lambda _, s: AtomicDict({s: 5}),
    "init pairs": lambda _, s: AtomicDict([(1, 2), (s, 5)]),
    "init keyword": lambda _, s: AtomicDict(initial={s: 5}),
}

AS_VALUE: dict[str, Use] = {
    "[]=": lambda m, s: operator.setitem(m, "new", s),
    "[]= present": lambda m, s: operator.setitem(m, "a", s),
    "setdefault": lambda m, s: m.setdefault("new", s),
    "setdefault keyword": lambda m, s: m.setdefault(default=s, key="new"),
    "setdefault present": lambda m, s: m.setdefault("a", s),
    "update": lambda m, s: m.update({"new": s}),
    "update present": lambda m, s: m.update({"a": s}),
    "update pairs": lambda m, s: m.update([("new", s)]),
    "update keyword": lambda m, s: m.update(new=s),
    "|": lambda m, s: m | {"new": s},
    "reversed |": lambda m, s: {"new": s} | m,
    "|=": lambda m, s: operator.ior(m, {"new": s}),
    "get_and_set": lambda m, s: m.get_and_set("new", s),
    "get_and_set present": lambda m, s: m.get_and_set("a", updated=s),
    "compare_and_set": lambda m, s: m.compare_and_set("new", NOT_FOUND, s),
    "compare_and_set any": lambda m, s: m.compare_and_set("a", ANY, s),
    "compare_and_set present": lambda m, s: m.compare_and_set("a", m["a"], s),
    "compare_and_set not": lambda m, s: m.compare_and_set("a", "other", s),
    "compare_and_set desired": lambda m, s: m.compare_and_set("a", ANY, desired=s),
    "compare_and_exchange": lambda m, s: m.compare_and_exchange("new", NOT_FOUND, s),
    "compare_and_exchange any": lambda m, s: m.compare_and_exchange("a", ANY, s),
    "fromkeys": lambda _, s: AtomicDict.fromkeys([1, 2], s),
    "init": lambda _, s: AtomicDict({"new": s}),
    "init pairs": lambda _, s: AtomicDict([(1, 2), ("new", s)]),
    "init keyword": lambda _, s: AtomicDict(new=s),
}


class _Items:
    """A mapping that can have any keys and values."""

    def __init__(self, items: list[tuple[Any, Any]]) -> None:
        self.items_ = dict(items)

    def keys(self) -> Any:
        return self.items_.keys()

    def __getitem__(self, key: Any) -> Any:
        return self.items_[key]


def check_refused(make: Make, name: str, use: Use) -> None:
    """The sentinel is refused by its name, and the mapping left as it was."""
    thing = Thing()
    for start in ({"a": thing}, {"a": thing, **dict.fromkeys(range(100))}):
        mapping = make(start)
        with pytest.raises(ValueError, match=rf"\b{name}\b"):
            use(mapping, SENTINELS[name])
        assert contents(mapping) == start
        assert mapping["a"] is thing


@both_forms
@every_sentinel
@pytest.mark.parametrize("use", AS_KEY.values(), ids=AS_KEY)
def test_a_sentinel_is_refused_as_a_key(make: Make, name: str, use: Use) -> None:
    check_refused(make, name, use)
    mapping = make({})
    with pytest.raises(ValueError, match=name):
        use(mapping, SENTINELS[name])
    assert contents(mapping) == {}


@both_forms
@every_sentinel
@pytest.mark.parametrize("use", AS_VALUE.values(), ids=AS_VALUE)
def test_a_sentinel_is_refused_as_a_value(make: Make, name: str, use: Use) -> None:
    check_refused(make, name, use)


@both_forms
@pytest.mark.parametrize("start", [{}, {"key": 1}])
def test_a_sentinel_is_refused_where_it_cannot_be_expected(make: Make, start: Any) -> None:
    mapping = make(start)
    for call in (
        lambda: mapping.compare_and_set("key", EXPECTATION_FAILED, 2),
        lambda: mapping.compare_and_exchange("key", EXPECTATION_FAILED, 2),
        lambda: mapping.compare_and_delete("key", EXPECTATION_FAILED),
    ):
        with pytest.raises(ValueError, match="EXPECTATION_FAILED"):
            call()
    with pytest.raises(ValueError, match="NOT_FOUND"):
        mapping.compare_and_delete("key", NOT_FOUND)
    assert contents(mapping) == start


@both_forms
@every_sentinel
def test_items_from_before_a_refused_one_stay(make: Make, name: str) -> None:
    """A dict keeps the items from before an error, too."""
    for item in ((SENTINELS[name], 1), (1, SENTINELS[name])):
        mapping = make({"a": 1})
        with pytest.raises(ValueError, match=name):
            mapping.update([("b", 2), item, ("c", 3)])
        assert contents(mapping) == {"a": 1, "b": 2}


@both_forms
@every_sentinel
def test_a_refused_operation_keeps_nothing(make: Make, name: str) -> None:
    mapping = make({})
    for use in (
        lambda thing: operator.setitem(mapping, SENTINELS[name], thing),
        lambda thing: operator.setitem(mapping, thing, SENTINELS[name]),
        lambda thing: mapping.compare_and_set(thing, thing, SENTINELS[name]),
        lambda thing: mapping.update({thing: SENTINELS[name]}),
    ):
        thing = Thing()
        reference = weakref.ref(thing)
        with pytest.raises(ValueError, match=name):
            use(thing)
        del thing
        assert reference() is None


# ── allowed ────────────────────────────────────────────────────────────────────────────────────


@both_forms
@every_sentinel
def test_a_sentinel_may_be_a_default(make: Make, name: str) -> None:
    sentinel = SENTINELS[name]
    mapping = make({"a": 1})
    assert mapping.get("absent", sentinel) is sentinel
    assert mapping.get("absent", default=sentinel) is sentinel
    assert mapping.pop("absent", sentinel) is sentinel
    assert mapping.get("a", sentinel) == mapping.pop("a", sentinel) == 1


@both_forms
@every_sentinel
def test_a_sentinel_inside_of_another_object_is_none(make: Make, name: str) -> None:
    sentinel = SENTINELS[name]
    mapping = make({"a": [sentinel], (sentinel,): 2})
    assert mapping[sentinel,] == 2
    assert mapping["a"][0] is sentinel


@both_forms
@every_sentinel
def test_a_comparison_with_a_mapping_of_sentinels_is_allowed(make: Make, name: str) -> None:
    sentinel = SENTINELS[name]
    mapping = make({"a": 1})
    for other in ({sentinel: 1}, {"a": sentinel}, _Items([(sentinel, 1)]), sentinel):
        assert mapping != other
        assert (other == mapping) is False
    assert sentinel not in mapping.values()
    assert ("a", sentinel) not in mapping.items()
