// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <cstdint>

#include "cereggii/atomics/compiler.hpp"
#include "cereggii/atomics/overflow.hpp"
#include "cereggii/atomics/python/values.hpp"
#include "python/compute.hpp"
#include "python/key_methods.hpp"

// Aggregates, and the operations by which reduce() and its variants combine them.
//
// An operation has two functions:
//
//     start(key, added)               the aggregate of the first input of a key
//     combine(key, current, added)    the aggregate of two: `current` comes first. It is the
//                                     aggregate in the dict, or that of the earlier inputs
//
// Both return a new reference, or null with an exception. What they compute from two objects is
// what the documentation shows as Python code. An operation that can combine 64-bit ints natively,
// with the same result, has also:
//
//     static bool combine(current, added, result)    false: the result is not a 64-bit int
namespace cereggii::atomicdict {

// True if the object is an exact int that fits in 64 bits. Only then `number` is set.
CEREGGII_ALWAYS_INLINE bool to_native_int(PyObject* object, std::int64_t& number) {
    if (!PyLong_CheckExact(object)) return false;
    return !atomics::exceeds_int64(object, &number);
}

// The aggregate of a key: an object, or a 64-bit int that is not an object yet.
struct Aggregate {
    PyObject* object = nullptr;  // The object, owned. Null: the aggregate is `number`.
    std::int64_t number = 0;     // The int, if `object` is null.

    // A new reference; null with MemoryError.
    PyObject* as_object() const { return object ? Py_NewRef(object) : PyLong_FromLongLong(number); }
};

// current + added
struct SumOperation {
    static bool combine(std::int64_t current, std::int64_t added, std::int64_t& result) {
        return !atomics::add_overflows(current, added, &result);
    }
    PyObject* start(PyObject*, PyObject* added) const { return Py_NewRef(added); }
    PyObject* combine(PyObject*, PyObject* current, PyObject* added) const {
        return PyNumber_Add(current, added);
    }
};

// max(added, current) for Py_GT, and min(added, current) for Py_LT.
template <int op>
struct ExtremeOperation {
    static bool combine(std::int64_t current, std::int64_t added, std::int64_t& result) {
        result = (op == Py_GT ? current > added : current < added) ? current : added;
        return true;
    }
    PyObject* start(PyObject*, PyObject* added) const { return Py_NewRef(added); }
    PyObject* combine(PyObject*, PyObject* current, PyObject* added) const {
        const int better = PyObject_RichCompareBool(current, added, op);
        return better < 0 ? nullptr : Py_NewRef(better ? current : added);
    }
};

// `current and bool(added)`, or `current or bool(added)` if `is_or`.
template <bool is_or>
struct TruthOperation {
    PyObject* start(PyObject*, PyObject* added) const {
        const int truth = PyObject_IsTrue(added);
        return truth < 0 ? nullptr : new_reference(truth);
    }
    PyObject* combine(PyObject* key, PyObject* current, PyObject* added) const {
        const int truth = PyObject_IsTrue(current);
        if (truth < 0) return nullptr;
        return (truth != 0) == is_or ? Py_NewRef(current) : start(key, added);
    }
};

// to_list(current) + to_list(added), where an object that is not a list counts as a list of one
// item. The lists in an AggregationTable belong to it, and grow; those in the dict are never
// changed.
struct ListOperation {
    PyObject* start(PyObject*, PyObject* added) const {
        PyObject* list = PyList_New(0);
        if (list && !append(list, added)) Py_CLEAR(list);
        return list;
    }
    PyObject* combine(PyObject* key, PyObject* current, PyObject* added) const {
        PyObject* list = start(key, current);
        if (list && !append(list, added)) Py_CLEAR(list);
        return list;
    }
    static bool append(PyObject* list, PyObject* added) {
        if (!PyList_CheckExact(added)) return PyList_Append(list, added) == 0;
        const Py_ssize_t end = PyList_GET_SIZE(list);
        return PyList_SetSlice(list, end, end, added) == 0;
    }
};

// fn(key, current, added), where `current` is NOT_FOUND for the first input of a key.
struct CallOperation {
    PyObject* fn;  // The function of the caller of reduce(), borrowed.

    PyObject* start(PyObject* key, PyObject* added) const { return call(key, not_found, added); }
    PyObject* combine(PyObject* key, PyObject* current, PyObject* added) const {
        return call(key, current, added);
    }
    PyObject* call(PyObject* key, PyObject* current, PyObject* added) const {
        PyObject* arguments[] = {key, current, added};
        return checked_result(PyObject_Vectorcall(fn, arguments, 3, nullptr), false);
    }
};

template <class Operation>
concept CombinesNativeInts = requires(std::int64_t& n) { Operation::combine(n, n, n); };

}  // namespace cereggii::atomicdict
