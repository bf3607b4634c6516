// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "cereggii/atomics/compiler.hpp"
#include "cereggii/atomics/stripes.hpp"
#include "cereggii/atomics/tuning.hpp"

namespace cereggii::atomics {

// How many keys have been inserted into a hash table, and how many have been deleted. There is one
// cell while one thread counts, and stripes after that, so that threads do not meet. Both numbers
// only grow. So the slots that are in use in a table are at most the keys ever inserted, minus
// those deleted before the table was made (plus one for each deleter that is asleep).
//
// The sums are exact while nobody counts; an exact operation makes sure of that. To add them up
// takes a time in proportion to the number of stripes. So each thread is asked to look at the sums
// only once in as many keys, and a table may come to hold a few keys more than its limit.
template <class Machine>
class BasicLiveCount {
public:
    // True: it is time to look at the sums. `limit`: how many keys the table may hold.
    CEREGGII_ALWAYS_INLINE bool note_insertion(std::uint32_t thread, std::int64_t limit) noexcept {
        return note(insertions, thread, limit);
    }
    CEREGGII_ALWAYS_INLINE bool note_deletion(std::uint32_t thread, std::int64_t limit) noexcept {
        return note(deletions, thread, limit);
    }

    CEREGGII_ALWAYS_INLINE std::int64_t inserted() const noexcept { return sum(insertions); }
    std::int64_t deleted() const noexcept { return sum(deletions); }
    // It can be negative for a moment while others count: a key may be deleted before its insertion
    // is counted.
    std::int64_t live() const noexcept { return inserted() - deleted(); }

    // The bytes of its stripes, which have been allocated besides the count itself.
    std::size_t memory() const noexcept { return stripes_.memory(); }
    static std::size_t most_memory() noexcept { return Stripes<Cell, Machine>::most_memory(); }

private:
    enum Count : unsigned { insertions, deletions };
    struct Cell {
        std::array<std::atomic<std::int64_t>, 2> counts{};
    };

    // Relaxed: a thread that has to see the count has seen the unpin that follows it.
    CEREGGII_ALWAYS_INLINE bool note(Count which, std::uint32_t thread,
                                     std::int64_t limit) noexcept {
        if (!stripes_.any() && home_.load(std::memory_order_relaxed) == thread + 1) [[likely]] {
            // No other thread writes to this cell.
            std::atomic<std::int64_t>& mine = alone_.counts[which];
            mine.store(mine.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
            return true;
        }
        return note_among_others(which, thread, limit);
    }

    CEREGGII_NEVER_INLINE bool note_among_others(Count which, std::uint32_t thread,
                                                 std::int64_t limit) noexcept {
        Cell* cell = stripes_.find(thread);
        if (!cell) {
            std::uint32_t none = 0;
            if (home_.compare_exchange_strong(none, thread + 1, std::memory_order_relaxed))
                return note(which, thread, limit);
            cell = stripes_.make(thread);
            if (!cell) {  // no memory: slower, but right
                together_.counts[which].fetch_add(1, std::memory_order_relaxed);
                return true;
            }
        }
        const std::int64_t before = count(*cell, which, thread);
        return is_time_to_look(before, limit);
    }

    // Returns the number before. If one thread inserts and another one deletes at the same cell,
    // the compare-exchange of neither fails. So both look whether the other number has changed.
    std::int64_t count(Cell& cell, Count which, std::uint32_t thread) noexcept {
        std::atomic<std::int64_t>& mine = cell.counts[which];
        const std::atomic<std::int64_t>& other = cell.counts[which ^ 1u];
        const std::int64_t seen = other.load(std::memory_order_relaxed);
        std::int64_t before = mine.load(std::memory_order_relaxed);
        if (mine.compare_exchange_strong(before, before + 1, std::memory_order_relaxed))
            [[likely]] {
            if (other.load(std::memory_order_relaxed) != seen) [[unlikely]]
                stripes_.note_collision();
            return before;
        }
        // Lost to another thread that counts the same at this cell. There may be more stripes now.
        stripes_.note_collision();
        return stripes_.find(thread)->counts[which].fetch_add(1, std::memory_order_relaxed);
    }

    // A thread looks at the sums once in an interval of keys, a power of two. The interval is at
    // least the number of stripes, so that each key costs a look at one stripe. In large tables it
    // is longer, up to 64, as long as two threads do not go beyond the limit by more than an
    // eighth. A small table may get full before that, if there are many stripes: then a thread that
    // finds no room notices it.
    bool is_time_to_look(std::int64_t before, std::int64_t limit) const noexcept {
        // The largest power of two that divides `before`; 0 if that is 0.
        const std::int64_t divisor = before & -before;
        if (divisor < tuning::live_count::longest_interval &&
            limit >= tuning::live_count::intervals_per_limit * divisor)
            return false;
        return divisor >= static_cast<std::int64_t>(stripes_.count());
    }

    CEREGGII_ALWAYS_INLINE std::int64_t sum(Count which) const noexcept {
        const std::int64_t total = alone_.counts[which].load(std::memory_order_relaxed) +
                                   together_.counts[which].load(std::memory_order_relaxed);
        return stripes_.any() ? total + sum_of_stripes(which) : total;
    }
    CEREGGII_NEVER_INLINE std::int64_t sum_of_stripes(Count which) const noexcept {
        std::int64_t total = 0;
        stripes_.for_each(
            [&](const Cell& cell) { total += cell.counts[which].load(std::memory_order_relaxed); });
        return total;
    }

    Stripes<Cell, Machine> stripes_;
    // The number of the thread that uses alone_, plus 1. 0: there is none yet.
    std::atomic<std::uint32_t> home_{0};
    // The cell of the first thread that counts.
    Cell alone_;
    // The cell of all threads for which there is no memory.
    Cell together_;
};

using LiveCount = BasicLiveCount<ThisMachine>;

}  // namespace cereggii::atomics
