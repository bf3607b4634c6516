// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <atomic>

#include "cereggii/atomics/python/binding.hpp"
#include "types.hpp"

// The C++ object behind ThreadHandle, and how its slots get at the object it stands for.
//
// Every slot does the same: take the handles off the operands, and have the interpreter's own
// function do the rest. So results and errors are those of the object itself.
//
// What a slot borrows is owned by a handle that its caller holds.
namespace cereggii::atomicref {

PyObject* call_object(PyObject* self, PyObject* const* args, std::size_t count, PyObject* keywords);

struct ThreadHandle {
    static inline PyTypeObject* type = nullptr;  // set when the module is imported, never freed

    // Zero-filled before __init__. Set once, with release: whoever acquires it sees the object as
    // the thread that made the handle did. Never a ThreadHandle.
    std::atomic<PyObject*> object;  // owned
    // Where the interpreter looks for it (tp_vectorcall_offset). Null: not constructed.
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
    PyObject* object = payload<ThreadHandle>(self)->object.load(std::memory_order_acquire);
    if (!object) [[unlikely]]
        set_not_constructed(self);
    return object;
}

// What an operand stands for, borrowed: a handle's object, and itself for anything else. Null with
// RuntimeError for a handle that is not constructed.
inline PyObject* unwrapped(PyObject* operand) {
    return PyObject_TypeCheck(operand, ThreadHandle::type) ? object_of(operand) : operand;
}

// A function of the interpreter on the object.
template <auto Function>
PyObject* unary(PyObject* self) {
    PyObject* object = object_of(self);
    return object ? Function(object) : nullptr;
}

// ── what a class defines, as the interpreter looks it up ───────────────────────────────────────

// A class's attribute of this name, a new reference and not bound; null without an exception if
// there is none, and with one on an error. Looks at `type` and what follows it in the method
// resolution order, as far as `end`.
inline PyObject* find_in_class(PyTypeObject* type, PyObject* name, PyTypeObject* end = nullptr) {
    static PyObject* const mro_name = PyUnicode_InternFromString("__mro__");
    // Not type->tp_mro, which another thread may be about to replace.
    PyObject* order = PyType_Type.tp_getattro(reinterpret_cast<PyObject*>(type), mro_name);
    if (!order) return nullptr;
    PyObject* found = nullptr;
    for (Py_ssize_t i = 0; !found && !PyErr_Occurred() && i < PyTuple_GET_SIZE(order); ++i) {
        auto* base = reinterpret_cast<PyTypeObject*>(PyTuple_GET_ITEM(order, i));
        if (base == end) break;
#if PY_VERSION_HEX >= 0x030D0000
        PyObject* names = PyType_GetDict(base);
        PyDict_GetItemRef(names, name, &found);
        Py_DECREF(names);
#elif PY_VERSION_HEX >= 0x030C0000
        PyObject* names = PyType_GetDict(base);
        found = Py_XNewRef(PyDict_GetItemWithError(names, name));
        Py_DECREF(names);
#else
        found = Py_XNewRef(PyDict_GetItemWithError(base->tp_dict, name));
#endif
    }
    Py_DECREF(order);
    return found;
}

// The method that a statement looks for in the object's class, bound to the object.
inline PyObject* find_special(PyObject* object, PyObject* name) {
    PyObject* found = find_in_class(Py_TYPE(object), name);
    if (!found) return nullptr;
    const descrgetfunc bind = Py_TYPE(found)->tp_descr_get;
    if (!bind) return found;
    PyObject* bound = bind(found, object, reinterpret_cast<PyObject*>(Py_TYPE(object)));
    Py_DECREF(found);
    return bound;
}

// ── the slots ──────────────────────────────────────────────────────────────────────────────────

// thread_handle_attributes.cpp
PyObject* get_attribute(PyObject* self, PyObject* name);
int set_attribute(PyObject* self, PyObject* name, PyObject* value);

// Method tables and slot tables of the parts of the protocol; the last entry is all null.
extern const PyType_Slot operator_slots[];   // thread_handle_operators.cpp
extern const PyType_Slot container_slots[];  // thread_handle_containers.cpp
extern PyMethodDef conversion_methods[];
bool prepare_conversions();
bool prepare_attributes();

}  // namespace cereggii::atomicref
