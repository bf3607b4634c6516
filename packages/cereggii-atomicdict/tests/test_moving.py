# SPDX-License-Identifier: Apache-2.0
"""A key is found wherever it has been moved to.

A word of a table says enough of a hash for its node to be moved without being looked at. So these
keys have hashes that are chosen: at the ends of tables, in one group, far from home.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

import pytest
from cereggii_atomicdict import AtomicDict

from .test_hashing import GROUP_SIZE, mixed

COUNT = 600
MULTIPLIER = 0x9E3779B97F4A7C18 >> 3


def unmixed(hash_: int) -> int:
    """The hash that is mixed to this."""
    shifted = (hash_ >> 3) * pow(MULTIPLIER, -1, 2**61) % 2**61
    original = shifted
    for _ in range(16):  # each time, four more bits from the top are right
        original = shifted ^ original >> 4 ^ original >> 9 ^ original >> 17 ^ original >> 31
    return original << 3 | (hash_ ^ shifted) % GROUP_SIZE


class Placed:
    """A key with a mixed hash that is given."""

    __slots__ = ("hash", "mixed")

    def __init__(self, mixed_hash: int) -> None:
        self.mixed = mixed_hash
        unsigned = unmixed(mixed_hash)
        self.hash = unsigned - 2**64 if unsigned >> 63 else unsigned

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Placed) and self.mixed == other.mixed

    def __hash__(self) -> int:
        return self.hash

    def __repr__(self) -> str:
        return f"Placed({self.mixed:#x})"


def at_the_end(_choose: random.Random) -> Iterable[int]:
    """Hashes in the last groups of every table: a probe goes on at the beginning."""
    return (2**64 - 1 - number for number in range(COUNT))


def at_both_ends(choose: random.Random) -> Iterable[int]:
    return (choose.getrandbits(44) ^ choose.choice([0, 2**64 - 1]) for _ in range(COUNT))


def in_one_group(choose: random.Random) -> Iterable[int]:
    """Hashes in one group of tables of up to 2**20 slots, and in several of larger tables."""
    return (0x5A5A5 << 44 | choose.getrandbits(44) for _ in range(COUNT))


def in_few_groups(choose: random.Random) -> Iterable[int]:
    """Hashes in few groups, with so many in each that they run over into the next two or three."""
    groups = [choose.getrandbits(12) << 52 for _ in range(COUNT // 20)]
    return (choose.choice(groups) | choose.getrandbits(52) for _ in range(COUNT))


def of_one_bit(_choose: random.Random) -> Iterable[int]:
    return (1 << first | 1 << second for first in range(64) for second in range(first + 1))


def at_random(choose: random.Random) -> Iterable[int]:
    return (choose.getrandbits(64) for _ in range(COUNT))


Hashes = Callable[[random.Random], Iterable[int]]

HASHES = [at_the_end, at_both_ends, in_one_group, in_few_groups, of_one_bit, at_random]


def keys_of(hashes: Hashes, seed: int) -> list[Placed]:
    chosen = {*hashes(random.Random(seed))}
    return [Placed(hash_) for hash_ in chosen if unmixed(hash_) != 2**64 - 1]  # -1 is not a hash


def check(d: AtomicDict[Placed, int], keys: list[Placed]) -> None:
    """Check that every way to look finds the keys, and no key with a similar hash."""
    present = {key.mixed for key in keys}
    assert [d[key] for key in keys] == [key.mixed for key in keys]
    assert sorted(key.mixed for key in d) == sorted(present)
    for key in keys[:: len(keys) // 30 + 1]:
        for bit in range(64):
            close = key.mixed ^ 1 << bit
            assert (Placed(close) in d) == (close in present)


def test_hashes_can_be_chosen(seed: int) -> None:
    choose = random.Random(seed)
    hashes = [choose.getrandbits(64) for _ in range(1000)]
    assert [mixed(unmixed(hash_)) for hash_ in hashes] == hashes
    assert [mixed(hash(Placed(hash_))) for hash_ in hashes] == hashes


@pytest.mark.parametrize("hashes", HASHES)
def test_keys_are_found_in_tables_that_have_grown(hashes: Hashes, seed: int) -> None:
    keys = keys_of(hashes, seed)
    d: AtomicDict[Placed, int] = AtomicDict()
    for count, key in enumerate(keys, 1):
        d[key] = key.mixed
        if count in {3, 8, 30, 100, 300}:
            check(d, keys[:count])
    check(d, keys)


@pytest.mark.parametrize("hashes", HASHES)
@pytest.mark.parametrize("factors", [[2] * 10, [4] * 6, [64, 64], [2**13]], ids=str)
def test_keys_are_found_in_tables_of_every_size(
    hashes: Hashes, factors: list[int], seed: int
) -> None:
    keys = keys_of(hashes, seed)
    d = AtomicDict({key: key.mixed for key in keys})
    size = len(keys)
    for factor in factors:
        size *= factor
        d.reserve(size)
        check(d, keys)


@pytest.mark.parametrize("hashes", HASHES)
@pytest.mark.parametrize("more", [1_000, 20_000, 300_000])
def test_keys_are_found_in_tables_that_have_shrunk(hashes: Hashes, more: int, seed: int) -> None:
    keys = keys_of(hashes, seed)[:60]
    d: AtomicDict[object, int] = AtomicDict({key: key.mixed for key in keys})
    d.update(dict.fromkeys(range(more), 0))
    for number in range(more):
        del d[number]
    assert d.__sizeof__() < 50 * more
    check(d, keys)  # type: ignore[arg-type]
