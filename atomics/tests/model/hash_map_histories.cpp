// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cstddef>

#include "../linearizability.hpp"
#include "hash_map_world.hpp"

// Random programs of three threads, while a fourth one appends tables, moves keys or clears. What
// the operations returned has to be explained by one order of all of them, in which an operation
// comes after those that had ended when it began.
namespace cereggii::model {
namespace {

constexpr std::size_t thread_count = 3, steps = 2, keys = 2;

enum class Operation { get, set, add, remove, replace, remove_if, length, clear };

struct Call {
    Operation operation = Operation::get;
    std::size_t key = 0;
    int value = 1;
    int expected = 1;
};
using State = std::array<int, keys>;
using History = testing::History<Call, int, thread_count, steps>;

unsigned choose(unsigned of) { return Execution::current().choose(of); }

// Any but a clear.
Call random_call() {
    Call call;
    call.operation = static_cast<Operation>(choose(static_cast<unsigned>(Operation::clear)));
    call.key = choose(keys);
    call.value = static_cast<int>(choose(value_count)) + 1;
    call.expected = static_cast<int>(choose(value_count)) + 1;
    return call;
}

int run(World& world, const Call& call) {
    switch (call.operation) {
        case Operation::set: return world.set(call.key, call.value);
        case Operation::add: return world.add(call.key, call.value);
        case Operation::remove: return world.remove(call.key);
        case Operation::replace: return world.replace(call.key, call.expected, call.value);
        case Operation::remove_if: return world.remove_if(call.key, call.expected);
        case Operation::length: return world.length();
        case Operation::clear: world.clear(); return 0;
        default: return world.get(call.key);
    }
}

// What a dict without other threads returns.
int run(State& state, const Call& call) {
    int& value = state[call.key];
    const int before = value;
    const bool matches = before != absent && before == call.expected;
    switch (call.operation) {
        case Operation::set: value = call.value; return before;
        case Operation::add:
            if (before == absent) value = call.value;
            return before;
        case Operation::remove: value = absent; return before;
        case Operation::replace:
            if (matches) value = call.value;
            return matches;
        case Operation::remove_if:
            if (matches) value = absent;
            return matches;
        case Operation::length: return (state[0] != absent) + (state[1] != absent);
        case Operation::clear: state = {}; return 0;
        default: return before;
    }
}

// The programs, and when each operation began.
struct Programs {
    World world;
    History history{};
    std::array<std::size_t, thread_count> ended{};
    State at_first{};

    Programs() {
        for (auto& of_thread : history)
            for (auto& event : of_thread) event.call = random_call();
        for (std::size_t key = 0; key < keys; ++key) {
            at_first[key] = static_cast<int>(choose(value_count + 1));
            if (at_first[key] != absent) world.set(key, at_first[key]);
        }
        if (choose(2)) {  // a tombstone
            world.set(2, 4);
            world.remove(2);
        }
    }

    auto thread(std::size_t number) {
        return [this, number] {
            for (auto& event : history[number]) {
                event.ended_before = ended;
                event.outcome = run(world, event.call);
                ++ended[number];
            }
        };
    }

    void check_history() {
        State at_end{};
        for (std::size_t key = 0; key < keys; ++key) at_end[key] = world.get(key);
        check(testing::linearizable(
                  history, at_first,
                  [](const auto& event, State& state) {
                      return run(state, event.call) == event.outcome;
                  },
                  [&](const State& state) { return state == at_end; }),
              "no order explains what the operations returned");
        world.check_end();
    }
};

SCENARIO(operations_are_linearizable, {.preemptions = 4, .stale_reads = 3, .at_random = true}) {
    Programs programs;
    threads(programs.thread(0), programs.thread(1), programs.thread(2));
    programs.check_history();
}

SCENARIO(operations_are_linearizable_while_keys_move,
         {.preemptions = 5, .stale_reads = 3, .at_random = true}) {
    Programs programs;
    const bool is_moving_already = choose(2);
    const std::size_t capacity = choose(2) ? 16 : 8;
    if (is_moving_already) programs.world.append(capacity);
    threads(programs.thread(0), programs.thread(1), programs.thread(2), [&] {
        if (!is_moving_already) programs.world.append(capacity);
        programs.world.help();
        programs.world.append();
        programs.world.move_all();
    });
    programs.check_history();
}

SCENARIO(operations_are_linearizable_beside_a_clear,
         {.preemptions = 4, .stale_reads = 3, .at_random = true}) {
    Programs programs;
    programs.history[2][0].call.operation = Operation::clear;
    if (choose(2)) programs.world.append();
    threads(programs.thread(0), programs.thread(1), programs.thread(2));
    programs.check_history();
}

}  // namespace
}  // namespace cereggii::model
