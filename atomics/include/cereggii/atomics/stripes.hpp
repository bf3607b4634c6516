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

namespace cereggii::atomics {

struct ThisMachine {
    static std::size_t cores() noexcept {
        static const std::size_t count = std::max(1u, std::thread::hardware_concurrency());
        return count;
    }
};

// Values on cache lines of their own, for threads that do not want to meet. There are none at
// first, two when they are asked for, and twice as many whenever threads have met several times, up
// to twice as many as there are cores. So the memory is in proportion to the contention that was
// seen, not to the machine. After LongAdder of the JDK (Doug Lea).
//
//     table_ ─▶ count, [0][1]
//               segments ─▶ [2][3]          one more segment doubles the count
//                        ─▶ [4][5][6][7]
//                        ─▶ …
//
// A stripe never moves, and is freed with the whole. A thread that has not seen that there are more
// of them goes on with one that is still there, so whoever adds up all stripes misses nothing.
//
// `Value` is constructible from nothing, and then neutral. A thread has a number of its own. Native
// memory only.
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

    [[gnu::always_inline]] bool any() const noexcept {
        return table_.load(std::memory_order_acquire) != nullptr;
    }

    // The stripe of the thread with this number; null if there are none yet.
    Value* find(std::uint32_t number) const noexcept {
        Table* table = table_.load(std::memory_order_acquire);
        return table ? &table->stripe(number) : nullptr;
    }

    // The same, but makes the first two if there are none. Null: no memory.
    [[gnu::noinline]] Value* make(std::uint32_t number) noexcept {
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

    // For a thread that has met another one on its stripe. Without memory all stays as it is.
    [[gnu::noinline]] void note_collision() noexcept {
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

    // Calls `function` with all stripes that a thread can have used that is known to be done.
    template <class Function>
    void for_each(const Function& function) const {
        Table* table = table_.load(std::memory_order_acquire);
        if (!table) return;
        const std::uint32_t count = table->count.load(std::memory_order_acquire);
        for (std::uint32_t i = 0; i < count; ++i) function(table->stripe_at(i));
    }

    // What has been allocated, in bytes.
    std::size_t memory() const noexcept { return memory_of(count()); }
    static std::size_t most_memory() noexcept { return memory_of(limit()); }

    // How many there may be: a power of two.
    static std::size_t limit() noexcept {
        return std::min(std::bit_ceil(2 * Machine::cores()), std::size_t{1} << most_bits);
    }

    // One meeting may be chance.
    static constexpr std::uint32_t collisions_to_grow = 4;

private:
    struct alignas(destructive_interference) Stripe : Value {};

    static constexpr std::uint32_t inner = 2;     // stripes, and segments, within the table
    static constexpr std::size_t most_bits = 14;  // of an index

    struct alignas(destructive_interference) Table {
        std::atomic<std::uint32_t> count{inner};  // a power of two
        std::atomic<std::uint32_t> collisions{0};
        // By the number of bits of an index. Those of the first two are not used.
        std::array<std::atomic<Stripe*>, most_bits + 1> segments{};
        std::array<Stripe, inner> first;

        Value& stripe(std::uint32_t number) noexcept {
            return stripe_at(number & (count.load(std::memory_order_acquire) - 1));
        }
        // Relaxed: whoever has read the count sees the segments that it stands for.
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
            // Release: pairs with the acquire loads of the count. Fails if another one was faster.
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
