// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <thread>

#include "check.hpp"
#include "reclaimer.hpp"

// When retired items are freed, and by which thread.
namespace cereggii::testing {
namespace {

// --- When an item is freed

TEST(an_item_is_freed_at_once_if_no_thread_is_pinned) {
    Other outside;
    outside.run(pin_and_unpin);
    for (int i = 0; i < 100; ++i) {
        Thing& thing = new_thing();
        check(!retire(thing));
        check_equal(thing.freed, 1);
    }
    check(nothing_waits());
}

TEST(an_item_waits_until_a_pinned_thread_unpins) {
    for (const bool writing : {false, true}) {
        Thing& thing = new_thing();
        Other pinned;
        pinned.run([&] { writing ? pin_writing(&thing) : pin(); });
        check(retire(thing));
        for (int i = 0; i < 3; ++i) {
            remove_something();
            check_equal(thing.freed, 0);
        }
        pinned.run(unpin);
        remove_something();
        check_equal(thing.freed, 1);
    }
}

TEST(an_item_waits_for_every_pinned_thread) {
    Thing& thing = new_thing();
    std::array<Other, 3> pinned;
    for (Other& other : pinned) other.run(pin);
    retire(thing);
    for (Other& other : pinned) {
        remove_something();
        check_equal(thing.freed, 0);
        other.run(unpin);
    }
    remove_something();
    check_equal(thing.freed, 1);
}

TEST(all_items_of_a_list_are_retired) {
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

TEST(many_items_wait_for_one_thread_that_stays_pinned) {
    constexpr std::size_t count = 1000;
    std::array<Thing*, count> things{};
    Other pinned;
    pinned.run(pin);
    for (Thing*& thing : things) retire(*(thing = &new_thing()));
    for (const Thing* thing : things) check_equal(thing->freed, 0);
    pinned.run(unpin);
    remove_something();
    for (const Thing* thing : things) check_equal(thing->freed, 1);
}

TEST(old_items_are_freed_even_if_a_thread_is_always_pinned) {
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

// --- By which thread

TEST(a_thread_frees_only_what_it_has_retired) {
    Thing& left = new_thing();
    Other other;
    pin();
    other.run([&] { retire(left); });
    unpin();
    for (int i = 0; i < 10'000; ++i) {
        pin_and_unpin();
        if (i % 10 == 0) remove_something();
    }
    check_equal(left.freed, 0);
    other.run(remove_something);
    check_equal(left.freed, 1);
    free_everything();
}

TEST(a_thread_frees_its_waiting_items_when_no_thread_is_pinned) {
    for (const std::size_t count : {std::size_t{1}, 3 * until_a_bag + 1}) {
        std::deque<Thing*> waiting;
        Other pinned;
        pinned.run(pin);
        for (std::size_t i = 0; i < count; ++i) retire(*waiting.emplace_back(&new_thing()));
        for (const Thing* thing : waiting) check_equal(thing->freed, 0);
        pinned.run(unpin);
        remove_something();
        for (const Thing* thing : waiting) check_equal(thing->freed, 1);
    }
}

TEST(any_thread_can_free_what_idle_and_ended_threads_left) {
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

TEST(a_thread_without_a_participant_can_free_everything) {
    Thing& left = new_thing();
    Other pinned;
    pinned.run(pin);
    retire(left);
    int pauses = 0;
    const std::size_t count = count_of_participants();
    std::jthread([&] {
        check(!Domain::current_if_any());
        Domain::free_everything(nullptr, [&] {
            check_equal(left.freed, 0);
            if (++pauses == 3) pinned.run(unpin);
        });
    }).join();
    check_equal(pauses, 3);
    check_equal(left.freed, 1);
    check_equal(count_of_participants(), count);
}

TEST(the_next_owner_of_a_participant_frees_what_the_last_one_left) {
    Thing& left = new_thing();
    pin();
    std::jthread([&] { retire(left); }).join();
    unpin();
    check_equal(left.freed, 0);
    std::jthread(remove_something).join();
    check_equal(left.freed, 1);
}

TEST(the_next_removal_frees_an_orphan) {
    Thing& thing = new_thing();
    Other leaves, other;
    leaves.run([&] { Domain::leave_for_all(&thing); });
    leaves.run([] {
        pin_and_unpin();
        retire(new_thing());  // which is not the removal of anything
    });
    check_equal(thing.freed, 0);
    check(Domain::has_garbage());
    other.run(remove_something);
    check_equal(thing.freed, 1);
    check(nothing_waits());
}

TEST(an_orphan_waits_with_the_thread_that_took_it) {
    Thing& thing = new_thing();
    Other pinned, other;
    pinned.run(pin);
    Domain::leave_for_all(&thing);
    other.run(remove_something);
    pinned.run(unpin);
    remove_something();
    check_equal(thing.freed, 0);
    other.run(remove_something);
    check_equal(thing.freed, 1);
}

TEST(free_everything_frees_orphans) {
    Other pinned;
    Thing& thing = new_thing();
    pinned.run(pin);
    Domain::leave_for_all(&thing);
    int pauses = 0;
    Domain::free_everything(Domain::current(), [&] {
        check_equal(thing.freed, 0);
        if (++pauses == 3) pinned.run(unpin);
    });
    check_equal(pauses, 3);
    check_equal(thing.freed, 1);
    check(nothing_waits());
}

// --- Memory that is really freed, for the sanitizers to see

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

TEST(memory_can_be_read_while_pinned_and_is_freed_afterwards) {
    using Heap = atomics::Reclaimer<Allocated>;
    constexpr int count = 100;
    std::array<Memory*, count> found{};
    Other pinned;
    pinned.run([] { Heap::pin(*Heap::current()); });
    for (Memory*& memory : found) {
        memory = new Memory;
        ++Allocated::alive;
        Heap::retire(*Heap::current(), memory);
    }
    check_equal(Allocated::alive, count);
    if (Allocated::alive == count)
        pinned.run([&] {
            for (const Memory* memory : found) check_equal(memory->content, 5);
        });
    pinned.run([] { Heap::unpin(*Heap::current()); });
    Heap::retire(*Heap::current(), (++Allocated::alive, new Memory));
    check_equal(Allocated::alive, 0);
}

}  // namespace
}  // namespace cereggii::testing
