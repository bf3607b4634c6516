// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstring>
#include <new>
#include <string>
#include <utility>

#include "cereggii/atomics/python/values.hpp"
#include "types.hpp"

// What every type of this module needs from Python's object model, apart from its operations.
namespace cereggii::atomicint {

namespace nb = nanobind;

template <class Function>
constexpr void* slot(Function* function) {
    return reinterpret_cast<void*>(function);
}

// A C++ function as a C one: exceptions become Python's.
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

// For what is seldom called: a function of C++ objects, which may throw.
template <auto Function>
PyMethodDef cold_method(const char* name, const char* doc) {
    return {name, [](PyObject* self, PyObject*) { return guarded<Function>(self); }, METH_NOARGS,
            doc};
}
// An atomic owns nothing but its type; a handle owns its target as well.
template <class Form>
int traverse(PyObject* self, visitproc visit, void* arg) {
    if constexpr (Form::is_handle) Py_VISIT(Form::target(self));  // null before __init__
    Py_VISIT(Py_TYPE(self));
    return 0;
}

// Nothing to clear: what a handle points at is immutable, so that it can be read without
// synchronization. A cycle through a handle goes through the dict of a subclass, which is cleared.
inline int clear(PyObject*) { return 0; }

// tp_init of an atomic: (initial_value=0, *, immortal=False). Once in the life of an instance.
// `construct(self, initial_value or null)` makes the C++ object; false with an exception.
template <class Atomic, auto Construct>
int init_atomic(PyObject* self, PyObject* args, PyObject* keywords) {
    static const char* names[] = {"initial_value", "immortal", nullptr};
    static const std::string format = std::string("|O$p:") + Atomic::name;
    PyObject* initial_value = nullptr;
    int immortal = 0;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, format.c_str(), const_cast<char**>(names),
                                     &initial_value, &immortal))
        return -1;
    if (!Construct(self, initial_value)) return -1;
    if (immortal) atomics::make_immortal(self);
    return 0;
}

// Constructs the C++ object in an instance that has none yet, whoever else tries the same.
template <class T, class... Args>
bool construct_once(PyObject* self, Args&&... args) {
    bool first = false;
    atomics::with_object_lock(self, [&] {
        first = !nb::inst_ready(self);
        if (!first) return;
        new (payload<T>(self)) T(std::forward<Args>(args)...);
        nb::inst_mark_ready(self);
    });
    if (!first)
        PyErr_Format(PyExc_RuntimeError, "%s.__init__() has been called already", short_name(self));
    return first;
}

// The atomic that a handle is to be made for: the argument itself, or what it is a handle of. Null
// with an exception for anything else.
template <class Atomic>
PyObject* handle_target(PyObject* object) {
    if (PyObject_TypeCheck(object, atomic_type<Atomic>()))
        return AtomicForm<Atomic>::peek(object) ? object : nullptr;
    if (PyObject_TypeCheck(object, handle_type<Atomic>()))
        return HandleForm<Atomic>::peek(object) ? HandleForm<Atomic>::target(object) : nullptr;
    atomics::set_error(PyExc_TypeError, "a handle needs an %s, not %U", Atomic::name, object);
    return nullptr;
}

template <class Atomic>
int init_handle(PyObject* self, PyObject* args, PyObject* keywords) {
    static const char* names[] = {"target", nullptr};
    static const std::string format = std::string("O:") + Atomic::name + "Handle";
    PyObject* object = nullptr;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, format.c_str(), const_cast<char**>(names),
                                     &object))
        return -1;
    PyObject* target = handle_target<Atomic>(object);
    return target && construct_once<Handle<Atomic>>(self, target) ? 0 : -1;
}

// What a copy is made from, besides the attributes of a subclass: (value,), or (target,) of a
// handle. The rest of copying and pickling is in Python, in _copying.py.
template <class Form, auto Value>
nb::object new_arguments(PyObject* self) {
    const nb::object value = owned_or_throw(Value(self, nullptr));
    if constexpr (Form::is_handle) return nb::make_tuple(nb::borrow(Form::target(self)));
    return nb::make_tuple(value);
}

// `Construct(self, value or null)` makes the C++ object of an atomic.
template <class Form, auto Construct>
PyType_Slot init_slot() {
    using Atomic = typename Form::Shared;
    if constexpr (Form::is_handle)
        return {Py_tp_init, slot(&init_handle<Atomic>)};
    else
        return {Py_tp_init, slot(&init_atomic<Atomic, Construct>)};
}

// Registers the type of a form. It shows, and is pickled, under its public name.
template <class T>
void bind(nb::module_& module, const char* name, const char* doc, const PyType_Slot* slots,
          PyTypeObject*& type) {
    if (type) {  // imported again, after sys.modules was tampered with
        module.attr(name) = nb::handle(reinterpret_cast<PyObject*>(type));
        return;
    }
    auto bound =
        nb::class_<T>(module, name, doc, nb::type_slots(slots), nb::is_weak_referenceable());
    bound.attr("__module__") = "cereggii_atomicint";
    atomics::check_layout<T>(bound);
    type = reinterpret_cast<PyTypeObject*>(bound.ptr());
}

}  // namespace cereggii::atomicint
