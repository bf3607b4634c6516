// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "cache/frequency_sketch.hpp"
#include "cache/ghosts.hpp"
#include "cache/mixing.hpp"
#include "cache/window_climber.hpp"

// Which entry a full cache evicts: S3-FIFO (Yang, Zhang, Qiu, Yue and Rashmi) with two parts of
// W-TinyLFU (Einziger, Friedman and Manes): a gate, and a window that adapts its size.
//
//     new ──▶ window: FIFO ──▶ gate ──▶ main: CLOCK ──▶ evicted
//       │                        │         ▲
//       │                        └──▶ evicted, and remembered as a ghost
//       └── was a ghost, and main has room ┘
//
//     A hit        adds one to the entry's `used`, up to 3. Nothing else.
//     The gate     an entry leaves the window if it was used twice or has come back from the
//                  ghosts. Into a full main it gets only if it is used more often than the one
//                  that it would evict.
//     main         the hand takes the oldest entry. If it was used, it stays, as the newest, with
//                  one use less.
//     The sketch   how often a key is used, even before it came. Hits are not counted in it: the
//                  uses of an entry are added when the hand passes it, or when it leaves.
//
// Not thread-safe, except for hits: only the holder of the cache's maintenance lock uses it. It
// allocates nothing but in its constructor, and looks at no more than `most_steps` entries for each
// that comes.
namespace cereggii::atomicdict::cache {

// What the policy keeps of an entry.
struct PolicyEntry {
    enum class Queue : std::uint8_t { none, window, main };

    union {
        PolicyEntry* previous = nullptr;
        void* removed_value;  // when it has left its queue, for the cache
    };
    PolicyEntry* next = nullptr;
    // How often the entry was used since the hand passed: 0 to 3. Lost increments do no harm.
    std::atomic<std::uint8_t> used{0};
    Queue queue = Queue::none;
    bool came_back = false;    // from the ghosts
    std::uint32_t weight = 1;  // what it takes of the capacity; 0 is possible
    std::uint64_t hash = 0;

    static constexpr std::uint8_t most_used = 3;

    // For a hit, by any thread.
    void note_use() noexcept {
        const std::uint8_t seen = used.load(std::memory_order_relaxed);
        if (seen < most_used)
            used.store(static_cast<std::uint8_t>(seen + 1), std::memory_order_relaxed);
    }
};

// Entries from the oldest to the newest, linked through themselves.
class EntryQueue {
public:
    PolicyEntry* oldest() const noexcept { return oldest_; }
    bool empty() const noexcept { return !oldest_; }
    std::uint64_t weight() const noexcept { return weight_; }

    void append(PolicyEntry& entry, PolicyEntry::Queue as) noexcept {
        entry.previous = newest_;
        entry.next = nullptr;
        (newest_ ? newest_->next : oldest_) = &entry;
        newest_ = &entry;
        entry.queue = as;
        weight_ += entry.weight;
    }

    void remove(PolicyEntry& entry) noexcept {
        (entry.previous ? entry.previous->next : oldest_) = entry.next;
        (entry.next ? entry.next->previous : newest_) = entry.previous;
        entry.previous = entry.next = nullptr;
        entry.queue = PolicyEntry::Queue::none;
        weight_ -= entry.weight;
    }

private:
    PolicyEntry* oldest_ = nullptr;
    PolicyEntry* newest_ = nullptr;
    std::uint64_t weight_ = 0;
};

class Policy {
public:
    // How many entries an insertion looks at, when each has the weight 1.
    static constexpr int most_steps = 34;

    // For entries whose weights add up to `capacity`, and which are about `entries`. (With more, the
    // sketch and the ghosts know less.) No memory: `ok()` is false, and nothing else may be called.
    Policy(std::uint64_t capacity, std::size_t entries, std::uint64_t seed) noexcept
        : capacity_(capacity),
          is_tiny_(capacity < smallest_that_adapts),
          climber_(capacity, !is_tiny_),
          sketch_(std::min(entries, most_entries), seed),
          ghosts_(ghosts_per_entry * std::min(entries, most_entries), seed),
          random_(seed) {}

    bool ok() const noexcept { return sketch_.ok() && ghosts_.ok(); }

    std::uint64_t weight() const noexcept { return window_.weight() + main_.weight(); }
    std::uint64_t capacity() const noexcept { return capacity_; }
    std::size_t size_in_bytes() const noexcept {
        return sizeof(*this) + sketch_.size_in_bytes() + ghosts_.size_in_bytes();
    }

    // Adds an entry that was stored because its key was absent. Calls `evict(entry)` for each entry
    // that has to go: it is in no queue any more.
    template <class Evict>
    void insert(PolicyEntry& entry, const Evict& evict) {
        entry.came_back = ghosts_.take(entry.hash);
        sketch_.add(entry.hash);
        steps_ = 0;
        make_room(entry.weight, evict);
        if (entry.came_back && main_has_room()) {
            entry.came_back = false;
            main_.append(entry, PolicyEntry::Queue::main);
        } else {
            window_.append(entry, PolicyEntry::Queue::window);
        }
        // While the cache has room, nothing is lost if main is filled.
        if (window_.weight() > climber_.window() && weight() < capacity_) move_to_main(Uses::keep);
    }

    // Removes an entry that was invalidated or has expired.
    void remove(PolicyEntry& entry) noexcept {
        if (entry.queue == PolicyEntry::Queue::window) window_.remove(entry);
        if (entry.queue == PolicyEntry::Queue::main) main_.remove(entry);
    }

    // To be told from time to time how many requests there were, and how many of them were hits.
    void note_requests(std::uint64_t requests, std::uint64_t hits) noexcept {
        climber_.note(requests, hits);
    }

    // Changes the capacity, and evicts what is too much. The sketch and the ghosts stay as they
    // are, unless the caller makes a new policy.
    template <class Evict>
    void resize(std::uint64_t capacity, const Evict& evict) {
        capacity_ = capacity;
        is_tiny_ = capacity < smallest_that_adapts;
        climber_.resize(capacity, !is_tiny_);
        while (weight() > capacity_) {
            steps_ = 0;
            make_room(0, evict);
        }
    }

    // Any entry that is left, for the end of the cache; null if there is none.
    PolicyEntry* any() const noexcept { return main_.empty() ? window_.oldest() : main_.oldest(); }

private:
    // A smaller cache has a window of one entry and no gate: there is nothing to learn from a few
    // requests.
    static constexpr std::uint64_t smallest_that_adapts = 8;
    static constexpr std::size_t ghosts_per_entry = 2;
    // What the tables are made for at most. They take 64 MiB then, if all of it is used.
    static constexpr std::size_t most_entries = std::size_t{1} << 22;
    static constexpr int uses_to_enter = 2;
    // So many uses let an entry in at random, once in so many times. Without it, keys that collide
    // with those in main on purpose would stay outside.
    static constexpr int warm = 6;
    static constexpr std::uint32_t warm_once_in = 128;
    static constexpr int most_steps_of_hand = 16;
    static constexpr int most_steps_of_window = 16;

    bool main_has_room() const noexcept { return main_.weight() + climber_.window() < capacity_; }

    // Evicts until an entry of this weight fits.
    template <class Evict>
    void make_room(std::uint64_t coming, const Evict& evict) {
        while (weight() + coming > capacity_ && !(window_.empty() && main_.empty())) {
            const bool window_is_full = window_.weight() + (coming > 0) > climber_.window();
            if (main_.empty() ||
                (window_is_full && !window_.empty() && steps_ < most_steps_of_window))
                shrink_window(evict);
            else
                evict_from_main(*find_victim(), evict);
        }
    }

    // Takes the oldest entry of the window out of it: into main, or out of the cache.
    template <class Evict>
    void shrink_window(const Evict& evict) {
        PolicyEntry& entry = *window_.oldest();
        ++steps_;
        const int used = entry.used.load(std::memory_order_relaxed);
        if (main_has_room()) return move_to_main(Uses::forget);
        if (!is_tiny_ && used < uses_to_enter && !entry.came_back) {
            if (used) sketch_.add(entry.hash);
            return evict_from_window(entry, evict);
        }
        bool enters = !main_.empty();
        for (std::uint64_t freed = 0; enters && freed < entry.weight && !main_.empty();) {
            PolicyEntry& victim = *find_victim();
            enters = is_tiny_ || is_better(entry, victim);
            if (!enters) break;
            freed += victim.weight;
            evict_from_main(victim, evict);
        }
        for (int i = 0; i < used; ++i) sketch_.add(entry.hash);
        if (enters)
            move_to_main(Uses::forget);
        else
            evict_from_window(entry, evict);
    }

    bool is_better(const PolicyEntry& entry, const PolicyEntry& victim) noexcept {
        const int uses = sketch_.estimate(entry.hash) + entry.used.load(std::memory_order_relaxed);
        // On a tie the one in main stays: so a loop that is too large keeps a part of itself.
        return uses > sketch_.estimate(victim.hash) ||
               (uses >= warm && random_.once_in(warm_once_in));
    }

    // The entry that main gives up first. It stays where it is.
    PolicyEntry* find_victim() noexcept {
        for (int step = 0;; ++step) {
            PolicyEntry& entry = *main_.oldest();
            ++steps_;
            const std::uint8_t used = entry.used.load(std::memory_order_relaxed);
            if (used == 0 || step == most_steps_of_hand) return &entry;
            sketch_.add(entry.hash);
            entry.used.store(static_cast<std::uint8_t>(used - 1), std::memory_order_relaxed);
            main_.remove(entry);
            main_.append(entry, PolicyEntry::Queue::main);
        }
    }

    enum class Uses { keep, forget };

    void move_to_main(Uses uses) noexcept {
        PolicyEntry& entry = *window_.oldest();
        window_.remove(entry);
        entry.came_back = false;
        if (uses == Uses::forget) entry.used.store(0, std::memory_order_relaxed);
        main_.append(entry, PolicyEntry::Queue::main);
    }

    template <class Evict>
    void evict_from_window(PolicyEntry& entry, const Evict& evict) {
        window_.remove(entry);
        ghosts_.put(entry.hash);
        evict(entry);
    }

    template <class Evict>
    void evict_from_main(PolicyEntry& entry, const Evict& evict) {
        main_.remove(entry);
        evict(entry);
    }

    std::uint64_t capacity_;
    bool is_tiny_;
    WindowClimber climber_;
    FrequencySketch sketch_;
    Ghosts ghosts_;
    Random random_;
    EntryQueue window_;
    EntryQueue main_;
    int steps_ = 0;  // of the current insertion
};

}  // namespace cereggii::atomicdict::cache
