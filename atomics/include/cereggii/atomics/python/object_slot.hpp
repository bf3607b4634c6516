// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <atomic>

#include "cereggii/atomics/python/try_incref.hpp"

namespace cereggii::atomics {

// One word that owns a reference to a Python object, which any thread may read and replace without
// a lock. Null only before the constructor has run.
//
// The race in reading it: between loading the pointer and counting the reference, another thread
// may replace the object and drop its last reference. So a reader tries to take a reference, which
// fails for an object that is being freed, and then looks at the word again. If it holds the same
// pointer, the object found is the one that was stored: the reader's own reference has kept it from
// being freed since before that look, so its address cannot have been given to another object that
// was then stored. If not, the reference may be to anything (the memory may already be another
// object): it is dropped, and the reader starts anew.
//
// A try cannot fail forever: while the word holds the object, the word's own reference keeps its
// count above zero, and everything stored has been enabled to be tried.
//
// All operations are sequentially consistent, and lock-free; exchange() is wait-free. None of them
// runs Python code, except that a reader that starts anew may drop the last reference to an object.
class ObjectSlot {
public:
    // What stores an object takes a reference to it of its own.
    explicit ObjectSlot(PyObject* object) noexcept { word_.store(publish(object)); }
    ~ObjectSlot() { Py_XDECREF(word_.load()); }
    ObjectSlot(const ObjectSlot&) = delete;
    ObjectSlot& operator=(const ObjectSlot&) = delete;

    bool constructed() const noexcept { return word_.load(std::memory_order_relaxed) != nullptr; }

    // A new reference to the object that is stored.
    [[gnu::always_inline]] PyObject* load() const {
        PyObject* found = word_.load();
        if (try_incref(found)) [[likely]] {
            if (word_.load() == found) [[likely]]
                return found;
        } else {
            found = nullptr;
        }
        return load_again(found);
    }

    // Only to compare addresses with: the object may be gone.
    PyObject* address() const noexcept { return word_.load(); }

    // Returns the reference that the word owned.
    [[gnu::always_inline]] PyObject* exchange(PyObject* updated) noexcept {
        return word_.exchange(publish(updated));
    }

    // If the word holds `expected`, to which the caller owns a reference, stores `updated` and
    // returns true: the caller now owns the word's reference to `expected` as well.
    bool compare_exchange(PyObject* expected, PyObject* updated) noexcept {
        if (word_.load() != expected) return false;
        if (word_.compare_exchange_strong(expected, publish(updated))) return true;
        Py_DECREF(updated);  // the caller has another
        return false;
    }

    // For tp_clear: releases the object. Does nothing before the constructor has run.
    void clear(PyObject* replacement) {
        if (constructed()) Py_DECREF(exchange(replacement));
    }

    // For the collector, which has stopped all threads.
    int traverse(visitproc visit, void* arg) const {
        Py_VISIT(word_.load(std::memory_order_relaxed));
        return 0;
    }

private:
    // After a try that failed, or that took a reference to what is to be dropped.
    [[gnu::noinline]] PyObject* load_again(PyObject* other) const {
        for (;;) {
            Py_XDECREF(other);
            other = nullptr;
            PyObject* found = word_.load();
            if (!try_incref(found)) continue;
            if (word_.load() == found) return found;
            other = found;
        }
    }

    // In this order: reading the count right after it was changed would wait for the change.
    [[gnu::always_inline]] static PyObject* publish(PyObject* object) noexcept {
        enable_try_incref(object);
        Py_INCREF(object);
        return object;
    }

    std::atomic<PyObject*> word_;
};

}  // namespace cereggii::atomics
