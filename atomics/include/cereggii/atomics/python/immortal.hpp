// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <cstddef>
#include <cstdint>

#include "cereggii/atomics/python/stop_the_world.hpp"
#include "cereggii/atomics/python/try_incref.hpp"
#include "cereggii/atomics/python/values.hpp"
#include "cereggii/atomics/sharing_policy.hpp"

// Immortal objects (PEP 683): the interpreter does not count references to them, so threads that
// use one do not meet at its count. They are never freed.
//
//   to_immortality()        reads the argument `immortal=` of a constructor.
//   make_immortal()         for a new object, by the thread that has made it.
//   make_shared_immortal()  for an object that any thread has made. It stops the world, and takes
//                           the object's bytes out of a budget.
namespace cereggii::atomics {

// ── immortal= ──────────────────────────────────────────────────────────────────────────────────

enum class Immortality : std::uint8_t {
    automatic,  // None: note_use() of sharing.hpp decides
    always,     // True
    refused,    // False: note_use() does nothing for the object
};

// Reads the argument `immortal`, which is null if it was not given. False with TypeError: then the
// repr of the wrong value has run.
inline bool to_immortality(PyObject* argument, Immortality& immortality) {
    if (!argument || argument == Py_None) {
        immortality = Immortality::automatic;
    } else if (argument == Py_True) {
        immortality = Immortality::always;
    } else if (argument == Py_False) {
        immortality = Immortality::refused;
    } else {
        set_error(PyExc_TypeError, "immortal must be True, False or None, not %U", argument);
        return false;
    }
    return true;
}

#ifdef Py_GIL_DISABLED

namespace detail {

// ── by the owner ───────────────────────────────────────────────────────────────────────────────

// Only the owner of an object writes its ob_ref_local, so it needs to stop nobody. First it keeps
// the decrements of other threads from ever reaching zero, where they would hand the object to its
// owner to merge the counts. Then the object is no longer counted. False: the object is not the
// caller's, or it has been handed over already.
inline bool owner_makes_immortal(PyObject* op) noexcept {
    if (!_Py_IsOwnedByCurrentThread(op)) return false;
    constexpr Py_ssize_t plenty = Py_ssize_t{1} << (8 * sizeof(Py_ssize_t) - 3);
    Py_ssize_t shared = _Py_atomic_load_ssize_relaxed(&op->ob_ref_shared);
    do {
        const Py_ssize_t flags = shared & _Py_REF_SHARED_FLAG_MASK;
        if (flags == _Py_REF_QUEUED || flags == _Py_REF_MERGED) return false;
        // Lost to a thread that counted: `shared` is what it left.
    } while (!_Py_atomic_compare_exchange_ssize(&op->ob_ref_shared, &shared, shared + plenty));
    PyObject_GC_UnTrack(op);  // the collector passes over immortal objects
    _Py_atomic_store_uint32_relaxed(&op->ob_ref_local, _Py_IMMORTAL_REFCNT_LOCAL);
    _Py_atomic_store_uintptr_relaxed(&op->ob_tid, _Py_UNOWNED_TID);
    return true;
}

// ── by another thread ──────────────────────────────────────────────────────────────────────────

// The bytes of the objects that have become immortal by themselves. Each extension module has its
// own budget.
inline ImmortalityBudget budget{tuning::sharing::immortality_budget};

inline bool has_weak_references(PyObject* op) noexcept {
    const Py_ssize_t offset = Py_TYPE(op)->tp_weaklistoffset;
    if (offset <= 0) return false;
    return _Py_atomic_load_ptr_relaxed(reinterpret_cast<char*>(op) + offset) != nullptr;
}

// Whether another thread than the owner may make the object immortal while the world is stopped. An
// answer that was given before the world was stopped may have changed by then.
inline bool may_become_immortal(PyObject* op) noexcept {
    const Py_ssize_t flags =
        _Py_atomic_load_ssize_relaxed(&op->ob_ref_shared) & _Py_REF_SHARED_FLAG_MASK;
    // It has been handed over: its owner will merge the count as that of a mortal object.
    if (flags == _Py_REF_QUEUED) return false;
    // It is in a work list of the collector, which links its objects through ob_tid.
    if (flags == _Py_REF_MERGED && _Py_atomic_load_uintptr_relaxed(&op->ob_tid) != 0) return false;
    return !is_immortal(op) && !has_weak_references(op);
}

// In a stopped world no thread is between the load and the store of a count.
inline bool make_immortal_in_stopped_world(PyObject* op) noexcept {
    if (!may_become_immortal(op)) return false;
    PyObject_GC_UnTrack(op);
    _Py_atomic_store_uintptr_relaxed(&op->ob_tid, _Py_UNOWNED_TID);
    _Py_atomic_store_uint32_relaxed(&op->ob_ref_local, _Py_IMMORTAL_REFCNT_LOCAL);
    _Py_atomic_store_ssize_relaxed(&op->ob_ref_shared, 0);
    return true;
}

// `size`: the bytes that the object owns. Does nothing if the budget does not have them, or if the
// object may not become immortal.
inline void make_shared_immortal(PyObject* op, std::size_t size) {
    if (!may_become_immortal(op) || !budget.spend(size)) return;
    bool done = false;
    stop_the_world([&]() noexcept { done = make_immortal_in_stopped_world(op); });
    if (!done) budget.give_back(size);
}

}  // namespace detail

// For a new object. If another thread got hold of it first, it is still counted, but it is never
// freed.
inline void make_immortal(PyObject* op) noexcept {
    if (!detail::is_immortal(op) && !detail::owner_makes_immortal(op)) Py_INCREF(op);
}

#else

// With a GIL a count is never contended. What is left of immortality is that the object is never
// freed.
inline void make_immortal(PyObject* op) noexcept { Py_INCREF(op); }

#endif

}  // namespace cereggii::atomics
