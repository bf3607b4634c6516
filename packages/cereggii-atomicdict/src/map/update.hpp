// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <cstdint>

#include "cereggii/atomics/compiler.hpp"
#include "cereggii/atomics/python/matching.hpp"
#include "cereggii/atomics/python/shared_reference.hpp"
#include "map/lookup.hpp"
#include "map/migration.hpp"
#include "map/probe.hpp"

// Changing one key. Every insertion, update, deletion and compare-and-set is a `KeyUpdate`, whose
// spec says what to do with the key if it is absent, and if it is present. Each linearizes at one
// instant:
//
//     inserted            the compare-and-swap of the slot, EMPTY to the new node
//     replaced, removed   the compare-and-swap of the node's value
//     kept, mismatched    the load of the value
//     absent              the load of the slot, or of the link, that says so
//
// (A value that is replaced by the same object is not written: that is linearized at the load.)
//
// Lock-free: an attempt is repeated only if another thread has changed the same slot or value, or
// has appended a table.
//
// Invariants:
//   - A reference that the map is to own is counted before it is published, and one that was not
//     published is released after the pin. So no Python code runs while pinned.
//   - Two insertions of one key meet in the compare-and-swap of one slot: the first EMPTY slot on
//     the key's path, in the last table.
//   - The node that an update inserts is its own until it is published. Python code that runs
//     meanwhile (__eq__ of keys) may insert as well, and takes another node.
namespace cereggii::atomicdict {

enum class IfAbsent { leave, insert };
enum class IfPresent { keep, replace, remove };
enum class Values { any, expected };

struct UpdateSpec {
    IfAbsent if_absent;
    IfPresent if_present;
    // Which values are replaced or removed: all, or only those that match what is expected.
    Values values = Values::any;
    // The caller wants the value that was found.
    bool wants_found = true;
    // The update takes over the caller's references to key and value (see Items).
    bool adopts = false;
};

enum class Outcome {
    inserted,
    replaced,
    removed,
    kept,        // present, and not to be changed
    mismatched,  // present, with another value than what was expected
    absent,
    error,  // an exception is set
};

struct UpdateResult {
    Outcome outcome;
    // The value that was found, owned, or null. The caller releases it, even if it does not want
    // it.
    PyObject* found = nullptr;
};

// Releases what was found, for a caller that does not want it. May run finalizers.
inline void drop_found(const UpdateResult& result) {
    if (!result.found) return;
    // The first is a reference that was the map's. The other one was taken to look at the value,
    // and the calling thread may have counted it as its own.
    if (result.outcome == Outcome::replaced || result.outcome == Outcome::removed)
        atomics::decref_shared(result.found);
    else
        Py_DECREF(result.found);
}

// Everything is inlined for each spec, and no slow path takes `this`, so the state stays in
// registers.
template <UpdateSpec spec>
class KeyUpdate {
public:
    // Borrows everything. `updated` is the value to insert or to store, `expected` the one that is
    // to be replaced or removed.
    KeyUpdate(HashMap& map, const Key& key, PyObject* updated,
              PyObject* expected = nullptr) noexcept
        : map_(map),
          key_(key),
          updated_(updated),
          expected_(expected),
          holds_updated_(spec.adopts),
          holds_key_(spec.adopts),
          guard_(map) {}

    // Inlined even on the path of an exception. A call there would need the address of this object,
    // and an object whose address is known elsewhere is not kept in registers.
    CEREGGII_ALWAYS_INLINE ~KeyUpdate() noexcept(false) = default;
    KeyUpdate(const KeyUpdate&) = delete;
    KeyUpdate& operator=(const KeyUpdate&) = delete;

    // To be called once. May run Python code: __eq__ of keys, finalizers.
    CEREGGII_ALWAYS_INLINE UpdateResult run() {
        map_.prefetch_home(key_.hash);
        if (!guard_.ready()) return give_up();
        if constexpr (inserts)
            if (!work_ahead()) return give_up();
        UpdateResult result;
        do {
            guard_.pin_writing();
        } while (!attempt(result));
        guard_.unpin();
        release_unused();
        if (node_) guard_.give_node_back(node_);
        if (request_.is_due()) [[unlikely]]
            maybe_resize(map_, request_);
        return result;
    }

private:
    static constexpr bool inserts = spec.if_absent == IfAbsent::insert;

    // Fails before anything was done. An exception is set.
    UpdateResult give_up() {
        if constexpr (spec.adopts) release_unused();
        return {Outcome::error};
    }

    // Takes the node for an insertion, which this update keeps until the end. Then it does what
    // will be needed later, if a prediction is right. That is only for speed: otherwise it is done
    // when it is needed. False with MemoryError.
    //
    // If the map is large, the processor waits for the key's home slot, and does no atomic step
    // that comes after the load of it. So the references are counted, and the node is filled in,
    // before. Whether the key is absent is not known yet: the prediction is that this update does
    // what the thread's last one that could insert has done.
    [[nodiscard]] CEREGGII_ALWAYS_INLINE bool work_ahead() noexcept {
        const bool likely_absent = guard_.inserted_last();
        // A loop that inserts consecutive ints needs the next group soon (a tenth of its time:
        // RESULTS.md, "Whole dicts"). Items of another map are not consecutive, and their keys are
        // not read again.
        if (likely_absent && !spec.adopts)
            if (const auto next = next_group_of(key_)) map_.prefetch_home(*next);
        node_ = guard_.take_node();
        if (!node_) return false;
        if (spec.if_present == IfPresent::replace || likely_absent) incref_updated();
        if (likely_absent) prepare();
        return true;
    }

    // Tries once, from the root on. Pinned at first. False: not pinned any more, and to be tried
    // again.
    CEREGGII_ALWAYS_INLINE bool attempt(UpdateResult& result) {
        Table* root = map_.root.load(std::memory_order_seq_cst);
        if (!root) [[unlikely]] {
            result = {Outcome::absent};
            if constexpr (!inserts) return true;
            guard_.unpin();
            return restart_with(make_root(map_, 0), result);
        }
        root_ = root;
        request_.migrating = root->next.load(std::memory_order_seq_cst) != nullptr;
        Probe probe;
        probe.start(root, key_.hash);
        for (;;) {
            ProbeResult probed = find_key(probe, key_);
            if (probed == ProbeResult::needs_eq) [[unlikely]] {
                const KeyComparison comparison = compare_keys<true>(map_, guard_, probe, key_);
                if (comparison == KeyComparison::error) {
                    result = {Outcome::error};
                    return true;
                }
                // The table was emptied, or the map was cleared: probe again from the root.
                if (comparison == KeyComparison::restart) return restart();
                // The root may have been freed meanwhile, and its address be another table's.
                root_ = nullptr;
                if (comparison == KeyComparison::different) {
                    probe.advance();
                    continue;
                }
                probed = ProbeResult::match;
            }
            if (probed == ProbeResult::match) {
                const Change changed = change_value(probe, result);
                if (changed == Change::done) return true;
                // Lost to an update of the value: probe again from the root.
                if (changed == Change::restart) return restart();
                // Lost to a deletion. A dead node stays dead: its key is behind it, or nowhere.
                probe.advance();
                continue;
            }
            result = {Outcome::absent};
            if constexpr (!inserts) return true;
            if (probed == ProbeResult::full) {
                const std::uint64_t generation = probe.table->generation;
                guard_.unpin();
                return restart_with(append_table(map_, generation, AppendReason::required, 0),
                                    result);
            }
            if (insert(probe)) {
                result = {Outcome::inserted};
                return true;
            }
            // Lost to another insertion or to a freeze: look at the same slot again.
        }
    }

    CEREGGII_ALWAYS_INLINE bool restart() noexcept {
        guard_.unpin();
        return false;
    }

    // Restarts if the missing table was provided, and otherwise fails with MemoryError.
    CEREGGII_ALWAYS_INLINE static bool restart_with(bool provided, UpdateResult& result) {
        if (provided) return false;
        PyErr_NoMemory();
        result = {Outcome::error};
        return true;
    }

    // Inserts the key at an EMPTY slot, the end of its path. False: the slot may have changed, so
    // look at it again.
    CEREGGII_ALWAYS_INLINE bool insert(Probe& probe) noexcept {
        Slot empty = slot_empty;
        if (probe.table->next.load(std::memory_order_seq_cst)) {
            // The table is not the last one. The slot is frozen before the key is inserted further
            // on: from then on no thread takes the key to be absent here, and no rival claims the
            // slot. Lost to a rival insertion or to another freeze: it is not EMPTY either way.
            probe.slot().compare_exchange_strong(empty, slot_frozen, std::memory_order_seq_cst);
            return false;
        }
        if (!prepared_) prepare();
        incref_updated();
        probe.table->insert_into_filter(key_.hash);
        // Lost to a rival insertion, of this key or another one, or to a freeze.
        if (!probe.slot().compare_exchange_strong(empty, probe.pack(node_),
                                                  std::memory_order_seq_cst))
            return false;
        holds_updated_ = holds_key_ = prepared_ = false;
        node_ = nullptr;
        Table* table = probe.table;
        if (table->count->note_insertion(guard_.thread(), table->limit) && table->is_crowded())
            [[unlikely]]
            request_.resize = table->generation;
        return true;
    }

    // Counts a reference to `updated` for the map to own. If the map does not come to own it, it is
    // released at the end, or serves the next attempt.
    CEREGGII_ALWAYS_INLINE void incref_updated() noexcept {
        if (holds_updated_) return;
        atomics::incref_published(updated_);
        holds_updated_ = true;
    }

    // Fills in the node for an insertion, and counts its reference to the key. Relaxed: the node is
    // published by the compare-and-swap of a slot.
    CEREGGII_ALWAYS_INLINE void prepare() noexcept {
        node_->hash.store(key_.hash, std::memory_order_relaxed);
        node_->key = key_.stored;
        node_->value.store(reinterpret_cast<std::uintptr_t>(updated_), std::memory_order_relaxed);
        if (!holds_key_) atomics::incref_shared(key_.object);
        holds_key_ = prepared_ = true;
    }

    // Releases the references that the map did not take over. Not while pinned.
    CEREGGII_ALWAYS_INLINE void release_unused() {
        if (holds_updated_) atomics::decref_shared(updated_);
        if (holds_key_) atomics::decref_shared(key_.object);
        Py_XDECREF(equal_);
    }

    enum class Change {
        done,     // still pinned
        dead,     // still pinned, and the node is dead
        restart,  // a reference was dropped outside of the pin, so probe again from the root
    };

    // Changes the value of a node with the key.
    CEREGGII_ALWAYS_INLINE Change change_value(Probe& probe, UpdateResult& result) {
        Node* node = probe.node();
        for (;;) {
            std::uintptr_t value = node->value.load(std::memory_order_seq_cst);
            if (Node::is_dead(value)) return Change::dead;
            if constexpr (spec.values == Values::expected) {
                if (Node::object(value) != expected_) {
                    if (!atomics::matches_by_value(expected_)) {
                        if constexpr (!spec.wants_found) {
                            result = {Outcome::mismatched};
                            return Change::done;
                        }
                        return keep(node, Outcome::mismatched, result);
                    }
                    return change_if_equal(probe, result);
                }
            }
            if constexpr (spec.if_present == IfPresent::keep) {
                if constexpr (spec.wants_found) return keep(node, Outcome::kept, result);
                result = {Outcome::kept};
                return Change::done;
            }
            // Lost to another update or deletion: look at the value again.
            if (exchange(probe, value, result)) return Change::done;
        }
    }

    // The same if an int, str or bytes is expected which is not the same object as the value, but
    // may be equal.
    CEREGGII_ALWAYS_INLINE Change change_if_equal(Probe& probe, UpdateResult& result) {
        PyObject* found = nullptr;
        const Taken taken = take_value(probe.node(), found);
        if (taken == Taken::dead) return Change::dead;
        // Lost to an update between the two loads of the value.
        if (taken == Taken::another) return drop_and_restart(found);
        if (!atomics::matches(found, expected_)) {
            // The caller releases the value.
            result = {Outcome::mismatched, found};
            return Change::done;
        }
        if (!exchange(probe, reinterpret_cast<std::uintptr_t>(found), result))
            return drop_and_restart(found);  // lost to another update or deletion
        equal_ = found;                      // one of two references: the map's is in `result`
        return Change::done;
    }

    // Leaves the value as it is, and takes a reference to it.
    CEREGGII_ALWAYS_INLINE Change keep(const Node* node, Outcome outcome, UpdateResult& result) {
        PyObject* found = nullptr;
        const Taken taken = take_value(node, found);
        if (taken == Taken::dead) return Change::dead;
        // Lost to an update between the two loads of the value.
        if (taken == Taken::another) return drop_and_restart(found);
        result = {outcome, found};
        return Change::done;
    }

    CEREGGII_ALWAYS_INLINE Change drop_and_restart(PyObject* object) {
        guard_.unpin();
        Py_DECREF(object);
        return Change::restart;
    }

    // Replaces or removes this value by a compare-and-swap. False: lost to another thread.
    CEREGGII_ALWAYS_INLINE bool exchange(Probe& probe, std::uintptr_t value, UpdateResult& result) {
        Node* node = probe.node();
        if constexpr (spec.if_present == IfPresent::replace) {
            const auto updated = reinterpret_cast<std::uintptr_t>(updated_);
            if (value == updated) {
                // The same object is there already: the load was the instant. The reference to it
                // is counted as the map's are, since drop_found() releases it as such.
                result = {Outcome::replaced};
                if constexpr (spec.wants_found) {
                    atomics::incref_shared(updated_);
                    result.found = updated_;
                }
                return true;
            }
            incref_updated();
            if (!node->value.compare_exchange_strong(value, updated, std::memory_order_seq_cst))
                return false;
            holds_updated_ = false;
            result = {Outcome::replaced, Node::object(value)};
        } else {
            // Relaxed: the node was complete before a slot named it, and the swap succeeds only if
            // it is alive until then, so this is not a link. The node's own hash, and not
            // key_.hash: an object whose __hash__ changes finds keys by chance.
            const std::uint64_t hash = node->hash.load(std::memory_order_relaxed);
            if (!node->value.compare_exchange_strong(value, Node::dead, std::memory_order_seq_cst))
                return false;
            result = {Outcome::removed, Node::object(value)};
            unlink_and_retire(map_, guard_, probe, hash, root_, request_);
        }
        return true;
    }

    HashMap& map_;
    const Key& key_;
    PyObject* const updated_;
    PyObject* const expected_;
    // The root when this attempt began. Null: it was not pinned all the time since then.
    const Table* root_ = nullptr;
    // The node for an insertion, owned. Null: it was inserted.
    Node* node_ = nullptr;
    // This update owns a reference to `updated_`, for the map.
    bool holds_updated_;
    // This update owns a reference to the key, for the map.
    bool holds_key_;
    // The node is filled in.
    bool prepared_ = false;
    // A value that was equal to what was expected, owned.
    PyObject* equal_ = nullptr;
    // What is to be done about the tables at the end.
    ResizeRequest request_;
    Guard guard_;
};

// A function of its own for each spec. What it retires is freed when its guard ends, before it
// returns.
template <UpdateSpec spec>
CEREGGII_NEVER_INLINE UpdateResult update_key(HashMap& map, const Key& key, PyObject* updated,
                                              PyObject* expected = nullptr) {
    return KeyUpdate<spec>(map, key, updated, expected).run();
}

}  // namespace cereggii::atomicdict
