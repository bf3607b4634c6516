// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/checked_int64.hpp"

#include <cstdint>

#include "model.hpp"
#include "orders.hpp"

// The integer: no update is lost while it is widened, its operations are in one order with all
// others, and what a thread wrote before an update is visible after it.
namespace cereggii::model {
namespace {

using atomics::CheckedInt64;

constexpr std::int64_t wide = CheckedInt64::near_limit + 1;

// ── updates ─────────────────────────────────────────────────────────────────────────────────────

SCENARIO(additions_add_up, {.preemptions = 4, .stale_reads = 2}) {
    CheckedInt64 x(0);
    threads([&] { x.add(1); }, [&] { x.add(2); }, [&] { x.add(4); });
    check(x.load() == 7);
}

SCENARIO(additions_beside_a_widening_add_up, {.preemptions = 3, .stale_reads = 2}) {
    CheckedInt64 x(0);
    threads(
        [&] {
            x.add(1);
            x.add(1);
        },
        [&] { x.add(wide); });
    check(x.load() == wide + 2);
}

SCENARIO(two_threads_widen, {.preemptions = 3, .stale_reads = 2}) {
    CheckedInt64 x(0);
    threads([&] { x.add(wide); }, [&] { x.add(wide); }, [&] { x.add(1); });
    check(x.load() == 2 * wide + 1);
}

SCENARIO(each_exchange_gets_another_value, {.preemptions = 3, .stale_reads = 2}) {
    CheckedInt64 x(0);
    std::int64_t a = 0, b = 0;
    threads([&] { a = x.exchange(1); }, [&] { b = x.exchange(wide); });
    check((a == 0 && b == 1 && x.load() == wide) || (b == 0 && a == wide && x.load() == 1));
}

SCENARIO(one_of_two_compare_exchanges_wins, {.preemptions = 3, .stale_reads = 2}) {
    for (const std::int64_t before : {std::int64_t{0}, wide}) {
        CheckedInt64 x(before);
        int winners = 0;
        const auto contend = [&](std::int64_t value) {
            if (x.compare_exchange(before, value) == before) ++winners;
        };
        threads([&] { contend(1); }, [&] { contend(wide + 1); });
        check(winners == 1);
    }
}

// Values that were there, in the order in which they were there.
SCENARIO(a_reader_sees_values_in_order, {.preemptions = 3, .stale_reads = 3}) {
    CheckedInt64 x(0);
    std::int64_t a = 0, b = 0;
    threads(
        [&] {
            x.exchange(1);
            x.exchange(wide);
            x.add(1);
        },
        [&] {
            a = x.load();
            b = x.load();
        });
    check(a == 0 || a == 1 || a == wide || a == wide + 1);
    check(a <= b, "the value went back");
}

SCENARIO(a_check_that_fails_reads_the_newest_value, {.preemptions = 3, .stale_reads = 2}) {
    CheckedInt64 x(0);
    std::int64_t found = 0;
    threads([&] { x.exchange(wide); }, [&] { found = x.compare_exchange(5, 6); });
    check(found == 0 || found == wide);
}

// ── order with other operations ─────────────────────────────────────────────────────────────────

std::int64_t load(CheckedInt64& x) { return x.load(); }
// A compare-exchange that fails is a load.
std::int64_t fail(CheckedInt64& x) { return x.compare_exchange(-1, -2); }

SCENARIO(exchanges_are_sequentially_consistent, {.stale_reads = 2}) {
    store_buffering<CheckedInt64>(std::int64_t{0}, [](CheckedInt64& x) { x.exchange(1); }, load);
}
SCENARIO(additions_are_sequentially_consistent, {.stale_reads = 2}) {
    store_buffering<CheckedInt64>(std::int64_t{0}, [](CheckedInt64& x) { x.add(1); }, load);
}
SCENARIO(wide_exchanges_are_sequentially_consistent, {.stale_reads = 2}) {
    store_buffering<CheckedInt64>(wide, [](CheckedInt64& x) { x.exchange(1); }, load);
}
SCENARIO(widenings_are_sequentially_consistent, {.stale_reads = 2}) {
    store_buffering<CheckedInt64>(std::int64_t{0}, [](CheckedInt64& x) { x.exchange(wide); }, load);
}
SCENARIO(wide_additions_are_sequentially_consistent, {.stale_reads = 2}) {
    store_buffering<CheckedInt64>(wide, [](CheckedInt64& x) { x.add(1); }, load);
}

SCENARIO(checks_that_fail_are_sequentially_consistent, {.stale_reads = 2}) {
    store_buffering<CheckedInt64>(std::int64_t{0}, [](CheckedInt64& x) { x.exchange(1); }, fail);
    store_buffering<CheckedInt64>(wide, [](CheckedInt64& x) { x.exchange(1); }, fail);
}

SCENARIO(updates_pass_on_what_came_before, {.stale_reads = 2}) {
    const auto exchange = [](CheckedInt64& x) { return x.exchange(9); };
    const auto add = [](CheckedInt64& x) { x.add(1); };
    const auto set = [](CheckedInt64& x) { x.exchange(1); };
    const auto widen = [](CheckedInt64& x) { x.exchange(wide); };
    for (const std::int64_t before : {std::int64_t{0}, wide + 1}) {
        message_passing<CheckedInt64>(before, add, load);
        message_passing<CheckedInt64>(before, set, load);
        message_passing<CheckedInt64>(before, widen, load);
        message_passing<CheckedInt64>(before, add, exchange);
        message_passing<CheckedInt64>(before, widen, exchange);
        message_passing<CheckedInt64>(before, widen, fail);
        message_passing<CheckedInt64>(before, add, fail);
    }
}

SCENARIO(all_threads_see_one_order, {.preemptions = 3, .stale_reads = 2}) {
    one_order<CheckedInt64>();
}

// ── construction ────────────────────────────────────────────────────────────────────────────────

// The memory of an instance is all zeros before __init__, which may run beside a reader.
SCENARIO(a_constructed_integer_has_its_value, {.stale_reads = 2}) {
    for (const std::int64_t value : {std::int64_t{5}, wide}) {
        CheckedInt64 x;
        threads([&] { x.initialize(value); },
                [&] {
                    if (x.constructed()) check(x.load() == value);
                });
    }
}

}  // namespace
}  // namespace cereggii::model
