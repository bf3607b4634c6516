// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <thread>

#include "cereggii/atomics/cache_line.hpp"

// How often what happened in a cache. Each thread counts in a cell of its own, as long as there are
// not more threads than cells; the others share the last cell.
namespace cereggii::atomicdict::cache {

enum class Event : std::uint8_t {
    hits,
    misses,
    waits,
    fills,
    failures,
    evictions,
    expirations,
    invalidations,
};
inline constexpr std::size_t event_count = 8;

class Statistics {
public:
    using Counts = std::array<std::uint64_t, event_count>;

    // No memory: `ok()` is false, and nothing else may be called.
    Statistics() noexcept : cells_(new(std::nothrow) Cell[own_cells() + 1]()) {}

    bool ok() const noexcept { return cells_ != nullptr; }

    // `thread`: a number that no other thread has at the same time.
    void count(Event event, std::uint32_t thread, std::uint64_t amount = 1) noexcept {
        const std::size_t number = std::min<std::size_t>(thread, own_cells());
        std::atomic<std::uint64_t>& counter =
            cells_[number].counts[static_cast<std::size_t>(event)];
        // Relaxed: the numbers say nothing about other memory.
        if (number < own_cells()) [[likely]]
            counter.store(counter.load(std::memory_order_relaxed) + amount,
                          std::memory_order_relaxed);
        else
            counter.fetch_add(amount, std::memory_order_relaxed);
    }

    // Weak: each number by itself is exact when no thread is counting.
    Counts sums() const noexcept {
        Counts sums{};
        for (std::size_t cell = 0; cell <= own_cells(); ++cell)
            for (std::size_t i = 0; i < event_count; ++i)
                sums[i] += cells_[cell].counts[i].load(std::memory_order_relaxed);
        return sums;
    }
    // The same since the last reset().
    Counts since_reset() const noexcept {
        Counts now = sums();
        for (std::size_t i = 0; i < event_count; ++i)
            now[i] -= at_reset_[i].load(std::memory_order_relaxed);
        return now;
    }
    // The cells stay: each belongs to a thread.
    void reset() noexcept {
        const Counts now = sums();
        for (std::size_t i = 0; i < event_count; ++i)
            at_reset_[i].store(now[i], std::memory_order_relaxed);
    }

    static std::size_t size_in_bytes() noexcept { return (own_cells() + 1) * sizeof(Cell); }

private:
    struct alignas(atomics::destructive_interference) Cell {
        std::array<std::atomic<std::uint64_t>, event_count> counts;
    };

    static std::size_t own_cells() noexcept {
        static const std::size_t cells = std::bit_ceil(
            std::size_t{2} * std::clamp(std::thread::hardware_concurrency(), 1U, 32U));
        return cells;
    }

    std::unique_ptr<Cell[]> cells_;
    std::array<std::atomic<std::uint64_t>, event_count> at_reset_{};
};

}  // namespace cereggii::atomicdict::cache
