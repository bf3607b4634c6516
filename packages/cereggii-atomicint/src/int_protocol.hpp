// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "cereggii/atomics/python/binding.hpp"
#include "int_operators.hpp"

// The rest of int's protocol, on the current value: conversions, int's methods and properties,
// repr.
namespace cereggii::atomicint {

// Calls int's method of this name on the current value, with the same arguments.
template <MethodName Method>
PyObject* forward(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* keywords) {
    const Py_ssize_t total = count + (keywords ? PyTuple_GET_SIZE(keywords) : 0);
    constexpr Py_ssize_t most = 7;
    if (total > most)
        return PyErr_Format(PyExc_TypeError, "%s() takes at most %zd arguments (%zd given)",
                            Method.text, most, total);
    PyObject* value = plain(self);
    PyObject* name = value ? PyUnicode_InternFromString(Method.text) : nullptr;
    PyObject* result = nullptr;
    if (name) {
        PyObject* stack[most + 1] = {value};
        std::copy_n(args, total, stack + 1);
        result =
            PyObject_VectorcallMethod(name, stack, static_cast<std::size_t>(count + 1), keywords);
        Py_DECREF(name);
    }
    Py_XDECREF(value);
    return result;
}

// The property of int with this name, of the current value.
template <MethodName Attribute>
PyObject* forward_property(PyObject* self, void*) {
    PyObject* value = plain(self);
    PyObject* result = value ? PyObject_GetAttrString(value, Attribute.text) : nullptr;
    Py_XDECREF(value);
    return result;
}

inline int truth(PyObject* self) {
    const Operand operand = find_atomic_int(self);
    return operand.value ? operand.value->load() != 0 : -1;
}

template <class Accessor>
struct IntProtocol {
    static PyObject* is_integer(PyObject* self, PyObject*) {  // int has this method since 3.12
        return Accessor::peek(self) ? Py_NewRef(Py_True) : nullptr;
    }

    static PyObject* repr(PyObject* self) {
        auto* integer = Accessor::peek(self);
        if (!integer) return nullptr;
        if constexpr (Accessor::is_handle)
            return PyUnicode_FromFormat("%s(%R)", short_name(self), Accessor::target(self));
        else
            return PyUnicode_FromFormat("%s(%lld)", short_name(self),
                                        static_cast<long long>(integer->load()));
    }
};

}  // namespace cereggii::atomicint
