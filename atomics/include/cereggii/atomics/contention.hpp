// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace cereggii::atomics {

// Keeps threads that do hardly anything but add to one integer from slowing each other down.
//
// When two threads take turns on a cache line at each operation, both run at the speed of the
// line's travels; one after the other, each at full speed, they would be done sooner. So a thread
// that finds itself in that state stands back for some microseconds, and the other has the line to
// itself. After the constant backoff of Dice, Hendler and Mirsky, "Lightweight contention
// management for efficient compare-and-swap operations" (2013), with a criterion that needs no
// constants of the machine:
//
//   Each thread cuts its own consecutive additions to one integer into windows of `window`. Nobody
//   else came in between: the window's time is what the loop costs alone. Others did, for a good
//   part of the window, and it took more than `slowdown` times that: running side by side is slower
//   than taking turns.
//
// A loop with work of its own between the additions is not slowed down that much, and never backs
// off. Nothing here is shared: it costs a few instructions, and a look at the clock per window.
class ContentionManager {
public:
    // After an addition by this thread that took the value from `before` to `after`.
    [[gnu::always_inline]] static void note_addition(const void* integer, std::int64_t before,
                                                     std::int64_t after) noexcept {
        ContentionManager& mine = instance_;
        if (mine.integer_ == integer) [[likely]] {
            mine.interrupted_ += mine.after_ != before;
            mine.after_ = after;
            if (++mine.additions_ == window) [[unlikely]]
                mine.end_window();
        } else {
            mine.start(integer, after);
        }
    }

private:
    using Clock = std::chrono::steady_clock;

    static constexpr std::uint32_t window = 16;
    static constexpr std::uint32_t often = window / 4;
    static constexpr int slowdown = 2;
    static constexpr Clock::duration shortest_pause = std::chrono::microseconds(10);

    [[gnu::noinline]] void start(const void* integer, std::int64_t after) noexcept {
        integer_ = integer;
        after_ = after;
        additions_ = 0;
        interrupted_ = 0;
        window_start_ = {};  // unknown: the first window is not timed
        time_alone_ = {};
    }

    [[gnu::noinline]] void end_window() noexcept {
        Clock::time_point now = Clock::now();
        if (window_start_ != Clock::time_point{}) {
            const Clock::duration took = now - window_start_;
            if (interrupted_ == 0) {
                time_alone_ = took;
            } else if (interrupted_ >= often && time_alone_ != Clock::duration{} &&
                       took > slowdown * time_alone_) {
                now = stand_back(now);
            }
        }
        window_start_ = now;
        additions_ = 0;
        interrupted_ = 0;
    }

    // Pauses for one to two times the shortest pause, so that threads do not do it in step.
    Clock::time_point stand_back(Clock::time_point now) noexcept {
        random_ = random_ * 1664525u + 1013904223u;  // a linear congruential generator is enough
        const Clock::time_point end = now + shortest_pause + shortest_pause * (random_ >> 24) / 256;
        while (now < end) {
            for (int i = 0; i < 16; ++i) relax();
            now = Clock::now();
        }
        return now;
    }

    static void relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__) && (defined(__GNUC__) || defined(__clang__))
        asm volatile("isb");
#else
        std::atomic_signal_fence(std::memory_order_seq_cst);
#endif
    }

    const void* integer_ = nullptr;  // only compared
    std::int64_t after_ = 0;
    std::uint32_t additions_ = 0;
    std::uint32_t interrupted_ = 0;
    Clock::time_point window_start_{};
    Clock::duration time_alone_{};
    std::uint32_t random_ = 1;

    static thread_local constinit ContentionManager instance_;
};

inline thread_local constinit ContentionManager ContentionManager::instance_{};

}  // namespace cereggii::atomics
