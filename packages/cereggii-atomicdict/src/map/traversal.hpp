// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "map/order.hpp"
#include "map/prefetch.hpp"
#include "map/table.hpp"
#include "map/tuning.hpp"

// Going through all that is in a table: in the order of its slots, which is the fastest, or in the
// order of positions (order.hpp), in which the keys come out spread.
namespace cereggii::atomicdict {

// Calls visit(node) for each node of a table that no thread changes, until it returns something
// else than 0. Nodes that a later table has as well are left out, and so are chunks that were never
// used. Calls between_chunks() before each chunk, even before one that is left out.
template <class Visit, class Between>
int for_each_node(Table& table, const Visit& visit, const Between& between_chunks) {
    const std::size_t in_chunk = std::min(Table::chunk_size, table.capacity());
    const auto node_at = [&table](std::size_t i) -> Node* {
        if (i >= table.capacity()) return nullptr;
        // Each node once: a MOVED slot names a node of a later table. Relaxed: it does not change.
        const Slot seen = table.slot(i).load(std::memory_order_relaxed);
        return names_node(seen) && (seen & state_mask) == 0 ? node_of(seen) : nullptr;
    };
    for (std::size_t chunk = 0; chunk < table.chunk_count; ++chunk) {
        between_chunks();
        if (!table.may_be_in_use(chunk)) continue;
        for (std::size_t i = chunk * in_chunk; i < (chunk + 1) * in_chunk; ++i) {
            if (const Node* node = node_at(i + tuning::table_far)) prefetch(node);
            if (const Node* node = node_at(i + tuning::table_near)) prefetch_objects(node);
            Node* node = node_at(i);
            if (const int stop = node ? visit(node) : 0) return stop;
        }
    }
    return 0;
}

// Calls visit(index, slot) for each slot that names a node, on the paths of the keys that are at
// home in a group, until it returns false. Nodes of other groups may be on these paths, too.
// Returns false if visit() did.
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

// Calls visit(group) for the groups of a table that may be the home of keys, by position, from
// `from` on and around the end, until it returns false. `from` is the position of the last visited
// group then, so that another call visits the same group again. Returns false if visit() did.
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

}  // namespace cereggii::atomicdict
