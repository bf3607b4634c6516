// SPDX-License-Identifier: Apache-2.0
#include <nanobind/nanobind.h>

#include <algorithm>
#include <utility>

#include "cache/cache.hpp"
#include "cereggii/atomics/python/shared_reference.hpp"
#include "map/guard.hpp"
#include "map/migration.hpp"

// What the holder of a cache's lock does for all threads: it tells the policy and the wheel which
// values were stored and removed, and removes what they choose.
namespace cereggii::atomicdict::cache {

namespace {

// So many stored entries may wait for the lists before a thread waits for the lock.
std::uint32_t most_waiting(const Limits& limits) noexcept {
    constexpr std::uint64_t most = 64;
    return static_cast<std::uint32_t>(
        limits.maxsize == 0 ? most : std::clamp<std::uint64_t>(limits.maxsize / 8, 1, most));
}

}  // namespace

// Keeps the lists, under the lock, and removes what has to go after it. Pinned for writing all the
// time, so that the world is not stopped meanwhile, for a collection or a fork: what was chosen is
// removed.
class Cache::Handler {
public:
    Handler(Cache& cache, MaintenanceWork work)
        : cache_(cache), sweeps_(work == MaintenanceWork::sweep), guard_(cache.map_) {}
    // False: there is no memory.
    bool pin() {
        if (!guard_.ready()) return false;
        guard_.pin_writing();
        return true;
    }

    void stored(Entry& entry) {
        if (entry.events & ListedNode::removed) return guard_.retire_share(&entry);
        entry.events |= ListedNode::stored;
        ++listed_;
        // Its removal is on the way.
        if (Node::is_dead(entry.value.load(std::memory_order_seq_cst))) return;
        if (cache_.wheel_) cache_.wheel_->schedule(static_cast<TimedEntry&>(entry));
        if (!cache_.policy_) return;
        tell_requests();
        cache_.policy_->insert(entry, [this](PolicyEntry& victim) {
            choose(static_cast<Entry&>(victim), Cause::evicted);
        });
    }

    void removed(Entry& entry) {
        if (!(entry.events & ListedNode::stored)) {
            entry.events |= ListedNode::removed;
            return;
        }
        take_from_lists(entry);
        --listed_;
        guard_.retire_share(&entry);
    }

    void finish() {
        if (cache_.wheel_) {
            cache_.wheel_->advance(
                sweeps_ ? exact_time() : coarse_time(),
                [this](WheelEntry& expired) {
                    choose(static_cast<Entry&>(static_cast<TimedEntry&>(expired)), Cause::expired);
                },
                sweeps_);
            cache_.due_.store(cache_.wheel_->due(), std::memory_order_relaxed);
        }
        cache_.listed_.fetch_add(std::exchange(listed_, 0), std::memory_order_relaxed);
    }

    // After the lock. May run finalizers.
    void remove_chosen() {
        Entry* removed = nullptr;
        while (chosen_) {
            Entry& entry = *chosen_;
            chosen_ = static_cast<Entry*>(std::exchange(entry.next, nullptr));
            if (remove(entry))
                entry.next = std::exchange(removed, &entry);
            else
                guard_.retire_share(&entry);  // of having been chosen
        }
        guard_.unpin();
        // The shares keep the entries until the end of the guard.
        while (removed) {
            Entry& entry = *removed;
            removed = static_cast<Entry*>(std::exchange(entry.next, nullptr));
            auto* value = static_cast<PyObject*>(entry.removed_value);
            guard_.retire_share(&entry);  // of the lists
            guard_.retire_share(&entry);  // of having been chosen
            atomics::decref_shared(value);
        }
    }

    const ResizeRequest& request() const noexcept { return request_; }

private:
    void take_from_lists(Entry& entry) {
        if (cache_.policy_) cache_.policy_->remove(entry);
        if (cache_.wheel_) cache_.wheel_->cancel(static_cast<TimedEntry&>(entry));
    }

    // It gets one more share, which keeps it until remove_chosen(). Another thread may remove it
    // first: then the event of that gives up the share of the lists.
    void choose(Entry& entry, Cause cause) {
        entry.shares.fetch_add(1, std::memory_order_relaxed);
        take_from_lists(entry);
        entry.cause = cause;
        entry.next = std::exchange(chosen_, &entry);
    }

    // False: lost to another thread.
    bool remove(Entry& entry) {
        Table* root = cache_.map_.root.load(std::memory_order_seq_cst);
        const Probe probe = find_node(root, &entry, entry.PolicyEntry::hash);
        // Not found: clear() has taken the tables, and removes it.
        if (probe.left == 0) return false;
        std::uintptr_t value = entry.value.load(std::memory_order_seq_cst);
        do {
            if (!Node::has_value(value)) return false;
            // Lost to an update of the value: look again.
        } while (!entry.value.compare_exchange_weak(value, Node::dead, std::memory_order_seq_cst));
        unlink_and_retire(cache_.map_, guard_, probe, entry.PolicyEntry::hash, root, request_);
        entry.removed_value = Node::object(value);
        cache_.statistics_.count(
            entry.cause == Cause::expired ? Event::expirations : Event::evictions, guard_.thread());
        cache_.listed_.fetch_sub(1, std::memory_order_relaxed);
        return true;
    }

    void tell_requests() {
        // Once in so many misses: to add up the cells takes long.
        constexpr std::uint64_t misses = 64;
        if (++cache_.requests_told_ % misses != 0) return;
        const Statistics::Counts sums = cache_.statistics_.sums();
        const std::uint64_t hits = sums[static_cast<std::size_t>(Event::hits)];
        const std::uint64_t new_hits = hits >= cache_.hits_told_ ? hits - cache_.hits_told_ : 0;
        cache_.hits_told_ = hits;
        cache_.policy_->note_requests(new_hits + misses, new_hits);
    }

    Cache& cache_;
    const bool sweeps_;
    Entry* chosen_ = nullptr;    // to be removed, linked by `next`
    std::ptrdiff_t listed_ = 0;  // how many more there are now
    ResizeRequest request_;
    Guard guard_;
};

void Cache::maintain(MaintenanceWork work) {
    if (!has_lists()) return;
    const nanobind::error_scope scope;  // keeps an exception that is set
    for (;;) {
        bool handled = false;
        ResizeRequest request;
        {
            Handler handler(*this, work);
            if (!handler.pin()) return PyErr_Clear();  // no memory: another thread does it
            handled = maintenance_.run(handler, work != MaintenanceWork::events);
            handler.remove_chosen();
            request = handler.request();
        }
        work = MaintenanceWork::events;
        if (request.is_due()) maybe_resize(map_, request);
        if (handled) continue;
        if (maintenance_.waiting() < most_waiting(limits_)) return;
        // The holder of the lock may have lost the processor.
        yield_detached();
    }
}

}  // namespace cereggii::atomicdict::cache
