// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/atomic_float64.hpp"

#include <limits>
#include <optional>

#include "model.hpp"
#include "orders.hpp"

// The float: no update is lost, its operations are in one order with all others, and what a thread
// wrote before an update is visible after it.
namespace cereggii::model {
namespace {

using atomics::AtomicFloat64;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

void add(AtomicFloat64& x, double amount) {
    x.modify([amount](double found) { return std::optional(found + amount); });
}

SCENARIO(float_additions_add_up, {.preemptions = 4, .stale_reads = 2}) {
    AtomicFloat64 x(0);
    threads([&] { add(x, 1); }, [&] { add(x, 2); },
            [&] {
                double found = x.load();
                while (!x.replace(found, found + 4)) {
                }
            });
    check(x.load() == 7);
}

SCENARIO(each_float_exchange_gets_another_value, {.preemptions = 3, .stale_reads = 2}) {
    AtomicFloat64 x(0);
    double a = 0, b = 0;
    threads([&] { a = x.exchange(1); }, [&] { b = x.exchange(2); });
    check((a == 0 && b == 1 && x.load() == 2) || (b == 0 && a == 2 && x.load() == 1));
}

SCENARIO(one_of_two_float_compare_exchanges_wins, {.preemptions = 3, .stale_reads = 2}) {
    for (const double before : {0.0, -0.0, nan}) {
        AtomicFloat64 x(before);
        int winners = 0;
        const auto contend = [&](double value) {
            if (AtomicFloat64::matches(x.compare_exchange(before, value), before)) ++winners;
        };
        threads([&] { contend(1); }, [&] { contend(2); });
        check(winners == 1);
    }
}

// ── order with other operations ─────────────────────────────────────────────────────────────────

double load(AtomicFloat64& x) { return x.load(); }
// A compare-exchange that fails is a load.
double fail(AtomicFloat64& x) { return x.compare_exchange(-1, -2); }
double refuse(AtomicFloat64& x) {
    double found = -1;
    x.replace(found, -2);
    return found;
}

void exchange(AtomicFloat64& x) { x.exchange(1); }
void update(AtomicFloat64& x) { add(x, 1); }
void replace(AtomicFloat64& x) {
    double found = 0;
    x.replace(found, 1);
}

SCENARIO(float_exchanges_are_sequentially_consistent, {.stale_reads = 2}) {
    store_buffering<AtomicFloat64>(0.0, exchange, load);
}
SCENARIO(float_updates_are_sequentially_consistent, {.stale_reads = 2}) {
    store_buffering<AtomicFloat64>(0.0, update, load);
}
SCENARIO(float_replacements_are_sequentially_consistent, {.stale_reads = 2}) {
    store_buffering<AtomicFloat64>(0.0, replace, load);
}
SCENARIO(float_checks_that_fail_are_sequentially_consistent, {.stale_reads = 2}) {
    store_buffering<AtomicFloat64>(0.0, exchange, fail);
    store_buffering<AtomicFloat64>(0.0, exchange, refuse);
}

SCENARIO(float_updates_pass_on_what_came_before, {.stale_reads = 2}) {
    for (const auto write : {exchange, update, replace})
        for (const auto read : {load, fail, refuse})
            message_passing<AtomicFloat64>(0.0, write, read);
}

SCENARIO(all_threads_see_one_order_of_floats, {.preemptions = 3, .stale_reads = 2}) {
    one_order<AtomicFloat64>();
}

}  // namespace
}  // namespace cereggii::model
