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
    # The methods that AtomicKeyedCounter and AtomicKeyedCounterHandle share.

    __slots__ = ()

    # ── counting ───────────────────────────────────────────────────────────────────────────────

    def add(self, key: _K, amount: int = 1) -> int:
        """Add to the count of the key, and return the new count.

        Linearizable. Lock-free, except that it waits while an exact operation reads all keys.
        """
        return self.merge(key, amount, operator.add)

    @overload  # type: ignore[override]
    def update(self, mapping: Mapping[_K, int], /, **counts: int) -> None: ...
    @overload
    def update(self, iterable: Iterable[_K] | None = None, /, **counts: int) -> None: ...
    def update(self, iterable: Any = None, /, **counts: int) -> None:
        """Count the items of an iterable, or add the counts of a mapping.

        A mapping that overrides `items`, `keys` or `__iter__` is read by these. Each key changes in
        one linearizable step. Exceptions are those of `AtomicDict.reduce_count`.
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
        """Subtract like `update` adds: counts may fall below 0."""
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
        """The `n` pairs (key, count) with the largest counts, as of one instant; None for all."""
        return Counter(contents(self)).most_common(n)

    def elements(self) -> Iterator[_K]:
        """Iterate over the keys, each as often as its count says, as of one instant."""
        return Counter(contents(self)).elements()

    def total(self) -> int:
        """The sum of all counts, as of one instant."""
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

    # The in-place operators take any mapping, like those of Counter.
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

        words = AtomicKeyedCounter()
        words.update(text.split())      # in many threads at the same time
        words.most_common(10)

    **Counting.** `AtomicKeyedCounter(iterable_or_mapping=None, /, **counts)`. An absent key has the
    count 0. `add`, `update` and `subtract` lose no count, whatever other threads do. Each changes
    one key after another, and each of these changes is one linearizable step.
    `counter.add(key)` is one step. `counter[key] += 1` is two steps, and a count that another
    thread adds between them is lost.

    **All keys.** `most_common`, `elements`, `total`, the operators and the comparisons read a
    snapshot, as of one instant. `+`, `-`, `&` and `|` also take a Counter, and keep positive counts
    only, like those of Counter. So do the in-place operators, which change one key after another.

    **As an AtomicDict.** All other members are those of AtomicDict, with three exceptions: `del` of
    an absent key does nothing; `fromkeys` raises NotImplementedError; there is no parameter
    `immortal`, since each keyword is a key. After `collections.Counter`.
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
        """A new counter of the same class, with the counts as of one instant."""
        return type(self)(contents(self))

    def get_handle(self) -> AtomicKeyedCounterHandle[_K]:
        """One thread's own reference to this counter, with the same members."""
        return AtomicKeyedCounterHandle(self)


class AtomicKeyedCounterHandle(_Counting[_K], AtomicDictHandle[_K, int]):
    """One thread's own reference to an AtomicKeyedCounter, with the same members.

    `AtomicKeyedCounterHandle(target)`: `target` is an AtomicKeyedCounter or another handle of one.
    TypeError for anything else. A handle may be used by any thread.
    """

    __slots__ = ()

    def __init__(self, target: AtomicKeyedCounter[_K] | AtomicKeyedCounterHandle[_K]) -> None:
        if not isinstance(target, (AtomicKeyedCounter, AtomicKeyedCounterHandle)):
            raise TypeError(f"target must be an AtomicKeyedCounter, not {target!r}")
        super().__init__(target)

    def copy(self) -> AtomicKeyedCounter[_K]:
        """A new AtomicKeyedCounter, not a handle, with the counts as of one instant."""
        return AtomicKeyedCounter(contents(self))

    def get_handle(self) -> AtomicKeyedCounterHandle[_K]:
        """Another handle of the counter."""
        return AtomicKeyedCounterHandle(self)


# Messages and tracebacks name the public class.
for _name, _member in vars(_Counting).items():
    if callable(_function := getattr(_member, "__func__", _member)):
        _function.__qualname__ = f"AtomicKeyedCounter.{_name}"

# The operands of the operators.
_Counts: TypeAlias = Counter[_K] | AtomicKeyedCounter[_K] | AtomicKeyedCounterHandle[_K]


def _counts_of(other: object) -> Counter[Any] | None:
    """A copy of a counter's counts; None if the object is not a counter."""
    if isinstance(other, (Counter, AtomicKeyedCounter, AtomicKeyedCounterHandle)):
        return Counter(contents(other))
    return None


def _counts_in_place(other: object) -> Counter[Any] | None:
    """A copy of the counts of any mapping, for in-place operators; None if it is not a mapping."""
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
    except TypeError:  # the counts have no order
        return counts.items()
