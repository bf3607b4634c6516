// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <thread>

#include "cereggii/atomics/cache_line.hpp"

namespace cereggii::atomicdict {

// How many keys have been inserted and how many deleted, striped so that threads do not meet: one
// cell as long as one thread counts, then one on a cache line of its own for each of twice as many
// threads as there are cores. Both only grow, so the words that are in use in a table are at most
// those inserted ever less those deleted before it was made (and one for each deleter that is
// asleep).
//
// The sums are exact while nobody counts, which is what an exact operation sees to.
class LiveCount {
public:
    LiveCount() noexcept = default;
    ~LiveCount() { delete[] stripes_.load(std::memory_order_relaxed); }
    LiveCount(const LiveCount&) = delete;
    LiveCount& operator=(const LiveCount&) = delete;

    // Null: no memory.
    static LiveCount* allocate() noexcept {
        void* memory = PyMem_RawMalloc(sizeof(LiveCount));
        return memory ? new (memory) LiveCount : nullptr;
    }
    static void deallocate(LiveCount* count) noexcept {
        if (!count) return;
        count->~LiveCount();
        PyMem_RawFree(count);
    }

    // True: it is time to look at the sums. `few`: whether a few keys make a difference.
    bool note_insertion(std::uint32_t thread, bool few) noexcept {
        return note(&Cell::inserted, thread, few);
    }
    bool note_deletion(std::uint32_t thread, bool few) noexcept {
        return note(&Cell::deleted, thread, few);
    }

    [[gnu::always_inline]] std::int64_t inserted() const noexcept { return sum(&Cell::inserted); }
    std::int64_t deleted() const noexcept { return sum(&Cell::deleted); }
    // Negative for a moment, if others count: a key may be deleted before its insertion is counted.
    std::int64_t live() const noexcept { return inserted() - deleted(); }

    std::size_t memory() const noexcept {
        return sizeof(LiveCount) +
               (stripes_.load(std::memory_order_relaxed) ? stripe_count() * sizeof(Stripe) : 0);
    }

private:
    struct Cell {
        std::atomic<std::int64_t> inserted{0};
        std::atomic<std::int64_t> deleted{0};
    };
    struct alignas(atomics::destructive_interference) Stripe : Cell {};
    using Count = std::atomic<std::int64_t> Cell::*;

    static std::size_t stripe_count() noexcept {
        static const std::size_t count =
            std::bit_ceil(std::size_t{2} * std::max(1u, std::thread::hardware_concurrency()));
        return count;
    }

    // Relaxed: a thread that has to see it has seen the unpin that follows.
    [[gnu::always_inline]] bool note(Count which, std::uint32_t thread, bool few) noexcept {
        if (!stripes_.load(std::memory_order_acquire) &&
            home_.load(std::memory_order_relaxed) == thread + 1) [[likely]] {
            // Nobody else writes this one.
            std::atomic<std::int64_t>& mine = alone_.*which;
            mine.store(mine.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
            return true;
        }
        return note_among_others(which, thread, few);
    }

    [[gnu::noinline]] bool note_among_others(Count which, std::uint32_t thread, bool few) noexcept {
        Stripe* stripes = stripes_.load(std::memory_order_acquire);
        if (!stripes) {
            std::uint32_t none = 0;
            if (home_.compare_exchange_strong(none, thread + 1, std::memory_order_relaxed))
                return note(which, thread, few);
            stripes = grow();
            if (!stripes) {  // no memory: slower, but right
                (together_.*which).fetch_add(1, std::memory_order_relaxed);
                return true;
            }
        }
        const std::int64_t before =
            (stripes[thread & (stripe_count() - 1)].*which).fetch_add(1, std::memory_order_relaxed);
        return few || before % 64 == 0;
    }

    // Native memory: it may be asked for under a pin.
    Stripe* grow() noexcept {
        std::unique_ptr<Stripe[]> fresh(new (std::nothrow) Stripe[stripe_count()]);
        if (!fresh) return nullptr;
        Stripe* current = nullptr;
        // Release: pairs with the acquire loads, so that others see zeroed cells.
        if (stripes_.compare_exchange_strong(current, fresh.get(), std::memory_order_acq_rel,
                                             std::memory_order_acquire))
            return fresh.release();
        return current;  // lost to a concurrent grow
    }

    [[gnu::always_inline]] std::int64_t sum(Count which) const noexcept {
        const std::int64_t total = (alone_.*which).load(std::memory_order_relaxed) +
                                   (together_.*which).load(std::memory_order_relaxed);
        const Stripe* stripes = stripes_.load(std::memory_order_acquire);
        return stripes ? total + sum(stripes, which) : total;
    }
    [[gnu::noinline]] static std::int64_t sum(const Stripe* stripes, Count which) noexcept {
        std::int64_t total = 0;
        for (std::size_t i = 0; i < stripe_count(); ++i)
            total += (stripes[i].*which).load(std::memory_order_relaxed);
        return total;
    }

    std::atomic<Stripe*> stripes_{nullptr};
    std::atomic<std::uint32_t> home_{0};  // number + 1 of the thread that uses alone_
    Cell alone_;
    Cell together_;
};

}  // namespace cereggii::atomicdict
