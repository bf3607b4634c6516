// SPDX-License-Identifier: Apache-2.0
#include "map/exact.hpp"

#include <algorithm>
#include <mutex>
#include <new>

#ifndef _WIN32
#include <dlfcn.h>
#endif

#include "map/guard.hpp"
#include "map/items.hpp"
#include "map/order.hpp"
#include "map/pauses.hpp"
#include "map/prefetch.hpp"
#include "map/traversal.hpp"
#include "map/tuning.hpp"

// Operations on all keys at once, as of one instant.
//
// They close the gate:
//
//     closer                                     writer
//     gate = closed                              pin
//     wait until no writer is pinned             load gate: closed ──▶ unpin, wait detached, retry
//     ··· the instant: only readers run ···
//     gate = open
//
// All of it is sequentially consistent, so the closer sees the pin of a writer, or the writer sees
// the closed gate. Writers that are pinned already are waited for, which takes as long as a native
// section takes.
//
// While the gate is closed its closer runs no Python code, so it never waits for itself. But a
// section that takes long detaches from time to time, so that others can stop the world
// (pauses.hpp).
namespace cereggii::atomicdict {

namespace {

// Opens the gate when the operation ends.
class ClosedGate {
public:
    explicit ClosedGate(Guard& guard) : guard_(guard) { guard_.close_gate(); }
    // The guard has closed it already.
    ClosedGate(Guard& guard, std::adopt_lock_t) noexcept : guard_(guard) {}
    ~ClosedGate() { guard_.open_gate(); }
    ClosedGate(const ClosedGate&) = delete;
    ClosedGate& operator=(const ClosedGate&) = delete;

private:
    Guard& guard_;
};

template <class Visit>
void for_each_table(Table* table, const Visit& visit) {
    for (; table; table = table->next.load(std::memory_order_seq_cst)) visit(table);
}

// Takes references to the key and the value of a node, if it is alive. While the gate is closed.
void take_node(const Node* node, Items& items) {
    const std::uintptr_t value = node->value.load(std::memory_order_seq_cst);
    if (!Node::has_value(value)) return;
    items.push_back({node->hash.load(std::memory_order_relaxed), node->key, Node::object(value)});
    // Nobody can replace the value or release the key while the gate is closed.
    atomics::incref_shared(key_object(node->key));
    atomics::incref_published(Node::object(value));
}

// Takes all that is in a table, in the order of its slots. False: interrupted by Ctrl-C.
bool take_by_slot(Table& table, Items& items, Pace& pace, bool can_be_interrupted) {
    bool interrupted = false;
    for_each_node(
        table,
        [&](const Node* node) {
            take_node(node, items);
            if (pace.rest()) interrupted = can_be_interrupted && PyOS_InterruptOccurred();
            return int{interrupted};
        },
        [] {});
    return !interrupted;
}

// Takes what is in a table, in the order of positions, until there are `all` items. False:
// interrupted by Ctrl-C.
bool take_by_position(Table& table, std::size_t all, Items& items, Pace& pace,
                      bool can_be_interrupted) {
    GroupPrefetch ahead(table);
    bool interrupted = false;
    std::uint64_t position = 0;
    for_each_home(table, position, [&](std::size_t group) {
        ahead.at(position);
        for_each_on_paths(table, group, [&](std::size_t index, Slot seen) {
            // Each node once: in its home group, and if it is MOVED in a later table only.
            if ((seen & state_mask) != 0 || table.home_group(index, seen) != group) return true;
            take_node(node_of(seen), items);
            return true;
        });
        if (pace.rest()) interrupted = can_be_interrupted && PyOS_InterruptOccurred();
        return !interrupted && items.size() < all;
    });
    return !interrupted;
}

// A new dict with room for this many keys, up to some 10^5. (A larger one grows in any case, and
// moves all of its keys at once, which a thread that wants to stop the world waits for.) A dict
// that grows takes 15 % more time; benchmarks/RESULTS.md, "Whole dicts": 35 and 46 ns a key, of
// 10^3 strings. CPython has a function for it, which is not public but has been the same since 3.3.
PyObject* new_dict([[maybe_unused]] std::size_t keys) {
#if !defined(_WIN32) && PY_VERSION_HEX < 0x03100000
    using Function = PyObject*(Py_ssize_t);
    static auto* const presized =
        reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, "_PyDict_NewPresized"));
    if (presized) return presized(static_cast<Py_ssize_t>(keys));
#endif
    return PyDict_New();
}

}  // namespace

Py_ssize_t exact_length(HashMap& map) {
    Guard guard(map);
    if (!guard.ready()) return -1;
    const ClosedGate gate(guard);
    const Table* root = map.root.load(std::memory_order_seq_cst);
    return root ? static_cast<Py_ssize_t>(root->count->live()) : 0;
}

Py_ssize_t approximate_length(HashMap& map) {
    Guard guard(map);
    if (!guard.ready()) return -1;
    guard.pin_reading();
    const Table* root = map.root.load(std::memory_order_seq_cst);
    const std::int64_t live = root ? root->count->live() : 0;
    return static_cast<Py_ssize_t>(std::max<std::int64_t>(0, live));
}

bool take_items(HashMap& map, Items& items, TakenBy order) {
    for (bool can_be_interrupted = true;; can_be_interrupted = false) {
        bool complete = true;
        try {
            Guard guard(map);
            if (!guard.ready()) return false;
            const ClosedGate gate(guard);
            Table* root = map.root.load(std::memory_order_seq_cst);
            const std::int64_t all = root ? root->count->live() : 0;
            Pace pace;
            for (Table* table = root; table && complete && items.size() < std::size_t(all);
                 table = table->next.load(std::memory_order_seq_cst))
                complete = order == TakenBy::table
                               ? take_by_slot(*table, items, pace, can_be_interrupted)
                               : take_by_position(*table, std::size_t(all), items, pace,
                                                  can_be_interrupted);
        } catch (const std::bad_alloc&) {
            PyErr_NoMemory();
            return false;
        }
        if (complete) return true;
        // Ctrl-C is answered now that the gate is open, since a signal handler may write to the
        // map. If it raises nothing, all is done once more, without looking at Ctrl-C.
        items.clear();
        PyErr_SetInterrupt();
        if (PyErr_CheckSignals() < 0) return false;
    }
}

PyObject* snapshot(HashMap& map) {
    Items items;
    if (!take_items(map, items)) return nullptr;
    PyObject* dict = new_dict(items.size());
    Pace pace;
    const bool ok = dict && items.for_each([&](const Items::Item& item, const auto& rest) {
        constexpr std::size_t ahead = tuning::snapshot_keys_ahead;
        if (rest.size() > ahead) prefetch(rest[ahead].key_object());
        return PyDict_SetItem(dict, item.key_object(), item.value) == 0 && pace.rest_for_signals();
    });
    if (!ok) Py_CLEAR(dict);
    return dict;
}

void drop_if_empty(HashMap& map, std::uint64_t generation) {
    Guard guard(map);
    if (!guard.try_close_gate()) return;
    const ClosedGate gate(guard, std::adopt_lock);
    Table* root = map.root.load(std::memory_order_seq_cst);
    if (!root || root->generation != generation || root->next.load(std::memory_order_seq_cst) ||
        root->count->live() != 0)
        return;
    map.root.store(nullptr, std::memory_order_seq_cst);
    root->whole_chain = true;
    guard.retire_empty(root);
}

std::size_t total_detour(HashMap& map) {
    Guard guard(map);
    const ClosedGate gate(guard);
    std::size_t total = 0;
    for_each_table(map.root.load(std::memory_order_seq_cst), [&](Table* table) {
        for (std::size_t i = 0; i < table->capacity(); ++i) {
            const Slot seen = table->slot(i).load(std::memory_order_seq_cst);
            if (!names_node(seen) || (seen & state_mask) != 0) continue;
            const std::uint64_t hash = node_of(seen)->hash.load(std::memory_order_relaxed);
            total += (i - table->home(hash)) & table->mask;
        }
    });
    return total;
}

bool clear(HashMap& map) {
    Guard guard(map);
    if (!guard.ready()) return false;
    guard.pin_writing();
    map.min_capacity.store(map.initial_min_capacity.load(std::memory_order_relaxed),
                           std::memory_order_relaxed);
    // An operation that is in the old chain began before, and is ordered before. It may still
    // insert there, so the chain is retired as a whole, and its nodes are enumerated when it is
    // freed.
    Table* chain = map.root.exchange(nullptr, std::memory_order_seq_cst);
    if (chain) {
        chain->whole_chain = true;
        guard.retire(chain);
    }
    guard.unpin();
    return true;
}

Py_ssize_t allocated_by(HashMap& map) {
    Guard guard(map);
    if (!guard.ready()) return -1;
    guard.pin_reading();
    Table* root = map.root.load(std::memory_order_seq_cst);
    std::size_t total = 0;
    if (root) {
        const std::int64_t live = std::max<std::int64_t>(0, root->count->live());
        total += root->count->size_in_bytes() + static_cast<std::size_t>(live) * sizeof(Node);
    }
    for_each_table(root, [&](Table* table) { total += Table::size_of(table->capacity()); });
    return static_cast<Py_ssize_t>(total);
}

int traverse(HashMap& map, visitproc visit, void* arg) {
    for (Table* table = map.root.load(std::memory_order_relaxed); table;
         table = table->next.load(std::memory_order_relaxed)) {
        const int stop = for_each_node(
            *table,
            [&](const Node* node) {
                Py_VISIT(key_object(node->key));
                const std::uintptr_t value = node->value.load(std::memory_order_relaxed);
                if (!Node::is_dead(value)) Py_VISIT(Node::owned(value));
                return 0;
            },
            [] {});
        if (stop) return stop;
    }
    return 0;
}

void destroy(HashMap& map) {
    if (Table* chain = map.root.exchange(nullptr, std::memory_order_seq_cst)) free_chain(chain);
}

void free_chain(Table* table) {
    LiveCount* count = table->count;
    Pace pace;
    while (table) {
        for_each_node(
            *table,
            [&pace](Node* node) {
                PyObject* key = key_object(node->key);
                const std::uintptr_t value = node->value.load(std::memory_order_relaxed);
                Node::deallocate(node);
                atomics::decref_shared(key);
                if (!Node::is_dead(value)) atomics::decref_shared(Node::owned(value));
                pace.rest();
                return 0;
            },
            [&pace] { pace.rest(); });
        Table* next = table->next.load(std::memory_order_relaxed);
        Table::deallocate(table);
        table = next;
    }
    LiveCount::deallocate(count);
}

}  // namespace cereggii::atomicdict
