// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <climits>
#include <cstdint>

#include "cereggii/atomics/compiler.hpp"
#include "map/guard.hpp"
#include "map/probe.hpp"
#include "map/resize.hpp"

// Taking a dead node out of the tables, and emptying a table into the next one. migration.cpp has
// the protocol.
namespace cereggii::atomicdict {

// How much of the root maybe_resize() empties.
enum class MigrationWork {
    // One chunk, as each writer that comes along does.
    one_chunk,
    // All of it, for a thread that has looked in vain at as much. That thread is a reader, so it
    // does nothing if it would have to wait for an exact operation.
    all_without_waiting,
};

// Does what is requested. Not while pinned. Never fails: without memory, another operation does it.
void maybe_resize(HashMap& map, ResizeRequest request,
                  MigrationWork work = MigrationWork::one_chunk);

// Empties as many chunks of the root as there are, but no more than this. If it must not wait for
// an exact operation, it stops where it would have to. Not while pinned.
void empty_root(HashMap& map, int most = INT_MAX, bool can_wait = true);

// Takes a dead node out of every table of the chain. Several threads may try, and one of them gets
// true: the node is that caller's to retire. Only while pinned.
[[nodiscard]] bool unlink(HashMap& map, Node* node, std::uint64_t hash) noexcept;

// To be called by the thread that has made the node at `probe` dead, in the same pin: counts the
// deletion, unlinks the node, and retires it. `root` is the table that was the root when this
// operation began, or null. `hash` is the node's, read while it was alive: it must not be read from
// the node any more, since a migrator may have unlinked and retired the node already.
CEREGGII_ALWAYS_INLINE void unlink_and_retire(HashMap& map, Guard& guard, const Probe& probe,
                                              std::uint64_t hash, const Table* root,
                                              ResizeRequest& request) noexcept {
    Node* node = probe.node();
    Table* table = probe.table;
    const bool is_to_look = table->count->note_deletion(guard.thread(), table->limit);
    if (is_to_look && table->count->live() < static_cast<std::int64_t>(table->capacity() /
                                                                       tuning::shrink_below_one_in))
        note_few_keys(map, *table, request);
    // A NODE slot in the root is the only slot that names the node: it was not moved on, and tables
    // before the root cannot be reached. Lost to a migrator (MOVING) or to another unlink (TOMB),
    // or it was another table: the general way.
    Slot seen = probe.seen;
    const bool was_unlinked =
        table == root && (seen & state_mask) == 0 &&
        probe.slot().compare_exchange_strong(seen, slot_tomb, std::memory_order_seq_cst);
    if (was_unlinked || unlink(map, node, hash)) [[likely]]
        guard.retire_share(node);
}

}  // namespace cereggii::atomicdict
