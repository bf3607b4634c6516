// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "check.hpp"

// The 64-bit integers where arithmetic behaves differently.
namespace cereggii::testing {

inline bool fits_int64(Int128 value) noexcept { return INT64_MIN <= value && value <= INT64_MAX; }

// 0, ±2^k, and the integers next to them, for k = 0, 1 (small numbers), 32 (the largest amount that
// is added without a check), 61 (the largest near value), 62 (the bias; a stripe's limit), 63 (the
// type's).
inline const std::vector<std::int64_t>& edges() {
    static const std::vector<std::int64_t> values = [] {
        std::vector<std::int64_t> found;
        for (const int bits : {0, 1, 32, 61, 62, 63})
            for (const int sign : {-1, 1})
                for (int distance = -2; distance <= 2; ++distance) {
                    const Int128 value = sign * (Int128{1} << bits) + distance;
                    if (fits_int64(value)) found.push_back(static_cast<std::int64_t>(value));
                }
        return found;
    }();
    return values;
}

}  // namespace cereggii::testing
