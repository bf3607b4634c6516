// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <utility>

#include "cereggii/atomics/compiler.hpp"
#include "cereggii/atomics/relax.hpp"
#include "map/guard.hpp"
#include "map/pauses.hpp"
#include "map/tuning.hpp"

// How an iterator gives way: to the threads that share it, to one that goes through the same map in
// step with it, and to those that want to stop the world.
namespace cereggii::atomicdict {

// One thread at a time takes a step of an iterator. A step is native and bounded. A thread that
// waits for it is detached meanwhile.
class SpinLock {
public:
    explicit SpinLock(std::atomic<bool>& taken) : taken_(&taken) {
        // Acquire: pairs with the release of the thread that had the lock before, so this one sees
        // all that it has written to the iterator. Nothing else is ordered by the lock.
        while (taken_->exchange(true, std::memory_order_acquire)) [[unlikely]]
            yield_detached();
    }
    ~SpinLock() { unlock(); }
    SpinLock(const SpinLock&) = delete;
    SpinLock& operator=(const SpinLock&) = delete;

    void unlock() noexcept {
        if (taken_) std::exchange(taken_, nullptr)->store(false, std::memory_order_release);
    }

private:
    std::atomic<bool>* taken_;  // null: released
};

// Lets another thread get ahead.
//
// Threads that go through a map in step meet at the reference counts of every key and value, and
// then take several times as long. The one that finds another at a value's count stands back, and
// is about a hundred items behind from then on.
CEREGGII_COLD CEREGGII_NEVER_INLINE inline void stand_back() noexcept {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point end = Clock::now() + tuning::stand_back_for;
    do {
        for (int i = 0; i < tuning::relaxes_between_looks; ++i) atomics::relax();
    } while (Clock::now() < end);
}

// What an iterator owes others after a step.
class ScanPace {
public:
    // This step has collected a bundle.
    void note_collected() noexcept { has_collected_ = true; }
    // Whether a bundle was collected since the last call.
    bool has_collected() noexcept { return std::exchange(has_collected_, false); }
    // Whether it is time for a pause. To be asked once for each bundle.
    bool is_pause_due() noexcept { return pace_.is_due(); }
    // Whether a thread that has met another one is to stand back. `done` is how many items were
    // returned so far.
    bool is_to_stand_back(std::size_t done) noexcept {
        if (done - stood_back_at_ < tuning::items_between_standing_back) return false;
        stood_back_at_ = done;
        return true;
    }

private:
    bool has_collected_ = false;
    Pace pace_{tuning::bundles_between_looks};
    // How many items were returned when a thread stood back for the last time.
    std::size_t stood_back_at_ = 0;
};

}  // namespace cereggii::atomicdict
