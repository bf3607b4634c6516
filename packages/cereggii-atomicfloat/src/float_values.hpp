// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include "cereggii/atomics/python/values.hpp"

// Reads arguments that are floats.
namespace cereggii::atomicfloat {

// The value of an argument that is a real number: a float, an int, or anything with __float__ or
// __index__. It is what float() makes of it, but a text is refused. False with TypeError or
// OverflowError, or what the argument's methods raised. May run Python code.
//
// `format` is of the TypeError: it has %s for `name`, and %U for the argument.
inline bool to_float64_as(PyObject* argument, double* value, const char* name, const char* format) {
    if (PyFloat_Check(argument)) [[likely]] {  // an overridden __float__ is not asked
        *value = PyFloat_AS_DOUBLE(argument);
        return true;
    }
    const PyNumberMethods* methods = Py_TYPE(argument)->tp_as_number;
    if (!methods || !(methods->nb_float || methods->nb_index)) {
        atomics::set_error(PyExc_TypeError, format, name, argument);
        return false;
    }
    *value = PyFloat_AsDouble(argument);
    if (*value != -1.0 || !PyErr_Occurred()) [[likely]]
        return true;
    // Python's message about an int that is too large does not say which.
    if ((PyLong_Check(argument) || !methods->nb_float) &&
        PyErr_ExceptionMatches(PyExc_OverflowError))
        atomics::set_error(PyExc_OverflowError, "%s does not fit in a float: %U", name, argument);
    return false;
}

inline bool to_float64(PyObject* argument, double* value, const char* name) {
    return to_float64_as(argument, value, name, "%s must be a real number, not %U");
}

// What AtomicFloat and AtomicFloatSum are made from: 0.0 if there is no argument.
inline bool to_initial(PyObject* initial_value, double& value) {
    return !initial_value || to_float64(initial_value, &value, "the value");
}

// The right-hand side of an in-place operator. It is never NotImplemented: Python would bind the
// name to the result of the plain operator, and the variable would silently no longer be the shared
// float.
inline bool to_operand(PyObject* operand, double* value, const char* op) {
    return to_float64_as(operand, value, op,
                         "the right-hand side of %s must be a real number, not %U");
}

}  // namespace cereggii::atomicfloat
