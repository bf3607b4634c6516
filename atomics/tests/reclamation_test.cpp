// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/reclamation.hpp"

#include <array>
#include <atomic>
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

using Domain = atomics::Reclaimer<Things>;

// They outlive the tests: a test that fails may leave them in the reclaimer's lists.
Thing& new_thing() {
    static std::deque<Thing> things;
    return things.emplace_back();
}

void pin() { Domain::pin(*Domain::mine()); }
void pin_writing(const void* to) { Domain::pin_writing(*Domain::mine(), to); }
void unpin() { Domain::unpin(*Domain::mine()); }
void retire(Thing& thing) { Domain::retire(*Domain::mine(), &thing); }
void collect() { Domain::collect(*Domain::mine()); }

// Goes inside and outside, so often that what others have left is looked at.
constexpr int until_a_look = 64;
void come_and_go(int times = until_a_look) {
    for (int i = 0; i < times; ++i) {
        pin();
        unpin();
        Domain::after_unpin(*Domain::mine());
    }
}

// After this many retirements while others are inside, a thread looks what can be freed.
constexpr std::size_t until_a_collection = 32;

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

std::size_t count_of_records() {
    std::size_t count = 0;
    for (const Domain::Record* record = Domain::first(); record; record = record->next) ++count;
    return count;
}

// --- What is freed when

TEST(what_is_retired_while_nobody_is_inside_is_freed_at_once) {
    Other outside;
    outside.run([] { come_and_go(); });
    for (int i = 0; i < 100; ++i) {
        Thing& thing = new_thing();
        retire(thing);
        check_equal(thing.freed, 1);
    }
    come_and_go();
    collect();
}

TEST(what_a_thread_inside_may_have_found_is_freed_after_it_has_left) {
    for (const bool writing : {false, true}) {
        Thing& thing = new_thing();
        Other inside;
        inside.run([&] { writing ? pin_writing(&thing) : pin(); });
        retire(thing);
        for (int i = 0; i < 3; ++i) {
            collect();
            come_and_go();
            check_equal(thing.freed, 0);
        }
        inside.run(unpin);
        collect();
        check_equal(thing.freed, 1);
    }
}

TEST(nobody_who_was_inside_may_be_left) {
    Thing& thing = new_thing();
    std::array<Other, 3> inside;
    for (Other& other : inside) other.run(pin);
    retire(thing);
    for (Other& other : inside) {
        collect();
        check_equal(thing.freed, 0);
        other.run(unpin);
    }
    collect();
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
        collect();
        for (const Thing* thing : things) check_equal(thing->freed, 1);
    }
}

TEST(who_comes_after_a_collection_holds_up_nothing_that_was_retired_before) {
    Thing& thing = new_thing();
    Other before, after;
    before.run(pin);
    retire(thing);
    collect();
    after.run(pin);
    before.run(unpin);
    check_equal(thing.freed, 0);
    collect();
    check_equal(thing.freed, 1);
    after.run(unpin);
}

TEST(many_that_are_retired_while_one_thread_stays_inside_are_kept_and_then_freed) {
    constexpr std::size_t count = 1000;
    std::array<Thing*, count> things{};
    Other inside;
    inside.run(pin);
    for (Thing*& thing : things) retire(*(thing = &new_thing()));
    come_and_go();
    for (const Thing* thing : things) check_equal(thing->freed, 0);
    inside.run(unpin);
    collect();
    for (const Thing* thing : things) check_equal(thing->freed, 1);
}

TEST(although_somebody_is_always_inside_what_is_old_enough_is_freed) {
    constexpr std::size_t rounds = 100;
    std::array<Thing*, rounds * until_a_collection> things{};
    std::array<Other, 2> others;
    others[0].run(pin);
    for (std::size_t i = 0; i < things.size(); ++i) {
        retire(*(things[i] = &new_thing()));
        const std::size_t round = i / until_a_collection;
        if (i % until_a_collection == until_a_collection - 1) {
            others[(round + 1) % 2].run(pin);
            others[round % 2].run(unpin);
        }
    }
    std::size_t freed = 0;
    for (const Thing* thing : things) freed += static_cast<std::size_t>(thing->freed);
    check(freed >= (rounds - 2) * until_a_collection, "what is retired piles up");
    for (Other& other : others) other.run(unpin);
    collect();
    for (const Thing* thing : things) check_equal(thing->freed, 1);
}

// --- By whom

TEST(what_an_idle_thread_has_retired_is_freed_by_who_comes_and_goes) {
    Thing& thing = new_thing();
    Other idle;
    pin();
    idle.run([&] { retire(thing); });
    unpin();
    check_equal(thing.freed, 0);
    come_and_go();
    check_equal(thing.freed, 1);
}

TEST(what_a_thread_has_retired_that_has_ended_is_freed_by_who_comes_and_goes) {
    Thing& thing = new_thing();
    pin();
    Other().run([&] { retire(thing); });
    unpin();
    check_equal(thing.freed, 0);
    come_and_go();
    check_equal(thing.freed, 1);
}

TEST(what_was_looked_at_too_early_is_looked_at_again) {
    Thing& thing = new_thing();
    {
        Other inside;
        inside.run(pin);
        Other().run([&] { retire(thing); });
        come_and_go(10 * until_a_look);
        check_equal(thing.freed, 0);
        inside.run(unpin);
    }
    come_and_go();
    check_equal(thing.freed, 1);
}

TEST(who_retires_while_nobody_is_inside_frees_what_waits_of_its_own_too) {
    for (const std::size_t count : {std::size_t{1}, 3 * until_a_collection + 1}) {
        std::deque<Thing*> waiting;
        Other inside;
        inside.run(pin);
        for (std::size_t i = 0; i < count; ++i) retire(*waiting.emplace_back(&new_thing()));
        for (const Thing* thing : waiting) check_equal(thing->freed, 0);
        inside.run(unpin);
        retire(new_thing());
        for (const Thing* thing : waiting) check_equal(thing->freed, 1);
    }
}

TEST(who_retires_while_nobody_is_inside_frees_what_was_left_too) {
    Thing& left = new_thing();
    Other other;
    pin();
    other.run([&] { retire(left); });
    unpin();
    retire(new_thing());
    check_equal(left.freed, 1);
}

TEST(much_that_a_thread_has_retired_that_has_ended_is_freed_by_who_comes_and_goes) {
    std::array<Thing*, 10 * until_a_collection> things{};
    pin();
    Other().run([&] {
        for (Thing*& thing : things) retire(*(thing = &new_thing()));
    });
    unpin();
    come_and_go();
    for (const Thing* thing : things) check_equal(thing->freed, 1);
}

TEST(although_somebody_is_always_inside_what_an_idle_thread_has_retired_is_freed_at_last) {
    Thing& thing = new_thing();
    Other idle;
    std::array<Other, 2> others;
    others[0].run(pin);
    idle.run([&] { retire(thing); });
    for (std::size_t i = 0; i < 1000 && thing.freed == 0; ++i) {
        others[(i + 1) % 2].run(pin);
        others[i % 2].run(unpin);
        come_and_go();
    }
    check_equal(thing.freed, 1);
    for (Other& other : others) other.run(unpin);
}

// --- While another thread collects

// The newest record is asked first what waits in it.
TEST(what_is_retired_during_a_collection_is_not_freed_too_early) {
    Other older, newer, inside, reader;
    older.run([] { come_and_go(); });
    for (const bool somebody_is_inside : {true, false}) {
        Thing& collected = new_thing();
        Thing& found = new_thing();
        inside.run(pin);
        newer.run([&] { retire(collected); });
        if (!somebody_is_inside) inside.run(unpin);
        bool interrupted = false;
        collected.when_its_link_is_read = [&] {
            interrupted = true;
            inside.run(pin);
            older.run([] {
                retire(new_thing());
                collect();
            });
            reader.run(pin);  // finds something
            older.run([&] { retire(found); });
            inside.run(unpin);
        };
        collect();
        check(interrupted);
        check_equal(found.freed, 0);
        reader.run(unpin);
        collect();
        check_equal(found.freed, 1);
        check_equal(collected.freed, 1);
    }
}

TEST(what_is_retired_during_a_collection_is_not_forgotten) {
    Thing& collected = new_thing();
    Thing& late = new_thing();
    Other inside, other;
    inside.run(pin);
    other.run([&] { retire(collected); });
    bool interrupted = false;
    collected.when_its_link_is_read = [&] {
        interrupted = true;
        other.run([&] { retire(late); });
        inside.run(unpin);
    };
    collect();
    check(interrupted);
    come_and_go();
    check_equal(collected.freed, 1);
    check_equal(late.freed, 1);
}

// --- What happens while something is freed

TEST(what_is_freed_may_go_inside_retire_and_collect) {
    for (const bool at_once : {true, false}) {
        constexpr std::size_t depth = 10;
        std::array<Thing*, depth> things{};
        for (Thing*& thing : things) thing = &new_thing();
        for (std::size_t i = 0; i + 1 < depth; ++i)
            things[i]->when_freed = [&, i] {
                come_and_go();
                retire(*things[i + 1]);
                collect();
                check_equal(things[i + 1]->freed, 1);
            };
        Other inside;
        if (!at_once) inside.run(pin);
        retire(*things[0]);
        check_equal(things[0]->freed, at_once);
        if (!at_once) inside.run(unpin);
        collect();
        for (const Thing* thing : things) check_equal(thing->freed, 1);
    }
}

// What is in a bag that was filled meanwhile is not among what was seen to be free.
TEST(who_comes_inside_while_something_is_freed_holds_up_what_is_retired_then) {
    std::array<Thing*, 2 * until_a_collection> things{};
    std::array<Thing*, 4 * until_a_collection> late{};
    Other inside;
    inside.run(pin);
    for (Thing*& thing : things) retire(*(thing = &new_thing()));
    inside.run(unpin);
    for (const std::size_t first_freed : {std::size_t{0}, until_a_collection})
        things[first_freed]->when_freed = [&] {
            if (late[0]) return;
            inside.run(pin);
            for (Thing*& thing : late) retire(*(thing = &new_thing()));
        };
    retire(new_thing());
    for (const Thing* thing : things) check_equal(thing->freed, 1);
    for (const Thing* thing : late) check_equal(thing->freed, 0);
    inside.run(unpin);
    retire(new_thing());
    for (const Thing* thing : late) check_equal(thing->freed, 1);
}

TEST(each_of_many_that_are_freed_may_retire_more) {
    constexpr std::size_t count = 3 * until_a_collection;
    std::array<Thing*, count> things{};
    std::array<Thing*, count> more{};
    Other inside;
    inside.run(pin);
    for (std::size_t i = 0; i < count; ++i) {
        more[i] = &new_thing();
        things[i] = &new_thing();
        things[i]->when_freed = [&, i] {
            retire(*more[i]);
            come_and_go(1);
        };
        retire(*things[i]);
    }
    inside.run(unpin);
    collect();
    for (const Thing* thing : things) check_equal(thing->freed, 1);
    for (const Thing* thing : more) check_equal(thing->freed, 1);
}

// --- Records

TEST(a_thread_keeps_its_record) {
    const Domain::Record* record = Domain::mine();
    come_and_go();
    check(record && Domain::mine() == record);
    Other other;
    other.run([&] { check(Domain::mine() != record, "two threads have one record"); });
}

TEST(threads_that_run_together_have_different_numbers) {
    std::set<std::uint32_t> numbers;
    std::array<Other, 20> others;
    for (Other& other : others)
        other.run([&] { check(numbers.insert(Domain::mine()->number).second); });
}

TEST(the_record_of_a_thread_that_has_ended_is_used_again) {
    come_and_go();
    std::jthread(pin).join();  // even one that forgot to unpin, to which nothing else is promised
    std::jthread([] { unpin(); }).join();
    const std::size_t count = count_of_records();
    for (int i = 0; i < 1000; ++i) std::jthread([] { come_and_go(1); }).join();
    check_equal(count_of_records(), count);
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
            writers.at(static_cast<std::size_t>(pauses / 3 - 1)).run([&] {
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

// --- After a fork, which leaves nothing of other threads but their records

TEST(the_records_of_forgotten_threads_are_used_again) {
    Domain::Record* mine = Domain::mine();
    Other forgotten;
    Domain::Record* record = nullptr;
    forgotten.run([&] { record = Domain::mine(); });
    const std::size_t count = count_of_records();
    Domain::forget_other_threads();
    check(Domain::mine() == mine);
    std::set<const Domain::Record*> lent;
    std::deque<Other> others;  // one more than there are records but the calling thread's
    for (std::size_t i = 0; i < count; ++i)
        others.emplace_back().run([&] { lent.insert(Domain::mine()); });
    check(lent.contains(record));
    check(!lent.contains(mine), "the calling thread was forgotten as well");
    check_equal(count_of_records(), count + 1);
}

TEST(forgotten_threads_hold_nothing_up_and_what_they_retired_is_freed) {
    Thing& before = new_thing();
    Other forgotten;
    pin();
    forgotten.run([&] { retire(before); });
    unpin();
    forgotten.run(pin);  // it could not be, at a fork; this shows that nothing of it is left
    Domain::forget_other_threads();
    Thing& after = new_thing();
    retire(after);
    check_equal(after.freed, 1);
    check_equal(before.freed, 1);
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
    inside.run([] { Heap::pin(*Heap::mine()); });
    for (Memory*& memory : found) {
        memory = new Memory;
        ++Allocated::alive;
        Heap::retire(*Heap::mine(), memory);
    }
    Heap::collect(*Heap::mine());
    check_equal(Allocated::alive, count);
    if (Allocated::alive == count)
        inside.run([&] {
            for (const Memory* memory : found) check_equal(memory->content, 5);
        });
    inside.run([] { Heap::unpin(*Heap::mine()); });
    Heap::retire(*Heap::mine(), (++Allocated::alive, new Memory));
    check_equal(Allocated::alive, 0);
}

}  // namespace
}  // namespace cereggii::testing
