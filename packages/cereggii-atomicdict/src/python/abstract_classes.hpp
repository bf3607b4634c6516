// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <atomic>

#include "cereggii/atomics/python/arguments.hpp"

// Asking whether an object is of one of the classes in `collections.abc`.
namespace cereggii::atomicdict {

// The class with this name, a borrowed reference; null with an exception. `found` is where it is
// kept after the first call.
inline PyObject* find_abstract_class(const char* name, std::atomic<PyObject*>& found) {
    PyObject* kept = found.load(std::memory_order_acquire);
    if (kept) return kept;
    PyObject* module = PyImport_ImportModule("collections.abc");
    if (!module) return nullptr;
    PyObject* imported = PyObject_GetAttrString(module, name);
    Py_DECREF(module);
    // Release pairs with the acquire load above, so that a thread which finds the class also sees
    // what is in it. Lost to another thread that imports the class: its reference is kept.
    if (!imported || found.compare_exchange_strong(kept, imported, std::memory_order_acq_rel,
                                                   std::memory_order_acquire))
        return imported;
    Py_DECREF(imported);
    return kept;
}

// 1 or 0; -1 with an exception.
template <atomics::MethodName Name>
int is_instance_of_abc(PyObject* object) {
    static std::atomic<PyObject*> found{nullptr};
    PyObject* of = find_abstract_class(Name.text, found);
    return of ? PyObject_IsInstance(object, of) : -1;
}

}  // namespace cereggii::atomicdict
