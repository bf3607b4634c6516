// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/stripes.hpp"

#include <array>
#include <atomic>
#include <new>
#include <set>
#include <thread>

#include "aligned_memory.hpp"
#include "cereggii/atomics/striped_adder.hpp"
#include "check.hpp"
#include "race.hpp"
#include "random_sums.hpp"

// How many stripes there are, when memory for them is allocated, and what happens if there is none.

// Stripes are the only over-aligned memory that this process allocates. So its aligned new and
// delete show how much of it there is, and can be told to fail.
namespace {
std::atomic<int> allocated{0};
std::atomic<int> freed{0};
std::atomic<std::size_t> bytes{0};  // ever
std::atomic<bool> out_of_memory{false};

void* allocate(std::size_t size, std::align_val_t alignment) noexcept {
    if (out_of_memory) return nullptr;
    ++allocated;
    bytes += size;
    return cereggii::testing::allocate_aligned(size, alignment);
}
void deallocate(void* memory) noexcept {
    if (memory) ++freed;
    cereggii::testing::free_aligned(memory);
}
}  // namespace

void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    return allocate(size, alignment);
}
void* operator new[](std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    return allocate(size, alignment);
}
void operator delete(void* memory, std::align_val_t) noexcept { deallocate(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { deallocate(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { deallocate(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { deallocate(memory); }
void operator delete(void* memory, std::align_val_t, const std::nothrow_t&) noexcept {
    deallocate(memory);
}
void operator delete[](void* memory, std::align_val_t, const std::nothrow_t&) noexcept {
    deallocate(memory);
}

namespace cereggii::testing {
namespace {

using atomics::BasicStripedAdder;
using atomics::StripedAdder;
using atomics::Stripes;

constexpr std::size_t threads = 4;
constexpr std::size_t line = atomics::destructive_interference;

template <std::size_t Cores>
struct Machine {
    static std::size_t cores() noexcept { return Cores; }
};

struct Cell {
    std::atomic<std::int64_t> value{0};
};

template <std::size_t Cores>
using CellsOn = Stripes<Cell, Machine<Cores>>;

template <class Cells>
void collide(Cells& cells, std::size_t times) {
    for (std::size_t i = 0; i < times; ++i) cells.note_collision();
}

// The stripes that threads of consecutive numbers use.
template <class Cells>
std::set<Cell*> in_use(const Cells& cells, std::uint32_t numbers) {
    std::set<Cell*> found;
    for (std::uint32_t number = 0; number < numbers; ++number) found.insert(cells.find(number));
    return found;
}

TEST(there_are_no_stripes_before_they_are_asked_for_and_then_two) {
    const int before = allocated;
    CellsOn<192> cells;
    check(!cells.any());
    check(cells.find(1) == nullptr);
    check_equal(cells.count(), 0);
    check_equal(cells.memory(), 0);
    cells.note_collision();
    check_equal(allocated, before);
    Cell* cell = cells.make(1);
    check(cell && cell == cells.make(1) && cell == cells.find(1) && cell == cells.find(3));
    check(cell != cells.find(0));
    check(cells.any());
    check_equal(cells.count(), 2);
    check_equal(allocated, before + 1);
    check(cells.memory() <= 3 * line);
}

TEST(stripes_double_when_threads_have_met_several_times) {
    CellsOn<192> cells;
    cells.make(0);
    for (std::size_t count = 2; count < 384; count *= 2) {
        collide(cells, CellsOn<192>::collisions_to_grow - 1);
        check_equal(cells.count(), count);
        collide(cells, 1);
        check_equal(cells.count(), 2 * count);
        check_equal(in_use(cells, 1000).size(), 2 * count);
    }
}

template <std::size_t Cores>
void check_limit(std::size_t limit) {
    CellsOn<Cores> cells;
    check_equal(CellsOn<Cores>::limit(), limit);
    cells.make(0);
    collide(cells, 1000);
    check_equal(cells.count(), limit);
    check_equal(cells.memory(), CellsOn<Cores>::most_memory());
    check_equal(in_use(cells, 100'000).size(), limit);
}

TEST(there_are_up_to_twice_as_many_stripes_as_cores) {
    check_limit<1>(2);
    check_limit<2>(4);
    check_limit<3>(8);
    check_limit<64>(128);
    check_limit<192>(512);
    check_limit<100'000>(16'384);  // enough for anybody
    check(Stripes<Cell>::limit() > std::thread::hardware_concurrency());
}

TEST(memory_is_what_has_been_allocated) {
    const std::size_t before = bytes;
    CellsOn<64> cells;
    cells.make(0);
    for (int i = 0; i < 100; ++i) {
        check_equal(cells.memory(), bytes - before);
        cells.note_collision();
    }
}

TEST(a_stripe_stays_where_it_is_and_is_freed_once) {
    const int alive = allocated - freed;
    {
        CellsOn<192> cells;
        cells.make(0);
        const std::set<Cell*> before = in_use(cells, 2);
        for (std::uint32_t number = 0; number < 2; ++number) ++cells.find(number)->value;
        collide(cells, 1000);
        std::int64_t sum = 0;
        std::size_t count = 0;
        cells.for_each([&](const Cell& cell) { sum += cell.value, ++count; });
        check_equal(sum, 2);
        check_equal(count, 512);
        const std::set<Cell*> after = in_use(cells, 512);
        for (Cell* cell : before) check(after.contains(cell));
        check(allocated - freed > alive);
    }
    check_equal(allocated - freed, alive);
}

TEST(without_memory_for_more_stripes_there_are_as_many_as_before) {
    CellsOn<192> cells;
    out_of_memory = true;
    check(cells.make(1) == nullptr);
    check(!cells.any());
    out_of_memory = false;
    cells.make(1);
    collide(cells, 10);
    const std::size_t count = cells.count();
    out_of_memory = true;
    collide(cells, 1000);
    out_of_memory = false;
    check_equal(cells.count(), count);
    check_equal(in_use(cells, 100).size(), count);
    collide(cells, 1000);
    check_equal(cells.count(), 512);
}

TEST(threads_that_make_stripes_together_lose_nothing) {
    const int alive = allocated - freed;
    for (Budget budget; budget.more();) {
        CellsOn<192> cells;
        race(threads, [&](std::size_t thread, Random&) {
            const auto number = static_cast<std::uint32_t>(thread);
            ++cells.make(number)->value;
            for (int i = 0; i < 50; ++i) {
                cells.note_collision();
                ++cells.find(number)->value;
            }
        });
        std::int64_t sum = 0;
        cells.for_each([&](const Cell& cell) { sum += cell.value; });
        check_equal(sum, threads * 51);
        check(cells.count() > 2 && cells.count() <= 512);
        check_equal(cells.memory(), (3 + cells.count() - 2) * line);
    }
    check_equal(allocated - freed, alive);
}

// --- The adder that is made of stripes.

using LargeMachine = BasicStripedAdder<Machine<192>>;

TEST(an_adder_of_one_thread_allocates_nothing) {
    const int before = allocated;
    LargeMachine adder;
    for (int i = 0; i < 1000; ++i) adder.add(i);
    check_sum(adder.sum(), 499'500);
    check_equal(allocated, before);
    check_equal(adder.memory(), 0);
}

TEST(an_adder_of_threads_that_never_meet_has_two_stripes) {
    LargeMachine adder;
    adder.add(1);
    for (int i = 0; i < 100; ++i) {
        std::jthread([&] { adder.add(10); }).join();
        check_equal(adder.memory(), 3 * line);
    }
    adder.add(1000);
    check_sum(adder.sum(), 2001);
}

// It goes on until two threads have met, however rare that is on a machine that is slow or has one
// core.
TEST(an_adder_of_threads_that_meet_has_more_stripes_and_no_more_than_its_share) {
    using Adder = BasicStripedAdder<Machine<4>>;
    Adder adder;
    std::array<Int128, threads> added{};
    race(threads, [&](std::size_t thread, Random&) {
        for (Budget budget(std::chrono::seconds(20)); adder.memory() <= 3 * line && budget.more();)
            for (int i = 0; i < 1000; ++i) adder.add(1), ++added[thread];
    });
    check(adder.memory() > 3 * line, "threads that met on two stripes did not get more");
    check(adder.memory() <= Adder::most_memory());
    check_equal(Adder::most_stripes(), 8);
    check_sum(adder.sum(), total(added));
}

TEST(without_memory_for_stripes_sums_are_exact) {
    out_of_memory = true;
    const int before = allocated;
    StripedAdder adder;
    std::array<Int128, threads> added{};
    race(threads, [&](std::size_t thread, Random& random) {
        added[thread] = add_random_amounts(adder, random);
    });
    out_of_memory = false;
    check_equal(allocated, before);
    check_equal(adder.memory(), 0);
    check_sum(adder.sum(), total(added));
}

}  // namespace
}  // namespace cereggii::testing
