// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

// When entries expire: a hierarchical timer wheel (Varghese and Lauck).
//
//     level 0    64 buckets of 2^27 ns:  0.13 s each,   8.6 s in all
//     level 1    64 buckets of 2^33 ns:  8.6 s each,    9 minutes
//     level 2    64 buckets of 2^39 ns:  9 minutes,     10 hours
//     level 3    64 buckets of 2^45 ns:  10 hours,      26 days
//     level 4    64 buckets of 2^51 ns:  26 days,       4.6 years
//
// An entry is in the bucket of its time, on the finest level that reaches so far. When the time of
// a bucket begins, its entries move to a finer level. To schedule an entry and to cancel it takes
// a few steps. Each entry moves at most four times.
//
// Not thread-safe: only the holder of the cache's maintenance lock uses it.
namespace cereggii::atomicdict::cache {

using Nanoseconds = std::uint64_t;

// What the wheel keeps of an entry: its links in the ring of a bucket, null if it is in none.
struct WheelLinks {
    WheelLinks* earlier = nullptr;
    WheelLinks* later = nullptr;
};

struct WheelEntry : WheelLinks {
    // Other threads read it, and may change it: then it expires at the earliest when its bucket
    // begins.
    std::atomic<Nanoseconds> expires{0};

    bool is_scheduled() const noexcept { return later != nullptr; }
};

class TimerWheel {
public:
    // The most entries that one call of advance() looks at.
    static constexpr int most_steps = 64;

    explicit TimerWheel(Nanoseconds now) noexcept : now_(now) {
        for (auto& level : buckets_)
            for (WheelLinks& bucket : level) make_empty(bucket);
        make_empty(due_);
    }
    TimerWheel(const TimerWheel&) = delete;
    TimerWheel& operator=(const TimerWheel&) = delete;

    // The entry is in no bucket. Its time may have passed already.
    void schedule(WheelEntry& entry) noexcept {
        const Nanoseconds reach = (Nanoseconds{buckets} - 1) << shift_of(levels - 1);
        const Nanoseconds time = std::clamp(time_of(entry), now_, now_ + reach);
        int level = 0;
        while (level < levels - 1 && time - now_ >= Nanoseconds{buckets} << shift_of(level))
            ++level;
        append(buckets_[level][tick(time, level) % buckets], entry);
    }

    // Does nothing if the entry is in no bucket.
    void cancel(WheelEntry& entry) noexcept {
        if (!entry.is_scheduled()) return;
        entry.earlier->later = entry.later;
        entry.later->earlier = entry.earlier;
        entry.earlier = entry.later = nullptr;
    }

    // Whether there may be something for advance() to do.
    bool is_due(Nanoseconds now) const noexcept {
        return due_.later != &due_ || tick(now, 0) > tick(now_, 0);
    }

    // When there is something to do next, after the last call of advance(). 0: at once.
    Nanoseconds due() const noexcept {
        return due_.later != &due_ ? 0 : (tick(now_, 0) + 1) << finest_shift;
    }

    // Calls `expire(entry)` for entries whose time has passed: they are in no bucket any more.
    // After `most_steps` entries the next call goes on. A clock that stands still, or goes back,
    // does no harm. `with_current`: also looks at the bucket whose time has not ended.
    template <class Expire>
    void advance(Nanoseconds now, const Expire& expire, bool with_current = false) {
        if (with_current) move_all(buckets_[0][tick(now_, 0) % buckets], due_);
        if (now > now_) {
            const Nanoseconds before = now_;
            now_ = now;
            for (int level = 0; level < levels; ++level) {
                const Nanoseconds first = tick(before, level), last = tick(now, level);
                if (first == last) break;
                // The first bucket as well: an entry whose time was in the tick of that moment.
                for (Nanoseconds i = first; i <= last && i < first + buckets; ++i)
                    move_all(buckets_[level][i % buckets], due_);
            }
        }
        for (int step = 0; step < most_steps && due_.later != &due_; ++step) {
            auto& entry = static_cast<WheelEntry&>(*due_.later);
            cancel(entry);
            if (time_of(entry) <= now_)
                expire(entry);
            else
                schedule(entry);
        }
    }

private:
    static constexpr int levels = 5;
    static constexpr int buckets = 64;
    static constexpr int finest_shift = 27;
    static constexpr int shift_per_level = 6;

    static constexpr int shift_of(int level) noexcept {
        return finest_shift + shift_per_level * level;
    }
    static Nanoseconds tick(Nanoseconds time, int level) noexcept {
        return time >> shift_of(level);
    }

    // Relaxed: it is changed under the same lock.
    static Nanoseconds time_of(const WheelEntry& entry) noexcept {
        return entry.expires.load(std::memory_order_relaxed);
    }

    static void make_empty(WheelLinks& ring) noexcept { ring.earlier = ring.later = &ring; }

    static void append(WheelLinks& ring, WheelLinks& links) noexcept {
        links.earlier = ring.earlier;
        links.later = &ring;
        ring.earlier->later = &links;
        ring.earlier = &links;
    }

    static void move_all(WheelLinks& from, WheelLinks& to) noexcept {
        if (from.later == &from) return;
        from.later->earlier = to.earlier;
        to.earlier->later = from.later;
        from.earlier->later = &to;
        to.earlier = from.earlier;
        make_empty(from);
    }

    Nanoseconds now_;
    WheelLinks due_;  // a ring of entries whose bucket has begun, and which advance() has not seen
    std::array<std::array<WheelLinks, buckets>, levels> buckets_;
};

}  // namespace cereggii::atomicdict::cache
