// SPDX-License-Identifier: Apache-2.0
#include "hash_map_world.hpp"

// The map: its operations on a few keys, while tables are appended, emptied and dropped. The values
// say which operation has stored them.
namespace cereggii::model {
namespace {

// ── one table ───────────────────────────────────────────────────────────────────────────────────

SCENARIO(an_insertion_and_a_lookup, {.preemptions = 3, .stale_reads = 2}) {
    World world;
    int found = 0;
    threads([&] { world.set(0, 1); }, [&] { found = world.get(0); });
    check(found == absent || found == 1);
    world.check_end({1});
}

SCENARIO(two_insertions_of_a_key, {.preemptions = 2, .stale_reads = 1}) {
    World world;
    world.set(2, 4);  // so that there is a table
    int a = 0, b = 0;
    threads([&] { a = world.add(0, 1); }, [&] { b = world.add(0, 2); });
    check((a == absent && b == 1) || (b == absent && a == 2));
    world.check_end({a == absent ? 1 : 2, 0, 4});
}

SCENARIO(two_insertions_in_an_empty_map, {.preemptions = 2, .stale_reads = 1}) {
    World world;
    threads([&] { world.set(0, 1); }, [&] { world.set(1, 2); });
    world.check_end({1, 2});
}

SCENARIO(an_update_and_a_lookup, {.preemptions = 3, .stale_reads = 2}) {
    World world;
    world.set(0, 1);
    int found = 0;
    threads([&] { check(world.set(0, 2) == 1); }, [&] { found = world.get(0); });
    check(found == 1 || found == 2);
    world.check_end({2});
}

SCENARIO(a_deletion_and_a_lookup, {.preemptions = 3, .stale_reads = 2}) {
    World world;
    world.set(0, 1);
    int found = 0;
    threads([&] { check(world.remove(0) == 1); }, [&] { found = world.get(0); });
    check(found == absent || found == 1);
    world.check_end({});
}

SCENARIO(a_deletion_and_an_insertion, {.preemptions = 2, .stale_reads = 1}) {
    World world;
    world.set(0, 1);
    int before = 0;
    threads([&] { world.remove(0); }, [&] { before = world.set(0, 2); });
    check(before == absent || before == 1);
    world.check_end();
}

SCENARIO(one_of_two_deletions_gets_the_value, {.preemptions = 3, .stale_reads = 1}) {
    World world;
    world.set(0, 1);
    int a = 0, b = 0;
    threads([&] { a = world.remove(0); }, [&] { b = world.remove(0); });
    check((a == 1) != (b == 1));
    world.check_end({});
}

SCENARIO(one_of_two_compare_and_sets_wins, {.preemptions = 3, .stale_reads = 1}) {
    World world;
    world.set(0, 1);
    bool a = false, b = false;
    threads([&] { a = world.replace(0, 1, 2); }, [&] { b = world.replace(0, 1, 3); });
    check(a != b);
    world.check_end({a ? 2 : 3});
}

SCENARIO(a_compare_and_set_and_a_deletion, {.preemptions = 3, .stale_reads = 1}) {
    World world;
    world.set(0, 1);
    bool a = false, b = false;
    threads([&] { a = world.replace(0, 1, 2); }, [&] { b = world.remove_if(0, 1); });
    check(a != b);
    world.check_end({a ? 2 : 0});
}

// What was written before an insertion is visible to a thread that finds the key.
SCENARIO(an_insertion_passes_on_what_came_before, {.preemptions = 3, .stale_reads = 2}) {
    World world;
    world.set(2, 4);
    Plain<int> message{0};
    threads(
        [&] {
            message = 7;
            world.set(0, 1);
        },
        [&] {
            if (world.get(0) == 1) check(message == 7);
        });
    world.check_end({1, 0, 4});
}

// Two threads that each insert a key and look for the other one's: one of them finds it.
SCENARIO(operations_are_sequentially_consistent, {.preemptions = 2, .stale_reads = 2}) {
    World world;
    world.set(2, 4);
    int a = 0, b = 0;
    threads(
        [&] {
            world.set(0, 1);
            a = world.get(1);
        },
        [&] {
            world.set(1, 2);
            b = world.get(0);
        });
    check(a == 2 || b == 1, "both threads have missed the other one's key");
    world.check_end({1, 2, 4});
}

SCENARIO(updates_are_sequentially_consistent, {.preemptions = 2, .stale_reads = 2}) {
    World world;
    world.set(0, 3);
    world.set(1, 3);
    int a = 0, b = 0;
    threads(
        [&] {
            world.set(0, 1);
            a = world.get(1);
        },
        [&] {
            world.set(1, 2);
            b = world.get(0);
        });
    check(a == 2 || b == 1, "both threads have missed the other one's value");
    world.check_end({1, 2});
}

// ── migration ───────────────────────────────────────────────────────────────────────────────────

SCENARIO(a_lookup_while_keys_move, {.preemptions = 3, .stale_reads = 1}) {
    World world;
    world.set(0, 1);
    world.append();
    threads([&] { world.help(); }, [&] { check(world.get(0) == 1, "a key is missed"); });
    world.check_end({1});
}

SCENARIO(an_absent_key_while_keys_move, {.preemptions = 2, .stale_reads = 1}) {
    World world;
    world.set(0, 1);
    world.append();
    int found = 0;
    threads([&] { world.help(); }, [&] { world.set(1, 2); }, [&] { found = world.get(1); });
    check(found == absent || found == 2);
    world.check_end({1, 2});
}

SCENARIO(a_deletion_while_keys_move, {.preemptions = 3, .stale_reads = 1}) {
    World world;
    world.set(0, 1);
    world.append();
    threads([&] { world.help(); }, [&] { check(world.remove(0) == 1); });
    world.check_end({});
}

SCENARIO(a_deletion_and_a_lookup_while_keys_move, {.preemptions = 2, .stale_reads = 1}) {
    World world;
    world.set(0, 1);
    world.append();
    threads([&] { world.help(); }, [&] { world.remove(0); },
            [&] {
                const int first = world.get(0);
                const int second = world.get(0);
                check(first == 1 || second == absent, "a deleted key comes back");
            });
    world.check_end({});
}

SCENARIO(an_insertion_while_keys_move, {.preemptions = 3, .stale_reads = 1}) {
    World world;
    world.set(0, 1);
    world.append();
    threads([&] { world.help(); }, [&] { check(world.set(1, 2) == absent); });
    world.check_end({1, 2});
}

SCENARIO(two_insertions_of_a_key_while_keys_move, {.preemptions = 2, .stale_reads = 1}) {
    World world;
    world.set(2, 4);
    world.append();
    int a = 0, b = 0;
    threads([&] { world.help(); }, [&] { a = world.add(0, 1); }, [&] { b = world.add(0, 2); });
    check((a == absent && b == 1) || (b == absent && a == 2), "a key was inserted twice");
    world.check_end({a == absent ? 1 : 2, 0, 4});
}

SCENARIO(a_table_is_appended_beside_an_insertion, {.preemptions = 3, .stale_reads = 1}) {
    World world;
    world.set(0, 1);
    threads(
        [&] {
            world.append();
            world.move_all();
        },
        [&] { world.set(1, 2); });
    world.check_end({1, 2});
}

SCENARIO(a_key_is_moved_to_a_larger_table, {.preemptions = 2, .stale_reads = 1}) {
    World world;
    world.set(0, 1);
    world.append(16);
    threads([&] { world.help(); }, [&] { world.set(0, 2); }, [&] { world.remove(0); });
    world.check_end();
}

// ── all keys ────────────────────────────────────────────────────────────────────────────────────

SCENARIO(a_clear_and_an_insertion, {.preemptions = 3, .stale_reads = 1}) {
    World world;
    world.set(0, 1);
    threads([&] { world.clear(); }, [&] { world.set(1, 2); });
    check(world.get(0) == absent);
    world.check_end();
}

SCENARIO(a_clear_and_a_lookup, {.preemptions = 3, .stale_reads = 2}) {
    World world;
    world.set(0, 1);
    int found = 0;
    threads([&] { world.clear(); }, [&] { found = world.get(0); });
    check(found == absent || found == 1);
    world.check_end({});
}

SCENARIO(a_clear_while_keys_move, {.preemptions = 2, .stale_reads = 1}) {
    World world;
    world.set(0, 1);
    world.append();
    threads([&] { world.help(); }, [&] { world.clear(); }, [&] { world.set(1, 2); });
    check(world.get(0) == absent);
    world.check_end();
}

SCENARIO(a_length_is_that_of_one_instant, {.preemptions = 2, .stale_reads = 1}) {
    World world;
    world.set(0, 1);
    int length = 0;
    threads(
        [&] {
            world.set(1, 2);
            world.remove(0);
        },
        [&] { length = world.length(); });
    check(length == 1 || length == 2, "a length that the map never had");
    world.check_end({0, 2});
}

// A migration that does not wait for the gate.
SCENARIO(all_items_while_keys_move, {.preemptions = 2, .stale_reads = 1}) {
    World world;
    world.set(0, 1);
    world.append();
    threads([&] { check(world.items()[0] == 1, "a key is missed"); },
            [&] { world.move_all_without_waiting(); });
    world.check_end({1});
}

SCENARIO(a_table_is_dropped_beside_an_insertion, {.preemptions = 2, .stale_reads = 1}) {
    World world;
    world.set(0, 1);
    world.remove(0);
    threads([&] { world.set(1, 2); }, [&] { world.drop(); });
    world.check_end({0, 2});
}

SCENARIO(room_is_made_while_keys_move, {.preemptions = 2, .stale_reads = 1}) {
    World world;
    world.set(0, 1);
    threads([&] { world.make_room(1); },
            [&] {
                world.append();
                world.move_all();
            });
    world.check_end({1});
}

SCENARIO(a_comparison_in_python_and_a_deletion, {.preemptions = 2, .stale_reads = 1}) {
    World world;
    world.set(0, 1);
    int found = 0;
    threads([&] { found = world.get_by_equal(0); }, [&] { world.remove(0); });
    check(found == absent || found == 1);
    world.check_end({});
}

SCENARIO(an_item_is_popped_beside_a_deletion, {.preemptions = 2, .stale_reads = 1}) {
    World world;
    world.set(0, 1);
    int popped = 0, removed = 0;
    threads([&] { popped = world.pop().value; }, [&] { removed = world.remove(0); });
    check(popped + removed == 1, "a key was taken out twice, or is lost");
    world.check_end({});
}

// The address of a value that was replaced is another object's when a lookup counts its reference.
SCENARIO(the_address_of_a_value_is_used_again, {.preemptions = 2, .stale_reads = 1}) {
    World world;
    world.set(0, 1);
    int found = 0;
    threads([&] { found = world.get(0); },
            [&] {
                world.set(0, 2);
                world.use_address_again(1, 50);
            });
    check(found == 1 || found == 2, "a value that the map never had");
}

// A migrator has found no room. Either it sees that the deletion has left the node to it, or the
// deletion sees that the slot is not MOVING any more.
SCENARIO(a_deletion_beside_a_migrator_that_gives_up, {.preemptions = 2, .stale_reads = 1}) {
    World world;
    world.set(0, 1);
    world.claim_for_a_sleeper(0);
    world.append();
    world.change_moving(true);
    bool is_left = false;
    threads([&] { world.remove(0); }, [&] { is_left = world.give_node_back(); });
    check(is_left || !names_node(world.map.root.load()->slot(0).load()), "a dead node is left");
    world.wake_sleeper(0);
    world.check_end({});
}

// A migrator has found no room in the next table, which is full of tombstones.
SCENARIO(a_chunk_is_given_back, {.preemptions = 2, .stale_reads = 1}) {
    World world;
    world.set(2, 4);
    world.claim_for_a_sleeper(0);
    world.append();
    memory_is_short = true;
    for (int i = 0; i < 8; ++i) {
        world.set(0, 1);
        world.remove(0);
    }
    memory_is_short = false;
    world.wake_sleeper(0);
    threads([&] { world.help(); }, [&] { world.remove(2); });
    world.check_end({});
}

}  // namespace
}  // namespace cereggii::model
