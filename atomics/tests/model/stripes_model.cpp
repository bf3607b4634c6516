// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/stripes.hpp"

#include <cstddef>
#include <cstdint>

#include "cereggii/atomics/live_count.hpp"
#include "cereggii/atomics/striped_adder.hpp"
#include "model.hpp"

// Stripes, and what adds to them: nothing is lost while stripes are made or doubled, and a thread
// that finds a stripe finds it constructed.
namespace cereggii::model {
namespace {

struct TwoCores {
    static std::size_t cores() noexcept { return 2; }
};
using Adder = atomics::BasicStripedAdder<TwoCores>;
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

}  // namespace
}  // namespace cereggii::model
