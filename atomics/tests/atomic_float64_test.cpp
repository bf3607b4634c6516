// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/atomic_float64.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>

#include "check.hpp"
#include "race.hpp"

namespace cereggii::testing {
namespace {

using atomics::AtomicFloat64;

constexpr std::size_t threads = 4;
constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();
const double other_nan = std::bit_cast<double>(std::uint64_t{0xFFFF'FFFF'FFFF'FFFF});
const std::array values{0.0, -0.0, 1.0, -1.5, inf, -inf, nan, other_nan, 5e-324};

void check_bits(double actual, double expected, const Location& where = Location::current()) {
    check_equal(std::bit_cast<std::int64_t>(actual), std::bit_cast<std::int64_t>(expected), where);
}

bool match(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

TEST(every_pattern_of_bits_is_kept) {
    for (const double a : values)
        for (const double b : values) {
            AtomicFloat64 number(a);
            check_bits(number.load(), a);
            check_bits(number.exchange(b), a);
            check_bits(number.load(), b);
        }
}

TEST(a_compare_exchange_stores_if_the_values_match) {
    for (const double a : values)
        for (const double b : values) {
            AtomicFloat64 number(a);
            check_bits(number.compare_exchange(b, 42), a);
            check_bits(number.load(), match(a, b) ? 42 : a);
        }
}

TEST(a_replacement_compares_bits) {
    for (const double a : values)
        for (const double b : values) {
            AtomicFloat64 number(a);
            double found = b;
            const bool same = std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
            check(number.replace(found, 42) == same);
            check_bits(found, a);
            check_bits(number.load(), same ? 42 : a);
        }
}

TEST(an_update_may_leave_the_number_as_it_is) {
    AtomicFloat64 number(nan);
    const auto update = number.modify([](double) { return std::optional<double>(); });
    check_bits(update.before, nan);
    check_bits(update.after, nan);
}

// A loop that compares values would never end here.
TEST(updates_of_nan_and_zero_end) {
    for (const double value : values) {
        AtomicFloat64 number(value);
        check_bits(number.modify([](double found) { return std::optional(-found); }).before, value);
        check_bits(number.load(), -value);
    }
}

TEST(concurrent_updates_lose_nothing) {
    AtomicFloat64 number(0);
    std::array<std::int64_t, threads> added{};
    race(threads, [&](std::size_t thread, Random& random) {
        for (Budget budget; budget.more();) {
            const auto amount = static_cast<std::int64_t>(random.below(1000));
            if (random.one_in(2)) {
                number.modify([amount](double found) {
                    return std::optional(found + static_cast<double>(amount));
                });
            } else {
                double found = number.load();
                while (!number.replace(found, found + static_cast<double>(amount))) {
                }
            }
            added[thread] += amount;
        }
    });
    std::int64_t expected = 0;
    for (const std::int64_t amount : added) expected += amount;
    check(number.load() == static_cast<double>(expected), "an update is lost");
}

// The number goes through a cycle in which two steps match by value, but not by bits.
TEST(exactly_one_thread_wins_each_compare_exchange) {
    AtomicFloat64 number(0);
    std::array<std::uint64_t, threads> won{};
    race(threads, [&](std::size_t thread, Random&) {
        const std::array cycle{0.0, -0.0, nan, 1.0};
        for (Budget budget; budget.more();)
            for (std::size_t i = 0; i < cycle.size(); ++i) {
                double found = cycle[i];
                if (number.replace(found, cycle[(i + 1) % cycle.size()])) ++won[thread];
            }
    });
    std::uint64_t steps = 0;
    for (const std::uint64_t count : won) steps += count;
    const std::array cycle{0.0, -0.0, nan, 1.0};
    check_bits(number.load(), cycle[steps % cycle.size()]);
}

}  // namespace
}  // namespace cereggii::testing
