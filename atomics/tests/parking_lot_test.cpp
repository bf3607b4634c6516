// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/parking_lot.hpp"

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <list>

#include "check.hpp"
#include "counting_lot.hpp"
#include "race.hpp"

// One thread: who is in the queues, and who is notified. The races are in
// parking_lot_race_test.cpp.
namespace cereggii::testing {
namespace {

// Queued on one address, one behind the other; and what all of them wait for has happened.
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

TEST(notify_wakes_only_who_waits_on_the_address) {
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

TEST(who_would_go_back_to_sleep_uses_up_no_notification) {
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

TEST(cancel_tells_who_was_notified) {
    CountingLot lot;
    Row row(lot, &words[0], 2);
    lot.notify(&words[0], 1);
    check(!lot.cancel(row[0].waiter));
    check(lot.cancel(row[1].waiter));
}

TEST(nobody_waits_for_what_has_happened) {
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

// Any sequence of calls does what it does to one list of all waiters.
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

TEST(random_calls_do_what_they_do_to_a_list) {
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
