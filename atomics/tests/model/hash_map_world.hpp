// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <climits>
#include <cstdint>

#include "map/exact.hpp"
#include "map/guard.hpp"
#include "map/items.hpp"
#include "map/lookup.hpp"
#include "map/migration.hpp"
#include "map/popitem.hpp"
#include "map/resize.hpp"
#include "map/traversal.hpp"
#include "map/update.hpp"
#include "model.hpp"

// What the scenarios of the map are made of.
namespace cereggii::model {

using namespace atomicdict;

constexpr UpdateSpec set_spec{IfAbsent::insert, IfPresent::replace};
constexpr UpdateSpec add_spec{IfAbsent::insert, IfPresent::keep};
constexpr UpdateSpec add_quietly_spec{IfAbsent::insert, IfPresent::keep, Values::any, false};
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
        memory_is_short = false;
        python_code = nullptr;
        for (std::size_t i = 0; i < key_count; ++i) {
            keys_[i] = new PyObject(100);
            equal_keys_[i] = new PyObject(needs_python);
        }
        for (std::size_t i = 1; i <= value_count; ++i)
            values_[i] = new PyObject(static_cast<int>(i));
    }

    // The value that is found; 0: the key is absent.
    int get(std::size_t key) {
        PyObject* found = nullptr;
        if (look_up<true>(map, key_of(key), found) != Found::present) return absent;
        return take(found);
    }
    // The same, by another key that is equal to it.
    int get_by_equal(std::size_t key) {
        PyObject* found = nullptr;
        if (look_up<true>(map, equal_key_of(key), found) != Found::present) return absent;
        return take(found);
    }
    bool contains(std::size_t key) {
        PyObject* found = nullptr;
        return look_up<false>(map, key_of(key), found) == Found::present;
    }
    // The value before.
    int set(std::size_t key, int value) { return run<set_spec>(key, value); }
    int add(std::size_t key, int value) { return run<add_spec>(key, value); }
    bool add_quietly(std::size_t key, int value) {
        return update_key<add_quietly_spec>(map, key_of(key), values_[value]).outcome ==
               Outcome::inserted;
    }
    int remove(std::size_t key) { return run<delete_spec>(key, 0); }
    int remove_by_equal(std::size_t key) {
        const UpdateResult result = update_key<delete_spec>(map, equal_key_of(key), nullptr);
        return result.found ? take(result.found) : absent;
    }
    bool replace(std::size_t key, int expected, int value) {
        return run_expecting<replace_spec>(key, expected, value) == Outcome::replaced;
    }
    bool remove_if(std::size_t key, int expected) {
        return run_expecting<remove_spec>(key, expected, 0) == Outcome::removed;
    }
    void clear() { atomicdict::clear(map); }
    int length() { return static_cast<int>(exact_length(map)); }
    // The values of all keys, at one instant.
    std::array<int, key_count> items(TakenBy order = TakenBy::position) {
        Items taken;
        check(take_items(map, taken, order));
        std::array<int, key_count> found{};
        taken.for_each([&](const Items::Item& item, const auto&) {
            const std::size_t key = number_of(item.key_object());
            check(found[key] == absent, "a key was taken twice");
            found[key] = item.value->contents;
            return true;
        });
        return found;
    }
    struct Item {
        std::size_t key = 0;
        int value = absent;
    };
    // Any item, which is taken out. Without a value: the map is empty.
    Item pop() {
        Popped popped;
        if (pop_item(map, popped) != PopResult::item) return {};
        const Item item{number_of(popped.key), take(popped.value)};
        Py_DECREF(popped.key);
        return item;
    }
    // The values of the keys that a search finds, as iteration goes through the groups of a table.
    std::array<int, key_count> search() {
        std::array<int, key_count> found{};
        std::array<PyObject*, key_count> owned{};
        {
            Guard guard(map);
            guard.pin_reading();
            Table* root = map.root.load(std::memory_order_seq_cst);
            if (!root || (!root->next.load(std::memory_order_seq_cst) &&
                          !root->has_homes.load(std::memory_order_seq_cst)))
                return found;
            for (Table* table = root; table; table = table->next.load(std::memory_order_seq_cst)) {
                std::uint64_t position = 0;
                for_each_home(*table, position, [&](std::size_t group) {
                    return for_each_on_paths(*table, group, [&](std::size_t, Slot seen) {
                        const std::size_t key = number_of(key_object(node_of(seen)->key));
                        if (!owned[key] && take_value(node_of(seen), owned[key]) == Taken::another)
                            check(false, "a value has changed");
                        return true;
                    });
                });
            }
        }
        for (std::size_t i = 0; i < key_count; ++i)
            if (owned[i]) found[i] = take(owned[i]);
        return found;
    }
    // If the last reference to a value is dropped, its address is another object's.
    void use_address_again(int value, int contents) {
        if (values_[value]->count.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
        values_[value]->contents = contents;
        values_[value]->count.store(1, std::memory_order_release);
    }
    void make_room(std::size_t count) { check(reserve(map, count)); }
    // Drops the last table if there is no key, as a deletion does in a large one.
    void drop() {
        if (const Table* root = map.root.load()) drop_if_empty(map, root->generation);
    }

    // Appends a table, as a thread does that has found the last one crowded.
    void append(std::size_t capacity = 8) {
        if (const Table* root = map.root.load())
            append_table(map, root->generation, AppendReason::required, capacity);
    }
    // A table is appended if the last one is still the one that a thread has seen.
    std::uint64_t generation() { return map.root.load()->generation; }
    void append_to(std::uint64_t generation) {
        append_table(map, generation, AppendReason::required, 8);
    }
    // A migrator that has claimed this chunk of the root falls asleep. So the root stays.
    void claim_for_a_sleeper(std::size_t chunk) {
        Table* root = map.root.load();
        if (root->next_chunk.load() == chunk) root->next_chunk.fetch_add(1);
        root->chunk(chunk).store(ChunkState::claimed);
    }
    // It has found no room, and gives the chunk back.
    void wake_sleeper(std::size_t chunk) {
        Table* root = map.root.load();
        root->chunk_was_returned.store(true);
        root->chunk(chunk).store(ChunkState::free);
    }
    // It has got as far as to change the slot of key 0, or has changed it back.
    void change_moving(bool is_moving) {
        Atomic<Slot>& slot = map.root.load()->slot(0);
        const Slot seen = slot.load();
        check(names_node(seen));
        slot.store(is_moving ? seen | moving_bit : seen & ~moving_bit);
    }
    // It changes the slot back as a migrator does. Whether a deletion has left the node to it.
    bool give_node_back() {
        Table* root = map.root.load();
        Atomic<Slot>& slot = root->slot(0);
        const Slot seen = slot.load(std::memory_order_relaxed);
        slot.store(seen & ~moving_bit, std::memory_order_release);
        fence(std::memory_order_seq_cst);
        return root->deferred_unlinks.load() != 0;
    }
    // Moves keys on, as each writer does.
    void help() { empty_root(map, 1); }
    void move_all() { empty_root(map, INT_MAX); }
    void move_all_without_waiting() { empty_root(map, INT_MAX, false); }

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
    static constexpr std::array<std::uint64_t, key_count> hashes{0, std::uint64_t{1} << 60, 1};
    Key key_of(std::size_t key) const { return make_key(keys_[key], hashes[key]); }
    Key equal_key_of(std::size_t key) const { return make_key(equal_keys_[key], hashes[key]); }
    std::size_t number_of(const PyObject* key) const {
        std::size_t number = 0;
        while (keys_[number] != key) ++number;
        return number;
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
    std::array<PyObject*, key_count> equal_keys_{};
    std::array<PyObject*, value_count + 1> values_{};
};

}  // namespace cereggii::model
