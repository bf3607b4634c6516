// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "map/table.hpp"

namespace cereggii::atomicdict {

// The shared state of one dictionary. The files of map/ that work on it:
//
//     table.hpp       what it is in memory: tables, slots, nodes
//     key.hpp         hashes, and comparing keys without Python code
//     guard.hpp       pinning and unpinning, the gate of the exact operations, retiring
//     probe.hpp       looking for a key, and asking the keys' own __eq__
//     lookup.hpp      reading one key
//     update.hpp      changing one key: insertion, update, deletion, compare-and-set
//     migration.cpp   growing and shrinking: emptying one table into the next
//     exact.cpp       all keys at one instant: length, snapshot, clear; popitem; collection
//     order.hpp       the order in which keys are visited
//     scan.cpp        iteration
//     leftovers.cpp   when what was retired is freed
//     pauses.hpp      how long native sections let others stop the world
//
// The protocol, its invariants and the mistakes that it avoids are in docs/architecture.md, and a
// model of it that can be explored is in verification/.
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

}  // namespace cereggii::atomicdict
