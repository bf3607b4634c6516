// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

// Going through what a caller gives: iterables, and iterables of pairs.
namespace cereggii::atomicdict {

// Between two items of an iterable that is not Python code, which would never do this: answers
// signals, and lets the collector stop the thread. False with an exception.
inline bool breathe(Py_ssize_t number) {
    if (number % 4096 != 4095) [[likely]]
        return true;
    Py_BEGIN_ALLOW_THREADS Py_END_ALLOW_THREADS return PyErr_CheckSignals() == 0;
}

// Calls `use(item, number)` for what the iterable yields, until it returns false.
template <class Use>
bool for_each(PyObject* iterable, const Use& use) {
    PyObject* iterator = PyObject_GetIter(iterable);
    if (!iterator) return false;
    bool good = true;
    for (Py_ssize_t number = 0; good; ++number) {
        PyObject* item = PyIter_Next(iterator);
        if (!item) {
            good = !PyErr_Occurred();
            break;
        }
        good = use(item, number) && breathe(number);
        Py_DECREF(item);
    }
    Py_DECREF(iterator);
    return good;
}

// Calls `use(first, second)` for an element that has two; otherwise false, with the errors of
// dict.update.
template <class Use>
bool unpack_pair(PyObject* element, Py_ssize_t number, const Use& use) {
    PyObject* items = nullptr;
    if (PyTuple_CheckExact(element)) [[likely]] {
        items = Py_NewRef(element);
    } else {
        PyObject* sequence = PySequence_Fast(element, "object is not iterable");
        if (!sequence) {
            if (PyErr_ExceptionMatches(PyExc_TypeError))
                PyErr_Format(PyExc_TypeError,
                             "cannot convert dictionary update sequence element #%zd to a sequence",
                             number);
            return false;
        }
        // A list that is not ours may change: its items are taken at once.
        items = PySequence_Tuple(sequence);
        Py_DECREF(sequence);
        if (!items) return false;
    }
    bool good = false;
    if (PyTuple_GET_SIZE(items) == 2)
        good = use(PyTuple_GET_ITEM(items, 0), PyTuple_GET_ITEM(items, 1));
    else
        PyErr_Format(PyExc_ValueError,
                     "dictionary update sequence element #%zd has length %zd; 2 is required",
                     number, PyTuple_GET_SIZE(items));
    Py_DECREF(items);
    return good;
}

template <class Use>
bool for_each_pair(PyObject* pairs, const Use& use) {
    return for_each(pairs, [&](PyObject* element, Py_ssize_t number) {
        return unpack_pair(element, number, use);
    });
}

}  // namespace cereggii::atomicdict
