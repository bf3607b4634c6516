// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/never_destroyed.hpp"

#include <cstdint>
#include <cstdlib>
#include <new>

#include "aligned_memory.hpp"
#include "cereggii/atomics/cache_line.hpp"
#include "cereggii/atomics/parking_lot.hpp"
#include "check.hpp"
#include "counting_lot.hpp"

// A static object needs no memory that may be missing, and is still there after main().

namespace {
int allocations = 0;
}

void* operator new(std::size_t size) {
    ++allocations;
    if (void* memory = std::malloc(size)) return memory;
    throw std::bad_alloc();
}
void* operator new(std::size_t size, std::align_val_t alignment) {
    ++allocations;
    if (void* memory = cereggii::testing::allocate_aligned(size, alignment)) return memory;
    throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept {
    cereggii::testing::free_aligned(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
    cereggii::testing::free_aligned(memory);
}

namespace cereggii::testing {
namespace {

struct alignas(atomics::destructive_interference) Watched {
    Watched() { ++made; }
    ~Watched() { std::abort(); }  // it would be at the end of the process
    static inline int made = 0;
    int value = 7;
};

Watched& watched() {
    static atomics::NeverDestroyed<Watched> instance;
    return instance.get();
}

TEST(an_object_is_made_when_it_is_used_first_and_only_then) {
    check_equal(Watched::made, 0);
    check_equal(watched().value, 7);
    watched().value = 8;
    check_equal(watched().value, 8);
    check_equal(Watched::made, 1);
}

TEST(an_object_has_its_alignment) {
    const auto address = reinterpret_cast<std::uintptr_t>(&watched());
    check_equal(address % alignof(Watched), 0);
}

TEST(a_parking_lot_is_made_without_an_allocation) {
    const int before = allocations;
    static atomics::NeverDestroyed<CountingLot> lot;
    static_cast<void>(lot.get());
    check_equal(allocations, before);
}

}  // namespace
}  // namespace cereggii::testing
