// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/striped_adder.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "check.hpp"
#include "edges.hpp"
#include "race.hpp"
#include "random_sums.hpp"

namespace cereggii::testing {
namespace {

using atomics::StripedAdder;
using atomics::WideSum;

constexpr std::size_t threads = 4;

TEST(wide_sums_of_edges_are_exact) {
    for (const std::int64_t a : edges())
        for (const std::int64_t b : edges()) {
            WideSum sum;
            sum.add(a);
            check_sum(sum, a);
            sum.add(b);
            check_sum(sum, Int128{a} + b);
        }
}

TEST(wide_sums_of_random_numbers_are_exact) {
    Random random;
    WideSum sum;
    Int128 expected = 0;
    for (Budget budget; budget.more();) {
        if (random.one_in(100)) {  // as far out as a sum can be
            sum.high = static_cast<std::int64_t>(random.next()) / 2;
            sum.low = random.int64() & WideSum::low_mask;
            expected = exact(sum);
        }
        const std::int64_t amount = random.int64();
        sum.add(amount);
        expected += amount;
        check_sum(sum, expected);
    }
}

TEST(starts_at_the_initial_sum) {
    WideSum initial;
    for (int i = 0; i < 10; ++i) initial.add(INT64_MIN);
    StripedAdder adder(initial);
    adder.add(-7);
    check_sum(adder.sum(), Int128{INT64_MIN} * 10 - 7);
    check_sum(StripedAdder().sum(), 0);
}

TEST(any_amount_is_added_exactly) {
    StripedAdder adder;
    Int128 expected = 0;
    for (int round = 0; round < 10; ++round)  // far beyond 64 bits
        for (const std::int64_t amount : edges()) {
            adder.add(amount);
            expected += amount;
            check_sum(adder.sum(), expected);
        }
    check_sum(adder.sum_and_reset(), expected);
    check_sum(adder.sum(), 0);
}

TEST(more_threads_than_stripes_are_exact) {
    StripedAdder adder;
    const int count = static_cast<int>(3 * StripedAdder::most_stripes());
    for (int i = 0; i < count; ++i) std::jthread([&] { adder.add(1); }).join();
    check_sum(adder.sum(), count);
}

TEST(concurrent_additions_are_exact_while_stripes_are_made) {
    const std::size_t count = StripedAdder::most_stripes() + 2;  // some meet on a stripe
    StripedAdder adder;
    std::vector<Int128> added(count);
    race(count, [&](std::size_t thread, Random& random) {
        added[thread] = add_random_amounts(adder, random);
    });
    check_sum(adder.sum(), total(added));
}

TEST(every_addition_is_in_one_sum_and_reset) {
    StripedAdder adder;
    std::array<Int128, threads> added{};
    std::array<Int128, 2> taken{};
    std::atomic<std::size_t> adding{threads};
    race(threads + taken.size(), [&](std::size_t thread, Random& random) {
        if (thread < threads) {
            added[thread] = add_random_amounts(adder, random);
            --adding;
        } else {
            while (adding > 0) {
                taken[thread - threads] += exact(adder.sum_and_reset());
                linger(random, 1000);
            }
        }
    });
    check_equal(taken[0] + taken[1] + exact(adder.sum()), total(added));
}

// A sum counts all additions that are known to have ended, and none that has not begun.
TEST(a_sum_lies_between_ended_and_begun_additions) {
    StripedAdder adder;
    std::atomic<std::int64_t> begun{0};
    std::atomic<std::int64_t> done{0};
    race(threads, [&](std::size_t thread, Random& random) {
        for (Budget budget; budget.more();) {
            if (thread == 0) {
                const std::int64_t least = done.load();
                const Int128 sum = exact(adder.sum());
                check(least <= sum, "a finished addition is missing from a sum");
                check(sum <= begun.load(), "a sum counts too much");
            } else {
                const std::int64_t amount = static_cast<std::int64_t>(random.below(100));
                begun += amount;
                adder.add(amount);
                done += amount;
            }
        }
    });
    check_sum(adder.sum(), done);
}

}  // namespace
}  // namespace cereggii::testing
