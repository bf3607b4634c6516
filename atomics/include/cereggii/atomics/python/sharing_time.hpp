// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#ifdef Py_GIL_DISABLED

#include <atomic>
#include <chrono>

#include "cereggii/atomics/sharing_policy.hpp"

// The clock that decides about sharing. A test can set it.
namespace cereggii::atomics::detail {

// The time that a test has set. Negative: the real time is used.
inline std::atomic<Nanoseconds> time_of_test{-1};

inline Nanoseconds sharing_time() noexcept {
    const Nanoseconds time = time_of_test.load(std::memory_order_relaxed);
    if (time >= 0) [[unlikely]]
        return time;
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

}  // namespace cereggii::atomics::detail

#endif
