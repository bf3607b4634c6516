// SPDX-License-Identifier: Apache-2.0
#include "map/migration.hpp"

#include <algorithm>
#include <array>
#include <climits>

#include "cereggii/atomics/compiler.hpp"
#include "map/exact.hpp"
#include "map/pauses.hpp"
#include "map/prefetch.hpp"
#include "map/tuning.hpp"

// Growing, shrinking and clearing out tombstones are one thing. A next table is published, with the
// capacity for the keys that are alive. Then each thread that writes empties a chunk of the first
// table, the root, into the chain behind it. Readers and writers go on meanwhile, and no operation
// waits for any of this.
//
//                    slots of one chunk of the root
//     before         NODE    NODE     EMPTY    TOMB   │ free
//     by a migrator  MOVING  NODE     FROZEN   TOMB   │ claimed
//     when emptied   MOVED   MOVED    FROZEN   TOMB   │ done
//
//     all chunks done ──▶ the root becomes its next table, and the old one is retired
//
// Invariants:
//   - Only the root is emptied. A chunk is done when each slot of it is FROZEN, MOVED or TOMB, and
//     those states stay, except that MOVED may become TOMB.
//   - A slot is MOVING only while its migrator is pinned. A migrator that falls asleep keeps the
//     root where it is, and all others go on in the chain behind it.
//   - A node is inserted into a later table only while its slot here is MOVING. So a deletion that
//     changes NODE to TOMB has removed the last slot that names the node, except MOVED ones of
//     earlier tables, which it then changes as well.
//   - A key is inserted into a later table only after its path in each earlier one ends at FROZEN.
//     So no thread takes it to be absent here, and no rival claims an EMPTY slot on its path.
//   - Each table but the first two is at least twice as large as the one before it, so a chain is
//     short (`longest_chain`).
//
// A deletion that meets a MOVING slot. The deletion changes the value and then reads the slot. If
// it reads MOVING, it leaves the node to the migrator: it adds to `deferred_unlinks` of the table,
// and reads the slot once more. The migrator changes the slots of a chunk, and then, after one
// fence for all of them, reads the counter:
//
//     deletion                              migrator
//     value = dead                          slot = MOVED (or NODE again: there was no room)
//     slot is MOVING: ++deferred_unlinks    fence
//     slot is still MOVING: leave it        deferred_unlinks has changed: look at all values
//
// The deletion is sequentially consistent, and the fence orders the migrator's stores before its
// load. So at least one of the two sees the other, and unlinks the node.
//
// As a rule a migrator need not look at the nodes, which are anywhere in memory. What a slot says
// of the hash, and where the slot is, tell where its node belongs in the next table. So dead nodes
// are moved like others.
namespace cereggii::atomicdict {

namespace {

// No chain is longer: each table but the first two is at least twice as large as the one before it
// (see append_table), and the largest has 2^39 slots.
constexpr std::size_t longest_chain = 48;

// Inserts the node that a MOVING slot names into the chain from `probe` on: the home slot of its
// key in the next table, which has the key in its filter. Returns 0, or, if there is no room, the
// generation of the last table.
CEREGGII_ALWAYS_INLINE std::uint64_t insert_further(Probe probe, const Node* node) noexcept {
    for (;;) {
        while (probe.left > 0) {
            Slot seen = probe.slot().load(std::memory_order_seq_cst);
            if (seen == slot_frozen) break;
            if (seen != slot_empty) {
                probe.advance();
                continue;
            }
            // As an insertion does: claim the slot if the table is the last one, and otherwise
            // freeze it.
            const bool last = !probe.table->next.load(std::memory_order_seq_cst);
            const Slot desired = last ? probe.pack(node) : slot_frozen;
            if (probe.slot().compare_exchange_strong(seen, desired, std::memory_order_seq_cst) &&
                last)
                return 0;
            // Frozen by this thread, or lost to another insertion or freeze: look at the same slot
            // again.
        }
        Table* next = probe.table->next.load(std::memory_order_seq_cst);
        if (!next) return probe.table->generation;
        // Relaxed: the node was complete before a slot named it. It is not retired, since its slot
        // is MOVING, so this is not a link.
        const std::uint64_t hash = node->hash.load(std::memory_order_relaxed);
        next->insert_into_filter(hash);
        probe.start(next, hash);
    }
}

// A chunk of the root, which the calling thread has claimed. Only while pinned.
class Chunk {
public:
    Chunk(Table* root, std::size_t number) noexcept
        : root_(root),
          next_(root->next.load(std::memory_order_seq_cst)),
          begin_(number * std::min(Table::chunk_size, root->capacity())),
          end_(begin_ + std::min(Table::chunk_size, root->capacity())),
          same_fingerprints_(next_->fingerprint_skip == root->fingerprint_skip),
          deferred_before_(root->deferred_unlinks.load(std::memory_order_seq_cst)) {}

    // Empties it. Returns 0, or, if there was no room further on, the generation of the full table.
    std::uint64_t move() noexcept {
        // First all nodes whose slots tell their hash, without touching the nodes. The others are
        // fetched meanwhile, and moved afterwards.
        std::array<std::size_t, Table::chunk_size> asked;  // indices of slots
        std::size_t count = 0;
        for (std::size_t i = begin_; i < end_; ++i) {
            const Slot seen = root_->slot(i).load(std::memory_order_seq_cst);
            if (names_node(seen) && !tells_hash(seen)) {
                prefetch(node_of(seen));
                asked[count++] = i;
                continue;
            }
            if (const std::uint64_t full = move_slot(i)) return full;
        }
        constexpr std::size_t ahead = tuning::moved_nodes_ahead;
        for (std::size_t i = 0; i < count; ++i) {
            if (i + ahead < count)
                // Relaxed: if the node was retired, this is a link, and a wrong address is fetched.
                if (const Node* node =
                        node_of(root_->slot(asked[i + ahead]).load(std::memory_order_seq_cst)))
                    prefetch(&next_->slot(next_->home(node->hash.load(std::memory_order_relaxed))));
            if (const std::uint64_t full = move_slot(asked[i])) return full;
        }
        return 0;
    }

    // The second look, when all slots of the chunk are changed: a thread that has made a node dead
    // since may have seen MOVING, and left the node to this one.
    void recheck(HashMap& map, Guard& guard) const noexcept {
        // Orders the release stores of move_slot() before the load of the counter.
        std::atomic_thread_fence(std::memory_order_seq_cst);
        // A chunk that was given back had another migrator before, which may have been told
        // instead.
        if (root_->deferred_unlinks.load(std::memory_order_seq_cst) == deferred_before_ &&
            !root_->chunk_was_returned.load(std::memory_order_seq_cst)) [[likely]]
            return;
        for (std::size_t i = begin_; i < end_; ++i) {
            const Slot seen = root_->slot(i).load(std::memory_order_seq_cst);
            if (!names_node(seen)) continue;
            Node* node = node_of(seen);
            // Relaxed: if the node was retired, this is a link. Then no slot names the node any
            // more, and unlink() finds that another thread has won.
            const std::uint64_t hash = node->hash.load(std::memory_order_relaxed);
            if (Node::is_dead(node->value.load(std::memory_order_seq_cst)) &&
                unlink(map, node, hash))
                guard.leave_for_all(node);
        }
    }

private:
    // Whether a slot tells as much of its node's hash as the next table needs.
    bool tells_hash(Slot seen) const noexcept {
        return same_fingerprints_ && probe_distance(seen) != saturated;
    }

    // Moves on what a slot names. Returns as move() does.
    CEREGGII_ALWAYS_INLINE std::uint64_t move_slot(std::size_t index) noexcept {
        std::atomic<Slot>& slot = root_->slot(index);
        for (;;) {
            Slot seen = slot.load(std::memory_order_seq_cst);
            if (seen == slot_empty) {
                // Lost to an insertion, whose node has to be moved, or to another freeze: look at
                // the same slot again.
                if (slot.compare_exchange_strong(seen, slot_frozen, std::memory_order_seq_cst))
                    return 0;
                continue;
            }
            // FROZEN or TOMB: it is done. MOVED: by a migrator that has given the chunk back.
            if (!names_node(seen) || (seen & state_mask) != 0) return 0;
            // From now on only this thread changes the slot, and a deletion leaves the node to it.
            // Lost to an unlink: look at the same slot again, which is TOMB.
            if (!slot.compare_exchange_strong(seen, seen | moving_bit, std::memory_order_seq_cst))
                continue;
            const Node* node = node_of(seen);
            const bool tells = tells_hash(seen);
            // Relaxed: not a link, since a node whose slot is MOVING is not retired.
            const std::uint64_t hash =
                tells ? root_->known_hash(index, seen) : node->hash.load(std::memory_order_relaxed);
            Probe probe;
            probe.start(next_, tells ? seen & fingerprint_mask : next_->fingerprint_of(hash),
                        next_->home(hash));
            // Keys of one group have one bit in the filter, and come one after the other.
            if (const std::uint64_t bit = next_->filter_bit_number(hash); bit != in_filter_) {
                next_->insert_into_filter(hash);
                in_filter_ = bit;
            }
            const std::uint64_t full = insert_further(probe, node);
            // Release: pairs with the load in unlink(). A thread that sees MOVED there goes on in
            // the next table, and has to find the node that was inserted before this store. The
            // fence in recheck(), one for all slots of the chunk, orders the store before the load
            // of the counter.
            slot.store(full == 0 ? seen | moved_bit : seen, std::memory_order_release);
            return full;
        }
    }

    Table* const root_;
    Table* const next_;
    const std::size_t begin_, end_;
    // A key has the same fingerprint in both tables.
    const bool same_fingerprints_;
    // What root_->deferred_unlinks was before any slot was changed.
    const std::uint64_t deferred_before_;
    // The filter_bit_number() of the key that was inserted into the filter last.
    std::uint64_t in_filter_ = UINT64_MAX;
};

std::uint64_t move_chunk(HashMap& map, Guard& guard, Table* root, std::size_t number) noexcept {
    Chunk chunk(root, number);
    const std::uint64_t full = chunk.move();
    chunk.recheck(map, guard);
    return full;
}

bool claim(std::atomic<ChunkState>& state) noexcept {
    ChunkState free = ChunkState::free;
    return state.compare_exchange_strong(free, ChunkState::claimed, std::memory_order_seq_cst);
}

// Claims a chunk that no other migrator has. Returns chunk_count if there is none.
std::size_t claim_chunk(Table* table) noexcept {
    // Relaxed: only avoids that the counter overflows. The chunk's state decides.
    while (table->next_chunk.load(std::memory_order_relaxed) < table->chunk_count) {
        const std::uint32_t chunk = table->next_chunk.fetch_add(1, std::memory_order_seq_cst);
        // Lost to a migrator that has claimed it as a chunk that was given back: take the next one.
        if (chunk < table->chunk_count && claim(table->chunk(chunk))) return chunk;
    }
    if (table->chunk_was_returned.load(std::memory_order_seq_cst))
        for (std::size_t chunk = 0; chunk < table->chunk_count; ++chunk)
            if (table->chunk(chunk).load(std::memory_order_relaxed) == ChunkState::free &&
                claim(table->chunk(chunk)))
                return chunk;
    return table->chunk_count;
}

enum class Helped {
    nothing_to_do,  // no table is being emptied, no chunk is free, or the gate is closed
    moved,          // a chunk is empty now
    no_room,        // the chunk was given back
};

// Empties a chunk of the root, if there is a next table. Not while pinned. `full` is set if there
// is no room: the generation of the last table, which has none.
Helped help(HashMap& map, std::uint64_t& full, bool can_wait) {
    Guard guard(map);
    if (can_wait)
        guard.pin_writing();
    else if (!guard.try_pin_writing())
        return Helped::nothing_to_do;
    Table* root = map.root.load(std::memory_order_seq_cst);
    Table* next = root ? root->next.load(std::memory_order_seq_cst) : nullptr;
    Helped helped = Helped::nothing_to_do;
    if (next) {
        const std::size_t chunk = claim_chunk(root);
        if (chunk < root->chunk_count) {
            full = move_chunk(map, guard, root, chunk);
            if (full == 0) {
                helped = Helped::moved;
                root->chunk(chunk).store(ChunkState::done, std::memory_order_seq_cst);
                root->chunks_done.fetch_add(1, std::memory_order_seq_cst);
            } else {
                // To help never makes the writer that helps fail: it gives the chunk back.
                helped = Helped::no_room;
                // In this order, so that a migrator that claims such a chunk knows that it is one.
                root->chunk_was_returned.store(true, std::memory_order_seq_cst);
                root->chunk(chunk).store(ChunkState::free, std::memory_order_seq_cst);
            }
        }
        // Lost to another migrator that has seen the last chunk done, or to clear(), which then
        // owns the whole chain: nothing is left to do.
        if (root->chunks_done.load(std::memory_order_seq_cst) == root->chunk_count &&
            map.root.compare_exchange_strong(root, next, std::memory_order_seq_cst)) {
            map.note_root();
            guard.retire(root);
        }
    }
    guard.unpin();
    return helped;
}

}  // namespace

void empty_root(HashMap& map, int most, bool can_wait) {
    // The pace goes on from one call to the next: in fresh memory each step may take half a
    // millisecond, and a loop that inserts many keys looks at the clock once in a few hundred.
    static thread_local Pace pace(1);
    for (int i = 0; i < most; ++i) {
        pace.rest();
        std::uint64_t full = 0;
        const Helped helped = help(map, full, can_wait);
        if (helped == Helped::nothing_to_do) return;
        // Without memory another operation tries it again.
        if (helped == Helped::no_room && !append_table(map, full, AppendReason::required, 0))
            return;
    }
}

void maybe_resize(HashMap& map, ResizeRequest request, MigrationWork work) {
    if (request.emptied != 0) drop_if_empty(map, request.emptied);
    if (request.resize != 0) append_table(map, request.resize, AppendReason::advised, 0);
    const bool all = work == MigrationWork::all_without_waiting;
    empty_root(map, all ? INT_MAX : 1, !all);
}

bool unlink(HashMap& map, Node* node, std::uint64_t hash) noexcept {
    // The MOVED slots that name the node, in tables that were passed.
    std::atomic<Slot>* marks[longest_chain];
    std::size_t marked = 0;
    // From the present root on: a new reader cannot reach a table before it.
    Table* table = map.root.load(std::memory_order_seq_cst);
    while (table) {
        Probe probe;
        for (probe.start(table, hash); probe.left > 0; probe.advance()) {
            std::atomic<Slot>& slot = probe.slot();
            Slot seen = slot.load(std::memory_order_seq_cst);
            if (seen == slot_empty) return false;  // lost to another unlink
            if (seen == slot_frozen) break;        // the node may be further on
            if (node_of(seen) != node) continue;
            while (names_node(seen) && (seen & moved_bit) == 0) {
                if ((seen & moving_bit) != 0) {
                    // MOVING: leave the node to the migrator. It looks for that when it has written
                    // MOVED, or NODE again. If it has written that already, it may have looked
                    // before: then the node is still this thread's to unlink.
                    table->deferred_unlinks.fetch_add(1, std::memory_order_seq_cst);
                    seen = slot.load(std::memory_order_seq_cst);
                    if ((seen & moving_bit) != 0) return false;
                } else if (slot.compare_exchange_strong(seen, slot_tomb,
                                                        std::memory_order_seq_cst)) {
                    // This thread has won. Only the MOVED slots still name the node, and no other
                    // thread writes those.
                    while (marked > 0) marks[--marked]->store(slot_tomb, std::memory_order_seq_cst);
                    return true;
                }
            }
            if (!names_node(seen)) return false;  // TOMB: lost to another unlink
            marks[marked++] = &slot;
            break;
        }
        // MOVED, or not in this table: go on in the next one. While this thread was asleep,
        // migrators may have carried the dead node through any number of tables that have been the
        // root. Those before the present root need no mark.
        const bool is_left_behind = marked == longest_chain;
        if (is_left_behind) marked = 0;
        table = is_left_behind ? map.root.load(std::memory_order_seq_cst)
                               : table->next.load(std::memory_order_seq_cst);
    }
    return false;
}

}  // namespace cereggii::atomicdict
