// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cstddef>
#include <deque>
#include <set>
#include <thread>
#include <utility>

#include "check.hpp"
#include "reclaimer.hpp"

// After a fork, which leaves nothing of other threads but their participants.
namespace cereggii::testing {
namespace {

TEST(the_participants_of_forgotten_threads_are_used_again) {
    Domain::Participant* mine = Domain::current();
    Other forgotten;
    Domain::Participant* participant = nullptr;
    forgotten.run([&] { participant = Domain::current(); });
    const std::size_t count = count_of_participants();
    Domain::forget_other_threads();
    check(Domain::current() == mine);
    check_equal(count_of_active(), 1u);
    std::set<const Domain::Participant*> in_use;
    std::deque<Other> others;  // one more than there are participants but the calling thread's
    for (std::size_t i = 0; i < count; ++i)
        others.emplace_back().run([&] { in_use.insert(Domain::current()); });
    check(in_use.contains(participant));
    check(!in_use.contains(mine), "the calling thread was forgotten as well");
    check_equal(count_of_participants(), count + 1);
    check_equal(count_of_active(), count + 1);
}

TEST(forgotten_threads_delay_nothing_and_their_items_are_freed) {
    Thing& before = new_thing();
    Other forgotten;
    pin();
    forgotten.run([&] { retire(before); });
    unpin();
    forgotten.run(pin);  // it could not be, at a fork; this shows that nothing of it is left
    Domain::forget_other_threads();
    check_equal(before.freed, 0);
    check(Domain::has_garbage());
    Thing& after = new_thing();
    retire(after);
    check_equal(after.freed, 1);
    check_equal(before.freed, 1);
}

// The thread waits, detached, until the item can be freed, and another thread forks.
TEST(an_item_that_a_forgotten_thread_was_about_to_free_is_freed) {
    Thing& thing = new_thing();
    Other pinned, waits;
    pinned.run(pin);
    waits.run([&] {
        retire(thing);
        bool forked = false;
        Domain::free_everything(Domain::current(), [&] {
            if (std::exchange(forked, true)) return;
            std::jthread([&] {
                pin_and_unpin();
                Domain::forget_other_threads();
                remove_something();
                check_equal(thing.freed, 1);
            }).join();
        });
    });
    check_equal(thing.freed, 1);
    Domain::forget_other_threads();
}

TEST(lists_that_a_forgotten_thread_was_changing_are_made_again) {
    pin_and_unpin();
    std::array<Other, 3> forgotten;
    for (Other& other : forgotten) other.run(pin_and_unpin);
    const Domain::Locked held;
    Domain::forget_other_threads();
    check_equal(count_of_active(), 1u);
    std::jthread(pin_and_unpin).join();
    make_all_dormant();
    check_equal(count_of_active(), 1u);
}

TEST(orphans_are_kept_after_a_fork) {
    Thing& thing = new_thing();
    Other pinned;
    pinned.run(pin);
    Domain::leave_for_all(&thing);
    Domain::forget_other_threads();
    check(Domain::has_garbage());
    remove_something();
    check_equal(thing.freed, 1);
}

TEST(the_forking_thread_may_have_no_participant) {
    Thing& thing = new_thing();
    Other pinned, other;
    pinned.run(pin);
    other.run([&] { retire(thing); });
    std::jthread([&] {
        Domain::forget_other_threads();
        check(!Domain::current_if_any());
        check(Domain::has_garbage());
        remove_something();
        check_equal(thing.freed, 1);
    }).join();
    Domain::forget_other_threads();
}

TEST(a_dormant_thread_that_forks_is_seen) {
    Thing& thing = new_thing();
    Other forks, other;
    forks.run(pin_and_unpin);
    make_all_dormant();
    forks.run([] {
        Domain::forget_other_threads();
        check_equal(count_of_active(), 1u);
        pin();
    });
    other.run([&] { retire(thing); });
    check_equal(thing.freed, 0);
    forks.run(unpin);
    other.run(remove_something);
    check_equal(thing.freed, 1);
    forks.run(Domain::forget_other_threads);
}

}  // namespace
}  // namespace cereggii::testing
