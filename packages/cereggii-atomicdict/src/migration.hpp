// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "find.hpp"
#include "session.hpp"

// Taking a dead node out of the tables, and emptying a table into the next one.
namespace cereggii::atomicdict {

// Takes a dead node out of every table of the chain; several threads may try. True: it is the
// caller's to retire. Inside.
[[nodiscard]] bool unlink(HashMap& map, Node* node, std::uint64_t hash) noexcept;

// For whoever has made the node at `place` dead, in the same pin: counts that, and unlinks the
// node. `root` is the table that was the root when this operation began, `hash` the node's: it is
// not to be asked for it any more, for a mover may have retired it already.
[[gnu::always_inline]] inline void bury(HashMap& map, Session& session, const Place& place,
                                        std::uint64_t hash, const Table* root,
                                        Upkeep& upkeep) noexcept {
    Node* node = place.node();
    Table* table = place.table;
    const bool look = table->count->note_deletion(session.thread(), table->limit);
    if (look && table->capacity() > map.floor.load(std::memory_order_relaxed) &&
        table->count->live() < static_cast<std::int64_t>(table->capacity() / 8)) [[unlikely]]
        upkeep.resize = table->serial;
    // In the root, a NODE word is the only one that names the node: no table before can be reached.
    Word word = place.word;
    if (table == root && (word & state_mask) == 0 &&
        place.slot().compare_exchange_strong(word, word_tomb, std::memory_order_seq_cst)) [[likely]]
        session.retire(node);
    else if (unlink(map, node, hash))
        session.retire(node);
}

}  // namespace cereggii::atomicdict
