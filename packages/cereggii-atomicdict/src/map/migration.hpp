// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "map/guard.hpp"
#include "map/probe.hpp"

// Taking a dead node out of the tables, and emptying a table into the next one.
namespace cereggii::atomicdict {

// Takes a dead node out of every table of the chain; several threads may try. True: it is the
// caller's to retire. Pinned.
[[nodiscard]] bool unlink(HashMap& map, Node* node, std::uint64_t hash) noexcept;

// Words that are in use for no key.
inline std::int64_t tombstones_in(const Table& table) noexcept {
    return table.count->inserted() - table.deleted_before - table.count->live();
}

// What is to be done about a large table that has so many tombstones, if it is worth it.
inline void clear_of_tombstones(const Table& table, std::int64_t tombstones, std::size_t at_least,
                                ResizeRequest& request) noexcept {
    if (table.capacity() <= Table::small || tombstones < static_cast<std::int64_t>(at_least))
        return;
    if (table.count->live() <= 0)
        request.emptied = table.generation;
    else
        request.resize = table.generation;
}

// A table of which less than an eighth is in use has become smaller than it needs to be, or, if it
// may not shrink, is cleared of tombstones when as many were made as pay for it.
inline void note_few_keys(const HashMap& map, const Table& table, ResizeRequest& request) noexcept {
    if (table.capacity() > map.min_capacity.load(std::memory_order_relaxed))
        request.resize = table.generation;
    else
        clear_of_tombstones(table, tombstones_in(table), table.capacity() / 2, request);
}

// Whoever has gone through tombstones in vain has paid for it.
inline void note_looks(Table& table, std::size_t looks, std::size_t found,
                       ResizeRequest& request) noexcept {
    if (table.note_looks(looks, found)) [[unlikely]]
        clear_of_tombstones(table, tombstones_in(table), table.capacity() / 64, request);
}

// For whoever has made the node at `probe` dead, in the same pin: counts that, and unlinks the
// node. `root` is the table that was the root when this operation began, `hash` the node's: it is
// not to be asked for it any more, for a migrator may have retired it already.
[[gnu::always_inline]] inline void unlink_and_retire(HashMap& map, Guard& guard, const Probe& probe,
                                                     std::uint64_t hash, const Table* root,
                                                     ResizeRequest& request) noexcept {
    Node* node = probe.node();
    Table* table = probe.table;
    const bool look = table->count->note_deletion(guard.thread(), table->limit);
    if (look && table->count->live() < static_cast<std::int64_t>(table->capacity() / 8))
        note_few_keys(map, *table, request);
    // In the root, a NODE slot is the only one that names the node: no table before can be reached.
    Slot seen = probe.seen;
    if (table == root && (seen & state_mask) == 0 &&
        probe.slot().compare_exchange_strong(seen, slot_tomb, std::memory_order_seq_cst)) [[likely]]
        guard.retire(node);
    else if (unlink(map, node, hash))
        guard.retire(node);
}

}  // namespace cereggii::atomicdict
