// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/sharing_policy.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "check.hpp"

// When shared objects get help. The time is a number here, and threads are numbers, too.
namespace cereggii::testing {
namespace {

using atomics::CollectionRequests;
using atomics::DeferredMemory;
using atomics::first_help;
using atomics::ImmortalityBudget;
using atomics::Nanoseconds;
using atomics::never;
using atomics::UseWatch;

constexpr Nanoseconds ms = 1'000'000;
constexpr Nanoseconds second = 1000 * ms;
constexpr std::size_t mib = std::size_t{1} << 20;

// So many objects, all of one set of places.
std::vector<std::uintptr_t> objects_of_one_set(std::size_t count) {
    std::vector<std::uintptr_t> objects;
    for (std::uintptr_t object = 0x10000; objects.size() < count; object += 16)
        if (UseWatch::set_number(object) == 7) objects.push_back(object);
    return objects;
}

// Several threads use the objects, one thread after the other, with a `pause` between two uses.
// run() returns the time at which each object got help.
struct Program {
    std::size_t threads = 2;
    Nanoseconds pause = ms;
    Nanoseconds required_age = first_help;
    Nanoseconds start = 0;
    Nanoseconds until = second;
    bool helped_ones_are_left_alone = true;

    std::vector<Nanoseconds> run(UseWatch& watch,
                                 const std::vector<std::uintptr_t>& objects) const {
        std::vector<Nanoseconds> helped(objects.size(), never);
        std::size_t use = 0;
        for (Nanoseconds now = start; now < until; now += pause, ++use)
            for (std::size_t i = 0; i < objects.size(); ++i) {
                if (helped_ones_are_left_alone && helped[i] != never) continue;
                if (watch.note_use(objects[i], 1 + use % threads, now, required_age) &&
                    helped[i] == never)
                    helped[i] = now;
            }
        return helped;
    }
};

// How often help is asked for, for an object that cannot be helped.
std::size_t attempts(UseWatch& watch, std::uintptr_t object, Nanoseconds until) {
    std::size_t count = 0;
    for (Nanoseconds now = 0; now < until; now += ms)
        count +=
            watch.note_use(object, 1 + static_cast<std::uintptr_t>(now / ms % 2), now, first_help);
    return count;
}

}  // namespace

// ── age in use ─────────────────────────────────────────────────────────────────────────────────

TEST(help_takes_the_required_age) {
    for (const Nanoseconds age : {first_help, 7 * first_help, second}) {
        UseWatch watch;
        Program program;
        program.required_age = age;
        program.until = 3 * second;
        check_equal(program.run(watch, {0x1000})[0], age);
    }
}

TEST(a_pause_makes_nothing_old) {
    // A thread lost the processor for an hour, between two of many uses within 10 ms.
    UseWatch watch;
    for (int use = 0; use < 200; ++use) {
        const Nanoseconds now = use * ms / 20 + (use > 100 ? 3600 * second : 0);
        check(!watch.note_use(0x1000, 1 + use % 2, now, first_help));
    }
}

TEST(an_object_used_seldom_gets_older_by_steps) {
    UseWatch watch;
    Program program;
    program.pause = second;
    program.until = 100 * second;
    check_equal(program.run(watch, {0x1000})[0], 8 * second);  // each an eighth of the age
}

TEST(time_that_goes_backwards_makes_nothing_old) {
    UseWatch watch;
    for (int use = 0; use < 1000; ++use)
        check(!watch.note_use(0x1000, 1 + use % 2, use % 2 ? ms : 10 * ms, 11 * ms));
}

TEST(time_that_goes_backwards_makes_nothing_young) {
    UseWatch watch;
    std::size_t helped = 0;
    for (int use = 0; use <= 20; ++use) {
        helped += watch.note_use(0x1000, 1 + use % 2, use * ms, first_help);
        helped += watch.note_use(0x1000, 1, use * ms - 5 * ms, first_help);
    }
    check_equal(helped, 1);
}

TEST(an_object_handed_over_and_back_is_not_shared) {
    UseWatch watch;
    for (int use = 0; use < 60; ++use) {
        const std::uintptr_t thread = use < 20 || use >= 40 ? 1 : 2;
        check(!watch.note_use(0x1000, thread, 10 * ms * use, first_help));
    }
}

TEST(an_object_that_one_other_thread_uses_very_often_is_shared) {
    UseWatch watch;
    Program program;
    program.threads = 1;
    check_equal(program.run(watch, {0x1000})[0], 63 * ms);
}

TEST(a_million_short_lived_objects_earn_nothing) {
    UseWatch watch;
    Nanoseconds now = 0;
    std::size_t helped = 0;
    for (std::uintptr_t i = 0; i < 1'000'000; ++i) {
        const std::uintptr_t object = 0x1000 + 64 * (i % 1000);  // the memory is used again
        watch.forget(object);
        for (std::uintptr_t use = 0; use < 8; ++use, now += ms / 4)
            helped += watch.note_use(object, 1 + use % 4, now, first_help);
    }
    check_equal(helped, 0);
    Program program;
    program.start = now;
    program.until = now + second;
    check(program.run(watch, {0x90'0000})[0] <= now + first_help + UseWatch::forgotten_after);
}

TEST(an_object_is_not_as_old_as_an_earlier_one_at_its_address) {
    UseWatch watch;
    std::size_t helped = 0;
    for (int use = 0; use < 10'000; ++use) {
        if (use % 15 == 0) watch.forget(0x1000);
        helped += watch.note_use(0x1000, 1 + use % 2, use * ms, first_help);
    }
    check_equal(helped, 0);
}

// ── many objects ───────────────────────────────────────────────────────────────────────────────

TEST(objects_do_not_hide_each_other) {
    for (const std::size_t count : {2, 3, 64, 500}) {
        UseWatch watch;
        std::vector<std::uintptr_t> objects;
        objects.reserve(count);
        for (std::uintptr_t i = 0; i < count; ++i) objects.push_back(0x10000 + i * 80);
        Program program;
        program.until = 2 * second;
        for (const Nanoseconds helped : program.run(watch, objects)) check(helped != never);
    }
}

TEST(objects_at_the_same_places_do_not_hide_each_other) {
    for (const std::size_t count : {2, 3, 8, 64}) {
        UseWatch watch;
        const Program program;
        for (const Nanoseconds helped : program.run(watch, objects_of_one_set(count)))
            check(helped <= static_cast<Nanoseconds>((count + 7) / 8) * (first_help + 2 * ms));
    }
}

TEST(objects_that_are_no_longer_used_make_room) {
    UseWatch watch;
    const std::vector<std::uintptr_t> objects = objects_of_one_set(9);
    for (std::size_t i = 0; i < 8; ++i) watch.note_use(objects[i], 1, 0, first_help);
    std::size_t helped = 0;
    for (int use = 0; use < 100; ++use)
        helped += watch.note_use(objects[8], 1 + use % 2, 2 * second + use * ms, first_help);
    check_equal(helped, 1);
}

TEST(the_object_unused_for_longest_makes_room_first) {
    UseWatch watch;
    const std::vector<std::uintptr_t> objects = objects_of_one_set(9);
    for (std::size_t i = 0; i < 8; ++i) {
        Program program;
        program.start = i == 3 ? 0 : static_cast<Nanoseconds>(100 + i) * ms;
        program.until = program.start + 19 * ms;  // an age of 18 ms
        program.run(watch, {objects[i]});
    }
    watch.note_use(objects[8], 1, 10 * second, first_help);
    for (const std::size_t i : {0, 1, 2, 4, 5, 6, 7, 3})
        check_equal(watch.note_use(objects[i], 3, 20 * second, first_help), i != 3);
}

TEST(an_object_that_has_been_in_use_for_long_keeps_its_place) {
    UseWatch watch;
    const std::vector<std::uintptr_t> objects = objects_of_one_set(100);
    Program program;
    program.required_age = 10 * second;
    program.until = 8 * second;
    program.run(watch, {objects[0]});
    for (std::size_t i = 1; i < 100; ++i) watch.note_use(objects[i], 1, 10 * second, first_help);
    for (std::size_t i = 1; i < 100; ++i) watch.note_use(objects[i], 1, 11 * second, first_help);
    // The same age as before: two more pauses, each an eighth.
    check(!watch.note_use(objects[0], 1, 11 * second, 10 * second));
    check(watch.note_use(objects[0], 2, 13 * second, 10 * second));
}

TEST(objects_that_cannot_be_helped_make_room) {
    UseWatch watch;
    const std::vector<std::uintptr_t> objects = objects_of_one_set(16);
    Program program;
    program.helped_ones_are_left_alone = false;
    for (const Nanoseconds helped : program.run(watch, objects)) check(helped != never);
}

// ── refusals ───────────────────────────────────────────────────────────────────────────────────

TEST(a_refusal_is_remembered) {
    UseWatch watch;
    check_equal(attempts(watch, 0x1000, first_help + UseWatch::patience / 2), 1);
}

TEST(a_refusal_is_remembered_for_twice_as_long_each_time) {
    UseWatch watch;
    check_equal(attempts(watch, 0x1000, first_help + 60 * UseWatch::patience), 6);  // 0 1 3 7 15 31
    UseWatch another;
    const std::size_t in_an_hour = attempts(another, 0x1000, 3600 * second);
    check(in_an_hour > 16 && in_an_hour < 24);  // it does not double forever
}

TEST(a_refusal_is_remembered_as_long_as_others_make_room) {
    UseWatch watch;
    const std::vector<std::uintptr_t> objects = objects_of_one_set(15);
    for (std::size_t i = 0; i < 8; ++i) watch.note_use(objects[i], 1, 0, first_help);
    check_equal(attempts(watch, objects[0], 100 * ms), 1);
    for (std::size_t i = 8; i < 15; ++i) watch.note_use(objects[i], 1, 100 * ms, first_help);
    for (int use = 0; use < 50; ++use)
        check(!watch.note_use(objects[0], 1 + use % 2, (100 + use) * ms, first_help));
}

TEST(a_refusal_is_not_about_a_later_object_at_the_address) {
    UseWatch watch;
    attempts(watch, 0x1000, second / 2);
    watch.forget(0x1000);
    check_equal(attempts(watch, 0x1000, second / 2), 1);
}

// ── immortality ────────────────────────────────────────────────────────────────────────────────

TEST(the_first_object_is_immortal_soon_and_the_last_after_minutes) {
    ImmortalityBudget budget(std::size_t{80} * 100'000);
    check_equal(budget.required_age(80), 20 * ms);
    Nanoseconds before = 0;
    Nanoseconds last = 0;
    for (int i = 0; i < 100'000; ++i) {
        last = budget.required_age(80);
        check(last >= before && (before == 0 || last <= 2 * before));
        before = last;
        check(budget.spend(80));
    }
    check(last > 120 * second && last < 300 * second);
    check_equal(budget.required_age(80), never);
    check(!budget.spend(80));
    check_equal(budget.spent(), 80 * 100'000);
    budget.give_back(80);
    check_equal(budget.required_age(80), last);
}

TEST(the_budget_is_never_exceeded) {
    ImmortalityBudget budget(100);
    check(budget.spend(60));
    check(!budget.spend(41));
    check(!budget.spend(SIZE_MAX));
    check(budget.spend(40));
    check_equal(budget.spent(), 100);
}

TEST(a_large_object_needs_more_time_than_a_small_one) {
    const ImmortalityBudget budget(std::size_t{512} * 1024);
    check_equal(budget.required_age(std::size_t{64} * 1024), 40 * ms);
    check_equal(budget.required_age(std::size_t{512} * 1024), 20 * ms << 13);
    check_equal(budget.required_age(512 * 1024 + 1), never);
    check_equal(budget.required_age(SIZE_MAX), never);
    check_equal(budget.required_age(0), 20 * ms);
}

TEST(objects_shared_for_a_while_use_up_a_part_of_the_budget_only) {
    // One after the other, 50 ms each, without end.
    ImmortalityBudget budget(std::size_t{80} * 14 * 100);
    UseWatch watch;
    Nanoseconds now = 0;
    for (std::uintptr_t i = 0; i < 2000; ++i) {
        const std::uintptr_t object = 0x1000 + 80 * i;
        for (std::uintptr_t use = 0; use < 50; ++use, now += ms)
            if (watch.note_use(object, 1 + use % 2, now, budget.required_age(80))) {
                check(budget.spend(80));
                break;
            }
    }
    check_equal(budget.spent(), 80 * 2 * 100);  // which 20 ms and 40 ms earn, but not 80 ms
}

// ── deferred counting ──────────────────────────────────────────────────────────────────────────

TEST(an_object_that_owns_more_has_to_be_in_use_for_longer) {
    DeferredMemory memory(16 * mib, 16 * mib);
    check_equal(memory.required_age(0), first_help);
    check_equal(memory.required_age(16 * mib), first_help + second);
    check_equal(memory.required_age(1024 * mib), first_help + 64 * second);
    check(memory.required_age(SIZE_MAX / 2) > 1'000'000 * second);
    memory.add(8 * mib);
    check_equal(memory.required_age(16 * mib), first_help + second + second / 2);
    memory.remove(8 * mib);
    check_equal(memory.required_age(0), first_help);
}

TEST(no_more_is_deferred_than_there_is_room_for) {
    DeferredMemory memory(16 * mib, 16 * mib);
    for (int i = 0; i < 16; ++i) {
        check(memory.has_room(mib));
        memory.add(mib);
    }
    check(!memory.has_room(1));
    memory.remove(mib);
    check(memory.has_room(mib) && !memory.has_room(2 * mib));
}

TEST(an_object_that_is_larger_than_the_room_is_deferred_alone) {
    DeferredMemory memory(16 * mib, 16 * mib);
    check(memory.has_room(1024 * mib));
    memory.add(1024 * mib);
    check(!memory.has_room(1));
    memory.remove(1024 * mib);
    memory.add(mib);
    check(!memory.has_room(1024 * mib));
}

TEST(a_collection_makes_room_for_as_much_as_it_has_left) {
    DeferredMemory memory(16 * mib, 16 * mib);
    memory.add(40 * mib);
    memory.note_collection();
    check_equal(memory.uncollected(), 0);
    check_equal(memory.required_age(0), first_help);
    memory.add(20 * mib);
    check(memory.has_room(20 * mib) && !memory.has_room(21 * mib));
    memory.add(20 * mib);
    check(!memory.has_room(1));
    memory.remove(70 * mib);
    memory.note_collection();
    check(memory.has_room(16 * mib));
    memory.add(mib);
    check(memory.has_room(15 * mib) && !memory.has_room(16 * mib));
}

TEST(uncollected_memory_never_falls_below_zero) {
    DeferredMemory memory(16 * mib, 16 * mib);
    memory.add(40 * mib);
    memory.note_collection();
    memory.remove(30 * mib);
    check_equal(memory.uncollected(), 0);
    check_equal(memory.owned(), 10 * mib);
}

TEST(collections_take_two_percent_of_the_time) {
    CollectionRequests requests;
    check(requests.begin(0));
    check(!requests.begin(10 * second));  // one at a time
    requests.end(10 * second, 12 * second);
    check(!requests.begin(111 * second));
    check(requests.begin(112 * second));
    requests.end(112 * second, 112 * second);
    check(!requests.begin(112 * second + second / 2));  // not more than one in a second
    check(requests.begin(113 * second));
    requests.cancel();
    check(requests.begin(113 * second));
}

}  // namespace cereggii::testing
