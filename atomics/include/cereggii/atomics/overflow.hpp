// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace cereggii::atomics {

// a + b and a - b. True: the exact result does not fit in 64 bits. False: it is in *result.

inline bool add_overflows(std::int64_t a, std::int64_t b, std::int64_t* result) noexcept {
#if defined(__GNUC__) || defined(__clang__)
    return __builtin_add_overflow(a, b, result);
#else
    if (b >= 0 ? a > INT64_MAX - b : a < INT64_MIN - b) return true;
    *result = a + b;
    return false;
#endif
}

inline bool subtract_overflows(std::int64_t a, std::int64_t b, std::int64_t* result) noexcept {
#if defined(__GNUC__) || defined(__clang__)
    return __builtin_sub_overflow(a, b, result);
#else
    if (b >= 0 ? a < INT64_MIN + b : a > INT64_MAX + b) return true;
    *result = a - b;
    return false;
#endif
}

}  // namespace cereggii::atomics
