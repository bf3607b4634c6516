// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>

#include "hashing.hpp"
#include "live_count.hpp"

// What an AtomicDict is made of in memory.
//
//     HashMap ── root ─▶ Table ── next ─▶ Table ── next ─▶ …        a chain, of one table as a rule
//                        words[]          words[]
//                          └──▶ Node ◀──────┘
//
// A *table* is an array of words with linear probing; the first word on the path of a key is, of
// the cache line at the top bits of its hash, the one at the low bits. A *node* is a key and its
// value, and never moves: every table of the chain that has come to know the key points at the same
// node. So changing a value is one compare-and-swap on the node, whatever becomes of the tables
// meanwhile.
//
//     word    tag:16 │ node:48, of which the low 3 bits are a state
//
//     EMPTY ──▶ NODE ──▶ TOMB                      EMPTY   the end of a path: its key may be put
//     here
//       │         │        ▲                        NODE    names a node
//       │         ▼        │                        TOMB    named one; never claimed again
//       │       MOVING ────┤  while its table       MOVING  a mover inserts the node further on
//       ▼         │        │  is emptied            MOVED   it is there; this still names it
//     FROZEN    MOVED ─────┘                        FROZEN  was EMPTY; the path goes on in `next`
//
// A word never becomes EMPTY again, so the end of its path is the only place where a key can be
// inserted, and a word names at most one node in its life.
namespace cereggii::atomicdict {

// ── nodes ──────────────────────────────────────────────────────────────────────────────────────

// The value of a node: an owned reference, or an odd number once the node is dead. A dead node
// stays dead; whoever killed it sees to it that it leaves every table, and is retired.
struct Node {
    std::atomic<std::uint64_t> hash;  // once retired: the next item of a list
    std::uintptr_t key;               // owned; see own_hash_bit
    std::atomic<std::uintptr_t> value;

    static constexpr std::uintptr_t dead = 1;  // once retired: with the reclaimer's tag above it

    static bool is_dead(std::uintptr_t value) noexcept { return value & dead; }
    static PyObject* object(std::uintptr_t value) noexcept {
        return reinterpret_cast<PyObject*>(value);
    }

    // Outside of a pin: an allocator with hooks may do anything. Null: no memory.
    static Node* allocate() noexcept {
        void* memory = allocate_memory(sizeof(Node));
        if (reinterpret_cast<std::uintptr_t>(memory) >> 48) [[unlikely]] {
            free_memory(memory);  // a word cannot hold the address
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

static_assert(sizeof(void*) == 8, "a word holds a 48-bit pointer and a 16-bit tag");
static_assert(sizeof(Node) == 24);

// ── words ──────────────────────────────────────────────────────────────────────────────────────

using Word = std::uint64_t;

inline constexpr Word word_empty = 0;
inline constexpr Word word_frozen = 4;
inline constexpr Word word_tomb = 5;
inline constexpr Word moving_bit = 1;
inline constexpr Word moved_bit = 2;
inline constexpr Word state_mask = 7;
inline constexpr Word node_mask = 0x0000'FFFF'FFFF'FFF8;

// The tag of a word that names a node is odd, so it is nobody else's. Neighbours have different
// ones.
inline Word tag_of(std::uint64_t hash) noexcept {
    return (hash ^ hash >> 24) << 49 | Word{1} << 48;
}
inline bool same_tag(Word word, Word tag) noexcept { return (word ^ tag) >> 48 == 0; }
inline Word word_of(const Node* node, std::uint64_t hash) noexcept {
    return tag_of(hash) | reinterpret_cast<std::uintptr_t>(node);
}
inline bool names_node(Word word) noexcept { return (word & node_mask) != 0; }
inline Node* node_of(Word word) noexcept {
    return reinterpret_cast<Node*>(static_cast<std::uintptr_t>(word & node_mask));
}
// EMPTY or FROZEN: every path that has come this far ends here in this table.
inline bool ends_path(Word word) noexcept { return word <= word_frozen; }

inline void prefetch([[maybe_unused]] const void* address) noexcept {
#if defined(__GNUC__) || defined(__clang__)
    __builtin_prefetch(address);
#endif
}

// Every operation on a large table is at a random place in it: in pages of the usual size, a miss
// of the TLB each. Advice, before the memory is touched first; it is all used soon.
inline void prefer_huge_pages([[maybe_unused]] void* memory,
                              [[maybe_unused]] std::size_t size) noexcept {
#ifdef MADV_HUGEPAGE
    constexpr std::uintptr_t huge = std::uintptr_t{1} << 21;
    const auto address = reinterpret_cast<std::uintptr_t>(memory);
    const std::uintptr_t begin = (address + huge - 1) & ~(huge - 1);
    const std::uintptr_t end = (address + size) & ~(huge - 1);
    if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#endif
}

// ── tables ─────────────────────────────────────────────────────────────────────────────────────

enum class ChunkState : std::uint8_t { free, claimed, done };

struct Table {
    // Read by every operation.
    std::uint32_t shift;  // 64 - log2 of the number of words
    std::size_t mask;     // the number of words - 1
    std::atomic<Table*> next{nullptr};
    LiveCount* count;             // shared by the tables of a chain
    std::uint64_t serial;         // names the table for ever, as its address does not
    std::int64_t limit;           // of words in use, when a larger table is due
    std::int64_t deleted_before;  // of `count`, when the table was made

    // The migration out of this table.
    std::atomic<std::uint32_t> next_chunk{0};
    std::atomic<std::uint32_t> chunks_done{0};
    std::atomic<bool> chunk_was_returned{false};  // by a mover that found no room
    bool whole_chain = false;                     // once retired
    std::uint32_t chunk_count;

    void* memory;  // that was allocated

    // Once retired.
    Table* link = nullptr;
    std::uint64_t tag = 0;

    static constexpr std::size_t smallest = neighbour_mask + 1;
    static constexpr std::size_t small = 512;
    static constexpr std::size_t chunk_size = 256;

    std::size_t capacity() const noexcept { return mask + 1; }
    // Whether so many words are in use that a larger table is due. At most: of the keys that were
    // alive when the table was made, some may be gone before they were moved here.
    bool is_crowded() const noexcept { return count->inserted() - deleted_before > limit; }
    // The first word of the cache line of a hash. In the order of the hashes.
    std::size_t line(std::uint64_t hash) const noexcept {
        return static_cast<std::size_t>(hash >> shift & ~neighbour_mask);
    }
    std::size_t home(std::uint64_t hash) const noexcept { return home(hash, shift); }
    std::atomic<Word>& word(std::size_t index) noexcept { return words()[index]; }

    // Where home(hash) is in a table at this address, with this shift: neither need be true, or
    // there be a table at all. Only to be fetched ahead.
    static const void* supposed_home(const Table* table, std::uint32_t shift,
                                     std::uint64_t hash) noexcept {
        return reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(table) +
                                             sizeof(Table) + home(hash, shift) * sizeof(Word));
    }
    std::atomic<ChunkState>& chunk(std::size_t index) noexcept {
        return reinterpret_cast<std::atomic<ChunkState>*>(words() + capacity())[index];
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
        return padding_of(capacity) + sizeof(Table) + capacity * sizeof(Word) + chunks_of(capacity);
    }

    // Outside of a pin. Null: no memory.
    static Table* allocate(std::size_t capacity) noexcept {
        if (capacity == 0 || capacity > largest) return nullptr;
        void* memory = PyMem_RawCalloc(1, size_of(capacity));
        if (!memory) return nullptr;
        prefer_huge_pages(memory, size_of(capacity));
        auto address = reinterpret_cast<std::uintptr_t>(memory);
        if (const std::size_t padding = padding_of(capacity))
            address = ((address + sizeof(Table) + padding) & -line_size) - sizeof(Table);
        static std::atomic<std::uint64_t> serials{1};  // 0 is none
        auto* table = new (reinterpret_cast<void*>(address)) Table;
        table->memory = memory;
        table->shift = 64 - static_cast<std::uint32_t>(std::countr_zero(capacity));
        table->mask = capacity - 1;
        table->serial = serials.fetch_add(1, std::memory_order_relaxed);
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
        if (table) PyMem_RawFree(table->memory);
    }

private:
    static std::size_t home(std::uint64_t hash, std::uint32_t shift) noexcept {
        return static_cast<std::size_t>((hash >> shift & ~neighbour_mask) |
                                        (hash & neighbour_mask));
    }

    static constexpr std::size_t largest = std::size_t{1} << 39;

    // Neighbours are on one cache line, but in small tables, which are a few lines in all.
    static constexpr std::size_t line_size = (neighbour_mask + 1) * sizeof(Word);
    static std::size_t padding_of(std::size_t capacity) noexcept {
        return capacity * sizeof(Word) > 16 * line_size ? line_size - 1 : 0;
    }

    static std::size_t chunks_of(std::size_t capacity) noexcept {
        return std::max<std::size_t>(1, capacity / chunk_size);
    }
    std::atomic<Word>* words() noexcept { return reinterpret_cast<std::atomic<Word>*>(this + 1); }
};

static_assert(sizeof(Table) % alignof(Word) == 0);

}  // namespace cereggii::atomicdict
