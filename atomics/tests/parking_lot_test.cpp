// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/parking_lot.hpp"

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <list>
#include <tuple>
#include <utility>

#include "check.hpp"
#include "counting_lot.hpp"
#include "race.hpp"

// One thread: which waiters are in the queues, and which are notified. The races are in
// parking_lot_race_test.cpp.
namespace cereggii::testing {
namespace {

// Waiters that are queued on one address, one behind the other. What all of them wait for has
// happened.
class Row {
public:
    Row(CountingLot& lot, const void* address, std::size_t length) : lot_(lot) {
        for (std::size_t i = 0; i < length; ++i)
            check(lot.enqueue(sleepers_.emplace_back(address).waiter));
        for (Sleeper& sleeper : sleepers_) sleeper.happened = true;
    }
    ~Row() {
        for (Sleeper& sleeper : sleepers_) lot_.cancel(sleeper.waiter);
    }
    Row(const Row&) = delete;
    Row& operator=(const Row&) = delete;

    Sleeper& operator[](std::size_t index) {
        return *std::next(sleepers_.begin(), static_cast<std::ptrdiff_t>(index));
    }

    void check_posts(std::initializer_list<int> expected,
                     const Location& where = Location::current()) const {
        check(std::ranges::equal(sleepers_, expected, {}, &Sleeper::posts),
              "the wrong waiters were notified", where);
    }

private:
    CountingLot& lot_;
    std::list<Sleeper> sleepers_;
};

TEST(notify_wakes_as_many_as_asked_the_longest_waiting_first) {
    CountingLot lot;
    const Row row(lot, &words[0], 5);
    lot.notify(&words[0], 0);
    row.check_posts({0, 0, 0, 0, 0});
    lot.notify(&words[0], 1);
    row.check_posts({1, 0, 0, 0, 0});
    lot.notify(&words[0], 2);
    row.check_posts({1, 1, 1, 0, 0});
    lot.notify(&words[0], SIZE_MAX);
    row.check_posts({1, 1, 1, 1, 1});
    lot.notify(&words[0], SIZE_MAX);
    row.check_posts({1, 1, 1, 1, 1});
}

TEST(notify_wakes_only_waiters_on_the_address) {
    CountingLot lot;
    std::list<Row> rows;
    for (const char& word : words) rows.emplace_back(lot, &word, 2);
    std::size_t index = 0;
    for (const Row& row : rows) {
        row.check_posts({0, 0});
        lot.notify(&words[index++], 1);
        row.check_posts({1, 0});
    }
    for (const Row& row : rows) row.check_posts({1, 0});
}

TEST(a_waiter_that_would_go_back_to_sleep_uses_up_no_notification) {
    CountingLot lot;
    Row row(lot, &words[0], 4);
    row[0].happened = false;
    row[2].happened = false;
    lot.notify(&words[0], 1);
    row.check_posts({0, 1, 0, 0});
    lot.notify(&words[0], SIZE_MAX);
    row.check_posts({0, 1, 0, 1});
    row[0].happened = true;
    row[2].happened = true;
    lot.notify(&words[0], 1);
    row.check_posts({1, 1, 0, 1});
    check(lot.cancel(row[2].waiter));
}

TEST(a_cancelled_waiter_is_never_notified) {
    for (std::size_t cancelled = 0; cancelled < 3; ++cancelled) {  // head, middle, tail
        CountingLot lot;
        Row row(lot, &words[0], 3);
        check(lot.cancel(row[cancelled].waiter));
        check(!lot.cancel(row[cancelled].waiter));
        const Row later(lot, &words[0], 1);
        lot.notify(&words[0], SIZE_MAX);
        row.check_posts({cancelled != 0, cancelled != 1, cancelled != 2});
        later.check_posts({1});
    }
}

TEST(cancel_returns_whether_the_waiter_was_notified) {
    CountingLot lot;
    Row row(lot, &words[0], 2);
    lot.notify(&words[0], 1);
    check(!lot.cancel(row[0].waiter));
    check(lot.cancel(row[1].waiter));
}

TEST(a_waiter_is_not_queued_if_the_change_has_happened) {
    CountingLot lot;
    Sleeper sleeper(&words[0]);
    sleeper.happened = true;
    check(!lot.enqueue(sleeper.waiter));
    lot.notify(&words[0], SIZE_MAX);
    check_equal(sleeper.posts(), 0);
    check(!lot.cancel(sleeper.waiter));
}

TEST(a_waiter_may_wait_again) {
    CountingLot lot;
    Sleeper sleeper(&words[0]);
    for (int round = 1; round <= 3; ++round) {
        sleeper.happened = false;
        check(lot.enqueue(sleeper.waiter));
        sleeper.happened = true;
        lot.notify(&words[0], 1);
        check_equal(sleeper.posts(), round);
        sleeper.happened = false;
        check(lot.enqueue(sleeper.waiter));
        check(lot.cancel(sleeper.waiter));
    }
}

TEST(after_forget_all_the_queues_are_empty_and_work) {
    CountingLot lot;
    const Row forgotten(lot, &words[0], 3);
    lot.forget_all();
    lot.notify(&words[0], SIZE_MAX);
    forgotten.check_posts({0, 0, 0});
    const Row row(lot, &words[0], 2);
    lot.notify(&words[0], 1);
    row.check_posts({1, 0});
    forgotten.check_posts({0, 0, 0});
}

// A signal handler may fork while its thread waits, and the child goes on with the handler.
TEST(a_forgotten_waiter_leaves_later_waiters_alone) {
    CountingLot lot;
    std::list<Row> forgotten;
    for (const char& word : words) forgotten.emplace_back(lot, &word, 2);
    lot.forget_all();
    std::list<Row> rows;
    for (const char& word : words) rows.emplace_back(lot, &word, 2);
    forgotten.clear();  // cancels them
    for (std::size_t i = 0; i < words.size(); ++i) lot.notify(&words[i], SIZE_MAX);
    for (const Row& row : rows) row.check_posts({1, 1});
}

// --- What a call costs must not depend on how many others wait.

constexpr std::size_t many = 10'000;
constexpr std::uint64_t deepest = 58;  // of the tree of one bucket

template <class Calls>
std::uint64_t steps_of(const Calls& calls) {
    const std::uint64_t before = CountedSteps::taken;
    calls();
    return CountedSteps::taken - before;
}

TEST(a_waiter_joins_and_leaves_a_long_queue_without_a_search) {
    for (const bool first_come_first_gone : {true, false}) {
        CountingLot lot;
        std::list<Sleeper> sleepers;
        check_equal(steps_of([&] {
                        for (std::size_t i = 0; i < many; ++i)
                            check(lot.enqueue(sleepers.emplace_back(&words[0]).waiter));
                    }),
                    many - 1);  // each finds the word
        if (!first_come_first_gone) sleepers.reverse();
        check_equal(steps_of([&] {
                        for (Sleeper& sleeper : sleepers) check(lot.cancel(sleeper.waiter));
                    }),
                    0);
    }
}

TEST(one_of_many_waiters_is_notified_without_a_search) {
    CountingLot lot;
    std::list<Sleeper> sleepers;
    for (std::size_t i = 0; i < many; ++i)
        check(lot.enqueue(sleepers.emplace_back(&words[0]).waiter));
    for (Sleeper& sleeper : sleepers) {
        sleeper.happened = true;
        check_equal(steps_of([&] { lot.notify(&words[0], 1); }), 2);  // the word, the waiter
        check_equal(sleeper.posts(), 1);
    }
}

// The address with this hash. All small hashes are in bucket 0.
const void* address_hashed_to(std::uint64_t hash) {
    std::uint64_t inverse = 1;
    for (int i = 0; i < 6; ++i) inverse *= 2 - 0x9E3779B97F4A7C15u * inverse;  // Newton
    return reinterpret_cast<const void*>(static_cast<std::uintptr_t>(hash * inverse));
}

TEST(waiters_on_many_words_of_one_bucket_cost_each_other_nothing) {
    for (const bool worst : {false, true}) {  // hashes that differ in the last bits only
        CountingLot lot;
        Random random;
        std::list<std::pair<const void*, Sleeper>> sleepers;
        const auto check_steps = [&](const auto& call) {
            const std::uint64_t steps = steps_of(call);
            check(steps <= deepest + 1);
            return steps;
        };
        std::uint64_t steps = 0;
        for (std::size_t i = 0; i < many; ++i) {
            const void* address = address_hashed_to(worst ? i : random.next() >> 6);
            const std::tuple parts(address);
            sleepers.emplace_back(std::piecewise_construct, parts, parts);
            Sleeper& sleeper = sleepers.back().second;
            steps += check_steps([&] { check(lot.enqueue(sleeper.waiter)); });
        }
        bool notified = false;
        for (auto& [address, sleeper] : sleepers) {
            notified = !notified;
            sleeper.happened = notified;
            if (notified) steps += check_steps([&] { lot.notify(address, 1); });
            check_equal(sleeper.posts(), notified);
            steps += check_steps([&] { check_equal(lot.cancel(sleeper.waiter), !notified); });
        }
        if (!worst) check(steps <= 60 * many);  // log2(many) is 13.3
        note("steps of a waiter", steps / many);
    }
}

TEST(the_first_waiter_may_wait_again_behind_another) {
    CountingLot lot;
    const void* const address = address_hashed_to(1);
    Sleeper sleeper(address);
    check(lot.enqueue(sleeper.waiter));
    check(lot.cancel(sleeper.waiter));
    const Row elsewhere(lot, address_hashed_to(2), 1);
    const Row row(lot, address, 1);
    check(lot.enqueue(sleeper.waiter));
    check(lot.cancel(sleeper.waiter));
    for (const std::uint64_t hash : {1, 2}) lot.notify(address_hashed_to(hash), 1);
    row.check_posts({1});
    elsewhere.check_posts({1});
}

// Any sequence of calls has the same results as on one list of all waiters.
class Model {
public:
    ~Model() {
        for (Entry& entry : entries_) check(lot_.cancel(entry.sleeper.waiter));
    }

    void enqueue(const void* address) {
        if (entries_.size() < 1000)
            check(lot_.enqueue(entries_.emplace_back(address).sleeper.waiter));
    }

    void notify(const void* address, std::size_t most) {
        lot_.notify(address, most);
        for (auto entry = entries_.begin(); entry != entries_.end();) {
            Sleeper& sleeper = entry->sleeper;
            const bool notified = entry->address == address && sleeper.happened && most > 0;
            check_equal(sleeper.posts(), notified);
            if (notified) {
                check(!lot_.cancel(sleeper.waiter));
                --most;
            }
            entry = notified ? entries_.erase(entry) : std::next(entry);
        }
    }

    void let_happen(Random& random) {
        if (const auto entry = any(random); entry != entries_.end()) entry->sleeper.happened = true;
    }

    void cancel(Random& random) {
        const auto entry = any(random);
        if (entry == entries_.end()) return;
        check(lot_.cancel(entry->sleeper.waiter));
        entries_.erase(entry);
    }

private:
    struct Entry {
        explicit Entry(const void* word) : address(word), sleeper(word) {}
        const void* address;
        Sleeper sleeper;
    };

    std::list<Entry>::iterator any(Random& random) {
        const std::size_t index = random.below(entries_.size() + 1);
        return std::next(entries_.begin(), static_cast<std::ptrdiff_t>(index));
    }

    CountingLot lot_;
    std::list<Entry> entries_;  // in the order of their coming
};

TEST(random_calls_behave_as_on_a_plain_list) {
    Model model;
    Random random;
    for (Budget budget; budget.more();) {
        const void* address = &random.pick(words);
        switch (random.below(8)) {
            case 0: model.notify(address, random.below(4)); break;
            case 1: model.cancel(random); break;
            case 2:
            case 3:
            case 4: model.let_happen(random); break;
            default: model.enqueue(address);
        }
    }
}

}  // namespace
}  // namespace cereggii::testing
