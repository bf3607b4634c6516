// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <utility>

#include "cereggii/atomics/python/object_slot.hpp"
#include "cereggii/atomics/python/with_backoff.hpp"

// When the object that an operation finds is the one that it expects: if it is the same object; and
// for exact int, str and bytes also if it is an equal one of the same type, since which of them are
// the same object is an accident of caching. Comparing those runs no Python code and cannot fail.
namespace cereggii::atomics {

inline bool matches_by_value(PyObject* expected) noexcept {
    return PyLong_CheckExact(expected) || PyUnicode_CheckExact(expected) ||
           PyBytes_CheckExact(expected);
}

inline bool matches(PyObject* found, PyObject* expected) noexcept {
    if (found == expected) return true;
    if (Py_TYPE(found) != Py_TYPE(expected) || !matches_by_value(expected)) return false;
    PyObject* equal = Py_TYPE(expected)->tp_richcompare(found, expected, Py_EQ);
    if (!equal) {
        PyErr_Clear();  // up to 3.11: no memory to compare a str of the legacy kind
        return false;
    }
    Py_DECREF(equal);  // True and False outlive it
    return equal == Py_True;
}

// The slot's compare-and-swap, in which threads take turns.
inline bool compare_exchange_with_backoff(WithBackoff<ObjectSlot>& slot, PyObject* expected,
                                          PyObject* updated) {
    const bool stored = slot.compare_exchange(expected, updated);
    slot.note_update();
    return stored;
}

// An owned reference to what was found, and whether it matched and so was replaced.
struct Exchange {
    PyObject* found;
    bool stored;
};

// Stores `updated` if the slot's object matches. Linearizes at the successful compare-and-swap, or
// where it loaded the object that does not match. May run Python code: to drop a reference to an
// object that was replaced meanwhile.
inline Exchange compare_exchange(WithBackoff<ObjectSlot>& slot, PyObject* expected,
                                 PyObject* updated) {
    // The common case needs no look at the object at all.
    if (compare_exchange_with_backoff(slot, expected, updated)) return {expected, true};
    for (;;) {
        PyObject* found = slot.load();
        if (!matches(found, expected)) return {found, false};
        if (compare_exchange_with_backoff(slot, found, updated)) {
            Py_DECREF(found);  // one of two: the slot's and load()'s
            return {found, true};
        }
        Py_DECREF(found);  // replaced since it was loaded
    }
}

// The same, for those who do not ask what was found.
inline bool compare_and_set(WithBackoff<ObjectSlot>& slot, PyObject* expected, PyObject* updated) {
    if (!matches_by_value(expected)) {
        const bool stored = compare_exchange_with_backoff(slot, expected, updated);
        if (stored) Py_DECREF(expected);
        return stored;
    }
    const Exchange exchange = compare_exchange(slot, expected, updated);
    Py_DECREF(exchange.found);
    return exchange.stored;
}

}  // namespace cereggii::atomics
