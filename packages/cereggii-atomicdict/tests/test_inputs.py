# SPDX-License-Identifier: Apache-2.0
"""update() and the reductions take the inputs that dict takes, and leave nothing out silently."""

from __future__ import annotations

import collections
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pytest
from cereggii_atomicdict import NOT_FOUND, AtomicDict, AtomicDictHandle

# ── operations that read another mapping ───────────────────────────────────────────────────────


def by_update(source: Any) -> dict[Any, Any]:
    d: AtomicDict[Any, Any] = AtomicDict()
    d.update(source)
    return d.snapshot()


def by_or_in_place(source: Any) -> dict[Any, Any]:
    d: AtomicDict[Any, Any] = AtomicDict()
    d |= source
    return d.snapshot()


def by_reduce(name: str, *rest: Any) -> Callable[[Any], dict[Any, Any]]:
    def read(source: Any) -> dict[Any, Any]:
        d: AtomicDict[Any, Any] = AtomicDict()
        getattr(d, name)(source, *rest)
        return d.snapshot()

    return read


READERS: dict[str, Callable[[Any], dict[Any, Any]]] = {
    "AtomicDict": lambda source: AtomicDict(source).snapshot(),
    "AtomicDict, presized": lambda source: AtomicDict(source, min_size=100).snapshot(),
    "update": by_update,
    "update of a handle": lambda source: _of_handle(source),
    "|=": by_or_in_place,
    "reduce": by_reduce("reduce", lambda _key, _current, new: new),
    "reduce_sum": by_reduce("reduce_sum"),
    "reduce_max": by_reduce("reduce_max"),
    "reduce_min": by_reduce("reduce_min"),
    "reduce_count": by_reduce("reduce_count"),
}
readers = pytest.mark.parametrize("read", READERS.values(), ids=READERS)
# reduce_count counts the elements of an iterable that is not a Mapping, as Counter does.
PAIR_READERS = {name: read for name, read in READERS.items() if name != "reduce_count"}
pair_readers = pytest.mark.parametrize("read", PAIR_READERS.values(), ids=PAIR_READERS)


def _of_handle(source: Any) -> dict[Any, Any]:
    d: AtomicDict[Any, Any] = AtomicDict()
    d.get_handle().update(source)
    return d.snapshot()


# ── the items that they read ───────────────────────────────────────────────────────────────────


class Plain(AtomicDict[Any, Any]):
    """Has other values for `[]`, which a copy does not ask, as that of a dict does not."""

    def __getitem__(self, key: Any) -> Any:
        raise AssertionError(key)

    def get(self, key: Any, default: Any = None) -> Any:
        raise AssertionError(key)


class OwnIter(AtomicDict[Any, Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter(["xy"])

    def __getitem__(self, key: Any) -> Any:
        return 7 if key == "xy" else AtomicDict.__getitem__(self, key)


class OwnKeys(AtomicDict[Any, Any]):
    def keys(self) -> Any:
        return ["xy"]

    def __getitem__(self, key: Any) -> Any:
        return 7 if key == "xy" else AtomicDict.__getitem__(self, key)


class OwnItems(AtomicDict[Any, Any]):
    def items(self) -> Any:
        return [("xy", 7)]


class FarOff(OwnItems):
    """Overrides nothing itself."""


class OwnHandle(AtomicDictHandle[Any, Any]):
    def items(self) -> Any:
        return [("xy", 7)]


class KeysAndItems:
    def keys(self) -> Iterable[str]:
        return iter(["xy"])

    def __getitem__(self, key: str) -> int:
        return 7


class OwnMapping(Mapping[str, int]):
    def __getitem__(self, key: str) -> int:
        return {"xy": 7}[key]

    def __iter__(self) -> Iterator[str]:
        return iter(["xy"])

    def __len__(self) -> int:
        return 1


SHOWN = {"xy": 7}
SOURCES: dict[str, Callable[[], Any]] = {
    "dict": lambda: dict(SHOWN),
    "OrderedDict": lambda: collections.OrderedDict(SHOWN),
    "UserDict": lambda: collections.UserDict(SHOWN),
    "mappingproxy": lambda: types.MappingProxyType(SHOWN),
    "ChainMap": lambda: collections.ChainMap({}, SHOWN),
    "Mapping": OwnMapping,
    "AtomicDict": lambda: AtomicDict(SHOWN),
    "handle": lambda: AtomicDict(SHOWN).get_handle(),
    "subclass": lambda: Plain(SHOWN),
    "its own __iter__": lambda: OwnIter(a=1),
    "its own keys": lambda: OwnKeys(a=1),
    "its own items": lambda: OwnItems(a=1),
    "inherits items": lambda: FarOff(a=1),
    "a handle's own items": lambda: OwnHandle(AtomicDict(a=1)),
}


@readers
@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
def test_the_items_that_a_mapping_shows_are_read(read: Any, make: Callable[[], Any]) -> None:
    assert read(make()) == SHOWN


@pair_readers
def test_an_object_with_keys_is_a_mapping(read: Any) -> None:
    assert read(KeysAndItems()) == SHOWN


@pair_readers
def test_pairs_are_read(read: Any) -> None:
    for pairs in ([("xy", 7)], iter([("xy", 7)]), {("xy", 7)}, SHOWN.items()):
        assert read(pairs) == SHOWN


def test_pairs_are_counted() -> None:
    d: AtomicDict[Any, int] = AtomicDict()
    d.reduce_count([("xy", 7)])
    d.reduce_count(SHOWN.items())
    assert d.snapshot() == {("xy", 7): 2}


def test_reductions_of_a_mapping_use_its_items() -> None:
    d: AtomicDict[str, Any] = AtomicDict()
    d.reduce_list({"ab": 1})
    d.reduce_list({"ab": 2}.items())
    assert d.snapshot() == {"ab": [1, 2]}
    e: AtomicDict[str, bool] = AtomicDict()
    e.reduce_and(AtomicDict(a=1, b=0))
    e.reduce_or(types.MappingProxyType({"b": 5}))
    assert e.snapshot() == {"a": True, "b": True}


def test_a_mapping_can_be_reduced_into_itself() -> None:
    d = AtomicDict({key: key for key in range(1000)})
    d.reduce_sum(d)
    assert d.snapshot() == {key: 2 * key for key in range(1000)}
    d.reduce_sum(d.get_handle())
    assert d.snapshot() == {key: 4 * key for key in range(1000)}


@readers
@pytest.mark.parametrize("method", ["__iter__", "keys", "items"])
def test_an_exception_of_an_overriding_class_propagates(read: Any, method: str) -> None:
    def fail(_self: Any) -> Any:
        raise LookupError(method)

    failing = type("Failing", (AtomicDict,), {method: fail})(a=1)
    with pytest.raises(LookupError, match=method):
        read(failing)


@readers
def test_items_read_before_a_failure_are_there(read: Any) -> None:
    class Failing(AtomicDict[Any, Any]):
        def items(self) -> Any:
            yield "a", 1
            raise LookupError

    d: AtomicDict[Any, Any] = AtomicDict()
    with pytest.raises(LookupError):
        d.update(Failing())
    assert d.snapshot() == {"a": 1}
    with pytest.raises(LookupError):
        read(Failing())


def test_unions_read_both_sides_as_they_show_themselves() -> None:
    for left, right in (
        (OwnItems(a=1), {"b": 2}),
        ({"b": 2}, OwnItems(a=1)),
        (AtomicDict(b=2), OwnItems(a=1)),
        (OwnIter(a=1), AtomicDict(b=2).get_handle()),
    ):
        assert (left | right).snapshot() == {"xy": 7, "b": 2}


def test_a_dict_copies_what_a_subclass_shows() -> None:
    """A dict uses keys() and [], as for any mapping that is not a dict."""
    for shown in (OwnIter(a=1), OwnKeys(a=1)):
        assert dict(shown) == SHOWN
        assert {**shown} == SHOWN


def test_a_dict_beside_a_writer_may_miss_a_key_but_a_snapshot_does_not() -> None:
    class Shrinks(AtomicDict[int, int]):
        """Loses all other keys, as to another thread, when it is asked for one."""

        def __getitem__(self, key: int) -> int:
            value = AtomicDict.__getitem__(self, key)
            self.clear()
            return value

    for copy in (dict, lambda d: {**d}, lambda d: (lambda **words: words)(**d)):
        # A call makes a TypeError of it, in some versions of Python.
        with pytest.raises((KeyError, TypeError)):
            copy(Shrinks(a=1, b=2))
        assert Shrinks(a=1, b=2).snapshot() == {"a": 1, "b": 2}


class Refuses(AtomicDict[Any, Any]):
    _refuses_handles = True


class RefusesToo(Refuses):
    pass


class Allows(AtomicDict[Any, Any]):
    _refuses_handles = False


class Unsure(type):
    @property
    def _refuses_handles(cls) -> bool:
        raise LookupError("unsure")


@pytest.mark.parametrize(
    "handle",
    [AtomicDictHandle, AtomicDict.get_handle, lambda d: d.get_handle()],
    ids=["AtomicDictHandle", "AtomicDict.get_handle", "get_handle"],
)
def test_a_subclass_can_refuse_handles(handle: Any) -> None:
    for refusing in (Refuses(a=1), RefusesToo(a=1)):
        with pytest.raises(TypeError, match=f"{type(refusing).__name__} objects have no handles"):
            handle(refusing)
        assert refusing["a"] == 1
    assert handle(Allows(a=1))["a"] == 1
    with pytest.raises(LookupError, match="unsure"):
        handle(Unsure("Sub", (AtomicDict,), {})(a=1))


class RaisesOnce:
    """Has pairs, and an attribute `keys` that raises what it is told, the first time."""

    def __init__(self, error: BaseException) -> None:
        self._errors = [error]
        self.looks = 0

    def __getattr__(self, name: str) -> Any:
        if name != "keys":
            raise AttributeError(name)
        self.looks += 1
        raise self._errors.pop() if self._errors else AttributeError(name)

    def __iter__(self) -> Iterator[Any]:
        return iter([("a", 1)])


@pair_readers
def test_an_exception_of_the_lookup_of_keys_propagates_at_once(read: Any) -> None:
    for error in (KeyboardInterrupt(), ValueError(), MemoryError()):
        source = RaisesOnce(error)
        with pytest.raises(type(error)):
            read(source)
        assert source.looks == 1


# ── results and errors are those of dict ───────────────────────────────────────────────────────


class Keys:
    def __init__(self, keys: Any) -> None:
        self._keys = keys

    def keys(self) -> Any:
        return self._keys

    def __getitem__(self, key: Any) -> Any:
        return 1


CALLS: dict[str, Callable[[Any], Any]] = {
    "keywords": lambda new: new(**{1: 2}),
    "keywords of update": lambda new: new().update(**{1: 2}),
    "mixed keywords": lambda new: new({"a": 1}, **{"b": 2, 3: 4}),
    "two arguments": lambda new: new({}, {}),
    "not iterable": lambda new: new(5),
    "None": lambda new: new(None),
    "element": lambda new: new([(1, 2), 3]),
    "length": lambda new: new(["ab", "abc"]),
    "empty element": lambda new: new([()]),
    "unhashable": lambda new: new([([], 1)]),
    "update: two arguments": lambda new: new().update(1, 2),
    "update: not iterable": lambda new: new().update(5),
    "update: element": lambda new: new().update([None]),
    "update: length": lambda new: new().update([(1, 2, 3)]),
    "update: self and other": lambda new: new().update(self=1, other=2),
    "keys is not a method": lambda new: new(types.SimpleNamespace(keys=5)),
    "keys gives no iterable": lambda new: new(Keys(5)),
    "keys gives an unhashable": lambda new: new(Keys([[]])),
    "popitem": lambda new: new().popitem(),
    "pop": lambda new: new().pop("absent"),
    "[]": lambda new: new()["absent"],
    "del": lambda new: new().__delitem__("absent"),
    "[] unhashable": lambda new: new()[[]],
    "in unhashable": lambda new: [] in new(),
    "| int": lambda new: new() | 5,
    "int |": lambda new: 5 | new(),
    "| pairs": lambda new: new() | [(1, 2)],
    "|= int": lambda new: new().__ior__(5),
    "<": lambda new: new() < new(),
    "+": lambda new: new() + new(),
    "hash": lambda new: hash(new()),
    "call": lambda new: new()(),
    "clear": lambda new: new().clear(1),
    "fromkeys": lambda new: new.fromkeys(5),
    "fromkeys unhashable": lambda new: new.fromkeys([[]]),
    "attribute": lambda new: new().no_such,
    "set attribute": lambda new: setattr(new(), "x", 1),
    "index a view": lambda new: new().keys()[0],
    "add to a view": lambda new: new().keys() + [],  # noqa: RUF005
    "hash of a view": lambda new: hash(new().keys()),
    "hash of items": lambda new: hash(new().items()),
    "items & unhashable": lambda new: new(a=[]).items() & [("a", 1)],
    "| of a view": lambda new: new(a=1).keys() | ["b"],
    "- of a view": lambda new: new(a=1).items() - [("a", 1)],
    "^ of a view": lambda new: new(a=1).keys() ^ ["a"],
    "a list | a view": lambda new: ["b"] | new(a=1).keys(),
    "view == list": lambda new: new(a=1).keys() == ["a"],
    "view == set": lambda new: new(a=1).keys() == {"a"},
    "view < set": lambda new: new(a=1).keys() < {"a", "b"},
    "view <= list": lambda new: new(a=1).keys() <= ["a"],
    "isdisjoint": lambda new: new(a=1).keys().isdisjoint(["b"]),
    "format_map": lambda new: "{a}".format_map(new(a=1)),
    "%": lambda new: "%(a)s" % new(a=1),  # noqa: UP031
    "f(**)": lambda new: (lambda **words: words)(**new(a=1)),
    "f(**) with ints": lambda new: (lambda **words: words)(**new({1: 2})),
}


def outcome(call: Callable[[Any], Any], new: Any) -> tuple[str, ...]:
    try:
        result = call(new)
        # In which order a set has its elements is an accident of their hashes.
        return (f"set({sorted(result, key=repr)})" if type(result) is set else repr(result),)
    except Exception as error:
        notes = getattr(error, "__notes__", [])
        return (type(error).__name__, str(error), *notes)


def plain(text: str) -> str:
    text = text.replace("cereggii_atomicdict.", "")
    for name in ("Keys", "Values", "Items"):
        text = text.replace(f"AtomicDict{name}", f"dict_{name.lower()}")
    return text.replace("AtomicDict", "dict")


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_results_and_errors_are_those_of_dict(call: Any) -> None:
    assert tuple(map(plain, outcome(call, AtomicDict))) == outcome(call, dict)


def test_bad_keywords_change_nothing() -> None:
    d = AtomicDict(a=1)
    for change in (lambda: d.update({"b": 2}, **{3: 4}), lambda: d.update(**{"c": 1, 3: 4})):
        with pytest.raises(TypeError, match="keywords must be strings"):
            change()
    assert d.snapshot() == {"a": 1}
    assert d.get("b", NOT_FOUND) is NOT_FOUND


# ── views ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("view", ["keys", "values", "items"])
@pytest.mark.parametrize("handle", [False, True])
def test_a_view_has_its_mapping_to_be_read(view: str, handle: bool) -> None:
    d = AtomicDict(a=1)
    mapping = getattr(d.get_handle() if handle else d, view)().mapping
    assert type(mapping) is types.MappingProxyType
    assert mapping == {"a": 1}
    assert mapping["a"] == 1
    d["b"] = 2
    assert dict(mapping) == {"a": 1, "b": 2}
    with pytest.raises(TypeError):
        mapping["c"] = 3
    with pytest.raises(AttributeError):
        getattr(d, view)().mapping = {}
