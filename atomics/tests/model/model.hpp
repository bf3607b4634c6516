// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "atomic.hpp"
#include "execution.hpp"

// What scenarios are written with.
//
//     SCENARIO(a_message_is_passed, {.preemptions = 2}) {
//         Atomic<bool> is_ready{false};
//         Plain<int> message{0};
//         threads([&] { message = 7; is_ready.store(true, std::memory_order_release); },
//                 [&] { if (is_ready.load(std::memory_order_acquire)) check(message == 7); });
//     }
//
// The body is run in each execution. What is outside of threads() is run by the main thread, alone.
// A scenario holds if no execution fails. FAILING_SCENARIO has to fail: it shows that the checker
// finds what it is there for.
namespace cereggii::model {

struct Scenario {
    Scenario(const char* name, void (*body)(), const Bounds& bounds, bool fails);
    const char* name;
    void (*body)();
    Bounds bounds;
    bool fails;
    Scenario* next = nullptr;
};

#define SCENARIO_OF_KIND(name, fails, ...)                          \
    static void name();                                             \
    static const ::cereggii::model::Scenario name##_scenario(       \
        #name, name, ::cereggii::model::Bounds __VA_ARGS__, fails); \
    static void name()
#define SCENARIO(name, ...) SCENARIO_OF_KIND(name, false, __VA_ARGS__)
#define FAILING_SCENARIO(name, ...) SCENARIO_OF_KIND(name, true, __VA_ARGS__)

template <class... Bodies>
void threads(Bodies&&... bodies) {
    const OutsideOfExecution outside;
    std::vector<std::function<void()>> all;
    all.reserve(sizeof...(bodies));
    (all.emplace_back(std::forward<Bodies>(bodies)), ...);
    Execution::current().run_threads(std::move(all));
}

// Threads take turns in an order that the scenario says. It is no atomic: from it no thread learns
// what another one has done. A thread must not end before the others have begun their turns, since
// the end of a thread and the start of another one are ordered by the reclaimer's lock.
class Schedule {
public:
    // Waits until so many turns have ended.
    void wait_for(int ended) const noexcept {
        while (ended_ < ended) yield();
    }
    void end() noexcept { ++ended_; }

private:
    int ended_ = 0;
};

inline void check(bool holds, std::string_view what = "a check is false",
                  const Where& where = Where::current()) {
    if (!holds)
        Execution::current().fail(std::string(what) + " (line " + std::to_string(where.line()) +
                                  ")");
}

}  // namespace cereggii::model
