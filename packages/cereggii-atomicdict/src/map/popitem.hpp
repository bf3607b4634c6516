// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include "map/hash_map.hpp"

namespace cereggii::atomicdict {

struct Popped {
    PyObject* key;    // owned
    PyObject* value;  // owned
};

enum class PopResult {
    item,
    empty,  // the map was empty at one instant
    error,  // MemoryError is set
};

// Takes any item out of the map. `item` is set only if the result is PopResult::item.
PopResult pop_item(HashMap& map, Popped& item);

}  // namespace cereggii::atomicdict
