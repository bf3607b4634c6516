// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>
#include <nanobind/nanobind.h>

#include "cache/cache.hpp"
#include "cereggii/atomics/python/compat.hpp"
#include "python/computation.hpp"
#include "python/key_methods.hpp"

// What a thread does that has not found a value: it computes the value, or waits for the thread
// that does.
namespace cereggii::atomicdict::cache {

// Ends a reservation of the calling thread. First the entry, then the computation: a thread that was
// told of the value, or of its failure, does not find the reservation any more.
//
// A daemon thread may be unwound out of its fill when the interpreter ends. Then only its Leader
// ends, and the next thread that finds the reservation removes it.
inline void end_reservation(Cache& cache, Entry& entry, Leader& leader, PyObject* value,
                            PyObject* error = nullptr) {
    if (value)
        cache.store(entry, leader.object(), value);
    else
        cache.fail(entry, leader.object());
    leader.end_with(value, error);
}

// The function copy.copy.
inline PyObject* copy_function = nullptr;

// Gives a copy of an exception its own list of notes. False with an exception.
inline bool copy_notes(PyObject* error) {
    PyObject* notes = PyObject_GetAttrString(error, "__notes__");
    if (!notes) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) return false;
        PyErr_Clear();
        return true;
    }
    PyObject* own = PySequence_List(notes);
    Py_DECREF(notes);
    const bool ok = own && PyObject_SetAttrString(error, "__notes__", own) == 0;
    Py_XDECREF(own);
    return ok;
}

// A copy of an exception, with a list of notes of its own; the exception itself if it cannot be
// copied. Null with an exception that is not an Exception, such as KeyboardInterrupt.
inline PyObject* copy_exception(PyObject* error) {
    PyObject* copy = PyObject_CallOneArg(copy_function, error);
    if (copy && (!PyExceptionInstance_Check(copy) || copy == error || !copy_notes(copy)))
        Py_CLEAR(copy);
    if (copy) {
        PyException_SetTraceback(copy, Py_None);
        return copy;
    }
    if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_Exception)) return nullptr;
    PyErr_Clear();
    return Py_NewRef(error);
}

// Raises a copy of the exception of a leader, so that each thread has a traceback and a context of
// its own.
inline void raise_shared(PyObject* error) {
    PyObject* own = copy_exception(error);
    if (!own) return;
    if (own != error) PyException_SetCause(own, Py_NewRef(error));
    atomics::raise_exception(own);
}

// Calls `fill()`, and stores the result. Null with an exception.
template <class Fill>
PyObject* lead(Cache& cache, const Fill& fill, Entry& entry, Leader& leader) {
    leader.enter(ComputationState::running);
    cache.statistics().count(Event::fills, Cache::thread());
    PyObject* value = fill();
    if (value && is_sentinel(value)) {
        refuse_sentinel(value, "a value");
        Py_CLEAR(value);
    }
    if (!value) {
        cache.statistics().count(Event::failures, Cache::thread());
        PyObject* exception = atomics::take_exception();
        // KeyboardInterrupt, SystemExit and the like are this thread's own. The others get a copy,
        // since this thread may change its exception.
        PyObject* shared = nullptr;
        if (PyErr_GivenExceptionMatches(exception, PyExc_Exception))
            shared = copy_exception(exception);
        end_reservation(cache, entry, leader, nullptr, shared);
        Py_XDECREF(shared);
        if (PyErr_Occurred()) {  // a Ctrl-C that came while it was copied
            Py_DECREF(exception);
            return nullptr;
        }
        atomics::raise_exception(exception);
        return nullptr;
    }
    end_reservation(cache, entry, leader, value);
    cache.maintain();
    return value;
}

// The value of a key that was not found: the result of `fill()`, which one thread calls for all that
// ask. Null with an exception. If the thread would wait for itself, that is a RuntimeError; or, with
// `may_recurse`, it calls `fill()` and does not store the result.
template <bool may_recurse = false, class Fill>
CEREGGII_NEVER_INLINE PyObject* fill_in(Cache& cache, const Key& key, const Fill& fill,
                                        const atomics::Deadline& deadline) {
    cache.statistics().count(Event::misses, Cache::thread());
    Leader leader;
    if (!leader.object()) return nullptr;
    for (;;) {
        const Reservation reservation = cache.reserve(key, leader.object());
        switch (reservation.result) {
            case ReserveResult::error: leader.drop(); return nullptr;
            case ReserveResult::found: leader.drop(); return reservation.object;
            case ReserveResult::leads: {
                PyObject* value = lead(cache, fill, *reservation.entry, leader);
                leader.drop();
                return value;
            }
            case ReserveResult::waits: break;
        }
        const nanobind::object owned = nanobind::steal(reservation.object);
        const Computation* computation = as_computation(owned.ptr());
        cache.statistics().count(Event::waits, Cache::thread());
        bool waits_for_itself = false;
        if (!wait_for(computation, key, deadline, may_recurse ? &waits_for_itself : nullptr)) {
            leader.drop();
            return waits_for_itself ? fill() : nullptr;
        }
        if (computation->value || computation->error) {
            leader.drop();
            if (computation->value) return Py_NewRef(computation->value);
            raise_shared(computation->error);
            return nullptr;
        }
        // Its exception was not to be shared: one of the threads that waited tries next.
    }
}

// Looks for values that have expired, once in a while. To be called after a hit.
CEREGGII_ALWAYS_INLINE void expire_once_in_a_while(Cache& cache) {
    if (cache.limits().expires && cache.is_due()) [[unlikely]]
        cache.maintain(MaintenanceWork::expiry);
}

}  // namespace cereggii::atomicdict::cache
