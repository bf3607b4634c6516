// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <atomic>
#include <cstring>

#include "cereggii/atomics/compiler.hpp"
#include "cereggii/atomics/python/instances.hpp"
#include "cereggii/atomics/python/sharing.hpp"

// The C++ objects behind the Python types, and how an operation gets at them.
//
// An `Atomic` is the payload of a Python object that threads share. It is zero-filled before
// __init__ has run.
//
//     static constexpr const char* name;         the name of the Python type
//     using Value = ...;                         what the operations work on
//     Value* value();
//     bool constructed() const;
//     using Sharing = ...;                       how a shared instance gets help: see sharing.hpp
//
// An atomic and its handle have the same operations. Each operation is written once, as a template
// over an *accessor*. AtomicAccessor finds the shared value in the instance itself, and
// HandleAccessor through the handle's own strong reference. An accessor has what an operation needs
// to know, and nothing else:
//
//     using Shared = Atomic; using Value = Atomic::Value;
//     static constexpr bool is_handle;
//     static Value* value(PyObject* self);       null with an exception if it is not constructed
//     static Value* peek(PyObject* self);        the same without note_use(), for cold paths
//     static PyObject* target(PyObject* self);   the atomic itself, borrowed
namespace cereggii::atomics {

// The Python types, set when the module is imported and never freed.
template <class Atomic>
struct Types {
    static inline PyTypeObject* atomic = nullptr;
    static inline PyTypeObject* handle = nullptr;
};

// One thread's own reference to an atomic. It never changes, so it can be read without
// synchronization.
template <class Atomic>
struct Handle {
    // The atomic, an owned reference. It is null before __init__ has run, and while the handle is
    // being freed. It is stored with release and loaded with acquire: another thread may load it
    // while __init__ runs, and if it sees the pointer, it sees the atomic.
    std::atomic<PyObject*> target;
    // The atomic's value. It is stored with release, after `target`, and loaded with acquire: a
    // thread that sees it also sees the target.
    std::atomic<typename Atomic::Value*> value;

    explicit Handle(PyObject* atomic) noexcept {
        target.store(Py_NewRef(atomic), std::memory_order_release);
        value.store(payload<Atomic>(atomic)->value(), std::memory_order_release);
    }
    ~Handle() { clear(); }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;

    // For the deallocation, when no other thread has the handle.
    void clear() { Py_XDECREF(target.exchange(nullptr, std::memory_order_relaxed)); }
};

// The name of an object's type without its module, as a repr shows it.
inline const char* short_name(PyObject* self) {
    const char* name = Py_TYPE(self)->tp_name;
    const char* dot = std::strrchr(name, '.');
    return dot ? dot + 1 : name;
}

// The repr `Name(shown)`. It takes over the reference to `shown`, which is null after an error. An
// object within its own repr is shown as `Name(...)`. `spread`: `shown` is a tuple of more than one
// item, and has its own parentheses.
inline PyObject* repr_of(PyObject* self, PyObject* shown, bool spread = false) {
    if (!shown) return nullptr;
    PyObject* text = nullptr;
    const int inside = Py_ReprEnter(self);
    if (inside > 0) {
        text = PyUnicode_FromFormat("%s(...)", short_name(self));
    } else if (inside == 0) {
        text = PyUnicode_FromFormat(spread ? "%s%R" : "%s(%R)", short_name(self), shown);
        Py_ReprLeave(self);
    }
    Py_DECREF(shown);
    return text;
}

CEREGGII_COLD inline void set_not_constructed(PyObject* self) {
    PyErr_Format(PyExc_RuntimeError, "%s.__init__() has not been called", short_name(self));
}

template <class Atomic>
struct AtomicAccessor {
    using Shared = Atomic;
    using Value = typename Atomic::Value;
    static constexpr bool is_handle = false;

    CEREGGII_ALWAYS_INLINE static Value* value(PyObject* self) {
        return peek(note_use<Atomic>(self, Types<Atomic>::atomic));
    }
    static Value* peek(PyObject* self) {
        auto* atomic = payload<Atomic>(self);
        if (atomic->constructed()) [[likely]]
            return atomic->value();
        set_not_constructed(self);
        return nullptr;
    }
    static PyObject* target(PyObject* self) noexcept { return self; }
};

template <class Atomic>
struct HandleAccessor {
    using Shared = Atomic;
    using Value = typename Atomic::Value;
    static constexpr bool is_handle = true;

    static Value* value(PyObject* self) { return peek(self); }
    static Value* peek(PyObject* self) {
        Value* value = payload<Handle<Atomic>>(self)->value.load(std::memory_order_acquire);
        if (value) [[likely]]
            return value;
        set_not_constructed(self);
        return nullptr;
    }
    static PyObject* target(PyObject* self) noexcept {
        return payload<Handle<Atomic>>(self)->target.load(std::memory_order_acquire);
    }
};

}  // namespace cereggii::atomics
