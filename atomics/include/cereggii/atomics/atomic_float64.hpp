// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <limits>
#include <optional>

#include "cereggii/atomics/compiler.hpp"

namespace cereggii::atomics {

static_assert(std::numeric_limits<double>::is_iec559 && sizeof(double) == sizeof(std::uint64_t));

// An IEEE 754 binary64 number that threads share. It is kept as its 64 bits.
//
// Two comparisons are in use, and they are not the same:
//   - *Bits* decide whether another thread has changed the number: a compare-exchange compares
//     bits. So a loop ends for NaN, which is not equal to itself. And 0.0 does not pass for -0.0
//     in an update whose result differs, such as 1 / x.
//   - *Values* decide whether the number is the one that a caller expects: see matches().
//
// Every operation is linearizable and sequentially consistent. `load` and `exchange` are wait-free,
// everything else is lock-free: a compare-exchange that fails means that another one has succeeded.
class AtomicFloat64 {
public:
    explicit AtomicFloat64(double value) noexcept : bits_(to_bits(value)) {}
    AtomicFloat64(const AtomicFloat64&) = delete;
    AtomicFloat64& operator=(const AtomicFloat64&) = delete;

    // The values before and after an update.
    struct Update {
        double before;
        double after;
    };

    // Whether a value is the expected one: equal, so 0.0 is -0.0; and any NaN is any NaN.
    static bool matches(double found, double expected) noexcept {
        return found == expected || (found != found && expected != expected);
    }

    double load() const noexcept { return to_value(bits_.load(std::memory_order_seq_cst)); }

    double exchange(double value) noexcept {
        return to_value(bits_.exchange(to_bits(value), std::memory_order_seq_cst));
    }

    // Returns the value found. It matches `expected` if and only if the value was replaced.
    double compare_exchange(double expected, double value) noexcept {
        return modify([=](double found) {
                   return matches(found, expected) ? std::optional(value) : std::nullopt;
               })
            .before;
    }

    // Stores `value` if the number has the bits of `found`. Otherwise `found` becomes the number
    // that is there.
    bool replace(double& found, double value) noexcept {
        std::uint64_t bits = to_bits(found);
        const bool replaced =
            bits_.compare_exchange_strong(bits, to_bits(value), std::memory_order_seq_cst);
        found = to_value(bits);
        return replaced;
    }

    // One atomic read-modify-write. `next(found)` is the value to store, or nothing to leave the
    // number as it is. It is called again if another thread changes the number first.
    template <class Next>
    CEREGGII_ALWAYS_INLINE Update modify(Next&& next) noexcept(noexcept(next(double{}))) {
        std::uint64_t bits = bits_.load(std::memory_order_seq_cst);
        for (;;) {
            const double found = to_value(bits);
            const std::optional<double> wanted = next(found);
            if (!wanted) return {found, found};
            if (bits_.compare_exchange_strong(bits, to_bits(*wanted), std::memory_order_seq_cst))
                return {found, *wanted};
            // Lost to a concurrent update. `bits` is what is there now: try again.
        }
    }

private:
    static std::uint64_t to_bits(double value) noexcept {
        return std::bit_cast<std::uint64_t>(value);
    }
    static double to_value(std::uint64_t bits) noexcept { return std::bit_cast<double>(bits); }

    std::atomic<std::uint64_t> bits_;
};

static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

}  // namespace cereggii::atomics
