// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/checked_int64.hpp"

#include <array>
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>

#include "check.hpp"
#include "edges.hpp"
#include "race.hpp"

// One thread: the arithmetic, wherever the value lives. The races are in
// checked_int64_race_test.cpp and checked_int64_history_test.cpp.
namespace cereggii::testing {
namespace {

using atomics::CheckedInt64;
using atomics::Update;

// How an integer came to its value: that decides where it keeps it.
enum class Life { initialized, stored, added_to, parked_before };
constexpr std::array lives = {Life::initialized, Life::stored, Life::added_to, Life::parked_before};

void give(CheckedInt64& integer, std::int64_t value, Life life) {
    switch (life) {
        case Life::initialized: integer.initialize(value); break;
        case Life::stored:
            integer.initialize(0);
            integer.exchange(value);
            break;
        case Life::added_to: {
            // The only way to a value beyond near_limit that is not widened.
            const std::int64_t amount =
                value < 0 ? -CheckedInt64::add_limit : CheckedInt64::add_limit;
            integer.initialize(value - amount);
            integer.add(amount);
            break;
        }
        case Life::parked_before:
            integer.initialize(INT64_MAX);
            integer.exchange(value);
            break;
    }
}

template <class Action>
void for_each_integer(const Action& action) {
    for (const Life life : lives)
        for (const std::int64_t value : edges()) {
            CheckedInt64 integer;
            give(integer, value, life);
            action(integer, value);
        }
}

// `exact` is what the value becomes, if that fits.
void check_update(const CheckedInt64& integer, const Update& update, std::int64_t found,
                  Int128 exact, const Location& where = Location::current()) {
    check_equal(update.before, found, where);
    check_equal(update.overflow, !fits_int64(exact), where);
    if (fits_int64(exact)) check_equal(update.after, exact, where);
    check_equal(integer.load(), fits_int64(exact) ? exact : found, where);
}

TEST(zero_filled_memory_is_unconstructed) {
    const auto free_memory = [](void* memory) { std::free(memory); };
    const std::unique_ptr<void, decltype(free_memory)> memory(std::calloc(1, sizeof(CheckedInt64)),
                                                              free_memory);
    auto* integer = std::launder(static_cast<CheckedInt64*>(memory.get()));
    check(!integer->constructed());
    for (const std::int64_t value : edges()) {
        integer->initialize(value);
        check(integer->constructed());
        check_equal(integer->load(), value);
    }
}

TEST(a_default_constructed_integer_is_unconstructed) {
    check(!CheckedInt64().constructed());
    check(CheckedInt64(0).constructed());
}

TEST(load_returns_the_value) {
    for_each_integer([](const CheckedInt64& integer, std::int64_t value) {
        check(integer.constructed());
        check_equal(integer.load(), value);
    });
}

TEST(exchange_returns_the_old_value_and_leaves_the_new) {
    for_each_integer([](CheckedInt64& integer, std::int64_t value) {
        std::int64_t found = value;
        for (const std::int64_t next : edges()) {
            check_equal(integer.exchange(next), found);
            check_equal(integer.load(), next);
            found = next;
        }
    });
}

TEST(compare_exchange_replaces_the_expected_value_only) {
    for (const std::int64_t expected : edges())
        for_each_integer([=](CheckedInt64& integer, std::int64_t value) {
            const std::int64_t next = ~expected;
            check_equal(integer.compare_exchange(expected, next), value);
            check_equal(integer.load(), value == expected ? next : value);
        });
}

TEST(add_is_exact_or_overflows_and_leaves_the_value) {
    for (const std::int64_t amount : edges())
        for_each_integer([=](CheckedInt64& integer, std::int64_t value) {
            check_update(integer, integer.add(amount), value, Int128{value} + amount);
        });
}

TEST(subtract_is_exact_or_overflows_and_leaves_the_value) {
    for (const std::int64_t amount : edges())
        for_each_integer([=](CheckedInt64& integer, std::int64_t value) {
            check_update(integer, integer.subtract(amount), value, Int128{value} - amount);
        });
}

TEST(modify_stores_what_the_function_returns) {
    for (const std::int64_t next : edges())
        for_each_integer([=](CheckedInt64& integer, std::int64_t value) {
            const Update update = integer.modify([=](std::int64_t found) {
                check_equal(found, value);
                return std::optional(next);
            });
            check_update(integer, update, value, next);
        });
}

TEST(modify_leaves_the_value_if_the_function_returns_nothing) {
    for_each_integer([](CheckedInt64& integer, std::int64_t value) {
        const Update update = integer.modify([=](std::int64_t found) {
            check_equal(found, value);
            return std::optional<std::int64_t>();
        });
        check_update(integer, update, value, value);
    });
}

TEST(random_operations_are_exact) {
    Random random;
    CheckedInt64 integer(0);
    std::int64_t value = 0;
    for (Budget budget; budget.more();) {
        // A new life now and then: an integer that is widened remains so.
        if (random.one_in(16)) give(integer, value, random.pick(lives));
        const std::int64_t amount = random.one_in(2) ? random.int64() : random.pick(edges());
        const bool adds = random.one_in(2);
        const Int128 exact = adds ? Int128{value} + amount : Int128{value} - amount;
        check_update(integer, adds ? integer.add(amount) : integer.subtract(amount), value, exact);
        if (random.one_in(4)) integer.exchange(random.pick(edges()));
        value = integer.load();
    }
}

}  // namespace
}  // namespace cereggii::testing
