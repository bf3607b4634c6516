// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <cstddef>
#include <new>
#include <utility>

#include "cereggii/atomics/python/accessors.hpp"
#include "cereggii/atomics/python/instances.hpp"
#include "cereggii/atomics/python/sharing.hpp"
#include "cereggii/atomics/python/values.hpp"

// How the instances of our types are allocated, constructed and freed: atomics and their handles.
namespace cereggii::atomics {

// ── allocation ─────────────────────────────────────────────────────────────────────────────────

// tp_new: makes a zero-filled instance, without a C++ object. A class with abstract methods is
// refused, as `object` does it. It is not inherited from `object`, so that
// `object.__new__(AtomicRef)` is refused, too.
inline PyObject* new_instance(PyTypeObject* type, PyObject*, PyObject*) {
    if (!PyType_HasFeature(type, Py_TPFLAGS_IS_ABSTRACT)) [[likely]]
        return type->tp_alloc(type, 0);
    PyObject* none = PyTuple_New(0);
    PyObject* refused = none ? PyBaseObject_Type.tp_new(type, none, nullptr) : nullptr;
    Py_XDECREF(none);
    return refused;
}

// Releases what an object owns before its destructor runs. Before 3.14, a daemon thread that runs
// Python code when the interpreter ends is unwound, and unwinding must not meet a noexcept function
// such as a destructor.
template <class T>
void release_owned([[maybe_unused]] T* object) {
    if constexpr (PY_VERSION_HEX < 0x030E0000) {
        if constexpr (requires { object->dismantle(); })
            object->dismantle();
        else if constexpr (requires { object->clear(); })
            object->clear();
    }
}

template <class T>
void free_instance(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    if (*reinterpret_cast<PyObject**>(reinterpret_cast<char*>(self) + weak_list_offset<T>))
        PyObject_ClearWeakRefs(self);
    if (header_of(self).ready) {
        release_owned(payload<T>(self));
        payload<T>(self)->~T();
    }
    type->tp_free(self);
    Py_DECREF(type);  // for a subclass, too: its own tp_dealloc leaves it to that of a heap type
}

// Think of a chain of objects in which each has the last reference to the next. Up to 3.13 it would
// be freed recursively, as deep as the chain is long; the trashcan bounds that depth. Later
// versions of Python bound it themselves.
template <class T>
void deallocate(PyObject* self) {
    PyObject_GC_UnTrack(self);
#if PY_VERSION_HEX < 0x030E0000
    Py_TRASHCAN_BEGIN(self, deallocate<T>);
    free_instance<T>(self);
    Py_TRASHCAN_END
#else
    free_instance<T>(self);
#endif
}

// ── construction ───────────────────────────────────────────────────────────────────────────────

// Constructs the C++ object in an instance that has none yet. If several threads try, one succeeds,
// and the others get RuntimeError.
template <class T, class... Args>
bool construct_once(PyObject* self, Args&&... args) {
    bool first = false;
    with_object_lock(self, [&] {
        first = !header_of(self).ready;
        if (!first) return;
        new (payload<T>(self)) T(std::forward<Args>(args)...);
        header_of(self).ready = true;
    });
    if (!first)
        PyErr_Format(PyExc_RuntimeError, "%s.__init__() has been called already", short_name(self));
    return first;
}

// What an atomic is made from. `Convert(initial_value or null, value)` converts the argument to
// what the constructor of the C++ object takes. False with an exception.
template <auto Convert>
struct InitialValue;
template <class T, bool (*Convert)(PyObject*, T&)>
struct InitialValue<Convert> {
    using Type = T;
};

// tp_init of an atomic: (initial_value=0, *, immortal=None). It succeeds once for each instance.
template <class Atomic, auto Convert>
int init_atomic(PyObject* self, PyObject* args, PyObject* keywords) {
    PyObject* initial_value = nullptr;
    PyObject* immortal = nullptr;
    if (!keywords && PyTuple_GET_SIZE(args) <= 1) {
        if (PyTuple_GET_SIZE(args) == 1) initial_value = PyTuple_GET_ITEM(args, 0);
    } else {
        static const char* names[] = {"initial_value", "immortal", nullptr};
        char format[64];
        PyOS_snprintf(format, sizeof(format), "|O$O:%s", Atomic::name);
        if (!PyArg_ParseTupleAndKeywords(args, keywords, format, const_cast<char**>(names),
                                         &initial_value, &immortal))
            return -1;
    }
    Immortality immortality{};
    if (!to_immortality(immortal, immortality)) return -1;
    typename InitialValue<Convert>::Type value{};
    if (!Convert(initial_value, value) || !construct_once<Atomic>(self, value)) return -1;
    note_creation(self, immortality);
    if (immortality == Immortality::always) make_immortal(self);
    return 0;
}

// Calls a type as if it had no tp_vectorcall.
inline PyObject* call_class_slowly(PyObject* type, PyObject* const* args, Py_ssize_t count,
                                   PyObject* names) {
    PyObject* tuple = PyTuple_New(count);
    PyObject* keywords = names ? PyDict_New() : nullptr;
    bool ok = tuple && (keywords || !names);
    for (Py_ssize_t i = 0; ok && i < count; ++i) PyTuple_SET_ITEM(tuple, i, Py_NewRef(args[i]));
    for (Py_ssize_t i = 0; ok && names && i < PyTuple_GET_SIZE(names); ++i)
        ok = PyDict_SetItem(keywords, PyTuple_GET_ITEM(names, i), args[count + i]) == 0;
    PyObject* made = ok ? PyType_Type.tp_call(type, tuple, keywords) : nullptr;
    Py_XDECREF(keywords);
    Py_XDECREF(tuple);
    return made;
}

// tp_vectorcall of an atomic's type, which no subclass inherits. It makes an instance from at most
// one positional argument, without a tuple of arguments. It does not lock the instance, because no
// other thread has it.
template <class Atomic, auto Convert>
PyObject* call_class(PyObject* type, PyObject* const* args, std::size_t count_and_flag,
                     PyObject* names) {
    const Py_ssize_t count = PyVectorcall_NARGS(count_and_flag);
    if (count > 1 || names) [[unlikely]]
        return call_class_slowly(type, args, count, names);
    typename InitialValue<Convert>::Type value{};
    if (!Convert(count == 1 ? args[0] : nullptr, value)) return nullptr;
    PyObject* self = make_instance<Atomic>(reinterpret_cast<PyTypeObject*>(type), value);
    if (self) note_creation(self, Immortality::automatic);
    return self;
}

// Whether the class of an atomic has a true attribute `_refuses_handles`. A subclass needs it if it
// changes what the operations do, because a handle goes to the atomic itself, past the class. True
// with an exception.
template <class Atomic>
bool refuses_handles(PyObject* atomic) {
    if (Py_TYPE(atomic) == Types<Atomic>::atomic) [[likely]]
        return false;
    PyObject* says =
        PyObject_GetAttrString(reinterpret_cast<PyObject*>(Py_TYPE(atomic)), "_refuses_handles");
    if (!says) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) return true;
        PyErr_Clear();
        return false;
    }
    const int refuses = PyObject_IsTrue(says);
    Py_DECREF(says);
    if (refuses > 0)
        PyErr_Format(PyExc_TypeError, "%s objects have no handles", short_name(atomic));
    return refuses != 0;
}

// The atomic that a handle is to be made for: the argument itself, or the target of a handle. Null
// with an exception for anything else.
template <class Atomic>
PyObject* handle_target(PyObject* object) {
    if (PyObject_TypeCheck(object, Types<Atomic>::atomic)) {
        if (refuses_handles<Atomic>(object)) return nullptr;
        return AtomicAccessor<Atomic>::peek(object) ? object : nullptr;
    }
    if (PyObject_TypeCheck(object, Types<Atomic>::handle))
        return HandleAccessor<Atomic>::peek(object) ? HandleAccessor<Atomic>::target(object)
                                                    : nullptr;
    set_error(PyExc_TypeError, "a handle needs an %s, not %U", Atomic::name, object);
    return nullptr;
}

template <class Atomic>
int init_handle(PyObject* self, PyObject* args, PyObject* keywords) {
    static const char* names[] = {"target", nullptr};
    PyObject* object = nullptr;
    char format[64];
    PyOS_snprintf(format, sizeof(format), "O:%sHandle", Atomic::name);
    if (!PyArg_ParseTupleAndKeywords(args, keywords, format, const_cast<char**>(names), &object))
        return -1;
    PyObject* target = handle_target<Atomic>(object);
    return target && construct_once<Handle<Atomic>>(self, target) ? 0 : -1;
}

template <class Accessor>
PyObject* get_handle(PyObject* self, PyObject*) {
    using Atomic = typename Accessor::Shared;
    if (!Accessor::peek(self) || refuses_handles<Atomic>(Accessor::target(self))) return nullptr;
    return make_instance<Handle<Atomic>>(Types<Atomic>::handle, Accessor::target(self));
}

}  // namespace cereggii::atomics
