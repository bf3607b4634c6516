// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <atomic>

#include "cereggii/atomics/compiler.hpp"
#include "cereggii/atomics/python/try_incref.hpp"

namespace cereggii::atomics {

// One word that owns a reference to a Python object. Any thread may read and replace it without a
// lock. It is null only before the constructor has run.
//
// The race of a reader: after it has loaded the pointer, and before it has counted its reference,
// another thread may replace the object and drop its last reference. So a reader takes three steps:
//   1. It loads the pointer.
//   2. It tries to take a reference. That fails for an object that is being freed.
//   3. It loads the pointer again.
// If the pointer is the same, the object is the one that was stored. For the reader's own reference
// has kept the object from being freed since before step 3, so its address cannot have been given
// to another object that was then stored. If the pointer is another one, the reference may be to
// anything, because the memory may already be another object. Then the reader drops it, and starts
// again.
//
// A try cannot fail forever. While the word holds an object, it owns a reference to it, so the count
// of the object is above zero. And enable_try_incref() is called for each object before it is
// stored.
//
// All operations are sequentially consistent and lock-free; exchange() is wait-free. None of them
// runs Python code, with one exception: a reader that starts again may drop the last reference to
// an object.
class ObjectSlot {
public:
    // The slot takes a reference of its own to each object that is stored.
    explicit ObjectSlot(PyObject* object) noexcept { word_.store(publish(object)); }
    ~ObjectSlot() { Py_XDECREF(word_.load()); }
    ObjectSlot(const ObjectSlot&) = delete;
    ObjectSlot& operator=(const ObjectSlot&) = delete;

    bool constructed() const noexcept { return word_.load(std::memory_order_relaxed) != nullptr; }

    // A new reference to the object that is stored.
    CEREGGII_ALWAYS_INLINE PyObject* load() const {
        PyObject* found = word_.load();
        if (try_incref(found)) [[likely]] {
            if (word_.load() == found) [[likely]]
                return found;
        } else {
            found = nullptr;
        }
        return load_again(found);
    }

    // Only for comparing addresses: the object may have been freed.
    PyObject* address() const noexcept { return word_.load(); }

    // Returns the object that was stored, with the reference that the word owned.
    CEREGGII_ALWAYS_INLINE PyObject* exchange(PyObject* updated) noexcept {
        return word_.exchange(publish(updated));
    }

    // If the word holds `expected`, stores `updated` and returns true. The caller owns a reference
    // to `expected`, and after that also the one that the word owned.
    bool compare_exchange(PyObject* expected, PyObject* updated) noexcept {
        if (word_.load() != expected) return false;
        if (word_.compare_exchange_strong(expected, publish(updated))) return true;
        // Lost to a concurrent store. This is not the last reference: the caller has one.
        Py_DECREF(updated);
        return false;
    }

    // For tp_clear: replaces the object and releases it. Does nothing before the constructor has
    // run.
    void clear(PyObject* replacement) {
        if (constructed()) Py_DECREF(exchange(replacement));
    }

    // For the collector, which has stopped all threads.
    int traverse(visitproc visit, void* arg) const {
        Py_VISIT(word_.load(std::memory_order_relaxed));
        return 0;
    }

private:
    // The try has failed, and `other` is null; or it took a reference to `other`, which has to be
    // dropped.
    CEREGGII_NEVER_INLINE PyObject* load_again(PyObject* other) const {
        for (;;) {
            Py_XDECREF(other);
            other = nullptr;
            PyObject* found = word_.load();
            // Lost to a concurrent store: the object found is being freed.
            if (!try_incref(found)) continue;
            if (word_.load() == found) return found;
            other = found;  // lost to a concurrent store: `found` may be any object
        }
    }

    // Enables tries first, which reads the count: right after Py_INCREF, the read would wait for
    // the change.
    CEREGGII_ALWAYS_INLINE static PyObject* publish(PyObject* object) noexcept {
        enable_try_incref(object);
        Py_INCREF(object);
        return object;
    }

    std::atomic<PyObject*> word_;
};

}  // namespace cereggii::atomics
