// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <cstddef>
#include <cstdint>

#include "map/hash_map.hpp"

// Operations on all keys of a map. exact.cpp says how they keep writers away.
namespace cereggii::atomicdict {

// Exact: the length at one instant. -1 with MemoryError.
Py_ssize_t exact_length(HashMap& map);
// Weak: an insertion or deletion that runs at the same time is counted or not. -1 with MemoryError.
Py_ssize_t approximate_length(HashMap& map);
// Exact: a dict of what is in the map at one instant. Null with an exception.
PyObject* snapshot(HashMap& map);
// Exact: how many slots behind their homes all keys are, added up. For tests.
std::size_t total_detour(HashMap& map);

// Deletes all keys at one instant. Runs finalizers. False with MemoryError.
bool clear(HashMap& map);
// Drops the table with this generation, if it is the map's only one and no key is in it. Does
// nothing while another exact operation is in progress.
void drop_if_empty(HashMap& map, std::uint64_t generation);

// The bytes allocated by the map, without keys and values. -1 with MemoryError.
Py_ssize_t allocated_by(HashMap& map);
// Visits all keys and values, for the collector, which has stopped all threads.
int traverse(HashMap& map, visitproc visit, void* arg);

// Frees all that is in the map, when no other thread can have it any more. Runs finalizers.
void destroy(HashMap& map);
// Frees the tables from this one on, and the keys and values of the nodes in them, when no thread
// can find them any more. Runs finalizers.
void free_chain(Table* table);

}  // namespace cereggii::atomicdict
