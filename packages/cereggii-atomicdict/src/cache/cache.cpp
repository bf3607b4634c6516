// SPDX-License-Identifier: Apache-2.0
#include "cache/cache.hpp"

#include <algorithm>
#include <new>
#include <random>
#include <utility>

#include "cereggii/atomics/python/shared_reference.hpp"
#include "map/exact.hpp"
#include "map/guard.hpp"
#include "map/migration.hpp"
#include "map/pauses.hpp"
#include "map/traversal.hpp"

namespace cereggii::atomicdict::cache {

namespace {

// The seed of all caches of this process. So nobody outside knows which keys collide.
std::uint64_t seed() noexcept {
    static const std::uint64_t seed = [] {
        try {
            std::random_device device;
            return std::uint64_t{device()} << 32 | device();
        } catch (const std::exception&) {
            return static_cast<std::uint64_t>(exact_time());
        }
    }();
    return seed;
}

}  // namespace

Cache::Cache(const Limits& limits) noexcept : limits_(limits) {
    map_.has_shares = true;
    if (limits.maxsize > 0) {
        const auto entries = static_cast<std::size_t>(limits.maxsize);
        policy_.reset(new (std::nothrow) Policy(limits.maxsize, entries, seed()));
    }
    if (limits.expires) wheel_.reset(new (std::nothrow) TimerWheel(exact_time()));
    map_.constructed.store(true, std::memory_order_release);
}

bool Cache::ok() const noexcept {
    return (limits_.maxsize == 0 || (policy_ && policy_->ok())) && (!limits_.expires || wheel_) &&
           statistics_.ok();
}

std::uint32_t Cache::thread() noexcept {
#ifdef Py_GIL_DISABLED
    return Reclaimer::current_if_any()->number;
#else
    return 0;
#endif
}

std::size_t Cache::size() const noexcept {
    // Beside other threads, a removal may be counted before the insertion.
    return static_cast<std::size_t>(
        std::max<std::ptrdiff_t>(0, listed_.load(std::memory_order_relaxed)));
}

// ── filling ────────────────────────────────────────────────────────────────────────────────────

// With references of its own. Null with MemoryError.
Entry* Cache::make_entry(const Key& key, PyObject* computation) noexcept {
    Entry* entry = limits_.expires ? Node::allocate<TimedEntry>() : Node::allocate<Entry>();
    if (!entry) {
        PyErr_NoMemory();
        return nullptr;
    }
    atomics::incref_shared(key.object);
    atomics::incref_published(computation);
    // Relaxed: the entry is published by the compare-and-swap of a slot.
    entry->Node::hash.store(key.hash, std::memory_order_relaxed);
    entry->key = key.stored;
    entry->value.store(reinterpret_cast<std::uintptr_t>(computation) | Node::reserved,
                       std::memory_order_relaxed);
    entry->shares.store(2, std::memory_order_relaxed);  // of the tables, and of the leader
    entry->PolicyEntry::hash = key.hash;
    return entry;
}

Reservation Cache::reserve(const Key& key, PyObject* computation) {
    Entry* entry = make_entry(key, computation);
    if (!entry) return {ReserveResult::error};
    Reservation reservation{ReserveResult::error};
    PyObject* removed = nullptr;  // a value that has expired, or a computation that has ended
    PyObject* dropped = nullptr;  // a reference that was taken in vain
    bool has_removed = false;
    ResizeRequest request;
    {
        Guard guard(map_);
        bool again = guard.ready();
        while (again) {
            again = false;
            guard.pin_writing();
            Table* root = map_.root.load(std::memory_order_seq_cst);
            if (!root) {
                guard.unpin();
                again = make_root(map_, 0);
                if (!again) PyErr_NoMemory();
                continue;
            }
            request.migrating = root->next.load(std::memory_order_seq_cst) != nullptr;
            Probe probe;
            probe.start(root, key.hash);
            const Table* unchanged_root = root;
            for (;;) {
                ProbeResult probed = find_key(probe, key);
                if (probed == ProbeResult::needs_eq) {
                    const KeyComparison comparison = compare_keys<true>(map_, guard, probe, key);
                    if (comparison == KeyComparison::error) break;
                    if (comparison == KeyComparison::restart) {
                        again = true;
                        break;
                    }
                    unchanged_root = nullptr;  // it may be another one by now
                    if (comparison == KeyComparison::different) {
                        probe.advance();
                        continue;
                    }
                    probed = ProbeResult::match;
                }
                if (probed == ProbeResult::match) {
                    Node* node = probe.node();
                    const std::uintptr_t value = node->value.load(std::memory_order_seq_cst);
                    if (Node::is_dead(value)) {
                        probe.advance();  // it stays dead: the key is behind it, or nowhere
                        continue;
                    }
                    const bool is_value = Node::has_value(value);
                    PyObject* object = Node::owned(value);
                    if (is_value && has_expired(node)) {
                        // Lost to another thread: look at the same node again.
                        if (!take_out(guard, probe, unchanged_root, value, request)) continue;
                        removed = object;
                        statistics_.count(Event::expirations, guard.thread());
                        again = true;  // its reference is to be dropped first
                        break;
                    }
                    // Nothing has been called since the load: see try_incref.hpp. Lost to a
                    // thread that frees the object: look at the same node again.
                    if (!atomics::try_incref(object)) continue;
                    if (node->value.load(std::memory_order_seq_cst) != value) {
                        dropped = object;
                        again = true;
                        break;
                    }
                    if (is_value || !as_computation(object)->has_ended()) {
                        if (is_value) as_entry(node).note_use();
                        reservation = {is_value ? ReserveResult::found : ReserveResult::waits,
                                       object};
                        break;
                    }
                    // Its leader does not exist any more, after a fork. So this thread gives up
                    // the share of that leader, too.
                    dropped = object;
                    again = true;
                    if (take_out(guard, probe, unchanged_root, value, request)) {
                        removed = object;
                        guard.retire_share(node);
                    }
                    break;
                }
                if (probed == ProbeResult::full) {
                    const std::uint64_t generation = probe.table->generation;
                    guard.unpin();
                    again = append_table(map_, generation, AppendReason::required, 0);
                    if (!again) PyErr_NoMemory();
                    break;
                }
                // As KeyUpdate::insert() does it.
                Slot empty = slot_empty;
                if (probe.table->next.load(std::memory_order_seq_cst)) {
                    probe.slot().compare_exchange_strong(empty, slot_frozen,
                                                         std::memory_order_seq_cst);
                    continue;
                }
                probe.table->insert_into_filter(key.hash);
                // Lost to a rival insertion, of this key or another one, or to a freeze.
                if (!probe.slot().compare_exchange_strong(empty, probe.pack(entry),
                                                          std::memory_order_seq_cst))
                    continue;
                Table* table = probe.table;
                if (table->count->note_insertion(guard.thread(), table->limit) &&
                    table->is_crowded())
                    request.resize = table->generation;
                reservation = {ReserveResult::leads, nullptr, std::exchange(entry, nullptr)};
                break;
            }
            if (again && guard.is_pinned()) guard.unpin();
            has_removed |= removed != nullptr;
            if (PyObject* object = std::exchange(removed, nullptr)) atomics::decref_shared(object);
            Py_XDECREF(std::exchange(dropped, nullptr));
        }
    }
    if (entry) {
        Node::deallocate(entry);
        atomics::decref_shared(key.object);
        atomics::decref_shared(computation);
    }
    if (has_removed) maintain();
    if (request.is_due()) maybe_resize(map_, request);
    return reservation;
}

bool Cache::store(Entry& entry, PyObject* computation, PyObject* value) {
    std::uintptr_t expected = reinterpret_cast<std::uintptr_t>(computation) | Node::reserved;
    if (limits_.expires) {
        // With 0 it has expired already, whatever the coarse clock says.
        const Nanoseconds expires = limits_.ttl ? exact_time() + limits_.ttl : 0;
        // Relaxed: the compare-and-swap publishes it.
        static_cast<TimedEntry&>(entry).expires.store(expires, std::memory_order_relaxed);
    }
    atomics::incref_published(value);
    if (!entry.value.compare_exchange_strong(expected, reinterpret_cast<std::uintptr_t>(value),
                                             std::memory_order_seq_cst)) {
        // Lost to a thread that has removed the reservation.
        Guard(map_).retire_share(&entry);
        atomics::decref_shared(value);
        return false;
    }
    atomics::decref_shared(computation);
    if (has_lists()) {
        maintenance_.push_stored(entry);
    } else {
        listed_.fetch_add(1, std::memory_order_relaxed);
        Guard(map_).retire_share(&entry);
    }
    return true;
}

void Cache::fail(Entry& entry, PyObject* computation) {
    const std::uintptr_t expected = reinterpret_cast<std::uintptr_t>(computation) | Node::reserved;
    ResizeRequest request;
    bool removed = false;
    {
        Guard guard(map_);
        guard.pin_writing();
        Table* root = map_.root.load(std::memory_order_seq_cst);
        const Probe probe = find_node(root, &entry, entry.PolicyEntry::hash);
        // Otherwise clear() has taken the tables, and does it.
        if (probe.left > 0) removed = take_out(guard, probe, root, expected, request);
        guard.unpin();
        guard.retire_share(&entry);
    }
    if (removed) atomics::decref_shared(computation);
    if (request.is_due()) maybe_resize(map_, request);
}

// ── removing ───────────────────────────────────────────────────────────────────────────────────

// Makes the entry at `probe` dead if its value word is still `value`, and takes it out of the
// tables. The caller releases the object that it owned. False: lost to another thread. Only while
// pinned for writing.
bool Cache::take_out(Guard& guard, const Probe& probe, const Table* root, std::uintptr_t value,
                     ResizeRequest& request) {
    Entry& entry = as_entry(probe.node());
    const bool is_value = Node::has_value(value);
    // Read while it is alive: afterwards it may be retired, unless it is listed.
    const std::uint64_t hash = entry.PolicyEntry::hash;
    if (!entry.value.compare_exchange_strong(value, Node::dead, std::memory_order_seq_cst))
        return false;
    unlink_and_retire(map_, guard, probe, hash, root, request);
    if (is_value && has_lists()) maintenance_.push_removed(entry);
    if (is_value && !has_lists()) listed_.fetch_sub(1, std::memory_order_relaxed);
    return true;
}

int Cache::invalidate(const Key& key) {
    PyObject* removed = nullptr;
    int had_value = 0;
    ResizeRequest request;
    {
        Guard guard(map_);
        if (!guard.ready()) return -1;
        for (bool again = true; again;) {
            again = false;
            guard.pin_writing();
            Table* root = map_.root.load(std::memory_order_seq_cst);
            if (!root) break;
            request.migrating = root->next.load(std::memory_order_seq_cst) != nullptr;
            const Table* unchanged_root = root;
            Probe probe;
            probe.start(root, key.hash);
            for (;; probe.advance()) {
                ProbeResult probed = find_key(probe, key);
                if (probed == ProbeResult::needs_eq) {
                    const KeyComparison comparison = compare_keys<true>(map_, guard, probe, key);
                    if (comparison == KeyComparison::error) return -1;
                    if (comparison == KeyComparison::restart) {
                        guard.unpin();
                        again = true;
                        break;
                    }
                    unchanged_root = nullptr;  // it may be another one by now
                    if (comparison == KeyComparison::different) continue;
                    probed = ProbeResult::match;
                }
                if (probed != ProbeResult::match) break;
                std::uintptr_t value = probe.node()->value.load(std::memory_order_seq_cst);
                while (!Node::is_dead(value)) {
                    const bool expired = Node::has_value(value) && has_expired(probe.node());
                    if (take_out(guard, probe, unchanged_root, value, request)) {
                        removed = Node::owned(value);
                        had_value = Node::has_value(value) && !expired;
                        statistics_.count(Event::invalidations, guard.thread());
                        break;
                    }
                    // Lost to another thread: look at the value again.
                    value = probe.node()->value.load(std::memory_order_seq_cst);
                }
                if (removed) break;
            }
        }
    }
    if (removed) {
        atomics::decref_shared(removed);
        maintain();
    }
    if (request.is_due()) maybe_resize(map_, request);
    return had_value;
}

bool Cache::clear() {
    Table* chain = nullptr;
    {
        Guard guard(map_);
        if (!guard.ready()) return false;
        guard.close_gate();
        // No writer is in the old tables any more, and none comes.
        chain = map_.root.exchange(nullptr, std::memory_order_seq_cst);
        guard.open_gate();
    }
    if (!chain) return true;
    constexpr std::uint32_t removals_at_once = 128;
    std::uint64_t count = 0;
    std::uint32_t pushed = 0;
    Pace pace;
    for (Table* table = chain; table; table = table->next.load(std::memory_order_seq_cst)) {
        for (std::size_t i = 0; i < table->capacity(); ++i) {
            // Readers may still be here: they go on behind a tombstone.
            const Slot seen = table->slot(i).load(std::memory_order_seq_cst);
            if (!names_node(seen)) continue;
            table->slot(i).store(slot_tomb, std::memory_order_seq_cst);
            if ((seen & state_mask) != 0) continue;  // MOVED: a later table names it, too
            Entry& entry = as_entry(node_of(seen));
            std::uintptr_t value = entry.value.load(std::memory_order_seq_cst);
            // Lost to a leader that stores its value: look again.
            while (!Node::is_dead(value) && !entry.value.compare_exchange_weak(
                                                value, Node::dead, std::memory_order_seq_cst)) {
            }
            if (!Node::is_dead(value)) {
                const bool is_value = Node::has_value(value);
                count += is_value;
                if (is_value && has_lists()) maintenance_.push_removed(entry);
                if (is_value && !has_lists()) listed_.fetch_sub(1, std::memory_order_relaxed);
            }
            Guard(map_).retire_share(&entry);  // of the tables
            if (!Node::is_dead(value)) atomics::decref_shared(Node::owned(value));
            // A few at a time: a holder of the lock is not to be stopped for long.
            if (has_lists() && ++pushed % removals_at_once == 0) maintain();
            pace.rest();
        }
    }
    {
        Guard guard(map_);
        chain->whole_chain = true;
        guard.retire(chain);
        statistics_.count(Event::invalidations, guard.thread(), count);
    }
    maintain();
    return true;
}

void Cache::destroy() {
    // What was removed and is in no table any more.
    class Forget {
    public:
        explicit Forget(HashMap& map) : guard_(map) {}
        void stored(Entry& entry) noexcept {
            if (entry.events & ListedNode::removed)
                guard_.retire_share(&entry);
            else
                entry.events |= ListedNode::stored;
        }
        void removed(Entry& entry) noexcept {
            if (entry.events & ListedNode::stored)
                guard_.retire_share(&entry);
            else
                entry.events |= ListedNode::removed;
        }
        void finish() noexcept {}

    private:
        Guard guard_;
    };
    {
        Forget forget(map_);
        while (maintenance_.run(forget)) {
        }
    }
    atomicdict::destroy(map_);
}

std::size_t Cache::memory() {
    std::size_t total = static_cast<std::size_t>(std::max<Py_ssize_t>(0, allocated_by(map_))) +
                        sizeof(Cache) + Statistics::size_in_bytes();
    total += size() * ((limits_.expires ? sizeof(TimedEntry) : sizeof(Entry)) - sizeof(Node));
    if (wheel_) total += sizeof(TimerWheel);
    if (policy_) total += policy_->size_in_bytes();
    return total;
}

}  // namespace cereggii::atomicdict::cache
