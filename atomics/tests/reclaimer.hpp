// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <semaphore>
#include <thread>
#include <utility>

#include "cereggii/atomics/reclamation.hpp"
#include "check.hpp"

// What the tests of the reclaimer are made of: items, a clock, and threads that a test controls.
namespace cereggii::testing {

using Program = std::function<void()>;

// Something to retire. Its memory is never freed, so that a test can ask how often it was "freed".
struct Thing {
    Thing* link = nullptr;
    int freed = 0;  // how many times
    // These run once.
    Program when_freed;
    Program when_its_link_is_read;
};

inline void run_once(Program& program) {
    if (const Program now = std::exchange(program, nullptr)) now();
}

struct Things {
    using Item = Thing*;
    static Item link(Item item) {
        run_once(item->when_its_link_is_read);
        return item->link;
    }
    static void set_link(Item item, Item link) noexcept { item->link = link; }
    static void free(Item item) {
        ++item->freed;
        run_once(item->when_freed);
    }
};

// Its time stands still until a test changes it.
struct TestClock {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<TestClock>;

    static time_point now() noexcept {
        ++looks;
        return time_point(time);
    }
    static inline duration time = std::chrono::hours(1);
    static inline int looks = 0;
};

using Domain = atomics::Reclaimer<Things, TestClock>;

// Things outlive the tests: a test that fails may leave them in the reclaimer's lists.
inline Thing& new_thing() {
    static std::deque<Thing> things;
    return things.emplace_back();
}

inline void pin() { Domain::pin(*Domain::current()); }
inline void pin_writing(const void* to) { Domain::pin_writing(*Domain::current(), to); }
inline void unpin() { Domain::unpin(*Domain::current()); }
inline void pin_and_unpin() {
    pin();
    unpin();
}
inline bool retire(Thing& thing) { return Domain::retire(*Domain::current(), &thing); }

// A removal. It comes to what its thread has left, and to orphans.
inline void remove_something() {
    Domain::Item list = &new_thing();
    Domain::take_what_is_left_for_all(list);
    Domain::retire(*Domain::current(), list);
}

// Frees everything while no thread is pinned, so it waits for none.
inline void never_pause() { check(false, "waits"); }
inline void free_everything() { Domain::free_everything(Domain::current(), never_pause); }
// A thread that has freed something stays on the littered list until the next call.
inline bool nothing_waits() {
    if (Domain::has_garbage()) free_everything();
    return !Domain::has_garbage();
}

// While others are pinned, a thread looks after so many items what can be freed.
inline constexpr std::size_t until_a_bag = atomics::tuning::reclamation::items_per_bag;

// Another thread, which runs what it is told to.
class Other {
public:
    Other() : thread_([this] { work(); }) {}
    ~Other() { run(nullptr); }
    Other(const Other&) = delete;
    Other& operator=(const Other&) = delete;

    void run(Program program) {
        program_ = std::move(program);
        told_.release();
        done_.acquire();
    }

private:
    void work() {
        for (bool more = true; more; done_.release()) {
            told_.acquire();
            more = static_cast<bool>(program_);
            if (more) program_();
        }
    }

    Program program_;
    std::binary_semaphore told_{0};
    std::binary_semaphore done_{0};
    std::jthread thread_;
};

inline std::size_t count_of_participants() {
    std::size_t count = 0;
    for (const auto* participant = Domain::first_of_all(); participant;
         participant = participant->next_of_all)
        ++count;
    return count;
}

// How many participants a scan looks at.
inline std::size_t count_of_active() {
    std::size_t count = 0;
    for (const auto* participant = Domain::first(); participant;
         participant = Domain::after(*participant))
        ++count;
    return count;
}

inline void scan_many_times() {
    for (std::uint32_t i = 0; i < Domain::scans_between_looks; ++i)
        Domain::note_scan(*Domain::current());
}
// A pass by the calling thread over all other participants.
inline void pass() {
    TestClock::time += Domain::between_passes;
    scan_many_times();
}
// Makes all participants dormant, except those that are pinned and the calling thread's.
inline void make_all_dormant() {
    pass();
    pass();
}

}  // namespace cereggii::testing
