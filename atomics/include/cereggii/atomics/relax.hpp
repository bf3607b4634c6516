// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>

#if defined(_MSC_VER)
#include <intrin.h>
#endif

namespace cereggii::atomics {

// Leaves the resources of the core to other threads for a moment. For a loop that waits for a short
// time.
inline void relax() noexcept {
#if defined(_MSC_VER) && (defined(_M_X64) || defined(_M_IX86))
    _mm_pause();
#elif defined(_MSC_VER) && (defined(_M_ARM64) || defined(_M_ARM64EC))
    __isb(_ARM64_BARRIER_SY);
#elif defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) && (defined(__GNUC__) || defined(__clang__))
    asm volatile("isb");
#elif defined(__riscv) && (defined(__GNUC__) || defined(__clang__))
    asm volatile(".4byte 0x0100000F");  // `pause`, for assemblers that do not know the name
#else
    std::atomic_signal_fence(std::memory_order_seq_cst);
#endif
}

}  // namespace cereggii::atomics
