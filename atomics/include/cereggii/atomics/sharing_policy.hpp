// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "cereggii/atomics/cache_line.hpp"

// Which objects get help because threads share them, and when. No Python here, and no clock: who
// asks says what time it is. What the help is, is in python/sharing.hpp.
//
// Help has a price, which is paid for as long as the process lives, or until a garbage collection.
// So an object has to earn it: by the time for which several threads have been seen to use it. An
// object that threads share for a moment earns nothing, however many such objects there are.
//
//   UseWatch             what has been seen of the objects in use: their age in use.
//   ImmortalityBudget    the age that immortality takes: it rises with what has been spent.
//   DeferredMemory       the age that deferred counting takes: it rises with the memory that only a
//                        garbage collection would free.
//   CollectionRequests   how often a garbage collection may be asked for.
namespace cereggii::atomics {

using Nanoseconds = std::int64_t;

inline constexpr Nanoseconds nanoseconds_per_second = 1'000'000'000;
inline constexpr Nanoseconds never = std::numeric_limits<Nanoseconds>::max();

// The least age in use that any help takes.
inline constexpr Nanoseconds first_help = nanoseconds_per_second / 50;

// ── immortality ────────────────────────────────────────────────────────────────────────────────

// Memory that is given away forever. The first objects get it soon, the last ones only after
// minutes: the age doubles with each part of the budget that is spent.
class ImmortalityBudget {
public:
    static constexpr unsigned parts = 14;  // the last one takes 2^13 times 20 ms: nearly 3 minutes

    explicit constexpr ImmortalityBudget(std::size_t bytes) noexcept : bytes_(bytes) {}

    // `never`: this much is not left.
    Nanoseconds required_age(std::size_t size) const noexcept {
        const std::size_t spent = spent_.load(std::memory_order_relaxed);
        if (size > bytes_ || spent > bytes_ - size) return never;
        return first_help << (spent + std::max<std::size_t>(size, 1) - 1) * parts / bytes_;
    }

    // False: this much is not left, and nothing has been spent.
    bool spend(std::size_t size) noexcept {
        std::size_t spent = spent_.load(std::memory_order_relaxed);
        do {
            if (size > bytes_ || spent > bytes_ - size) return false;
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

// The memory that deferred objects own. They may all be garbage that nobody has collected yet, but
// for what the last collection has left: that was in use then, all at once. So the rest may become
// as much as that, or as `room` if that is more, and no more: at most half is garbage.
//
// Relaxed: these are guesses, of which one may be made with an old number.
class DeferredMemory {
public:
    constexpr DeferredMemory(std::size_t room, std::size_t earned_per_second) noexcept
        : room_(room), rate_(earned_per_second) {}

    // An object has to be in use for longer the more it owns, and the more others own that no
    // collection has looked at.
    Nanoseconds required_age(std::size_t size) const noexcept {
        const double bytes = static_cast<double>(uncollected()) + static_cast<double>(size);
        const double seconds = std::min(bytes / static_cast<double>(rate_), longest_seconds);
        return first_help + static_cast<Nanoseconds>(seconds * nanoseconds_per_second);
    }

    // An object that owns more than there ever is room for is let in when it is the only one.
    bool has_room(std::size_t size) const noexcept {
        const std::size_t others = uncollected();
        const std::size_t room = std::max(room_, survived_.load(std::memory_order_relaxed));
        return others == 0 || (others <= room && size <= room - others);
    }

    // An object is deferred; it has grown; it is freed.
    void add(std::size_t size) noexcept { owned_.fetch_add(size, std::memory_order_relaxed); }
    void remove(std::size_t size) noexcept { owned_.fetch_sub(size, std::memory_order_relaxed); }

    // A collection has come to its end.
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
    std::atomic<std::size_t> survived_{0};  // of what was owned, the last collection
};

// One at a time, and such that they take two percent of the time at the most.
class CollectionRequests {
public:
    static constexpr Nanoseconds shortest_pause = nanoseconds_per_second;
    static constexpr Nanoseconds pause_per_collection = 50;

    // True: the caller is to see to it that a collection is run, and end() called after it.
    bool begin(Nanoseconds now) noexcept {
        if (now < not_before_.load(std::memory_order_relaxed)) return false;
        return !under_way_.exchange(true, std::memory_order_relaxed);
    }
    // It could not be asked for.
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

// The objects that samples of the uses have shown, each with its age in use: the time between the
// samples, of which long pauses count in part only. A thread that loses the processor makes no
// object old, and neither does one that comes back after an hour.
//
// An object may be in one of a few places; those that no longer show up make room for others. If
// there is no place for an object it is not watched, until those that are there have got help, or
// are no longer used. Who comes while another thread is at the same places goes away: its next
// sample is as good.
class UseWatch {
public:
    static constexpr std::size_t set_count = 64;
    static constexpr std::size_t ways = 8;

    // A help that cannot be had is asked for again after this time, and twice as long each time.
    static constexpr Nanoseconds patience = nanoseconds_per_second;
    static constexpr unsigned longest_patience = 8;  // times doubled: 4 minutes
    // An object that was not seen for so long, and its age in use, makes room for another.
    static constexpr Nanoseconds forgotten_after = nanoseconds_per_second / 20;

    constexpr UseWatch() noexcept = default;

    // For a sampled use by the calling thread, which does not own the object. True: several threads
    // have used it, for `required_age`. Then the caller is to help it; this is not said again soon,
    // whether that succeeds or not.
    bool note_use(std::uintptr_t object, std::uintptr_t thread, Nanoseconds now,
                  Nanoseconds required_age) noexcept {
        Set& set = set_of(object);
        // Acquire, release: what is known of the objects passes from one holder to the next.
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
        // By Fibonacci hashing of what is above the alignment.
        return static_cast<std::size_t>(std::uint64_t{object >> 4} * 0x9E37'79B9'7F4A'7C15 >> 58);
    }

private:
    // Two threads that hand an object on, one to the other, make one change; to and fro, two.
    static constexpr std::uint32_t several_changes = 3;
    // By one thread that is not the owner, which does not tell that it uses the object.
    static constexpr std::uint32_t very_often = 64;
    // Of the age that is required: a pause counts as so much at the most.
    static constexpr Nanoseconds steps = 8;

    struct Record {
        Nanoseconds last_seen = 0;
        Nanoseconds age = 0;
        Nanoseconds not_before = 0;  // help has been asked for, and is not until then
        std::uintptr_t thread = 0;   // that was seen last
        std::uint32_t changes = 0;   // of that thread
        std::uint32_t samples = 0;
        std::uint32_t attempts = 0;
    };
    struct alignas(destructive_interference) Set {
        std::array<std::atomic<std::uintptr_t>, ways> objects{};  // 0: free
        std::array<Record, ways> records{};
        std::atomic<bool> busy{false};
    };

    static_assert(set_count == 64, "see set_number()");

    Set& set_of(std::uintptr_t object) noexcept { return sets_[set_number(object)]; }

    static bool note_use_alone(Set& set, std::uintptr_t object, std::uintptr_t thread,
                               Nanoseconds now, Nanoseconds required_age) noexcept {
        for (std::size_t way = 0; way < ways; ++way)
            if (set.objects[way].load(std::memory_order_relaxed) == object)
                return note_again(set.records[way], thread, now, required_age);
        const std::size_t way = find_room(set, now);
        if (way == ways) return false;
        Record fresh;
        fresh.last_seen = now;
        fresh.thread = thread;
        fresh.samples = 1;
        set.records[way] = fresh;
        set.objects[way].store(object, std::memory_order_relaxed);
        return false;
    }

    static bool note_again(Record& record, std::uintptr_t thread, Nanoseconds now,
                           Nanoseconds required_age) noexcept {
        const Nanoseconds pause = std::max<Nanoseconds>(now - record.last_seen, 0);
        record.age += std::min(pause, required_age / steps + 1);  // rounded up
        record.last_seen = std::max(record.last_seen, now);
        if (record.thread != thread) {
            record.thread = thread;
            ++record.changes;
        }
        ++record.samples;
        if (record.changes < several_changes && record.samples < very_often) return false;
        if (record.age < required_age || now < record.not_before) return false;
        record.not_before = now + (patience << std::min(record.attempts, longest_patience));
        ++record.attempts;
        return true;
    }

    // A free place; or that of an object which is no longer in use; or, to its disadvantage, that
    // of one which cannot be helped for now. `ways`: there is none.
    static std::size_t find_room(const Set& set, Nanoseconds now) noexcept {
        std::size_t chosen = ways;
        bool chosen_is_in_use = true;
        for (std::size_t way = 0; way < ways; ++way) {
            if (set.objects[way].load(std::memory_order_relaxed) == 0) return way;
            const Record& record = set.records[way];
            const bool in_use = now - record.last_seen < forgotten_after + record.age;
            if (in_use && now >= record.not_before) continue;
            if (chosen == ways || (chosen_is_in_use && !in_use) ||
                (chosen_is_in_use == in_use && record.last_seen < set.records[chosen].last_seen)) {
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
