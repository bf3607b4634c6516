// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "cereggii/atomics/cache_line.hpp"
#include "cereggii/atomics/tuning.hpp"

// How long an object has to be shared before it gets help, and what bounds the price of that help.
// There is no Python here, and no clock: the caller says what time it is. The help itself is in
// python/immortal.hpp and python/deferred.hpp.
//
// Help has a price, which is paid as long as the process lives, or until a garbage collection. So
// an object has to earn it, by the time for which several threads have been seen to use it. An
// object that threads share for a moment earns nothing, however many such objects there are.
//
//   UseWatch             what has been seen of the objects in use: their age in use.
//   ImmortalityBudget    the age that immortality takes. It rises with what has been spent.
//   DeferredMemory       the age that deferred counting takes. It rises with the memory that only a
//                        garbage collection would free.
//   CollectionRequests   how often a garbage collection may be asked for.
namespace cereggii::atomics {

using tuning::Nanoseconds;
using tuning::nanoseconds_per_second;
inline constexpr Nanoseconds never = std::numeric_limits<Nanoseconds>::max();

// The least age in use that any help takes.
inline constexpr Nanoseconds first_help = tuning::sharing::first_help;

// ── immortality ────────────────────────────────────────────────────────────────────────────────

// Memory that is given away forever. The first objects get it soon, and the last ones only after
// minutes: the required age doubles with each part of the budget that is spent.
class ImmortalityBudget {
public:
    static constexpr unsigned parts = tuning::sharing::immortality_parts;

    explicit constexpr ImmortalityBudget(std::size_t bytes) noexcept : bytes_(bytes) {}

    // How long an object of this size has to be in use; `never` if so much is not left.
    Nanoseconds required_age(std::size_t size) const noexcept {
        const std::size_t spent = spent_.load(std::memory_order_relaxed);
        if (size > bytes_ || spent > bytes_ - size) return never;
        return first_help << (spent + std::max<std::size_t>(size, 1) - 1) * parts / bytes_;
    }

    // False: so much is not left, and nothing has been spent.
    bool spend(std::size_t size) noexcept {
        std::size_t spent = spent_.load(std::memory_order_relaxed);
        do {
            if (size > bytes_ || spent > bytes_ - size) return false;
            // Lost to another thread that spent: `spent` is what it left.
        } while (!spent_.compare_exchange_weak(spent, spent + size, std::memory_order_relaxed));
        return true;
    }
    void give_back(std::size_t size) noexcept { spent_.fetch_sub(size, std::memory_order_relaxed); }

    std::size_t spent() const noexcept { return spent_.load(std::memory_order_relaxed); }

private:
    const std::size_t bytes_;
    std::atomic<std::size_t> spent_{0};
};

// ── deferred counting ──────────────────────────────────────────────────────────────────────────

// The memory that deferred objects own. All of it may be garbage that nobody has collected yet,
// except for what the last collection has left: that was in use then, all at once. So the rest may
// become as much as that, or as much as `room`, whichever is more. Then at most half of a large
// memory is garbage.
//
// Relaxed: these are guesses, and each may be made with an old number.
class DeferredMemory {
public:
    constexpr DeferredMemory(std::size_t room, std::size_t earned_per_second) noexcept
        : room_(room), rate_(earned_per_second) {}

    // How long an object has to be in use. It rises with what the object owns, and with what other
    // objects own that no collection has looked at.
    Nanoseconds required_age(std::size_t size) const noexcept {
        const double bytes = static_cast<double>(uncollected()) + static_cast<double>(size);
        const double seconds = std::min(bytes / static_cast<double>(rate_), longest_seconds);
        return first_help + static_cast<Nanoseconds>(seconds * nanoseconds_per_second);
    }

    // An object that owns more than there ever is room for is let in if it is the only one.
    bool has_room(std::size_t size) const noexcept {
        const std::size_t others = uncollected();
        const std::size_t room = std::max(room_, survived_.load(std::memory_order_relaxed));
        return others == 0 || (others <= room && size <= room - others);
    }

    // Call add() when an object is deferred or has grown, and remove() when it has shrunk or is
    // freed.
    void add(std::size_t size) noexcept { owned_.fetch_add(size, std::memory_order_relaxed); }
    void remove(std::size_t size) noexcept { owned_.fetch_sub(size, std::memory_order_relaxed); }

    // A collection has ended.
    void note_collection() noexcept {
        survived_.store(owned_.load(std::memory_order_relaxed), std::memory_order_relaxed);
    }

    std::size_t owned() const noexcept { return owned_.load(std::memory_order_relaxed); }
    std::size_t uncollected() const noexcept {
        const std::size_t survived = survived_.load(std::memory_order_relaxed);
        const std::size_t owned = owned_.load(std::memory_order_relaxed);
        return owned > survived ? owned - survived : 0;
    }

private:
    static constexpr double longest_seconds = 1e9;  // 32 years

    const std::size_t room_;
    const std::size_t rate_;
    std::atomic<std::size_t> owned_{0};
    // What was owned when the last collection ended.
    std::atomic<std::size_t> survived_{0};
};

// One collection at a time, and so far apart that they take at most two percent of the time.
class CollectionRequests {
public:
    static constexpr Nanoseconds shortest_pause = tuning::sharing::shortest_pause;
    static constexpr Nanoseconds pause_per_collection = tuning::sharing::pause_per_collection;

    // True: the caller has to make a collection run, and end() must be called after it.
    bool begin(Nanoseconds now) noexcept {
        if (now < not_before_.load(std::memory_order_relaxed)) return false;
        return !under_way_.exchange(true, std::memory_order_relaxed);
    }
    // For a collection that begin() allowed and that could not be requested.
    void cancel() noexcept { under_way_.store(false, std::memory_order_relaxed); }
    void end(Nanoseconds started, Nanoseconds now) noexcept {
        const Nanoseconds took = std::max<Nanoseconds>(now - started, 0);
        const Nanoseconds pause = std::max(shortest_pause, took * pause_per_collection);
        not_before_.store(now + pause, std::memory_order_relaxed);
        under_way_.store(false, std::memory_order_relaxed);
    }

private:
    std::atomic<bool> under_way_{false};
    std::atomic<Nanoseconds> not_before_{std::numeric_limits<Nanoseconds>::min()};
};

// ── what is in use ─────────────────────────────────────────────────────────────────────────────

// The objects that samples of their uses have shown, each with its age in use. That age is the time
// between the samples, where a long pause counts only in part. So a thread that loses the processor
// makes no object old, and neither does a thread that comes back after an hour.
//
// An object can be in one of a few places, which are a set. Objects that no longer show up make
// room for others. If there is no place for an object, it is not watched until the objects that are
// there have got help, or are no longer used. A thread that finds another thread at the same set
// goes away: its next sample is as good.
class UseWatch {
public:
    static constexpr std::size_t set_count = std::size_t{1} << tuning::sharing::set_bits;
    static constexpr std::size_t ways = tuning::sharing::places_per_set;

    // Help that was refused is asked for again after this time, and after twice as long each time.
    static constexpr Nanoseconds patience = tuning::sharing::patience;
    // An object that was not seen for this time and its own age in use makes room for another.
    static constexpr Nanoseconds forgotten_after = tuning::sharing::forgotten_after;

    constexpr UseWatch() noexcept = default;

    // For a sampled use by the calling thread, which does not own the object. True: several threads
    // have used the object, for `required_age`, and the caller has to help it. It is not true again
    // for a while, whether that help succeeds or not.
    bool note_use(std::uintptr_t object, std::uintptr_t thread, Nanoseconds now,
                  Nanoseconds required_age) noexcept {
        Set& set = set_of(object);
        // Acquire: pairs with the release below. What is known of the objects passes from one
        // thread that holds the set to the next.
        if (set.busy.exchange(true, std::memory_order_acquire)) return false;
        if (!in_use_.load(std::memory_order_relaxed))
            in_use_.store(true, std::memory_order_relaxed);
        const bool earned = note_use_alone(set, object, thread, now, required_age);
        set.busy.store(false, std::memory_order_release);
        return earned;
    }

    // For a new object: what was seen of an earlier one at its address is not about this one.
    void forget(std::uintptr_t object) noexcept {
        if (!in_use_.load(std::memory_order_relaxed)) return;
        for (std::atomic<std::uintptr_t>& place : set_of(object).objects)
            if (place.load(std::memory_order_relaxed) == object) [[unlikely]] {
                std::uintptr_t expected = object;
                place.compare_exchange_strong(expected, 0, std::memory_order_relaxed);
            }
    }

    static std::size_t set_number(std::uintptr_t object) noexcept {
        // Fibonacci hashing of the bits above the alignment.
        return static_cast<std::size_t>(std::uint64_t{object >> 4} * 0x9E37'79B9'7F4A'7C15 >>
                                        (64 - tuning::sharing::set_bits));
    }

private:
    struct Entry {
        Nanoseconds last_seen = 0;
        Nanoseconds age = 0;
        // Help was refused, and is not asked for again before this time.
        Nanoseconds not_before = 0;
        // The thread that was seen last.
        std::uintptr_t thread = 0;
        // How often another thread was seen than the time before.
        std::uint32_t changes = 0;
        std::uint32_t samples = 0;
        // How often help was asked for.
        std::uint32_t attempts = 0;
    };
    struct alignas(destructive_interference) Set {
        std::array<std::atomic<std::uintptr_t>, ways> objects{};  // 0: free
        std::array<Entry, ways> entries{};
        std::atomic<bool> busy{false};
    };

    Set& set_of(std::uintptr_t object) noexcept { return sets_[set_number(object)]; }

    static bool note_use_alone(Set& set, std::uintptr_t object, std::uintptr_t thread,
                               Nanoseconds now, Nanoseconds required_age) noexcept {
        for (std::size_t way = 0; way < ways; ++way)
            if (set.objects[way].load(std::memory_order_relaxed) == object)
                return note_again(set.entries[way], thread, now, required_age);
        const std::size_t way = find_room(set, now);
        if (way == ways) return false;
        Entry fresh;
        fresh.last_seen = now;
        fresh.thread = thread;
        fresh.samples = 1;
        set.entries[way] = fresh;
        set.objects[way].store(object, std::memory_order_relaxed);
        return false;
    }

    static bool note_again(Entry& entry, std::uintptr_t thread, Nanoseconds now,
                           Nanoseconds required_age) noexcept {
        const Nanoseconds pause = std::max<Nanoseconds>(now - entry.last_seen, 0);
        entry.age +=
            std::min(pause, required_age / tuning::sharing::steps_of_age + 1);  // rounded up
        entry.last_seen = std::max(entry.last_seen, now);
        if (entry.thread != thread) {
            entry.thread = thread;
            ++entry.changes;
        }
        ++entry.samples;
        if (entry.changes < tuning::sharing::changes_of_shared &&
            entry.samples < tuning::sharing::samples_of_shared)
            return false;
        if (entry.age < required_age || now < entry.not_before) return false;
        entry.not_before = now + (patience << std::min(
                                      entry.attempts, tuning::sharing::most_doublings_of_patience));
        ++entry.attempts;
        return true;
    }

    // A free place; or else that of an object which is no longer in use; or else that of an object
    // which cannot be helped for now, and which is forgotten. `ways` if there is none.
    static std::size_t find_room(const Set& set, Nanoseconds now) noexcept {
        std::size_t chosen = ways;
        bool chosen_is_in_use = true;
        for (std::size_t way = 0; way < ways; ++way) {
            if (set.objects[way].load(std::memory_order_relaxed) == 0) return way;
            const Entry& entry = set.entries[way];
            const bool in_use = now - entry.last_seen < forgotten_after + entry.age;
            if (in_use && now >= entry.not_before) continue;
            if (chosen == ways || (chosen_is_in_use && !in_use) ||
                (chosen_is_in_use == in_use && entry.last_seen < set.entries[chosen].last_seen)) {
                chosen = way;
                chosen_is_in_use = in_use;
            }
        }
        return chosen;
    }

    std::array<Set, set_count> sets_{};
    std::atomic<bool> in_use_{false};
};

}  // namespace cereggii::atomics
