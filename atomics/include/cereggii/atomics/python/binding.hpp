// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>
#include <nanobind/nanobind.h>
#include <structmember.h>

#include <bit>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "cereggii/atomics/python/accessors.hpp"
#include "cereggii/atomics/python/at_fork.hpp"
#include "cereggii/atomics/python/blocking.hpp"
#include "cereggii/atomics/python/compat.hpp"
#include "cereggii/atomics/python/construction.hpp"
#include "cereggii/atomics/python/values.hpp"

// What every type needs from Python's object model besides its operations: method tables, garbage
// collection, identity, copying, registration, and what is in construction.hpp.
namespace cereggii::atomics {

namespace nb = nanobind;

template <class Function>
constexpr void* slot(Function* function) {
    return reinterpret_cast<void*>(function);
}

// Calls a C++ function from C: C++ exceptions become Python's.
template <auto Function, class... Args>
PyObject* guarded(Args... args) {
    try {
        return Function(args...).release().ptr();
    } catch (nb::python_error& error) {
        error.restore();
    } catch (const std::bad_alloc&) {
        PyErr_NoMemory();
    }
    return nullptr;
}

inline nb::object owned_or_throw(PyObject* object) {
    if (!object) throw nb::python_error();
    return nb::steal(object);
}

using FastMethod = PyObject*(PyObject*, PyObject* const*, Py_ssize_t, PyObject*);

inline PyMethodDef fast_method(const char* name, FastMethod* function, const char* doc) {
    return {name, reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function)),
            METH_FASTCALL | METH_KEYWORDS, doc};
}

inline PyMethodDef plain_method(const char* name, PyCFunction function, const char* doc) {
    return {name, function, METH_NOARGS, doc};
}

// A method with one argument, which is positional only.
inline PyMethodDef one_argument_method(const char* name, PyCFunction function, const char* doc) {
    return {name, function, METH_O, doc};
}

// A method that is seldom called: a function of C++ objects, which may throw.
template <auto Function>
PyMethodDef cold_method(const char* name, const char* doc) {
    return {name, [](PyObject* self, PyObject*) { return guarded<Function>(self); }, METH_NOARGS,
            doc};
}

// `T[...]`, as for every generic class.
inline PyMethodDef generic_alias_method() {
    return {"__class_getitem__", &Py_GenericAlias, METH_O | METH_CLASS,
            "__class_getitem__($type, item, /)\n--\n\nSee PEP 585."};
}

// ── garbage collection ─────────────────────────────────────────────────────────────────────────

// A handle owns its target. An atomic that owns objects has the methods `traverse` and `clear`.
template <class Accessor>
int traverse(PyObject* self, visitproc visit, void* arg) {
    using Atomic = typename Accessor::Shared;
    if constexpr (Accessor::is_handle) {
        Py_VISIT(Accessor::target(self));  // null before __init__
    } else if constexpr (requires(Atomic& atomic) { atomic.traverse(visit, arg); }) {
        if constexpr (std::is_same_v<typename Atomic::Sharing, DeferredPolicy>)
            DeferredPolicy::note_visit<Atomic>(self);
        if (const int stop = payload<Atomic>(self)->traverse(visit, arg)) return stop;
    }
    Py_VISIT(Py_TYPE(self));
    return 0;
}

// A handle has nothing to clear: its target never changes, so that it can be read without
// synchronization. Every cycle through a handle goes through something else that can be cleared.
template <class Accessor>
int clear(PyObject* self) {
    using Atomic = typename Accessor::Shared;
    if constexpr (!Accessor::is_handle && requires(Atomic& atomic) { atomic.clear(); })
        payload<Atomic>(self)->clear();
    return 0;
}

// ── identity ───────────────────────────────────────────────────────────────────────────────────

// The hash is that of the identity: the value changes, and the hash of a key must not. An atomic
// and its handles have the same hash.
template <class Accessor>
Py_hash_t hash_identity(PyObject* self) {
    if (!Accessor::peek(self)) return -1;
    const auto address = reinterpret_cast<std::uintptr_t>(Accessor::target(self));
    const auto hash = static_cast<Py_hash_t>(std::rotr(address, 4));  // the low bits are 0
    return hash == -1 ? -2 : hash;
}

// The atomic itself, or the target of a handle. Null for any other object, and for a handle that is
// not constructed.
template <class Atomic>
PyObject* find_target(PyObject* object) {
    if (PyObject_TypeCheck(object, Types<Atomic>::atomic)) return object;
    if (PyObject_TypeCheck(object, Types<Atomic>::handle))
        return HandleAccessor<Atomic>::target(object);
    return nullptr;
}

// == and != compare the identity of the atomic: its handles are equal to it and to each other.
template <class Accessor>
PyObject* compare_identity(PyObject* self, PyObject* other, int op) {
    if (op != Py_EQ && op != Py_NE) Py_RETURN_NOTIMPLEMENTED;
    if (!Accessor::peek(self)) return nullptr;
    PyObject* target = find_target<typename Accessor::Shared>(other);
    if (!target) Py_RETURN_NOTIMPLEMENTED;
    return Py_NewRef((target == Accessor::target(self)) == (op == Py_EQ) ? Py_True : Py_False);
}

// ── copying ────────────────────────────────────────────────────────────────────────────────────

// What a copy is made from, besides the attributes of a subclass: (value,), or (target,) for a
// handle. The rest of copying and pickling is in Python, in _copying.py.
template <class Accessor, auto Value>
nb::object new_arguments(PyObject* self) {
    if constexpr (Accessor::is_handle) {
        if (!Accessor::peek(self)) throw nb::python_error();
        return nb::make_tuple(nb::borrow(Accessor::target(self)));
    } else {
        return nb::make_tuple(owned_or_throw(Value(self, nullptr)));
    }
}

// ── registration ───────────────────────────────────────────────────────────────────────────────

template <class Accessor, auto Convert>
PyType_Slot init_slot() {
    using Atomic = typename Accessor::Shared;
    if constexpr (Accessor::is_handle)
        return {Py_tp_init, slot(&init_handle<Atomic>)};
    else
        return {Py_tp_init, slot(&init_atomic<Atomic, Convert>)};
}

// `__class__` of a handle: isinstance() takes a handle for its target, as it takes a ThreadHandle
// for its target.
template <class T>
PyObject* class_of_target(PyObject* self, void*) {
    const PyObject* target = payload<T>(self)->target.load(std::memory_order_acquire);
    return Py_NewRef(reinterpret_cast<PyObject*>(Py_TYPE(target ? target : self)));
}

// Puts `__class__` into the dict of a new type. To set the attribute would set the class of the
// type itself.
template <class T>
void define_class_of_target(PyTypeObject* type) {
    constexpr setter refuse = [](PyObject* self, PyObject*, void*) {
        PyErr_Format(PyExc_TypeError, "the class of a handle cannot be set: %R", self);
        return -1;
    };
    static PyGetSetDef definition{"__class__", &class_of_target<T>, refuse,
                                  "The type of what this is a handle of.", nullptr};
    const nb::object descriptor = owned_or_throw(PyDescr_NewGetSet(type, &definition));
    const nb::object dict = owned_or_throw(compat::dict_of_type(type));
    if (PyDict_SetItemString(dict.ptr(), definition.name, descriptor.ptr()) < 0)
        throw nb::python_error();
    PyType_Modified(type);
}

// The flags of a type that Python code cannot call, and whose instances the collector knows.
inline constexpr unsigned long made_by_us = Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION;

// Makes a type that Python code can neither subclass nor change. It is never freed, and threads
// that make and drop its instances do not count it.
inline PyTypeObject* make_internal_type(const char* name, std::size_t size, PyType_Slot* slots,
                                        unsigned long flags = made_by_us) {
    flags |= Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE;
    PyType_Spec spec{name, static_cast<int>(size), 0, static_cast<unsigned>(flags), slots};
    PyObject* type = owned_or_throw(PyType_FromSpec(&spec)).release().ptr();
    make_immortal(type);
    return reinterpret_cast<PyTypeObject*>(type);
}

// Makes the type of an atomic or a handle, with its public name `package.Type`, and puts it into
// the module. It is a plain heap type, so it can be mixed with abstract classes and protocols.
// `flags` are added to those that all types have. The type can be changed until finish_type().
template <class T>
void bind(nb::module_& module, const char* public_name, const char* doc, const PyType_Slot* slots,
          PyTypeObject*& type, unsigned long flags = 0) {
    const char* name = std::strrchr(public_name, '.') + 1;
    if (!type) {  // otherwise the module is imported again, after sys.modules was tampered with
        static PyMemberDef members[] = {
            {"__weaklistoffset__", T_PYSSIZET, static_cast<Py_ssize_t>(weak_list_offset<T>),
             READONLY, nullptr},
            {nullptr, 0, 0, 0, nullptr}};
        std::vector<PyType_Slot> all;
        for (; slots->slot != 0; ++slots) all.push_back(*slots);
        all.insert(all.end(), {{Py_tp_doc, const_cast<char*>(doc)},
                               {Py_tp_new, slot(&new_instance)},
                               {Py_tp_dealloc, slot(&deallocate<T>)},
                               {Py_tp_members, members},
                               {0, nullptr}});
        PyType_Spec spec{public_name, static_cast<int>(instance_size<T>), 0,
                         static_cast<unsigned>(Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE |
                                               Py_TPFLAGS_HAVE_GC | flags),
                         all.data()};
        const nb::object made =
            owned_or_throw(PyType_FromModuleAndSpec(module.ptr(), &spec, nullptr));
        auto* bound = reinterpret_cast<PyTypeObject*>(made.ptr());
        if constexpr (requires(T& handle) { handle.target; }) define_class_of_target<T>(bound);
        make_immortal(made.ptr());  // threads that make and drop its instances would count it
        type = reinterpret_cast<PyTypeObject*>(Py_NewRef(made.ptr()));  // it is complete
    }
    module.attr(name) = nb::handle(reinterpret_cast<PyObject*>(type));
}

// `_finish_type(type, attributes)`, for the package's own Python code. It adds what is written in
// Python, and makes the type immutable. When the package is imported again, it does nothing.
inline PyObject* finish_type(PyObject*, PyObject* args) {
    PyTypeObject* type = nullptr;
    PyObject* attributes = nullptr;
    if (!PyArg_ParseTuple(args, "O!O!:_finish_type", &PyType_Type, &type, &PyDict_Type,
                          &attributes))
        return nullptr;
    if (PyType_HasFeature(type, Py_TPFLAGS_IMMUTABLETYPE)) Py_RETURN_NONE;
    PyObject *name, *value;
    Py_ssize_t position = 0;
    while (PyDict_Next(attributes, &position, &name, &value))
        if (PyObject_SetAttr(reinterpret_cast<PyObject*>(type), name, value) < 0) return nullptr;
    type->tp_flags |= Py_TPFLAGS_IMMUTABLETYPE;
    Py_RETURN_NONE;
}

inline void add_finish_type(nb::module_& module) {
    static PyMethodDef functions[] = {{"_finish_type", &finish_type, METH_VARARGS, nullptr},
                                      {nullptr, nullptr, 0, nullptr}};
    if (PyModule_AddFunctions(module.ptr(), functions) < 0) throw nb::python_error();
}

// The child of a fork forgets the threads that waited, which it does not have. Call it once in a
// process.
inline void forget_waiters_after_fork() {
    // Nobody waits yet. This makes the table, which must not be made in a child for the first time.
    WaitQueue::forget_all();
    call_in_forked_children([] { WaitQueue::forget_all(); });
}

}  // namespace cereggii::atomics
