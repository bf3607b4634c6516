// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "cereggii/atomics/compiler.hpp"
#include "cereggii/atomics/stripes.hpp"

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

// A sum that many threads add to without sharing a cache line. After LongAdder of the JDK (Doug
// Lea) and its ancestor in papers, the striped counter.
//
//     base_ ── the home thread's cell ┐
//     stripes_ ─▶ [cell|cell|…]       ├─ the total is the sum of all of them
//     carry_ ── what left the cells   ┘
//
// The thread that adds first owns base_. There are two stripes when a second thread comes, and more
// when threads meet on one: a failed compare-exchange shows that they do. Each thread has a number,
// and adds to the cell of that number. Numbers are given out one after the other.
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
        const std::uint32_t number = my_number();
        std::atomic<std::int64_t>& cell = cell_of(number);
        std::int64_t seen = cell.load(std::memory_order_relaxed);
        if (!is_plain(seen, amount)) [[unlikely]]
            return carry(cell, amount);
        // Lost to another thread that shares the cell.
        if (!cell.compare_exchange_strong(seen, seen + amount, std::memory_order_relaxed))
            [[unlikely]]
            add_elsewhere(number, amount);
    }

    // Additions that go on at the same time may be counted or not.
    WideSum sum() const noexcept {
        const std::lock_guard guard(carrying());
        WideSum total = carry_;
        total.add(base_.load(std::memory_order_relaxed));
        stripes_.for_each(
            [&](const Cell& cell) { total.add(cell.value.load(std::memory_order_relaxed)); });
        return total;
    }

    // Takes every cell's content exactly once: an addition is in this sum or in a later one.
    WideSum sum_and_reset() noexcept {
        const std::lock_guard guard(carrying());
        WideSum total = carry_;
        carry_ = WideSum{};
        total.add(base_.exchange(0, std::memory_order_relaxed));
        stripes_.for_each(
            [&](Cell& cell) { total.add(cell.value.exchange(0, std::memory_order_relaxed)); });
        return total;
    }

    // The bytes of its stripes, which have been allocated besides the adder itself.
    std::size_t memory() const noexcept { return stripes_.memory(); }
    static std::size_t most_memory() noexcept { return CellStripes::most_memory(); }

    static std::size_t most_stripes() noexcept { return CellStripes::limit(); }

private:
    struct Cell {
        std::atomic<std::int64_t> value{0};
    };
    using CellStripes = Stripes<Cell, Machine>;

    static std::uint32_t my_number() noexcept {
        static std::atomic<std::uint32_t> next{0};
        static thread_local std::uint32_t number = 0;  // 0: none yet
        while (number == 0) [[unlikely]]
            number = next.fetch_add(1, std::memory_order_relaxed) + 1;
        return number;
    }

    static bool is_plain(std::int64_t seen, std::int64_t amount) noexcept {
        return -cell_limit <= seen && seen <= cell_limit && -add_limit <= amount &&
               amount <= add_limit;
    }

    std::atomic<std::int64_t>& cell_of(std::uint32_t number) noexcept {
        if (Cell* stripe = stripes_.find(number)) return stripe->value;
        std::uint32_t home = home_.load(std::memory_order_relaxed);
        if (home == number ||
            (home == 0 && home_.compare_exchange_strong(home, number, std::memory_order_relaxed)))
            return base_;
        Cell* made = stripes_.make(number);
        return made ? made->value : base_;  // no memory: slower, but right
    }

    // For a thread that has met another one on its cell. There may be more cells now.
    CEREGGII_NEVER_INLINE void add_elsewhere(std::uint32_t number, std::int64_t amount) noexcept {
        stripes_.note_collision();
        std::atomic<std::int64_t>& cell = cell_of(number);
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

    std::atomic<std::int64_t> base_{0};
    CellStripes stripes_;
    std::atomic<std::uint32_t> home_{0};
    WideSum carry_;  // guarded by carrying()
};

using StripedAdder = BasicStripedAdder<ThisMachine>;

}  // namespace cereggii::atomics
