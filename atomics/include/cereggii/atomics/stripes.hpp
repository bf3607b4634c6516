// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>
#include <thread>

#include "cereggii/atomics/cache_line.hpp"
#include "cereggii/atomics/compiler.hpp"
#include "cereggii/atomics/tuning.hpp"

namespace cereggii::atomics {

struct ThisMachine {
    static std::size_t cores() noexcept {
        static const std::size_t count = std::max(1u, std::thread::hardware_concurrency());
        return count;
    }
};

// Stripes: values on cache lines of their own, so that threads need not meet. There are none at
// first, and two when a thread asks for one. They double whenever threads have met several times,
// up to twice as many as there are cores. So the memory is in proportion to the contention that was
// seen, not to the machine. After LongAdder of the JDK (Doug Lea).
//
//     table_ ─▶ count, [0][1]
//               segments ─▶ [2][3]          one more segment doubles the count
//                        ─▶ [4][5][6][7]
//                        ─▶ …
//
// A stripe never moves, and is freed together with all others. A thread that has not seen yet that
// there are more stripes goes on with one that is still there. So a thread that adds up all stripes
// misses nothing.
//
// A default-constructed `Value` is neutral. Each thread has a number of its own. All memory is
// native.
template <class Value, class Machine = ThisMachine>
class Stripes {
public:
    Stripes() noexcept = default;
    ~Stripes() {
        Table* table = table_.load(std::memory_order_relaxed);
        if (!table) return;
        for (std::size_t i = inner; i < table->segments.size(); ++i)
            delete[] table->segments[i].load(std::memory_order_relaxed);
        delete table;
    }
    Stripes(const Stripes&) = delete;
    Stripes& operator=(const Stripes&) = delete;

    CEREGGII_ALWAYS_INLINE bool any() const noexcept {
        return table_.load(std::memory_order_acquire) != nullptr;
    }

    // The stripe of the thread with this number; null if there are none yet.
    Value* find(std::uint32_t number) const noexcept {
        Table* table = table_.load(std::memory_order_acquire);
        return table ? &table->stripe(number) : nullptr;
    }

    // The same, but makes the first two stripes if there are none. Null: there is no memory.
    CEREGGII_NEVER_INLINE Value* make(std::uint32_t number) noexcept {
        Table* table = table_.load(std::memory_order_acquire);
        if (!table) {
            Table* fresh = new (std::nothrow) Table;
            if (!fresh) return nullptr;
            // Release: pairs with the acquire loads of table_, so that others see the stripes made.
            if (table_.compare_exchange_strong(table, fresh, std::memory_order_acq_rel,
                                               std::memory_order_acquire))
                table = fresh;
            else
                delete fresh;  // lost to a concurrent make
        }
        return &table->stripe(number);
    }

    // Call it when a thread has met another one on its stripe. Without memory nothing changes.
    CEREGGII_NEVER_INLINE void note_collision() noexcept {
        Table* table = table_.load(std::memory_order_acquire);
        if (!table) return;
        std::uint32_t count = table->count.load(std::memory_order_acquire);
        if (count >= limit()) return;
        const std::uint32_t before = table->collisions.fetch_add(1, std::memory_order_relaxed);
        if (before % collisions_to_grow == collisions_to_grow - 1) table->grow(count);
    }

    std::size_t count() const noexcept {
        const Table* table = table_.load(std::memory_order_acquire);
        return table ? table->count.load(std::memory_order_acquire) : 0;
    }

    // Calls `function` with each stripe that a thread may have used, if that thread is known to
    // have ended its use.
    template <class Function>
    void for_each(const Function& function) const {
        Table* table = table_.load(std::memory_order_acquire);
        if (!table) return;
        const std::uint32_t count = table->count.load(std::memory_order_acquire);
        for (std::uint32_t i = 0; i < count; ++i) function(table->stripe_at(i));
    }

    // How many bytes have been allocated.
    std::size_t memory() const noexcept { return memory_of(count()); }
    static std::size_t most_memory() noexcept { return memory_of(limit()); }

    // The most stripes that there may be: a power of two.
    static std::size_t limit() noexcept {
        return std::min(std::bit_ceil(tuning::stripes::most_per_core * Machine::cores()),
                        std::size_t{1} << most_bits);
    }

    static constexpr std::uint32_t collisions_to_grow = tuning::stripes::collisions_to_grow;

private:
    struct alignas(destructive_interference) Stripe : Value {};

    // How many stripes are in the table itself. So the segments with a number below it are not
    // used.
    static constexpr std::uint32_t inner = 2;
    // The largest number of bits of a stripe's index.
    static constexpr std::size_t most_bits = tuning::stripes::most_bits;

    struct alignas(destructive_interference) Table {
        std::atomic<std::uint32_t> count{inner};  // a power of two
        std::atomic<std::uint32_t> collisions{0};
        // segments[b] has the stripes whose index has b bits. The first two segments are not used:
        // their stripes are in `first`.
        std::array<std::atomic<Stripe*>, most_bits + 1> segments{};
        std::array<Stripe, inner> first;

        Value& stripe(std::uint32_t number) noexcept {
            return stripe_at(number & (count.load(std::memory_order_acquire) - 1));
        }
        // Relaxed: the index is below a count that this thread has read with acquire, so the
        // segment is visible.
        Value& stripe_at(std::uint32_t index) noexcept {
            if (index < inner) return first[index];
            const auto bits = static_cast<std::size_t>(std::bit_width(index));
            const std::uint32_t begin = std::uint32_t{1} << (bits - 1);
            return segments[bits].load(std::memory_order_relaxed)[index - begin];
        }

        void grow(std::uint32_t seen) noexcept {
            std::atomic<Stripe*>& segment =
                segments[static_cast<std::size_t>(std::bit_width(seen))];
            Stripe* made = segment.load(std::memory_order_acquire);
            if (!made) {
                Stripe* fresh = new (std::nothrow) Stripe[seen];
                if (!fresh) return;
                if (!segment.compare_exchange_strong(made, fresh, std::memory_order_acq_rel,
                                                     std::memory_order_acquire))
                    delete[] fresh;  // lost to a concurrent grow
            }
            // Release: pairs with the acquire loads of the count. Fails if another thread has
            // doubled it already.
            count.compare_exchange_strong(seen, 2 * seen, std::memory_order_acq_rel,
                                          std::memory_order_relaxed);
        }
    };

    static std::size_t memory_of(std::size_t count) noexcept {
        return count == 0 ? 0 : sizeof(Table) + (count - inner) * sizeof(Stripe);
    }

    std::atomic<Table*> table_{nullptr};
};

}  // namespace cereggii::atomics
