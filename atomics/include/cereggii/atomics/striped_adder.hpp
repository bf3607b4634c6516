// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <thread>

#include "cereggii/atomics/cache_line.hpp"

namespace cereggii::atomics {

// A sum of 64-bit integers: high * 2^62 + low, with 0 <= low < 2^62. It is exact as long as it is
// within ±2^125: a sum that starts within ±2^124 can take 2^61 additions of any size.
struct WideSum {
    std::int64_t high = 0;
    std::int64_t low = 0;

    static constexpr int low_bits = 62;
    static constexpr std::int64_t high_limit = std::int64_t{1} << 62;  // of `high` to start with
    static constexpr std::int64_t low_mask = (std::int64_t{1} << low_bits) - 1;

    void add(std::int64_t amount) noexcept {
        high += amount >> low_bits;
        low += amount & low_mask;  // below 2^63
        high += low >> low_bits;
        low &= low_mask;
    }
};

// A sum that many threads add to without sharing a cache line, after LongAdder of the JDK
// (Doug Lea) and its paper ancestor, the striped counter.
//
//     base_ ── the home thread's cell ┐
//     stripes_ ─▶ [cell|cell|cell|…]  ├─ the total is the sum of all of them
//     carry_ ── what left the cells   ┘
//
// The thread that adds first owns base_. The stripes are allocated when a second thread comes, so a
// counter that one thread uses stays small. Each thread adds to the cell of its own number, given
// out in turn: up to stripe_count() threads never meet.
//
// A cell never wraps: it is changed by `fetch_add` of at most ±add_limit after a check that it was
// within ±cell_limit, and otherwise only set to zero; the argument is that of CheckedInt64.
// Whatever does not satisfy the check goes through the carry, which is 126 bits wide.
class StripedAdder {
public:
    static constexpr std::int64_t add_limit = std::int64_t{1} << 32;
    static constexpr std::int64_t cell_limit = std::int64_t{1} << 62;

    explicit StripedAdder(WideSum initial = {}) noexcept : carry_(initial) {}
    ~StripedAdder() { delete[] stripes_.load(std::memory_order_relaxed); }
    StripedAdder(const StripedAdder&) = delete;
    StripedAdder& operator=(const StripedAdder&) = delete;

    // Wait-free, but for amounts beyond ±2^32 and for a cell beyond ±2^62: those take a lock for a
    // few instructions. Relaxed: a sum is exact only once the adders are known to be done, and
    // whatever tells so (a join, a lock, a queue) orders their additions before it.
    void add(std::int64_t amount) noexcept {
        std::atomic<std::int64_t>& cell = my_cell();
        const std::int64_t seen = cell.load(std::memory_order_relaxed);
        if (-cell_limit <= seen && seen <= cell_limit && -add_limit <= amount &&
            amount <= add_limit) [[likely]] {
            cell.fetch_add(amount, std::memory_order_relaxed);
        } else {
            const std::lock_guard guard(carrying());
            carry_.add(cell.exchange(0, std::memory_order_relaxed));
            carry_.add(amount);
        }
    }

    // Weak: additions that are under way at the same time are counted or not.
    WideSum sum() const noexcept {
        const std::lock_guard guard(carrying());
        WideSum total = carry_;
        total.add(base_.load(std::memory_order_relaxed));
        if (const Cell* stripes = stripes_.load(std::memory_order_acquire))
            for (std::size_t i = 0; i < stripe_count(); ++i)
                total.add(stripes[i].value.load(std::memory_order_relaxed));
        return total;
    }

    // Takes every cell's content exactly once: an addition is in this sum or in a later one.
    WideSum sum_and_reset() noexcept {
        const std::lock_guard guard(carrying());
        WideSum total = carry_;
        carry_ = WideSum{};
        total.add(base_.exchange(0, std::memory_order_relaxed));
        if (Cell* stripes = stripes_.load(std::memory_order_acquire))
            for (std::size_t i = 0; i < stripe_count(); ++i)
                total.add(stripes[i].value.exchange(0, std::memory_order_relaxed));
        return total;
    }

    // Twice the cores, so that threads that come and go seldom meet; a power of two.
    static std::size_t stripe_count() noexcept {
        static const std::size_t count =
            std::bit_ceil(std::size_t{2} * std::max(1u, std::thread::hardware_concurrency()));
        return count;
    }

    // The bytes that the cells take which are allocated now.
    std::size_t memory() const noexcept {
        return stripes_.load(std::memory_order_relaxed) ? stripe_count() * sizeof(Cell) : 0;
    }

private:
    struct alignas(destructive_interference) Cell {
        std::atomic<std::int64_t> value{0};
    };

    static std::uint32_t my_number() noexcept {
        static std::atomic<std::uint32_t> next{0};
        static thread_local std::uint32_t number = 0;  // 0: none yet
        while (number == 0) [[unlikely]]
            number = next.fetch_add(1, std::memory_order_relaxed) + 1;
        return number;
    }

    std::atomic<std::int64_t>& my_cell() noexcept {
        const std::uint32_t number = my_number();
        Cell* stripes = stripes_.load(std::memory_order_acquire);
        if (!stripes) [[unlikely]] {
            std::uint32_t home = 0;
            if (home_.compare_exchange_strong(home, number, std::memory_order_relaxed) ||
                home == number)
                return base_;
            stripes = grow();
            if (!stripes) return base_;  // no memory: slower, but right
        }
        return stripes[number & (stripe_count() - 1)].value;
    }

    Cell* grow() noexcept {
        std::unique_ptr<Cell[]> fresh(new (std::nothrow) Cell[stripe_count()]);
        if (!fresh) return nullptr;
        Cell* current = nullptr;
        // Release: pairs with the acquire loads of stripes_, so that others see zeroed cells.
        if (stripes_.compare_exchange_strong(current, fresh.get(), std::memory_order_acq_rel,
                                             std::memory_order_acquire))
            return fresh.release();
        return current;  // lost to a concurrent grow
    }

    // One lock for all adders: it is taken at the edges of the range and by sums only. Nothing
    // inside blocks or calls Python, so no thread holds it while it is stopped for a collection or
    // a fork.
    static std::mutex& carrying() noexcept {
        static std::mutex lock;
        return lock;
    }

    std::atomic<std::int64_t> base_{0};
    std::atomic<Cell*> stripes_{nullptr};
    std::atomic<std::uint32_t> home_{0};
    WideSum carry_;  // guarded by carrying()
};

}  // namespace cereggii::atomics
