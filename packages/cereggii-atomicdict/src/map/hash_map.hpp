// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "map/table.hpp"

namespace cereggii::atomicdict {

// The shared state of one dictionary. What works on it, by file:
//
//     probe.hpp        walking the path of a key; comparing keys outside of the pin
//     lookup.hpp      reading one key
//     update.hpp        changing one key: every insertion, update, deletion and compare-and-set
//     migration.cpp   growing, shrinking, and emptying one table into the next
//     exact.cpp       what is about all keys: length, snapshot, clear, popitem, collection
//     order.hpp       the order in which keys are visited
//     pauses.hpp      how long native sections let others stop the world
//     scan.cpp        iteration
//     guard.hpp       pinning and unpinning, the gate of the exact operations, reclamation
//
// The protocol, with its invariants and the mistakes that it avoids, is written down in
// docs/architecture.md, and as a model that can be explored in verification.
struct HashMap {
    static constexpr std::uint16_t gate_open = 0;

    std::atomic<Table*> root{nullptr};                            // null: empty, and no table yet
    std::atomic<std::uint32_t> root_shift{Table::largest_shift};  // of the root, as a rule
    std::atomic<std::uint16_t> gate{gate_open};                   // for writers; see guard.hpp
    std::atomic<bool> constructed{false};
    std::atomic<std::size_t> min_capacity{
        Table::smallest};  // capacity that it does not shrink below
    std::atomic<std::size_t> initial_min_capacity{Table::smallest};  // the same after clear()
    std::atomic<std::uint64_t> popitem_cursor{
        0};  // the position where popitem() goes on: only a hint

    HashMap() noexcept = default;
    HashMap(const HashMap&) = delete;
    HashMap& operator=(const HashMap&) = delete;

    // Begins to fetch the slot where the path of a key begins, which is not in the caches of a
    // processor if the map is large: well before it is needed, and so without being pinned. Nothing
    // is read through the root, which may be gone.
    [[gnu::always_inline]] void prefetch_home(std::uint64_t hash) const noexcept {
        Table::prefetch_supposed(root.load(std::memory_order_relaxed),
                                 root_shift.load(std::memory_order_relaxed), hash);
    }

    // After the root was changed. Only while pinned.
    void note_root() noexcept {
        const Table* noted = nullptr;
        for (const Table* now; (now = root.load(std::memory_order_seq_cst)) && now != noted;
             noted = now)
            root_shift.store(now->shift, std::memory_order_seq_cst);
    }
};

// Frees the tables from here on, and the keys and values of the nodes in them. Nobody is pinned.
// Runs finalizers.
void free_chain(Table* table);

// ── growing and shrinking (migration.cpp) ──────────────────────────────────────────────────────

// What an operation has seen that calls for something to be done about the tables once it is done.
struct ResizeRequest {
    bool migrating = false;    // there are two tables or more: empty a chunk
    std::uint64_t resize = 0;  // the generation of a table that is getting full, or is nearly empty
    std::uint64_t emptied = 0;  // the generation of a large table that has tombstones only

    bool is_due() const noexcept { return migrating || resize != 0 || emptied != 0; }
};

// How much of the root is emptied at a time: a chunk by each writer that comes along, or all of it
// by a thread that has looked in vain at as much. That one is a reader: it does nothing if it would
// have to wait for an exact operation.
enum class Share { chunk, all_without_waiting };

// Does what is to be done; not pinned. Never fails: without memory it is done another time.
void maybe_resize(HashMap& map, ResizeRequest request, Share share = Share::chunk);

enum class Extension { advised, needed };  // needed: there is no slot left for a key

// Sees to it that the table with this generation is not the last of the chain any more, if it is.
// Not pinned. False, without an exception: no memory. The next one has at least this capacity.
bool append_table(HashMap& map, std::uint64_t generation, Extension extension,
                  std::size_t capacity);

// Makes the first table of an empty map, of at least this capacity. Not while pinned. False,
// without an exception: no memory.
bool make_root(HashMap& map, std::size_t capacity);

// Makes room for this many keys in all, and keeps it until the next clear(). False with
// MemoryError.
bool reserve(HashMap& map, std::size_t keys);

// Makes room for this many keys that are about to be inserted: it is not kept if they are deleted.
// False with MemoryError.
bool prepare(HashMap& map, std::size_t keys);

// ── all keys (exact.cpp) ───────────────────────────────────────────────────────────────────────

// Exact, as of one instant. -1 with MemoryError.
Py_ssize_t exact_length(HashMap& map);
// Weak: what is being counted at the same time is in it or not. -1 with MemoryError.
Py_ssize_t approximate_length(HashMap& map);
// A dict of what is in the map at one instant; null with an exception.
PyObject* snapshot(HashMap& map);
// False with MemoryError. Runs finalizers.
bool clear(HashMap& map);
// Drops the table with this generation, if it is the only one, no key is in it, and no exact
// operation is in progress.
void drop_if_empty(HashMap& map, std::uint64_t generation);
// How many slots behind their homes all keys are, together.
std::size_t total_detour(HashMap& map);
// A new tuple (key, value), or null: with KeyError if the map was empty at one instant.
PyObject* pop_item(HashMap& map);
// The bytes allocated by the map, without keys and values. 0 with MemoryError.
std::size_t memory_of(HashMap& map);
// For the collector, which has stopped all threads.
int traverse(HashMap& map, visitproc visit, void* arg);
// When no other thread can have the map any more.
void destroy(HashMap& map);

}  // namespace cereggii::atomicdict
