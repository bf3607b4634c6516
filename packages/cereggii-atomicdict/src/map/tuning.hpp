// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

// The constants of all heuristics of the map. The map is correct whatever they are: they decide how
// fast it is, how much memory it takes, and how long others wait. What belongs to the protocol or
// to a layout (bits of a slot, states, the longest chain) is where it is used.
//
// "RESULTS" is benchmarks/RESULTS.md, and "architecture" is docs/architecture.md. A constant that
// was chosen without a comparison of values says "not measured alone".
namespace cereggii::atomicdict::tuning {

// ── the size of tables ─────────────────────────────────────────────────────────────────────────

// A table is crowded when this many sixteenths of its slots are in use. More saves memory, and
// makes paths longer. With 13, a key that is one of consecutive ints is 1.4 slots behind its home
// on average in a table that is about to grow (architecture, "Where a key is"), and an entry takes
// at most 56 bytes (tests/test_memory.py). Not measured alone.
inline constexpr std::size_t crowded_sixteenths = 13;

// The next table is at most this many sixteenths full. It is more than half of
// `crowded_sixteenths`, so a crowded table becomes twice as large, not four times; and it leaves a
// table that is full of tombstones at its size. Not measured alone.
inline constexpr std::size_t roomy_sixteenths = 7;

// A small table has at most this many slots. If the next table of a crowded one would be small, it
// is made twice as large again: that costs little memory and saves a growth. A small table is not
// cleared of tombstones, since to go through it is cheap. Not measured alone.
inline constexpr std::size_t small_table_slots = 512;

// A table shrinks when fewer than one in so many of its slots has a live key. It is far from
// `roomy_sixteenths`, so that a map whose length goes up and down does not grow and shrink each
// time. Not measured alone.
inline constexpr std::size_t shrink_below_one_in = 8;

// A table with more than this many groups begins each group on a cache line, which takes up to 63
// bytes more. A smaller one is a few cache lines in all, and stays in the cache. Not measured
// alone.
inline constexpr std::size_t groups_without_alignment = 16;

// ── clearing out tombstones ────────────────────────────────────────────────────────────────────

// A table that is nearly empty but must not shrink is cleared of tombstones when they are one in so
// many of its slots: to empty it costs about as much as it did to make them. Not measured alone.
inline constexpr std::size_t tombstones_one_in = 2;

// A search through all keys is in vain if it looks at more than this many slots for each key that
// it finds: twice as many as in a table that is just not shrunk, so tombstones are the reason. Not
// measured alone.
inline constexpr std::size_t looks_for_each_key = 16;

// After as many looks in vain as a table has slots, the table is cleared if one in so many slots is
// a tombstone: the search has cost as much as the clearing will. Not measured alone.
inline constexpr std::size_t tombstones_one_in_after_looks = 64;

// update() with at most so many keys does not look how large the table is: to make room for them
// all at once saves less than to take the length costs. Not measured alone.
inline constexpr std::size_t keys_without_preparation = 8;

// ── migration ──────────────────────────────────────────────────────────────────────────────────

// The slots that a migrator empties under one pin, with one fence for all of them. A larger chunk
// needs fewer atomic steps for each key; a smaller one keeps the writer that helps, and a thread
// that waits for its pin, for a shorter time. (A bit for each chunk says whether it was ever used.)
// Each key is moved 1.7 times while a dict grows to 10^4 to 2 * 10^5 keys, at nine nanoseconds
// (RESULTS, "Dicts"). Not measured alone.
inline constexpr std::size_t slots_per_chunk = 256;

// A migrator prefetches the destination of a node that has to be asked for its hash so many nodes
// before it moves it. Not measured alone.
inline constexpr std::size_t moved_nodes_ahead = 16;

// ── prefetching ────────────────────────────────────────────────────────────────────────────────

// The lookups of batch_getitem() and reduce() whose slots, nodes and values are fetched at the same
// time. More hide more of the memory's latency until the processor's buffers are full, and take
// stack. RESULTS, "Aggregation and bulk lookups": `dict batch_getitem()` 107.5 ns, `dict loop of []
// over a batch` 614.9 ns.
inline constexpr std::size_t lookups_together = 64;

// A batch_getitem() with a larger chunk_size has so many lookups under one pin at most. More would
// hold up a thread that waits for the pin to end. Not measured alone.
inline constexpr std::size_t lookups_per_pin = 1024;

// The slots, from its home on, in which a lookup that is fetched ahead looks for its node. Nearly
// all keys are that near; the others are found by the lookup itself. Not measured alone.
inline constexpr int slots_searched_ahead = 8;

// In a loop over the nodes of a table in its own order: a node is fetched `far` slots ahead, and
// its key and value are fetched `near` slots ahead, when the node has arrived. RESULTS, "Whole
// dicts": `copy()` of 10^6 ints takes 55 ns a key with it, and 92 without.
inline constexpr std::size_t table_near = 16, table_far = 40;

// The same in the order of iteration, in groups: first the group, then its nodes, then their keys
// and values. RESULTS, "Whole dicts": `snapshot()` takes 220 ns a key with it, and 264 without.
inline constexpr std::size_t groups_ahead = 32, group_nodes_ahead = 16, group_objects_ahead = 8;

// A snapshot fetches a key so many items before the builtin dict asks it for its hash. RESULTS,
// "Whole dicts": `snapshot()` of 10^6 strings takes 321 ns a key with it, and 386 without.
inline constexpr std::size_t snapshot_keys_ahead = 8;

// update() from another AtomicDict fetches the home of a key so many items before it inserts it. Not
// measured alone.
inline constexpr std::size_t homes_ahead = 8;

// An iterator fetches a key and its value so many items before it returns them: for about as long
// as memory takes to answer, and no more at a time than a processor asks for at a time. RESULTS,
// `dict items()`: 39.6 ns. Not measured alone.
inline constexpr std::size_t scan_items_ahead = 15;

// ── iteration ──────────────────────────────────────────────────────────────────────────────────

// A cell of an iterator has 2^n groups. To go from one place of a table to another costs an
// iterator two cache misses, so larger cells cost less. Smaller ones spread the keys better
// (order.hpp). With cells of one group, iterating over 10^6 keys took half as long again: 74 ns an
// item instead of 52, when cells of four groups came (architecture, "Iteration").
inline constexpr int cell_group_bits = 2;

// The bundles without a key that an iterator passes over under one pin. More would hold up
// a thread that waits for the pin to end. Not measured alone.
inline constexpr int bundles_per_pin = 1 << 14;

// The bundles, one after the other, in which no key was found, before a step lets the other threads
// of the iterator in between. Not measured alone.
inline constexpr int collects_per_step = 16;

// A table of at most so many slots is collected at once, in one pin, if it has far fewer groups
// than the iterator has cells left: to visit it cell by cell would look at each slot many times.
// More would be a long pin. Not measured alone.
inline constexpr std::size_t slots_collected_at_once = std::size_t{1} << 14;

// A thread that meets another one at the reference count of a value stands back for so long, which
// is about a hundred items. Threads in step take two to three times as long for each item
// (architecture, "Iteration"). RESULTS, "Whole dicts": `dict items()` with two threads takes 57 ns
// an item with it, and 115 without.
inline constexpr std::chrono::microseconds stand_back_for{5};

// It does not stand back again before so many items: where all values are one object, or the map is
// small, nothing is gained by that. Not measured alone.
inline constexpr std::size_t items_between_standing_back = 256;

// The pause instructions between two looks at the clock while it stands back. Not measured alone.
inline constexpr int relaxes_between_looks = 16;

// ── exact operations ───────────────────────────────────────────────────────────────────────────

// The groups in which popitem() looks for a key under one pin. More would hold up a thread that
// waits for the pin to end. Not measured alone.
inline constexpr std::uint64_t popitem_groups_per_pin = 1 << 12;

// The items in a block of a snapshot (24 bytes each). Larger blocks waste more at the end, and take
// longer to move or to free in one piece. Not measured alone.
inline constexpr std::size_t items_per_block = 1 << 12;

// ── pauses ─────────────────────────────────────────────────────────────────────────────────────

// A native section lets others stop the world after so long. Shorter would make the section slower,
// and longer would delay a collection, a fork, and all threads that wait for them. Not measured
// alone; tests/test_pauses.py checks how long others wait.
inline constexpr std::chrono::milliseconds between_pauses{2};

// The pieces of work between two looks at the clock. Fewer would pay for the clock more often, and
// more would be late for a pause. Most pieces are one key. Those of an iterator are bundles, those
// of batch_getitem() are chunks, and those of repr() are a key with its value, and then joined
// texts. Not measured alone.
inline constexpr std::uint32_t pieces_between_looks = 256;
inline constexpr std::uint32_t bundles_between_looks = 8;
inline constexpr std::uint32_t chunks_between_looks = 4;
inline constexpr std::uint32_t reprs_between_looks = 64;
inline constexpr std::uint32_t texts_between_looks = 16;

// How long a pause waits to be stopped, after it was asked to. The thread that stops the world
// looks once a millisecond, so this is one and a half of its periods.
inline constexpr std::chrono::microseconds longest_wait_to_be_stopped{1500};

// The sleeps between two looks whether it was stopped. Not measured alone.
inline constexpr std::chrono::microseconds nap_until_stopped{50};

// How many short texts repr() joins to one. Fewer copy more often, and more are longer without a
// pause. Not measured alone.
inline constexpr std::ptrdiff_t reprs_joined = 1024;

// ── memory ─────────────────────────────────────────────────────────────────────────────────────

// A table of at least so many huge pages is given back to the system without the interpreter: to
// unmap ten MiB takes about a millisecond, and so to detach is worth it. Not measured alone.
inline constexpr std::size_t huge_pages_unmapped_detached = 8;

// ── reclamation ────────────────────────────────────────────────────────────────────────────────

// The pause instructions for which a thread that frees everything waits, attached, for those that
// are pinned. They unpin within a microsecond, unless the processor has been taken away from them.
// Not measured alone.
inline constexpr int spins_for_pinned = 200;

// What is freed at the exit may leave something again: after so many rounds the exit gives up. Not
// measured alone.
inline constexpr int rounds_at_exit = 10;

// The reclaimer thread naps for so long, and looks for garbage once in so many naps, so that
// garbage waits for about 10 ms. A short nap lets it see soon that the process forks or exits. Not
// measured alone.
inline constexpr std::chrono::milliseconds reclaimer_nap{1};
inline constexpr int naps_between_looks = 10;

// After so many looks at which there was nothing to free (50 ms) the thread ends. A longer life
// saves starts of threads; a shorter one leaves an idle process without a thread. Not measured
// alone.
inline constexpr int looks_until_reclaimer_ends = 5;

// A finalizer that takes longer is left alone, and another thread frees what comes after it. At
// most so many are left alone at a time. Without it, garbage waits for as long as the finalizer
// takes (RESULTS, "Whole dicts").
inline constexpr std::chrono::milliseconds finalizer_patience{100};
inline constexpr int most_finalizers_left_alone = 8;

// The sleep between two looks of a thread that no other thread waits for. Not measured alone.
inline constexpr std::chrono::microseconds patient_pause{200};

// How long a fork waits for the reclaimer thread to end, which has nothing to do then, as a rule.
inline constexpr auto longest_wait_before_fork = 20 * reclaimer_nap;

// How long the exit waits for it, but for a finalizer that does not end.
inline constexpr auto longest_wait_at_exit = 100 * finalizer_patience;

}  // namespace cereggii::atomicdict::tuning
