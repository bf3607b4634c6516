// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <cmath>
#include <cstdint>

#include "cache/cache.hpp"
#include "cereggii/atomics/python/values.hpp"

// The limits of a cache, from the arguments of a constructor.
namespace cereggii::atomicdict::cache {

// A number of seconds from 0 on; inf and None are no limit. False with an exception.
inline bool to_nanoseconds(PyObject* seconds, const char* name, Nanoseconds& result,
                           bool& is_limit) {
    is_limit = false;
    if (!seconds || seconds == Py_None) return true;
    const double number = PyFloat_AsDouble(seconds);
    if (number == -1.0 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_TypeError))
            PyErr_Format(PyExc_TypeError, "%s must be a number of seconds or None, not %R", name,
                         seconds);
        return false;
    }
    if (std::isnan(number) || number < 0) {
        PyErr_Format(PyExc_ValueError, "%s must be a number of seconds from 0 on, not %R", name,
                     seconds);
        return false;
    }
    if (std::isinf(number)) return true;
    constexpr double longest = 9.2e9;  // 290 years
    if (number > longest) {
        PyErr_Format(PyExc_OverflowError,
                     "%s must be at most threading.TIMEOUT_MAX seconds, or None, not %R", name,
                     seconds);
        return false;
    }
    result = static_cast<Nanoseconds>(number * 1e9);
    is_limit = true;
    return true;
}

inline bool to_maxsize(PyObject* maxsize, std::uint64_t& result) {
    result = 0;
    if (!maxsize || maxsize == Py_None) return true;
    if (!PyIndex_Check(maxsize)) {
        PyErr_Format(PyExc_TypeError, "maxsize must be an int or None, not %R", maxsize);
        return false;
    }
    std::int64_t number = 0;
    if (!atomics::to_int64(maxsize, &number, "maxsize")) return false;
    if (number < 1) {
        PyErr_Format(PyExc_ValueError, "maxsize must be 1 or more, not %R", maxsize);
        return false;
    }
    result = static_cast<std::uint64_t>(number);
    return true;
}

}  // namespace cereggii::atomicdict::cache
