// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/overflow.hpp"

#include "check.hpp"
#include "edges.hpp"
#include "race.hpp"

namespace cereggii::testing {
namespace {

// The promise of both functions, given the exact result.
void check_result(bool overflows, std::int64_t result, Int128 exact) {
    check_equal(overflows, !fits_int64(exact));
    if (!overflows) check_equal(result, exact);
}

void check_both(std::int64_t a, std::int64_t b) {
    std::int64_t result = 0;
    bool overflows = atomics::add_overflows(a, b, &result);
    check_result(overflows, result, Int128{a} + b);
    overflows = atomics::subtract_overflows(a, b, &result);
    check_result(overflows, result, Int128{a} - b);
    overflows = atomics::portable::add_overflows(a, b, &result);
    check_result(overflows, result, Int128{a} + b);
    overflows = atomics::portable::subtract_overflows(a, b, &result);
    check_result(overflows, result, Int128{a} - b);
}

TEST(exact_or_reported_at_the_edges) {
    for (const std::int64_t a : edges())
        for (const std::int64_t b : edges()) check_both(a, b);
}

TEST(exact_or_reported_at_random) {
    Random random;
    for (Budget budget; budget.more();) check_both(random.int64(), random.int64());
}

}  // namespace
}  // namespace cereggii::testing
