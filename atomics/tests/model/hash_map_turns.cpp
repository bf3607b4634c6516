// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cstddef>

#include "hash_map_calls.hpp"

// Operations one after the other, by threads that take turns. A thread knows of what the others have
// done only what it finds in the map. Each operation has to find all that was done before it began.
namespace cereggii::model {
namespace {

constexpr std::size_t thread_count = 3, turn_count = 7;

// What a thread does for the tables.
enum class Work { none, append, append_larger, help, move_all, make_room, drop, count };

struct Turn {
    unsigned thread = 0;
    Work work = Work::none;
    Call call;
};

struct Program {
    World world;
    std::array<Turn, turn_count> program{};
    Schedule turns;
    State state{};

    Program() {
        for (Turn& turn : program) {
            turn.thread = choose(thread_count);
            if (choose(2))
                turn.work = static_cast<Work>(choose(static_cast<unsigned>(Work::count)));
            turn.call = random_call(key_count);
            if (choose(16) == 0) turn.call.operation = Operation::clear;
        }
    }

    void work(Work what) {
        switch (what) {
            case Work::append: world.append(); break;
            case Work::append_larger: world.append(16); break;
            case Work::help: world.help(); break;
            case Work::move_all: world.move_all(); break;
            case Work::make_room: world.make_room(8); break;
            case Work::drop: world.drop(); break;
            default: break;
        }
    }

    auto thread(unsigned number) {
        return [this, number] {
            Reclaimer::current();
            for (std::size_t i = 0; i < turn_count; ++i) {
                turns.wait_for(static_cast<int>(i));
                if (program[i].thread == number) {
                    work(program[i].work);
                    const int outcome = run(world, program[i].call);
                    check(explains(state, program[i].call, outcome),
                          "an operation has missed what was done before");
                    turns.end();
                }
                turns.wait_for(static_cast<int>(i) + 1);
            }
        };
    }
};

SCENARIO(operations_find_what_was_done_before,
         {.preemptions = 0, .stale_reads = 3, .at_random = true}) {
    Program program;
    threads(program.thread(0), program.thread(1), program.thread(2));
    check(program.world.items() == program.state, "the end is wrong");
    program.world.check_end();
}

// ── one thread after the other ──────────────────────────────────────────────────────────────────

// What the first thread does has ended when the second one begins.
template <class First, class Second>
void one_after_the_other(const First& first, const Second& second) {
    Schedule turns;
    threads(
        [&] {
            first();
            turns.end();
            turns.wait_for(2);
        },
        [&] {
            Reclaimer::current();
            turns.wait_for(1);
            second();
            turns.end();
        });
}

SCENARIO(an_insertion_is_found, {.preemptions = 0, .stale_reads = 2}) {
    World world;
    world.set(2, 4);
    one_after_the_other([&] { world.set(0, 1); },
                        [&] { check(world.get(0) == 1, "a key is missed"); });
    world.check_end({1, 0, 4});
}

SCENARIO(an_update_is_found, {.preemptions = 0, .stale_reads = 2}) {
    World world;
    world.set(0, 1);
    one_after_the_other([&] { world.set(0, 2); },
                        [&] { check(world.get(0) == 2, "an update is missed"); });
    world.check_end({2});
}

SCENARIO(an_update_is_found_by_a_compare_and_set, {.preemptions = 0, .stale_reads = 2}) {
    World world;
    world.set(0, 1);
    one_after_the_other([&] { world.set(0, 2); },
                        [&] { check(world.replace(0, 2, 3), "an update is missed"); });
    world.check_end({3});
}

SCENARIO(an_update_is_found_by_an_update_that_takes_it_back, {.preemptions = 0, .stale_reads = 2}) {
    World world;
    world.set(0, 1);
    one_after_the_other([&] { world.set(0, 2); },
                        [&] { check(world.set(0, 1) == 2, "an update is missed"); });
    world.check_end({1});
}

// The migrator sleeps, so nothing but the value says that the key was deleted.
template <class Delete, class Look>
void delete_beside_a_sleeper(const Delete& remove, const Look& look, int at_end) {
    World world;
    world.set(0, 1);
    world.claim_for_a_sleeper(0);
    world.append();
    world.change_moving(true);
    one_after_the_other([&] { remove(world); }, [&] { look(world); });
    world.change_moving(false);
    world.wake_sleeper(0);
    world.check_end({at_end});
}

SCENARIO(a_deletion_is_found_by_a_lookup, {.preemptions = 0, .stale_reads = 2}) {
    delete_beside_a_sleeper([](World& world) { world.remove(0); },
                            [](World& world) { check(world.get(0) == absent); }, absent);
}

SCENARIO(a_deletion_is_found_by_a_search_for_the_key, {.preemptions = 0, .stale_reads = 2}) {
    delete_beside_a_sleeper([](World& world) { world.remove(0); },
                            [](World& world) { check(!world.contains(0)); }, absent);
}

SCENARIO(a_deletion_is_found_by_an_insertion, {.preemptions = 0, .stale_reads = 2}) {
    delete_beside_a_sleeper([](World& world) { world.remove(0); },
                            [](World& world) { check(world.add_quietly(0, 2)); }, 2);
}

SCENARIO(what_was_popped_is_not_found, {.preemptions = 0, .stale_reads = 2}) {
    delete_beside_a_sleeper([](World& world) { check(world.pop().value == 1); },
                            [](World& world) { check(world.get(0) == absent); }, absent);
}

// ── tables ──────────────────────────────────────────────────────────────────────────────────────

SCENARIO(a_key_of_the_next_table_is_found, {.preemptions = 0, .stale_reads = 2}) {
    World world;
    world.set(0, 1);
    world.claim_for_a_sleeper(0);
    one_after_the_other(
        [&] {
            world.append();
            world.set(1, 2);
        },
        [&] { check(world.get(1) == 2, "a key is missed"); });
    world.wake_sleeper(0);
    world.check_end({1, 2});
}

// All slots of the root are tombstones.
void fill_with_tombstones(World& world) {
    world.make_room(1);
    memory_is_short = true;
    for (int i = 0; i < 8; ++i) {
        world.set(0, 1);
        world.remove(0);
    }
    memory_is_short = false;
}

SCENARIO(a_key_behind_a_full_table_is_found, {.preemptions = 0, .stale_reads = 2}) {
    World world;
    fill_with_tombstones(world);
    world.claim_for_a_sleeper(0);
    one_after_the_other([&] { world.set(0, 2); },
                        [&] { check(world.get(0) == 2, "a key is missed"); });
    world.wake_sleeper(0);
    world.check_end({2});
}

// A table of two chunks. One is empty, and its MOVED slot still names the key.
SCENARIO(a_deletion_of_a_key_that_was_moved, {.preemptions = 0, .stale_reads = 2}) {
    World world;
    world.make_room(8);
    world.set(0, 1);
    world.append(16);
    world.claim_for_a_sleeper(1);
    world.help();
    one_after_the_other([&] { world.remove(0); }, [&] { check(world.get(0) == absent); });
    world.wake_sleeper(1);
    world.check_end({});
}

// The same, and the slot became MOVED just before.
SCENARIO(a_key_is_deleted_when_it_was_moved, {.preemptions = 0, .stale_reads = 3}) {
    World world;
    world.make_room(8);
    world.set(0, 1);
    world.append(16);
    world.claim_for_a_sleeper(1);
    one_after_the_other([&] { world.help(); }, [&] { world.remove(0); });
    world.wake_sleeper(1);
    world.check_end({});
}

SCENARIO(a_table_that_was_dropped, {.preemptions = 0, .stale_reads = 2}) {
    World world;
    world.set(0, 1);
    world.remove(0);
    one_after_the_other([&] { world.drop(); }, [&] { check(world.get(0) == absent); });
    world.check_end({});
}

SCENARIO(a_table_that_was_emptied_and_one_to_append, {.preemptions = 0, .stale_reads = 2}) {
    World world;
    world.set(0, 1);
    const std::uint64_t generation = world.generation();
    world.append();
    one_after_the_other([&] { world.move_all(); }, [&] { world.append_to(generation); });
    world.check_end({1});
}

SCENARIO(a_table_that_was_cleared_and_its_length, {.preemptions = 0, .stale_reads = 2}) {
    World world;
    world.set(0, 1);
    one_after_the_other([&] { world.clear(); }, [&] { approximate_length(world.map); });
    world.check_end({});
}

SCENARIO(a_table_that_was_cleared_and_its_size, {.preemptions = 0, .stale_reads = 2}) {
    World world;
    world.set(0, 1);
    one_after_the_other([&] { world.clear(); },
                        [&] {
                            allocated_by(world.map);
                            total_detour(world.map);
                        });
    world.set(0, 1);
    world.append();
    check(allocated_by(world.map) > 0);
    check(total_detour(world.map) == 0);
    world.check_end({1});
}

SCENARIO(an_insertion_is_found_by_a_search, {.preemptions = 0, .stale_reads = 2}) {
    World world;
    world.make_room(1);
    one_after_the_other([&] { world.set(0, 1); },
                        [&] { check(world.search()[0] == 1, "a key is missed"); });
    world.check_end({1});
}

SCENARIO(an_insertion_is_found_by_a_search_of_bundles, {.preemptions = 0, .stale_reads = 2}) {
    World world;
    world.make_room(50);
    one_after_the_other([&] { world.set(0, 1); },
                        [&] { check(world.search()[0] == 1, "a key is missed"); });
    world.check_end({1});
}

SCENARIO(a_deletion_and_what_is_popped, {.preemptions = 0, .stale_reads = 2}) {
    World world;
    world.set(0, 1);
    world.set(2, 4);
    one_after_the_other([&] { world.remove(0); }, [&] { check(world.pop().key == 2); });
    world.check_end({});
}

// ── while Python code compares keys ─────────────────────────────────────────────────────────────

// The second thread does this while the first one compares.
template <class First, class Second>
void while_keys_are_compared(const First& first, const Second& second) {
    static Schedule* turns;
    Schedule mine;
    turns = &mine;
    threads(
        [&] {
            python_code = [] {
                turns->end();
                turns->wait_for(2);
            };
            first();
            turns->end();
        },
        [&] {
            Reclaimer::current();
            turns->wait_for(1);
            second();
            turns->end();
            turns->wait_for(3);
        });
    python_code = nullptr;
}

SCENARIO(a_table_that_is_emptied_during_a_comparison, {.preemptions = 0, .stale_reads = 2}) {
    World world;
    world.set(0, 1);
    world.append();
    while_keys_are_compared([&] { check(world.get_by_equal(0) == 1); }, [&] { world.move_all(); });
    world.check_end({1});
}

}  // namespace
}  // namespace cereggii::model
