// SPDX-License-Identifier: Apache-2.0
#include "memory.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>

#include "execution.hpp"

namespace {

constexpr std::size_t size_of_memory = std::size_t{8} << 20;
alignas(4096) std::byte memory[size_of_memory];
std::size_t used = 0;

bool belongs_to_execution(const void* address) noexcept {
    return address >= memory && address < memory + size_of_memory;
}

void* allocate(std::size_t size, std::size_t alignment) noexcept {
    using cereggii::model::Execution;
    using cereggii::model::OutsideOfExecution;
    if (OutsideOfExecution::depth > 0 || !Execution::is_running()) {
        const std::size_t whole = (size + alignment - 1) / alignment * alignment;
        return std::aligned_alloc(alignment, whole > 0 ? whole : alignment);
    }
    const std::size_t from = (used + alignment - 1) / alignment * alignment;
    if (from + size > size_of_memory) {
        std::fputs("an execution has allocated too much\n", stderr);
        std::abort();
    }
    used = from + (size > 0 ? size : 1);
    return memory + from;
}

void deallocate(void* address) noexcept {
    if (!belongs_to_execution(address)) std::free(address);
}

constexpr std::size_t usual = alignof(std::max_align_t);

}  // namespace

void cereggii::model::free_memory_of_execution() noexcept { used = 0; }
bool cereggii::model::is_memory_of_execution(const void* address) noexcept {
    return belongs_to_execution(address);
}

void* operator new(std::size_t size) { return allocate(size, usual); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return allocate(size, usual);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
    return allocate(size, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    return allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* address) noexcept { deallocate(address); }
void operator delete(void* address, std::size_t) noexcept { deallocate(address); }
void operator delete(void* address, std::align_val_t) noexcept { deallocate(address); }
void operator delete(void* address, std::size_t, std::align_val_t) noexcept { deallocate(address); }
