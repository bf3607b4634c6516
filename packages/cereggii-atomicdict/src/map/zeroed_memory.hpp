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
#include "map/tuning.hpp"
#endif

// Memory for tables, filled with zeros. All functions are for threads that are attached and not
// pinned.
namespace cereggii::atomicdict {

namespace detail {

#ifdef CEREGGII_SANITIZED
// Sanitizers know nothing of the interpreter's own memory.
inline void* allocate_small(std::size_t size) noexcept { return PyMem_RawCalloc(1, size); }
inline void free_small(void* memory) noexcept { PyMem_RawFree(memory); }
#else
// The interpreter's own memory. The tables of a dict that grows live shortly. The allocator of the
// free-threaded interpreter keeps what is freed for a moment, and malloc would give it back to the
// system each time.
inline void* allocate_small(std::size_t size) noexcept { return PyMem_Calloc(1, size); }
inline void free_small(void* memory) noexcept { PyMem_Free(memory); }
#endif

}  // namespace detail

#if defined(MADV_HUGEPAGE)

// The size of a huge page, from which on a table is made of them. Each operation on a large table
// is at a random place in it. With pages of the usual size that is a miss of the TLB each, and each
// page costs an interrupt when it is touched first. So a large table begins with a huge page.
inline constexpr std::size_t huge_page = std::size_t{1} << 21;

// The size in whole pages of the usual size, as it is mapped.
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
    // munmap() fails only if there are too many mappings. Then some address space is lost.
    if (before > 0) munmap(memory, before);
    if (after > 0) munmap(reinterpret_cast<void*>(begin + mapped), after);
    auto* aligned = reinterpret_cast<void*>(begin);
    // Only advice. Not for the rest at the end, where most of a huge page would be wasted.
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
    if (size < tuning::huge_pages_unmapped_detached * huge_page) {
        munmap(memory, mapped_size(size));
        return;
    }
    // To unmap ten MiB takes about a millisecond.
    PyThreadState* state = PyEval_SaveThread();
    munmap(memory, mapped_size(size));
    attach_again(state);
}

#else

inline void* allocate_zeroed(std::size_t size) noexcept { return detail::allocate_small(size); }
inline void free_zeroed(void* memory, std::size_t) noexcept { detail::free_small(memory); }

#endif

}  // namespace cereggii::atomicdict
