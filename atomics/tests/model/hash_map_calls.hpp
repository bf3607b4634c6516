// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>

#include "hash_map_world.hpp"

// Operations that are chosen at random, and what a dict returns.
namespace cereggii::model {

enum class Operation {
    get,
    get_by_equal,
    contains,
    set,
    add,
    remove,
    remove_by_equal,
    replace,
    remove_if,
    pop,
    length,
    items,
    clear
};

struct Call {
    Operation operation = Operation::get;
    std::size_t key = 0;
    int value = 1;
    int expected = 1;
};
using State = std::array<int, key_count>;

inline unsigned choose(unsigned of) { return Execution::current().choose(of); }

// Any but a clear.
inline Call random_call(unsigned keys) {
    Call call;
    call.operation = static_cast<Operation>(choose(static_cast<unsigned>(Operation::clear)));
    call.key = choose(keys);
    call.value = static_cast<int>(choose(value_count)) + 1;
    call.expected = static_cast<int>(choose(value_count)) + 1;
    return call;
}

// One number for the values of all keys.
inline int number_of(const State& state) {
    int number = 0;
    for (const int value : state) number = number * static_cast<int>(value_count + 1) + value;
    return number;
}

inline int run(World& world, const Call& call) {
    switch (call.operation) {
        case Operation::get_by_equal: return world.get_by_equal(call.key);
        case Operation::contains: return world.contains(call.key);
        case Operation::set: return world.set(call.key, call.value);
        case Operation::add: return world.add(call.key, call.value);
        case Operation::remove: return world.remove(call.key);
        case Operation::remove_by_equal: return world.remove_by_equal(call.key);
        case Operation::replace: return world.replace(call.key, call.expected, call.value);
        case Operation::remove_if: return world.remove_if(call.key, call.expected);
        case Operation::pop: {
            const World::Item item = world.pop();
            return item.value == absent ? 0 : static_cast<int>(item.key * 16) + item.value;
        }
        case Operation::length: return world.length();
        case Operation::items:
            return number_of(world.items(call.value % 2 == 0 ? TakenBy::position : TakenBy::table));
        case Operation::clear: world.clear(); return 0;
        default: return world.get(call.key);
    }
}

// Changes the state as a dict without other threads does. Whether it returns the same.
inline bool explains(State& state, const Call& call, int outcome) {
    int& value = state[call.key];
    const int before = value;
    const bool matches = before != absent && before == call.expected;
    switch (call.operation) {
        case Operation::contains: return outcome == (before != absent);
        case Operation::set: value = call.value; return outcome == before;
        case Operation::add:
            if (before == absent) value = call.value;
            return outcome == before;
        case Operation::remove:
        case Operation::remove_by_equal: value = absent; return outcome == before;
        case Operation::replace:
            if (matches) value = call.value;
            return outcome == matches;
        case Operation::remove_if:
            if (matches) value = absent;
            return outcome == matches;
        case Operation::pop: {
            if (outcome == 0) return state == State{};
            int& popped = state[static_cast<std::size_t>(outcome) / 16];
            const bool is_there = popped == outcome % 16;
            popped = absent;
            return is_there;
        }
        case Operation::length: {
            int length = 0;
            for (const int each : state) length += each != absent;
            return outcome == length;
        }
        case Operation::items: return outcome == number_of(state);
        case Operation::clear: state = {}; return true;
        default: return outcome == before;
    }
}

}  // namespace cereggii::model
