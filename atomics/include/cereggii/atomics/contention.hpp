// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "cereggii/atomics/cache_line.hpp"

namespace cereggii::atomics {

// Keeps threads that do hardly anything but update one integer from slowing each other down.
//
// When two threads take turns on a cache line at each operation, both run at the speed of the
// line's travels; one after the other, each at full speed, they would be done sooner. A thread that
// finds itself in that state takes a turn of some hundred microseconds, or stands back for the turn
// of another. After Dice, Hendler and Mirsky, "Lightweight contention management for efficient
// compare-and-swap operations" (2013), with a criterion that needs no constants of the machine:
//
//   Each thread cuts its own consecutive updates of one integer into windows of `window`. Nobody
//   else came in between: the window's time is what the loop costs alone. Others did, for a good
//   part of the window, and it took more than `slowdown` times that: running side by side is slower
//   than taking turns.
//
// A loop with work of its own between the updates is not slowed down that much, and never stands
// back. It costs a few instructions per update, and a look at the clock per window. A turn is only
// advice: nobody waits for a thread, but for a time that is fixed beforehand.
class ContentionManager {
public:
    // After an update by this thread that took the value from `before` to `after`; both are the
    // value found if it was not to be updated.
    [[gnu::always_inline]] static void note_update(const void* integer, std::int64_t before,
                                                   std::int64_t after) noexcept {
        ContentionManager& mine = instance_;
        if (mine.integer_ == integer) [[likely]] {
            mine.interrupted_ += mine.after_ != before;
            mine.after_ = after;
            if (++mine.updates_ == window) [[unlikely]]
                mine.end_window();
        } else {
            mine.start(integer, after);
        }
    }

private:
    using Clock = std::chrono::steady_clock;

    static constexpr std::uint32_t window = 32;
    static constexpr std::uint32_t often = window / 4;
    static constexpr int slowdown = 2;
    static constexpr Clock::duration turn = std::chrono::microseconds(200);

    // When the turn of whoever took it last ends, by the address of the integer.
    struct alignas(destructive_interference) Turn {
        std::atomic<Clock::rep> end{0};
    };

    [[gnu::noinline]] void start(const void* integer, std::int64_t after) noexcept {
        integer_ = integer;
        after_ = after;
        updates_ = 0;
        interrupted_ = 0;
        window_start_ = {};  // unknown: the first window is not timed
        time_alone_ = {};
        my_turn_end_ = {};
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
        updates_ = 0;
        interrupted_ = 0;
    }

    // Ends at once if it is this thread's turn, or nobody's; otherwise, when the other's turn ends.
    Clock::time_point stand_back(Clock::time_point now) noexcept {
        if (now < my_turn_end_ || take_turn(now)) return now;
        const Clock::time_point latest = now + turn;
        const Clock::time_point end{
            Clock::duration{turn_of(integer_).load(std::memory_order_relaxed)}};
        while (now < end && now < latest) {
            for (int i = 0; i < 16; ++i) relax();
            now = Clock::now();
        }
        take_turn(now);
        return now;
    }

    // Relaxed: a turn orders nothing.
    bool take_turn(Clock::time_point now) noexcept {
        std::atomic<Clock::rep>& end = turn_of(integer_);
        Clock::rep current = end.load(std::memory_order_relaxed);
        const Clock::time_point mine = now + turn;
        if (current > now.time_since_epoch().count() ||
            !end.compare_exchange_strong(current, mine.time_since_epoch().count(),
                                         std::memory_order_relaxed))
            return false;
        my_turn_end_ = mine;
        return true;
    }

    static std::atomic<Clock::rep>& turn_of(const void* integer) noexcept {
        return turns_[reinterpret_cast<std::uintptr_t>(integer) / 64 % turn_count].end;
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
    std::uint32_t updates_ = 0;
    std::uint32_t interrupted_ = 0;
    Clock::time_point window_start_{};
    Clock::duration time_alone_{};
    Clock::time_point my_turn_end_{};

    static constexpr std::size_t turn_count = 64;
    static Turn turns_[turn_count];
    static thread_local constinit ContentionManager instance_;
};

inline ContentionManager::Turn ContentionManager::turns_[turn_count]{};

inline thread_local constinit ContentionManager ContentionManager::instance_{};

}  // namespace cereggii::atomics
