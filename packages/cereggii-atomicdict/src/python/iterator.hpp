// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>

namespace cereggii::atomicdict {

// What an iterator returns.
enum class IteratorKind { keys, values, items };

// A new iterator over an AtomicDict; null with MemoryError. All threads see the same order, as long
// as the dict is not changed.
PyObject* make_iterator(PyObject* dict, IteratorKind kind);
// A new iterator over the items of part `part` of `parts`; null with MemoryError. Each thread has
// an order of its own.
PyObject* make_fast_iterator(PyObject* dict, std::uint64_t part, std::uint64_t parts);

// Puts the type of these iterators into the module.
void bind_iterator(nanobind::module_& module);

}  // namespace cereggii::atomicdict
