// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../../../atomic.hpp"

// For the scenarios of the checker, in the place of the header with this name.
namespace cereggii::atomics {

inline void relax() noexcept { model::yield(); }

}  // namespace cereggii::atomics
