// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nanobind/nanobind.h>

namespace cereggii::atomicdict {

// Puts the type AtomicCache into the module.
void bind_atomic_cache(nanobind::module_& module);

}  // namespace cereggii::atomicdict
