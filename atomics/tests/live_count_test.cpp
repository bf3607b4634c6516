// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/live_count.hpp"

#include <array>
#include <cstdint>

#include "check.hpp"
#include "race.hpp"

namespace cereggii::testing {
namespace {

using atomics::BasicLiveCount;
using atomics::destructive_interference;

template <std::size_t Cores>
struct Machine {
    static std::size_t cores() noexcept { return Cores; }
};

using Count = BasicLiveCount<Machine<192>>;

constexpr std::int64_t small = 6;  // the limits of tables
constexpr std::int64_t middling = 416;
constexpr std::int64_t large = 851'968;

TEST(one_thread_counts_without_stripes_and_may_always_look) {
    Count count;
    for (int i = 0; i < 1000; ++i) {
        check(count.note_insertion(7, small));
        if (i % 2) check(count.note_deletion(7, small));
    }
    check_equal(count.inserted(), 1000);
    check_equal(count.deleted(), 500);
    check_equal(count.live(), 500);
    check_equal(count.memory(), 0);
}

TEST(threads_that_never_meet_have_two_stripes) {
    Count count;
    for (std::uint32_t thread = 0; thread < 100; ++thread) {
        for (int i = 0; i < 100; ++i) count.note_insertion(thread, small);
        count.note_deletion(thread, large);
        check_equal(count.memory(), thread == 0 ? 0 : 3 * destructive_interference);
    }
    check_equal(count.inserted(), 10'000);
    check_equal(count.deleted(), 100);
}

// So many insertions and deletions, by one thread after the other. Returns how many of them are
// asked to look at the sums.
int looks(Count& count, int threads, int keys, std::int64_t limit) {
    int found = 0;
    for (int i = 0; i < keys; ++i) {
        const auto thread = static_cast<std::uint32_t>(i % threads);
        found += count.note_insertion(thread, limit);
        found += count.note_deletion(thread, limit);
    }
    return found;
}

TEST(sums_are_taken_rarely) {
    Count count;
    count.note_insertion(0, small);
    count.note_insertion(1, small);
    check(looks(count, 2, 6400, large) <= 2 * 6400 / 64 + 4);
    check(looks(count, 2, 6400, middling) <= 2 * 6400 / 16 + 4);
    check(looks(count, 2, 6400, small) <= 2 * 6400 / 2 + 4);
}

// The table is not filled by much more than its limit.
TEST(sums_are_taken_often_enough) {
    for (const std::int64_t limit : {small, middling, large}) {
        Count count;
        count.note_insertion(0, limit);
        count.note_insertion(1, limit);
        const std::int64_t begin = count.inserted();
        std::int64_t noticed = 0;
        for (std::uint32_t i = 0; noticed == 0; ++i)
            if (count.note_insertion(i % 2, limit) && count.inserted() - begin > limit)
                noticed = count.inserted() - begin;
        check(noticed <= limit + limit / 8 + 4);
    }
}

TEST(counts_of_many_threads_are_exact_and_they_get_stripes_of_their_own) {
    constexpr std::size_t threads = 4;
    using Few = BasicLiveCount<Machine<2>>;
    Few count;
    std::array<std::int64_t, threads> inserted{}, deleted{};
    race(threads, [&](std::size_t thread, Random& random) {
        const auto number = static_cast<std::uint32_t>(thread);
        for (Budget budget; budget.more();) {
            count.note_insertion(number, large), ++inserted[thread];
            if (random.one_in(2)) count.note_deletion(number, small), ++deleted[thread];
        }
    });
    std::int64_t all_inserted = 0, all_deleted = 0;
    for (const std::int64_t some : inserted) all_inserted += some;
    for (const std::int64_t some : deleted) all_deleted += some;
    check_equal(count.inserted(), all_inserted);
    check_equal(count.deleted(), all_deleted);
    check_equal(count.live(), all_inserted - all_deleted);
    check(count.memory() <= Few::most_memory());
}

// It goes on until the threads have met, however rare that is.
template <class First, class Second>
void check_that_they_get_more_stripes(const First& first, const Second& second) {
    Count count;
    count.note_insertion(9, small);
    const std::size_t two = 3 * destructive_interference;
    race(2, [&](std::size_t thread, Random&) {
        for (Budget budget(std::chrono::seconds(20)); count.memory() <= two && budget.more();)
            for (int i = 0; i < 1000; ++i) thread == 0 ? first(count, 0) : second(count, 2);
    });
    check(count.memory() > two, "threads that met at a stripe did not get more");
}

bool insert(Count& count, std::uint32_t thread) { return count.note_insertion(thread, large); }
bool remove(Count& count, std::uint32_t thread) { return count.note_deletion(thread, large); }

TEST(two_threads_that_insert_at_one_stripe_get_more) {
    check_that_they_get_more_stripes(insert, insert);
}

TEST(two_threads_that_delete_at_one_stripe_get_more) {
    check_that_they_get_more_stripes(remove, remove);
}

// Neither changes the number that the other one does.
TEST(an_inserting_and_a_deleting_thread_at_one_stripe_get_more) {
    check_that_they_get_more_stripes(insert, remove);
}

}  // namespace
}  // namespace cereggii::testing
