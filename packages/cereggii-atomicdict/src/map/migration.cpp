// SPDX-License-Identifier: Apache-2.0
#include "map/migration.hpp"

#include <algorithm>
#include <array>
#include <climits>
#include <span>

#include "map/pauses.hpp"

// Growing, shrinking and clearing out tombstones are one thing: a next table is published, of a
// size for the keys that are alive, and the first table of the chain is emptied into it, a chunk at
// a time, by whoever writes. Readers and writers go on meanwhile: as long as a slot names a node,
// its value is there, and a path that was closed by FROZEN goes on in the next table.
//
// Only the root is emptied. A chunk is done when every slot of it is FROZEN, MOVED or TOMB, and
// stays so. When all are done the root moves on, and the table is retired. Nobody ever waits for
// that.
//
// A delete changes the value and then reads the slot. If it says MOVING, the delete leaves the node
// to the migrator, tells it so by a counter of the table, and reads the slot again; the migrator
// changes the slots of a chunk and then, after one fence for all of them, reads the counter. All of
// it is sequentially consistent, so one of them sees the other and unlinks the node.
//
// As a rule a migrator need not look at the nodes at all, which are anywhere in memory: what a slot
// says of the hash, and where it is, tell where its node belongs in the next table. So dead nodes
// are moved like others.
namespace cereggii::atomicdict {

namespace {

// Every table but the first two is at least twice as large as the one before it (see append_table),
// so no chain is longer.
constexpr std::size_t longest_chain = 48;

// Inserts the node that a MOVING slot names into the chain from `probe` on, where its path begins,
// and where it was announced. If there is no room: the generation of the last table. Otherwise 0.
[[gnu::always_inline]] inline std::uint64_t insert_further(Probe probe, const Node* node) noexcept {
    for (;;) {
        while (probe.left > 0) {
            Slot seen = probe.slot().load(std::memory_order_seq_cst);
            if (seen == slot_frozen) break;
            if (seen != slot_empty) {
                probe.advance();
                continue;
            }
            // As an insertion does: claim the slot if the table is the last, or else close it.
            const bool last = !probe.table->next.load(std::memory_order_seq_cst);
            const Slot mine = last ? probe.pack(node) : slot_frozen;
            if (probe.slot().compare_exchange_strong(seen, mine, std::memory_order_seq_cst) && last)
                return 0;
            // Closed, or lost to another insertion or freeze: look again.
        }
        Table* next = probe.table->next.load(std::memory_order_seq_cst);
        if (!next) return probe.table->generation;
        const std::uint64_t hash = node->hash.load(std::memory_order_relaxed);
        next->insert_into_filter(hash);
        probe.start(next, hash);
    }
}

// A chunk of the root, by whoever has claimed it.
class Chunk {
public:
    Chunk(Table* root, std::size_t number) noexcept
        : root_(root),
          next_(root->next.load(std::memory_order_seq_cst)),
          begin_(number * std::min(Table::chunk_size, root->capacity())),
          end_(begin_ + std::min(Table::chunk_size, root->capacity())),
          same_fingerprints_(next_->fingerprint_skip == root->fingerprint_skip),
          deferred_before_(root->deferred_unlinks.load(std::memory_order_seq_cst)) {}

    // Empties it. If there was no room further on: the generation of the table that was full,
    // otherwise 0.
    std::uint64_t move() noexcept {
        // Nodes are anywhere in memory: those that need not be asked for their hash are not
        // touched, and the others have been fetched when they are.
        std::array<std::size_t, Table::chunk_size> asked;
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
        constexpr std::size_t ahead = 16;
        for (std::size_t i = 0; i < count; ++i) {
            if (i + ahead < count)
                if (const Node* node =
                        node_of(root_->slot(asked[i + ahead]).load(std::memory_order_seq_cst)))
                    prefetch(&next_->slot(next_->home(node->hash.load(std::memory_order_relaxed))));
            if (const std::uint64_t full = move_slot(asked[i])) return full;
        }
        return 0;
    }

    // The second look: whoever has deleted a node since may have seen MOVING, and left it to us.
    void recheck(HashMap& map, Guard& guard) const noexcept {
        std::atomic_thread_fence(std::memory_order_seq_cst);
        // Of a chunk that was returned, the migrator before us may have been told.
        if (root_->deferred_unlinks.load(std::memory_order_seq_cst) == deferred_before_ &&
            !root_->chunk_was_returned.load(std::memory_order_seq_cst)) [[likely]]
            return;
        for (std::size_t i = begin_; i < end_; ++i) {
            const Slot seen = root_->slot(i).load(std::memory_order_seq_cst);
            if (!names_node(seen)) continue;
            Node* node = node_of(seen);
            // A link, if the node has been retired: then it is in no table any more.
            const std::uint64_t hash = node->hash.load(std::memory_order_relaxed);
            if (Node::is_dead(node->value.load(std::memory_order_seq_cst)))
                if (unlink(map, node, hash)) guard.leave_for_all(node);
        }
    }

private:
    // Enough of it for the next table.
    bool tells_hash(Slot seen) const noexcept {
        return same_fingerprints_ && probe_distance(seen) != saturated;
    }

    [[gnu::always_inline]] std::uint64_t move_slot(std::size_t index) noexcept {
        std::atomic<Slot>& slot = root_->slot(index);
        for (;;) {
            Slot seen = slot.load(std::memory_order_seq_cst);
            if (seen == slot_empty) {
                // Lost to an insertion, whose node has to be moved: look again.
                if (slot.compare_exchange_strong(seen, slot_frozen, std::memory_order_seq_cst))
                    return 0;
                continue;
            }
            if (!names_node(seen) || (seen & state_mask) != 0) return 0;
            // From now on only we change the slot, and whoever deletes the node leaves it to us.
            // Lost to an unlink: look again.
            if (!slot.compare_exchange_strong(seen, seen | moving_bit, std::memory_order_seq_cst))
                continue;
            const Node* node = node_of(seen);
            const bool tells = tells_hash(seen);
            const std::uint64_t hash =
                tells ? root_->known_hash(index, seen) : node->hash.load(std::memory_order_relaxed);
            Probe probe;
            probe.start(next_, tells ? seen & fingerprint_mask : next_->fingerprint_of(hash),
                        next_->home(hash));
            // Neighbours are announced by one bit.
            if (const std::uint64_t bit = next_->filter_bit_number(hash); bit != in_filter_) {
                next_->insert_into_filter(hash);
                in_filter_ = bit;
            }
            const std::uint64_t full = insert_further(probe, node);
            // Release: whoever sees it may go on in the next table. The fence comes later.
            slot.store(full == 0 ? seen | moved_bit : seen, std::memory_order_release);
            return full;
        }
    }

    Table* const root_;
    Table* const next_;
    const std::size_t begin_, end_;
    const bool same_fingerprints_;  // they are the same in both tables
    const std::uint64_t deferred_before_;
    std::uint64_t in_filter_ = UINT64_MAX;  // the last one
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

// A chunk that nobody else has; chunk_count if there is none.
std::size_t claim_chunk(Table* table) noexcept {
    while (table->next_chunk.load(std::memory_order_relaxed) < table->chunk_count) {
        const std::uint32_t chunk = table->next_chunk.fetch_add(1, std::memory_order_seq_cst);
        if (chunk < table->chunk_count && claim(table->chunk(chunk))) return chunk;
    }
    if (table->chunk_was_returned.load(std::memory_order_seq_cst))
        for (std::size_t chunk = 0; chunk < table->chunk_count; ++chunk)
            if (table->chunk(chunk).load(std::memory_order_relaxed) == ChunkState::free &&
                claim(table->chunk(chunk)))
                return chunk;
    return table->chunk_count;
}

enum class Helped { nothing_to_do, moved, no_room };

// Empties a chunk of the root, if there is a next table. Not while pinned. If there is no room,
// `full` is the generation of the table that has none.
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
                // Helping never fails for the writer who helps: the chunk is somebody else's now.
                helped = Helped::no_room;
                // In this order: whoever has such a chunk knows that it is one.
                root->chunk_was_returned.store(true, std::memory_order_seq_cst);
                root->chunk(chunk).store(ChunkState::free, std::memory_order_seq_cst);
            }
        }
        // Lost to another helper, or to a clear, which then owns the whole chain.
        if (root->chunks_done.load(std::memory_order_seq_cst) == root->chunk_count &&
            map.root.compare_exchange_strong(root, next, std::memory_order_seq_cst)) {
            map.note_root();
            guard.retire(root);
        }
    }
    guard.unpin();
    return helped;
}

void empty_root(HashMap& map, int most, bool can_wait = true) {
    // From one call to the next: in fresh memory each step may take half a millisecond, and whoever
    // inserts many keys looks at the clock only once in some hundred.
    static thread_local Pace pace(1);
    for (int i = 0; i < most; ++i) {
        pace.rest();
        std::uint64_t full = 0;
        const Helped helped = help(map, full, can_wait);
        if (helped == Helped::nothing_to_do) return;
        if (helped == Helped::no_room && !append_table(map, full, Extension::needed, 0)) return;
    }
}

// False, if it was raised: what was made meanwhile may be smaller.
bool raise(std::atomic<std::size_t>& min_capacity, std::size_t capacity) noexcept {
    std::size_t current = min_capacity.load(std::memory_order_seq_cst);
    while (current < capacity)
        if (min_capacity.compare_exchange_weak(current, capacity, std::memory_order_seq_cst))
            return false;
    return true;
}

}  // namespace

bool unlink(HashMap& map, Node* node, std::uint64_t hash) noexcept {
    std::atomic<Slot>* marks[longest_chain];  // the MOVED slots that name the node
    std::size_t marked = 0;
    // From the root of now: no table before it can be reached by a new reader.
    Table* table = map.root.load(std::memory_order_seq_cst);
    while (table) {
        Probe probe;
        for (probe.start(table, hash); probe.left > 0; probe.advance()) {
            std::atomic<Slot>& slot = probe.slot();
            Slot seen = slot.load(std::memory_order_seq_cst);
            if (seen == slot_empty) return false;  // somebody else has done it
            if (seen == slot_frozen) break;
            if (node_of(seen) != node) continue;
            while (names_node(seen) && (seen & moved_bit) == 0) {
                if ((seen & moving_bit) != 0) {
                    // Left to the migrator, which looks whether anything was once it has written
                    // MOVED, or NODE; unless it has written that already.
                    table->deferred_unlinks.fetch_add(1, std::memory_order_seq_cst);
                    seen = slot.load(std::memory_order_seq_cst);
                    if ((seen & moving_bit) != 0) return false;
                } else if (slot.compare_exchange_strong(seen, slot_tomb,
                                                        std::memory_order_seq_cst)) {
                    // Nobody else writes the MOVED slots of a node that is in no table any more.
                    while (marked > 0) marks[--marked]->store(slot_tomb, std::memory_order_seq_cst);
                    return true;
                }
            }
            if (!names_node(seen)) return false;  // TOMB: another unlink has won
            marks[marked++] = &slot;
            break;
        }
        // Movers carry a dead node on. While this thread was asleep, through any number of tables
        // that have been the root: those before the root of now need no mark.
        const bool is_left_behind = marked == longest_chain;
        if (is_left_behind) marked = 0;
        table = is_left_behind ? map.root.load(std::memory_order_seq_cst)
                               : table->next.load(std::memory_order_seq_cst);
    }
    return false;
}

bool append_table(HashMap& map, std::uint64_t generation, Extension extension,
                  std::size_t capacity) {
    Guard guard(map);
    const auto find = [&](Table*& root) -> Table* {
        Table* last = root = map.root.load(std::memory_order_seq_cst);
        if (!last) return nullptr;
        while (Table* next = last->next.load(std::memory_order_seq_cst)) last = next;
        return last->generation == generation ? last : nullptr;
    };
    Table* root = nullptr;
    guard.pin_reading();
    const Table* last = find(root);
    if (last) {
        capacity = std::max({capacity, Table::roomy_capacity_for(last->count->live() + 1),
                             map.min_capacity.load(std::memory_order_relaxed)});
        // Those that grow from small go on growing, or cost little.
        if (last->is_crowded() && capacity <= Table::small) capacity *= 2;
        if (last != root) {
            // The root is still being emptied, maybe by a thread that is asleep. No third table to
            // shrink, and each of those that are needed is larger, so the chain does not get long.
            if (extension == Extension::advised && !last->is_crowded())
                last = nullptr;
            else
                capacity = std::max(capacity, last->capacity() * 2);
        }
    }
    guard.unpin();
    if (!last) return true;
    Table* fresh = Table::allocate(capacity);
    if (!fresh) return false;
    guard.pin_reading();
    Table* probe = find(root);
    bool published = false;
    if (probe) {
        fresh->count_in(probe->count);
        Table* none = nullptr;
        published = probe->next.compare_exchange_strong(none, fresh, std::memory_order_seq_cst);
    }
    guard.unpin();
    if (!published) Table::deallocate(fresh);  // lost to another one, which does as well
    return true;
}

bool make_root(HashMap& map, std::size_t capacity) {
    capacity = std::max(capacity, map.min_capacity.load(std::memory_order_relaxed));
    LiveCount* count = LiveCount::allocate();
    Table* fresh = count ? Table::allocate(capacity) : nullptr;
    if (!fresh) {
        LiveCount::deallocate(count);
        return false;
    }
    fresh->count_in(count);
    Guard guard(map);
    guard.pin_reading();
    Table* none = nullptr;
    const bool published = map.root.compare_exchange_strong(none, fresh, std::memory_order_seq_cst);
    if (published) map.note_root();
    guard.unpin();
    if (!published) {
        Table::deallocate(fresh);
        LiveCount::deallocate(count);
    }
    return true;
}

void maybe_resize(HashMap& map, ResizeRequest request, Share share) {
    if (request.emptied != 0) drop_if_empty(map, request.emptied);
    if (request.resize != 0) append_table(map, request.resize, Extension::advised, 0);
    const bool all = share == Share::all_without_waiting;
    empty_root(map, all ? INT_MAX : 1, !all);
}

namespace {

enum class Floor { raised, unchanged };

// A page of fresh memory is filled with zeros when it is touched first. A migrator that puts the
// keys of one chunk all over a large table would do so for many pages under one pin: this touches
// them before, one under each.
void touch_pages(HashMap& map) {
#if defined(MADV_HUGEPAGE)
    Guard guard(map);
    Pace pace(1);
    for (std::size_t at = 0;; at += huge_page / sizeof(Slot)) {
        guard.pin_reading();
        Table* root = map.root.load(std::memory_order_seq_cst);
        Table* next = root ? root->next.load(std::memory_order_seq_cst) : nullptr;
        const bool goes_on = next && at < next->capacity();
        // Changes nothing, but is a write.
        if (goes_on) next->slot(at).fetch_or(0, std::memory_order_relaxed);
        guard.unpin();
        if (!goes_on) return;
        pace.rest();
    }
#else
    static_cast<void>(map);
#endif
}

bool make_room(HashMap& map, std::size_t keys, Floor min_capacity) {
    const std::size_t capacity = Table::capacity_for(keys);
    {
        Guard guard(map);
        if (!guard.ready()) return false;
        if (capacity == 0) {
            PyErr_NoMemory();
            return false;
        }
        for (;;) {
            guard.pin_reading();
            Table* last = map.root.load(std::memory_order_seq_cst);
            while (last && last->next.load(std::memory_order_seq_cst))
                last = last->next.load(std::memory_order_seq_cst);
            const std::uint64_t generation = last ? last->generation : 0;
            const bool enough = last && last->capacity() >= capacity;
            guard.unpin();
            // Only when the memory has been had: until then, others ask for no more than they need.
            if (enough && (min_capacity == Floor::unchanged || raise(map.min_capacity, capacity)))
                break;
            if (!enough &&
                !(generation != 0 ? append_table(map, generation, Extension::needed, capacity)
                                  : make_root(map, capacity))) {
                PyErr_NoMemory();
                return false;
            }
        }
    }
    touch_pages(map);
    empty_root(map, INT_MAX);
    return true;
}

}  // namespace

bool reserve(HashMap& map, std::size_t keys) { return make_room(map, keys, Floor::raised); }

bool prepare(HashMap& map, std::size_t keys) { return make_room(map, keys, Floor::unchanged); }

}  // namespace cereggii::atomicdict
