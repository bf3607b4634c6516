// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>

#ifdef _WIN32
#include <malloc.h>
#endif

// Aligned memory, for tests that replace the aligned operator new. Windows has no
// std::aligned_alloc(), since its free() would not know such memory.
namespace cereggii::testing {

// Null: no memory.
inline void* allocate_aligned(std::size_t size, std::align_val_t alignment) noexcept {
#ifdef _WIN32
    return _aligned_malloc(size, static_cast<std::size_t>(alignment));
#else
    return std::aligned_alloc(static_cast<std::size_t>(alignment), size);
#endif
}

inline void free_aligned(void* memory) noexcept {
#ifdef _WIN32
    _aligned_free(memory);
#else
    std::free(memory);
#endif
}

}  // namespace cereggii::testing
