// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "cereggii/atomics/overflow.hpp"

// Numbers made of hashes.
namespace cereggii::atomicdict::cache {

// Spreads each bit of `x` over all bits: the finalizer of rrmxmx (Evensen).
inline std::uint64_t mix(std::uint64_t x) noexcept {
    x ^= x >> 32;
    x *= 0xD6E8'FEB8'6659'FD93;
    x ^= x >> 32;
    x *= 0xD6E8'FEB8'6659'FD93;
    return x ^ x >> 32;
}

// A number below `count`, by the top 32 bits of a mixed hash. Up to 2^32 (Lemire).
inline std::size_t scale(std::uint64_t mixed, std::size_t count) noexcept {
    return static_cast<std::size_t>((mixed >> 32) * count >> 32);
}

// Random numbers that are good enough to choose by: xorshift64* (Marsaglia, Vigna).
class Random {
public:
    explicit Random(std::uint64_t seed) noexcept : state_(seed | 1) {}

    // True once in `count` calls, on average.
    bool once_in(std::uint32_t count) noexcept {
        state_ ^= state_ >> 12;
        state_ ^= state_ << 25;
        state_ ^= state_ >> 27;
        return (state_ * 0x2545'F491'4F6C'DD1D >> 32) % count == 0;
    }

private:
    std::uint64_t state_;
};

}  // namespace cereggii::atomicdict::cache
