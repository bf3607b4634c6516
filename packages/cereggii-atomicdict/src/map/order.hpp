// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "map/key.hpp"
#include "map/tuning.hpp"

// The order in which the keys of a map are visited.
//
// The top bits of a mixed hash are the number of the key's group, in every table of every map. If
// keys were visited in the order of their hashes, a program that puts them into another map, one by
// one, would fill that map from one end: linear probing then makes one long run of full groups, and
// each insertion passes all of it. So groups are visited by *position*:
//
//     position = the bits of the group's number in reverse
//
//     position      0    1    2    3    4    5    6    7       in a table of 8 groups
//     group         0    4    2    6    1    5    3    7
//     at, of all    0   1/2  1/4  3/4  1/8  5/8  3/8  7/8      in a table of any size
//
// (the van der Corput sequence). The first n keys of a map, for any n, are then spread evenly over
// the hashes, and so are the others. That holds for every way to copy a map or to move its keys,
// even back into the same map.
//
// A *level* is a number of bits of the hash. A *cell* is all hashes with the same bits at the top,
// as many as the level says: those of a group, or, for an iterator, of four adjacent groups. A
// *bundle* is 8 cells whose positions follow each other. An iterator keeps the level that it has
// begun with, so its cells stay the same when tables come and go: no cell is visited twice or left
// out.
namespace cereggii::atomicdict {

// The lowest `bits` bits of a number in reverse order.
constexpr std::uint64_t reversed(std::uint64_t number, int bits) noexcept {
    std::uint64_t x = number;
    x = (x >> 1 & 0x5555'5555'5555'5555u) | (x & 0x5555'5555'5555'5555u) << 1;
    x = (x >> 2 & 0x3333'3333'3333'3333u) | (x & 0x3333'3333'3333'3333u) << 2;
    x = (x >> 4 & 0x0F0F'0F0F'0F0F'0F0Fu) | (x & 0x0F0F'0F0F'0F0F'0F0Fu) << 4;
    x = (x >> 8 & 0x00FF'00FF'00FF'00FFu) | (x & 0x00FF'00FF'00FF'00FFu) << 8;
    x = (x >> 16 & 0x0000'FFFF'0000'FFFFu) | (x & 0x0000'FFFF'0000'FFFFu) << 16;
    x = x >> 32 | x << 32;
    return bits == 0 ? 0 : x >> (64 - bits);
}

// Cells are visited in bundles of 8. The cells of a bundle are at the same place in each 8th part
// of the table. A map of fewer cells is one bundle.
inline constexpr int bundle_bits = 3;
inline constexpr std::uint64_t bundle_size = std::uint64_t{1} << bundle_bits;

// The sizes of an iterator's cells and bundles, in a table of the iterator's level.
inline constexpr int cell_group_bits = tuning::cell_group_bits;
inline constexpr std::uint64_t group_size = group_mask + 1;
inline constexpr std::size_t groups_per_cell = std::size_t{1} << cell_group_bits;
inline constexpr std::size_t slots_per_cell = group_size << cell_group_bits;
inline constexpr std::size_t groups_per_bundle = bundle_size * groups_per_cell;
inline constexpr std::size_t slots_per_bundle = bundle_size * slots_per_cell;

inline constexpr auto reversed_in_bundle = [] {
    std::array<std::uint8_t, bundle_size> all{};
    for (std::uint64_t i = 0; i < bundle_size; ++i)
        all[i] = static_cast<std::uint8_t>(reversed(i, bundle_bits));
    return all;
}();

// The hashes of a cell, from the first one to the last one, both included.
struct HashRange {
    std::uint64_t first = 0, last = UINT64_MAX;
};

inline HashRange cell_at(std::uint64_t position, int level) noexcept {
    if (level == 0) return {};
    const std::uint64_t first = reversed(position, level) << (64 - level);
    return {first, first | UINT64_MAX >> level};
}

// A number that orders the hashes of one bundle as they are visited: by position, then by hash. The
// function is its own inverse. `bits` is the binary logarithm of the number of cells in the bundle:
// fewer than bundle_bits at lower levels.
inline std::uint64_t order_in_bundle(std::uint64_t hash, int bits) noexcept {
    if (bits == 0) return hash;
    const std::uint64_t top = hash >> (64 - bits);
    const std::uint64_t place = reversed_in_bundle[top] >> (bundle_bits - bits);
    return place << (64 - bits) | (hash << bits >> bits);
}

// A part of all keys, for fast_iter(). Which part a key belongs to depends on its hash alone, not
// on the size of a table. A part is a range of cells' positions at one fixed level, so the keys of
// a part are spread over the hashes, too: to copy a map one part after the other is as good a way
// as any. (A map with fewer groups than that level has cells is gone through once for each part.)
class Part {
public:
    static constexpr int level = 12;

    Part() noexcept = default;
    // Part `number` of `count`, which do not overlap.
    Part(std::uint64_t number, std::uint64_t count) noexcept {
        // Each part has (2^64 - 1) / count numbers, rounded down, and the first ones have one more.
        const auto start = [count](std::uint64_t of) {
            const std::uint64_t quotient = UINT64_MAX / count, remainder = UINT64_MAX % count;
            return of * quotient + (of < remainder ? of : remainder);
        };
        range_ = {start(number), number + 1 == count ? UINT64_MAX : start(number + 1) - 1};
    }

    bool is_everything() const noexcept { return range_.first == 0 && range_.last == UINT64_MAX; }
    // About how many of this many keys belong to the part.
    std::size_t expected_of(std::size_t keys) const noexcept {
        if (is_everything()) return keys;
        const auto width = static_cast<double>(range_.last - range_.first) + 1;
        return static_cast<std::size_t>(width / 0x1p64 * static_cast<double>(keys));
    }
    bool has(std::uint64_t hash) const noexcept {
        const std::uint64_t number =
            reversed(hash >> (64 - level), level) << (64 - level) | (hash << level >> level);
        return range_.first <= number && number <= range_.last;
    }
    // The first and the last position, at that level, with keys of this part.
    std::uint64_t first_position() const noexcept { return range_.first >> (64 - level); }
    std::uint64_t last_position() const noexcept { return range_.last >> (64 - level); }
    // Whether all keys of the cell at a position between the two belong to this part.
    bool has_all_of(std::uint64_t position) const noexcept {
        const std::uint64_t first = position << (64 - level);
        return range_.first <= first && (first | UINT64_MAX >> level) <= range_.last;
    }

private:
    // A range of numbers: the bits of a position at that level, and then the other bits of the
    // hash.
    HashRange range_;
};

}  // namespace cereggii::atomicdict
