// SPDX-License-Identifier: Apache-2.0
#pragma once

// For the scenarios of the checker, in the place of the header with this name.
namespace cereggii::atomics::compat {

inline bool is_finalizing() noexcept { return false; }

}  // namespace cereggii::atomics::compat
