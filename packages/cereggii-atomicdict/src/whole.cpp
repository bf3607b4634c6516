// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <new>
#include <vector>

#include "lookup.hpp"
#include "migration.hpp"

// The operations on all keys at once.
//
// Exact ones close the gate: writers that come find it closed and wait, detached; those that are
// inside are waited for, which takes as long as a native section takes. Then everything stands
// still but readers. Nothing that could detach is called until the gate is open again.
namespace cereggii::atomicdict {

namespace {

class ClosedGate {
public:
    explicit ClosedGate(Session& session) : session_(session) { session_.close_gate(); }
    ~ClosedGate() { session_.open_gate(); }
    ClosedGate(const ClosedGate&) = delete;
    ClosedGate& operator=(const ClosedGate&) = delete;

private:
    Session& session_;
};

template <class Visit>
void for_each_table(Table* table, const Visit& visit) {
    for (; table; table = table->next.load(std::memory_order_seq_cst)) visit(table);
}

// Calls visit(node) for each node of a table that nobody changes, but those that a later table has,
// too, until it returns something else than 0. Nodes, keys and values are anywhere in memory, and
// are fetched some words ahead.
template <class Visit>
int for_each_node(Table& table, const Visit& visit) {
    constexpr std::size_t near = 8, far = 16;
    const auto node_at = [&table](std::size_t i) -> Node* {
        if (i >= table.capacity()) return nullptr;
        // Each node once: MOVED words name those of later tables.
        const Word word = table.word(i).load(std::memory_order_relaxed);
        return names_node(word) && (word & state_mask) == 0 ? node_of(word) : nullptr;
    };
    for (std::size_t i = 0; i < table.capacity(); ++i) {
        if (const Node* node = node_at(i + far)) prefetch(node);
        if (const Node* node = node_at(i + near)) {
            prefetch(key_object(node->key));
            prefetch(Node::object(node->value.load(std::memory_order_relaxed)));
        }
        Node* node = node_at(i);
        if (const int stop = node ? visit(node) : 0) return stop;
    }
    return 0;
}

struct Item {
    PyObject* key;    // owned
    PyObject* value;  // owned
};

// Takes a node out of the map, in whatever table it is. False: it is dead already.
bool pop_node(HashMap& map, Session& session, const Place& place, const Table* root, Upkeep& upkeep,
              Item& item) {
    Node* node = place.node();
    const std::uint64_t hash = node->hash.load(std::memory_order_acquire);
    std::uintptr_t value = node->value.load(std::memory_order_seq_cst);
    while (!Node::is_dead(value)) {
        if (!node->value.compare_exchange_strong(value, Node::dead, std::memory_order_seq_cst))
            continue;  // lost to an update or a deletion: look again
        item = {Py_NewRef(key_object(node->key)), Node::object(value)};
        // Alive until now, so the hash was not a link.
        bury(map, session, place, hash, root, upkeep);
        map.popped.store(hash, std::memory_order_relaxed);
        return true;
    }
    return false;
}

bool pop_any(HashMap& map, Session& session, Upkeep& upkeep, Item& item) {
    Table* root = map.root.load(std::memory_order_seq_cst);
    if (!root) return false;
    upkeep.migrating = root->next.load(std::memory_order_seq_cst) != nullptr;
    const std::uint64_t from = map.popped.load(std::memory_order_relaxed);
    for (Table* table = root; table; table = table->next.load(std::memory_order_seq_cst)) {
        Place place;
        for (place.start(table, from); place.left > 0; place.advance()) {
            place.word = place.slot().load(std::memory_order_seq_cst);
            if (names_node(place.word) && pop_node(map, session, place, root, upkeep, item))
                return true;
        }
    }
    return false;
}

PyObject* dict_of(const std::vector<Item>& items) {
    PyObject* dict = PyDict_New();
    for (const Item& item : items) {
        if (!dict) break;
        if (PyDict_SetItem(dict, item.key, item.value) < 0) Py_CLEAR(dict);
    }
    return dict;
}

}  // namespace

Py_ssize_t exact_length(HashMap& map) {
    Session session(map);
    if (!session.ready()) return -1;
    const ClosedGate gate(session);
    const Table* root = map.root.load(std::memory_order_seq_cst);
    return root ? static_cast<Py_ssize_t>(root->count->live()) : 0;
}

Py_ssize_t approximate_length(HashMap& map) {
    Session session(map);
    if (!session.ready()) return -1;
    session.enter_reading();
    const Table* root = map.root.load(std::memory_order_seq_cst);
    const std::int64_t live = root ? root->count->live() : 0;
    return static_cast<Py_ssize_t>(std::max<std::int64_t>(0, live));
}

PyObject* snapshot(HashMap& map) {
    std::vector<Item> items;
    PyObject* dict = nullptr;
    try {
        {
            Session session(map);
            if (!session.ready()) return nullptr;
            const ClosedGate gate(session);
            Table* root = map.root.load(std::memory_order_seq_cst);
            if (root) items.reserve(static_cast<std::size_t>(root->count->live()));
            for_each_table(root, [&](Table* table) {
                for (std::size_t i = 0; i < table->capacity(); ++i) {
                    const Word word = table->word(i).load(std::memory_order_seq_cst);
                    // MOVED: a later table has it, too.
                    if (!names_node(word) || (word & state_mask) != 0) continue;
                    const Node* node = node_of(word);
                    const std::uintptr_t value = node->value.load(std::memory_order_seq_cst);
                    if (Node::is_dead(value)) continue;
                    items.push_back({key_object(node->key), Node::object(value)});
                    // Nobody can replace or release it while the gate is closed.
                    Py_INCREF(items.back().key);
                    Py_INCREF(items.back().value);
                }
            });
        }
        dict = dict_of(items);
    } catch (const std::bad_alloc&) {
        PyErr_NoMemory();
    }
    for (const Item& item : items) {
        Py_DECREF(item.key);
        Py_DECREF(item.value);
    }
    return dict;
}

bool clear(HashMap& map) {
    Session session(map);
    if (!session.ready()) return false;
    session.enter_writing();
    map.floor.store(map.initial_floor, std::memory_order_relaxed);
    // Whoever is in the old chain began before, and is ordered before. They may still add to it, so
    // it is retired as a whole, and what is in it is enumerated when it is freed.
    Table* chain = map.root.exchange(nullptr, std::memory_order_seq_cst);
    if (chain) {
        chain->whole_chain = true;
        session.retire(chain);
    }
    session.leave();
    return true;
}

PyObject* pop_item(HashMap& map) {
    PyObject* pair = PyTuple_New(2);  // first, so that nothing is out when there is no memory
    while (pair) {
        Item item{};
        bool popped = false;
        {
            Session session(map);
            if (!session.ready()) break;
            Upkeep upkeep;
            session.enter_writing();
            popped = pop_any(map, session, upkeep, item);
            session.leave();
            if (popped && (upkeep.migrating || upkeep.resize)) keep_up(map, upkeep);
        }
        if (popped) {
            PyTuple_SET_ITEM(pair, 0, item.key);
            PyTuple_SET_ITEM(pair, 1, item.value);
            return pair;
        }
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
    Session session(map);
    if (!session.ready()) return 0;
    session.enter_reading();
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
        const int stop = for_each_node(*table, [&](const Node* node) {
            Py_VISIT(key_object(node->key));
            const std::uintptr_t value = node->value.load(std::memory_order_relaxed);
            if (!Node::is_dead(value)) Py_VISIT(Node::object(value));
            return 0;
        });
        if (stop) return stop;
    }
    return 0;
}

void destroy(HashMap& map) {
    if (Table* chain = map.root.exchange(nullptr, std::memory_order_seq_cst)) free_chain(chain);
}

void free_chain(Table* table) {
    LiveCount* count = table->count;
    while (table) {
        for_each_node(*table, [](Node* node) {
            PyObject* key = key_object(node->key);
            const std::uintptr_t value = node->value.load(std::memory_order_relaxed);
            Node::deallocate(node);
            atomics::release_shared(key);
            if (!Node::is_dead(value)) atomics::release_shared(Node::object(value));
            return 0;
        });
        Table* next = table->next.load(std::memory_order_relaxed);
        Table::deallocate(table);
        table = next;
    }
    LiveCount::deallocate(count);
}

}  // namespace cereggii::atomicdict
