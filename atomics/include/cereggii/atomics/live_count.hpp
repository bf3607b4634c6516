// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "cereggii/atomics/stripes.hpp"

namespace cereggii::atomics {

// How many keys have been inserted into a hash table and how many deleted: one cell as long as one
// thread counts, then striped so that threads do not meet. Both only grow, so the words that are in
// use in a table are at most those inserted ever less those deleted before it was made (and one for
// each deleter that is asleep).
//
// The sums are exact while nobody counts, which is what an exact operation sees to. To add them up
// takes as long as there are stripes, so each thread is asked to look at them only once in as many
// keys, and a table may come to hold a few keys more than its limit.
template <class Machine>
class BasicLiveCount {
public:
    // True: it is time to look at the sums. `limit`: of the keys in the table.
    [[gnu::always_inline]] bool note_insertion(std::uint32_t thread, std::int64_t limit) noexcept {
        return note(insertions, thread, limit);
    }
    [[gnu::always_inline]] bool note_deletion(std::uint32_t thread, std::int64_t limit) noexcept {
        return note(deletions, thread, limit);
    }

    [[gnu::always_inline]] std::int64_t inserted() const noexcept { return sum(insertions); }
    std::int64_t deleted() const noexcept { return sum(deletions); }
    // Negative for a moment, if others count: a key may be deleted before its insertion is counted.
    std::int64_t live() const noexcept { return inserted() - deleted(); }

    // The bytes of its stripes: so many have been allocated, beside the count itself.
    std::size_t memory() const noexcept { return stripes_.memory(); }
    static std::size_t most_memory() noexcept { return Stripes<Cell, Machine>::most_memory(); }

private:
    enum Count : unsigned { insertions, deletions };
    struct Cell {
        std::array<std::atomic<std::int64_t>, 2> counts{};
    };

    // Relaxed: a thread that has to see it has seen the unpin that follows.
    [[gnu::always_inline]] bool note(Count which, std::uint32_t thread,
                                     std::int64_t limit) noexcept {
        if (!stripes_.any() && home_.load(std::memory_order_relaxed) == thread + 1) [[likely]] {
            // Nobody else writes this one.
            std::atomic<std::int64_t>& mine = alone_.counts[which];
            mine.store(mine.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
            return true;
        }
        return note_among_others(which, thread, limit);
    }

    [[gnu::noinline]] bool note_among_others(Count which, std::uint32_t thread,
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

    // How many there were. One thread that inserts and one that deletes may share the cell, and the
    // compare-exchange of neither fails: so both look whether the other number has changed.
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
        stripes_.note_collision();
        return stripes_.find(thread)->counts[which].fetch_add(1, std::memory_order_relaxed);
    }

    // Once in so many keys, a power of two: as many as there are stripes, so that a key costs a
    // look at one stripe, and in large tables up to 64, as long as two threads do not go beyond the
    // limit by more than an eighth. A table that gets full, as a small one may where there are many
    // stripes, is noticed by who finds no room.
    bool is_time_to_look(std::int64_t before, std::int64_t limit) const noexcept {
        const std::int64_t divisor = before & -before;  // the largest power of two; 0: of none
        if (divisor < 64 && limit >= 32 * divisor) return false;
        return divisor >= static_cast<std::int64_t>(stripes_.count());
    }

    [[gnu::always_inline]] std::int64_t sum(Count which) const noexcept {
        const std::int64_t total = alone_.counts[which].load(std::memory_order_relaxed) +
                                   together_.counts[which].load(std::memory_order_relaxed);
        return stripes_.any() ? total + sum_of_stripes(which) : total;
    }
    [[gnu::noinline]] std::int64_t sum_of_stripes(Count which) const noexcept {
        std::int64_t total = 0;
        stripes_.for_each(
            [&](const Cell& cell) { total += cell.counts[which].load(std::memory_order_relaxed); });
        return total;
    }

    Stripes<Cell, Machine> stripes_;
    std::atomic<std::uint32_t> home_{0};  // number + 1 of the thread that uses alone_
    Cell alone_;
    Cell together_;
};

using LiveCount = BasicLiveCount<ThisMachine>;

}  // namespace cereggii::atomics
