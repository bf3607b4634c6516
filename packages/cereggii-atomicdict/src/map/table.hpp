// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>

#include "cereggii/atomics/compiler.hpp"
#include "map/key.hpp"
#include "map/live_count.hpp"
#include "map/node.hpp"
#include "map/order.hpp"
#include "map/slot.hpp"
#include "map/tuning.hpp"
#include "map/zeroed_memory.hpp"

// A table is an array of slots with linear probing. The tables of a map are a chain, which is one
// table long as a rule, and longer while the keys move to a table of another size:
//
//     HashMap ── root ─▶ Table ── next ─▶ Table ── next ─▶ …
//                        slots[]          slots[]
//                          └──▶ Node ◀──────┘
//
// All tables name the same nodes, so to change a value is one compare-and-swap on the node,
// whichever tables come and go meanwhile. slot.hpp has the states of a slot, node.hpp those of a
// node, and migration.cpp the protocol that empties a table into the next one.
//
// A *group* is 8 slots: a cache line, except in small tables, where a group may be on two. A key's
// home slot: the top bits of its hash choose the group, the low three bits the slot in it. Keys
// whose hashes differ in the low three bits only are at home in one group, in every table. A key's
// *path* is its home slot and those after it, around the end of the table, up to the first slot
// that is EMPTY or FROZEN. An EMPTY slot ends the path: the key is in no table. At a FROZEN one, or
// after all slots of a full table, the path goes on in the next table.
//
// In memory, in one piece:
//
//     Table │ slots: 8 bytes each │ filter: 2 for each group │ chunks: 1 byte each │ homes: bits
//
// Invariants:
//   - `next` is set once. A table without a next one is the last of the chain.
//   - The bit of a key is in the filter of a table before a slot of the table names its node, and a
//     filter's bits are never cleared.
//   - The bit of a group's chunk is in `homes`, and `has_homes` is true, before the group's filter
//     has its first bit.
namespace cereggii::atomicdict {

// A chunk of the root: no thread has it, a migrator empties it, or it is empty and stays so.
enum class ChunkState : std::uint8_t { free, claimed, done };

struct Table {
    // ── read by every operation ────────────────────────────────────────────────────────────────

    // 64 minus the binary logarithm of the number of slots.
    std::uint32_t shift;
    // The bits at the top of a hash that come before those in a fingerprint.
    std::uint32_t fingerprint_skip;
    // The number of slots minus one.
    std::size_t mask;
    // The next table of the chain. Null: this is the last one.
    std::atomic<Table*> next{nullptr};
    // The number of keys. All tables of a chain share it.
    LiveCount* count;
    // A number that names this table forever. An address does not: it may be used again.
    std::uint64_t generation;
    // A larger table is due when more slots than this are in use.
    std::int64_t limit;
    // What count->deleted() was when this table was made.
    std::int64_t deleted_before;

    // ── the migration out of this table ────────────────────────────────────────────────────────

    // The first chunk that no migrator has tried to claim.
    std::atomic<std::uint32_t> next_chunk{0};
    // The number of chunks in state ChunkState::done.
    std::atomic<std::uint32_t> chunks_done{0};
    // A migrator has found no room for a chunk, and has given it back.
    std::atomic<bool> chunk_was_returned{false};
    // How often an unlink saw MOVING, and left the dead node to the migrator of that slot.
    std::atomic<std::uint64_t> deferred_unlinks{0};
    // Some key was ever at home in this table.
    std::atomic<bool> has_homes{false};
    // The slots that searches through all keys have looked at in vain. A hint, so it may lose some.
    std::atomic<std::uint32_t> looks_in_vain{0};
    // Valid when the table is retired: it is retired with its chain and the nodes in it.
    bool whole_chain = false;
    std::uint32_t chunk_count;

    // The address that the allocator returned. The table may begin later, to be aligned.
    void* memory;
    // When the table is retired: the link to the next retired item.
    std::uintptr_t link = 0;

    // ───────────────────────────────────────────────────────────────────────────────────────────

    // A Bloom filter of a group, with one hash function: the bits of all keys at home there that a
    // slot was ever claimed for. Keys that are at home in one group in tables of all sizes have the
    // same bit. (Blocked, after Putze, Sanders and Singler, Cache-, Hash- and Space-Efficient Bloom
    // Filters, 2007.)
    using FilterBits = std::uint16_t;

    static constexpr std::size_t smallest = group_mask + 1;
    static constexpr std::uint32_t largest_shift = 64 - group_bits;
    static constexpr std::size_t small = tuning::small_table_slots;
    static constexpr std::size_t chunk_size = tuning::slots_per_chunk;
    // The binary logarithm of the number of groups in a chunk.
    static constexpr int chunk_group_bits = std::countr_zero(chunk_size / smallest);

    std::size_t capacity() const noexcept { return mask + 1; }
    // The binary logarithm of the number of groups.
    int group_number_bits() const noexcept { return 64 - group_bits - static_cast<int>(shift); }
    // Whether so many slots are in use that a larger table is due. The number is an upper bound, as
    // a rule: some of the keys that were alive when the table was made may be gone before they were
    // moved here. (Dead nodes whose deleter is asleep are moved, and not counted.)
    CEREGGII_ALWAYS_INLINE bool is_crowded() const noexcept {
        return count->inserted() - deleted_before > limit;
    }

    // ── where a key is ─────────────────────────────────────────────────────────────────────────

    // The first slot of the home group of a hash. It grows with the hash.
    std::size_t group_begin(std::uint64_t hash) const noexcept {
        return static_cast<std::size_t>(hash >> shift & ~group_mask);
    }
    // The home slot of a hash, in this table and in one with this shift.
    std::size_t home(std::uint64_t hash) const noexcept { return home(hash, shift); }
    static std::size_t home(std::uint64_t hash, std::uint32_t shift) noexcept {
        return static_cast<std::size_t>((hash >> shift & ~group_mask) | (hash & group_mask));
    }
    std::atomic<Slot>& slot(std::size_t index) noexcept { return slots()[index]; }

    // The fingerprint of a hash: its low three bits, which choose the slot in the group, and ten
    // bits that come soon after those that choose the group. These tell the keys of one group
    // apart, and choose the group in a larger table. Different keys of one group that differ in the
    // low three bits have different fingerprints.
    Slot fingerprint_of(std::uint64_t hash) const noexcept {
        return (hash << fingerprint_skip & fingerprint_hash_mask) |
               (hash & group_mask) << home_in_group_shift | named_bit;
    }
    // What the slot at this index tells of its node's hash, if its probe distance is not saturated.
    // It is enough to find the home in each table with the same fingerprint_skip.
    std::uint64_t known_hash(std::size_t index, Slot slot) const noexcept {
        const std::uint64_t group = (index >> group_bits) - probe_distance(slot);
        return group << shift << group_bits | (slot & fingerprint_hash_mask) >> fingerprint_skip |
               (slot >> home_in_group_shift & group_mask);
    }
    // The home group of the key whose node this slot names. Wrong if the node is retired meanwhile.
    std::size_t home_group(std::size_t index, Slot slot) const noexcept {
        const std::size_t groups = capacity() >> group_bits;
        if (const Slot distance = probe_distance(slot); distance != saturated) [[likely]]
            return ((index >> group_bits) - distance) & (groups - 1);
        // Relaxed: the node was complete before a slot named it.
        return node_of(slot)->hash.load(std::memory_order_relaxed) >> shift >> group_bits;
    }

    // A search through all keys has looked at so many slots, and found so many keys. True: searches
    // in vain have cost as much as a table without the tombstones would.
    bool note_looks(std::size_t looks, std::size_t found) noexcept {
        if (looks <= (found + 1) * tuning::looks_for_each_key) return false;
        const auto vain = static_cast<std::uint32_t>(looks);
        // Relaxed: only a hint.
        if (looks_in_vain.fetch_add(vain, std::memory_order_relaxed) + looks < capacity())
            return false;
        looks_in_vain.store(0, std::memory_order_relaxed);
        return true;
    }

    std::atomic<ChunkState>& chunk(std::size_t index) noexcept {
        return reinterpret_cast<std::atomic<ChunkState>*>(filter() + groups_of(capacity()))[index];
    }

    // ── the filter ─────────────────────────────────────────────────────────────────────────────

    // To be called before a slot is claimed for a key with this hash.
    CEREGGII_ALWAYS_INLINE void insert_into_filter(std::uint64_t hash) noexcept {
        const std::size_t group = hash >> shift >> group_bits;
        std::atomic<FilterBits>& bits = filter()[group];
        const FilterBits bit = filter_bit(hash);
        const FilterBits seen = bits.load(std::memory_order_seq_cst);
        if ((seen & bit) != 0) return;
        // Before the group's first bit: a thread that finds a bit in the filter relies on the
        // group's being marked, and inserts.
        if (seen == 0) mark_home(group);
        bits.fetch_or(bit, std::memory_order_seq_cst);
    }
    // Two hashes have the same number if and only if they have the same bit in the same filter.
    std::uint64_t filter_bit_number(std::uint64_t hash) const noexcept {
        return hash >> (shift - 1);
    }
    // True: no slot of this table has ever been claimed for a key with this hash.
    CEREGGII_ALWAYS_INLINE bool rules_out(std::uint64_t hash) noexcept {
        const std::atomic<FilterBits>& bits = filter()[hash >> shift >> group_bits];
        return (bits.load(std::memory_order_seq_cst) & filter_bit(hash)) == 0;
    }

    // ── where keys are at home ─────────────────────────────────────────────────────────────────
    //
    // The order of iteration visits groups by their *position*: the bits of the group's number in
    // reverse (order.hpp). One bit for each chunk says whether any group in it was ever the home of
    // a key, so to go through a nearly empty table costs what is in it. The bits are in the order
    // of positions: the 32 groups at positions 32 g to 32 g + 31 are in different chunks, whose
    // bits are one word of the bitmap.

    static constexpr std::uint64_t homes_per_word = 32;

    // Whether the group at this position may be the home of a key. False: before the call no key at
    // home there was in this table.
    bool may_be_home(std::uint64_t position) const noexcept {
        const std::uint64_t bit = position & (chunk_count - 1);
        return homes()[bit / homes_per_word].load(std::memory_order_seq_cst) >>
                   (bit % homes_per_word) &
               1;
    }
    // The same for a bundle (order.hpp). `position` is its first one, a multiple of bundle_size.
    bool may_be_homes(std::uint64_t position) const noexcept {
        static_assert(homes_per_word % bundle_size == 0);
        constexpr std::uint32_t of_bundle = (std::uint64_t{1} << bundle_size) - 1;
        const std::uint64_t bit = position & (chunk_count - 1);
        return (homes()[bit / homes_per_word].load(std::memory_order_seq_cst) >>
                    (bit % homes_per_word) &
                of_bundle) != 0;
    }
    // Whether a chunk can have slots that are not EMPTY: some group in it is a home, or a path
    // leads into it from the chunk before.
    bool may_be_in_use(std::size_t chunk_number) const noexcept {
        if (may_be_home(reversed(chunk_number, chunk_bits()))) return true;
        const std::size_t before = (chunk_number * chunk_size - 1) & mask;
        return !ends_path(slots()[before].load(std::memory_order_seq_cst));
    }
    // ── capacities ─────────────────────────────────────────────────────────────────────────────

    static std::int64_t limit_of(std::size_t capacity) noexcept {
        return static_cast<std::int64_t>(capacity -
                                         capacity * (16 - tuning::crowded_sixteenths) / 16);
    }

    // The smallest capacity with room for this many keys without growing. 0: there is none.
    static std::size_t capacity_for(std::size_t keys) noexcept {
        std::size_t capacity = smallest;
        while (static_cast<std::size_t>(limit_of(capacity)) < keys) {
            if (capacity > largest / 2) return 0;
            capacity *= 2;
        }
        return capacity;
    }

    // The capacity to move this many keys to. The next table is seven sixteenths full at most, so a
    // table of which thirteen sixteenths are in use becomes twice as large, and one that is full of
    // tombstones keeps its size.
    static std::size_t roomy_capacity_for(std::int64_t keys) noexcept {
        std::size_t capacity = smallest;
        while (static_cast<std::int64_t>(capacity * tuning::roomy_sixteenths / 16) < keys &&
               capacity <= largest / 2)
            capacity *= 2;
        return capacity;
    }

    static std::size_t size_of(std::size_t capacity) noexcept {
        return padding_of(capacity) + sizeof(Table) + homes_at(capacity) +
               home_words_of(capacity) * sizeof(std::uint32_t);
    }

    // Not while pinned. Null: no memory, or the capacity is 0 or too large.
    static Table* allocate(std::size_t capacity) noexcept {
        if (capacity == 0 || capacity > largest) return nullptr;
        void* memory = allocate_zeroed(size_of(capacity));
        if (!memory) return nullptr;
        auto address = reinterpret_cast<std::uintptr_t>(memory);
        if (const std::size_t padding = padding_of(capacity))
            address = ((address + sizeof(Table) + padding) & -group_bytes) - sizeof(Table);
        static std::atomic<std::uint64_t> generations{1};  // 0 is none
        auto* table = new (reinterpret_cast<void*>(address)) Table;
        table->memory = memory;
        table->shift = 64 - static_cast<std::uint32_t>(std::countr_zero(capacity));
        table->fingerprint_skip = fingerprint_skip_of(capacity);
        table->mask = capacity - 1;
        table->generation = generations.fetch_add(1, std::memory_order_relaxed);
        table->limit = limit_of(capacity);
        table->chunk_count = static_cast<std::uint32_t>(chunks_of(capacity));
        return table;
    }

    // Makes the table count in this counter. To be called before the table is published.
    void count_in(LiveCount* chain_count) noexcept {
        count = chain_count;
        deleted_before = chain_count->deleted();
    }
    static void deallocate(Table* table) noexcept {
        if (table) free_zeroed(table->memory, size_of(table->capacity()));
    }

private:
    // All bits of the group's number but up to five, and the same for six sizes of tables: a key
    // that moves from one of them to another keeps its fingerprint.
    static std::uint32_t fingerprint_skip_of(std::size_t capacity) noexcept {
        const auto group_number_bits =
            static_cast<std::uint32_t>(std::countr_zero(capacity / smallest));
        return group_number_bits < 1 ? 0 : (group_number_bits - 1) / 6 * 6 + 1;
    }

    static constexpr std::size_t largest = std::size_t{1} << 39;

    // A group is one cache line, except in small tables.
    static constexpr std::size_t group_bytes = (group_mask + 1) * sizeof(Slot);
    static std::size_t padding_of(std::size_t capacity) noexcept {
        return capacity * sizeof(Slot) > tuning::groups_without_alignment * group_bytes
                   ? group_bytes - 1
                   : 0;
    }

    FilterBits filter_bit(std::uint64_t hash) const noexcept {
        // Chosen by the bits of the hash that come after those that choose the group.
        return static_cast<FilterBits>(1u << (hash >> (shift - 1) & 15));
    }
    static std::size_t groups_of(std::size_t capacity) noexcept { return capacity / smallest; }
    std::atomic<FilterBits>* filter() noexcept {
        return reinterpret_cast<std::atomic<FilterBits>*>(slots() + capacity());
    }

    static std::size_t chunks_of(std::size_t capacity) noexcept {
        return std::max<std::size_t>(1, capacity / chunk_size);
    }
    std::atomic<Slot>* slots() noexcept { return reinterpret_cast<std::atomic<Slot>*>(this + 1); }
    const std::atomic<Slot>* slots() const noexcept {
        return reinterpret_cast<const std::atomic<Slot>*>(this + 1);
    }

    int chunk_bits() const noexcept { return std::countr_zero(chunk_count); }
    static std::size_t home_words_of(std::size_t capacity) noexcept {
        return (chunks_of(capacity) + homes_per_word - 1) / homes_per_word;
    }
    // The offset of `homes`, after slots, filter and the states of chunks.
    static std::size_t homes_at(std::size_t capacity) noexcept {
        const std::size_t end = capacity * sizeof(Slot) + groups_of(capacity) * sizeof(FilterBits) +
                                chunks_of(capacity);
        return (end + sizeof(std::uint32_t) - 1) & ~(sizeof(std::uint32_t) - 1);
    }
    const std::atomic<std::uint32_t>* homes() const noexcept {
        const auto* begin = reinterpret_cast<const char*>(this + 1);
        return reinterpret_cast<const std::atomic<std::uint32_t>*>(begin + homes_at(capacity()));
    }
    // Notes that a group is the home of a key. Writes only what changes, since other threads read
    // it.
    CEREGGII_NEVER_INLINE void mark_home(std::size_t group) noexcept {
        if (!has_homes.load(std::memory_order_seq_cst))
            has_homes.store(true, std::memory_order_seq_cst);
        const std::uint64_t bit = reversed(group >> chunk_group_bits, chunk_bits());
        auto& word = const_cast<std::atomic<std::uint32_t>&>(homes()[bit / homes_per_word]);
        const std::uint32_t mask_of_bit = std::uint32_t{1} << (bit % homes_per_word);
        if ((word.load(std::memory_order_seq_cst) & mask_of_bit) == 0)
            word.fetch_or(mask_of_bit, std::memory_order_seq_cst);
    }
};

static_assert(sizeof(Table) % alignof(Slot) == 0);

}  // namespace cereggii::atomicdict
