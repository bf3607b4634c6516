// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "map/tuning.hpp"

// For the scenarios of the checker, in the place of the header with this name: nobody stops the
// world.
namespace cereggii::atomicdict {

class Pace {
public:
    explicit Pace(std::uint32_t = 0) noexcept {}
    bool rest() noexcept { return false; }
    bool rest_for_signals() noexcept { return true; }
    bool is_due() noexcept { return false; }
};

inline void pause() noexcept {}

}  // namespace cereggii::atomicdict
