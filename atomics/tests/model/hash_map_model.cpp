// SPDX-License-Identifier: Apache-2.0
#include "map/hash_map.hpp"

#include <array>
#include <cstdint>
#include <utility>

#include "map/exact.hpp"
#include "map/guard.hpp"
#include "map/lookup.hpp"
#include "map/migration.hpp"
#include "map/resize.hpp"
#include "map/update.hpp"
#include "model.hpp"

namespace cereggii::atomicdict {

// In the program, this makes sure that the reclaimer thread runs. Here a scenario frees everything.
void schedule_leftovers() noexcept {}

}  // namespace cereggii::atomicdict

// The map: its operations on a few keys, while tables are appended, emptied and dropped. The values
// say which operation has stored them.
namespace cereggii::model {
namespace {

using namespace atomicdict;

constexpr UpdateSpec set_spec{IfAbsent::insert, IfPresent::replace};
constexpr UpdateSpec add_spec{IfAbsent::insert, IfPresent::keep};
constexpr UpdateSpec delete_spec{IfAbsent::leave, IfPresent::remove};
constexpr UpdateSpec replace_spec{IfAbsent::leave, IfPresent::replace, Values::expected};
constexpr UpdateSpec remove_spec{IfAbsent::leave, IfPresent::remove, Values::expected};

constexpr std::size_t key_count = 3;
constexpr std::size_t value_count = 4;
constexpr int absent = 0;

// A map with objects for its keys and values. Keys have one home group. Keys 0 and 1 have one home
// slot, too.
class World {
public:
    World() {
        for (std::size_t i = 0; i < key_count; ++i) keys_[i] = new PyObject(100);
        for (std::size_t i = 1; i <= value_count; ++i)
            values_[i] = new PyObject(static_cast<int>(i));
    }

    // The value that is found; 0: the key is absent.
    int get(std::size_t key) {
        PyObject* found = nullptr;
        if (look_up<true>(map, key_of(key), found) != Found::present) return absent;
        return take(found);
    }
    // The value before.
    int set(std::size_t key, int value) { return run<set_spec>(key, value); }
    int add(std::size_t key, int value) { return run<add_spec>(key, value); }
    int remove(std::size_t key) { return run<delete_spec>(key, 0); }
    bool replace(std::size_t key, int expected, int value) {
        return run_expecting<replace_spec>(key, expected, value) == Outcome::replaced;
    }
    bool remove_if(std::size_t key, int expected) {
        return run_expecting<remove_spec>(key, expected, 0) == Outcome::removed;
    }
    void clear() { atomicdict::clear(map); }
    int length() { return static_cast<int>(exact_length(map)); }

    // Appends a table, as a thread does that has found the last one crowded.
    void append(std::size_t capacity = 8) {
        if (const Table* root = map.root.load())
            append_table(map, root->generation, AppendReason::required, capacity);
    }
    // Moves keys on, as each writer does.
    void help() { empty_root(map, 1); }
    void move_all() { empty_root(map, INT_MAX); }

    // When all threads have ended: the keys have these values, and all else was freed.
    void check_end(std::array<int, key_count> expected) {
        int live = 0;
        for (std::size_t i = 0; i < key_count; ++i) {
            check(get(i) == expected[i], "a key has another value at the end");
            live += expected[i] != absent;
        }
        check(length() == live, "the length is wrong at the end");
        move_all();
        for (std::size_t i = 0; i < key_count; ++i)
            check(get(i) == expected[i], "a key has another value after all were moved");
        check_references(expected);
        clear();
        check_references({});
    }
    // The same if there is more than one possible end.
    void check_end() {
        std::array<int, key_count> found{};
        for (std::size_t i = 0; i < key_count; ++i) found[i] = get(i);
        check_end(found);
    }

    HashMap map;

private:
    Key key_of(std::size_t key) const {
        constexpr std::array<std::uint64_t, key_count> hashes{0, std::uint64_t{1} << 60, 1};
        return make_key(keys_[key], hashes[key]);
    }

    // What an object that is owned says, and releases it.
    static int take(PyObject* object) {
        const int contents = object->contents;
        check(contents != 0, "an object was found after it was freed");
        Py_DECREF(object);
        return contents;
    }

    template <UpdateSpec spec>
    int run(std::size_t key, int value) {
        const UpdateResult result = update_key<spec>(map, key_of(key), values_[value]);
        return result.found ? take(result.found) : absent;
    }
    template <UpdateSpec spec>
    Outcome run_expecting(std::size_t key, int expected, int value) {
        const UpdateResult result =
            update_key<spec>(map, key_of(key), values_[value], values_[expected]);
        if (result.found) take(result.found);
        return result.outcome;
    }

    // The map has one reference to each key and value that is in it, and no other.
    void check_references(const std::array<int, key_count>& in_map) {
        Reclaimer::free_everything(Reclaimer::current(), &yield);
        std::array<Py_ssize_t, value_count + 1> of_values{};
        for (std::size_t i = 0; i < key_count; ++i) {
            ++of_values[in_map[i]];
            check(keys_[i]->count.load() == (in_map[i] == absent ? 1 : 2),
                  "a reference to a key is lost or left");
        }
        for (std::size_t i = 1; i <= value_count; ++i)
            check(values_[i]->count.load() == 1 + of_values[i],
                  "a reference to a value is lost or left");
    }

    std::array<PyObject*, key_count> keys_{};
    std::array<PyObject*, value_count + 1> values_{};
};

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

}  // namespace
}  // namespace cereggii::model
