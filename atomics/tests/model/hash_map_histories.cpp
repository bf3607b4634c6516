// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cstddef>

#include "../linearizability.hpp"
#include "hash_map_calls.hpp"

// Random programs of three threads, while a fourth one appends tables, moves keys or clears. What
// the operations returned has to be explained by one order of all of them, in which an operation
// comes after those that had ended when it began.
namespace cereggii::model {
namespace {

constexpr std::size_t thread_count = 3, steps = 2, keys = 2;

using History = testing::History<Call, int, thread_count, steps>;

// The programs, and when each operation began.
struct Programs {
    World world;
    History history{};
    std::array<std::size_t, thread_count> ended{};
    State at_first{};

    Programs() {
        for (auto& of_thread : history)
            for (auto& event : of_thread) event.call = random_call(keys);
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
                      return explains(state, event.call, event.outcome);
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
