// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include "cereggii/atomics/compiler.hpp"
#include "cereggii/atomics/python/try_incref.hpp"
#include "map/probe.hpp"

// Reading one key. A lookup takes no lock, and writes nothing that is shared but the value's
// reference count. It does not look at the gate, so it never waits for an exact operation.
//
// It linearizes at the load of the value; or, if the key is absent, at the load of the filter, of
// the EMPTY slot, or of the missing link. The value is loaded twice, and the reference is counted
// in between. If both loads are the same, the object is the value at the second one: the reference
// has kept its address from being used for another object.
namespace cereggii::atomicdict {

enum class Taken {
    value,    // `object` is an owned reference to the node's value
    dead,     // the node has no value, and `object` is as it was
    another,  // `object` is an owned reference to something else: release it when unpinned
};

// Takes a reference to a node's value. Only while pinned. Lock-free: an iteration is repeated only
// if another thread has replaced the value and the object is being freed. `object` is set only if
// it is owned. `contended`: see try_incref.hpp.
CEREGGII_ALWAYS_INLINE Taken take_value(const Node* node, PyObject*& object,
                                        bool* contended = nullptr) noexcept {
    for (;;) {
        const std::uintptr_t value = node->value.load(std::memory_order_seq_cst);
        if (!Node::has_value(value)) return Taken::dead;
        // Lost to an update or deletion that is freeing the object: look at the value again.
        // Nothing has been called since the load: see try_incref.hpp.
        if (!atomics::try_incref(Node::object(value), contended)) continue;
        object = Node::object(value);
        if (node->value.load(std::memory_order_seq_cst) == value) [[likely]]
            return Taken::value;
        // Lost to an update or deletion after the first load. The reference must be dropped, which
        // may run a finalizer, so the caller has to unpin first.
        return Taken::another;
    }
}

enum class Found { present, absent, error };

// What a reader does with a node, besides taking its value. Only while pinned.
struct AnyNode {
    // False: the key counts as absent.
    static bool accepts(const Node*) noexcept { return true; }
    // It was accepted, and its value was taken.
    static void note_use(Node*) noexcept {}
};

// Looks a key up. With `with_value`, `object` becomes an owned reference to the value if the key is
// present. Otherwise it stays as it was. Error: an exception is set.
template <bool with_value, class Reader = AnyNode>
CEREGGII_ALWAYS_INLINE Found look_up(HashMap& map, const Key& key, PyObject*& object,
                                     const Reader& reader = {}) {
    map.prefetch_home(key.hash);
    Guard guard(map);
    if (!guard.ready()) return Found::error;
    for (;;) {
        guard.pin_reading();
        Table* root = map.root.load(std::memory_order_seq_cst);
        if (!root) return Found::absent;
        // A bit of the filter is never cleared, and a link stays: so the key was in no table when
        // the filter was looked at, or the map was cleared meanwhile.
        if (root->rules_out(key.hash) && !root->next.load(std::memory_order_seq_cst))
            return Found::absent;
        Probe probe;
        probe.start(root, key.hash);
        for (;; probe.advance()) {
            const ProbeResult probed = find_key(probe, key);
            if (probed == ProbeResult::end || probed == ProbeResult::full) return Found::absent;
            if (probed == ProbeResult::needs_eq) [[unlikely]] {
                const KeyComparison comparison = compare_keys<false>(map, guard, probe, key);
                if (comparison == KeyComparison::error) return Found::error;
                if (comparison == KeyComparison::different) continue;
                // The table was emptied, or the map was cleared: probe again from the root.
                if (comparison == KeyComparison::restart) break;
            }
            // A dead node is not the key's any more: the key is behind it, or nowhere.
            if (!reader.accepts(probe.node())) {
                if (!Node::is_dead(probe.node()->value.load(std::memory_order_seq_cst)))
                    return Found::absent;
                continue;
            }
            if constexpr (with_value) {
                PyObject* value = nullptr;
                const Taken taken = take_value(probe.node(), value);
                if (taken == Taken::value) [[likely]] {
                    reader.note_use(probe.node());
                    object = value;
                    return Found::present;
                }
                // Lost to an update or deletion: drop the reference, and look the key up again.
                if (taken == Taken::another) {
                    guard.unpin();
                    Py_DECREF(value);
                    break;
                }
            } else {
                const std::uintptr_t value = probe.node()->value.load(std::memory_order_seq_cst);
                if (Node::has_value(value)) return Found::present;
            }
            // A dead node stays dead: its key is behind it, or nowhere.
        }
        guard.unpin();
    }
}

}  // namespace cereggii::atomicdict
