// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "thread_handle/thread_handle.hpp"

// The operators of ThreadHandle. The function of a binary operator gets a handle on the left, on
// the right, or on both sides.
namespace cereggii::atomicref {

template <auto Function>
PyObject* binary(PyObject* left, PyObject* right) {
    PyObject* a = unwrapped(left);
    PyObject* b = a ? unwrapped(right) : nullptr;
    return b ? Function(a, b) : nullptr;
}

inline PyObject* power(PyObject* base, PyObject* exponent, PyObject* modulus) {
    PyObject* a = unwrapped(base);
    PyObject* b = a ? unwrapped(exponent) : nullptr;
    PyObject* c = b ? unwrapped(modulus) : nullptr;
    return c ? PyNumber_Power(a, b, c) : nullptr;
}

// The result of an in-place operator, owned. If the object has changed itself, and is the result,
// the handle takes its place.
inline PyObject* keep_handle(PyObject* self, PyObject* object, PyObject* result) {
    if (result != object) return result;  // another object, or an error
    Py_DECREF(result);
    return Py_NewRef(self);
}

template <auto Function>
PyObject* in_place(PyObject* self, PyObject* other) {
    PyObject* object = object_of(self);
    PyObject* operand = object ? unwrapped(other) : nullptr;
    return operand ? keep_handle(self, object, Function(object, operand)) : nullptr;
}

inline PyObject* power_in_place(PyObject* self, PyObject* exponent, PyObject* modulus) {
    PyObject* object = object_of(self);
    PyObject* b = object ? unwrapped(exponent) : nullptr;
    PyObject* c = b ? unwrapped(modulus) : nullptr;
    return c ? keep_handle(self, object, PyNumber_InPlacePower(object, b, c)) : nullptr;
}

inline PyObject* repeat(PyObject* self, Py_ssize_t count) {
    PyObject* object = object_of(self);
    return object ? PySequence_Repeat(object, count) : nullptr;
}

inline PyObject* repeat_in_place(PyObject* self, Py_ssize_t count) {
    PyObject* object = object_of(self);
    return object ? keep_handle(self, object, PySequence_InPlaceRepeat(object, count)) : nullptr;
}

inline PyObject* compare(PyObject* self, PyObject* other, int op) {
    PyObject* object = object_of(self);
    PyObject* operand = object ? unwrapped(other) : nullptr;
    return operand ? PyObject_RichCompare(object, operand, op) : nullptr;
}

inline Py_hash_t hash(PyObject* self) {
    PyObject* object = object_of(self);
    return object ? PyObject_Hash(object) : -1;
}

inline int truth(PyObject* self) {
    PyObject* object = object_of(self);
    return object ? PyObject_IsTrue(object) : -1;
}

// __index__ has to return an exact int. That of a bool returns the bool.
inline PyObject* index(PyObject* self) {
    PyObject* object = object_of(self);
    PyObject* integer = object ? PyNumber_Index(object) : nullptr;
    if (!integer || PyLong_CheckExact(integer)) return integer;
    PyObject* exact = PyLong_Type.tp_as_number->nb_int(integer);
    Py_DECREF(integer);
    return exact;
}

}  // namespace cereggii::atomicref
