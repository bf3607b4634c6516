// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <algorithm>

#include "cereggii/atomics/compiler.hpp"
#include "map/guard.hpp"
#include "map/key.hpp"
#include "map/table.hpp"

// Looking for a key: linear probing through the chain of tables.
//
//     root    … │ home ▶ │ other │ TOMB │ other │ FROZEN │ …
//                                                    │ next
//     table   … │ home ▶ │ other │ the key: match │ … │ EMPTY: end │ …
//
// Invariants:
//   - A key that is in the map is found: some table names its node, and the path in each table
//     before that one does not end at EMPTY. (An insertion further on freezes the EMPTY slot
//     first.)
//   - A key that is not found was in no table at one instant: at the load of the EMPTY slot, or at
//     the load of the missing link.
//   - All that is read under the pin is still there: nodes and tables are retired when they cannot
//     be found any more, and freed when all threads have unpinned that could have found them.
//
// All loads of slots, links and values are sequentially consistent.
namespace cereggii::atomicdict {

enum class ProbeResult {
    match,     // the slot names a node with this key, dead or alive
    needs_eq,  // the slot names a node with this hash, and only the keys' __eq__ can compare them
    end,       // an EMPTY slot: the key is in no table, and may be inserted here
    full,      // the last table has no EMPTY slot on the path: the key is in no table
};

// A position on the path of a key.
struct Probe {
    // A table of the chain.
    Table* table;
    // The fingerprint of the key in slots of `table`.
    Slot fingerprint;
    // The index of the slot at hand.
    std::size_t index;
    // How many slots of `table` are still to be looked at, this one included.
    std::size_t left;
    // What the slot at `index` was when it was loaded last.
    Slot seen;

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

    // What the slot at `index` has to be to name a node with this key.
    Slot pack(const Node* node) const noexcept {
        const std::size_t steps = table->capacity() - left;
        const std::size_t groups =
            ((fingerprint >> home_in_group_shift & group_mask) + steps) >> group_bits;
        return fingerprint | std::min<Slot>(groups, saturated) << distance_shift |
               reinterpret_cast<std::uintptr_t>(node);
    }
};

// Looks at the slots from `probe` on, until there is a result. Only while pinned.
CEREGGII_ALWAYS_INLINE ProbeResult find_key(Probe& probe, const Key& key) noexcept {
    for (;;) {
        while (probe.left > 0) {
            const Slot seen = probe.seen = probe.slot().load(std::memory_order_seq_cst);
            if (same_fingerprint(seen, probe.fingerprint)) {
                // NODE, MOVING or MOVED: as long as a slot names a node, the value is in the node.
                const Node* node = node_of(seen);
                if (node->key == key.stored) return ProbeResult::match;
                // Relaxed: the node was complete before a slot named it. (If it has been retired
                // since, this is a link. Then the node is dead, so it does not matter whether the
                // link looks like the hash.)
                if (node->hash.load(std::memory_order_relaxed) == key.hash) {
                    const Equality equality = compare_natively(node->key, key);
                    if (equality == Equality::equal) return ProbeResult::match;
                    if (equality == Equality::unknown) return ProbeResult::needs_eq;
                }
            } else if (ends_path(seen)) {
                // EMPTY: a key of this path was never inserted behind it, or it would be FROZEN.
                if (seen == slot_empty) return ProbeResult::end;
                break;  // FROZEN: the path goes on in the next table
            }
            // TOMB, or another key: the path goes on in the next slot.
            probe.advance();
        }
        // FROZEN, or no slot of a full table ends the path. `next` is read after the last slot: if
        // there is none now, the key was in no table.
        Table* next = probe.table->next.load(std::memory_order_seq_cst);
        if (!next) return ProbeResult::full;
        probe.start(next, key.hash);
    }
}

enum class KeyComparison {
    equal,      // pinned, at the same slot, which still names the node
    different,  // pinned, at the same slot: go on behind it
    restart,    // pinned, and the table has left the chain: probe again from the root
    error,      // not pinned, with the exception that the keys' __eq__ has raised
};

// Runs the keys' __eq__, and releases `owned`: 1, 0, or -1 with an exception.
CEREGGII_NEVER_INLINE inline int compare_in_python(PyObject* owned, PyObject* key) {
    const int same = PyObject_RichCompareBool(owned, key, Py_EQ);
    Py_DECREF(owned);
    return same;
}

// Where a slot of the chain from `root` on names this node, whose hash this is. `left` is 0 if none
// does. Only while pinned.
CEREGGII_NEVER_INLINE inline Probe find_node(Table* root, const Node* node,
                                             std::uint64_t hash) noexcept {
    Probe probe{};
    for (Table* table = root; table; table = table->next.load(std::memory_order_seq_cst)) {
        for (probe.start(table, hash); probe.left > 0; probe.advance()) {
            probe.seen = probe.slot().load(std::memory_order_seq_cst);
            if (node_of(probe.seen) == node) return probe;
            if (ends_path(probe.seen)) break;
        }
    }
    probe.left = 0;
    return probe;
}

// The table with this generation, or null if it is not in the chain any more. Only while pinned.
CEREGGII_NEVER_INLINE inline Table* find_table(HashMap& map, std::uint64_t generation) noexcept {
    Table* table = map.root.load(std::memory_order_seq_cst);
    while (table && table->generation != generation)
        table = table->next.load(std::memory_order_seq_cst);
    return table;
}

// Asks the keys' own __eq__ whether the key at `probe` is equal. It can run anything for any time,
// so it runs outside of the pin. Afterwards the table is looked up by its generation, since its
// address may be another table's by now.
template <bool writing>
CEREGGII_ALWAYS_INLINE KeyComparison compare_keys(HashMap& map, Guard& guard, Probe& probe,
                                                  const Key& key) {
    const std::uint64_t generation = probe.table->generation;
    PyObject* other = Py_NewRef(key_object(probe.node()->key));
    guard.unpin();
    const int same = compare_in_python(other, key.object);
    if (same < 0) return KeyComparison::error;
    if constexpr (writing)
        guard.pin_writing();
    else
        guard.pin_reading();
    probe.table = find_table(map, generation);
    if (!probe.table) return KeyComparison::restart;
    const Slot now = probe.slot().load(std::memory_order_seq_cst);
    // A slot names one node in its life, so the same address means the same node. TOMB: the key was
    // deleted meanwhile.
    if ((now & node_mask) != (probe.seen & node_mask)) return KeyComparison::different;
    probe.seen = now;
    return same ? KeyComparison::equal : KeyComparison::different;
}

}  // namespace cereggii::atomicdict
