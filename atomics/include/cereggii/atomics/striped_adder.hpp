// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "cereggii/atomics/compiler.hpp"
#include "cereggii/atomics/striped_cells.hpp"

namespace cereggii::atomics {

// A sum of 64-bit integers: high * 2^62 + low, with 0 <= low < 2^62. It is exact while it is within
// ±2^125: a sum that starts within ±2^124 can take 2^61 additions of any size.
struct WideSum {
    std::int64_t high = 0;
    std::int64_t low = 0;

    static constexpr int low_bits = 62;
    static constexpr std::int64_t high_limit = std::int64_t{1} << 62;  // of `high` at the start
    static constexpr std::int64_t low_mask = (std::int64_t{1} << low_bits) - 1;

    void add(std::int64_t amount) noexcept {
        high += amount >> low_bits;
        low += amount & low_mask;  // below 2^63
        high += low >> low_bits;
        low &= low_mask;
    }
};

// A sum that many threads add to without sharing a cache line: LongAdder of the JDK (Doug Lea).
//
//     cells_ ─▶ a cell for each thread    ┐ the total is the sum of all of them
//     carry_ ── what left the cells       ┘
//
// A cell never wraps. It is changed by at most ±add_limit, by a compare-exchange or a `fetch_add`,
// after a check that it was within ±cell_limit. Otherwise it is only set to zero. The argument is
// that of CheckedInt64. What does not satisfy the check goes through the carry, which is 126 bits
// wide.
template <class Machine>
class BasicStripedAdder {
public:
    static constexpr std::int64_t add_limit = std::int64_t{1} << 32;
    static constexpr std::int64_t cell_limit = std::int64_t{1} << 62;

    explicit BasicStripedAdder(WideSum initial = {}) noexcept : carry_(initial) {}

    // Wait-free, except for amounts beyond ±2^32 and for a cell beyond ±2^62: those take a lock for
    // a few instructions. Relaxed: a sum is exact only once the adders are known to have ended, and
    // what makes that known (a join, a lock, a queue) orders their additions before the sum.
    void add(std::int64_t amount) noexcept {
        std::atomic<std::int64_t>& cell = cells_.mine().value;
        std::int64_t seen = cell.load(std::memory_order_relaxed);
        if (!is_plain(seen, amount)) [[unlikely]]
            return carry(cell, amount);
        // Lost to another thread that shares the cell.
        if (!cell.compare_exchange_strong(seen, seen + amount, std::memory_order_relaxed))
            [[unlikely]]
            add_elsewhere(amount);
    }

    // Additions that go on at the same time may be counted or not.
    WideSum sum() const noexcept {
        const std::lock_guard guard(carrying());
        WideSum total = carry_;
        cells_.for_each(
            [&](const Cell& cell) { total.add(cell.value.load(std::memory_order_relaxed)); });
        return total;
    }

    // Takes every cell's content exactly once: an addition is in this sum or in a later one.
    WideSum sum_and_reset() noexcept {
        const std::lock_guard guard(carrying());
        WideSum total = carry_;
        carry_ = WideSum{};
        cells_.for_each(
            [&](Cell& cell) { total.add(cell.value.exchange(0, std::memory_order_relaxed)); });
        return total;
    }

    // The bytes of its stripes, which have been allocated besides the adder itself.
    std::size_t memory() const noexcept { return cells_.memory(); }
    static std::size_t most_memory() noexcept { return Cells::most_memory(); }

    static std::size_t most_stripes() noexcept { return Cells::most_stripes(); }

private:
    struct Cell {
        std::atomic<std::int64_t> value{0};
    };
    using Cells = StripedCells<Cell, Machine>;

    static bool is_plain(std::int64_t seen, std::int64_t amount) noexcept {
        return -cell_limit <= seen && seen <= cell_limit && -add_limit <= amount &&
               amount <= add_limit;
    }

    // For a thread that has met another one on its cell.
    CEREGGII_NEVER_INLINE void add_elsewhere(std::int64_t amount) noexcept {
        std::atomic<std::int64_t>& cell = cells_.after_collision().value;
        if (is_plain(cell.load(std::memory_order_relaxed), amount)) [[likely]]
            cell.fetch_add(amount, std::memory_order_relaxed);
        else
            carry(cell, amount);
    }

    CEREGGII_NEVER_INLINE void carry(std::atomic<std::int64_t>& cell,
                                     std::int64_t amount) noexcept {
        const std::lock_guard guard(carrying());
        carry_.add(cell.exchange(0, std::memory_order_relaxed));
        carry_.add(amount);
    }

    // One lock for all adders: only sums take it, and additions at the edges of the range. Nothing
    // blocks or calls Python while it is held, so no thread holds it while that thread is stopped
    // for a collection or a fork.
    static std::mutex& carrying() noexcept {
        static std::mutex lock;
        return lock;
    }

    Cells cells_;
    WideSum carry_;  // guarded by carrying()
};

using StripedAdder = BasicStripedAdder<ThisMachine>;

}  // namespace cereggii::atomics
