// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/striped_float_sum.hpp"

#include <array>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <thread>
#include <vector>

#include "check.hpp"
#include "race.hpp"

namespace cereggii::testing {
namespace {

using atomics::CompensatedSum;
using atomics::rounding_error;
using atomics::StripedFloatSum;

constexpr std::size_t threads = 4;
constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double largest = std::numeric_limits<double>::max();

// ── one thread ──────────────────────────────────────────────────────────────────────────────────

TEST(the_rounding_error_is_exact) {
    check(rounding_error(0x1p53, 1, 0x1p53 + 1) == 1, "the error is 1");
    check(rounding_error(1, 0x1p53, 1 + 0x1p53) == 1, "the order makes no difference");
    check(rounding_error(0x1p53, 3, 0x1p53 + 3) == -1, "3 is rounded up to 4");
    check(rounding_error(2, 3, 5) == 0, "a sum that is exact");
    check(rounding_error(largest, 1, largest) == 1, "nothing overflows beside the largest float");
    check(rounding_error(largest, largest, inf) == 0, "an infinite sum has no error");
    check(rounding_error(inf, -inf, nan) == 0, "a NaN has no error");
}

TEST(the_rounding_errors_of_random_integers_are_exact) {
    Random random;
    for (Budget budget; budget.more();) {
        const auto a = static_cast<double>(random.int64() >> 1);
        const auto b = static_cast<double>(random.int64() >> 1);
        const double sum = a + b;
        if (std::fabs(sum) >= 0x1p63) continue;  // what follows is in integers
        const auto exact = [](double x) { return Int128{static_cast<std::int64_t>(x)}; };
        check_equal(exact(sum) + exact(rounding_error(a, b, sum)), exact(a) + exact(b));
    }
}

TEST(small_amounts_beside_large_ones_are_not_lost) {
    StripedFloatSum sum(1.0);
    for (const double amount : {1e100, 1.0, -1e100}) sum.add(amount);
    check(sum.sum().total() == 2.0, "(1 + 1e100 + 1 - 1e100) is 2");
    check(sum.sum_and_reset().total() == 2.0, "what is taken is the sum");
    check(sum.sum_and_reset().total() == 0.0, "nothing is left");
}

TEST(many_amounts_are_rounded_once) {
    StripedFloatSum sum;
    double plain = 0;
    for (int i = 0; i < 1'000'000; ++i) {
        sum.add(0.1);
        plain += 0.1;
    }
    check(sum.sum().total() == 100'000.0, "a million times 0.1");
    check(plain != 100'000.0, "the test shows nothing");
}

TEST(infinities_and_nan_stay_until_a_reset) {
    StripedFloatSum sum;
    sum.add(inf);
    sum.add(1);
    check(sum.sum().total() == inf, "inf + 1 is inf");
    sum.add(-inf);
    sum.add(1);
    check(std::isnan(sum.sum().total()), "inf - inf is NaN");
    check(std::isnan(sum.sum_and_reset().total()), "NaN is taken");
    sum.add(largest);
    sum.add(largest);
    sum.add(-largest);
    check(sum.sum_and_reset().total() == inf, "a sum that overflows is inf");
    sum.add(5);
    check(sum.sum().total() == 5, "after a reset the sum is finite");
}

TEST(a_zero_is_positive) {
    StripedFloatSum sum(-0.0);
    sum.add(-0.0);
    check(!std::signbit(sum.sum().total()), "0.0");
    check(!std::signbit(sum.sum_and_reset().total()), "0.0");
}

// ── many threads ────────────────────────────────────────────────────────────────────────────────

// inf in one cell and -inf in another one.
TEST(infinities_of_two_threads_are_nan) {
    StripedFloatSum sum;
    std::jthread([&] { sum.add(inf); }).join();
    std::jthread([&] { sum.add(-inf); }).join();
    check(std::isnan(sum.sum().total()), "inf - inf is NaN");
}

TEST(more_threads_than_stripes_add_up) {
    StripedFloatSum sum;
    const int count = static_cast<int>(3 * StripedFloatSum::most_stripes());
    for (int i = 0; i < count; ++i) std::jthread([&] { sum.add(0.5); }).join();
    check(sum.sum().total() == 0.5 * count, "one addition of each thread");
}

// A sum that is far beyond 2^53 loses every small amount that is added to it, and so loses its
// error. The errors keep all of them.
TEST(concurrent_additions_are_exact_while_stripes_are_made) {
    const std::size_t count = StripedFloatSum::most_stripes() + 2;  // some meet on a stripe
    StripedFloatSum sum;
    std::vector<std::int64_t> added(count);
    race(count, [&](std::size_t thread, Random& random) {
        for (Budget budget; budget.more();) {
            const double large = std::ldexp(1.0, 60 + static_cast<int>(random.below(40)));
            const auto small = static_cast<std::int64_t>(random.below(2000)) - 1000;
            sum.add(large);
            sum.add(static_cast<double>(small));
            sum.add(-large);
            added[thread] += small;
        }
    });
    std::int64_t expected = 0;
    for (const std::int64_t amount : added) expected += amount;
    check(sum.sum().total() == static_cast<double>(expected), "a small amount is lost");
}

Int128 exact(const CompensatedSum& sum) {
    check(std::fabs(sum.sum) < 0x1p62, "what is taken is not an integer of 64 bits");
    return Int128{static_cast<std::int64_t>(sum.sum)} +
           Int128{static_cast<std::int64_t>(sum.error)};
}

// The amounts are integers of 53 bits, times a small power of two. So the sum of a cell is rounded
// at most additions, and the errors are integers.
TEST(every_addition_and_its_error_is_in_one_sum_and_reset) {
    StripedFloatSum sum;
    std::array<Int128, threads> added{};
    std::array<Int128, 2> taken{};
    std::atomic<std::size_t> adding{threads};
    race(threads + taken.size(), [&](std::size_t thread, Random& random) {
        if (thread < threads) {
            std::int64_t mine = 0;
            for (Budget budget; budget.more();) {
                const auto size =
                    static_cast<std::int64_t>((random.next() >> 11) << random.below(4));
                const std::int64_t amount = mine > 0 ? -size : size;  // so that it stays small
                sum.add(static_cast<double>(amount));
                mine += amount;
            }
            added[thread] = mine;
            --adding;
        } else {
            while (adding > 0) {
                taken[thread - threads] += exact(sum.sum_and_reset());
                linger(random, 1000);
            }
        }
    });
    Int128 expected = 0;
    for (const Int128 amount : added) expected += amount;
    check_equal(taken[0] + taken[1] + exact(sum.sum()), expected);
}

// A sum counts all additions that are known to have ended, and none that has not begun.
TEST(a_sum_lies_between_ended_and_begun_additions) {
    StripedFloatSum sum;
    std::atomic<std::int64_t> begun{0};
    std::atomic<std::int64_t> done{0};
    race(threads, [&](std::size_t thread, Random& random) {
        for (Budget budget; budget.more();) {
            if (thread == 0) {
                const std::int64_t least = done.load();
                const double total = sum.sum().total();
                check(static_cast<double>(least) <= total, "a finished addition is missing");
                check(total <= static_cast<double>(begun.load()), "a sum counts too much");
            } else {
                const auto amount = static_cast<std::int64_t>(random.below(100));
                begun += amount;
                sum.add(static_cast<double>(amount));
                done += amount;
            }
        }
    });
    check(sum.sum().total() == static_cast<double>(done.load()), "the end");
}

}  // namespace
}  // namespace cereggii::testing
