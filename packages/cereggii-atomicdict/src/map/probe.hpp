// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <algorithm>

#include "map/guard.hpp"
#include "map/key.hpp"
#include "map/table.hpp"

// Walking the path of a key through the chain of tables. All loads are sequentially consistent.
namespace cereggii::atomicdict {

// How far a walk has come: at a slot, in a table of the chain.
struct Probe {
    Table* table;
    Slot fingerprint;  // of the key, in this table
    std::size_t index;
    std::size_t left;  // slots of this table still to be looked at
    Slot seen;         // as it was loaded last

    void start(Table* in, std::uint64_t hash) noexcept {
        start(in, in->fingerprint_of(hash), in->home(hash));
    }
    void start(Table* in, Slot with_fingerprint, std::size_t home) noexcept {
        table = in;
        fingerprint = with_fingerprint;
        index = home;
        left = in->capacity();
    }
    void advance() noexcept {
        index = (index + 1) & table->mask;
        --left;
    }
    std::atomic<Slot>& slot() const noexcept { return table->slot(index); }
    Node* node() const noexcept { return node_of(seen); }
    // What the slot is to become if it is to name a node with this key.
    Slot pack(const Node* node) const noexcept {
        const std::size_t steps = table->capacity() - left;
        const std::size_t groups =
            ((fingerprint >> slot_in_group_at & group_mask) + steps) >> group_bits;
        return fingerprint | std::min<Slot>(groups, saturated) << distance_at |
               reinterpret_cast<std::uintptr_t>(node);
    }
};

enum class Step {
    match,  // the slot names a node with this key, dead or alive
    ask,    // it names one with this hash, and only Python knows whether the keys are equal
    end,    // an EMPTY slot: the key is in no table; here it may be inserted
    full,   // the last table has no EMPTY slot on the path: the key is in no table
};

// Goes on from `probe`. Only while pinned.
[[gnu::always_inline]] inline Step walk(Probe& probe, const Key& key) noexcept {
    for (;;) {
        while (probe.left > 0) {
            const Slot seen = probe.seen = probe.slot().load(std::memory_order_seq_cst);
            if (same_fingerprint(seen, probe.fingerprint)) {
                // NODE, MOVING or MOVED: as long as a slot names a node, its value is there.
                const Node* node = node_of(seen);
                if (node->key == key.stored) return ProbeResult::match;
                // Relaxed: the node was complete before a slot named it. (Of one that has been
                // retired since, this is a link; the node is dead whatever comes of it.)
                if (node->hash.load(std::memory_order_relaxed) == key.hash) {
                    const Equality equality = compare_natively(node->key, key);
                    if (equality == Equality::equal) return ProbeResult::match;
                    if (equality == Equality::unknown) return ProbeResult::needs_eq;
                }
            } else if (ends_path(seen)) {
                // Nobody has gone past an EMPTY slot, or it would be FROZEN.
                if (seen == slot_empty) return ProbeResult::end;
                break;
            }
            probe.advance();
        }
        // A full table ends no path: only after its last slot does the absence of a next mean that.
        Table* next = probe.table->next.load(std::memory_order_seq_cst);
        if (!next) return ProbeResult::full;
        probe.start(next, key.hash);
    }
}

enum class KeysAre {
    equal,      // pinned, at the same slot, which still names the node
    different,  // pinned, at the same slot: go on behind it
    restart,    // pinned, and the slot is in no table of the chain any more: start again
    error,      // not pinned, with the exception of the user's __eq__
};

// Runs the user's __eq__: 1, 0, or -1 with an exception.
[[gnu::noinline]] inline int compare_in_python(PyObject* owned, PyObject* key) {
    const int same = PyObject_RichCompareBool(owned, key, Py_EQ);
    Py_DECREF(owned);
    return same;
}

// The table of the chain with this generation, if it is still in it. Pinned.
[[gnu::noinline]] inline Table* find_table(HashMap& map, std::uint64_t generation) noexcept {
    Table* table = map.root.load(std::memory_order_seq_cst);
    while (table && table->generation != generation)
        table = table->next.load(std::memory_order_seq_cst);
    return table;
}

// Asks the keys' own __eq__, outside of the pin, since it can run anything for any time. Afterwards
// the table is looked up by its generation: its address may be another table's by now.
template <bool writing>
[[gnu::always_inline]] inline KeysAre compare_keys(HashMap& map, Guard& guard, Probe& probe,
                                                   const Key& key) {
    const std::uint64_t generation = probe.table->generation;
    PyObject* other = Py_NewRef(key_object(probe.node()->key));
    guard.unpin();
    const int same = compare_in_python(other, key.object);
    if (same < 0) return KeysAre::error;
    if constexpr (writing)
        guard.pin_writing();
    else
        guard.pin_reading();
    probe.table = find_table(map, generation);
    if (!probe.table) return KeysAre::restart;
    const Slot now = probe.slot().load(std::memory_order_seq_cst);
    // A slot names one node in its life. TOMB: the node has been deleted since.
    if ((now & node_mask) != (probe.seen & node_mask)) return KeysAre::different;
    probe.seen = now;
    return same ? KeysAre::equal : KeysAre::different;
}

}  // namespace cereggii::atomicdict
