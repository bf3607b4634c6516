// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "cereggii/atomics/striped_adder.hpp"
#include "check.hpp"
#include "edges.hpp"
#include "race.hpp"

// Adds random amounts to a StripedAdder, and computes what the sum must be.
namespace cereggii::testing {

inline Int128 exact(const atomics::WideSum& sum) {
    return Int128{sum.high} * (Int128{1} << atomics::WideSum::low_bits) + sum.low;
}

inline void check_sum(const atomics::WideSum& sum, Int128 expected,
                      const Location& where = Location::current()) {
    check(0 <= sum.low && sum.low <= atomics::WideSum::low_mask, "the low part is not normalized",
          where);
    check_equal(exact(sum), expected, where);
}

inline Int128 total(std::span<const Int128> sums) {
    Int128 result = 0;
    for (const Int128 sum : sums) result += sum;
    return result;
}

// Mostly an amount as for a counter, and now and then one that goes through the carry.
inline std::int64_t random_amount(Random& random) {
    if (random.one_in(64)) return random.pick(edges());
    if (random.one_in(64)) return random.int64();
    return static_cast<std::int64_t>(random.below(2000)) - 1000;
}

inline Int128 add_random_amounts(atomics::StripedAdder& adder, Random& random) {
    Int128 sum = 0;
    for (Budget budget; budget.more();) {
        const std::int64_t amount = random_amount(random);
        adder.add(amount);
        sum += amount;
    }
    return sum;
}

}  // namespace cereggii::testing
