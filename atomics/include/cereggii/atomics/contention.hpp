// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "cereggii/atomics/cache_line.hpp"
#include "cereggii/atomics/relax.hpp"

namespace cereggii::atomics {

// Keeps threads that do hardly anything but update one word from slowing each other down.
//
// When two threads take turns on a cache line at each operation, both run at the speed of the
// line's travels; one after the other, each at full speed, they would be done sooner. A thread that
// finds itself in that state takes a turn of some hundred microseconds, or stands back for the turn
// of another. After Dice, Hendler and Mirsky, "Lightweight contention management for efficient
// compare-and-swap operations" (2013), with a criterion that needs no constants of the machine:
//
//   A run of `run` updates by one thread, with nobody in between, takes the time that the loop
//   takes alone. If, later, others come in between `window` times, and the updates of that time
//   took more than `slowdown` times as long as that, running side by side is slower than taking
//   turns.
//
// Where many threads are at the word, no such run comes about. Then a turn is taken to see one; if
// it does not, because the loop has work of its own, the next attempt comes after twice as long.
//
// A loop with work of its own between the updates is not slowed down that much, and never stands
// back. An update costs a look at the cache line that it has just written, and one in `run` a look
// at the clock. A turn is only advice: nobody waits for a thread, but for a time that is fixed
// beforehand.
class Turns;

// What a thread knows of the word that it updated last.
class ContentionManager {
public:
    // `alone`: the word's count of updates by the thread that had updated it before.
    [[gnu::noinline]] static void end_run(const Turns* word, std::uint32_t alone) noexcept {
        instance_.note_run(word, alone);
    }
    [[gnu::noinline]] static void note_change(const Turns* word, std::uint32_t alone) noexcept {
        instance_.note_change_of_thread(word, alone);
    }

    static constexpr std::uint32_t run = 128;
    static constexpr std::uint32_t window = 16;

private:
    using Clock = std::chrono::steady_clock;

    static constexpr int slowdown = 2;
    static constexpr Clock::duration turn = std::chrono::microseconds(200);
    static constexpr std::uint32_t longest_patience = 4096;  // windows

    // When the turn of whoever took it last ends, by the address of the word. Apart from it, so
    // that who stands back leaves its cache line alone.
    struct alignas(destructive_interference) Turn {
        std::atomic<Clock::rep> end{0};
    };

    void start(const Turns* word) noexcept {
        word_ = word;
        changes_ = 0;
        run_start_ = {};  // unknown
        window_start_ = {};
        time_alone_ = {};
        my_turn_end_ = {};
    }

    void note_run(const Turns* word, std::uint32_t alone) noexcept {
        if (word_ != word) start(word);
        const Clock::time_point now = Clock::now();
        if (run_start_ != Clock::time_point{} && alone - run_alone_ == run) {
            time_alone_ = now - run_start_;
            if (my_turn_end_ != Clock::time_point{}) patience_ = 1;  // shown by a turn
        }
        run_start_ = now;
        run_alone_ = alone;
    }

    void note_change_of_thread(const Turns* word, std::uint32_t alone) noexcept {
        if (word_ != word) start(word);
        run_start_ = {};
        if (++changes_ < window) return;
        Clock::time_point now = Clock::now();
        if (window_start_ != Clock::time_point{}) {
            if (time_alone_ == Clock::duration{}) {
                now = look_for_run(now);
            } else {
                // Those alone were others' in part, which makes the time of each seem shorter.
                const std::uint32_t updates = window + (alone - window_alone_);
                if ((now - window_start_) * run > slowdown * time_alone_ * updates)
                    now = stand_back(now);
            }
        }
        window_start_ = now;
        window_alone_ = alone;
        changes_ = 0;
    }

    // It is not known what the loop takes alone.
    Clock::time_point look_for_run(Clock::time_point now) noexcept {
        if (++windows_unknown_ < patience_) return now;
        windows_unknown_ = 0;
        const Clock::time_point before = my_turn_end_;
        now = stand_back(now);
        // A turn of another's is no attempt of ours.
        if (my_turn_end_ != before && patience_ < longest_patience) patience_ *= 2;
        return now;
    }

    // Ends at once if it is this thread's turn, or nobody's; otherwise, when the other's turn ends.
    Clock::time_point stand_back(Clock::time_point now) noexcept {
        if (now < my_turn_end_ || take_turn(now)) return now;
        const Clock::time_point latest = now + turn;
        const Clock::time_point end{
            Clock::duration{turn_of(word_).load(std::memory_order_relaxed)}};
        while (now < end && now < latest) {
            for (int i = 0; i < 16; ++i) relax();
            now = Clock::now();
        }
        take_turn(now);
        return now;
    }

    // Relaxed: a turn orders nothing.
    bool take_turn(Clock::time_point now) noexcept {
        std::atomic<Clock::rep>& end = turn_of(word_);
        Clock::rep current = end.load(std::memory_order_relaxed);
        const Clock::time_point mine = now + turn;
        if (current > now.time_since_epoch().count() ||
            !end.compare_exchange_strong(current, mine.time_since_epoch().count(),
                                         std::memory_order_relaxed))
            return false;
        my_turn_end_ = mine;
        return true;
    }

    static std::atomic<Clock::rep>& turn_of(const Turns* word) noexcept {
        return turns_[reinterpret_cast<std::uintptr_t>(word) / 64 % turn_count].end;
    }

    const Turns* word_ = nullptr;  // only compared
    std::uint32_t changes_ = 0;
    std::uint32_t windows_unknown_ = 0;
    std::uint32_t patience_ = 1;  // not of one word alone
    std::uint32_t run_alone_ = 0;
    std::uint32_t window_alone_ = 0;
    Clock::time_point run_start_{};
    Clock::time_point window_start_{};
    Clock::duration time_alone_{};
    Clock::time_point my_turn_end_{};

    static constexpr std::size_t turn_count = 64;
    static Turn turns_[turn_count];
    static thread_local constinit ContentionManager instance_;
};

inline ContentionManager::Turn ContentionManager::turns_[turn_count]{};

inline thread_local constinit ContentionManager ContentionManager::instance_{};

// Lies on the cache line of the word, and is told of every update.
class Turns {
public:
    // Relaxed: what is lost when two threads are here at once is a count or two.
    [[gnu::always_inline]] void note_update(std::uintptr_t thread) noexcept {
        const std::uint64_t state = state_.load(std::memory_order_relaxed);
        const std::uint64_t mine = static_cast<std::uint64_t>(thread >> thread_shift) << 32;
        const auto alone = static_cast<std::uint32_t>(state);
        if (((state ^ mine) >> 32) == 0) [[likely]] {
            const std::uint32_t count = alone + 1;
            state_.store(mine | count, std::memory_order_relaxed);
            if (count % ContentionManager::run == 0) [[unlikely]]
                ContentionManager::end_run(this, count);
        } else {
            state_.store(mine | alone, std::memory_order_relaxed);
            ContentionManager::note_change(this, alone);
        }
    }

private:
    // An id is the address of something of the thread's own, of which two are never this close.
    static constexpr int thread_shift = 8;

    std::atomic<std::uint64_t> state_{0};  // thread of the last update:32, updates alone:32
};

}  // namespace cereggii::atomics
