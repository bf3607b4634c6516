// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "cereggii/atomics/python/instances.hpp"
#include "cereggii/atomics/python/sharing_time.hpp"
#include "cereggii/atomics/sharing_policy.hpp"

// Deferred reference counting (Python 3.14 and later): the interpreter's own loads of an object do
// not count it, and only the garbage collector frees it. So the memory that deferred objects own is
// bounded, and a collection is requested when there is no more room.
//
//   defer()             asks for deferred counting of an object.
//   account_for()       how much of the deferred memory an object counts as.
//   note_destruction()  for the destructor of an atomic that may be deferred.
namespace cereggii::atomics {

#ifdef Py_GIL_DISABLED

namespace detail {

// Each extension module has its own.
inline DeferredMemory deferred_memory{tuning::sharing::room_for_deferred,
                                      tuning::sharing::deferred_bytes_per_second};
inline CollectionRequests collection_requests;
inline std::atomic<std::uint64_t> collections_run{0};  // on request

// ── how much an object counts as ───────────────────────────────────────────────────────────────

// It is kept in the spare bits of the instance, above the bit that says that it refuses help.
inline constexpr std::uint16_t refuses_bit = 1;
inline constexpr std::uint16_t most_units = 0x7FFF;
inline constexpr std::size_t deferred_unit = tuning::sharing::deferred_unit;

constexpr std::uint16_t units_of(std::size_t size) noexcept {
    const std::size_t units = size / deferred_unit + (size % deferred_unit != 0);
    return units < most_units ? static_cast<std::uint16_t>(units) : most_units;
}

// From now on the object counts as so many bytes of the deferred memory.
inline void account_for(PyObject* op, std::size_t size) noexcept {
    std::atomic<std::uint16_t>& bits = spare_bits(op);
    const auto fresh = static_cast<unsigned>(units_of(size)) << 1;
    std::uint16_t old = bits.load(std::memory_order_relaxed);
    // Lost to another thread that changed the bits: `old` is what it left.
    while (!bits.compare_exchange_weak(old, static_cast<std::uint16_t>(fresh | (old & refuses_bit)),
                                       std::memory_order_relaxed)) {
    }
    deferred_memory.add((fresh >> 1) * deferred_unit);
    deferred_memory.remove(static_cast<std::size_t>(old >> 1) * deferred_unit);
}

inline bool is_accounted_for(PyObject* op) noexcept {
    return (spare_bits(op).load(std::memory_order_relaxed) >> 1) != 0;
}

// ── collections ────────────────────────────────────────────────────────────────────────────────

// The function gc.get_stats. Set by prepare_deferred() and never freed.
inline PyObject* get_stats = nullptr;

// How many collections the interpreter has run. Negative: it does not say.
inline long long collections_so_far() {
    long long total = -1;
    PyObject* generations = PyObject_CallNoArgs(get_stats);
    if (generations && PyList_CheckExact(generations)) {
        total = 0;
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(generations); ++i) {
            PyObject* generation = PyList_GET_ITEM(generations, i);
            PyObject* count = PyDict_Check(generation)
                                  ? PyDict_GetItemString(generation, "collections")
                                  : nullptr;
            if (count && PyLong_CheckExact(count)) total += PyLong_AsLongLong(count);
        }
    }
    Py_XDECREF(generations);
    if (PyErr_Occurred()) PyErr_Clear();
    return total;
}

// Notes the collections that the program, or the interpreter by itself, has run.
inline void look_for_collections() {
    static std::atomic<long long> noted{0};
    const long long now = collections_so_far();
    if (now > noted.load(std::memory_order_relaxed)) {
        noted.store(now, std::memory_order_relaxed);
        deferred_memory.note_collection();
    }
}

// A pending call: the main thread runs it where it runs signal handlers, between two steps of
// Python code. There the interpreter collects by itself, too. (It is not run in the child of a fork
// by another thread, which does not run pending calls.)
inline int run_requested_collection(void*) {
    const Nanoseconds started = sharing_time();
    PyGC_Collect();  // does nothing if the collector is switched off
    collections_run.fetch_add(1, std::memory_order_relaxed);
    collection_requests.end(started, sharing_time());
    return 0;
}

inline void request_collection(Nanoseconds now) {
    if (collection_requests.begin(now) && Py_AddPendingCall(&run_requested_collection, nullptr) < 0)
        collection_requests.cancel();
}

// ── deferring ──────────────────────────────────────────────────────────────────────────────────

// `size`: the bytes that the object owns. If there is no room for them, a collection is requested
// instead.
inline void defer([[maybe_unused]] PyObject* op, [[maybe_unused]] std::size_t size,
                  [[maybe_unused]] Nanoseconds now) {
#if PY_VERSION_HEX >= 0x030E0000
    // Each time: a collection has seen only the objects that were deferred before it.
    look_for_collections();
    if (!deferred_memory.has_room(size)) {
        request_collection(now);
    } else if (PyObject_GC_IsTracked(op) && PyUnstable_Object_EnableDeferredRefcount(op) == 1) {
        account_for(op, size);
    }
#endif
}

// When the module is imported. False with an exception set.
inline bool prepare_deferred() {
    if (get_stats) return true;
    PyObject* gc = PyImport_ImportModule("gc");
    if (!gc) return false;
    get_stats = PyObject_GetAttrString(gc, "get_stats");
    Py_DECREF(gc);
    return get_stats != nullptr;
}

}  // namespace detail

// For the destructor of an atomic that may be deferred.
template <class Atomic>
void note_destruction(Atomic* atomic) noexcept {
    PyObject* op = instance_of(atomic);
    if (detail::is_accounted_for(op)) [[unlikely]]
        detail::account_for(op, 0);
}

#else

template <class Atomic>
void note_destruction(Atomic*) noexcept {}

#endif

}  // namespace cereggii::atomics
