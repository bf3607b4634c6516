// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <atomic>
#include <cstdlib>
#include <new>
#include <thread>

#include "cereggii/atomics/striped_adder.hpp"
#include "check.hpp"
#include "race.hpp"
#include "random_sums.hpp"

// When memory for stripes is allocated, and what happens if there is none.

// The stripes are the only over-aligned array that this process allocates, so its aligned new[] and
// delete[] show when there are some, and can be told to fail.
namespace {
std::atomic<int> stripes_allocated{0};
std::atomic<int> stripes_freed{0};
std::atomic<bool> out_of_memory{false};
}  // namespace

void* operator new[](std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    if (out_of_memory) return nullptr;
    ++stripes_allocated;
    return std::aligned_alloc(static_cast<std::size_t>(alignment), size);
}
void operator delete[](void* memory, std::align_val_t) noexcept {
    if (memory) ++stripes_freed;
    std::free(memory);
}
void operator delete[](void* memory, std::size_t, std::align_val_t alignment) noexcept {
    operator delete[](memory, alignment);
}
void operator delete[](void* memory, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    operator delete[](memory, alignment);
}

namespace cereggii::testing {
namespace {

using atomics::StripedAdder;

constexpr std::size_t threads = 4;

int stripes_alive() { return stripes_allocated - stripes_freed; }

TEST(one_thread_allocates_no_stripes) {
    const int allocated = stripes_allocated;
    StripedAdder adder;
    for (int i = 0; i < 1000; ++i) adder.add(i);
    check_sum(adder.sum(), 499'500);
    check_equal(stripes_allocated, allocated);
}

TEST(the_second_thread_allocates_the_stripes_and_they_are_freed) {
    const int alive = stripes_alive();
    {
        StripedAdder adder;
        adder.add(1);
        std::jthread([&] { adder.add(10); }).join();
        check_equal(stripes_alive(), alive + 1);
        std::jthread([&] { adder.add(100); }).join();
        adder.add(1000);
        check_equal(stripes_alive(), alive + 1);
        check_sum(adder.sum(), 1111);
    }
    check_equal(stripes_alive(), alive);
}

TEST(threads_that_grow_the_stripes_together_lose_nothing) {
    const int alive = stripes_alive();
    for (Budget budget; budget.more();) {
        StripedAdder adder;
        race(threads, [&](std::size_t thread, Random&) {
            adder.add(static_cast<std::int64_t>(thread) + 1);
        });
        check_sum(adder.sum(), 10);
        check(stripes_alive() <= alive + 1);
    }
    check_equal(stripes_alive(), alive);
}

TEST(without_memory_for_stripes_sums_are_exact) {
    out_of_memory = true;
    const int allocated = stripes_allocated;
    StripedAdder adder;
    std::array<Int128, threads> added{};
    race(threads, [&](std::size_t thread, Random& random) {
        added[thread] = add_random_amounts(adder, random);
    });
    out_of_memory = false;
    check_equal(stripes_allocated, allocated);
    check_sum(adder.sum(), total(added));
}

}  // namespace
}  // namespace cereggii::testing
