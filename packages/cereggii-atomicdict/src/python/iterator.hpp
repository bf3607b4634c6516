// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>

#include "python/types.hpp"

namespace cereggii::atomicdict {

// A new iterator over the map of `owner`; null with MemoryError. All threads see the same order, as
// long as the map is not changed. `owner` is an AtomicDict or an AtomicSet, and keeps the map.
PyObject* make_iterator(PyObject* owner, HashMap& map, IteratorKind kind);
// A new iterator over part `part` of `parts`; null with MemoryError. Each thread has an order of
// its own.
PyObject* make_fast_iterator(PyObject* owner, HashMap& map, IteratorKind kind, std::uint64_t part,
                             std::uint64_t parts);

// Puts the types of these iterators into the module.
void bind_iterators(nanobind::module_& module);

}  // namespace cereggii::atomicdict
