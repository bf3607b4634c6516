// SPDX-License-Identifier: Apache-2.0
#include "int128.hpp"

#include <cstdint>
#include <string>

#include "check.hpp"
#include "edges.hpp"
#include "race.hpp"

// The integer that other tests compute exact results with. Checks of these tests compare it to
// itself only where other checks have shown what it is.
namespace cereggii::testing {
namespace {

constexpr Int128 largest = (Int128{1} << 126) - 1 + (Int128{1} << 126);

void check_text(Int128 value, const std::string& text,
                const Location& where = Location::current()) {
    check(value.to_string() == text, "got " + value.to_string() + ", expected " + text, where);
}

TEST(decimal_digits_are_those_of_the_value) {
    check_text(0, "0");
    check_text(-1, "-1");
    check_text(10, "10");
    check_text(true, "1");
    check_text(INT64_MAX, "9223372036854775807");
    check_text(INT64_MIN, "-9223372036854775808");
    check_text(UINT64_MAX, "18446744073709551615");
    check_text(Int128{UINT64_MAX} + 1, "18446744073709551616");
    check_text(Int128{1} << 100, "1267650600228229401496703205376");
    check_text(largest, "170141183460469231731687303715884105727");
    check_text(-largest - 1, "-170141183460469231731687303715884105728");
}

TEST(results_carry_from_the_low_word_to_the_high_one) {
    check_text(Int128{INT64_MIN} + INT64_MIN, "-18446744073709551616");
    check_text(Int128{INT64_MIN} - INT64_MAX, "-18446744073709551615");
    check_text(Int128{INT64_MAX} - INT64_MIN, "18446744073709551615");
    check_text(Int128{INT64_MIN} * INT64_MAX, "-85070591730234615856620279821087277056");
    check_text(Int128{INT64_MIN} * INT64_MIN, "85070591730234615865843651857942052864");
    check_text(Int128{-3} << 64, "-55340232221128654848");
    check_text(Int128{-1} << 63, "-9223372036854775808");
    check_text(Int128{5} << 0, "5");
}

TEST(order_is_that_of_the_values) {
    const Int128 ascending[] = {
        -largest - 1, Int128{INT64_MIN} - 1,  INT64_MIN, -1, 0, 1, INT64_MAX,
        UINT64_MAX,   Int128{UINT64_MAX} + 1, largest};
    for (const Int128& a : ascending)
        for (const Int128& b : ascending) {
            check((a < b) == (&a < &b));
            check((a == b) == (&a == &b));
        }
}

TEST(low_bits_come_back) {
    for (const std::int64_t value : edges()) {
        check(static_cast<std::int64_t>(Int128{value}) == value);
        check(static_cast<std::int64_t>((Int128{7} << 64) + value) == value);
    }
}

// Each operation is computed in another way.
TEST(operations_agree_at_random) {
    Random random;
    for (Budget budget; budget.more();) {
        const Int128 a = random.int64(), b = random.int64();
        const int bits = static_cast<int>(random.below(128));
        Int128 doubled = a;
        for (int i = 0; i < bits; ++i) doubled += doubled;
        check(a << bits == doubled);
        check(a + b - b == a && a - b == -(b - a));
        check((a + b) * (a - b) == a * a - b * b);
        Int128 product = 0;  // bit by bit
        for (int bit = 0; bit < 64; ++bit)
            if (static_cast<std::uint64_t>(static_cast<std::int64_t>(b)) >> bit & 1)
                product += bit == 63 ? -(a << 63) : a << bit;
        check(a * b == product);
    }
}

#ifdef __SIZEOF_INT128__
// With compilers that have such an integer.
TEST(operations_agree_with_those_of_the_compiler) {
    __extension__ using Native = __int128;
    const auto same = [](Int128 ours, Native theirs) {
        return ours == (Int128{static_cast<std::int64_t>(theirs >> 64)} << 64) +
                           static_cast<std::uint64_t>(theirs);
    };
    Random random;
    for (Budget budget; budget.more();) {
        const std::int64_t a = random.int64(), b = random.int64();
        check(same(Int128{a} + b, Native{a} + b) && same(Int128{a} - b, Native{a} - b));
        check(same(Int128{a} * b, Native{a} * b) && same(-Int128{a}, -Native{a}));
        check((Int128{a} * b < Int128{b} * 3) == (Native{a} * b < Native{b} * 3));
    }
}
#endif

}  // namespace
}  // namespace cereggii::testing
