// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <ctime>
#endif

#include "cache/timer_wheel.hpp"

// The time that decides whether a value has expired.
//
// A hit reads a coarse clock: the time of the last tick of the system, a few milliseconds ago. When
// a value is stored, the exact clock is read. So a value never expires too early, and at most one
// tick too late. On Linux, the coarse clock takes 4 ns, and the exact one 23.
namespace cereggii::atomicdict::cache {

// For tests: so much later it is than the clocks say.
inline std::atomic<Nanoseconds> clock_offset{0};

inline Nanoseconds offset() noexcept { return clock_offset.load(std::memory_order_relaxed); }

#ifndef _WIN32
inline Nanoseconds read_clock(clockid_t clock) noexcept {
    timespec time{};
    clock_gettime(clock, &time);
    return static_cast<Nanoseconds>(time.tv_sec) * 1'000'000'000 +
           static_cast<Nanoseconds>(time.tv_nsec) + offset();
}
#endif

// Both count from the same start, and are not set.
#if defined(_WIN32)
inline Nanoseconds exact_time() noexcept {
    // Of the same source as GetTickCount64, and rounded up to what that may lag behind.
    return (GetTickCount64() + 16) * 1'000'000 + offset();
}
inline Nanoseconds coarse_time() noexcept { return GetTickCount64() * 1'000'000 + offset(); }
#elif defined(__APPLE__)
inline Nanoseconds exact_time() noexcept { return read_clock(CLOCK_MONOTONIC_RAW); }
inline Nanoseconds coarse_time() noexcept { return read_clock(CLOCK_MONOTONIC_RAW_APPROX); }
#elif defined(CLOCK_MONOTONIC_COARSE)
inline Nanoseconds exact_time() noexcept { return read_clock(CLOCK_MONOTONIC); }
inline Nanoseconds coarse_time() noexcept { return read_clock(CLOCK_MONOTONIC_COARSE); }
#else
inline Nanoseconds exact_time() noexcept { return read_clock(CLOCK_MONOTONIC); }
inline Nanoseconds coarse_time() noexcept { return exact_time(); }
#endif

}  // namespace cereggii::atomicdict::cache
