// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <cstddef>
#include <cstdint>

#include "map/hash_map.hpp"

// Operations on all keys of a map (exact.cpp), and the end of a map.
namespace cereggii::atomicdict {

// Frees the tables from here on, and the keys and values of the nodes in them. Nobody is pinned.
// Runs finalizers.
void free_chain(Table* table);

// Exact, as of one instant. -1 with MemoryError.
Py_ssize_t exact_length(HashMap& map);
// Weak: what is being counted at the same time is in it or not. -1 with MemoryError.
Py_ssize_t approximate_length(HashMap& map);
// A dict of what is in the map at one instant; null with an exception.
PyObject* snapshot(HashMap& map);
// False with MemoryError. Runs finalizers.
bool clear(HashMap& map);
// Drops the table with this generation, if it is the only one, no key is in it, and no exact
// operation is in progress.
void drop_if_empty(HashMap& map, std::uint64_t generation);
// How many slots behind their homes all keys are, together.
std::size_t total_detour(HashMap& map);
// A new tuple (key, value), or null: with KeyError if the map was empty at one instant.
PyObject* pop_item(HashMap& map);
// The bytes allocated by the map, without keys and values. 0 with MemoryError.
std::size_t memory_of(HashMap& map);
// For the collector, which has stopped all threads.
int traverse(HashMap& map, visitproc visit, void* arg);
// When no other thread can have the map any more.
void destroy(HashMap& map);

}  // namespace cereggii::atomicdict
