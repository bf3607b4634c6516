// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "cereggii/atomics/cache_line.hpp"
#include "cereggii/atomics/relax.hpp"

namespace cereggii::atomics {

// Keeps threads that do hardly anything but update one word from slowing each other down.
//
// When threads take turns on a cache line at each operation, all of them run at the speed of the
// line's travels; one after the other, each at full speed, they would be done sooner. Threads that
// are in that state take turns of some hundred microseconds, for which the others stand back. After
// Dice, Hendler and Mirsky, "Lightweight contention management for efficient compare-and-swap
// operations" (2013). Whether a turn is worth it depends on the machine and on the program, and
// changes. So nothing is assumed, and everything is measured each time:
//
//   side by side  How many updates all threads made in some time, when nobody had a turn. A thread
//                 looks at the clock after each `window` times that others came in between.
//   in a turn     How many updates were made in the whole turn. A turn was worth it if they were a
//                 quarter more for the same time.
//   alone         How long the thread that has the turn takes for `run` updates with nobody in
//                 between.
//
// After a turn that was worth it the next one may follow, after a window side by side; whoever has
// waited longest takes it. After one that was not, the word has a rest, during which there are no
// turns. It is four times as long as the rest before, up to `longest_rest`; each turn that was
// worth it takes `turn` off that. So a loop for which turns do not help loses less than half a
// per cent, and one that changes its ways is noticed soon.
//
// The first turn after a rest is a *trial*: all threads stand back for it, so that it shows what it
// is to show. So is the first turn of a thread, or its first one for long. For others only those
// threads stand back that are slowed down: whose updates take twice the time alone or more. So a
// loop with work of its own does not wait for the tight loops of others.
//
// A word that is updated less than `least_in_turn` times in the time of a turn has no turns at all.
//
// An update costs a look at the cache line that it has just written; one in `run` updates, and each
// one that comes after another thread's, a call. A turn is only advice: nobody waits for a thread,
// but for a time that is fixed beforehand. Nothing is ordered by it, so all accesses are relaxed.
//
// `Threads` tells the time, waits, and knows the ContentionManager of the calling thread: a test
// has other threads, and another time.
template <class Threads>
class ContentionManager {
public:
    using Time = std::int64_t;  // nanoseconds

    static constexpr std::uint32_t run = 16;
    static constexpr std::uint32_t window = 16;
    static constexpr Time turn = 200'000;
    static constexpr Time longest_rest = 256 * turn;

    // `count`: of the updates of the word. This thread's, of which the last `run` are its own if
    // nothing else is noted between two calls.
    [[gnu::noinline]] static void end_run(const void* word, std::uint32_t count) noexcept {
        Threads::manager().note_run(word, count);
    }
    // Another thread's update came before this one.
    [[gnu::noinline]] static void note_change(const void* word, std::uint32_t count) noexcept {
        Threads::manager().note_change_of_thread(word, count);
    }

private:
    static constexpr Time first_rest = 4 * turn;
    static constexpr int least_in_turn = 64;
    static constexpr std::uint32_t runs_timed = 8;
    static constexpr Time unknown = 0;
    static constexpr Time never = std::numeric_limits<Time>::max();
    static constexpr std::int64_t nobody = std::numeric_limits<std::int64_t>::max();

    // What the threads that update a word tell each other. Apart from the word, so that who stands
    // back leaves its cache line alone.
    struct alignas(destructive_interference) Place {
        std::atomic<const void*> word{nullptr};  // whose it is; only compared
        std::atomic<Time> turn_end{0};
        std::atomic<Time> rest_end{0};
        std::atomic<Time> rest{0};  // how long the last one was
        std::atomic<std::int64_t> turns{0};
        std::atomic<std::int64_t> oldest{nobody};  // of those who stand back: their last turns
        std::atomic<bool> trial{false};
        std::atomic<bool> worth{false};  // whether the last turn was
    };

    void start(const void* word) noexcept { *this = ContentionManager(word); }

    void note_run(const void* word, std::uint32_t count) noexcept {
        if (turn_end_ == 0 || word_ != word || runs_ == runs_timed) return;
        const Time now = Threads::now();
        // The shortest: the thread may have lost the processor in one of them.
        if (run_start_ != 0 && count - run_count_ == run) {
            run_in_turn_ = std::min(run_in_turn_, now - run_start_);
            ++runs_;
        }
        run_start_ = now;
        run_count_ = count;
    }

    void note_change_of_thread(const void* word, std::uint32_t count) noexcept {
        if (word_ != word) start(word);
        run_start_ = 0;
        if (turn_end_ != 0) {
            // One that has not noticed the turn yet, or the first one after it.
            const Time now = Threads::now();
            if (now < turn_end_) return;
            judge_turn(now, count);
            open_window(now, count);
        } else if (window_start_ == 0) {
            open_window(Threads::now(), count);
        } else if (++changes_ == window) {
            end_window(Threads::now(), count);
        }
    }

    void open_window(Time now, std::uint32_t count) noexcept {
        window_start_ = now;
        window_count_ = count;
        changes_ = 0;
    }

    void end_window(Time now, std::uint32_t count) noexcept {
        const Time passed = now - window_start_;
        const bool is_hammered =
            passed * least_in_turn <= turn * updates_since(window_count_, count);
        if (is_hammered) {
            Place* place = find(word_);
            const Time turn_end = place ? place->turn_end.load(std::memory_order_relaxed) : 0;
            if (now < turn_end) {
                const bool is_trial = place->trial.load(std::memory_order_relaxed);
                // The word may be on the point of having turns again, because loops have changed.
                if (is_trial && now - learnt_at_ > longest_rest / 2) alone_ = unknown;
                if (is_trial || is_slowed_down(passed)) {
                    ask_for_turn(*place);
                    Threads::wait_until(std::min(turn_end, now + turn));
                    window_start_ = 0;  // to be opened at the next change
                    return;
                }
            } else if (turn_end <= window_start_) {  // otherwise it was not side by side
                consider_turn(place, now, count);
                if (turn_end_ != 0) return;
            }
        }
        open_window(now, count);
    }

    // Threads that race here may lose counts, so the difference can be any number.
    static Time updates_since(std::uint32_t before, std::uint32_t count) noexcept {
        return std::max(0, static_cast<std::int32_t>(count - before));
    }

    bool is_slowed_down(Time passed) const noexcept {
        static_assert(run == window);
        return alone_ != unknown && alone_ != never && passed >= 2 * alone_;
    }

    void ask_for_turn(Place& place) noexcept {
        is_late_ = false;
        std::int64_t oldest = place.oldest.load(std::memory_order_relaxed);
        while (
            last_turn_ < oldest &&  // lost to another who asks: look again
            !place.oldest.compare_exchange_strong(oldest, last_turn_, std::memory_order_relaxed)) {
        }
    }

    void consider_turn(Place* place, Time now, std::uint32_t count) noexcept {
        const Time passed = now - window_start_;
        const bool is_new = !place || is_forgotten(*place, now);
        const bool is_trial =
            is_new || alone_ == unknown || !place->worth.load(std::memory_order_relaxed);
        if (!is_trial && !is_slowed_down(passed)) return;
        if (!place) place = claim(word_, now);
        if (!place || now < place->rest_end.load(std::memory_order_relaxed)) return;
        // First whoever has waited longest; after one more window, whoever is there.
        if (!is_late_ && place->oldest.load(std::memory_order_relaxed) < last_turn_) {
            is_late_ = true;
            return;
        }
        Time end = place->turn_end.load(std::memory_order_relaxed);
        // Fails if another thread was faster.
        if (now < end ||
            !place->turn_end.compare_exchange_strong(end, now + turn, std::memory_order_relaxed))
            return;
        place->oldest.store(nobody, std::memory_order_relaxed);
        last_turn_ = place->turns.fetch_add(1, std::memory_order_relaxed) + 1;
        place->trial.store(is_trial, std::memory_order_relaxed);
        // As if it were not worth it, until that is known: the thread may never come back.
        rest_before_ = is_new ? 0 : place->rest.load(std::memory_order_relaxed);
        set_rest(*place, std::clamp(4 * rest_before_, first_rest, longest_rest), now + turn);
        place->worth.store(false, std::memory_order_relaxed);
        place_ = place;
        is_trial_ = is_trial;
        side_by_side_ = static_cast<double>(updates_since(window_count_, count)) /
                        static_cast<double>(std::max<Time>(1, passed));
        turn_start_ = now;
        turn_end_ = now + turn;
        turn_count_ = count;
        run_in_turn_ = never;
        runs_ = 0;
    }

    void judge_turn(Time now, std::uint32_t count) noexcept {
        const Time passed = now - turn_start_;
        turn_end_ = 0;
        is_late_ = false;
        const bool is_mine = place_->word.load(std::memory_order_relaxed) == word_;
        if (passed > 2 * turn) {
            // The thread did something else, or had no processor: that shows nothing.
            alone_ = unknown;
            if (!is_mine) return;
            set_rest(*place_, rest_before_, now);
            place_->worth.store(!is_trial_, std::memory_order_relaxed);
            return;
        }
        alone_ = run_in_turn_;
        learnt_at_ = now;
        const double in_turn =
            static_cast<double>(updates_since(turn_count_, count)) / static_cast<double>(passed);
        if (in_turn * 4 < side_by_side_ * 5 || !is_mine) return;
        place_->rest.store(std::max<Time>(0, rest_before_ - turn), std::memory_order_relaxed);
        place_->rest_end.store(0, std::memory_order_relaxed);
        place_->worth.store(true, std::memory_order_relaxed);
    }

    static void set_rest(Place& place, Time rest, Time start) noexcept {
        place.rest.store(rest, std::memory_order_relaxed);
        place.rest_end.store(start + rest, std::memory_order_relaxed);
    }

    // What was seen so long ago is not held against the word, which may be another one by now.
    static bool is_forgotten(const Place& place, Time now) noexcept {
        return now > place.turn_end.load(std::memory_order_relaxed) + longest_rest + turn;
    }

    static Place* find(const void* word) noexcept {
        for (std::size_t i = 0; i < probes; ++i) {
            Place& place = place_of(word, i);
            if (place.word.load(std::memory_order_relaxed) == word) return &place;
        }
        return nullptr;
    }

    // A place that no word has, or one that has had no turn for long. Null: there are too many.
    static Place* claim(const void* word, Time now) noexcept {
        for (std::size_t i = 0; i < probes; ++i) {
            Place& place = place_of(word, i);
            const void* other = place.word.load(std::memory_order_relaxed);
            if (other && !is_forgotten(place, now)) continue;
            // Fails if another thread was faster, maybe for this very word: at the next window.
            if (!place.word.compare_exchange_strong(other, word, std::memory_order_relaxed))
                return nullptr;
            set_rest(place, 0, 0);
            place.worth.store(false, std::memory_order_relaxed);
            return &place;
        }
        return nullptr;
    }

    static Place& place_of(const void* word, std::size_t probe) noexcept {
        const auto bits = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(word));
        return places_[((bits * 0x9E3779B97F4A7C15u >> 32) + probe) % places_.size()];
    }

    constexpr explicit ContentionManager(const void* word) noexcept : word_(word) {}

public:
    constexpr ContentionManager() noexcept = default;

private:
    const void* word_ = nullptr;  // that this thread has updated last, after another; only compared
    std::int64_t last_turn_ = 0;  // its number; 0: none yet
    bool is_late_ = false;        // has let others go first
    Time alone_ = unknown;        // for `run` updates; never: slower than can be seen in a turn
    Time learnt_at_ = 0;
    // Side by side with others, now.
    std::uint32_t changes_ = 0;
    std::uint32_t window_count_ = 0;
    Time window_start_ = 0;  // 0: none is open
    // This thread's turn.
    Time turn_end_ = 0;  // 0: it has none
    Time turn_start_ = 0;
    std::uint32_t turn_count_ = 0;
    bool is_trial_ = false;
    Place* place_ = nullptr;
    Time rest_before_ = 0;
    double side_by_side_ = 0;  // updates per nanosecond, before it
    std::uint32_t runs_ = 0;
    std::uint32_t run_count_ = 0;
    Time run_start_ = 0;
    Time run_in_turn_ = never;

    static constexpr std::size_t probes = 4;
    static inline constinit std::array<Place, 64> places_{};
};

// Lies on the cache line of the word, and is told of every update.
template <class Threads>
class ContentionStateOf {
public:
    // Relaxed: what is lost when two threads are here at once are counts.
    [[gnu::always_inline]] void note_update(std::uintptr_t thread) noexcept {
        using Manager = ContentionManager<Threads>;
        const std::uint64_t state = state_.load(std::memory_order_relaxed);
        const std::uint64_t mine = static_cast<std::uint64_t>(thread >> thread_shift) << 32;
        const std::uint32_t count = static_cast<std::uint32_t>(state) + 1;
        state_.store(mine | count, std::memory_order_relaxed);
        if (((state ^ mine) >> 32) != 0) [[unlikely]]
            Manager::note_change(this, count);
        else if (count % Manager::run == 0) [[unlikely]]
            Manager::end_run(this, count);
    }

private:
    // An id is the address of something of the thread's own, of which two are never this close.
    static constexpr int thread_shift = 8;

    std::atomic<std::uint64_t> state_{0};  // thread of the last update:32, updates:32
};

// The threads of this process.
struct RealThreads {
    using Clock = std::chrono::steady_clock;

    static std::int64_t now() noexcept {
        return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch())
            .count();
    }
    static void wait_until(std::int64_t end) noexcept {
        while (now() < end)
            for (int i = 0; i < 16; ++i) relax();
    }
    static ContentionManager<RealThreads>& manager() noexcept;
};

inline thread_local constinit ContentionManager<RealThreads> contention_manager{};

inline ContentionManager<RealThreads>& RealThreads::manager() noexcept {
    return contention_manager;
}

using ContentionState = ContentionStateOf<RealThreads>;

}  // namespace cereggii::atomics
