// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <initializer_list>
#include <source_location>
#include <string_view>

#include "int128.hpp"

// A small test library, so that these tests run where nothing can be installed.
//
//     TEST(two_and_two_is_four) { check_equal(2 + 2, 4); }
//
// A check that fails is reported and counted, and the test goes on. Checks may be made by any
// number of threads at once.
namespace cereggii::testing {

struct Test {
    Test(const char* name, void (*body)()) noexcept;  // registers itself
    const char* name;
    void (*body)();
    Test* next = nullptr;
};

#define TEST(name)                                                   \
    static void name();                                              \
    static const ::cereggii::testing::Test name##_test(#name, name); \
    static void name()

using Location = std::source_location;

void fail(std::string_view what, const Location& where) noexcept;
void fail_unequal(Int128 actual, Int128 expected, const Location& where) noexcept;

inline void check(bool holds, std::string_view what = "the condition is false",
                  const Location& where = Location::current()) noexcept {
    if (!holds) [[unlikely]]
        fail(what, where);
}

inline void check_equal(Int128 actual, Int128 expected,
                        const Location& where = Location::current()) noexcept {
    if (actual != expected) [[unlikely]]
        fail_unequal(actual, expected, where);
}

// Prints a line besides the result: how much was tried, or what was seen.
void note(std::string_view what, std::uint64_t number) noexcept;

// The seed of this process's random numbers: CEREGGII_TEST_SEED, or a new one each time. It is
// printed before the tests.
std::uint64_t seed() noexcept;

}  // namespace cereggii::testing
