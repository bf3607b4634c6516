# SPDX-License-Identifier: Apache-2.0
"""A counter for each of many keys."""

from __future__ import annotations

import operator
import reprlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import GenericAlias
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self, TypeAlias, TypeVar, overload

from cereggii_atomicdict import NOT_FOUND, AtomicDict, AtomicDictHandle
from cereggii_atomicdict._pydantic import mapping, schema_of

from cereggii.atomic_dict._contents import contents, overrides_iteration

if TYPE_CHECKING:
    from cereggii_atomicdict._atomicdict import _Dict
else:

    class _Dict:
        __slots__ = ()
        __class_getitem__ = classmethod(GenericAlias)


__all__ = ["AtomicKeyedCounter", "AtomicKeyedCounterHandle"]

_K = TypeVar("_K")
_K2 = TypeVar("_K2")
_C = TypeVar("_C", bound="_Counting[Any]")


class _Counting(_Dict[_K, int]):
    # What AtomicKeyedCounter and AtomicKeyedCounterHandle have in common.

    __slots__ = ()

    # ── counting ───────────────────────────────────────────────────────────────────────────────

    def add(self, key: _K, amount: int = 1) -> int:
        """Add to the count of the key; returns the new count. Linearizable and lock-free."""
        return self.merge(key, amount, operator.add)

    @overload  # type: ignore[override]
    def update(self, mapping: Mapping[_K, int], /, **counts: int) -> None: ...
    @overload
    def update(self, iterable: Iterable[_K] | None = None, /, **counts: int) -> None: ...
    def update(self, iterable: Any = None, /, **counts: int) -> None:
        """Count the items of an iterable, or add the counts of a mapping.

        A mapping that has an `items`, `keys` or `__iter__` of its own is read by them.
        """
        if iterable is not None:
            if isinstance(iterable, Mapping) and overrides_iteration(iterable):
                iterable = contents(iterable)
            self.reduce_count(iterable)
        if counts:
            self.reduce_sum(counts.items())  # type: ignore[arg-type]

    @overload
    def subtract(self, mapping: Mapping[_K, int], /, **counts: int) -> None: ...
    @overload
    def subtract(self, iterable: Iterable[_K] | None = None, /, **counts: int) -> None: ...
    def subtract(self, iterable: Any = None, /, **counts: int) -> None:
        """The same, but subtract: counts may fall below 0."""
        if isinstance(iterable, Mapping):
            self.reduce_sum((key, -count) for key, count in contents(iterable).items())
        elif iterable is not None:
            self.reduce_sum((key, -1) for key in iterable)
        if counts:
            self.reduce_sum((key, -count) for key, count in counts.items())  # type: ignore[misc]

    def __delitem__(self, key: _K) -> None:
        self.pop(key, None)

    # ── of all keys ────────────────────────────────────────────────────────────────────────────

    def most_common(self, n: int | None = None) -> list[tuple[_K, int]]:
        """The `n` keys with the largest counts, with these; None for all keys."""
        return Counter(contents(self)).most_common(n)

    def elements(self) -> Iterator[_K]:
        """Each key as often as its count says."""
        return Counter(contents(self)).elements()

    def total(self) -> int:
        """The sum of all counts."""
        return sum(contents(self).values())

    @reprlib.recursive_repr("AtomicKeyedCounter(...)")
    def __repr__(self) -> str:
        counts = dict(_most_common_first(contents(self)))
        return f"{type(self).__name__}({counts if counts else ''})"

    # ── operators ──────────────────────────────────────────────────────────────────────────────

    def __add__(self, other: _Counts[_K2]) -> AtomicKeyedCounter[_K | _K2]:
        return _combined(self, other, operator.add)

    def __radd__(self, other: _Counts[_K2]) -> AtomicKeyedCounter[_K | _K2]:
        return _combined(other, self, operator.add)

    def __sub__(self, other: _Counts[_K]) -> AtomicKeyedCounter[_K]:
        return _combined(self, other, operator.sub)

    def __rsub__(self, other: _Counts[_K]) -> AtomicKeyedCounter[_K]:
        return _combined(other, self, operator.sub)

    def __and__(self, other: _Counts[_K]) -> AtomicKeyedCounter[_K]:
        return _combined(self, other, operator.and_)

    def __rand__(self, other: _Counts[_K]) -> AtomicKeyedCounter[_K]:
        return _combined(other, self, operator.and_)

    def __or__(self, other: _Counts[_K2]) -> AtomicKeyedCounter[_K | _K2]:  # type: ignore[override]
        return _combined(self, other, operator.or_)

    def __ror__(self, other: _Counts[_K2]) -> AtomicKeyedCounter[_K | _K2]:  # type: ignore[override]
        return _combined(other, self, operator.or_)

    def __pos__(self) -> AtomicKeyedCounter[_K]:
        return AtomicKeyedCounter(+Counter(contents(self)))

    def __neg__(self) -> AtomicKeyedCounter[_K]:
        return AtomicKeyedCounter(-Counter(contents(self)))

    # In place, any mapping will do.
    def __iadd__(self, other: Mapping[_K, int]) -> Self:  # type: ignore[misc]
        return _combine_in_place(self, other, lambda mine, its: mine + its)

    def __isub__(self, other: Mapping[_K, int]) -> Self:
        return _combine_in_place(self, other, lambda mine, its: mine - its)

    def __ior__(self, other: Mapping[_K, int]) -> Self:  # type: ignore[misc,override]
        return _combine_in_place(self, other, max)

    def __iand__(self, other: Mapping[_K, int]) -> Self:
        counts = _counts_in_place(other)
        if counts is None:
            return NotImplemented
        for key in contents(self):
            _change(self, key, counts[key], min)
        return self

    def __eq__(self, other: object) -> bool:
        counts = _counts_of(other)
        if counts is None:
            return AtomicDict.__eq__(AtomicDict(contents(self)), other)
        return Counter(contents(self)) == counts

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__: ClassVar[None]

    def __le__(self, other: _Counts[Any]) -> bool:
        return _compared(self, other, operator.le)

    def __lt__(self, other: _Counts[Any]) -> bool:
        return _compared(self, other, operator.lt)

    def __ge__(self, other: _Counts[Any]) -> bool:
        return _compared(self, other, operator.ge)

    def __gt__(self, other: _Counts[Any]) -> bool:
        return _compared(self, other, operator.gt)

    @classmethod
    def fromkeys(cls, iterable: Any, value: Any = None) -> NoReturn:
        """Not for counters: raises NotImplementedError."""
        raise NotImplementedError(
            f"{cls.__name__}.fromkeys is undefined: use {cls.__name__}(iterable) to count"
        )


class AtomicKeyedCounter(_Counting[_K], AtomicDict[_K, int]):
    """A `collections.Counter` that many threads count with.

    `AtomicKeyedCounter(iterable_or_mapping=None, /, **counts)`. A key that is absent has the count
    0. `add`, `update` and `subtract` lose no count, whatever other threads do: each changes one key
    after another, and each of these changes is one linearizable step. `counter[key] += 1` is two
    steps, between which others may count: `counter.add(key)` is one.

    What is said about all keys (`most_common`, `elements`, `total`, the operators and comparisons)
    is said about a snapshot, as of one instant. `+`, `-`, `&` and `|` take a Counter as well, and
    as a Counter's keep positive counts only; so do the in-place operators, which change one key
    after another. Everything else is an AtomicDict's, but `del`, which does not mind if the key is
    absent, `fromkeys`, which there is not, and `immortal`, since each keyword is a key.
    """

    __slots__ = ()

    @overload
    def __init__(self, mapping: Mapping[_K, int], /) -> None: ...
    @overload
    def __init__(self, iterable: Iterable[_K], /) -> None: ...
    @overload
    def __init__(self, iterable: None = None, /) -> None: ...
    @overload
    def __init__(
        self: AtomicKeyedCounter[str],
        iterable: Mapping[str, int] | Iterable[str] | None = None,
        /,
        **counts: int,
    ) -> None: ...
    def __init__(self, iterable: Any = None, /, **counts: int) -> None:
        super().__init__()
        self.update(iterable, **counts)

    __get_pydantic_core_schema__ = schema_of(
        lambda core_schema, generate, key, *_: mapping(core_schema, generate, key, int),
        lambda x: x.snapshot(),
    )

    def __missing__(self, _key: object) -> int:
        return 0

    def copy(self) -> Self:
        """A new counter with the same counts, of the same class."""
        return type(self)(contents(self))

    def get_handle(self) -> AtomicKeyedCounterHandle[_K]:
        """One thread's own reference to this counter, with the same members."""
        return AtomicKeyedCounterHandle(self)


class AtomicKeyedCounterHandle(_Counting[_K], AtomicDictHandle[_K, int]):
    """One thread's own reference to an AtomicKeyedCounter, with the same members.

    `AtomicKeyedCounterHandle(target)`, of an AtomicKeyedCounter or of another handle of one.
    """

    __slots__ = ()

    def __init__(self, target: AtomicKeyedCounter[_K] | AtomicKeyedCounterHandle[_K]) -> None:
        if not isinstance(target, (AtomicKeyedCounter, AtomicKeyedCounterHandle)):
            raise TypeError(f"target must be an AtomicKeyedCounter, not {target!r}")
        super().__init__(target)

    def copy(self) -> AtomicKeyedCounter[_K]:
        """A new counter with the same counts: not a handle."""
        return AtomicKeyedCounter(contents(self))

    def get_handle(self) -> AtomicKeyedCounterHandle[_K]:
        """Another handle of the counter."""
        return AtomicKeyedCounterHandle(self)


# Messages and tracebacks name the public class.
for _name, _member in vars(_Counting).items():
    if callable(_function := getattr(_member, "__func__", _member)):
        _function.__qualname__ = f"AtomicKeyedCounter.{_name}"

# What the operators take.
_Counts: TypeAlias = Counter[_K] | AtomicKeyedCounter[_K] | AtomicKeyedCounterHandle[_K]


def _counts_of(other: object) -> Counter[Any] | None:
    """A copy of another counter's counts; None if it is none."""
    if isinstance(other, (Counter, AtomicKeyedCounter, AtomicKeyedCounterHandle)):
        return Counter(contents(other))
    return None


def _counts_in_place(other: object) -> Counter[Any] | None:
    """The same; in place, any mapping will do, as for a Counter."""
    return Counter(contents(other)) if isinstance(other, Mapping) else None


def _combined(
    left: object, right: object, operation: Callable[[Any, Any], Counter[Any]]
) -> AtomicKeyedCounter[Any]:
    left_counts, right_counts = _counts_of(left), _counts_of(right)
    if left_counts is None or right_counts is None:
        return NotImplemented  # type: ignore[no-any-return]
    return AtomicKeyedCounter(operation(left_counts, right_counts))


def _compared(left: object, right: object, operation: Callable[[Any, Any], bool]) -> bool:
    left_counts, right_counts = _counts_of(left), _counts_of(right)
    if left_counts is None or right_counts is None:
        return NotImplemented  # type: ignore[no-any-return]
    return operation(left_counts, right_counts)


def _combine_in_place(counter: _C, other: object, operation: Callable[[int, int], int]) -> _C:
    counts = _counts_in_place(other)
    if counts is None:
        return NotImplemented  # type: ignore[no-any-return]
    for key, count in counts.items():
        _change(counter, key, count, operation)
    counter.remove_if(lambda _key, count: not count > 0)
    return counter


def _change(counter: Any, key: Any, count: int, operation: Callable[[int, int], int]) -> None:
    def changed(_key: Any, current: Any) -> Any:
        result = operation(0 if current is NOT_FOUND else current, count)
        return result if result > 0 else NOT_FOUND

    counter.compute(key, changed)


def _most_common_first(counts: dict[Any, int]) -> Iterable[tuple[Any, int]]:
    try:
        return Counter(counts).most_common()
    except TypeError:  # of counts that have no order
        return counts.items()
