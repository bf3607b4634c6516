// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "cereggii/atomics/compiler.hpp"
#include "map/prefetch.hpp"
#include "map/table.hpp"

namespace cereggii::atomicdict {

// The shared state of one dictionary. The files of map/ that work on it:
//
//     node.hpp        a key and its value
//     slot.hpp        an entry of a table: its bits, and its states
//     table.hpp       an array of slots, and the chain of tables
//     key.hpp         hashes, and comparing keys without Python code
//     guard.hpp       pinning and unpinning, the gate of the exact operations, retiring
//     probe.hpp       looking for a key, and asking the keys' own __eq__
//     lookup.hpp      reading one key
//     update.hpp      changing one key: insertion, update, deletion, compare-and-set
//     resize.cpp      growing and shrinking: when, and to which capacity
//     migration.cpp   emptying one table into the next
//     exact.cpp       all keys at one instant: length, snapshot, clear; collection
//     popitem.cpp     taking any key out
//     order.hpp       the order in which keys are visited
//     scan.cpp        iteration: scan_cursor.hpp has where an iterator is, and scan_pace.hpp how it
//                     gives way to other threads
//     leftovers.cpp   when what was retired is freed
//
// and those that the map is correct without:
//
//     prefetch.hpp    asking for memory before it is needed
//     pauses.hpp      how long native sections let others stop the world
//     tuning.hpp      the constants of all heuristics, and what justifies them
//
// The protocol, its invariants and the mistakes that it avoids are in docs/architecture.md. A model
// of it that can be explored is in verification/.
struct HashMap {
    static constexpr std::uint16_t gate_open = 0;

    // The first table of the chain. Null: the map is empty and has no table yet.
    std::atomic<Table*> root{nullptr};
    // The shift of the root. A hint: it may still be that of an earlier root.
    std::atomic<std::uint32_t> root_shift{Table::largest_shift};
    // Writers may enter: gate_open. An exact operation keeps them out: see guard.hpp.
    std::atomic<std::uint16_t> gate{gate_open};
    // Whether the nodes are SharedNodes. Never changes.
    bool has_shares = false;
    // False in memory that is only filled with zeros, before the constructor has run.
    std::atomic<bool> constructed{false};
    // The map does not shrink below this capacity.
    std::atomic<std::size_t> min_capacity{Table::smallest};
    // What `min_capacity` becomes when the map is cleared.
    std::atomic<std::size_t> initial_min_capacity{Table::smallest};
    // The position where popitem() goes on. Only a hint.
    std::atomic<std::uint64_t> popitem_cursor{0};

    HashMap() noexcept = default;
    HashMap(const HashMap&) = delete;
    HashMap& operator=(const HashMap&) = delete;

    // Fetches the home slot of a hash, which is not in the caches of a processor if the map is
    // large. To be called well before the slot is needed, and so without being pinned. Relaxed:
    // nothing is read through the root, which may be gone.
    CEREGGII_ALWAYS_INLINE void prefetch_home(std::uint64_t hash) const noexcept {
        prefetch_supposed_home(root.load(std::memory_order_relaxed),
                               root_shift.load(std::memory_order_relaxed), hash);
    }

    // To be called after the root was changed, in the same pin. Another thread may change it again
    // meanwhile and write its shift before this one does: so look again until the root is the one
    // that was noted.
    void note_root() noexcept {
        const Table* noted = nullptr;
        for (const Table* now; (now = root.load(std::memory_order_seq_cst)) && now != noted;
             noted = now)
            root_shift.store(now->shift, std::memory_order_seq_cst);
    }
};

}  // namespace cereggii::atomicdict
