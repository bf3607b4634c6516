// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

#include "atomic.hpp"

// Clocks for scenarios. With a real one, an execution could not be repeated.
namespace cereggii::model {

// Time stands still: nothing that has to wait is done.
struct StoppedClock {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<StoppedClock>;

    static time_point now() noexcept { return time_point(duration(0)); }
};

// Each time that a thread looks, it is time for what has to wait.
struct FastClock {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<FastClock>;

    static time_point now() noexcept {
        now_ = now_ + duration(std::chrono::seconds(1)).count();
        return time_point(duration(now_));
    }

private:
    static inline ThreadLocal<rep> now_{0};
};

}  // namespace cereggii::model
