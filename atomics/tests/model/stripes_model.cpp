// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/stripes.hpp"

#include <cstddef>
#include <cstdint>

#include "cereggii/atomics/live_count.hpp"
#include "cereggii/atomics/striped_adder.hpp"
#include "cereggii/atomics/striped_float_sum.hpp"
#include "model.hpp"

// Stripes, and what adds to them: nothing is lost while stripes are made or doubled, and a thread
// that finds a stripe finds it constructed.
namespace cereggii::model {
namespace {

struct TwoCores {
    static std::size_t cores() noexcept { return 2; }
};
using Adder = atomics::BasicStripedAdder<TwoCores>;
using FloatSum = atomics::BasicStripedFloatSum<TwoCores>;
using LiveCount = atomics::BasicLiveCount<TwoCores>;

std::int64_t total(const Adder& adder) {
    const atomics::WideSum sum = adder.sum();
    return (sum.high << atomics::WideSum::low_bits) + sum.low;
}

SCENARIO(additions_of_three_threads_add_up, {.preemptions = 3, .stale_reads = 1}) {
    Adder adder;
    const auto add = [&] { adder.add(1); };
    threads(add, add, add);
    check(total(adder) == 3);
}

// With one collision the stripes double.
SCENARIO(additions_add_up_while_stripes_double, {.preemptions = 3, .stale_reads = 1}) {
    Adder adder;
    const auto add = [&] {
        adder.add(1);
        adder.add(1);
    };
    threads(add, add, add);
    check(total(adder) == 6);
}

SCENARIO(a_sum_counts_what_has_happened_before, {.preemptions = 3, .stale_reads = 2}) {
    Adder adder;
    Atomic<int> added{0};
    threads(
        [&] {
            adder.add(1);
            added.store(1, std::memory_order_release);
        },
        [&] {
            const int before = added.load(std::memory_order_acquire);
            const std::int64_t sum = total(adder);
            check(before <= sum && sum <= 1);
        },
        [&] { adder.add(0); });
}

SCENARIO(each_addition_is_in_one_sum, {.preemptions = 3, .stale_reads = 1}) {
    Adder adder;
    std::int64_t taken = 0;
    threads([&] { adder.add(1); }, [&] { adder.add(1); },
            [&] {
                const atomics::WideSum sum = adder.sum_and_reset();
                taken = sum.low;
            });
    check(taken + total(adder) == 2);
}

SCENARIO(large_additions_go_through_the_carry, {.preemptions = 3, .stale_reads = 1}) {
    Adder adder;
    const std::int64_t large = Adder::add_limit + 1;
    threads([&] { adder.add(large); }, [&] { adder.add(large); }, [&] { adder.add(1); });
    check(total(adder) == 2 * large + 1);
}

// A sum takes what is in the home thread's cell, so that thread goes to the stripes, which another
// thread is making.
SCENARIO(a_sum_makes_the_home_thread_look_for_stripes, {.preemptions = 3, .stale_reads = 1}) {
    Adder adder;
    std::int64_t taken = 0;
    threads(
        [&] {
            adder.add(1);
            adder.add(1);
        },
        [&] { adder.add(1); }, [&] { taken = adder.sum_and_reset().low; });
    check(taken + total(adder) == 3);
}

// ── sums of floats ──────────────────────────────────────────────────────────────────────────────

// An amount that a float of the size of `large` cannot take: the error keeps it.
constexpr double large = 0x1p60;

SCENARIO(float_additions_and_their_errors_add_up, {.preemptions = 3, .stale_reads = 1}) {
    FloatSum sum(large);
    const auto add = [&] { sum.add(1); };
    threads(add, add, add);
    sum.add(-large);
    check(sum.sum().total() == 3);
}

SCENARIO(float_additions_add_up_while_stripes_double, {.preemptions = 3, .stale_reads = 1}) {
    FloatSum sum(large);
    const auto add = [&] {
        sum.add(large);
        sum.add(1);
    };
    threads(add, add, add);
    for (int i = 0; i < 4; ++i) sum.add(-large);
    check(sum.sum().total() == 3);
}

SCENARIO(errors_of_threads_on_one_cell_add_up, {.preemptions = 3, .stale_reads = 1}) {
    FloatSum sum;
    sum.add(0);  // this thread has the home cell, so two of the others share a stripe
    const auto add = [&] {
        sum.add(large);
        sum.add(1);
    };
    threads(add, add, add);
    sum.add(-3 * large);
    check(sum.sum().total() == 3);
}

SCENARIO(each_float_addition_and_its_error_is_in_one_sum, {.preemptions = 3, .stale_reads = 1}) {
    FloatSum sum(large);
    atomics::CompensatedSum taken;
    threads([&] { sum.add(1); }, [&] { sum.add(2); }, [&] { taken = sum.sum_and_reset(); });
    const atomics::CompensatedSum left = sum.sum();
    check((taken.sum - large) + left.sum + taken.error + left.error == 3);
}

SCENARIO(a_float_sum_counts_what_has_happened_before, {.preemptions = 3, .stale_reads = 2}) {
    FloatSum sum;
    Atomic<int> added{0};
    threads(
        [&] {
            sum.add(1);
            added.store(1, std::memory_order_release);
        },
        [&] {
            const int before = added.load(std::memory_order_acquire);
            const double total = sum.sum().total();
            check(before <= total && total <= 1);
        },
        [&] { sum.add(0); });
}

// ── the stripes themselves ──────────────────────────────────────────────────────────────────────

struct Cell {
    Atomic<int> value{0};
};
using Cells = atomics::Stripes<Cell, TwoCores>;

int total(const Cells& cells) {
    int sum = 0;
    cells.for_each([&](const Cell& cell) { sum += cell.value.load(std::memory_order_relaxed); });
    return sum;
}

// With numbers that are on different stripes when there are four.
SCENARIO(two_threads_double_the_stripes, {.preemptions = 4, .stale_reads = 2}) {
    Cells cells;
    cells.make(0);
    const auto use = [&](std::uint32_t number) {
        cells.find(number)->value.fetch_add(1, std::memory_order_relaxed);
    };
    threads(
        [&] {
            cells.note_collision();
            use(2);
        },
        [&] {
            cells.note_collision();
            use(3);
        },
        [&] { use(3); });
    check(total(cells) == 3);
}

SCENARIO(stripes_are_added_up_while_they_double, {.preemptions = 3, .stale_reads = 2}) {
    Cells cells;
    threads(
        [&] {
            cells.make(2)->value.fetch_add(1, std::memory_order_relaxed);
            cells.note_collision();
        },
        [&] { cells.note_collision(); }, [&] { check(total(cells) <= 1); },
        [&] { check(cells.count() <= 4 || !cells.any()); });
    check(total(cells) == 1);
}

SCENARIO(two_threads_make_stripes, {.preemptions = 4, .stale_reads = 2}) {
    Cells cells;
    const auto use = [&](std::uint32_t number) {
        Cell* cell = cells.find(number);
        if (!cell) cell = cells.make(number);
        cell->value.fetch_add(1, std::memory_order_relaxed);
    };
    threads([&] { use(0); }, [&] { use(1); }, [&] { use(1); });
    check(total(cells) == 3);
}

// ── the number of keys ──────────────────────────────────────────────────────────────────────────

SCENARIO(insertions_and_deletions_are_counted, {.preemptions = 3, .stale_reads = 1}) {
    LiveCount count;
    threads(
        [&] {
            count.note_insertion(0, 8);
            count.note_deletion(0, 8);
        },
        [&] { count.note_insertion(1, 8); }, [&] { count.note_insertion(2, 8); });
    check(count.inserted() == 3 && count.deleted() == 1);
}

SCENARIO(keys_are_counted_beside_a_thread_that_looks, {.preemptions = 3, .stale_reads = 1}) {
    LiveCount count;
    threads([&] { count.note_insertion(0, 8); },
            [&] {
                count.note_insertion(1, 8);
                count.note_deletion(1, 8);
            },
            [&] {
                const std::int64_t inserted = count.inserted();
                check(0 <= inserted && inserted <= 2);
            });
    check(count.live() == 1);
}

}  // namespace
}  // namespace cereggii::model
