// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include "map/hash_map.hpp"

namespace cereggii::atomicdict {

// Takes any item out of the map. Returns a new tuple (key, value), or null with an exception:
// KeyError if the map was empty at one instant, or MemoryError.
PyObject* pop_item(HashMap& map);

}  // namespace cereggii::atomicdict
