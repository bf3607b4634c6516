// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "cereggii/atomics/checked_int64.hpp"
#include "check.hpp"
#include "edges.hpp"
#include "race.hpp"

// Many operations at once, and what must hold for all of them together.
namespace cereggii::testing {
namespace {

using atomics::CheckedInt64;
using atomics::Update;

constexpr std::int64_t near_limit = CheckedInt64::near_limit;
constexpr std::int64_t add_limit = CheckedInt64::add_limit;

// An integer is widened once in its life, so a race with widening is run on many integers: the
// first thread goes on to the next one when it is done with one, and the others follow it.
class Chase {
public:
    static constexpr std::size_t length = 100'000;

    explicit Chase(std::int64_t start) : integers_(new CheckedInt64[length]) {
        for (std::size_t i = 0; i < length; ++i) integers_[i].initialize(start);
    }

    CheckedInt64& operator[](std::size_t index) noexcept { return integers_[index]; }

    template <class Turn>
    void lead(const Turn& turn) {
        std::size_t index = 0;
        for (Budget budget(Budget::usual, length); budget.more(); ++index) {
            current_.store(index, std::memory_order_relaxed);
            turn(index);
        }
        current_.store(length, std::memory_order_relaxed);
    }

    template <class Turn>
    void follow(const Turn& turn) {
        std::size_t index = 0;
        while ((index = current_.load(std::memory_order_relaxed)) < length) turn(index);
    }

private:
    std::unique_ptr<CheckedInt64[]> integers_;
    std::atomic<std::size_t> current_{0};
};

TEST(four_threads_adding_add_up) {
    constexpr std::size_t threads = 4;
    for (const std::int64_t start : {std::int64_t{0}, near_limit, -near_limit, INT64_MAX / 4 * 3}) {
        CheckedInt64 integer(start);
        std::array<Int128, threads> added{};
        race(threads, [&](std::size_t thread, Random& random) {
            Int128 sum = 0;
            for (Budget budget(Budget::usual / 2); budget.more();) {
                // On either side of add_limit.
                const std::int64_t amount =
                    static_cast<std::int64_t>(random.below(4 * add_limit)) - 2 * add_limit;
                const Update update = integer.add(amount);
                const Int128 exact = Int128{update.before} + amount;
                check_equal(update.overflow, !fits_int64(exact));
                if (update.overflow) continue;
                check_equal(update.after, exact);
                sum += amount;
            }
            added[thread] = sum;
        });
        Int128 expected = start;
        for (const Int128 sum : added) expected += sum;
        check_equal(integer.load(), expected);
    }
}

// Increments that start at `start`. Exactly `fitting` of them do not overflow.
void check_each_value_is_found_once(std::int64_t start, std::int64_t fitting) {
    constexpr std::size_t threads = 4;
    constexpr std::size_t each = 50'000;
    CheckedInt64 integer(start);
    std::array<std::vector<std::int64_t>, threads> found;
    race(threads, [&](std::size_t thread, Random&) {
        std::vector<std::int64_t>& mine = found[thread];
        mine.reserve(each);
        for (std::size_t i = 0; i < each; ++i) {
            const Update update = integer.add(1);
            if (!update.overflow)
                mine.push_back(update.before);
            else
                check_equal(update.before, INT64_MAX);
        }
    });
    std::vector<std::int64_t> all;
    for (const auto& one : found) all.insert(all.end(), one.begin(), one.end());
    std::ranges::sort(all);
    check_equal(all.size(), std::min<std::int64_t>(fitting, threads * each));
    for (std::size_t i = 0; i < all.size(); ++i)
        check_equal(all[i], start + static_cast<std::int64_t>(i));
    check_equal(integer.load(), start + static_cast<std::int64_t>(all.size()));
}

TEST(increments_find_each_value_once) { check_each_value_is_found_once(-100'000, INT64_MAX); }

TEST(increments_across_the_near_limit_find_each_value_once) {
    check_each_value_is_found_once(near_limit - 100'000, INT64_MAX);
    check_each_value_is_found_once(-near_limit - 100'000, INT64_MAX);
}

TEST(increments_that_reach_the_maximum_find_each_value_once_and_stop) {
    check_each_value_is_found_once(INT64_MAX - 100'000, 100'000);
}

// It starts at the limit, and adds in the largest steps that are taken without a look at the sum,
// as long as they fit. (With the steps of the interrupted copy they come to the end of 64 bits.)
void check_additions_alone_never_wrap(std::size_t threads, std::int64_t sign) {
    constexpr std::size_t each = 1000;
    CheckedInt64 integer(sign * near_limit);
    std::vector<std::size_t> fitted(threads);
    race(threads, [&](std::size_t thread, Random&) {
        for (std::size_t i = 0; i < each; ++i) {
            const Update update = integer.add(sign * add_limit);
            const Int128 exact = Int128{update.before} + sign * add_limit;
            check(sign * Int128{update.before} >= near_limit, "added to a wrapped value");
            check_equal(update.overflow, !fits_int64(exact));
            if (update.overflow) continue;
            check_equal(update.after, exact);
            ++fitted[thread];
        }
    });
    Int128 expected = sign * Int128{near_limit};
    for (const std::size_t count : fitted) expected += sign * Int128{add_limit} * count;
    check_equal(integer.load(), expected);
}

TEST(additions_alone_never_wrap) {
    for (const std::size_t threads : {1, 4})
        for (const std::int64_t sign : {1, -1}) check_additions_alone_never_wrap(threads, sign);
}

// Only additions away from zero and values on one side of it: a value on the other side has
// wrapped.
void check_nothing_wraps(std::int64_t sign) {
    constexpr std::array<std::int64_t, 5> near = {0, 1, near_limit / 2, near_limit - 1, near_limit};
    constexpr std::array<std::int64_t, 6> far = {near_limit + 1,        2 * near_limit,
                                                 INT64_MAX - add_limit, INT64_MAX - 2,
                                                 INT64_MAX - 1,         INT64_MAX};
    const auto on_its_side = [=](std::int64_t value) { return sign > 0 ? value >= 0 : value <= 0; };
    Chase chase(sign * (near_limit - 100));
    race(4, [&](std::size_t thread, Random& random) {
        if (thread == 0) {
            chase.lead([&](std::size_t index) {
                for (int i = 0; i < 4; ++i) {
                    linger(random, 50);
                    const std::int64_t value =
                        random.one_in(2) ? random.pick(near) : random.pick(far);
                    check(on_its_side(chase[index].exchange(sign * value)),
                          "found a wrapped value");
                }
            });
        } else if (thread == 1) {
            chase.follow([&](std::size_t index) {
                check(on_its_side(chase[index].load()), "read a wrapped value");
            });
        } else {
            chase.follow([&](std::size_t index) {
                const std::int64_t amount =
                    random.one_in(2)
                        ? sign
                        : sign * static_cast<std::int64_t>(random.below(add_limit + 2));
                const Update update = chase[index].add(amount);
                const Int128 exact = Int128{update.before} + amount;
                check(on_its_side(update.before), "added to a wrapped value");
                check_equal(update.overflow, !fits_int64(exact));
                if (!update.overflow) check_equal(update.after, exact);
            });
        }
    });
}

TEST(additions_racing_with_setters_never_wrap) {
    check_nothing_wraps(1);
    check_nothing_wraps(-1);
}

// One update of any kind. Returns by how much it changed the value, as far as the update says.
Int128 random_update(CheckedInt64& integer, Random& random) {
    const auto value = [&] { return random.one_in(4) ? random.int64() : random.pick(edges()); };
    const auto change = [](const Update& update) {
        return update.overflow ? Int128{0} : Int128{update.after} - update.before;
    };
    switch (random.below(8)) {
        case 0: {
            const std::int64_t put = value();
            return Int128{put} - integer.exchange(put);
        }
        case 1: {
            const std::int64_t put = value();
            const std::int64_t expected = integer.load();
            const std::int64_t found = integer.compare_exchange(expected, put);
            return found == expected ? Int128{put} - found : Int128{0};
        }
        case 2:
            return change(integer.modify([](std::int64_t found) {
                return found % 2 ? std::optional(found / 2) : std::nullopt;
            }));
        case 3: return change(integer.subtract(value()));
        case 4: return change(integer.add(value()));
        default: return change(integer.add(1 + static_cast<std::int64_t>(random.below(100))));
    }
}

TEST(every_update_is_accounted_for) {
    constexpr std::size_t threads = 3;
    Chase chase(0);
    std::array<std::vector<Int128>, threads> changes;
    race(threads, [&](std::size_t thread, Random& random) {
        auto& mine = changes[thread];
        mine.resize(Chase::length);
        const auto turn = [&](std::size_t index) {
            mine[index] += random_update(chase[index], random);
        };
        if (thread == 0)
            chase.lead([&](std::size_t index) {
                for (int i = 0; i < 8; ++i) turn(index);
            });
        else
            chase.follow(turn);
    });
    for (std::size_t index = 0; index < Chase::length; ++index) {
        Int128 expected = 0;
        for (const auto& one : changes) expected += one[index];
        check_equal(chase[index].load(), expected);
    }
}

// What is added is taken out again by exchange, by threads that widen the integer in between.
TEST(each_addition_is_taken_once) {
    constexpr std::size_t adders = 2;
    Chase chase(0);
    std::array<std::vector<Int128>, adders + 1> balance;  // added less taken
    race(adders + 1, [&](std::size_t thread, Random& random) {
        auto& mine = balance[thread];
        mine.resize(Chase::length);
        if (thread == 0) {
            chase.lead([&](std::size_t index) {
                for (int i = 0; i < 6; ++i) {
                    linger(random, 50);
                    const std::int64_t put = random.one_in(2) ? 0 : random.pick(edges());
                    mine[index] += Int128{put} - chase[index].exchange(put);
                }
            });
        } else {
            chase.follow([&](std::size_t index) {
                const std::int64_t amount = static_cast<std::int64_t>(random.below(1000)) - 500;
                if (!chase[index].add(amount).overflow) mine[index] += amount;
            });
        }
    });
    for (std::size_t index = 0; index < Chase::length; ++index) {
        Int128 expected = 0;
        for (const auto& one : balance) expected += one[index];
        check_equal(chase[index].load(), expected);
    }
}

}  // namespace
}  // namespace cereggii::testing
