// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <cstddef>
#include <cstdint>

#if defined(__linux__) && !defined(CEREGGII_SANITIZED)
#include <sys/mman.h>
#include <unistd.h>

#include "map/pauses.hpp"
#include "map/tracing.hpp"
#endif

// Memory for tables, filled with zeros. Only by threads that are attached, and outside of a pin.
namespace cereggii::atomicdict {

namespace detail {

#ifdef CEREGGII_SANITIZED
// Where sanitizers watch: they know nothing of the interpreter's own memory.
inline void* allocate_small(std::size_t size) noexcept { return PyMem_RawCalloc(1, size); }
inline void free_small(void* memory) noexcept { PyMem_RawFree(memory); }
#else
// The free-threaded interpreter's allocator keeps what is freed for a moment: the tables of a dict
// that grows live shortly, and malloc would give them back to the system each time.
inline void* allocate_small(std::size_t size) noexcept { return PyMem_Calloc(1, size); }
inline void free_small(void* memory) noexcept { PyMem_Free(memory); }
#endif

}  // namespace detail

#if defined(MADV_HUGEPAGE)

// Every operation on a large table is at a random place in it: in pages of the usual size, that is
// a miss of the TLB each, and each page costs an interrupt when it is touched first. So a large one
// begins with a huge page.
inline constexpr std::size_t huge_page = std::size_t{1} << 21;

// In pages of the usual size, as it is mapped.
inline std::size_t mapped_size(std::size_t size) noexcept {
    static const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    return (size + page - 1) & ~(page - 1);
}

// Null: no memory.
inline void* allocate_zeroed(std::size_t size) noexcept {
    if (size < huge_page) return detail::allocate_small(size);
    const std::size_t mapped = mapped_size(size);
    void* memory = mmap(nullptr, mapped + huge_page, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
    const auto address = reinterpret_cast<std::uintptr_t>(memory);
    const std::uintptr_t begin = (address + huge_page - 1) & ~(huge_page - 1);
    const std::size_t before = begin - address, after = huge_page - before;
    // Never fails but for too many mappings; then it is address space that is lost.
    if (before > 0) munmap(memory, before);
    if (after > 0) munmap(reinterpret_cast<void*>(begin + mapped), after);
    auto* aligned = reinterpret_cast<void*>(begin);
    // Advice. Not for the rest, where most of a huge page would be wasted.
    madvise(aligned, mapped & ~(huge_page - 1), MADV_HUGEPAGE);
    trace(begin, size);
    return aligned;
}

inline void free_zeroed(void* memory, std::size_t size) noexcept {
    if (size < huge_page) {
        detail::free_small(memory);
        return;
    }
    untrace(reinterpret_cast<std::uintptr_t>(memory));
    if (size < 8 * huge_page) {
        munmap(memory, mapped_size(size));
        return;
    }
    // That takes a millisecond for every ten MiB or so.
    PyThreadState* state = PyEval_SaveThread();
    munmap(memory, mapped_size(size));
    attach_again(state);
}

#else

inline void* allocate_zeroed(std::size_t size) noexcept { return detail::allocate_small(size); }
inline void free_zeroed(void* memory, std::size_t) noexcept { detail::free_small(memory); }

#endif

}  // namespace cereggii::atomicdict
