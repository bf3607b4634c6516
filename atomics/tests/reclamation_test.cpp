// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/reclamation.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <semaphore>
#include <set>
#include <thread>
#include <utility>

#include "check.hpp"
#include "race.hpp"

namespace cereggii::testing {
namespace {

using Program = std::function<void()>;

// Something to retire. It is never freed in earnest, so that a test can ask whether it would be.
struct Thing {
    Thing* link = nullptr;
    std::uint64_t tag = 0;
    int freed = 0;       // how many times
    Program when_freed;  // these run once
    Program when_its_link_is_read;
};

void run_once(Program& program) {
    if (const Program now = std::exchange(program, nullptr)) now();
}

struct Things {
    using Item = Thing*;
    static Item link(Item item) {
        run_once(item->when_its_link_is_read);
        return item->link;
    }
    static void set_link(Item item, Item link) noexcept { item->link = link; }
    static std::uint64_t tag(Item item) noexcept { return item->tag; }
    static void set_tag(Item item, std::uint64_t tag) noexcept { item->tag = tag; }
    static void free(Item item) {
        ++item->freed;
        run_once(item->when_freed);
    }
};

// Stands still, but when it is told to go on.
struct TestClock {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<TestClock>;

    static time_point now() noexcept {
        ++looks;
        return time_point(time);
    }
    static inline duration time = std::chrono::hours(1);
    static inline int looks = 0;
};

using Domain = atomics::Reclaimer<Things, TestClock>;

// They outlive the tests: a test that fails may leave them in the reclaimer's lists.
Thing& new_thing() {
    static std::deque<Thing> things;
    return things.emplace_back();
}

void pin() { Domain::pin(*Domain::current()); }
void pin_writing(const void* to) { Domain::pin_writing(*Domain::current(), to); }
void unpin() { Domain::unpin(*Domain::current()); }
void come_and_go() {
    pin();
    unpin();
}
bool retire(Thing& thing) { return Domain::retire(*Domain::current(), &thing); }

// A removal of a thread, at which it comes to what it has left, and to what is left for all.
void remove_something() {
    Domain::Item list = &new_thing();
    Domain::take_what_is_left_for_all(list);
    Domain::retire(*Domain::current(), list);
}

// Nobody is inside, so nobody is waited for.
void never_pause() { check(false, "waits"); }
void free_everything() { Domain::free_everything(Domain::current(), never_pause); }
// A thread that has freed something stays on the littered list until the next call.
bool nothing_waits() {
    if (Domain::has_garbage()) free_everything();
    return !Domain::has_garbage();
}

// While others are inside, a thread looks after so many items what can be freed.
constexpr std::size_t until_a_bag = 32;

// Another thread, that runs what it is told to.
class Other {
public:
    Other() : thread_([this] { work(); }) {}
    ~Other() { run(nullptr); }
    Other(const Other&) = delete;
    Other& operator=(const Other&) = delete;

    void run(Program program) {
        program_ = std::move(program);
        told_.release();
        done_.acquire();
    }

private:
    void work() {
        for (bool more = true; more; done_.release()) {
            told_.acquire();
            more = static_cast<bool>(program_);
            if (more) program_();
        }
    }

    Program program_;
    std::binary_semaphore told_{0};
    std::binary_semaphore done_{0};
    std::jthread thread_;
};

std::size_t count_of_participants() {
    std::size_t count = 0;
    for (const auto* participant = Domain::first_of_all(); participant;
         participant = participant->next_of_all)
        ++count;
    return count;
}

// How many participants a scan looks at.
std::size_t count_of_active() {
    std::size_t count = 0;
    for (const auto* participant = Domain::first(); participant;
         participant = Domain::after(*participant))
        ++count;
    return count;
}

void scan_many_times() {
    for (std::uint32_t i = 0; i < Domain::scans_between_looks; ++i)
        Domain::note_scan(*Domain::current());
}
// One of the calling thread over all others.
void pass() {
    TestClock::time += Domain::between_passes;
    scan_many_times();
}
// All but the calling thread's, and of those that are inside.
void put_all_aside() {
    pass();
    pass();
}

// --- What is freed when

TEST(what_is_retired_while_nobody_is_inside_is_freed_at_once) {
    Other outside;
    outside.run(come_and_go);
    for (int i = 0; i < 100; ++i) {
        Thing& thing = new_thing();
        check(!retire(thing));
        check_equal(thing.freed, 1);
    }
    check(nothing_waits());
}

TEST(what_a_thread_inside_may_have_found_is_freed_after_it_has_left) {
    for (const bool writing : {false, true}) {
        Thing& thing = new_thing();
        Other inside;
        inside.run([&] { writing ? pin_writing(&thing) : pin(); });
        check(retire(thing));
        for (int i = 0; i < 3; ++i) {
            remove_something();
            check_equal(thing.freed, 0);
        }
        inside.run(unpin);
        remove_something();
        check_equal(thing.freed, 1);
    }
}

TEST(nobody_who_was_inside_may_be_left) {
    Thing& thing = new_thing();
    std::array<Other, 3> inside;
    for (Other& other : inside) other.run(pin);
    retire(thing);
    for (Other& other : inside) {
        remove_something();
        check_equal(thing.freed, 0);
        other.run(unpin);
    }
    remove_something();
    check_equal(thing.freed, 1);
}

TEST(a_list_is_retired_whole) {
    for (const bool at_once : {true, false}) {
        std::array<Thing*, 5> things{};
        Thing* list = nullptr;
        for (Thing*& thing : things) {
            thing = &new_thing();
            thing->link = std::exchange(list, thing);
        }
        Other other;
        if (!at_once) other.run(pin);
        retire(*list);
        for (const Thing* thing : things) check_equal(thing->freed, at_once);
        if (!at_once) other.run(unpin);
        free_everything();
        for (const Thing* thing : things) check_equal(thing->freed, 1);
    }
}

TEST(many_that_are_retired_while_one_thread_stays_inside_are_kept_and_then_freed) {
    constexpr std::size_t count = 1000;
    std::array<Thing*, count> things{};
    Other inside;
    inside.run(pin);
    for (Thing*& thing : things) retire(*(thing = &new_thing()));
    for (const Thing* thing : things) check_equal(thing->freed, 0);
    inside.run(unpin);
    remove_something();
    for (const Thing* thing : things) check_equal(thing->freed, 1);
}

TEST(although_somebody_is_always_inside_what_is_old_enough_is_freed) {
    constexpr std::size_t rounds = 100;
    std::array<Thing*, rounds * until_a_bag> things{};
    std::array<Other, 2> others;
    others[0].run(pin);
    for (std::size_t i = 0; i < things.size(); ++i) {
        retire(*(things[i] = &new_thing()));
        const std::size_t round = i / until_a_bag;
        if (i % until_a_bag == until_a_bag - 1) {
            others[(round + 1) % 2].run(pin);
            others[round % 2].run(unpin);
        }
    }
    std::size_t freed = 0;
    for (const Thing* thing : things) freed += static_cast<std::size_t>(thing->freed);
    check(freed >= (rounds - 2) * until_a_bag, "what is retired piles up");
    for (Other& other : others) other.run(unpin);
    free_everything();
    for (const Thing* thing : things) check_equal(thing->freed, 1);
}

// --- By whom

TEST(who_retires_frees_nothing_of_others_and_who_retires_nothing_frees_nothing) {
    Thing& left = new_thing();
    Other other;
    pin();
    other.run([&] { retire(left); });
    unpin();
    for (int i = 0; i < 10'000; ++i) {
        come_and_go();
        if (i % 10 == 0) remove_something();
    }
    check_equal(left.freed, 0);
    other.run(remove_something);
    check_equal(left.freed, 1);
    free_everything();
}

TEST(who_retires_while_nobody_is_inside_frees_what_waits_of_its_own_too) {
    for (const std::size_t count : {std::size_t{1}, 3 * until_a_bag + 1}) {
        std::deque<Thing*> waiting;
        Other inside;
        inside.run(pin);
        for (std::size_t i = 0; i < count; ++i) retire(*waiting.emplace_back(&new_thing()));
        for (const Thing* thing : waiting) check_equal(thing->freed, 0);
        inside.run(unpin);
        remove_something();
        for (const Thing* thing : waiting) check_equal(thing->freed, 1);
    }
}

TEST(what_idle_threads_and_those_that_have_ended_have_left_can_be_freed_by_any_thread) {
    free_everything();
    check(nothing_waits());
    std::array<Thing*, 10 * until_a_bag + 5> things{};
    std::array<Other, 2> idle;
    pin();
    for (std::size_t i = 0; i < things.size(); ++i) {
        const auto leave = [&] { retire(*(things[i] = &new_thing())); };
        if (i % 3 < 2)
            idle.at(i % 3).run(leave);
        else
            std::jthread(leave).join();
    }
    unpin();
    for (const Thing* thing : things) check_equal(thing->freed, 0);
    check(Domain::has_garbage());
    free_everything();
    for (const Thing* thing : things) check_equal(thing->freed, 1);
    check(nothing_waits());
    for (Other& other : idle) other.run(remove_something);
}

TEST(a_thread_without_a_record_can_free_what_others_have_left) {
    Thing& left = new_thing();
    Other inside;
    inside.run(pin);
    retire(left);
    int pauses = 0;
    const std::size_t count = count_of_participants();
    std::jthread([&] {
        check(!Domain::current_if_any());
        Domain::free_everything(nullptr, [&] {
            check_equal(left.freed, 0);
            if (++pauses == 3) inside.run(unpin);
        });
    }).join();
    check_equal(pauses, 3);
    check_equal(left.freed, 1);
    check_equal(count_of_participants(), count);
}

TEST(what_a_thread_that_has_ended_has_left_is_freed_by_who_has_its_participant) {
    Thing& left = new_thing();
    pin();
    std::jthread([&] { retire(left); }).join();
    unpin();
    check_equal(left.freed, 0);
    std::jthread(remove_something).join();
    check_equal(left.freed, 1);
}

TEST(what_is_left_for_all_is_freed_by_whoever_removes_something_next) {
    Thing& thing = new_thing();
    Other leaves, other;
    leaves.run([&] { Domain::leave_for_all(&thing); });
    leaves.run([] {
        come_and_go();
        retire(new_thing());  // which is not the removal of anything
    });
    check_equal(thing.freed, 0);
    check(Domain::has_garbage());
    other.run(remove_something);
    check_equal(thing.freed, 1);
    check(nothing_waits());
}

TEST(what_is_left_for_all_waits_with_who_removes_something_while_others_are_inside) {
    Thing& thing = new_thing();
    Other inside, other;
    inside.run(pin);
    Domain::leave_for_all(&thing);
    other.run(remove_something);
    inside.run(unpin);
    remove_something();
    check_equal(thing.freed, 0);
    other.run(remove_something);
    check_equal(thing.freed, 1);
}

TEST(what_is_left_for_all_is_freed_with_everything) {
    Other inside;
    Thing& thing = new_thing();
    inside.run(pin);
    Domain::leave_for_all(&thing);
    int pauses = 0;
    Domain::free_everything(Domain::current(), [&] {
        check_equal(thing.freed, 0);
        if (++pauses == 3) inside.run(unpin);
    });
    check_equal(pauses, 3);
    check_equal(thing.freed, 1);
    check(nothing_waits());
}

// --- While those who are inside are waited for

TEST(all_who_are_inside_are_waited_for_and_nobody_who_comes_later) {
    Thing& thing = new_thing();
    std::array<Other, 3> before;
    Other forever;
    for (Other& other : before) other.run(pin);
    retire(thing);
    std::size_t pauses = 0;
    Domain::free_everything(Domain::current(), [&] {
        check_equal(thing.freed, 0);
        if (pauses == 0) forever.run(pin);
        // Whoever comes in again has come later.
        before.at(pauses).run(come_and_go);
        before.at(pauses).run(pin);
        ++pauses;
    });
    check_equal(pauses, before.size());
    check_equal(thing.freed, 1);
    for (Other& other : before) other.run(unpin);
    forever.run(unpin);
}

TEST(what_a_thread_waits_with_is_freed_by_another_that_has_waited) {
    Thing& thing = new_thing();
    Other inside, waits;
    inside.run(pin);
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
                    if (++pauses_of_other == 3) inside.run(unpin);
                });
            });
            check_equal(thing.freed, 1);
        });
    });
    check_equal(pauses, 1);
    check_equal(thing.freed, 1);
}

// A finalizer may take its time.
TEST(what_is_freed_behind_one_that_takes_its_time_can_be_freed_by_others) {
    std::array<Thing*, 5> things{};
    Other inside, other;
    inside.run(pin);
    for (Thing*& thing : things) retire(*(thing = &new_thing()));
    inside.run(unpin);
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

TEST(what_is_retired_while_others_are_waited_for_is_kept_and_not_forgotten) {
    Thing& waited_for = new_thing();
    Thing& late = new_thing();
    Other inside, reader, other;
    inside.run(pin);
    other.run([&] { retire(waited_for); });
    Domain::free_everything(Domain::current(), [&] {
        reader.run(pin);
        other.run([&] { retire(late); });
        inside.run(unpin);
    });
    check_equal(waited_for.freed, 1);
    check_equal(late.freed, 0);
    check(Domain::has_garbage());
    reader.run(unpin);
    free_everything();
    check_equal(late.freed, 1);
}

// Of the thread whose list is being taken at that moment.
TEST(what_is_retired_while_everything_is_taken_is_kept_and_not_forgotten) {
    Other inside, other, reader;
    for (const bool in_bags : {false, true}) {
        Thing& taken = new_thing();
        Thing& late = new_thing();
        inside.run(pin);
        other.run([&] {
            retire(taken);
            for (std::size_t i = 1; in_bags && i < until_a_bag; ++i) remove_something();
        });
        bool interrupted = false;
        // When two lists are joined: there is another one.
        retire(new_thing());
        taken.when_its_link_is_read = [&] {
            interrupted = true;
            reader.run(pin);
            other.run([&] { retire(late); });
            inside.run(unpin);
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

// --- What happens while something is freed

TEST(what_is_freed_may_go_inside_retire_and_free_everything) {
    for (const bool at_once : {true, false}) {
        constexpr std::size_t depth = 10;
        std::array<Thing*, depth> things{};
        for (Thing*& thing : things) thing = &new_thing();
        for (std::size_t i = 0; i + 1 < depth; ++i)
            things[i]->when_freed = [&, i] {
                come_and_go();
                retire(*things[i + 1]);
                free_everything();
                check_equal(things[i + 1]->freed, 1);
            };
        Other inside;
        if (!at_once) inside.run(pin);
        retire(*things[0]);
        check_equal(things[0]->freed, at_once);
        if (!at_once) inside.run(unpin);
        free_everything();
        for (const Thing* thing : things) check_equal(thing->freed, 1);
    }
}

// What is in a bag that was filled meanwhile is not among what was seen to be free.
TEST(who_comes_inside_while_something_is_freed_holds_up_what_is_retired_then) {
    std::array<Thing*, 2 * until_a_bag> things{};
    std::array<Thing*, 4 * until_a_bag> late{};
    Other inside;
    inside.run(pin);
    for (Thing*& thing : things) retire(*(thing = &new_thing()));
    inside.run(unpin);
    for (const std::size_t first_freed : {std::size_t{0}, until_a_bag})
        things[first_freed]->when_freed = [&] {
            if (late[0]) return;
            inside.run(pin);
            for (Thing*& thing : late) retire(*(thing = &new_thing()));
        };
    remove_something();
    for (const Thing* thing : things) check_equal(thing->freed, 1);
    for (const Thing* thing : late) check_equal(thing->freed, 0);
    inside.run(unpin);
    remove_something();
    for (const Thing* thing : late) check_equal(thing->freed, 1);
}

TEST(each_of_many_that_are_freed_may_retire_more) {
    constexpr std::size_t count = 3 * until_a_bag;
    std::array<Thing*, count> things{};
    std::array<Thing*, count> more{};
    Other inside;
    inside.run(pin);
    for (std::size_t i = 0; i < count; ++i) {
        more[i] = &new_thing();
        things[i] = &new_thing();
        things[i]->when_freed = [&, i] { retire(*more[i]); };
        retire(*things[i]);
    }
    inside.run(unpin);
    free_everything();
    for (const Thing* thing : things) check_equal(thing->freed, 1);
    for (const Thing* thing : more) check_equal(thing->freed, 1);
}

// --- Records

TEST(a_thread_keeps_its_participant) {
    const Domain::Participant* participant = Domain::current();
    come_and_go();
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

TEST(the_record_of_a_thread_that_has_ended_is_used_again) {
    come_and_go();
    std::jthread(pin).join();  // even one that forgot to unpin, to which nothing else is promised
    Thing& thing = new_thing();
    retire(thing);
    check_equal(thing.freed, 1);
    std::jthread(unpin).join();
    const std::size_t count = count_of_participants();
    for (int i = 0; i < 1000; ++i) std::jthread(come_and_go).join();
    check_equal(count_of_participants(), count);
}

// --- The active list: how many participants a scan looks at

TEST(threads_that_have_ended_are_not_looked_at) {
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

TEST(threads_that_are_idle_are_not_looked_at_once_two_passes_have_found_them_so) {
    std::deque<Other> idle;
    for (int i = 0; i < 100; ++i) idle.emplace_back().run(come_and_go);
    pass();
    check_equal(count_of_active(), 101u);
    idle.front().run(come_and_go);  // used again in between
    pass();
    check_equal(count_of_active(), 2u);
    pass();
    check_equal(count_of_active(), 1u);
}

TEST(who_retires_puts_idle_threads_aside) {
    std::deque<Other> idle;
    for (int i = 0; i < 10; ++i) idle.emplace_back().run(come_and_go);
    for (int i = 0; i < 2; ++i) {
        TestClock::time += Domain::between_passes;
        for (std::uint32_t k = 0; k < Domain::scans_between_looks; ++k) remove_something();
    }
    check_equal(count_of_active(), 1u);
}

TEST(the_clock_is_looked_at_now_and_then_and_passes_are_rare) {
    Other idle;
    idle.run(come_and_go);
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

TEST(a_thread_that_is_inside_between_passes_is_never_put_aside) {
    Other busy;
    busy.run(come_and_go);
    const auto links = [&] {
        std::uint32_t count = 0;
        busy.run([&] { count = Domain::current()->links; });
        return count;
    };
    const std::uint32_t before = links();
    for (int i = 0; i < 100; ++i) {
        pass();
        busy.run(come_and_go);
    }
    check_equal(links(), before);
    put_all_aside();
    busy.run(come_and_go);
    busy.run(come_and_go);
    check_equal(links(), before + 1);
}

TEST(a_thread_that_stays_inside_is_not_put_aside) {
    Thing& thing = new_thing();
    Other inside;
    inside.run(pin);
    for (int i = 0; i < 3; ++i) put_all_aside();
    retire(thing);
    check_equal(thing.freed, 0);
    inside.run(unpin);
    free_everything();
    check_equal(thing.freed, 1);
}

TEST(a_thread_that_was_put_aside_is_seen_when_it_comes_inside_again) {
    const int written = 0;
    Other other;
    for (const bool writing : {false, true}) {
        Thing& thing = new_thing();
        other.run(come_and_go);
        put_all_aside();
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

TEST(a_thread_that_was_put_aside_itself_sees_all_others) {
    std::array<Other, 3> inside;
    Other other;
    Thing& thing = new_thing();
    inside[0].run(come_and_go);
    come_and_go();
    for (Other* each : {&inside[1], &inside[2]}) each->run(come_and_go);
    other.run([] {
        put_all_aside();
        check_equal(count_of_active(), 1u);
    });
    inside[1].run(pin);
    retire(thing);
    check_equal(thing.freed, 0);
    inside[1].run(unpin);
    remove_something();
    check_equal(thing.freed, 1);
    come_and_go();
}

// Whoever stands on a participant goes on from there, although it is unlinked, and maybe linked
// again.
TEST(a_scan_misses_nobody_when_the_record_where_it_stands_is_put_aside) {
    const int written = 0;
    for (const bool linked_again : {false, true}) {
        std::array<Other, 4> writers;  // the last one comes first
        Other another;
        another.run(come_and_go);
        for (Other& writer : writers) writer.run([&] { pin_writing(&written); });
        int pauses = 0;
        Domain::wait_for_writers(&written, [&] {
            // At the first of them: two are put aside; two are left, and waited for.
            if (++pauses == 1) {
                for (std::size_t i = 2; i < 4; ++i) writers.at(i).run(unpin);
                another.run(put_all_aside);
                if (linked_again)
                    for (std::size_t i = 2; i < 4; ++i) writers.at(i).run(come_and_go);
            } else {
                writers.at(pauses == 2 ? 1 : 0).run(unpin);
            }
        });
        check_equal(pauses, 3);
    }
}

TEST(of_many_threads_that_come_and_go_each_is_seen) {
    constexpr std::size_t count = 12;
    std::array<Other, count> others;
    std::uint32_t state = 12345;
    const auto below = [&](std::uint32_t n) {
        return (state = state * 1664525 + 1013904223) / 7 % n;
    };
    for (int round = 0; round < 300; ++round) {
        for (int i = 0; i < 4; ++i) others.at(below(count)).run(come_and_go);
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

TEST(writers_to_this_are_waited_for) {
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

TEST(neither_readers_nor_writers_to_something_else_are_waited_for) {
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

// --- After a fork, which leaves nothing of other threads but their participants

TEST(the_records_of_forgotten_threads_are_used_again) {
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

TEST(forgotten_threads_hold_nothing_up_and_what_they_retired_is_freed) {
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

// One that waits until it can be freed, detached, when another thread forks.
TEST(what_a_forgotten_thread_was_about_to_free_is_freed) {
    Thing& thing = new_thing();
    Other inside, waits;
    inside.run(pin);
    waits.run([&] {
        retire(thing);
        bool forked = false;
        Domain::free_everything(Domain::current(), [&] {
            if (std::exchange(forked, true)) return;
            std::jthread([&] {
                come_and_go();
                Domain::forget_other_threads();
                remove_something();
                check_equal(thing.freed, 1);
            }).join();
        });
    });
    check_equal(thing.freed, 1);
    Domain::forget_other_threads();
}

TEST(the_lists_that_a_forgotten_thread_was_changing_are_made_anew) {
    come_and_go();
    std::array<Other, 3> forgotten;
    for (Other& other : forgotten) other.run(come_and_go);
    const Domain::Locked held;
    Domain::forget_other_threads();
    check_equal(count_of_active(), 1u);
    std::jthread(come_and_go).join();
    put_all_aside();
    check_equal(count_of_active(), 1u);
}

TEST(what_was_left_for_all_is_left_to_the_thread_that_forks) {
    Thing& thing = new_thing();
    Other inside;
    inside.run(pin);
    Domain::leave_for_all(&thing);
    Domain::forget_other_threads();
    check(Domain::has_garbage());
    remove_something();
    check_equal(thing.freed, 1);
}

TEST(what_forgotten_threads_left_is_found_if_the_thread_that_is_left_has_no_participant) {
    Thing& thing = new_thing();
    Other inside, other;
    inside.run(pin);
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

TEST(a_thread_that_forks_while_it_is_put_aside_is_seen) {
    Thing& thing = new_thing();
    Other forks, other;
    forks.run(come_and_go);
    put_all_aside();
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

// --- Memory that is freed indeed, for the sanitizers to see

struct Memory {
    Memory* link = nullptr;
    std::uint64_t tag = 0;
    int content = 5;
};

struct Allocated {
    using Item = Memory*;
    static Item link(Item item) noexcept { return item->link; }
    static void set_link(Item item, Item link) noexcept { item->link = link; }
    static std::uint64_t tag(Item item) noexcept { return item->tag; }
    static void set_tag(Item item, std::uint64_t tag) noexcept { item->tag = tag; }
    static void free(Item item) noexcept {
        delete item;
        --alive;
    }
    static inline int alive = 0;
};

TEST(memory_can_be_read_inside_and_is_freed_afterwards) {
    using Heap = atomics::Reclaimer<Allocated>;
    constexpr int count = 100;
    std::array<Memory*, count> found{};
    Other inside;
    inside.run([] { Heap::pin(*Heap::current()); });
    for (Memory*& memory : found) {
        memory = new Memory;
        ++Allocated::alive;
        Heap::retire(*Heap::current(), memory);
    }
    check_equal(Allocated::alive, count);
    if (Allocated::alive == count)
        inside.run([&] {
            for (const Memory* memory : found) check_equal(memory->content, 5);
        });
    inside.run([] { Heap::unpin(*Heap::current()); });
    Heap::retire(*Heap::current(), (++Allocated::alive, new Memory));
    check_equal(Allocated::alive, 0);
}

}  // namespace
}  // namespace cereggii::testing
