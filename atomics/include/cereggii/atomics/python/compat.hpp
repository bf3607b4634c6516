// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include "cereggii/atomics/compiler.hpp"

// What differs between the versions of CPython, under one name for all of them. A mechanism that
// depends on the version as a whole has a file of its own: try_incref.hpp, immortal.hpp,
// deferred.hpp, stop_the_world.hpp and the map's pauses.hpp.
namespace cereggii::atomics::compat {

// Whether CPython keeps an exact int in one word, so that compact_value() is fast. Never before
// 3.12. If it does not, ask PyLong_AsLongLongAndOverflow for the value.
//
// Two functions, and not one with an optional result: the compiler takes the empty optional for
// the likely case, and moves what is done with an int out of the way.
CEREGGII_ALWAYS_INLINE bool is_compact([[maybe_unused]] PyObject* integer) noexcept {
#if PY_VERSION_HEX >= 0x030C0000
    return PyUnstable_Long_IsCompact(reinterpret_cast<const PyLongObject*>(integer));
#else
    return false;
#endif
}

// The value of an int that is compact. Never fails.
CEREGGII_ALWAYS_INLINE Py_ssize_t compact_value([[maybe_unused]] PyObject* integer) noexcept {
#if PY_VERSION_HEX >= 0x030C0000
    return PyUnstable_Long_CompactValue(reinterpret_cast<const PyLongObject*>(integer));
#else
    return 0;
#endif
}

// Whether the characters of an exact str can be read. Up to 3.11 a str may hold them in an older
// representation.
inline bool has_characters([[maybe_unused]] PyObject* str) noexcept {
#if PY_VERSION_HEX < 0x030C0000
    return PyUnicode_IS_READY(str);
#else
    return true;
#endif
}

// PyDict_GetItemRef: 1 with a new reference; 0 and null if the key is absent; -1 with an exception.
inline int dict_get(PyObject* dict, PyObject* key, PyObject** value) {
#if PY_VERSION_HEX >= 0x030D0000
    return PyDict_GetItemRef(dict, key, value);
#else
    *value = Py_XNewRef(PyDict_GetItemWithError(dict, key));  // borrowed under the GIL
    return *value ? 1 : PyErr_Occurred() ? -1 : 0;
#endif
}

// The dict of a type's own attributes: a new reference; null with an exception.
inline PyObject* dict_of_type(PyTypeObject* type) {
#if PY_VERSION_HEX >= 0x030C0000
    return PyType_GetDict(type);
#else
    return Py_XNewRef(type->tp_dict);
#endif
}

inline bool is_finalizing() noexcept {
#if PY_VERSION_HEX >= 0x030D0000
    return Py_IsFinalizing();
#else
    return _Py_IsFinalizing();
#endif
}

}  // namespace cereggii::atomics::compat

namespace cereggii::atomics {

// An attribute of a class, found as the interpreter finds special methods. Returns a new reference,
// not bound; null if there is none, or with an exception. Looks at `type` and at the classes behind
// it in the method resolution order, up to `end`, which is not looked at. `mro_name`: the str
// "__mro__".
inline PyObject* find_in_class(PyTypeObject* type, PyObject* name, PyObject* mro_name,
                               PyTypeObject* end = nullptr) {
    // Not type->tp_mro, which another thread may replace and free meanwhile.
    PyObject* order = PyType_Type.tp_getattro(reinterpret_cast<PyObject*>(type), mro_name);
    if (!order) return nullptr;
    PyObject* found = nullptr;
    for (Py_ssize_t i = 0; !found && i < PyTuple_GET_SIZE(order); ++i) {
        auto* base = reinterpret_cast<PyTypeObject*>(PyTuple_GET_ITEM(order, i));
        if (base == end) break;
        PyObject* attributes = compat::dict_of_type(base);
        const bool ok = attributes && compat::dict_get(attributes, name, &found) >= 0;
        Py_XDECREF(attributes);
        if (!ok) break;
    }
    Py_DECREF(order);
    return found;
}

// Binds what find_in_class() has found to the object, as the interpreter does it for a method that
// a statement looks for in the object's class. Takes over the reference to `found`, and passes null
// on.
inline PyObject* bind_to(PyObject* found, PyObject* object) {
    const descrgetfunc bind = found ? Py_TYPE(found)->tp_descr_get : nullptr;
    if (!bind) return found;
    PyObject* bound = bind(found, object, reinterpret_cast<PyObject*>(Py_TYPE(object)));
    Py_DECREF(found);
    return bound;
}

// ── exceptions ─────────────────────────────────────────────────────────────────────────────────

// Takes the exception that is set, an owned reference; null if none is.
inline PyObject* take_exception() noexcept {
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type = nullptr, *value = nullptr, *traceback = nullptr;
    PyErr_Fetch(&type, &value, &traceback);
    if (!type) return nullptr;
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback) PyException_SetTraceback(value, traceback);
    Py_DECREF(type);
    Py_XDECREF(traceback);
    return value;
#endif
}

// Raises this exception, and takes over the reference to it.
inline void raise_exception(PyObject* exception) noexcept {
#if PY_VERSION_HEX >= 0x030C0000
    PyErr_SetRaisedException(exception);
#else
    PyErr_Restore(Py_NewRef(reinterpret_cast<PyObject*>(Py_TYPE(exception))), exception,
                  PyException_GetTraceback(exception));
#endif
}

}  // namespace cereggii::atomics
