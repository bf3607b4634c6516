// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <utility>

#include "cereggii/atomics/python/object_slot.hpp"
#include "cereggii/atomics/python/with_backoff.hpp"

// Whether the object that an operation finds matches the one that it expects. The same object
// always matches. An exact int, str or bytes also matches an equal object of the same type, because
// it depends on caching which of those are the same object. To compare them runs no Python code and
// cannot fail.
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

// The slot's compare-and-swap, where threads that contend take turns.
inline bool compare_exchange_with_backoff(WithBackoff<ObjectSlot>& slot, PyObject* expected,
                                          PyObject* updated) {
    const bool stored = slot.compare_exchange(expected, updated);
    slot.note_update();
    return stored;
}

struct Exchange {
    PyObject* found;  // what the slot held: an owned reference
    bool stored;      // whether it matched, and so was replaced
};

// Stores `updated` if the slot's object matches. Its linearization point is the successful
// compare-and-swap, or the load of the object that does not match. May run Python code: it may drop
// the last reference to an object that was replaced meanwhile.
inline Exchange compare_exchange(WithBackoff<ObjectSlot>& slot, PyObject* expected,
                                 PyObject* updated) {
    // The common case: the same object, so it need not be looked at.
    if (compare_exchange_with_backoff(slot, expected, updated)) return {expected, true};
    for (;;) {
        PyObject* found = slot.load();
        if (!matches(found, expected)) return {found, false};
        if (compare_exchange_with_backoff(slot, found, updated)) {
            Py_DECREF(found);  // one of two: the slot's and load()'s
            return {found, true};
        }
        // Lost to a concurrent store: look at the object that is there now.
        Py_DECREF(found);
    }
}

// The same, for callers that do not need what was found.
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
