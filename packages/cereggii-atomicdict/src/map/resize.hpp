// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "map/hash_map.hpp"
#include "map/table.hpp"
#include "map/tuning.hpp"

// When a map gets another table, and of which capacity: to grow, to shrink, or to get rid of
// tombstones. migration.cpp moves the keys there.
//
//     an operation sees                        request     what maybe_resize() does
//     the root has a next table                migrating   empty a chunk of the root
//     more than 13/16 of the slots in use      resize      append a table
//     fewer live keys than 1/8 of the slots    resize      append a table, if it may shrink
//     tombstones that searches pass in vain    resize      append a table, mostly of this capacity
//     tombstones only, in a large table        emptied     drop the table
namespace cereggii::atomicdict {

// What an operation has seen that calls for something to be done about the tables, when the
// operation itself is done.
struct ResizeRequest {
    // There are two tables or more: empty a chunk of the root.
    bool migrating = false;
    // The generation of a table that is crowded, nearly empty, or full of tombstones: move its keys
    // to a new table. 0: none.
    std::uint64_t resize = 0;
    // The generation of a large table that has tombstones only: drop it. 0: none.
    std::uint64_t emptied = 0;

    bool is_due() const noexcept { return migrating || resize != 0 || emptied != 0; }
};

enum class AppendReason {
    advised,   // to shrink, to clear out tombstones, or to grow before the table is full
    required,  // no slot is left for a key
};

// Appends a table with at least this capacity, if the table with this generation is the last of the
// chain. (Otherwise another thread has appended one, which does as well.) Not while pinned. False,
// without an exception: no memory.
bool append_table(HashMap& map, std::uint64_t generation, AppendReason reason,
                  std::size_t capacity);

// Makes the first table of an empty map, with at least this capacity, unless another thread does.
// Not while pinned. False, without an exception: no memory.
bool make_root(HashMap& map, std::size_t capacity);

// Makes room for this many keys in all, and keeps it until the next clear(). False with
// MemoryError.
bool reserve(HashMap& map, std::size_t keys);

// Makes room for this many keys that are about to be inserted: it is not kept if they are deleted.
// False with MemoryError.
bool prepare(HashMap& map, std::size_t keys);

// The slots that are in use for no key.
inline std::int64_t tombstones_in(const Table& table) noexcept {
    return table.count->inserted() - table.deleted_before - table.count->live();
}

// Requests that a large table is cleared of tombstones, if it has at least this many.
inline void clear_of_tombstones(const Table& table, std::int64_t tombstones, std::size_t at_least,
                                ResizeRequest& request) noexcept {
    if (table.capacity() <= Table::small || tombstones < static_cast<std::int64_t>(at_least))
        return;
    if (table.count->live() <= 0)
        request.emptied = table.generation;
    else
        request.resize = table.generation;
}

// The table has become larger than it needs to be. It is to shrink; or, if it must not, it is to be
// cleared of tombstones when as many were made as pay for that.
inline void note_few_keys(const HashMap& map, const Table& table, ResizeRequest& request) noexcept {
    if (table.capacity() > map.min_capacity.load(std::memory_order_relaxed))
        request.resize = table.generation;
    else
        clear_of_tombstones(table, tombstones_in(table),
                            table.capacity() / tuning::tombstones_one_in, request);
}

// A search through all keys has looked at so many slots, and found so many keys. If it has gone
// through tombstones in vain, it has paid for clearing them out.
inline void note_looks(Table& table, std::size_t looks, std::size_t found,
                       ResizeRequest& request) noexcept {
    if (table.note_looks(looks, found)) [[unlikely]]
        clear_of_tombstones(table, tombstones_in(table),
                            table.capacity() / tuning::tombstones_one_in_after_looks, request);
}

}  // namespace cereggii::atomicdict
