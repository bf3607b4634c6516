// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

// For the scenarios of the checker, in the place of the header with this name. Relaxed: the map
// relies on its own orders, and not on those of the count.
namespace cereggii::atomics {

inline void enable_try_incref(PyObject*) noexcept {}

inline bool try_incref(PyObject* object, bool* = nullptr) noexcept {
    Py_ssize_t count = object->count.load(std::memory_order_relaxed);
    while (count != 0)
        if (object->count.compare_exchange_strong(count, count + 1, std::memory_order_relaxed))
            return true;
    return false;
}

}  // namespace cereggii::atomics
