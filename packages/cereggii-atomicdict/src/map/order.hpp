// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

// The order in which the keys of a map are visited.
//
// The top bits of a mixed hash are the number of the key's group, in every table of every map. If
// keys were visited in the order of their hashes, a program that puts them into another map, one by
// one, would fill that map from one end: linear probing then makes one long run of full groups, and
// each insertion walks through all of it. So groups are visited by *position*:
//
//     position = the bits of the group's number in reverse      group 0, 1/2, 1/4, 3/4, 1/8, 5/8, …
//
// (the van der Corput sequence). The first n keys of a map, for any n, are then spread evenly over
// the hashes, and so are the others. That holds for every way to copy a map or to move its keys,
// also back into the same map.
//
// A *level* is a number of bits of the hash. A *cell* is what has the same bits at the top: a
// group, or, for an iterator, four groups that are neighbours. An iterator stays at the level it
// has begun with, so cells stay what they are when tables come and go: no cell is visited twice or
// left out.
namespace cereggii::atomicdict {

// The lowest `bits` bits of a number in reverse order.
inline constexpr std::uint64_t reversed(std::uint64_t number, int bits) noexcept {
    std::uint64_t x = number;
    x = (x >> 1 & 0x5555'5555'5555'5555u) | (x & 0x5555'5555'5555'5555u) << 1;
    x = (x >> 2 & 0x3333'3333'3333'3333u) | (x & 0x3333'3333'3333'3333u) << 2;
    x = (x >> 4 & 0x0F0F'0F0F'0F0F'0F0Fu) | (x & 0x0F0F'0F0F'0F0F'0F0Fu) << 4;
    x = (x >> 8 & 0x00FF'00FF'00FF'00FFu) | (x & 0x00FF'00FF'00FF'00FFu) << 8;
    x = (x >> 16 & 0x0000'FFFF'0000'FFFFu) | (x & 0x0000'FFFF'0000'FFFFu) << 16;
    x = x >> 32 | x << 32;
    return bits == 0 ? 0 : x >> (64 - bits);
}

// Cells are visited in bundles of 8, whose positions follow each other: the cells of a bundle are
// at the same place in each 8th part of the table. A map of fewer cells is one bundle.
inline constexpr int bundle_bits = 3;
// A cell of an iterator has 2^n groups. To go from one place of a table to another takes an
// iterator two misses of the cache: with cells of one group, iterating over 10^6 keys took half as
// long again.
inline constexpr int cell_group_bits = 2;
inline constexpr std::uint64_t bundle_size = std::uint64_t{1} << bundle_bits;

inline constexpr auto reversed_in_bundle = [] {
    std::array<std::uint8_t, bundle_size> all{};
    for (std::uint64_t i = 0; i < bundle_size; ++i)
        all[i] = static_cast<std::uint8_t>(reversed(i, bundle_bits));
    return all;
}();

// The hashes that a cell has.
struct HashRange {
    std::uint64_t first = 0, last = UINT64_MAX;
};

inline HashRange cell_at(std::uint64_t position, int level) noexcept {
    if (level == 0) return {};
    const std::uint64_t first = reversed(position, level) << (64 - level);
    return {first, first | UINT64_MAX >> level};
}

// A number that orders the hashes of one bundle as they are visited: by position, then by hash. It
// is its own inverse. `bits`: of a bundle, fewer than bundle_bits at lower levels.
inline std::uint64_t order_in_bundle(std::uint64_t hash, int bits) noexcept {
    if (bits == 0) return hash;
    const std::uint64_t top = hash >> (64 - bits);
    const std::uint64_t place = reversed_in_bundle[top] >> (bundle_bits - bits);
    return place << (64 - bits) | (hash << bits >> bits);
}

// A part of all keys, for fast_iter(). Which part a key belongs to depends on its hash alone, not
// on the size of a table. Parts are ranges of cells' positions at one fixed level, so the keys of a
// part are spread over the hashes, too: one part after the other is no worse a way to copy a map.
// (A map with fewer groups than that level has cells is gone through once for each part.)
class Part {
public:
    static constexpr int level = 12;

    Part() noexcept = default;
    // Part `number` of `count`, which do not overlap.
    Part(std::uint64_t number, std::uint64_t count) noexcept {
        // Each has (2^64 - 1) / count numbers, rounded down, and the first ones have one more.
        const auto start = [count](std::uint64_t of) {
            const std::uint64_t quotient = UINT64_MAX / count, remainder = UINT64_MAX % count;
            return of * quotient + (of < remainder ? of : remainder);
        };
        range_ = {start(number), number + 1 == count ? UINT64_MAX : start(number + 1) - 1};
    }

    bool is_everything() const noexcept { return range_.first == 0 && range_.last == UINT64_MAX; }
    // About how many of so many keys it has.
    std::size_t share_of(std::size_t keys) const noexcept {
        if (is_everything()) return keys;
        const auto width = static_cast<double>(range_.last - range_.first) + 1;
        return static_cast<std::size_t>(width / 0x1p64 * static_cast<double>(keys));
    }
    bool has(std::uint64_t hash) const noexcept {
        const std::uint64_t number =
            reversed(hash >> (64 - level), level) << (64 - level) | (hash << level >> level);
        return range_.first <= number && number <= range_.last;
    }
    // Of positions at that level: the first and the last that have keys of this part.
    std::uint64_t first_position() const noexcept { return range_.first >> (64 - level); }
    std::uint64_t last_position() const noexcept { return range_.last >> (64 - level); }
    // Whether all keys of the cell at a position between the two belong to this part.
    bool has_all_of(std::uint64_t position) const noexcept {
        const std::uint64_t first = position << (64 - level);
        return range_.first <= first && (first | UINT64_MAX >> level) <= range_.last;
    }

private:
    HashRange range_;  // of positions, followed by the other bits of the hash
};

}  // namespace cereggii::atomicdict
