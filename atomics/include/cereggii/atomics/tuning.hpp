// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

// The constants of every heuristic of this library. Correctness does not depend on them: a change
// makes programs faster or slower, or lets them use more or less memory. The constants that a proof
// relies on stay beside that proof, for example the limits of CheckedInt64.
//
// Each comment says what a constant trades, and which measurement justifies it. "RESULTS" is
// benchmarks/RESULTS.md. "Not measured alone" means that only a whole mechanism was measured, with
// this value in it. Where code relies on a relation between two constants, it has a static_assert.
namespace cereggii::atomics::tuning {

using Nanoseconds = std::int64_t;
inline constexpr Nanoseconds nanoseconds_per_second = 1'000'000'000;

// ── reclamation/, reclamation.hpp ──────────────────────────────────────────────────────────────

namespace reclamation {

// A thread packs its waiting items into a bag when it has retired so many. A larger value frees
// later and holds more memory; a smaller one looks at all participants and advances the epoch more
// often. RESULTS, "Whole dicts": `dict delete` with 2 threads takes 718 ns with bags of this size,
// and 766 with one list for all threads. The size was not measured alone.
inline constexpr std::uint32_t items_per_bag = 32;

// A thread has so many bags, each with the tag of its own epoch. With fewer, items have to wait
// longer while another thread stays pinned; each costs 16 bytes per thread. Not measured alone.
inline constexpr std::size_t bags_per_thread = 4;

// A thread looks at the clock once in so many scans of all participants, to see whether it is time
// to tidy. A larger value looks less often, and keeps idle threads on the list for longer. Not
// measured alone. RESULTS: `del` and `del` beside 1000 idle threads, which cost the same because of
// tidying.
inline constexpr std::uint32_t scans_per_clock_look = 64;

// The shortest time between two passes that tidy, by any threads. A thread that pins more often
// than this never has to link its participant again, which takes a lock. A larger value keeps idle
// threads on the list for longer. Not measured alone. RESULTS: `del` beside 1000 idle threads.
inline constexpr std::chrono::milliseconds between_passes{1};

// A thread that finds the lock of the lists taken looks again so many times, before it yields the
// processor. The lock is held for a few instructions, so fewer looks yield too early; but its
// holder may have lost the processor, and then more looks waste time. Not measured alone.
inline constexpr int spins_before_yield = 100;

}  // namespace reclamation

// ── contention.hpp ─────────────────────────────────────────────────────────────────────────────

// About 1.2 ns of each update pay for all of it. It makes the rows with 2 threads of
// `x.increment_and_get()`, `ref.set()` and `ref swap` in RESULTS two to four times faster than
// those of the peers. docs/architecture.md, "Contention", has the resulting times.
// tests/contention_test.cpp checks them: it simulates 2, 4 and 16 threads on processors with
// several costs, and fails if a loop loses more than 3 % by turns, or if a tight loop gains too
// little.
namespace contention {

// A thread calls the manager once in so many updates that nobody came between. A smaller value
// measures more finely; a larger one costs a thread that is alone less. Not measured alone.
inline constexpr std::uint32_t updates_per_run = 16;

// A thread looks at the clock after so many updates that came after another thread's. It is equal
// to updates_per_run, so that the time of a window can be compared to that of a run alone.
inline constexpr std::uint32_t changes_per_window = 16;

// How long a turn lasts, and so the longest time for which a thread stands back at once. A longer
// turn wins more for the one that has it, and makes the others wait longer. Not measured alone.
inline constexpr Nanoseconds turn = 200'000;

// A rest after a turn that was not worth it begins with so many turns and is never longer than so
// many. A longer rest costs a loop for which turns do nothing less; a shorter one notices sooner
// that a loop has changed. With 256, such a loop loses less than half a per cent. Simulated in
// `turns_cost_…_loops_with_work_of_their_own_little` and `loops_that_become_tight_take_turns_soon`.
inline constexpr std::int64_t first_rest_in_turns = 4;
inline constexpr std::int64_t longest_rest_in_turns = 256;
// Each rest is so many times as long as the one before. Not measured alone.
inline constexpr std::int64_t rest_growth = 4;

// A turn is worth it if it makes at least 5/4 of the updates that running side by side makes in the
// same time. A higher threshold leaves gains unused; a lower one takes noise for a gain. Simulated
// in `turns_let_tight_loops_do_more`.
inline constexpr int worth_it_numerator = 5;
inline constexpr int worth_it_denominator = 4;

// A thread is slowed down if a window takes so many times as long as a run alone. A lower factor
// makes threads with work of their own wait for tight loops. Simulated in
// `a_loop_with_work_of_its_own_does_not_wait_for_tight_ones`.
inline constexpr std::int64_t slowed_down_factor = 2;

// A word that gets fewer updates than this in the time of a turn has no turns: one update in
// 3.1 µs. A lower value spends trials on loops that have nothing to win. Simulated in
// `a_loop_that_seldom_updates_never_stands_back`.
inline constexpr int fewest_updates_per_turn = 64;

// How many runs a thread times in its turn. The shortest counts, since the thread may have lost the
// processor in any other. Each costs a look at the clock. Not measured alone.
inline constexpr std::uint32_t timed_runs = 8;

// A thread that judges its turn later than so many turns after it began was doing something else,
// or had no processor, and learns nothing from it. Not measured alone.
inline constexpr std::int64_t judged_within_turns = 2;

// How many words can have turns at a time, and at how many places a word looks for room. A place
// takes 128 bytes. A word that finds no room has no turns. Not measured alone. Tested in
// `words_that_find_no_place_do_without_turns`.
inline constexpr std::size_t places = 64;
inline constexpr std::size_t places_per_word = 4;

// A thread that stands back looks at the clock once in so many pauses of the processor. More pauses
// leave more of the core to a sibling thread, and end later. Not measured alone.
inline constexpr int relaxes_per_clock_look = 16;

}  // namespace contention

// ── stripes.hpp, live_count.hpp ────────────────────────────────────────────────────────────────

namespace stripes {

// The stripes double when threads have met so many times on one: a single meeting may be chance. A
// lower value uses memory sooner; a higher one lets threads that meet wait longer for room. Not
// measured alone. RESULTS: `AtomicCounter.add()`, 2 threads.
inline constexpr std::uint32_t collisions_to_grow = 4;

// The most stripes there may be, per core. Their number is rounded up to a power of two. With
// fewer, more threads share one; with more, they take more memory. Not measured alone. RESULTS,
// with the number of cores simulated (benchmarks/cores.py): an addition takes 31 and 32 ns, and 480
// bytes, on 2 and on 192 cores.
inline constexpr std::size_t most_per_core = 2;

// The most stripes on any machine, as a power of two: 16384 stripes are 2 MiB. Not measured alone.
inline constexpr std::size_t most_bits = 14;

}  // namespace stripes

namespace live_count {

// A thread looks at the sums at most once in so many keys, if the table is large enough. Each look
// reads all stripes. Not measured alone. RESULTS: an insertion and a deletion in a small dict that
// two threads share take 118 ns, on 2 cores and on 192.
inline constexpr std::int64_t longest_interval = 64;

// A table that may hold fewer keys than this many intervals is looked at more often. With 32, an
// interval is at most a sixteenth of the limit, so two threads go beyond the limit by at most an
// eighth. Tested in `sums_are_taken_often_enough`.
inline constexpr std::int64_t intervals_per_limit = 32;

}  // namespace live_count

// ── parking_lot.hpp, python/blocking.hpp ───────────────────────────────────────────────────────

namespace waiting {

// The number of buckets of a parking lot, as a power of two. Addresses in one bucket share a lock;
// a bucket takes 128 bytes of static memory. Not measured alone.
inline constexpr unsigned bucket_bits = 6;

// The longest that a thread sleeps before it looks at the clock and for signals, in microseconds.
// On Windows, Ctrl-C does not interrupt a sleep, so it is answered after 0.05 s at the latest.
// Elsewhere it does, except in the few instructions before the thread sleeps. A longer slice wakes
// an idle thread less often. Not measured alone.
inline constexpr std::int64_t longest_sleep_windows = 50'000;
inline constexpr std::int64_t longest_sleep = 1'000'000;

}  // namespace waiting

// ── sharing_policy.hpp, python/sharing.hpp ─────────────────────────────────────────────────────

// docs/architecture.md, "Sharing", has the reasons. RESULTS shows what sharing gains: the rows with
// 2 threads of `obj.counter += 1` and `x.get()`, whose atomic has become immortal, beside those of
// ft_utils, whose atomic is counted.
namespace sharing {

// One in so many uses of an object by threads that do not own it is looked at. A larger value costs
// each use less, and takes longer to see that an object is shared. It is a prime: a loop that uses
// several objects, one after the other, does not sample the same one each time. Not measured alone.
inline constexpr std::uint32_t sampling_period = 257;

// The least age in use that any help takes. A shorter one spends budgets on objects that are shared
// for a moment; a longer one leaves programs slow for longer. Not measured alone.
inline constexpr Nanoseconds first_help = nanoseconds_per_second / 50;

// How many bytes of objects become immortal by themselves, in one process and extension module.
// They are never freed: this bounds the memory that a program can lose. Not measured alone.
inline constexpr std::size_t immortality_budget = std::size_t{512} * 1024;

// The required age doubles with each of so many parts of the budget that is spent. The last part
// takes 2^13 times 20 ms, nearly 3 minutes: so a program that shares many objects for a short time
// keeps most of its budget for those it shares for long. Not measured alone. Tested in
// `objects_shared_for_a_while_use_up_a_part_of_the_budget_only`.
inline constexpr unsigned immortality_parts = 14;

// How many bytes are deferred before a collection is requested. This much may be garbage that
// nobody has freed yet. Less room means more collections. Not measured alone.
inline constexpr std::size_t room_for_deferred = std::size_t{16} << 20;

// An object must be in use for one second more for each so many bytes that it owns. A lower rate
// keeps large objects, which are expensive garbage, counted for longer. Not measured alone.
inline constexpr std::size_t deferred_bytes_per_second = std::size_t{16} << 20;

// The deferred memory of an object is counted in units of so many bytes, so that it fits into 15
// spare bits of the object: up to 2 GiB. Smaller units are more exact and reach less far.
inline constexpr std::size_t deferred_unit = std::size_t{64} << 10;

// As much as an object counts that may refer to anything, such as an AtomicRef: with 16 MiB of
// room, 16 of them are deferred between two collections. Not measured alone.
inline constexpr std::size_t size_of_anything = std::size_t{1} << 20;

// Requested collections are at least this far apart, and each is followed by a pause of so many
// times its own length: they take at most 2 % of the time. Tested in
// `collections_take_two_percent_of_the_time`.
inline constexpr Nanoseconds shortest_pause = nanoseconds_per_second;
inline constexpr std::int64_t pause_per_collection = 50;

// How many sets of places there are for objects in use, as a power of two, and how many places in
// each. More of them watch more objects at the same time: 512 objects take 32 KiB for each module.
// A use searches one set. Tested in `objects_do_not_hide_each_other`.
inline constexpr unsigned set_bits = 6;
inline constexpr std::size_t places_per_set = 8;

// An object whose help was refused is tried again after this time, and after twice as long each
// time, up to so many doublings (4 minutes). A shorter time looks in vain more often. Not measured
// alone.
inline constexpr Nanoseconds patience = nanoseconds_per_second;
inline constexpr unsigned most_doublings_of_patience = 8;

// An object that was not seen for this time and its own age makes room for another one. A shorter
// time forgets objects that are used in bursts. Not measured alone.
inline constexpr Nanoseconds forgotten_after = nanoseconds_per_second / 20;

// An object is shared if the thread that was seen at it has changed so many times. An object that
// is handed from one thread to another makes one change, and to and fro two.
inline constexpr std::uint32_t changes_of_shared = 3;

// Or if it was seen so many times, even if only by one thread: its owner may use it as well, and a
// use by the owner is never sampled. Not measured alone.
inline constexpr std::uint32_t samples_of_shared = 64;

// A pause between two samples counts as at most one part in so many of the required age: a thread
// that loses the processor makes no object old. More parts need more samples. Not measured alone.
inline constexpr std::int64_t steps_of_age = 8;

}  // namespace sharing

}  // namespace cereggii::atomics::tuning
