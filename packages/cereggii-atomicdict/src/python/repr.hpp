// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include "map/hash_map.hpp"

namespace cereggii::atomicdict {

// `Name({key: value, …})`, with the content of the map at one instant.
PyObject* repr_of_items(PyObject* self, HashMap& map);

}  // namespace cereggii::atomicdict
