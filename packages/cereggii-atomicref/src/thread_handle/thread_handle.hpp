// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <array>
#include <atomic>

#include "cereggii/atomics/python/binding.hpp"
#include "types.hpp"

// The C++ object behind ThreadHandle, and how its slots get at the object it stands for.
//
// Every slot does the same: take the handles off the operands, and have the interpreter's own
// function do the rest. So results and errors are those of the object itself. What a slot borrows
// is owned by a handle that its caller holds.
namespace cereggii::atomicref {

PyObject* call_object(PyObject* self, PyObject* const* args, std::size_t count, PyObject* keywords);

struct ThreadHandle {
    static inline PyTypeObject* type = nullptr;  // set when the module is imported, never freed

    // Null before __init__. Set once, and then only ever cleared, by the garbage collector. Never a
    // ThreadHandle.
    std::atomic<PyObject*> object;  // owned
    // Where the interpreter looks for it (tp_vectorcall_offset). Null before __init__.
    std::atomic<vectorcallfunc> vectorcall;

    explicit ThreadHandle(PyObject* target) noexcept {
        object.store(Py_NewRef(target), std::memory_order_release);  // pairs with object_of()
        vectorcall.store(&call_object, std::memory_order_relaxed);   // it looks at `object` itself
    }
    ~ThreadHandle() { Py_XDECREF(object.load(std::memory_order_relaxed)); }
    ThreadHandle(const ThreadHandle&) = delete;
    ThreadHandle& operator=(const ThreadHandle&) = delete;
};

static_assert(sizeof(std::atomic<vectorcallfunc>) == sizeof(vectorcallfunc));

// What a handle stands for, borrowed; null with RuntimeError if it is not constructed.
inline PyObject* object_of(PyObject* self) {
    // Pairs with the store in the constructor: the object is seen as the maker of the handle saw
    // it.
    PyObject* object = payload<ThreadHandle>(self)->object.load(std::memory_order_acquire);
    if (!object) [[unlikely]]
        set_not_constructed(self);
    return object;
}

inline bool is_handle(PyObject* operand) {
    // No class can inherit from one of these and from ThreadHandle: their layouts conflict.
    constexpr unsigned long never = Py_TPFLAGS_LONG_SUBCLASS | Py_TPFLAGS_UNICODE_SUBCLASS |
                                    Py_TPFLAGS_BYTES_SUBCLASS | Py_TPFLAGS_TUPLE_SUBCLASS |
                                    Py_TPFLAGS_LIST_SUBCLASS | Py_TPFLAGS_DICT_SUBCLASS;
    if (Py_TYPE(operand) == ThreadHandle::type) return true;
    // The quick answer for what operands mostly are.
    if (PyType_HasFeature(Py_TYPE(operand), never) || PyFloat_CheckExact(operand)) return false;
    return PyType_IsSubtype(Py_TYPE(operand), ThreadHandle::type);
}

// What an operand stands for, borrowed: a handle's object, and itself for anything else. Null with
// RuntimeError for a handle that is not constructed.
inline PyObject* unwrapped(PyObject* operand) {
    return is_handle(operand) ? object_of(operand) : operand;
}

// A function of the interpreter on the object.
template <auto Function>
PyObject* unary(PyObject* self) {
    PyObject* object = object_of(self);
    return object ? Function(object) : nullptr;
}

// ── what a class defines, as the interpreter looks it up ───────────────────────────────────────

// Interned, when the module is imported, and kept.
struct Names {
    static inline PyObject* mro = nullptr;
    static inline PyObject* mro_entries = nullptr;
    static inline PyObject* obj = nullptr;  // the keyword of the constructor
    static inline PyObject* orig_class = nullptr;
    // How an object is copied and pickled.
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

// The method that a statement looks for in the object's class, bound to the object: a new
// reference; null without an exception if there is none.
inline PyObject* find_special(PyObject* object, const char* name) {
    PyObject* interned = PyUnicode_InternFromString(name);
    if (!interned) return nullptr;
    PyObject* found = find_in_class(Py_TYPE(object), interned, Names::mro);
    Py_DECREF(interned);
    return atomics::bind_to(found, object);
}

}  // namespace cereggii::atomicref
