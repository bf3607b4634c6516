// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "map/guard.hpp"
#include "map/probe.hpp"

// Taking a dead node out of the tables, and emptying a table into the next one.
namespace cereggii::atomicdict {

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
