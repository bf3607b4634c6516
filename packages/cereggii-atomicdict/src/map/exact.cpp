// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <mutex>
#include <new>

#ifndef _WIN32
#include <dlfcn.h>
#endif

#include "map/exact.hpp"
#include "map/items.hpp"
#include "map/lookup.hpp"
#include "map/migration.hpp"
#include "map/order.hpp"
#include "map/pauses.hpp"

// The operations on all keys at once.
//
// Exact ones close the gate: writers that come find it closed and wait, detached; those that are
// pinned are waited for, which takes as long as a native section takes. Then everything stands
// still but readers. Until the gate is open again no Python code is run; but a section that takes
// long detaches from time to time, so that others can stop the world (see pauses.hpp).
namespace cereggii::atomicdict {

namespace {

class ClosedGate {
public:
    explicit ClosedGate(Guard& guard) : guard_(guard) { guard_.close_gate(); }
    // That has been closed already.
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

// Calls visit(node) for each node of a table that nobody changes, but those that a later table has,
// too, until it returns something else than 0. Nodes, keys and values are anywhere in memory, and
// are fetched some slots ahead. Chunks that were never used are left out.
template <class Visit, class Between>
int for_each_node(Table& table, const Visit& visit, const Between& between_chunks) {
    constexpr std::size_t near = 16, far = 40;
    const std::size_t in_chunk = std::min(Table::chunk_size, table.capacity());
    const auto node_at = [&table](std::size_t i) -> Node* {
        if (i >= table.capacity()) return nullptr;
        // Each node once: MOVED slots name those of later tables.
        const Slot seen = table.slot(i).load(std::memory_order_relaxed);
        return names_node(seen) && (seen & state_mask) == 0 ? node_of(seen) : nullptr;
    };
    for (std::size_t chunk = 0; chunk < table.chunk_count; ++chunk) {
        between_chunks();
        if (!table.may_be_in_use(chunk)) continue;
        for (std::size_t i = chunk * in_chunk; i < (chunk + 1) * in_chunk; ++i) {
            if (const Node* node = node_at(i + far)) prefetch(node);
            if (const Node* node = node_at(i + near)) {
                prefetch(key_object(node->key));
                prefetch(Node::object(node->value.load(std::memory_order_relaxed)));
            }
            Node* node = node_at(i);
            if (const int stop = node ? visit(node) : 0) return stop;
        }
    }
    return 0;
}

// Calls visit(index, slot) for each slot on the paths that begin in a group, until it returns
// false.
template <class Visit>
bool for_each_on_paths(Table& table, std::size_t group, const Visit& visit) {
    const std::size_t first = group << group_bits;
    for (std::size_t i = first; i <= first + table.mask; ++i) {
        const std::size_t index = i & table.mask;
        const Slot seen = table.slot(index).load(std::memory_order_seq_cst);
        if (names_node(seen)) {
            if (!visit(index, seen)) return false;
        } else if (i > (first | group_mask) && ends_path(seen)) {
            break;
        }
    }
    return true;
}

// Calls visit(group) for the groups of a table that may be the home of keys, by position from
// `from` on and around the end, until it returns false. (Then a call that goes on begins at `from`
// again.)
template <class Visit>
bool for_each_home(const Table& table, std::uint64_t& from, const Visit& visit) {
    const int bits = table.group_number_bits();
    const std::uint64_t groups = std::uint64_t{1} << bits;
    from &= groups - 1;
    for (std::uint64_t left = groups; left > 0;) {
        if (from % bundle_size == 0 && left >= bundle_size && !table.may_be_homes(from)) {
            from = (from + bundle_size) & (groups - 1);
            left -= bundle_size;
            continue;
        }
        if (table.may_be_home(from) && !visit(reversed(from, bits))) return false;
        from = (from + 1) & (groups - 1);
        --left;
    }
    return true;
}

// Takes references to what is in a node that nobody can change, if it is alive.
void take_node(const Node* node, Items& items) {
    const std::uintptr_t value = node->value.load(std::memory_order_seq_cst);
    if (Node::is_dead(value)) return;
    items.push_back({node->hash.load(std::memory_order_relaxed), node->key, Node::object(value)});
    // Nobody can replace or release it while the gate is closed.
    atomics::incref_shared(key_object(node->key));
    atomics::incref_published(Node::object(value));
}

// The same for a whole table, in its own order.
bool take_in_order_of(Table& table, Items& items, Pace& pace, bool can_be_interrupted) {
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

// Takes references to all that is in a table that only readers use, until there are `all` of them.
// False: interrupted by Ctrl-C.
bool take_from(Table& table, std::size_t all, Items& items, Pace& pace, bool can_be_interrupted) {
    const int bits = table.group_number_bits();
    const std::uint64_t groups = std::uint64_t{1} << bits;
    // Groups, nodes, keys and values are anywhere in memory: they are fetched some groups ahead.
    constexpr std::size_t ahead = 32, nodes_ahead = 16, objects_ahead = 8;
    std::array<std::size_t, ahead> coming{};  // at positions to come, modulo `ahead`
    const auto fetch = [&](std::uint64_t position) {
        const auto slots_at = [&](std::uint64_t at, const auto& use) {
            const std::size_t first = coming[at % ahead] << group_bits;
            for (std::size_t i = first; i <= (first | group_mask); ++i)
                if (const Slot seen = table.slot(i).load(std::memory_order_relaxed);
                    names_node(seen))
                    use(node_of(seen));
        };
        coming[(position + ahead - 1) % ahead] =
            reversed((position + ahead - 1) & (groups - 1), bits);
        prefetch(&table.slot(coming[(position + ahead - 1) % ahead] << group_bits));
        slots_at(position + nodes_ahead, [](const Node* node) { prefetch(node); });
        slots_at(position + objects_ahead, [](const Node* node) {
            prefetch(key_object(node->key));
            prefetch(Node::object(node->value.load(std::memory_order_relaxed)));
        });
    };
    bool interrupted = false;
    std::uint64_t position = 0;
    for_each_home(table, position, [&](std::size_t group) {
        fetch(position);
        for_each_on_paths(table, group, [&](std::size_t index, Slot seen) {
            // Once: in the group where it is at home. MOVED: a later table has it, too.
            if ((seen & state_mask) != 0 || table.home_group(index, seen) != group) return true;
            take_node(node_of(seen), items);
            return true;
        });
        if (pace.rest()) interrupted = can_be_interrupted && PyOS_InterruptOccurred();
        return !interrupted && items.size() < all;
    });
    return !interrupted;
}

struct Popped {
    PyObject* key;    // owned
    PyObject* value;  // owned
};

// Takes a node out of the map, in whatever table it is. False: it is dead already.
bool pop_node(HashMap& map, Guard& guard, const Probe& probe, const Table* root,
              ResizeRequest& request, Popped& item) {
    Node* node = probe.node();
    const std::uint64_t hash = node->hash.load(std::memory_order_acquire);
    std::uintptr_t value = node->value.load(std::memory_order_seq_cst);
    while (!Node::is_dead(value)) {
        if (!node->value.compare_exchange_strong(value, Node::dead, std::memory_order_seq_cst))
            continue;  // lost to an update or a deletion: look again
        item = {Py_NewRef(key_object(node->key)), Node::object(value)};
        // Alive until now, so the hash was not a link.
        unlink_and_retire(map, guard, probe, hash, root, request);
        return true;
    }
    return false;
}

// A new dict with room for so many keys, up to some 10^5: to let it grow takes 15 % more time.
// (With more keys it grows in any case, and moves all of them at once, which others who want to
// stop the world wait for.) CPython has a function for it, which is not public but has been the
// same since 3.3.
PyObject* new_dict([[maybe_unused]] std::size_t keys) {
#if !defined(_WIN32) && PY_VERSION_HEX < 0x03100000
    using Function = PyObject*(Py_ssize_t);
    static auto* const presized =
        reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, "_PyDict_NewPresized"));
    if (presized) return presized(static_cast<Py_ssize_t>(keys));
#endif
    return PyDict_New();
}

enum class Pop { item, nothing, goes_on };

// `looked_at`: groups of the root that this call of popitem() has found nothing in, so far. Goes
// on: there are more, but not under this pin.
Pop pop_any(HashMap& map, Guard& guard, ResizeRequest& request, std::uint64_t& looked_at,
            Popped& item) {
    constexpr std::uint64_t groups_per_pin = 1 << 12;
    Table* root = map.root.load(std::memory_order_seq_cst);
    // Seldom wrong, and then the exact length tells.
    if (!root || root->count->live() <= 0) return Pop::nothing;
    request.migrating = root->next.load(std::memory_order_seq_cst) != nullptr;
    const std::uint64_t begin = map.popitem_cursor.load(std::memory_order_relaxed);
    std::uint64_t position = begin;
    bool popped = false;
    for (Table* table = root; table && !popped;
         table = table->next.load(std::memory_order_seq_cst)) {
        std::uint64_t groups = 0;
        for_each_home(*table, position, [&](std::size_t group) {
            for_each_on_paths(*table, group, [&](std::size_t index, Slot seen) {
                // Only those at home here, so that they come out spread. (Of a node that is dead
                // already, the home may be wrong.)
                if (table->home_group(index, seen) != group) return true;
                Probe probe;
                probe.table = table;
                probe.index = index;
                probe.seen = seen;
                popped = pop_node(map, guard, probe, root, request, item);
                return !popped;
            });
            ++groups;
            return !popped && (request.migrating || groups < groups_per_pin);
        });
        if (request.migrating) continue;
        note_looks(*table, groups << group_bits, 1, request);
        looked_at += groups;
    }
    // Written only if need be: others read it.
    if (position != begin) map.popitem_cursor.store(position, std::memory_order_relaxed);
    if (popped) return Pop::item;
    return request.migrating || looked_at >= root->capacity() >> group_bits ? Pop::nothing
                                                                            : Pop::goes_on;
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
                complete =
                    order == TakenBy::table
                        ? take_in_order_of(*table, items, pace, can_be_interrupted)
                        : take_from(*table, std::size_t(all), items, pace, can_be_interrupted);
        } catch (const std::bad_alloc&) {
            PyErr_NoMemory();
            return false;
        }
        if (complete) return true;
        // Answered only now, since a signal handler may write to the map. If it raises nothing, all
        // is done once more, without looking at Ctrl-C.
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
        constexpr std::size_t ahead = 8;
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
    // Whoever is in the old chain began before, and is ordered before. They may still add to it, so
    // it is retired as a whole, and what is in it is enumerated when it is freed.
    Table* chain = map.root.exchange(nullptr, std::memory_order_seq_cst);
    if (chain) {
        chain->whole_chain = true;
        guard.retire(chain);
    }
    guard.unpin();
    return true;
}

PyObject* pop_item(HashMap& map) {
    PyObject* pair = PyTuple_New(2);  // first, so that nothing is out when there is no memory
    std::uint64_t looked_at = 0;
    while (pair) {
        Popped item{};
        Pop pop = Pop::nothing;
        {
            Guard guard(map);
            if (!guard.ready()) break;
            ResizeRequest request;
            guard.pin_writing();
            pop = pop_any(map, guard, request, looked_at, item);
            guard.unpin();
            if (pop == Pop::item && request.is_due()) maybe_resize(map, request);
        }
        if (pop == Pop::item) {
            PyTuple_SET_ITEM(pair, 0, item.key);
            PyTuple_SET_ITEM(pair, 1, item.value);
            return pair;
        }
        if (pop == Pop::goes_on) {
            pause();
            continue;
        }
        looked_at = 0;
        // Keys may have been missed: inserted behind the scan while others before it were deleted.
        const Py_ssize_t length = exact_length(map);
        if (length < 0) break;
        if (length == 0) {
            PyErr_SetString(PyExc_KeyError, "popitem(): dictionary is empty");
            break;
        }
    }
    Py_XDECREF(pair);
    return nullptr;
}

std::size_t memory_of(HashMap& map) {
    Guard guard(map);
    if (!guard.ready()) return 0;
    guard.pin_reading();
    Table* root = map.root.load(std::memory_order_seq_cst);
    std::size_t total = sizeof(HashMap);
    if (root) {
        const std::int64_t live = std::max<std::int64_t>(0, root->count->live());
        total += root->count->memory() + static_cast<std::size_t>(live) * sizeof(Node);
    }
    for_each_table(root, [&](Table* table) { total += Table::size_of(table->capacity()); });
    return total;
}

int traverse(HashMap& map, visitproc visit, void* arg) {
    for (Table* table = map.root.load(std::memory_order_relaxed); table;
         table = table->next.load(std::memory_order_relaxed)) {
        const int stop = for_each_node(
            *table,
            [&](const Node* node) {
                Py_VISIT(key_object(node->key));
                const std::uintptr_t value = node->value.load(std::memory_order_relaxed);
                if (!Node::is_dead(value)) Py_VISIT(Node::object(value));
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
                if (!Node::is_dead(value)) atomics::decref_shared(Node::object(value));
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
