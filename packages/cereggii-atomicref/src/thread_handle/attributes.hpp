// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <initializer_list>

#include "thread_handle/descriptors.hpp"

// The attributes of a ThreadHandle are those of its object, all of them: __class__, __dict__ and
// __doc__, too. There are three exceptions: how the handle itself is copied and pickled, which the
// modules copy and pickle look up in the instance; __mro_entries__ of a class, by which a class
// statement takes the handle for it; and what a subclass of ThreadHandle defines.
namespace cereggii::atomicref {

// ── attributes ─────────────────────────────────────────────────────────────────────────────────

// What a class statement puts into a class by itself.
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

// Whether a subclass of ThreadHandle defines the attribute for its handles; -1 on an error.
inline int is_own_attribute(PyObject* self, PyObject* name) {
    if (!PyUnicode_Check(name)) return 0;
    for (const char* put : put_by_python)
        if (PyUnicode_CompareWithASCIIString(name, put) == 0) return 0;
    PyObject* found = find_in_class(Py_TYPE(self), name, Names::mro, ThreadHandle::type);
    if (!found) return PyErr_Occurred() ? -1 : 0;
    Py_DECREF(found);
    return 1;
}

inline bool is_name(PyObject* name, PyObject* interned) {
    if (PyUnicode_CHECK_INTERNED(name)) return name == interned;
    return PyUnicode_Compare(name, interned) == 0;
}

// Whether a name begins as the names do that Python gives a meaning to: a quick test.
inline bool may_be_special(PyObject* name) {
    return PyUnicode_Check(name) && PyUnicode_READ_CHAR(name, 0) == '_';
}

inline bool is_copying(PyObject* name) {
    if (!may_be_special(name)) return false;
    return std::any_of(Names::copying.begin(), Names::copying.end(),
                       [name](PyObject* interned) { return is_name(name, interned); });
}

inline PyObject* get_attribute(PyObject* self, PyObject* name) {
    PyObject* object = object_of(self);
    if (!object) return nullptr;
    if (is_copying(name)) [[unlikely]]
        return PyObject_GenericGetAttr(self, name);
    if (PyType_Check(object) && may_be_special(name) && is_name(name, Names::mro_entries))
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
    // What ThreadHandle[T](object) sets is about the handle; it does without, if it has to.
    if (may_be_special(name) && is_name(name, Names::orig_class)) [[unlikely]] {
        PyErr_SetString(PyExc_AttributeError, "__orig_class__ cannot be set through a handle");
        return -1;
    }
    return PyObject_SetAttr(object, name, value);
}

// ── copying ────────────────────────────────────────────────────────────────────────────────────

// A handle of the same class; subclasses are made without their __init__, as by pickle.
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
    // An object that refers to its own handle: the handle was copied on the way.
    const nb::object key = owned_or_throw(PyLong_FromVoidPtr(self));
    if (PyDict_Check(memo)) {
        const nb::object before = nb::handle(memo).attr("get")(key);
        if (!before.is_none()) return before;
    }
    return handle_of(Py_TYPE(self), copied.ptr());
}

// Name of the function in the module that unpickles a handle; and the function.
inline constexpr const char* restore_name = "_restore_thread_handle";

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
