// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <set>
#include <thread>
#include <utility>

#include "check.hpp"
#include "reclaimer.hpp"

// Which threads are pinned: the participants, the active list, and writers.
namespace cereggii::testing {
namespace {

// --- Participants

TEST(a_thread_keeps_its_participant) {
    const Domain::Participant* participant = Domain::current();
    pin_and_unpin();
    check(participant && Domain::current() == participant &&
          Domain::current_if_any() == participant);
    Other other;
    other.run([&] {
        check(!Domain::current_if_any());
        check(Domain::current() != participant, "two threads have one participant");
    });
}

TEST(threads_that_run_together_have_different_numbers) {
    std::set<std::uint32_t> numbers;
    std::array<Other, 20> others;
    for (Other& other : others)
        other.run([&] { check(numbers.insert(Domain::current()->number).second); });
}

TEST(the_participant_of_an_ended_thread_is_used_again) {
    pin_and_unpin();
    std::jthread(pin).join();  // even one that forgot to unpin, to which nothing else is promised
    Thing& thing = new_thing();
    retire(thing);
    check_equal(thing.freed, 1);
    std::jthread(unpin).join();
    const std::size_t count = count_of_participants();
    for (int i = 0; i < 1000; ++i) std::jthread(pin_and_unpin).join();
    check_equal(count_of_participants(), count);
}

// --- The active list: how many participants a scan looks at

TEST(scans_skip_ended_threads) {
    pin();  // they leave something, even
    {
        std::deque<Other> others;
        for (int i = 0; i < 100; ++i) others.emplace_back().run(remove_something);
        check(count_of_active() >= 101);
    }
    check_equal(count_of_active(), 1u);
    unpin();
    free_everything();
}

TEST(scans_skip_threads_that_two_passes_have_found_idle) {
    std::deque<Other> idle;
    for (int i = 0; i < 100; ++i) idle.emplace_back().run(pin_and_unpin);
    pass();
    check_equal(count_of_active(), 101u);
    idle.front().run(pin_and_unpin);  // used again in between
    pass();
    check_equal(count_of_active(), 2u);
    pass();
    check_equal(count_of_active(), 1u);
}

TEST(retiring_makes_idle_threads_dormant) {
    std::deque<Other> idle;
    for (int i = 0; i < 10; ++i) idle.emplace_back().run(pin_and_unpin);
    for (int i = 0; i < 2; ++i) {
        TestClock::time += Domain::between_passes;
        for (std::uint32_t k = 0; k < Domain::scans_between_looks; ++k) remove_something();
    }
    check_equal(count_of_active(), 1u);
}

TEST(the_clock_is_read_seldom_and_passes_are_rare) {
    Other idle;
    idle.run(pin_and_unpin);
    pass();
    TestClock::looks = 0;
    for (int i = 0; i < 100; ++i) scan_many_times();
    check_equal(TestClock::looks, 100);
    check_equal(count_of_active(), 2u);
    TestClock::time += Domain::between_passes - TestClock::duration(1);
    scan_many_times();
    check_equal(count_of_active(), 2u);
    TestClock::time += TestClock::duration(1);
    scan_many_times();
    check_equal(count_of_active(), 1u);
}

TEST(a_thread_that_pins_between_passes_never_becomes_dormant) {
    Other busy;
    busy.run(pin_and_unpin);
    const auto links = [&] {
        std::uint32_t count = 0;
        busy.run([&] { count = Domain::current()->links; });
        return count;
    };
    const std::uint32_t before = links();
    for (int i = 0; i < 100; ++i) {
        pass();
        busy.run(pin_and_unpin);
    }
    check_equal(links(), before);
    make_all_dormant();
    busy.run(pin_and_unpin);
    busy.run(pin_and_unpin);
    check_equal(links(), before + 1);
}

TEST(a_thread_that_stays_pinned_does_not_become_dormant) {
    Thing& thing = new_thing();
    Other pinned;
    pinned.run(pin);
    for (int i = 0; i < 3; ++i) make_all_dormant();
    retire(thing);
    check_equal(thing.freed, 0);
    pinned.run(unpin);
    free_everything();
    check_equal(thing.freed, 1);
}

TEST(a_dormant_thread_is_seen_when_it_pins_again) {
    const int written = 0;
    Other other;
    for (const bool writing : {false, true}) {
        Thing& thing = new_thing();
        other.run(pin_and_unpin);
        make_all_dormant();
        check_equal(count_of_active(), 1u);
        other.run([&] { writing ? pin_writing(&written) : pin(); });
        retire(thing);
        check_equal(thing.freed, 0);
        if (writing) {
            int pauses = 0;
            Domain::wait_for_writers(&written, [&] {
                if (++pauses == 3) other.run(unpin);
            });
            check_equal(pauses, 3);
        } else {
            other.run(unpin);
        }
        remove_something();
        check_equal(thing.freed, 1);
    }
}

TEST(a_dormant_thread_sees_all_other_threads) {
    std::array<Other, 3> pinned;
    Other other;
    Thing& thing = new_thing();
    pinned[0].run(pin_and_unpin);
    pin_and_unpin();
    for (Other* each : {&pinned[1], &pinned[2]}) each->run(pin_and_unpin);
    other.run([] {
        make_all_dormant();
        check_equal(count_of_active(), 1u);
    });
    pinned[1].run(pin);
    retire(thing);
    check_equal(thing.freed, 0);
    pinned[1].run(unpin);
    remove_something();
    check_equal(thing.freed, 1);
    pin_and_unpin();
}

// A scan that stands on a participant goes on from there, even if that is unlinked, and maybe
// linked again.
TEST(a_scan_goes_on_from_a_participant_that_is_unlinked) {
    const int written = 0;
    for (const bool linked_again : {false, true}) {
        std::array<Other, 4> writers;  // the last one comes first
        Other another;
        another.run(pin_and_unpin);
        for (Other& writer : writers) writer.run([&] { pin_writing(&written); });
        int pauses = 0;
        Domain::wait_for_writers(&written, [&] {
            // The scan stands on the first of them. Two become dormant, two are left and waited
            // for.
            if (++pauses == 1) {
                for (std::size_t i = 2; i < 4; ++i) writers.at(i).run(unpin);
                another.run(make_all_dormant);
                if (linked_again)
                    for (std::size_t i = 2; i < 4; ++i) writers.at(i).run(pin_and_unpin);
            } else {
                writers.at(pauses == 2 ? 1 : 0).run(unpin);
            }
        });
        check_equal(pauses, 3);
    }
}

TEST(every_pinned_thread_is_seen_among_many_that_pin_and_unpin) {
    constexpr std::size_t count = 12;
    std::array<Other, count> others;
    std::uint32_t state = 12345;
    const auto below = [&](std::uint32_t n) {
        return (state = state * 1664525 + 1013904223) / 7 % n;
    };
    for (int round = 0; round < 300; ++round) {
        for (int i = 0; i < 4; ++i) others.at(below(count)).run(pin_and_unpin);
        if (below(2) == 0) pass();
        Other& reader = others.at(below(count));
        reader.run(pin);
        if (below(2) == 0) pass();
        Thing& thing = new_thing();
        retire(thing);
        check_equal(thing.freed, 0);
        reader.run(unpin);
        remove_something();
        check_equal(thing.freed, 1);
        check(count_of_active() <= count + 1);
    }
}

// --- Waiting for writers

TEST(writers_to_the_structure_are_waited_for) {
    const int written = 0, another = 0;
    for (const bool goes_to_another : {false, true}) {
        std::array<Other, 2> writers;
        for (Other& writer : writers) writer.run([&] { pin_writing(&written); });
        int pauses = 0;
        Domain::wait_for_writers(&written, [&] {
            if (++pauses % 3 != 0) return;
            writers.at(static_cast<std::size_t>(2 - pauses / 3)).run([&] {
                unpin();
                if (goes_to_another) pin_writing(&another);
            });
        });
        check_equal(pauses, 6);
        for (Other& writer : writers) writer.run(unpin);
    }
}

TEST(readers_and_writers_to_another_structure_are_not_waited_for) {
    const int written = 0, another = 0;
    Other reader, once_writer, writer_to_another;
    reader.run(pin);
    once_writer.run([&] {
        pin_writing(&written);
        unpin();
        pin();
    });
    writer_to_another.run([&] { pin_writing(&another); });
    bool waited = false;
    Domain::wait_for_writers(&written, [&] {
        if (std::exchange(waited, true)) return;
        for (Other* other : {&reader, &once_writer, &writer_to_another}) other->run(unpin);
    });
    check(!waited);
    for (Other* other : {&reader, &once_writer, &writer_to_another}) other->run(unpin);
}

}  // namespace
}  // namespace cereggii::testing
