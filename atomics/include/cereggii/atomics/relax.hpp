// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>

namespace cereggii::atomics {

// Leaves the resources of the core to other threads for a moment. For a loop that waits for a short
// time.
inline void relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) && (defined(__GNUC__) || defined(__clang__))
    asm volatile("isb");
#else
    std::atomic_signal_fence(std::memory_order_seq_cst);
#endif
}

}  // namespace cereggii::atomics
