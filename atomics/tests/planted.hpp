// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>

namespace cereggii::testing {

// Whether the copies of our sources have this bug: the environment variable CEREGGII_PLANTED has
// its number. cmake/Planted.cmake has the bugs.
inline bool planted(int number) noexcept {
    static const int chosen = [] {
        const char* text = std::getenv("CEREGGII_PLANTED");
        return text ? std::atoi(text) : 0;
    }();
    return chosen == number;
}

}  // namespace cereggii::testing
