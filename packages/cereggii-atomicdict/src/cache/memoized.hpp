// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nanobind/nanobind.h>

namespace cereggii::atomicdict {

// Puts the type MemoizedFunction, and a function that makes one, into the module.
void bind_memoized(nanobind::module_& module);

}  // namespace cereggii::atomicdict
