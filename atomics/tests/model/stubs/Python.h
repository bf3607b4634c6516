// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "../atomic.hpp"

// What the map needs of Python.h, for the scenarios of the checker. An object has a count that is
// shared by all threads, with orders that are as weak as those of CPython or weaker. When the last
// reference is dropped its contents are overwritten, and its memory stays, as it does in CPython as
// long as a thread may look at its count.
#define Py_GIL_DISABLED 1
#define CEREGGII_SANITIZED 1
#define PY_VERSION_HEX 0x030E0000

using Py_ssize_t = std::ptrdiff_t;
using Py_hash_t = std::ptrdiff_t;

struct PyObject {
    explicit PyObject(int contents_) : contents(contents_) {}

    cereggii::model::Atomic<Py_ssize_t> count{1};
    cereggii::model::Plain<int> contents;
};

struct PyThreadState {};

inline PyObject* Py_NewRef(PyObject* object) noexcept {
    object->count.fetch_add(1, std::memory_order_relaxed);
    return object;
}
inline void Py_DECREF(PyObject* object) noexcept {
    if (object->count.fetch_sub(1, std::memory_order_acq_rel) == 1) object->contents = 0;
}
inline void Py_XDECREF(PyObject* object) noexcept {
    if (object) Py_DECREF(object);
}

// No table can be allocated.
inline bool memory_is_short = false;
// What the comparison of two keys runs. Null: nothing.
inline void (*python_code)() = nullptr;

inline void* PyMem_RawMalloc(std::size_t size) {
    return cereggii::model::Execution::current().allocate(size);
}
inline void* PyMem_RawCalloc(std::size_t count, std::size_t size) {
    return memory_is_short ? nullptr : cereggii::model::Execution::current().allocate(count * size);
}
inline void PyMem_RawFree(void* memory) {
    cereggii::model::Execution::current().deallocate(memory);
}

inline void* PyMem_Malloc(std::size_t size) { return PyMem_RawMalloc(size); }
inline void PyMem_Free(void* memory) { PyMem_RawFree(memory); }

inline void PyErr_NoMemory() noexcept {}
inline PyThreadState* PyEval_SaveThread() noexcept { return nullptr; }
inline void PyEval_RestoreThread(PyThreadState*) noexcept {}
#define Py_CLEAR(object) (Py_XDECREF(object), (object) = nullptr)
inline int PyErr_CheckSignals() noexcept { return 0; }
inline void PyErr_SetInterrupt() noexcept {}
inline int PyOS_InterruptOccurred() noexcept { return 0; }
// The collector and builtin dicts are not in the scenarios.
using visitproc = int (*)(PyObject*, void*);
#define Py_VISIT(object) static_cast<void>(visit), static_cast<void>(arg), static_cast<void>(object)
inline PyObject* PyDict_New() noexcept { return nullptr; }
inline int PyDict_SetItem(PyObject*, PyObject*, PyObject*) noexcept { return -1; }
// Only keys with one hash are compared, and they are equal.
constexpr int Py_EQ = 2;
inline int PyObject_RichCompareBool(PyObject*, PyObject*, int) noexcept {
    if (python_code) python_code();
    return 1;
}
