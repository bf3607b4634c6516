// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>

#include "cereggii/atomics/cache_line.hpp"

// Records what a few threads did to one object, and decides whether it is linearizable: whether
// there is one order of all operations that explains everything they returned (Herlihy and Wing
// 1990; the search is that of Wing and Gong 1993).
namespace cereggii::testing {

// One operation: what was asked, what came back, and how many operations of each thread had ended
// when it began. Those come before it in every acceptable order.
template <class Call, class Outcome, std::size_t threads>
struct Event {
    Call call{};
    Outcome outcome{};
    std::array<std::size_t, threads> ended_before{};
};

template <class Call, class Outcome, std::size_t threads, std::size_t steps>
using History = std::array<std::array<Event<Call, Outcome, threads>, steps>, threads>;

// Notes the order of the operations, and orders them no more than a program that uses them can see.
// Each thread counts its ended operations on a cache line of its own, so the threads do not queue
// for a shared clock. All of it is sequentially consistent: so an operation that another thread
// could know to have ended is seen as ended.
template <std::size_t threads>
class Recorder {
public:
    template <class Event, class Operation>
    void record(std::size_t thread, Event& event, Operation&& operation) {
        for (std::size_t i = 0; i < threads; ++i)
            event.ended_before[i] = ended_[i].count.load(std::memory_order_seq_cst);
        event.outcome = operation();
        ended_[thread].count.store(event.ended_before[thread] + 1, std::memory_order_seq_cst);
    }

    // For the thread that prepares the next history.
    void reset() noexcept {
        for (Ended& ended : ended_) ended.count.store(0, std::memory_order_relaxed);
    }

private:
    struct alignas(atomics::destructive_interference) Ended {
        std::atomic<std::size_t> count{0};
    };
    std::array<Ended, threads> ended_;
};

// Whether the events that are not among the first `done` of each thread can be put in an order in
// which the sequential object explains each: `explains(event, state)` applies the event's call to
// the state, and says whether the outcome is the right one. `ends(state)`: whether the object may
// end so.
template <class History, class State, class Explains, class Ends>
bool linearizable(const History& history, const State& state, const Explains& explains,
                  const Ends& ends, std::array<std::size_t, std::tuple_size_v<History>> done = {}) {
    bool complete = true;
    for (std::size_t thread = 0; thread < history.size(); ++thread) {
        if (done[thread] == history[thread].size()) continue;
        complete = false;
        const auto& event = history[thread][done[thread]];
        bool may_be_next = true;
        for (std::size_t i = 0; i < done.size(); ++i)
            may_be_next = may_be_next && event.ended_before[i] <= done[i];
        State after = state;
        if (!may_be_next || !explains(event, after)) continue;
        auto further = done;
        ++further[thread];
        if (linearizable(history, after, explains, ends, further)) return true;
    }
    return complete && ends(state);
}

// Whether operations of different threads overlapped: only then is there more than one order.
template <class History>
bool overlapped(const History& history) noexcept {
    for (std::size_t thread = 0; thread < history.size(); ++thread)
        for (std::size_t step = 0; step < history[thread].size(); ++step)
            for (std::size_t other = 0; other < thread; ++other) {
                // The first operation of the other thread that had not ended when this one began:
                // did it begin before this one ended?
                const std::size_t index = history[thread][step].ended_before[other];
                if (index < history[other].size() &&
                    history[other][index].ended_before[thread] <= step)
                    return true;
            }
    return false;
}

}  // namespace cereggii::testing
