// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/contention.hpp"

#include <cstdint>

#include "model.hpp"

// Taking turns. All of it is relaxed, so a thread may see any of it late, or parts of it: whatever
// it sees, it never stands back for longer than one turn, and it goes on.
namespace cereggii::model {
namespace {

struct Threads {
    using Manager = atomics::ContentionManager<Threads>;
    using Time = Manager::Time;

    static Manager& manager() noexcept { return thread_local_object<Manager>(); }
    // A clock that goes on each time that a thread looks at it.
    static Time now() noexcept { return time = time + 1000; }
    static void wait_until(Time end) noexcept {
        check(end <= time + Manager::turn, "a thread stands back for more than a turn");
        time = end;
        yield();
    }

    static inline ThreadLocal<Time> time{1'000'000};
};
using State = atomics::ContentionStateOf<Threads>;

// The threads of a scenario, as the word sees them.
std::uintptr_t thread() noexcept { return (Execution::current().thread() + 1) << 20; }

void update(State& state, int times) {
    for (int i = 0; i < times; ++i) state.note_update(thread());
}

SCENARIO(two_threads_take_turns, {.preemptions = 3, .stale_reads = 1}) {
    State state;
    const auto run = [&] { update(state, 8); };
    threads(run, run);
}

SCENARIO(three_threads_take_turns, {.preemptions = 2, .stale_reads = 1}) {
    State state;
    const auto run = [&] { update(state, 6); };
    threads(run, run, run);
}

SCENARIO(threads_take_turns_at_more_words_than_there_are_places,
         {.preemptions = 6, .stale_reads = 4, .at_random = true}) {
    State first, second, third;
    const auto run = [&] {
        for (int i = 0; i < 4; ++i) {
            update(first, 3);
            update(second, 3);
            update(third, 3);
        }
    };
    threads(run, run, run);
}

}  // namespace
}  // namespace cereggii::model
