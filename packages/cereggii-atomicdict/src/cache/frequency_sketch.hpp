// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "cache/mixing.hpp"
#include "cache/zeroed_array.hpp"

namespace cereggii::atomicdict::cache {

// Estimates how often each key was counted lately: a count-min sketch (Cormode and Muthukrishnan)
// of 4-bit counters that are halved from time to time (Einziger, Friedman and Manes, TinyLFU).
//
// A block is one line of the processor's caches, and all four counters of a key are in one block:
//
//     block   row 0: 30 counters   row 1   row 2   row 3   halvings: 32 bits
//
// There are two blocks' worth of counters for 30 keys. An estimate is never too small, except that
// counters end at 15 and are halved.
//
// A halving of all blocks at once would take long with a lock held. So it only adds one to
// `halvings`, and a block catches up when it is used next.
//
// Not thread-safe: only the holder of the cache's maintenance lock uses it.
class FrequencySketch {
public:
    static constexpr int most = 15;  // what a counter counts to

    // For so many keys. No memory: `ok()` is false, and nothing else may be called.
    explicit FrequencySketch(std::size_t keys, std::uint64_t seed) noexcept
        : seed_(seed),
          blocks_(std::max<std::size_t>(1, (2 * keys + counters - 1) / counters)),
          sample_(additions_per_key * std::max<std::size_t>(keys, fewest_keys)),
          table_(blocks_) {}

    bool ok() const noexcept { return static_cast<bool>(table_); }
    std::size_t size_in_bytes() const noexcept { return blocks_ * sizeof(Block); }

    // How often the key with this hash was counted, at least.
    int estimate(std::uint64_t hash) noexcept {
        const Position position = find(hash);
        int least = most;
        for (int row = 0; row < rows; ++row)
            least = std::min(least, position.block.get(row, position.column[row]));
        return least;
    }

    void add(std::uint64_t hash) noexcept {
        const Position position = find(hash);
        bool added = false;
        for (int row = 0; row < rows; ++row)
            added |= position.block.increment(row, position.column[row]);
        // A key that is at the end of the scale makes the other keys no older.
        if (!added || ++added_ < sample_) return;
        added_ /= 2;
        ++halvings_;
    }

private:
    static constexpr int rows = 4;
    static constexpr int counters = 30;  // of a row in a block
    static constexpr std::size_t additions_per_key = 5;
    // A sketch for fewer keys is not halved more often than one for so many.
    static constexpr std::size_t fewest_keys = 16;

    struct alignas(64) Block {
        std::array<std::array<std::uint8_t, counters / 2>, rows> row;
        std::uint32_t halvings;

        int get(int in_row, int column) const noexcept {
            return row[in_row][column / 2] >> (column % 2 * 4) & 15;
        }
        bool increment(int in_row, int column) noexcept {
            if (get(in_row, column) == most) return false;
            row[in_row][column / 2] += static_cast<std::uint8_t>(1 << (column % 2 * 4));
            return true;
        }
        void catch_up(std::uint32_t with) noexcept {
            for (std::uint32_t left = std::min(with - halvings, 4U); left > 0; --left)
                for (auto& counters_of_row : row)
                    for (std::uint8_t& two : counters_of_row)
                        two = static_cast<std::uint8_t>(two >> 1 & 0x77);
            halvings = with;
        }
    };
    static_assert(sizeof(Block) == 64);

    struct Position {
        Block& block;
        std::array<int, rows> column;
    };

    Position find(std::uint64_t hash) noexcept {
        const std::uint64_t mixed = mix(hash ^ seed_);
        Block& block = table_[scale(mixed, blocks_)];
        if (block.halvings != halvings_) block.catch_up(halvings_);
        // The block was chosen by the top bits, mostly. The columns get bits of their own.
        const std::uint64_t more = mix(mixed);
        Position position{block, {}};
        for (int i = 0; i < rows; ++i)
            position.column[i] = static_cast<int>((more >> (16 * i) & 0xFFFF) * counters >> 16);
        return position;
    }

    std::uint64_t seed_;
    std::size_t blocks_;
    std::size_t sample_;     // how many additions there are between two halvings
    std::size_t added_ = 0;  // since the last halving, and half of those before
    std::uint32_t halvings_ = 0;
    ZeroedArray<Block> table_;
};

}  // namespace cereggii::atomicdict::cache
