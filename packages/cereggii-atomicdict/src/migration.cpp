// SPDX-License-Identifier: Apache-2.0
#include "migration.hpp"

#include <algorithm>
#include <array>
#include <climits>
#include <span>

// Growing, shrinking and clearing out tombstones are one thing: a next table is published, of a
// size for the keys that are alive, and the first table of the chain is emptied into it, a chunk at
// a time, by whoever writes. Readers and writers go on meanwhile: as long as a word names a node,
// its value is there, and a path that was closed by FROZEN goes on in the next table.
//
// Only the root is emptied. A chunk is done when every word of it is FROZEN, MOVED or TOMB, and
// stays so. When all are done the root moves on, and the table is retired. Nobody ever waits for
// that.
//
// A delete changes the value and then reads the word; a mover changes the words of a chunk and
// then, after one fence for all of them, reads the values. Both are sequentially consistent, so one
// of them sees the other and unlinks the node.
namespace cereggii::atomicdict {

namespace {

// Every table but the first two is at least twice as large as the one before it (see extend), so no
// chain is longer.
constexpr std::size_t longest_chain = 48;

// Inserts the node that a MOVING word names into the chain from `table` on. If there is no room:
// the serial of the last table. Otherwise 0.
std::uint64_t insert_further(Table* table, const Node* node, std::uint64_t hash) noexcept {
    Place place;
    place.start(table, hash);
    for (;;) {
        while (place.left > 0) {
            Word word = place.slot().load(std::memory_order_seq_cst);
            if (word == word_frozen) break;
            if (word != word_empty) {
                place.advance();
                continue;
            }
            // As an insertion does: claim the word if the table is the last, or else close it.
            const bool last = !place.table->next.load(std::memory_order_seq_cst);
            const Word mine = last ? word_of(node, hash) : word_frozen;
            if (place.slot().compare_exchange_strong(word, mine, std::memory_order_seq_cst) && last)
                return 0;
            // Closed, or lost to another insertion or freeze: look again.
        }
        Table* next = place.table->next.load(std::memory_order_seq_cst);
        if (!next) return place.table->serial;
        place.start(next, hash);
    }
}

// What a mover has written MOVED for, or NODE again, and has to look at once more.
class Moved {
public:
    void add(Node* node, std::uint64_t hash) noexcept { entries_[count_++] = {node, hash}; }

    // The second look: whoever has deleted a node since may have seen MOVING, and left it to us.
    void look_again(HashMap& map, Session& session) const noexcept {
        std::atomic_thread_fence(std::memory_order_seq_cst);
        for (const Entry& entry : std::span(entries_).first(count_))
            if (Node::is_dead(entry.node->value.load(std::memory_order_seq_cst)))
                unlink(map, session, entry.node, entry.hash);
    }

private:
    struct Entry {
        Node* node;
        std::uint64_t hash;
    };
    std::size_t count_ = 0;
    std::array<Entry, Table::chunk_size> entries_;
};

// Empties one word of the root. If there was no room further on: the serial of the table that was
// full, otherwise 0.
std::uint64_t move_word(Session& session, Table* root, std::atomic<Word>& slot,
                        Moved& moved) noexcept {
    for (;;) {
        Word word = slot.load(std::memory_order_seq_cst);
        if (word == word_empty) {
            // Lost to an insertion, whose node has to be moved: look again.
            if (slot.compare_exchange_strong(word, word_frozen, std::memory_order_seq_cst))
                return 0;
            continue;
        }
        if (!names_node(word) || (word & state_mask) != 0) return 0;
        // From now on only we change the word. Lost to an unlink: look again.
        if (!slot.compare_exchange_strong(word, word | moving_bit, std::memory_order_seq_cst))
            continue;
        Node* node = node_of(word);
        const std::uint64_t hash = node->hash.load(std::memory_order_relaxed);
        // Whoever deletes stops at MOVING, so a node that is dead by now is ours to retire: it is
        // in no later table, and no earlier one can be reached.
        if (Node::is_dead(node->value.load(std::memory_order_seq_cst))) {
            slot.store(word_tomb, std::memory_order_seq_cst);
            session.retire(node);
            return 0;
        }
        const std::uint64_t full =
            insert_further(root->next.load(std::memory_order_seq_cst), node, hash);
        // Release: whoever sees it may go on in the next table. The fence comes later.
        slot.store(full == 0 ? word | moved_bit : word, std::memory_order_release);
        moved.add(node, hash);
        return full;
    }
}

std::uint64_t move_chunk(HashMap& map, Session& session, Table* root, std::size_t chunk) noexcept {
    const std::size_t size = std::min(Table::chunk_size, root->capacity());
    const std::size_t begin = chunk * size;
    // Nodes are anywhere in memory, and so is where they are going to.
    const auto node_at = [&](std::size_t i) -> const Node* {
        if (i >= begin + size) return nullptr;
        // Acquire: pairs with the insertion, before which the node was made.
        const Word word = root->word(i).load(std::memory_order_acquire);
        return names_node(word) ? node_of(word) : nullptr;
    };
    constexpr std::size_t far = 48, near = 16;
    Table* next = root->next.load(std::memory_order_relaxed);
    for (std::size_t i = begin; i < begin + far; ++i)
        if (const Node* node = node_at(i)) prefetch(node);
    Moved moved;
    std::uint64_t full = 0;
    for (std::size_t i = begin; i < begin + size && full == 0; ++i) {
        if (const Node* node = node_at(i + far)) prefetch(node);
        if (const Node* node = node_at(i + near))
            prefetch(&next->word(next->home(node->hash.load(std::memory_order_relaxed))));
        full = move_word(session, root, root->word(i), moved);
    }
    moved.look_again(map, session);
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

// Empties a chunk of the root, if there is a next table. Not inside. If there is no room, `full` is
// the serial of the table that has none.
Helped help(HashMap& map, Session& session, std::uint64_t& full) {
    session.enter_writing();
    Table* root = map.root.load(std::memory_order_seq_cst);
    Table* next = root ? root->next.load(std::memory_order_seq_cst) : nullptr;
    Helped helped = Helped::nothing_to_do;
    if (next) {
        const std::size_t chunk = claim_chunk(root);
        if (chunk < root->chunk_count) {
            full = move_chunk(map, session, root, chunk);
            if (full == 0) {
                helped = Helped::moved;
                root->chunk(chunk).store(ChunkState::done, std::memory_order_seq_cst);
                root->chunks_done.fetch_add(1, std::memory_order_seq_cst);
            } else {
                // Helping never fails for the writer who helps: the chunk is somebody else's now.
                helped = Helped::no_room;
                root->chunk(chunk).store(ChunkState::free, std::memory_order_seq_cst);
                root->chunk_was_returned.store(true, std::memory_order_seq_cst);
            }
        }
        // Lost to another helper, or to a clear, which then owns the whole chain.
        if (root->chunks_done.load(std::memory_order_seq_cst) == root->chunk_count &&
            map.root.compare_exchange_strong(root, next, std::memory_order_seq_cst)) {
            map.note_root();
            session.retire(root);
        }
    }
    session.leave();
    return helped;
}

void empty_root(HashMap& map, Session& session, int most) {
    for (int i = 0; i < most; ++i) {
        std::uint64_t full = 0;
        const Helped helped = help(map, session, full);
        if (helped == Helped::nothing_to_do) return;
        if (helped == Helped::no_room && !extend(map, session, full, Extension::needed, 0)) return;
    }
}

// False, if it was raised: what was made meanwhile may be smaller.
bool raise(std::atomic<std::size_t>& floor, std::size_t capacity) noexcept {
    std::size_t current = floor.load(std::memory_order_seq_cst);
    while (current < capacity)
        if (floor.compare_exchange_weak(current, capacity, std::memory_order_seq_cst)) return false;
    return true;
}

}  // namespace

void unlink(HashMap& map, Session& session, Node* node, std::uint64_t hash) noexcept {
    std::atomic<Word>* marks[longest_chain];  // the MOVED words that name the node
    std::size_t marked = 0;
    // From the root of now: no table before it can be reached by a new reader.
    for (Table* table = map.root.load(std::memory_order_seq_cst); table;
         table = table->next.load(std::memory_order_seq_cst)) {
        Place place;
        for (place.start(table, hash); place.left > 0; place.advance()) {
            std::atomic<Word>& slot = place.slot();
            Word word = slot.load(std::memory_order_seq_cst);
            if (word == word_empty) return;  // somebody else has done it
            if (word == word_frozen) break;
            if (node_of(word) != node) continue;
            if (word & moved_bit) {
                marks[marked++] = &slot;
                break;
            }
            if ((word & moving_bit) == 0 &&
                slot.compare_exchange_strong(word, word_tomb, std::memory_order_seq_cst)) {
                // Nobody else writes the MOVED words of a node that is in no table any more.
                while (marked > 0) marks[--marked]->store(word_tomb, std::memory_order_seq_cst);
                session.retire(node);
                return;
            }
            // MOVING: the mover looks at the value after it has written MOVED, or NODE. TOMB:
            // another unlink has won. Otherwise it has been MOVED just now.
            if ((word & moved_bit) == 0) return;
            marks[marked++] = &slot;
            break;
        }
    }
}

bool extend(HashMap& map, Session& session, std::uint64_t serial, Extension extension,
            std::size_t capacity) {
    const auto find = [&](Table*& root) -> Table* {
        Table* last = root = map.root.load(std::memory_order_seq_cst);
        if (!last) return nullptr;
        while (Table* next = last->next.load(std::memory_order_seq_cst)) last = next;
        return last->serial == serial ? last : nullptr;
    };
    Table* root = nullptr;
    session.enter_reading();
    const Table* last = find(root);
    if (last) {
        capacity = std::max({capacity, Table::roomy_capacity_for(last->count->live() + 1),
                             map.floor.load(std::memory_order_relaxed)});
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
    session.leave();
    if (!last) return true;
    Table* fresh = Table::allocate(capacity);
    if (!fresh) return false;
    session.enter_reading();
    Table* place = find(root);
    bool published = false;
    if (place) {
        fresh->count_in(place->count);
        Table* none = nullptr;
        published = place->next.compare_exchange_strong(none, fresh, std::memory_order_seq_cst);
    }
    session.leave();
    if (!published) Table::deallocate(fresh);  // lost to another one, which does as well
    return true;
}

bool make_root(HashMap& map, Session& session, std::size_t capacity) {
    capacity = std::max(capacity, map.floor.load(std::memory_order_relaxed));
    LiveCount* count = LiveCount::allocate();
    Table* fresh = count ? Table::allocate(capacity) : nullptr;
    if (!fresh) {
        LiveCount::deallocate(count);
        return false;
    }
    fresh->count_in(count);
    session.enter_reading();
    Table* none = nullptr;
    const bool published = map.root.compare_exchange_strong(none, fresh, std::memory_order_seq_cst);
    if (published) map.note_root();
    session.leave();
    if (!published) {
        Table::deallocate(fresh);
        LiveCount::deallocate(count);
    }
    return true;
}

void keep_up(HashMap& map, Session& session, const Upkeep& upkeep) {
    if (upkeep.resize != 0) extend(map, session, upkeep.resize, Extension::advised, 0);
    empty_root(map, session, 1);
}

bool reserve(HashMap& map, std::size_t keys) {
    const std::size_t capacity = Table::capacity_for(keys);
    Session session(map);
    if (!session.ready()) return false;
    if (capacity == 0) {
        PyErr_NoMemory();
        return false;
    }
    for (;;) {
        session.enter_reading();
        Table* last = map.root.load(std::memory_order_seq_cst);
        while (last && last->next.load(std::memory_order_seq_cst))
            last = last->next.load(std::memory_order_seq_cst);
        const std::uint64_t serial = last ? last->serial : 0;
        const bool enough = last && last->capacity() >= capacity;
        session.leave();
        // Only when the memory has been had: until then, others ask for no more than they need.
        if (enough && raise(map.floor, capacity)) break;
        if (!enough && !(serial != 0 ? extend(map, session, serial, Extension::needed, capacity)
                                     : make_root(map, session, capacity))) {
            PyErr_NoMemory();
            return false;
        }
    }
    empty_root(map, session, INT_MAX);
    return true;
}

}  // namespace cereggii::atomicdict
