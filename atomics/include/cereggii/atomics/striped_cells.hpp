// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "cereggii/atomics/compiler.hpp"
#include "cereggii/atomics/stripes.hpp"

namespace cereggii::atomics {

// A cell for each thread, so that threads that write do not share a cache line. After LongAdder of
// the JDK (Doug Lea) and its ancestor in papers, the striped counter.
//
//     base_ ── the home thread's cell
//     stripes_ ─▶ [cell|cell|…]
//
// The thread that asks first owns base_. There are two stripes when a second thread comes, and more
// when threads meet on one: a failed compare-exchange shows that they do. Each thread has a number,
// and uses the cell of that number. Numbers are given out one after the other. A thread may meet
// another one on its cell at any time, so a cell is atomic.
//
// A cell never moves, and none is freed before the others. A default-constructed cell is neutral.
template <class Cell, class Machine>
class StripedCells {
public:
    StripedCells() noexcept = default;
    template <class Value>
    explicit StripedCells(Value initial) noexcept : base_(initial) {}

    // The calling thread's cell.
    CEREGGII_ALWAYS_INLINE Cell& mine() noexcept { return of(my_number()); }

    // The same for a thread that has met another one on its cell. There may be more cells now.
    CEREGGII_NEVER_INLINE Cell& after_collision() noexcept {
        stripes_.note_collision();
        return of(my_number());
    }

    // Calls `function` with each cell that a thread may have used, if that thread is known to have
    // ended its use.
    template <class Function>
    void for_each(const Function& function) {
        function(base_);
        stripes_.for_each(function);
    }
    template <class Function>
    void for_each(const Function& function) const {
        function(base_);
        stripes_.for_each([&](const Cell& cell) { function(cell); });
    }

    // The bytes of the stripes, which have been allocated besides the object itself.
    std::size_t memory() const noexcept { return stripes_.memory(); }
    static std::size_t most_memory() noexcept { return Stripes<Cell, Machine>::most_memory(); }

    static std::size_t most_stripes() noexcept { return Stripes<Cell, Machine>::limit(); }

private:
    static std::uint32_t my_number() noexcept {
        static std::atomic<std::uint32_t> next{0};
        static thread_local std::uint32_t number = 0;  // 0: none yet
        while (number == 0) [[unlikely]]
            number = next.fetch_add(1, std::memory_order_relaxed) + 1;
        return number;
    }

    CEREGGII_ALWAYS_INLINE Cell& of(std::uint32_t number) noexcept {
        if (Cell* stripe = stripes_.find(number)) return *stripe;
        std::uint32_t home = home_.load(std::memory_order_relaxed);
        if (home == number ||
            (home == 0 && home_.compare_exchange_strong(home, number, std::memory_order_relaxed)))
            return base_;
        Cell* made = stripes_.make(number);
        return made ? *made : base_;  // no memory: slower, but right
    }

    Cell base_;
    Stripes<Cell, Machine> stripes_;
    std::atomic<std::uint32_t> home_{0};
};

}  // namespace cereggii::atomics
