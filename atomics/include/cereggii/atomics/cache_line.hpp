// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace cereggii::atomics {

// Data that different threads write is kept this many bytes apart. The value is a constant, never
// probed on the build host: a wheel built on one machine runs on another. It is twice the line size
// of x86-64, whose adjacent-line prefetcher fetches lines in pairs, and the line size of Apple's
// arm64.
inline constexpr std::size_t destructive_interference = 128;

}  // namespace cereggii::atomics
