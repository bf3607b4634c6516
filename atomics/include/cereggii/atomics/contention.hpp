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
#include "cereggii/atomics/compiler.hpp"
#include "cereggii/atomics/relax.hpp"
#include "cereggii/atomics/tuning.hpp"

namespace cereggii::atomics {

// Lets threads that do hardly anything but update one word take turns at it.
//
// When threads update one word side by side, its cache line travels at each update, and all of them
// run at the speed of that travel. One after the other, each at full speed, they would be done
// sooner. So threads in that state take turns of some hundred microseconds, and the others stand
// back meanwhile. After Dice, Hendler and Mirsky, "Lightweight contention management for efficient
// compare-and-swap operations" (2013). Whether a turn is worth it depends on the machine and on the
// program, and changes. So nothing is assumed, and everything is measured each time:
//
//   side by side  How many updates all threads make in some time, while nobody has a turn. A thread
//                 looks at the clock once in `window` updates that came after another thread's.
//   in a turn     How many updates are made in the whole turn. The turn was worth it if they are a
//                 quarter more for the same time.
//   alone         How long the thread that has the turn takes for `run` updates with no other
//                 thread's update in between.
//
// After a turn that was worth it the next one may follow, after one window side by side. The thread
// that has waited longest takes it. After a turn that was not worth it the word has a rest, in
// which there are no turns. A rest is four times as long as the one before, up to `longest_rest`,
// and each turn that was worth it takes `turn` off that. So a loop for which turns do not help
// loses less than half a per cent, and a loop that changes is noticed soon.
//
// Which threads stand back
//   - For a *trial*, all threads at the word that notice it, so that the trial shows what turns can
//     do. A turn is a trial if it is the first one of a word (or its first one for long), the first
//     one after a rest, or the first one of a thread whose last turn showed nothing, or was long
//     ago.
//   - For another turn, only threads that are slowed down: those whose window takes at least twice
//     the time that a run took them alone, in their own last turn.
//   - For a word that gets fewer than `fewest_updates_per_turn` updates in the time of a turn,
//     none: it has no turns.
// So a loop with work of its own stands back for trials, and otherwise does not wait for the tight
// loops of others. There is one exception: a loop that was tight and has begun to do work. The time
// that its thread took alone is still that of the tight phase, so the thread seems to be slowed
// down. It stands back until its own next turn, or until a trial shows that this time is out of
// date.
//
// An update costs a look at the cache line that it has just written. One in `run` updates costs a
// call, and so does each update that comes after another thread's. A turn is only advice: nobody
// waits for a thread, only for a time that is fixed beforehand. Nothing is ordered by it, so all
// accesses are relaxed.
//
// `Threads` tells the time, waits, and knows the ContentionManager of the calling thread. A test
// has other threads, and another time.
template <class Threads>
class ContentionManager {
public:
    using Time = std::int64_t;  // nanoseconds

    static constexpr std::uint32_t run = tuning::contention::updates_per_run;
    static constexpr std::uint32_t window = tuning::contention::changes_per_window;
    static constexpr Time turn = tuning::contention::turn;
    static constexpr Time longest_rest = tuning::contention::longest_rest_in_turns * turn;

    // The calling thread has just made update number `count` of the word. If no change was noted
    // since the last call, the `run` updates in between are its own.
    CEREGGII_NEVER_INLINE static void end_run(const void* word, std::uint32_t count) noexcept {
        Threads::manager().note_run(word, count);
    }
    // The calling thread has just made update number `count`, and the one before was another
    // thread's.
    CEREGGII_NEVER_INLINE static void note_change(const void* word, std::uint32_t count) noexcept {
        Threads::manager().note_change_of_thread(word, count);
    }

private:
    static constexpr Time first_rest = tuning::contention::first_rest_in_turns * turn;
    static constexpr Time unknown = 0;
    static constexpr Time never = std::numeric_limits<Time>::max();
    static constexpr std::int64_t nobody = std::numeric_limits<std::int64_t>::max();

    // What the threads that update a word tell each other. It is apart from the word, so that
    // threads that stand back leave the word's cache line alone.
    struct alignas(destructive_interference) Place {
        // The word that has this place. It is only compared, never followed.
        std::atomic<const void*> word{nullptr};
        std::atomic<Time> turn_end{0};
        std::atomic<Time> rest_end{0};
        // How long the last rest was.
        std::atomic<Time> rest{0};
        // How many turns there have been. So each turn has a number.
        std::atomic<std::int64_t> turns{0};
        // Each thread that stands back has the number of its last turn; this is the smallest.
        std::atomic<std::int64_t> oldest{nobody};
        // Whether the turn that goes on, or the last one, is a trial.
        std::atomic<bool> trial{false};
        // Whether the last turn was worth it.
        std::atomic<bool> worth{false};
    };

    void start(const void* word) noexcept { *this = ContentionManager(word); }

    void note_run(const void* word, std::uint32_t count) noexcept {
        if (turn_end_ == 0 || word_ != word || runs_ == tuning::contention::timed_runs) return;
        const Time now = Threads::now();
        // The shortest run counts: the thread may have lost the processor in any other.
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
            // The other thread has not noticed the turn yet, or the turn is over.
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
        const bool is_contended = passed * tuning::contention::fewest_updates_per_turn <=
                                  turn * updates_since(window_count_, count);
        if (is_contended) {
            Place* place = find(word_);
            const Time turn_end = place ? place->turn_end.load(std::memory_order_relaxed) : 0;
            if (now < turn_end) {
                const bool is_trial = place->trial.load(std::memory_order_relaxed);
                // The trial may be there because loops have changed: forget what was learnt long
                // ago.
                if (is_trial && now - learnt_at_ > longest_rest / 2) alone_ = unknown;
                if (is_trial || is_slowed_down(passed)) {
                    ask_for_turn(*place);
                    Threads::wait_until(std::min(turn_end, now + turn));
                    window_start_ = 0;  // a window is opened at the next change
                    return;
                }
            } else if (turn_end <= window_start_) {  // no part of the window was in a turn
                consider_turn(place, now, count);
                if (turn_end_ != 0) return;
            }
        }
        open_window(now, count);
    }

    // Threads that race for the count may lose updates, so the difference can be any number.
    static Time updates_since(std::uint32_t before, std::uint32_t count) noexcept {
        return std::max(0, static_cast<std::int32_t>(count - before));
    }

    bool is_slowed_down(Time passed) const noexcept {
        static_assert(run == window);
        return alone_ != unknown && alone_ != never &&
               passed >= tuning::contention::slowed_down_factor * alone_;
    }

    void ask_for_turn(Place& place) noexcept {
        is_late_ = false;
        std::int64_t oldest = place.oldest.load(std::memory_order_relaxed);
        // Lost to another thread that asks: look at its number, which may be smaller.
        while (last_turn_ < oldest && !place.oldest.compare_exchange_strong(
                                          oldest, last_turn_, std::memory_order_relaxed)) {
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
        // The turn is for the thread that has waited longest. After one more window, any thread may
        // take it.
        if (!is_late_ && place->oldest.load(std::memory_order_relaxed) < last_turn_) {
            is_late_ = true;
            return;
        }
        Time end = place->turn_end.load(std::memory_order_relaxed);
        // Lost to another thread that has taken the turn.
        if (now < end ||
            !place->turn_end.compare_exchange_strong(end, now + turn, std::memory_order_relaxed))
            return;
        place->oldest.store(nobody, std::memory_order_relaxed);
        last_turn_ = place->turns.fetch_add(1, std::memory_order_relaxed) + 1;
        place->trial.store(is_trial, std::memory_order_relaxed);
        // Until it is known, the turn counts as not worth it: the thread may never come back to
        // judge.
        rest_before_ = is_new ? 0 : place->rest.load(std::memory_order_relaxed);
        set_rest(
            *place,
            std::clamp(tuning::contention::rest_growth * rest_before_, first_rest, longest_rest),
            now + turn);
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
        if (passed > tuning::contention::judged_within_turns * turn) {
            // The thread did something else, or had no processor. The turn shows nothing.
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
        if (in_turn * tuning::contention::worth_it_denominator <
                side_by_side_ * tuning::contention::worth_it_numerator ||
            !is_mine)
            return;
        place_->rest.store(std::max<Time>(0, rest_before_ - turn), std::memory_order_relaxed);
        place_->rest_end.store(0, std::memory_order_relaxed);
        place_->worth.store(true, std::memory_order_relaxed);
    }

    static void set_rest(Place& place, Time rest, Time start) noexcept {
        place.rest.store(rest, std::memory_order_relaxed);
        place.rest_end.store(start + rest, std::memory_order_relaxed);
    }

    // What was seen so long ago does not count any more: another word may be at the address by now.
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

    // A place that no word has, or that of a word that has had no turn for long. Null: there is
    // none.
    static Place* claim(const void* word, Time now) noexcept {
        for (std::size_t i = 0; i < probes; ++i) {
            Place& place = place_of(word, i);
            const void* other = place.word.load(std::memory_order_relaxed);
            if (other && !is_forgotten(place, now)) continue;
            // Lost to another thread, maybe for this very word: look again at the next window.
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
    // The word that this thread has last updated after another thread. It is only compared.
    const void* word_ = nullptr;
    // The number of this thread's last turn at the word; 0 if it had none.
    std::int64_t last_turn_ = 0;
    // Whether the thread has let a thread go first that has waited longer.
    bool is_late_ = false;
    // The shortest time that `run` updates took in this thread's last turn. `never`: no run was
    // seen as a whole. `unknown`: the thread has had no turn, or its last turn showed nothing.
    Time alone_ = unknown;
    // When alone_ was measured.
    Time learnt_at_ = 0;

    // The window: a stretch of updates side by side with other threads.
    // How many updates in it came after another thread's.
    std::uint32_t changes_ = 0;
    // The number of the update that opened it.
    std::uint32_t window_count_ = 0;
    // When it was opened; 0 if none is open.
    Time window_start_ = 0;

    // This thread's turn.
    // When it ends; 0 if the thread has none.
    Time turn_end_ = 0;
    Time turn_start_ = 0;
    // The number of the update that began it.
    std::uint32_t turn_count_ = 0;
    bool is_trial_ = false;
    // The place of the word.
    Place* place_ = nullptr;
    // The word's last rest before the turn.
    Time rest_before_ = 0;
    // Updates of all threads per nanosecond, in the window before the turn.
    double side_by_side_ = 0;
    // How many runs were timed in the turn.
    std::uint32_t runs_ = 0;
    // The number of the update that began the run.
    std::uint32_t run_count_ = 0;
    // When the run began; 0 if another thread's update came in between.
    Time run_start_ = 0;
    // The shortest run of the turn.
    Time run_in_turn_ = never;

    static constexpr std::size_t probes = tuning::contention::places_per_word;
    static inline constinit std::array<Place, tuning::contention::places> places_{};
};

// What the threads at a word know of each other. It lies on the cache line of the word, and is told
// of every update.
template <class Threads>
class ContentionStateOf {
public:
    // Relaxed, and a store instead of an exchange: two threads that are here at once lose counts,
    // and nothing else.
    CEREGGII_ALWAYS_INLINE void note_update(std::uintptr_t thread) noexcept {
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
    // The id of a thread is the address of something that belongs to it, and two of those are never
    // closer than this.
    static constexpr int thread_shift = 8;

    std::atomic<std::uint64_t> state_{0};  // thread of the last update:32 | number of updates:32
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
            for (int i = 0; i < tuning::contention::relaxes_per_clock_look; ++i) relax();
    }
    static ContentionManager<RealThreads>& manager() noexcept;
};

inline thread_local constinit ContentionManager<RealThreads> contention_manager{};

inline ContentionManager<RealThreads>& RealThreads::manager() noexcept {
    return contention_manager;
}

using ContentionState = ContentionStateOf<RealThreads>;

}  // namespace cereggii::atomics
