// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cstddef>

#include "check.hpp"
#include "reclaimer.hpp"

// free_everything() waits for threads that are pinned, and finalizers come back to the reclaimer.
namespace cereggii::testing {
namespace {

// --- While pinned threads are waited for

TEST(free_everything_waits_for_earlier_pins_and_not_for_later_ones) {
    Thing& thing = new_thing();
    std::array<Other, 3> before;
    Other forever;
    for (Other& other : before) other.run(pin);
    retire(thing);
    std::size_t pauses = 0;
    Domain::free_everything(Domain::current(), [&] {
        check_equal(thing.freed, 0);
        if (pauses == 0) forever.run(pin);
        // A thread that pins again has pinned later.
        before.at(pauses).run(pin_and_unpin);
        before.at(pauses).run(pin);
        ++pauses;
    });
    check_equal(pauses, before.size());
    check_equal(thing.freed, 1);
    for (Other& other : before) other.run(unpin);
    forever.run(unpin);
}

TEST(another_thread_can_free_what_a_waiting_thread_holds) {
    Thing& thing = new_thing();
    Other pinned, waits;
    pinned.run(pin);
    waits.run([&] { retire(thing); });
    int pauses = 0;
    waits.run([&] {
        Domain::free_everything(Domain::current(), [&] {
            if (++pauses > 1) return;
            Other takes;
            int pauses_of_other = 0;
            takes.run([&] {
                Domain::free_everything(Domain::current(), [&] {
                    check_equal(thing.freed, 0);
                    if (++pauses_of_other == 3) pinned.run(unpin);
                });
            });
            check_equal(thing.freed, 1);
        });
    });
    check_equal(pauses, 1);
    check_equal(thing.freed, 1);
}

// A finalizer may be slow.
TEST(other_threads_can_free_what_is_behind_a_slow_finalizer) {
    std::array<Thing*, 5> things{};
    Other pinned, other;
    pinned.run(pin);
    for (Thing*& thing : things) retire(*(thing = &new_thing()));
    pinned.run(unpin);
    std::size_t begun = 0;
    for (Thing* thing : things)
        thing->when_freed = [&] {
            if (begun++ > 0) return;
            other.run(free_everything);
            check_equal(begun, things.size());
        };
    free_everything();
    for (const Thing* thing : things) check_equal(thing->freed, 1);
    check(nothing_waits());
}

TEST(an_item_retired_during_the_wait_is_freed_later) {
    Thing& waited_for = new_thing();
    Thing& late = new_thing();
    Other pinned, reader, other;
    pinned.run(pin);
    other.run([&] { retire(waited_for); });
    Domain::free_everything(Domain::current(), [&] {
        reader.run(pin);
        other.run([&] { retire(late); });
        pinned.run(unpin);
    });
    check_equal(waited_for.freed, 1);
    check_equal(late.freed, 0);
    check(Domain::has_garbage());
    reader.run(unpin);
    free_everything();
    check_equal(late.freed, 1);
}

// The item is retired by the thread whose list is being taken at that moment.
TEST(an_item_retired_while_lists_are_taken_is_freed_later) {
    Other pinned, other, reader;
    for (const bool in_bags : {false, true}) {
        Thing& taken = new_thing();
        Thing& late = new_thing();
        pinned.run(pin);
        other.run([&] {
            retire(taken);
            for (std::size_t i = 1; in_bags && i < until_a_bag; ++i) remove_something();
        });
        bool interrupted = false;
        // A second list, so that two lists are joined.
        retire(new_thing());
        taken.when_its_link_is_read = [&] {
            interrupted = true;
            reader.run(pin);
            other.run([&] { retire(late); });
            pinned.run(unpin);
        };
        Domain::free_everything(Domain::current(), [&] {
            check_equal(taken.freed, 0);  // the reader came before the last list was taken
            reader.run(unpin);
        });
        check(interrupted);
        check_equal(taken.freed, 1);
        check_equal(late.freed, 0);
        check(Domain::has_garbage());
        free_everything();
        check_equal(late.freed, 1);
    }
}

// --- While something is freed

TEST(a_finalizer_may_pin_retire_and_free_everything) {
    for (const bool at_once : {true, false}) {
        constexpr std::size_t depth = 10;
        std::array<Thing*, depth> things{};
        for (Thing*& thing : things) thing = &new_thing();
        for (std::size_t i = 0; i + 1 < depth; ++i)
            things[i]->when_freed = [&, i] {
                pin_and_unpin();
                retire(*things[i + 1]);
                free_everything();
                check_equal(things[i + 1]->freed, 1);
            };
        Other pinned;
        if (!at_once) pinned.run(pin);
        retire(*things[0]);
        check_equal(things[0]->freed, at_once);
        if (!at_once) pinned.run(unpin);
        free_everything();
        for (const Thing* thing : things) check_equal(thing->freed, 1);
    }
}

// A bag that was filled during the finalizer is not among those that were seen to be free.
TEST(a_pin_during_a_finalizer_delays_what_is_retired_after_it) {
    std::array<Thing*, 2 * until_a_bag> things{};
    std::array<Thing*, 4 * until_a_bag> late{};
    Other pinned;
    pinned.run(pin);
    for (Thing*& thing : things) retire(*(thing = &new_thing()));
    pinned.run(unpin);
    for (const std::size_t first_freed : {std::size_t{0}, until_a_bag})
        things[first_freed]->when_freed = [&] {
            if (late[0]) return;
            pinned.run(pin);
            for (Thing*& thing : late) retire(*(thing = &new_thing()));
        };
    remove_something();
    for (const Thing* thing : things) check_equal(thing->freed, 1);
    for (const Thing* thing : late) check_equal(thing->freed, 0);
    pinned.run(unpin);
    remove_something();
    for (const Thing* thing : late) check_equal(thing->freed, 1);
}

TEST(each_of_many_finalizers_may_retire_an_item) {
    constexpr std::size_t count = 3 * until_a_bag;
    std::array<Thing*, count> things{};
    std::array<Thing*, count> more{};
    Other pinned;
    pinned.run(pin);
    for (std::size_t i = 0; i < count; ++i) {
        more[i] = &new_thing();
        things[i] = &new_thing();
        things[i]->when_freed = [&, i] { retire(*more[i]); };
        retire(*things[i]);
    }
    pinned.run(unpin);
    free_everything();
    for (const Thing* thing : things) check_equal(thing->freed, 1);
    for (const Thing* thing : more) check_equal(thing->freed, 1);
}

}  // namespace
}  // namespace cereggii::testing
