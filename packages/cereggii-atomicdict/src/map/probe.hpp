// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <algorithm>

#include "map/guard.hpp"
#include "map/key.hpp"
#include "map/table.hpp"

// Looking for a key: linear probing through the chain of tables. All loads are sequentially
// consistent.
namespace cereggii::atomicdict {

enum class ProbeResult {
    match,     // the slot names a node with this key, dead or alive
    needs_eq,  // it names one with this hash, and only the keys' __eq__ can tell whether it is
               // equal
    end,       // an EMPTY slot: the key is in no table, and may be inserted here
    full,      // the last table has no EMPTY slot on the path: the key is in no table
};

// A probe sequence: where it is now.
struct Probe {
    Table* table;      // of the chain
    Slot fingerprint;  // of the key, as it is in slots of `table`
    std::size_t index;
    std::size_t left;  // how many slots of `table` are still to be looked at
    Slot seen;         // the slot at `index`, as it was loaded last

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

    // Looks at slots from `index` on, until there is a result. Only while pinned.
    [[gnu::always_inline]] ProbeResult find(const Key& key) noexcept {
        for (;;) {
            while (left > 0) {
                seen = slot().load(std::memory_order_seq_cst);
                if (same_fingerprint(seen, fingerprint)) {
                    // NODE, MOVING or MOVED: as long as a slot names a node, its value is there.
                    const Node* candidate = node();
                    if (candidate->key == key.stored) return ProbeResult::match;
                    // Relaxed: the node was complete before a slot named it. (If it has been
                    // retired since, this is a link. Then the node is dead, whatever is found
                    // here.)
                    if (candidate->hash.load(std::memory_order_relaxed) == key.hash) {
                        const Equality equality = compare_natively(candidate->key, key);
                        if (equality == Equality::equal) return ProbeResult::match;
                        if (equality == Equality::unknown) return ProbeResult::needs_eq;
                    }
                } else if (ends_path(seen)) {
                    // EMPTY: no key was ever inserted behind it, or it would be FROZEN.
                    if (seen == slot_empty) return ProbeResult::end;
                    break;  // FROZEN: the path goes on in the next table
                }
                advance();
            }
            // In a full table no slot ends the path. So `next` is read after the last slot: if
            // there is none, the key was in no table.
            Table* next = table->next.load(std::memory_order_seq_cst);
            if (!next) return ProbeResult::full;
            start(next, key.hash);
        }
    }

    std::atomic<Slot>& slot() const noexcept { return table->slot(index); }
    Node* node() const noexcept { return node_of(seen); }

    // The contents of the slot at `index` if it names a node with this key.
    Slot pack(const Node* node) const noexcept {
        const std::size_t steps = table->capacity() - left;
        const std::size_t groups =
            ((fingerprint >> slot_in_group_at & group_mask) + steps) >> group_bits;
        return fingerprint | std::min<Slot>(groups, saturated) << distance_at |
               reinterpret_cast<std::uintptr_t>(node);
    }
};

enum class KeyComparison {
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
[[gnu::always_inline]] inline KeyComparison compare_keys(HashMap& map, Guard& guard, Probe& probe,
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
    // A slot names one node in its life. TOMB: the node has been deleted since.
    if ((now & node_mask) != (probe.seen & node_mask)) return KeyComparison::different;
    probe.seen = now;
    return same ? KeyComparison::equal : KeyComparison::different;
}

}  // namespace cereggii::atomicdict
