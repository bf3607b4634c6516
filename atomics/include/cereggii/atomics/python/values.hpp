// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <cstdint>

#include "cereggii/atomics/python/compat.hpp"

// Reads arguments: Python objects become C++ values, and errors name the value.
namespace cereggii::atomics {

// A new reference to a short text that shows `value`, whatever its __repr__ does. Null on errors
// that are not the value's fault (MemoryError, KeyboardInterrupt).
inline PyObject* shown(PyObject* value) {
    PyObject* text = PyObject_Repr(value);
    if (!text) {
        // The int has more digits than sys.set_int_max_str_digits allows, or __repr__ is broken.
        if (!PyErr_ExceptionMatches(PyExc_Exception) || PyErr_ExceptionMatches(PyExc_MemoryError))
            return nullptr;
        PyErr_Clear();
        return PyUnicode_FromFormat("<%s object>", Py_TYPE(value)->tp_name);
    }
    constexpr Py_ssize_t longest = 200;
    if (PyUnicode_GET_LENGTH(text) <= longest) return text;
    PyObject* head = PyUnicode_Substring(text, 0, longest);
    Py_DECREF(text);
    if (!head) return nullptr;
    PyObject* cut = PyUnicode_FromFormat("%U...", head);
    Py_DECREF(head);
    return cut;
}

// Sets `exception`. `format` has one %U, for the value. Replaces an exception that is set.
inline void set_error(PyObject* exception, const char* format, PyObject* value) {
    PyErr_Clear();
    if (PyObject* text = shown(value)) {
        PyErr_Format(exception, format, text);
        Py_DECREF(text);
    }
}

// The same, with a name before the value: `format` has %s and then %U.
inline void set_error(PyObject* exception, const char* format, const char* name, PyObject* value) {
    PyErr_Clear();
    if (PyObject* text = shown(value)) {
        PyErr_Format(exception, format, name, text);
        Py_DECREF(text);
    }
}

// Whether an int is outside 64 bits. If it is not, *result is its value. Never fails.
inline bool exceeds_int64(PyObject* integer, std::int64_t* result) {
    static_assert(sizeof(long long) == sizeof(std::int64_t));
    if (compat::is_compact(integer)) [[likely]] {
        *result = compat::compact_value(integer);
        return false;
    }
    int overflow = 0;
    *result = PyLong_AsLongLongAndOverflow(integer, &overflow);
    return overflow != 0;
}

// Whether an int is above 64 bits (+1), below (-1) or within (0). Never fails.
inline int int64_overflow(PyObject* integer) {
    int overflow = 0;
    PyLong_AsLongLongAndOverflow(integer, &overflow);
    return overflow;
}

// The value of an integer argument: an int, or anything with __index__, of at most 64 bits.
// False with TypeError or OverflowError, or what __index__ raised. May run Python code.
inline bool to_int64(PyObject* value, std::int64_t* result, const char* name) {
    if (PyLong_Check(value)) [[likely]] {
        if (!exceeds_int64(value, result)) [[likely]]
            return true;
    } else if (PyIndex_Check(value)) {
        PyObject* integer = PyNumber_Index(value);
        if (!integer) return false;
        const bool exceeds = exceeds_int64(integer, result);
        Py_DECREF(integer);
        if (!exceeds) return true;
    } else {
        set_error(PyExc_TypeError, "%s must be an integer, not %U", name, value);
        return false;
    }
    set_error(PyExc_OverflowError, "%s does not fit in a signed 64-bit integer: %U", name, value);
    return false;
}

}  // namespace cereggii::atomics
