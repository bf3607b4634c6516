// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "map/node.hpp"

// A slot of a table: 64 bits, which are changed by one compare-and-swap.
//
//     bits 63…54        53…51             50…49             48      47…3      2…0
//     ten bits of the   its home slot     probe distance:   always  address   state
//     node's hash       in the group      0, 1, 2, or 3     1       of the
//                                         (saturated)               node
//     └── fingerprint, with bit 48 ──┘
//
// A slot that names no node has only its state, and all other bits are 0. The states:
//
//                an insertion, or
//                a node moves here                  an unlink
//     EMPTY ───────────────────────▶ NODE ────────────────────────▶ TOMB
//       │                             ▲ │                            ▲
//       │ the key goes        no room │ │ a migrator       an unlink │
//       │ to a later table            │ ▼                            │
//       ▼                            MOVING ─────────▶ MOVED ────────┘
//     FROZEN                                a migrator
//
//     EMPTY    the end of a path. A key whose path ends here can be inserted here.
//     NODE     names a node.
//     TOMB     named a node that is dead. A tombstone is never claimed again.
//     MOVING   names a node that a migrator is inserting into a later table. Only that migrator
//              changes the slot, and a deletion leaves the node to it.
//     MOVED    names a node that a later table names as well.
//     FROZEN   was EMPTY, and the path goes on in the next table.
//
// Invariants:
//   - A slot never becomes EMPTY again. So the end of its path is the only place where a key can be
//     inserted, and two insertions of one key meet in one compare-and-swap.
//   - A slot names at most one node in its life. So after a comparison in Python the same address
//     means the same node.
//   - While a slot names a node (NODE, MOVING, MOVED), the value in the node is the key's value.
namespace cereggii::atomicdict {

using Slot = std::uint64_t;

inline constexpr Slot slot_empty = 0;
inline constexpr Slot slot_frozen = 4;
inline constexpr Slot slot_tomb = 5;
inline constexpr Slot moving_bit = 1;
inline constexpr Slot moved_bit = 2;
inline constexpr Slot state_mask = 7;
inline constexpr Slot node_mask = 0x0000'FFFF'FFFF'FFF8;

// Set in each slot that names a node, so that no other slot has the same fingerprint.
inline constexpr Slot named_bit = Slot{1} << 48;
// The number of groups between the home group of the node's key and the group of the slot.
inline constexpr int distance_shift = 49;
inline constexpr Slot saturated = 3;  // the distance is three groups or more
// The home slot of the node's key in its group.
inline constexpr int home_in_group_shift = 51;
// Ten bits of the hash: Table::fingerprint_of() says which.
inline constexpr int fingerprint_hash_shift = 54;
inline constexpr Slot fingerprint_hash_mask = ~Slot{0} << fingerprint_hash_shift;
inline constexpr Slot fingerprint_mask = ~Slot{0} << home_in_group_shift | named_bit;

inline bool same_fingerprint(Slot slot, Slot fingerprint) noexcept {
    return ((slot ^ fingerprint) & fingerprint_mask) == 0;
}
inline Slot probe_distance(Slot slot) noexcept { return slot >> distance_shift & saturated; }
inline bool names_node(Slot slot) noexcept { return (slot & node_mask) != 0; }
inline Node* node_of(Slot slot) noexcept {
    return reinterpret_cast<Node*>(static_cast<std::uintptr_t>(slot & node_mask));
}
// EMPTY or FROZEN: each path that has come this far ends here in this table.
inline bool ends_path(Slot slot) noexcept { return slot <= slot_frozen; }

}  // namespace cereggii::atomicdict
