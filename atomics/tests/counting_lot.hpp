// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "cereggii/atomics/parking_lot.hpp"

// Waiters that do not sleep. What a lot does to them is counted, and one thread can have many.
namespace cereggii::testing {

struct Posts {
    int count = 0;  // plain: the lot's own lock must order a post before the owner's cancel
    void post() noexcept { ++count; }
};

// How far a lot has searched for this thread.
struct CountedSteps {
    static inline thread_local std::uint64_t taken = 0;
    static void step() noexcept { ++taken; }
};

using CountingLot = atomics::ParkingLot<Posts, CountedSteps>;

// A waiter that waits for something to happen. It must be made before that, or it is not queued.
struct Sleeper {
    explicit Sleeper(const void* address) noexcept : waiter(address, &sees_nothing_happen, this) {}

    int posts() const noexcept { return waiter.signal.count; }

    std::atomic<bool> happened{false};
    CountingLot::Waiter waiter;

private:
    static bool sees_nothing_happen(const void* self) {
        return !static_cast<const Sleeper*>(self)->happened;
    }
};

// Addresses to wait on, more than there are buckets: several share one.
inline std::array<char, 300> words;

}  // namespace cereggii::testing
