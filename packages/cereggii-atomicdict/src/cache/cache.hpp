// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "cache/clock.hpp"
#include "cache/entry.hpp"
#include "cache/maintenance.hpp"
#include "cache/policy.hpp"
#include "cache/statistics.hpp"
#include "cache/timer_wheel.hpp"
#include "map/lookup.hpp"
#include "map/resize.hpp"
#include "python/computation.hpp"

// What is in a cache, and how it comes in and goes out. The type AtomicCache is in
// atomic_cache.cpp.
//
//     entry.hpp               a key, its value, and the links of the lists
//     policy.hpp              which entry is evicted (frequency_sketch.hpp, ghosts.hpp,
//                             window_climber.hpp)
//     timer_wheel.hpp         which entries have expired
//     maintenance.hpp         which thread keeps the lists
//     clock.hpp, statistics.hpp
//
// A fill, from a miss to the value:
//
//     reserve ──▶ insert an entry with the thread's computation: the thread is its leader
//     (fill)      unpinned
//     store   ──▶ compare-and-swap computation ─▶ value. It fails if the reservation was removed
//                 meanwhile: then the value is not stored.
//     end the computation: threads that wait for it get the value
//
// To remove an entry is a compare-and-swap, too: of a value or a reservation to `dead`. So an
// invalidation waits for nothing, and a fill that began before it stores nothing after it.
//
// Invariants:
//   - An entry becomes dead and leaves the tables within one pin for writing. So with the gate
//     closed, or the world stopped, no dead entry is in the tables.
//   - A computation has ended only when its reservation is gone, unless its leader does not exist
//     any more, after a fork.
namespace cereggii::atomicdict::cache {

struct Limits {
    std::uint64_t maxsize = 0;  // 0: no limit
    Nanoseconds ttl = 0;        // only if `expires`
    bool expires = false;
};

enum class ReserveResult {
    leads,  // `entry` has the caller's computation: fill it, and then store() or fail()
    found,  // `object` is the value, owned
    waits,  // `object` is the computation of another thread, owned
    error,  // an exception is set
};

struct Reservation {
    ReserveResult result;
    PyObject* object = nullptr;
    Entry* entry = nullptr;
};

enum class MaintenanceWork {
    events,  // what was stored and removed
    expiry,  // and values that have expired, even if there are no events
    sweep,   // and those of the current tick
};

class Cache {
public:
    // No memory: `ok()` is false, and only the destructor may be called.
    explicit Cache(const Limits& limits) noexcept;
    // What is left was freed by destroy().
    ~Cache() = default;
    Cache(const Cache&) = delete;
    Cache& operator=(const Cache&) = delete;

    bool ok() const noexcept;

    // ── reading ────────────────────────────────────────────────────────────────────────────────

    // `counts`: it is a use of the value, and a hit.
    template <bool counts>
    CEREGGII_ALWAYS_INLINE Found find(const Key& key, PyObject*& value) {
        return look_up<true>(map_, key, value, Reader<counts>{*this});
    }
    // Whether an entry's value has expired.
    bool has_expired(const Node* node) const noexcept {
        if (!limits_.expires) return false;
        return static_cast<const TimedEntry&>(as_entry(node))
                   .expires.load(std::memory_order_relaxed) <= coarse_time();
    }
    // The number of values, including those that have expired. Weak; exact when no thread is inside
    // an operation.
    std::size_t size() const noexcept;

    // ── filling ────────────────────────────────────────────────────────────────────────────────

    // Looks the key up once more, and enters `computation` if it is absent.
    Reservation reserve(const Key& key, PyObject* computation);
    // The value was computed. False: it was not stored, since the reservation was removed. The
    // caller ends the computation after that.
    bool store(Entry& entry, PyObject* computation, PyObject* value);
    // No value was computed.
    void fail(Entry& entry, PyObject* computation);
    // Does the bookkeeping that store() and invalidate() have left, or leaves it to another thread.
    // May run finalizers.
    void maintain(MaintenanceWork work = MaintenanceWork::events);
    // Whether it is time to look for values that have expired.
    bool is_due() const noexcept {
        return limits_.expires && coarse_time() >= due_.load(std::memory_order_relaxed);
    }

    // ── removing ───────────────────────────────────────────────────────────────────────────────

    // Removes the value or the reservation of a key. 1: there was a value; 0: there was none; -1
    // with an exception.
    int invalidate(const Key& key);
    // Removes all. False with MemoryError.
    bool clear();
    // Frees everything at once: no other thread uses the cache.
    void destroy();

    int traverse(visitproc visit, void* arg) { return atomicdict::traverse(map_, visit, arg); }
    std::size_t memory();

    HashMap& map() noexcept { return map_; }
    const Limits& limits() const noexcept { return limits_; }
    Statistics& statistics() noexcept { return statistics_; }
    // The number of the calling thread, for the statistics.
    static std::uint32_t thread() noexcept;

private:
    template <bool counts>
    struct Reader {
        Cache& cache;
        bool accepts(const Node* node) const noexcept { return !cache.has_expired(node); }
        void note_use(Node* node) const noexcept {
            if constexpr (counts) {
                if (cache.policy_) as_entry(node).note_use();
                cache.statistics_.count(Event::hits, thread());
            }
        }
    };
    class Handler;

    static Entry& as_entry(Node* node) noexcept { return *static_cast<Entry*>(node); }
    static const Entry& as_entry(const Node* node) noexcept {
        return *static_cast<const Entry*>(node);
    }
    bool has_lists() const noexcept { return policy_ || wheel_; }
    Entry* make_entry(const Key& key, PyObject* computation) noexcept;
    bool take_out(Guard& guard, const Probe& probe, const Table* root, std::uintptr_t value,
                  ResizeRequest& request);

    HashMap map_;
    Limits limits_;
    // Null: there is no limit of this kind.
    std::unique_ptr<Policy> policy_;
    std::unique_ptr<TimerWheel> wheel_;
    Maintenance<Entry> maintenance_;
    Statistics statistics_;
    // How many values there are that were stored, and not removed.
    std::atomic<std::ptrdiff_t> listed_{0};
    // When the wheel has something to do next.
    std::atomic<Nanoseconds> due_{0};
    // Under the lock: what the policy was told last.
    std::uint64_t requests_told_ = 0;
    std::uint64_t hits_told_ = 0;
};

}  // namespace cereggii::atomicdict::cache
