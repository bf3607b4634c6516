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
    Turns turns;
    State state{};

    Program() {
        for (Turn& turn : program) {
            turn.thread = choose(thread_count);
            if (choose(2)) turn.work = static_cast<Work>(choose(static_cast<unsigned>(Work::count)));
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

}  // namespace
}  // namespace cereggii::model
