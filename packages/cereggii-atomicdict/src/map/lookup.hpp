// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include "cereggii/atomics/python/try_incref.hpp"
#include "map/probe.hpp"

// Reading one key. Takes no lock and writes nothing that is shared but the value's reference count.
namespace cereggii::atomicdict {

// A reference to a node's value. Only while pinned.
enum class Taken {
    value,    // owned
    dead,     // the node is; no object
    another,  // owned, to an object that is not the value: to be released outside of the pin
};

// The loop is lock-free: each turn, another thread has replaced the value. An object that was not
// taken is not written down: nobody can mistake it for one that was. `contended`: see
// try_incref.hpp.
[[gnu::always_inline]] inline Taken take_value(const Node* node, PyObject*& object,
                                               bool* contended = nullptr) noexcept {
    for (;;) {
        const std::uintptr_t value = node->value.load(std::memory_order_seq_cst);
        if (Node::is_dead(value)) return Taken::dead;
        // Nothing has been called since the load: see try_incref.hpp.
        if (!atomics::try_incref(Node::object(value), contended)) continue;
        object = Node::object(value);
        if (node->value.load(std::memory_order_seq_cst) == value) [[likely]]
            return Taken::value;
        return Taken::another;
    }
}

enum class Found { present, absent, error };

// `object` is an owned reference to the value of a key that is present, if `with_value`. Otherwise
// it is left as it was.
// Linearizes at the load of the value, or of the slot or link that says there is no such key.
template <bool with_value>
[[gnu::always_inline]] inline Found look_up(HashMap& map, const Key& key, PyObject*& object) {
    map.prefetch_home(key.hash);
    Guard guard(map);
    if (!guard.ready()) return Found::error;
    for (;;) {
        guard.pin_reading();
        Table* root = map.root.load(std::memory_order_seq_cst);
        if (!root) return Found::absent;
        if (root->rules_out(key.hash) && !root->next.load(std::memory_order_seq_cst))
            return Found::absent;
        Probe probe;
        probe.start(root, key.hash);
        for (;; probe.advance()) {
            const ProbeResult probed = probe.find(key);
            if (probed == ProbeResult::end || probed == ProbeResult::full) return Found::absent;
            if (probed == ProbeResult::needs_eq) [[unlikely]] {
                const KeyComparison comparison = compare_keys<false>(map, guard, probe, key);
                if (comparison == KeyComparison::error) return Found::error;
                if (comparison == KeyComparison::different) continue;
                if (comparison == KeyComparison::restart) break;
            }
            if constexpr (with_value) {
                PyObject* value = nullptr;
                const Taken taken = take_value(probe.node(), value);
                if (taken == Taken::value) [[likely]] {
                    object = value;
                    return Found::present;
                }
                if (taken == Taken::another) {
                    guard.unpin();
                    Py_DECREF(value);
                    break;
                }
            } else {
                const std::uintptr_t value = probe.node()->value.load(std::memory_order_seq_cst);
                if (!Node::is_dead(value)) return Found::present;
            }
            // A dead node stays dead: its key is behind it, or nowhere.
        }
        guard.unpin();
    }
}

}  // namespace cereggii::atomicdict
