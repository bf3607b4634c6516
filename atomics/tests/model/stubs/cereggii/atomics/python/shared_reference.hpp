// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include "cereggii/atomics/python/try_incref.hpp"

// For the scenarios of the checker, in the place of the header with this name.
namespace cereggii::atomics {

inline void incref_shared(PyObject* object) noexcept { Py_NewRef(object); }
inline void incref_published(PyObject* object) noexcept { Py_NewRef(object); }
inline void decref_shared(PyObject* object) noexcept { Py_DECREF(object); }

}  // namespace cereggii::atomics
