// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include "python/types.hpp"

namespace cereggii::atomicdict {

// `Name({key: value, …})`, with the content of the map at one instant. If `kind` says that only keys
// are shown: `Name({key, …})`, or `Name()`.
PyObject* repr_of_map(PyObject* self, HashMap& map, IteratorKind kind);

}  // namespace cereggii::atomicdict
