// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <array>
#include <atomic>

#include "cereggii/atomics/python/binding.hpp"
#include "types.hpp"

// The C++ object behind ThreadHandle, and access to the object that a handle stands for.
//
// Every function of the type does the same: it replaces handles among the operands by their
// objects, and calls the interpreter's own function. So results and errors are those of the object
// itself. References to the objects are borrowed: each object is owned by a handle that the caller
// holds.
namespace cereggii::atomicref {

// Calls the object of a handle (protocols.hpp).
PyObject* call_object(PyObject* self, PyObject* const* args, std::size_t count, PyObject* keywords);

struct ThreadHandle {
    // Set when the module is imported, and never freed.
    static inline PyTypeObject* type = nullptr;

    // The object that the handle stands for, owned. It is never a ThreadHandle. Null before
    // __init__. After that, only the garbage collector changes it: to null.
    std::atomic<PyObject*> object;
    // The function by which the interpreter calls a handle (tp_vectorcall_offset). Null before
    // __init__.
    std::atomic<vectorcallfunc> vectorcall;

    explicit ThreadHandle(PyObject* target) noexcept {
        // Release: pairs with the acquire load in object_of().
        object.store(Py_NewRef(target), std::memory_order_release);
        // Relaxed: the function loads `object` itself.
        vectorcall.store(&call_object, std::memory_order_relaxed);
    }
    ~ThreadHandle() { Py_XDECREF(object.load(std::memory_order_relaxed)); }
    ThreadHandle(const ThreadHandle&) = delete;
    ThreadHandle& operator=(const ThreadHandle&) = delete;
};

static_assert(sizeof(std::atomic<vectorcallfunc>) == sizeof(vectorcallfunc));

// The object that a handle stands for, borrowed. Null with RuntimeError if __init__ was not called.
inline PyObject* object_of(PyObject* self) {
    // Acquire: pairs with the release store in the constructor. This thread sees the object as the
    // thread that made the handle saw it.
    PyObject* object = payload<ThreadHandle>(self)->object.load(std::memory_order_acquire);
    if (!object) [[unlikely]]
        set_not_constructed(self);
    return object;
}

// Whether it is a ThreadHandle, or an instance of a subclass.
inline bool is_handle(PyObject* operand) {
    // No class can inherit from one of these and from ThreadHandle: their layouts conflict.
    constexpr unsigned long never = Py_TPFLAGS_LONG_SUBCLASS | Py_TPFLAGS_UNICODE_SUBCLASS |
                                    Py_TPFLAGS_BYTES_SUBCLASS | Py_TPFLAGS_TUPLE_SUBCLASS |
                                    Py_TPFLAGS_LIST_SUBCLASS | Py_TPFLAGS_DICT_SUBCLASS;
    if (Py_TYPE(operand) == ThreadHandle::type) return true;
    // The quick answer for the types that operands usually have.
    if (PyType_HasFeature(Py_TYPE(operand), never) || PyFloat_CheckExact(operand)) return false;
    return PyType_IsSubtype(Py_TYPE(operand), ThreadHandle::type);
}

// The object of a handle, or the operand itself if it is not a handle. Borrowed. Null with
// RuntimeError if __init__ of the handle was not called.
inline PyObject* unwrapped(PyObject* operand) {
    return is_handle(operand) ? object_of(operand) : operand;
}

// Calls a function of the interpreter with the object of a handle.
template <auto Function>
PyObject* unary(PyObject* self) {
    PyObject* object = object_of(self);
    return object ? Function(object) : nullptr;
}

// ── methods of a class, looked up as the interpreter does it ───────────────────────────────────

// Interned strings. They are made when the module is imported, and never freed.
struct InternedNames {
    static inline PyObject* mro = nullptr;
    static inline PyObject* mro_entries = nullptr;
    static inline PyObject* obj = nullptr;  // the keyword of the constructor
    static inline PyObject* orig_class = nullptr;
    // The names of the methods by which an object is copied and pickled.
    static inline std::array<PyObject*, 4> copying{};

    static bool intern() {
        return (mro = PyUnicode_InternFromString("__mro__")) &&
               (mro_entries = PyUnicode_InternFromString("__mro_entries__")) &&
               (obj = PyUnicode_InternFromString("obj")) &&
               (orig_class = PyUnicode_InternFromString("__orig_class__")) &&
               (copying[0] = PyUnicode_InternFromString("__reduce_ex__")) &&
               (copying[1] = PyUnicode_InternFromString("__reduce__")) &&
               (copying[2] = PyUnicode_InternFromString("__copy__")) &&
               (copying[3] = PyUnicode_InternFromString("__deepcopy__"));
    }
};

// Looks for a method as a statement does it: in the class of the object. Returns it bound to the
// object, a new reference. Null without an exception if there is none.
inline PyObject* find_special(PyObject* object, const char* name) {
    PyObject* interned = PyUnicode_InternFromString(name);
    if (!interned) return nullptr;
    PyObject* found = find_in_class(Py_TYPE(object), interned, InternedNames::mro);
    Py_DECREF(interned);
    return atomics::bind_to(found, object);
}

}  // namespace cereggii::atomicref
