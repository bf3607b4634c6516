// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace cereggii::atomics {

// a + b and a - b. True: the exact result does not fit in 64 bits. False: it is in *result.

// For compilers without the builtin functions. The tests check them with every compiler.
namespace portable {

inline bool add_overflows(std::int64_t a, std::int64_t b, std::int64_t* result) noexcept {
    if (b >= 0 ? a > INT64_MAX - b : a < INT64_MIN - b) return true;
    *result = a + b;
    return false;
}

inline bool subtract_overflows(std::int64_t a, std::int64_t b, std::int64_t* result) noexcept {
    if (b >= 0 ? a < INT64_MIN + b : a > INT64_MAX + b) return true;
    *result = a - b;
    return false;
}

}  // namespace portable

#if defined(__GNUC__) || defined(__clang__)

inline bool add_overflows(std::int64_t a, std::int64_t b, std::int64_t* result) noexcept {
    return __builtin_add_overflow(a, b, result);
}
inline bool subtract_overflows(std::int64_t a, std::int64_t b, std::int64_t* result) noexcept {
    return __builtin_sub_overflow(a, b, result);
}

#else

using portable::add_overflows;
using portable::subtract_overflows;

#endif

}  // namespace cereggii::atomics
