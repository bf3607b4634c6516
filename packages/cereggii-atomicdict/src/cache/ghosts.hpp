// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "cache/mixing.hpp"
#include "cache/zeroed_array.hpp"

namespace cereggii::atomicdict::cache {

// Remembers the keys that were evicted lately, so that one that comes back is known: the ghosts of
// S3-FIFO (Yang, Zhang, Qiu, Yue and Rashmi), as a table instead of a queue.
//
//     line    16 words of 32 bits: one line of the processor's caches
//     word    time: 16 bits    fingerprint of the key: 16 bits, of which the lowest is set
//     0       an empty word
//
// A key is in the line that its hash chooses. A new one takes an empty word, or that of a key which
// is too old, or else the oldest. The time counts the evictions. It wraps, so a key that is very
// old may seem to be young again; and two keys may have one fingerprint. Both only let a key in too
// early.
//
// Not thread-safe: only the holder of the cache's maintenance lock uses it.
class Ghosts {
public:
    // Remembers at most `limit` evictions. No memory: `ok()` is false, and nothing else may be
    // called.
    explicit Ghosts(std::size_t limit, std::uint64_t seed) noexcept
        : seed_(seed),
          limit_(std::max<std::size_t>(1, limit)),
          lines_((limit_ + keys_per_line - 1) / keys_per_line),
          table_(lines_) {
        while (limit_ >> shift_ > most_ticks) ++shift_;
    }

    bool ok() const noexcept { return static_cast<bool>(table_); }
    std::size_t size_in_bytes() const noexcept { return lines_ * sizeof(Line); }

    // Whether the key with this hash was remembered. It is forgotten now.
    bool take(std::uint64_t hash) noexcept {
        const std::uint64_t mixed = mix(hash ^ seed_);
        for (std::uint32_t& word : line(mixed)) {
            if ((word & fingerprint_mask) != fingerprint(mixed) || !is_young(word)) continue;
            word = 0;
            return true;
        }
        return false;
    }

    void put(std::uint64_t hash) noexcept {
        const std::uint64_t mixed = mix(hash ^ seed_);
        std::uint32_t* place = nullptr;
        for (std::uint32_t& word : line(mixed)) {
            if (!is_young(word)) {
                place = &word;
                break;
            }
            if (!place || age(word) >= age(*place)) place = &word;
        }
        *place = time() << 16 | fingerprint(mixed);
        ++evictions_;
    }

private:
    using Line = std::array<std::uint32_t, 16>;
    // On average: the keys are not spread evenly, and a full line forgets too early.
    static constexpr std::size_t keys_per_line = 12;
    static constexpr std::uint32_t fingerprint_mask = 0xFFFF;
    static constexpr std::uint32_t time_mask = 0x7FFF;
    // A key is remembered for at most so many ticks: half of the time until the clock wraps.
    static constexpr std::size_t most_ticks = 0x3FFF;

    static std::uint32_t fingerprint(std::uint64_t mixed) noexcept {
        return (static_cast<std::uint32_t>(mixed) & fingerprint_mask) | 1;
    }
    Line& line(std::uint64_t mixed) noexcept { return table_[scale(mixed, lines_)]; }
    std::uint32_t time() const noexcept {
        return static_cast<std::uint32_t>(evictions_ >> shift_) & time_mask;
    }
    std::uint32_t age(std::uint32_t word) const noexcept {
        return (time() - (word >> 16)) & time_mask;
    }
    bool is_young(std::uint32_t word) const noexcept {
        return word != 0 && age(word) <= limit_ >> shift_;
    }

    std::uint64_t seed_;
    std::size_t limit_;
    std::size_t lines_;
    std::uint64_t evictions_ = 0;
    int shift_ = 0;  // of the evictions, for a time: so many evictions are one tick
    ZeroedArray<Line> table_;
};

}  // namespace cereggii::atomicdict::cache
