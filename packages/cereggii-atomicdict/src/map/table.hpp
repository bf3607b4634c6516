// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>

#include "map/key.hpp"
#include "map/live_count.hpp"
#include "map/order.hpp"
#include "map/zeroed_memory.hpp"

// What an AtomicDict is made of in memory.
//
//     HashMap ── root ─▶ Table ── next ─▶ Table ── next ─▶ …        a chain, of one table as a rule
//                        slots[]          slots[]
//                          └──▶ Node ◀──────┘
//
// A *table* is an array of slots with linear probing; the first slot on the path of a key is, of
// the cache line at the top bits of its hash, the one at the low bits. A *node* is a key and its
// value, and never moves: every table of the chain that has come to know the key points at the same
// node. So changing a value is one compare-and-swap on the node, whatever becomes of the tables
// meanwhile.
//
//     slot    fingerprint:13 │ away:2 │ 1:1 │ node:48, of which the low 3 bits are a state
//
//     EMPTY ──▶ NODE ──▶ TOMB                      EMPTY   the end of a path: its key may be put
//     here
//       │         │        ▲                        NODE    names a node
//       │         ▼        │                        TOMB    named one; never claimed again
//       │       MOVING ────┤  while its table       MOVING  a migrator inserts the node further on
//       ▼         │        │  is emptied            MOVED   it is there; this still names it
//     FROZEN    MOVED ─────┘                        FROZEN  was EMPTY; the path goes on in `next`
//
// A slot never becomes EMPTY again, so the end of its path is the only place where a key can be
// inserted, and a slot names at most one node in its life.
namespace cereggii::atomicdict {

// ── nodes ──────────────────────────────────────────────────────────────────────────────────────

// The value of a node: an owned reference, or an odd number once the node is dead. A dead node
// stays dead; whoever killed it sees to it that it leaves every table, and is retired.
struct Node {
    std::atomic<std::uint64_t> hash;  // once retired: the next item of a list
    std::uintptr_t key;               // owned; see own_hash_bit
    std::atomic<std::uintptr_t> value;

    static constexpr std::uintptr_t dead =
        1;  // once retired: with the reclaimer's fingerprint above it

    static bool is_dead(std::uintptr_t value) noexcept { return value & dead; }
    static PyObject* object(std::uintptr_t value) noexcept {
        return reinterpret_cast<PyObject*>(value);
    }

    // Outside of a pin: an allocator with hooks may do anything. Null: no memory.
    static Node* allocate() noexcept {
        void* memory = allocate_memory(sizeof(Node));
        if (reinterpret_cast<std::uintptr_t>(memory) >> 48) [[unlikely]] {
            free_memory(memory);  // a slot cannot hold the address
            return nullptr;
        }
        return memory ? new (memory) Node : nullptr;
    }
    static void deallocate(Node* node) noexcept { free_memory(node); }

private:
#ifdef CEREGGII_SANITIZED
    // Where sanitizers watch: they know nothing of the interpreter's own memory.
    static void* allocate_memory(std::size_t size) noexcept { return PyMem_RawMalloc(size); }
    static void free_memory(void* memory) noexcept { PyMem_RawFree(memory); }
#else
    static void* allocate_memory(std::size_t size) noexcept { return PyMem_Malloc(size); }
    static void free_memory(void* memory) noexcept { PyMem_Free(memory); }
#endif
};

static_assert(sizeof(void*) == 8, "a slot holds a 48-bit pointer and a 16-bit fingerprint");
static_assert(sizeof(Node) == 24);

// ── slots ──────────────────────────────────────────────────────────────────────────────────────

using Slot = std::uint64_t;

inline constexpr Slot slot_empty = 0;
inline constexpr Slot slot_frozen = 4;
inline constexpr Slot slot_tomb = 5;
inline constexpr Slot moving_bit = 1;
inline constexpr Slot moved_bit = 2;
inline constexpr Slot state_mask = 7;
inline constexpr Slot node_mask = 0x0000'FFFF'FFFF'FFF8;

// Of a slot that names a node: a fingerprint, which is ten bits of its hash and which of the
// neighbours it is; how many groups it is away from the one where its path begins, or 3 if that is
// more than two; and a bit that is always set, so that no other slot looks like it.
inline constexpr Slot named_bit = Slot{1} << 48;
inline constexpr int distance_at = 49, slot_in_group_at = 51, hash_at = 54;
inline constexpr Slot saturated = 3;
inline constexpr Slot hash_mask = ~Slot{0} << hash_at;
inline constexpr Slot fingerprint_mask = ~Slot{0} << slot_in_group_at | named_bit;

inline bool same_fingerprint(Slot slot, Slot fingerprint) noexcept {
    return ((slot ^ fingerprint) & fingerprint_mask) == 0;
}
inline Slot probe_distance(Slot slot) noexcept { return slot >> distance_at & saturated; }
inline bool names_node(Slot slot) noexcept { return (slot & node_mask) != 0; }
inline Node* node_of(Slot slot) noexcept {
    return reinterpret_cast<Node*>(static_cast<std::uintptr_t>(slot & node_mask));
}
// EMPTY or FROZEN: every path that has come this far ends here in this table.
inline bool ends_path(Slot slot) noexcept { return slot <= slot_frozen; }

[[gnu::always_inline]] inline void prefetch([[maybe_unused]] const void* address) noexcept {
#if defined(__GNUC__) || defined(__clang__)
    __builtin_prefetch(address);
    // GCC takes a function that does nothing else for one without effect, and drops its calls.
    asm volatile("");
#endif
}

// ── tables ─────────────────────────────────────────────────────────────────────────────────────

enum class ChunkState : std::uint8_t { free, claimed, done };

struct Table {
    // Read by every operation.
    std::uint32_t shift;             // 64 - log2 of the number of slots
    std::uint32_t fingerprint_skip;  // the bits of a hash before those in a fingerprint
    std::size_t mask;                // the number of slots - 1
    std::atomic<Table*> next{nullptr};
    LiveCount* count;             // shared by the tables of a chain
    std::uint64_t generation;     // names the table for ever, as its address does not
    std::int64_t limit;           // of slots in use, when a larger table is due
    std::int64_t deleted_before;  // of `count`, when the table was made

    // The migration out of this table.
    std::atomic<std::uint32_t> next_chunk{0};
    std::atomic<std::uint32_t> chunks_done{0};
    std::atomic<bool> chunk_was_returned{false};     // by a migrator that found no room
    std::atomic<std::uint64_t> deferred_unlinks{0};  // dead nodes, by whoever saw MOVING
    std::atomic<bool> has_homes{false};              // whether any key was ever at home here
    std::atomic<std::uint32_t> looks_in_vain{0};     // by those who went through all keys; a hint
    bool whole_chain = false;                        // once retired
    std::uint32_t chunk_count;

    void* memory;  // that was allocated

    // Once retired.
    Table* link = nullptr;
    std::uint64_t epoch_tag = 0;

    // A Bloom filter of each group, of one hash function: it has the bits of the keys at home there
    // that a slot was ever claimed for. Neighbours have the same bit. (Blocked, after Putze,
    // Sanders and Singler, Cache-, Hash- and Space-Efficient Bloom Filters, 2007.)
    using FilterBits = std::uint16_t;

    static constexpr std::size_t smallest = group_mask + 1;
    static constexpr std::uint32_t largest_shift = 64 - group_bits;
    static constexpr std::size_t small = 512;
    static constexpr std::size_t chunk_size = 256;
    static constexpr int chunk_group_bits = 5;  // log2 of the groups in a chunk

    std::size_t capacity() const noexcept { return mask + 1; }
    // log2 of the number of groups.
    int group_number_bits() const noexcept { return 64 - group_bits - static_cast<int>(shift); }
    // Whether so many slots are in use that a larger table is due. At most, as a rule: of the keys
    // that were alive when the table was made, some may be gone before they were moved here. (Dead
    // nodes whose deleter is asleep are moved, and not counted.)
    [[gnu::always_inline]] bool is_crowded() const noexcept {
        return count->inserted() - deleted_before > limit;
    }
    // The first slot of the cache line of a hash. In the order of the hashes.
    std::size_t group_begin(std::uint64_t hash) const noexcept {
        return static_cast<std::size_t>(hash >> shift & ~group_mask);
    }
    std::size_t home(std::uint64_t hash) const noexcept { return home(hash, shift); }
    std::atomic<Slot>& slot(std::size_t index) noexcept { return slots()[index]; }

    // The bits of a hash that come soon after those that are the group: they tell keys of one group
    // apart, and are the group in a table that is larger. Neighbours have different fingerprints.
    Slot fingerprint_of(std::uint64_t hash) const noexcept {
        return (hash << fingerprint_skip & hash_mask) | (hash & group_mask) << slot_in_group_at |
               named_bit;
    }
    // Of the hash of a node that is not far away from home: what the slot at this index tells,
    // which is enough to know its home in any table with such fingerprints.
    std::uint64_t known_hash(std::size_t index, Slot slot) const noexcept {
        const std::uint64_t group = (index >> group_bits) - probe_distance(slot);
        return group << shift << group_bits | (slot & hash_mask) >> fingerprint_skip |
               (slot >> slot_in_group_at & group_mask);
    }

    // Whoever goes through keys has looked at so many slots, and found so many keys. True: that has
    // cost as much as to go without the tombstones.
    bool note_looks(std::size_t looks, std::size_t found) noexcept {
        constexpr std::size_t enough_for_each = 16;
        if (looks <= (found + 1) * enough_for_each) return false;
        const auto vain = static_cast<std::uint32_t>(looks);
        if (looks_in_vain.fetch_add(vain, std::memory_order_relaxed) + looks < capacity())
            return false;
        looks_in_vain.store(0, std::memory_order_relaxed);
        return true;
    }

    // Fetches home(hash) and the filter's bits of a table at this address, with this shift: neither
    // need be true, or there be a table at all.
    [[gnu::always_inline]] static void prefetch_supposed(const Table* table, std::uint32_t shift,
                                                         std::uint64_t hash) noexcept {
        const auto slots = reinterpret_cast<std::uintptr_t>(table) + sizeof(Table);
        prefetch(reinterpret_cast<const void*>(slots + home(hash, shift) * sizeof(Slot)));
        const auto filter = slots + (sizeof(Slot) << (64 - shift));
        prefetch(reinterpret_cast<const void*>(filter +
                                               (hash >> shift >> group_bits) * sizeof(FilterBits)));
    }
    std::atomic<ChunkState>& chunk(std::size_t index) noexcept {
        return reinterpret_cast<std::atomic<ChunkState>*>(filter() + groups_of(capacity()))[index];
    }

    // Before a slot is claimed for a key with this hash.
    [[gnu::always_inline]] void insert_into_filter(std::uint64_t hash) noexcept {
        const std::size_t group = hash >> shift >> group_bits;
        std::atomic<FilterBits>& bits = filter()[group];
        const FilterBits bit = filter_bit(hash);
        const FilterBits seen = bits.load(std::memory_order_seq_cst);
        if ((seen & bit) != 0) return;
        // Before the group's first bit: a thread that finds a bit in the filter takes the group to
        // be marked, and inserts.
        if (seen == 0) mark_home(group);
        bits.fetch_or(bit, std::memory_order_seq_cst);
    }
    // The number of the bit that does it.
    std::uint64_t filter_bit_number(std::uint64_t hash) const noexcept {
        return hash >> (shift - 1);
    }
    // Whether no slot has ever been claimed for a key with this hash.
    [[gnu::always_inline]] bool rules_out(std::uint64_t hash) noexcept {
        const std::atomic<FilterBits>& bits = filter()[hash >> shift >> group_bits];
        return (bits.load(std::memory_order_seq_cst) & filter_bit(hash)) == 0;
    }

    // ── where keys are at home ─────────────────────────────────────────────────────────────────
    //
    // The order of iteration visits groups by their *position*: the bits of the group's number in
    // reverse (see order.hpp). One bit for each chunk says whether any group in it was ever the
    // home of a key, so that a nearly empty table costs what is in it. The bits are in the order of
    // positions: the 32 groups at positions 32 g to 32 g + 31 are in different chunks, whose bits
    // are one word of the bitmap.

    static constexpr std::uint64_t homes_per_word = 32;

    // Whether the group at this position may be the home of a key. False: no key at home there was
    // in this table before the call.
    bool may_be_home(std::uint64_t position) const noexcept {
        const std::uint64_t bit = position & (chunk_count - 1);
        return homes()[bit / homes_per_word].load(std::memory_order_seq_cst) >>
                   (bit % homes_per_word) &
               1;
    }
    // The same for a bundle of positions (order.hpp) from a multiple of its size on.
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
    // The group where the path of a key begins whose node this slot names. Wrong if the node is
    // retired meanwhile.
    std::size_t home_group(std::size_t index, Slot slot) const noexcept {
        const std::size_t groups = capacity() >> group_bits;
        if (const Slot away = probe_distance(slot); away != saturated) [[likely]]
            return ((index >> group_bits) - away) & (groups - 1);
        return node_of(slot)->hash.load(std::memory_order_relaxed) >> shift >> group_bits;
    }

    static std::int64_t limit_of(std::size_t capacity) noexcept {
        return static_cast<std::int64_t>(capacity - capacity * 3 / 16);
    }

    // The smallest capacity for this many keys without growing; 0 if there is none.
    static std::size_t capacity_for(std::size_t keys) noexcept {
        std::size_t capacity = smallest;
        while (static_cast<std::size_t>(limit_of(capacity)) < keys) {
            if (capacity > largest / 2) return 0;
            capacity *= 2;
        }
        return capacity;
    }

    // The capacity to move this many keys to: seven sixteenths full at most, so that a table
    // of which thirteen sixteenths are in use becomes twice as large, and one full of tombstones
    // stays as it is.
    static std::size_t roomy_capacity_for(std::int64_t keys) noexcept {
        std::size_t capacity = smallest;
        while (static_cast<std::int64_t>(capacity * 7 / 16) < keys && capacity <= largest / 2)
            capacity *= 2;
        return capacity;
    }

    static std::size_t size_of(std::size_t capacity) noexcept {
        return padding_of(capacity) + sizeof(Table) + homes_at(capacity) +
               home_words_of(capacity) * sizeof(std::uint32_t);
    }

    // Outside of a pin. Null: no memory.
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

    // Before it is published.
    void count_in(LiveCount* chain_count) noexcept {
        count = chain_count;
        deleted_before = chain_count->deleted();
    }
    static void deallocate(Table* table) noexcept {
        if (table) free_zeroed(table->memory, size_of(table->capacity()));
    }

private:
    // Of those that are the group, all but up to five, and the same for six sizes of tables: a key
    // that moves from one of them to another keeps its fingerprint.
    static std::uint32_t fingerprint_skip_of(std::size_t capacity) noexcept {
        const auto group_number_bits =
            static_cast<std::uint32_t>(std::countr_zero(capacity / smallest));
        return group_number_bits < 1 ? 0 : (group_number_bits - 1) / 6 * 6 + 1;
    }

    static std::size_t home(std::uint64_t hash, std::uint32_t shift) noexcept {
        return static_cast<std::size_t>((hash >> shift & ~group_mask) | (hash & group_mask));
    }

    static constexpr std::size_t largest = std::size_t{1} << 39;

    // Neighbours are on one cache line, but in small tables, which are a few groups in all.
    static constexpr std::size_t group_bytes = (group_mask + 1) * sizeof(Slot);
    static std::size_t padding_of(std::size_t capacity) noexcept {
        return capacity * sizeof(Slot) > 16 * group_bytes ? group_bytes - 1 : 0;
    }

    FilterBits filter_bit(std::uint64_t hash) const noexcept {
        // The bits of the hash after those that are the group.
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
    // Behind slots, filter and the states of chunks.
    static std::size_t homes_at(std::size_t capacity) noexcept {
        const std::size_t end = capacity * sizeof(Slot) + groups_of(capacity) * sizeof(FilterBits) +
                                chunks_of(capacity);
        return (end + sizeof(std::uint32_t) - 1) & ~(sizeof(std::uint32_t) - 1);
    }
    const std::atomic<std::uint32_t>* homes() const noexcept {
        const auto* begin = reinterpret_cast<const char*>(this + 1);
        return reinterpret_cast<const std::atomic<std::uint32_t>*>(begin + homes_at(capacity()));
    }
    [[gnu::noinline]] void mark_home(std::size_t group) noexcept {
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
