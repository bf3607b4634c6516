# SPDX-License-Identifier: Apache-2.0
"""Consecutive ints are next to each other in a table, and no pattern of keys is in its own way.

The table itself cannot be looked at, but its order can: by group, with the bits of the group's
number in reverse, and in a group by mixed hash.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

import pytest
from cereggii_atomicdict import AtomicDict

GROUP_SIZE = 8  # slots
GROUPS_OF_CELL = 4


def mixed(hash_: int) -> int:
    """The mixed hash, as in src/map/key.hpp."""
    unmixed = hash_ % 2**64
    x = unmixed >> 3
    x ^= x >> 4 ^ x >> 9 ^ x >> 17 ^ x >> 31
    return x * 0x9E3779B97F4A7C18 % 2**64 | (unmixed ^ x) % GROUP_SIZE


def home(hash_: int, capacity: int) -> int:
    """The home slot of a key in a table of `capacity` slots."""
    group = (mixed(hash_) * capacity >> 64) // GROUP_SIZE
    return group * GROUP_SIZE + mixed(hash_) % GROUP_SIZE


def mean_detour(hashes: list[int], capacity: int) -> float:
    """How many slots a key is behind its home, on average."""
    in_use = [False] * capacity
    detours = 0
    for hash_ in hashes:
        place = home(hash_, capacity)
        while in_use[place]:
            place = (place + 1) % capacity
            detours += 1
        in_use[place] = True
    return detours / len(hashes)


def in_order(hashes: Iterable[int], capacity: int) -> list[int]:
    """The order of a scan, as in src/map/order.hpp."""
    cell_bits = max(0, (capacity // GROUP_SIZE // GROUPS_OF_CELL).bit_length() - 1)

    def order(hash_: int) -> tuple[int, int]:
        cell = mixed(hash_) << cell_bits >> 64
        return int(f"{cell:0{cell_bits or 1}b}"[::-1], 2), mixed(hash_)

    return sorted(hashes, key=order)


@pytest.mark.parametrize("reserved", [1, 7, 50, 100, 2000, 50_000])
@pytest.mark.parametrize("count", [1, 7, 100, 1600])
def test_groups_are_visited_in_the_order_of_their_reversed_bits(
    count: int, reserved: int, seed: int
) -> None:
    choose = random.Random(seed)
    keys = {choose.getrandbits(choose.randrange(61)) for _ in range(count)}
    keys |= {-key - 2 for key in keys if choose.random() < 0.3}
    d: AtomicDict[int, None] = AtomicDict(min_size=reserved)
    d.update(dict.fromkeys(keys))
    capacities = [2**bits for bits in range(3, 20) if len(keys) <= 2**bits]
    assert list(d) in [in_order(keys, capacity) for capacity in capacities]


def test_a_scan_that_stops_in_a_cell_sees_each_key_once_after_shrinking() -> None:
    """A scan that has stopped in the middle of a cell, of a table that then shrinks again."""
    bits = 7
    half_of_next = int(f"{33:0{bits}b}"[::-1], 2) << 1  # the first half of the cell at position 33
    targets = [i for i in range(0, 200_000, 8) if mixed(i) >> 63 - bits == half_of_next][:2]
    # The 32 cells before it are not at home in the first quarter of the table.
    others = [i for i in range(1000) if mixed(i) >> 62 != 0 and i not in targets]
    kept = targets + others[: 330 - len(targets)]
    d = AtomicDict.fromkeys(kept)
    iterator = iter(d)
    seen = [next(iterator)]
    more = range(10**6, 10**6 + 60_000)
    d.update(dict.fromkeys(more))
    while seen[-1] not in more:
        seen.append(next(iterator))
    for key in more:
        del d[key]
    for _ in range(2000):  # which empty the large table
        d[-5] = None
        del d[-5]
    seen += iterator
    assert len(targets) == 2
    assert len({*seen}) == len(seen)
    assert {*kept} <= {*seen}


def test_different_hashes_stay_different(seed: int) -> None:
    choose = random.Random(seed)
    hashes = {choose.getrandbits(64) for _ in range(2000)}
    hashes |= {hash_ ^ 1 << bit for hash_ in [*hashes][:100] for bit in range(64)}
    assert len({mixed(hash_) for hash_ in hashes}) == len(hashes)


@pytest.mark.parametrize("capacity", [64, 1024, 8192])
@pytest.mark.parametrize("first", [0, 10**6, -(10**6)])
def test_consecutive_ints_share_a_group_and_hardly_ever_collide(first: int, capacity: int) -> None:
    start = first // GROUP_SIZE * GROUP_SIZE
    homes = {home(start + i, capacity) // GROUP_SIZE for i in range(GROUP_SIZE)}
    assert len(homes) == 1
    assert mean_detour([first + i for i in range(capacity // 2)], capacity) < 1


def test_consecutive_ints_follow_each_other_when_they_are_iterated_over() -> None:
    keys = [*AtomicDict.fromkeys(range(8000))]
    groups = [keys[i : i + GROUP_SIZE] for i in range(0, len(keys), GROUP_SIZE)]
    assert all(max(group) - min(group) == GROUP_SIZE - 1 for group in groups)


STRIDES = [
    *range(2, 130),
    *(10**n for n in range(3, 16)),
    *(2**n for n in range(7, 56)),
    *(2**n - 1 for n in range(7, 56)),
    *(2**n + 1 for n in range(7, 56)),
]
FIBONACCI = [1, 2]
while FIBONACCI[-1] < 2**55:
    FIBONACCI.append(FIBONACCI[-1] + FIBONACCI[-2])
PATTERNS: dict[str, Callable[[int], int]] = {
    "squares": lambda i: i * i,
    "floats": lambda i: hash(i / 10),
    "large floats": lambda i: hash(i * 1e15),
    "addresses": lambda i: (0x7F12_3456_0000 + 48 * i) >> 4,
    "a grid of ints": lambda i: i // 30 * 1000 + i % 30,
    "a grid of 16 bits": lambda i: i // 100 << 16 | i % 100,
    "a grid of 32 bits": lambda i: i // 64 << 32 | i % 64,
    "times and numbers": lambda i: 3 * i << 22 | i % 4,
    "both signs": lambda i: i if i % 2 else -i - 2,
    "pairs": lambda i: hash((i // 50, i % 50)),
}


@pytest.mark.parametrize("capacity", [64, 2048])
@pytest.mark.parametrize("load", [0.44, 0.81])
def test_no_pattern_of_ints_is_in_its_own_way(capacity: int, load: float) -> None:
    """Multiplication alone would leave those with the strides of Fibonacci in one place."""
    count = int(capacity * load)
    found = {
        f"stride {stride}": mean_detour([stride * i for i in range(count)], capacity)
        for stride in STRIDES + FIBONACCI + [GROUP_SIZE * number for number in FIBONACCI]
    }
    for name, pattern in PATTERNS.items():
        found[name] = mean_detour(list(dict.fromkeys(map(pattern, range(count)))), capacity)
    # With groups at random places it is 4 and 17: whole groups go further on, not single slots.
    assert max(found.values()) < (8 if load < 0.5 else 30), max(found, key=lambda name: found[name])
    assert sum(found.values()) / len(found) < (0.6 if load < 0.5 else 2.5)
