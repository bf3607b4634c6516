// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <cstdint>

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
// Lock-free: whoever has to try again has lost to another thread that changed the same slot.
namespace cereggii::atomicdict {

enum class IfAbsent { leave, insert };
enum class IfPresent { keep, replace, remove };
enum class Values { any, expected };  // which are replaced or removed

struct UpdateSpec {
    IfAbsent if_absent;
    IfPresent if_present;
    Values values = Values::any;
    bool wants_found = true;  // whether the caller asks for what was found
    bool adopts = false;      // takes over the caller's references to key and value (see Items)
};

enum class Outcome { inserted, replaced, removed, kept, mismatched, absent, error };

struct UpdateResult {
    Outcome outcome;
    // Owned, or null: what was found. The caller has to release it, whether it asks for it or not.
    PyObject* found = nullptr;
};

// Of what was found, if nobody asks for it. May run finalizers.
inline void drop_found(const UpdateResult& result) {
    if (!result.found) return;
    // The map's own, or one that was taken to look at it, which the calling thread may have
    // counted.
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
    // Borrows everything. `updated` is what is inserted or stored; `expected` what it is stored
    // over.
    KeyUpdate(HashMap& map, const Key& key, PyObject* updated,
              PyObject* expected = nullptr) noexcept
        : map_(map),
          key_(key),
          updated_(updated),
          expected_(expected),
          holds_updated_(spec.adopts),
          holds_key_(spec.adopts),
          guard_(map) {}

    // Inlined also on the path of an exception. A call there would need the address of this object,
    // and an object whose address is known elsewhere is not kept in registers.
    [[gnu::always_inline]] ~KeyUpdate() noexcept(false) = default;
    KeyUpdate(const KeyUpdate&) = delete;
    KeyUpdate& operator=(const KeyUpdate&) = delete;

    // Not to be called twice. May run Python code: __eq__ of keys, finalizers.
    [[gnu::always_inline]] UpdateResult run() {
        map_.prefetch_home(key_.hash);
        if (!guard_.ready()) return give_up();
        if constexpr (inserts) {
            // Ours until the end: whatever Python code runs meanwhile may insert, too.
            const bool likely_absent = guard_.inserted_last();
            // A loop that inserts consecutive ints needs the next neighbours soon. Items of another
            // map are not consecutive, and their keys are not read again.
            if (likely_absent && !spec.adopts)
                if (const auto next = next_group_of(key_)) map_.prefetch_home(*next);
            node_ = guard_.take_node();
            if (!node_) return give_up();
            // The processor waits for the slot, if the map is large, and no atomic step that comes
            // later is done until it is there: so what will be needed is done now.
            if (spec.if_present == IfPresent::replace || likely_absent) hold_updated();
            if (likely_absent) prepare();
        }
        UpdateResult result;
        do {
            guard_.pin_writing();
        } while (!attempt(result));
        guard_.unpin();
        release_what_is_left_over();
        if (node_) guard_.give_node_back(node_);
        if (request_.is_due()) [[unlikely]]
            maybe_resize(map_, request_);
        return result;
    }

private:
    static constexpr bool inserts = spec.if_absent == IfAbsent::insert;

    // Before anything has been done.
    UpdateResult give_up() {
        if constexpr (spec.adopts) release_what_is_left_over();
        return {Outcome::error};
    }

    // Inside at first. False: not pinned any more, and to be tried anew from the root.
    [[gnu::always_inline]] bool attempt(UpdateResult& result) {
        Table* root = map_.root.load(std::memory_order_seq_cst);
        if (!root) [[unlikely]] {
            result = {Outcome::absent};
            if constexpr (!inserts) return true;
            guard_.unpin();
            return start_anew_with(make_root(map_, 0), result);
        }
        root_ = root;
        request_.migrating = root->next.load(std::memory_order_seq_cst) != nullptr;
        Probe probe;
        probe.start(root, key_.hash);
        for (;;) {
            ProbeResult probed = probe.find(key_);
            if (probed == ProbeResult::needs_eq) [[unlikely]] {
                const KeyComparison comparison = compare_keys<true>(map_, guard_, probe, key_);
                if (comparison == KeyComparison::error) {
                    result = {Outcome::error};
                    return true;
                }
                if (comparison == KeyComparison::restart) return start_anew();
                // It may have been freed, and its address be another table's.
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
                if (changed == Change::restart) return start_anew();
                probe.advance();  // a dead node stays dead: its key is behind it, or nowhere
                continue;
            }
            result = {Outcome::absent};
            if constexpr (!inserts) return true;
            if (probed == ProbeResult::full) {
                const std::uint64_t generation = probe.table->generation;
                guard_.unpin();
                return start_anew_with(append_table(map_, generation, Extension::needed, 0),
                                       result);
            }
            if (insert(probe)) {
                result = {Outcome::inserted};
                return true;
            }
        }
    }

    [[gnu::always_inline]] bool start_anew() noexcept {
        guard_.unpin();
        return false;
    }

    // With what was missing, if it was provided; otherwise fails with MemoryError.
    [[gnu::always_inline]] static bool start_anew_with(bool provided, UpdateResult& result) {
        if (provided) return false;
        PyErr_NoMemory();
        result = {Outcome::error};
        return true;
    }

    // At an EMPTY slot, the end of the path. False: look at the same slot again, or further on.
    [[gnu::always_inline]] bool insert(Probe& probe) noexcept {
        Slot empty = slot_empty;
        if (probe.table->next.load(std::memory_order_seq_cst)) {
            // The table is not the last. The slot is closed before the key is put further on: from
            // then on nobody takes the key to be absent here, and no rival claims the slot.
            probe.slot().compare_exchange_strong(empty, slot_frozen, std::memory_order_seq_cst);
            return false;
        }
        if (!prepared_) prepare();
        hold_updated();
        probe.table->insert_into_filter(key_.hash);
        // Fails if lost to a rival insertion, or to a freeze.
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

    // References for the map to own are counted before it does, and released only outside of the
    // pin, by the way of a retry or at the end.
    [[gnu::always_inline]] void hold_updated() noexcept {
        if (holds_updated_) return;
        atomics::incref_published(updated_);
        holds_updated_ = true;
    }

    // The node for an insertion, and its reference to the key.
    [[gnu::always_inline]] void prepare() noexcept {
        node_->hash.store(key_.hash, std::memory_order_relaxed);
        node_->key = key_.stored;
        node_->value.store(reinterpret_cast<std::uintptr_t>(updated_), std::memory_order_relaxed);
        if (!holds_key_) atomics::incref_shared(key_.object);
        holds_key_ = prepared_ = true;
    }

    [[gnu::always_inline]] void release_what_is_left_over() {
        if (holds_updated_) atomics::decref_shared(updated_);
        if (holds_key_) atomics::decref_shared(key_.object);
        Py_XDECREF(equal_);
    }

    enum class Change {
        done,     // still pinned
        dead,     // still pinned; the node is
        restart,  // pinned, but to be left: a reference is to be dropped, or is dropped already
    };

    // At a node with the key.
    [[gnu::always_inline]] Change change_value(Probe& probe, UpdateResult& result) {
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
            // Lost to another update or deletion: look again.
            if (exchange(probe, value, result)) return Change::done;
        }
    }

    // Expecting an int, str or bytes which is not the same object as the value, but may be equal.
    [[gnu::always_inline]] Change change_if_equal(Probe& probe, UpdateResult& result) {
        PyObject* found = nullptr;
        const Taken taken = take_value(probe.node(), found);
        if (taken == Taken::dead) return Change::dead;
        if (taken == Taken::another) return drop_and_start_anew(found);
        if (!atomics::matches(found, expected_)) {
            // The caller releases what was found.
            result = {Outcome::mismatched, found};
            return Change::done;
        }
        if (!exchange(probe, reinterpret_cast<std::uintptr_t>(found), result))
            return drop_and_start_anew(found);
        equal_ = found;  // one of two references: the map's was handed over as well
        return Change::done;
    }

    [[gnu::always_inline]] Change keep(const Node* node, Outcome outcome, UpdateResult& result) {
        PyObject* found = nullptr;
        const Taken taken = take_value(node, found);
        if (taken == Taken::dead) return Change::dead;
        if (taken == Taken::another) return drop_and_start_anew(found);
        result = {outcome, found};
        return Change::done;
    }

    [[gnu::always_inline]] Change drop_and_start_anew(PyObject* object) {
        guard_.unpin();
        Py_DECREF(object);
        return Change::restart;
    }

    // Compare-and-swap of the value.
    [[gnu::always_inline]] bool exchange(Probe& probe, std::uintptr_t value, UpdateResult& result) {
        Node* node = probe.node();
        if constexpr (spec.if_present == IfPresent::replace) {
            const auto updated = reinterpret_cast<std::uintptr_t>(updated_);
            if (value == updated) {
                // It is there already: the load was the instant. What is found is counted as if it
                // had been replaced, for whoever drops it takes it to be the map's.
                result = {Outcome::replaced};
                if constexpr (spec.wants_found) {
                    atomics::incref_shared(updated_);
                    result.found = updated_;
                }
                return true;
            }
            hold_updated();
            if (!node->value.compare_exchange_strong(value, updated, std::memory_order_seq_cst))
                return false;
            holds_updated_ = false;
            result = {Outcome::replaced, Node::object(value)};
        } else {
            // Of a node that is alive, as it is until the swap: not a link. Its own, and not the
            // one of the key that was looked for: whoever's __hash__ changes finds keys by chance.
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
    const Table* root_ = nullptr;  // when this attempt began; null if it has left meanwhile
    Node* node_ = nullptr;         // owned: for an insertion
    bool holds_updated_;
    bool holds_key_;
    bool prepared_ = false;
    PyObject* equal_ = nullptr;  // owned: a value that was equal to what was expected
    ResizeRequest request_;
    Guard guard_;
};

// Releases what a guard must have left before: after KeyUpdate is gone.
template <UpdateSpec spec>
[[gnu::noinline]] UpdateResult update_key(HashMap& map, const Key& key, PyObject* updated,
                                          PyObject* expected = nullptr) {
    return KeyUpdate<spec>(map, key, updated, expected).run();
}

}  // namespace cereggii::atomicdict
