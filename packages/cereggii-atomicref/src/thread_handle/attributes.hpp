// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <initializer_list>

#include "thread_handle/descriptors.hpp"

// The attributes of a ThreadHandle are the attributes of its object, including __class__, __dict__
// and __doc__. There are three exceptions:
//
// - The methods by which a handle is copied and pickled. The modules copy and pickle look them up
//   in the instance.
// - __mro_entries__ of a handle of a class. By it, a class statement takes the handle for the
//   class.
// - What a subclass of ThreadHandle defines.
namespace cereggii::atomicref {

// ── attributes ─────────────────────────────────────────────────────────────────────────────────

// The names that a class statement puts into every class.
inline constexpr const char* put_by_python[] = {
    "__abstractmethods__",
    "__annotate__",
    "__annotate_func__",
    "__annotations__",
    "__annotations_cache__",
    "__dict__",
    "__doc__",
    "__firstlineno__",
    "__module__",
    "__orig_bases__",
    "__parameters__",
    "__slots__",
    "__static_attributes__",
    "__type_params__",
    "__weakref__",
};

// Whether a subclass of ThreadHandle defines the attribute for its handles. 1 or 0; -1 with an
// exception.
inline int is_own_attribute(PyObject* self, PyObject* name) {
    if (!PyUnicode_Check(name)) return 0;
    for (const char* put : put_by_python)
        if (PyUnicode_CompareWithASCIIString(name, put) == 0) return 0;
    PyObject* found = find_in_class(Py_TYPE(self), name, InternedNames::mro, ThreadHandle::type);
    if (!found) return PyErr_Occurred() ? -1 : 0;
    Py_DECREF(found);
    return 1;
}

// Whether `name` is the interned string, or equal to it.
inline bool is_name(PyObject* name, PyObject* interned) {
    if (PyUnicode_CHECK_INTERNED(name)) return name == interned;
    return PyUnicode_Compare(name, interned) == 0;
}

// A quick test: false if the name is certainly not one to which Python gives a meaning.
inline bool may_be_special(PyObject* name) {
    return PyUnicode_Check(name) && PyUnicode_READ_CHAR(name, 0) == '_';
}

// Whether it is the name of a method by which an object is copied or pickled.
inline bool is_copying(PyObject* name) {
    if (!may_be_special(name)) return false;
    return std::any_of(InternedNames::copying.begin(), InternedNames::copying.end(),
                       [name](PyObject* interned) { return is_name(name, interned); });
}

inline PyObject* get_attribute(PyObject* self, PyObject* name) {
    PyObject* object = object_of(self);
    if (!object) return nullptr;
    if (is_copying(name)) [[unlikely]]
        return PyObject_GenericGetAttr(self, name);
    if (PyType_Check(object) && may_be_special(name) && is_name(name, InternedNames::mro_entries))
        return PyObject_GenericGetAttr(self, name);
    if (!is_own_type(Py_TYPE(self))) [[unlikely]] {
        const int own = is_own_attribute(self, name);
        if (own != 0) return own < 0 ? nullptr : PyObject_GenericGetAttr(self, name);
    }
    return PyObject_GetAttr(object, name);
}

inline int set_attribute(PyObject* self, PyObject* name, PyObject* value) {
    PyObject* object = object_of(self);
    if (!object) return -1;
    if (!is_own_type(Py_TYPE(self))) [[unlikely]] {
        const int own = is_own_attribute(self, name);
        if (own != 0) return own < 0 ? -1 : PyObject_GenericSetAttr(self, name, value);
    }
    // ThreadHandle[T](object) sets __orig_class__. That would be about the handle, not about the
    // object, so it is refused. The caller ignores the AttributeError.
    if (may_be_special(name) && is_name(name, InternedNames::orig_class)) [[unlikely]] {
        PyErr_SetString(PyExc_AttributeError, "__orig_class__ cannot be set through a handle");
        return -1;
    }
    return PyObject_SetAttr(object, name, value);
}

// ── copying ────────────────────────────────────────────────────────────────────────────────────

// A new handle of the object, of the same class. For a subclass, __init__ is not called, as pickle
// does it.
inline nb::object handle_of(PyTypeObject* type, PyObject* object) {
    PyObject* bare = unwrapped(object);
    return owned_or_throw(bare ? make_instance<ThreadHandle>(type_for(type, bare), bare) : nullptr);
}

inline nb::object bare_object(PyObject* self) {
    PyObject* object = object_of(self);
    if (!object) throw nb::python_error();
    return nb::borrow(object);
}

inline nb::object shallow_copy(PyObject* self) {
    const nb::object object = bare_object(self);
    const nb::object copied = nb::module_::import_("copy").attr("copy")(object);
    return handle_of(Py_TYPE(self), copied.ptr());
}

inline nb::object deep_copy(PyObject* self, PyObject* memo) {
    const nb::object object = bare_object(self);
    const nb::object copied =
        nb::module_::import_("copy").attr("deepcopy")(object, nb::handle(memo));
    // If the object refers to its own handle, the handle has been copied together with the object.
    const nb::object key = owned_or_throw(PyLong_FromVoidPtr(self));
    if (PyDict_Check(memo)) {
        const nb::object before = nb::handle(memo).attr("get")(key);
        if (!before.is_none()) return before;
    }
    return handle_of(Py_TYPE(self), copied.ptr());
}

// The name of the function in the module that unpickles a handle.
inline constexpr const char* restore_name = "_restore_thread_handle";

// That function, with the arguments (type, object).
inline nb::object restore(PyObject* args) {
    PyObject* type = nullptr;
    PyObject* object = nullptr;
    if (!PyArg_UnpackTuple(args, restore_name, 2, 2, &type, &object)) throw nb::python_error();
    if (!PyType_Check(type) ||
        !PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(type), ThreadHandle::type)) {
        set_error(PyExc_TypeError, "a ThreadHandle or a subclass is needed, not %U", type);
        throw nb::python_error();
    }
    return handle_of(reinterpret_cast<PyTypeObject*>(type), object);
}

inline nb::object reduce(PyObject* self) {
    const nb::object object = bare_object(self);
    const bool own = is_own_type(Py_TYPE(self));
    const nb::handle type(reinterpret_cast<PyObject*>(own ? ThreadHandle::type : Py_TYPE(self)));
    if (own) return nb::make_tuple(type, nb::make_tuple(object));
    const nb::object extension = nb::module_::import_("cereggii_atomicref._atomicref");
    return nb::make_tuple(extension.attr(restore_name), nb::make_tuple(type, object));
}

}  // namespace cereggii::atomicref
