// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "cereggii/atomics/python/stop_the_world.hpp"

// What the reference count of an object costs the threads that share it, and how it is avoided.
//
// On free-threaded builds a count is biased (PEP 703): the thread that made the object counts in
// `ob_ref_local` without atomics, all others in `ob_ref_shared` with contended ones. An operator
// such as `+=` takes and drops references on each turn, so on a shared object the count, not the
// value, is the bottleneck. Immortal objects (PEP 683) are not counted at all.
//
//   make_immortal(op)   for `immortal=True`: the user knows.
//   note_use(op)        called by every operation: an object that is caught again and again being
//                       used by threads that do not own it becomes immortal, up to a process-wide
//                       budget. Only for objects that own nothing but their own bytes, which is
//                       then the bounded price.
namespace cereggii::atomics {

#ifdef Py_GIL_DISABLED

// How many objects of one extension module note_use() makes immortal at the most.
inline constexpr int immortality_budget = 4096;

namespace detail {

inline std::atomic<int> immortality_spent{0};

inline bool has_weak_references(PyObject* op) noexcept {
    const Py_ssize_t offset = Py_TYPE(op)->tp_weaklistoffset;
    if (offset <= 0) return false;
    return _Py_atomic_load_ptr_relaxed(reinterpret_cast<char*>(op) + offset) != nullptr;
}

inline bool is_immortal(PyObject* op) noexcept {
    return _Py_atomic_load_uint32_relaxed(&op->ob_ref_local) == _Py_IMMORTAL_REFCNT_LOCAL;
}

// In a stopped world, no thread is between the loads and the stores of a reference count, so the
// fields can be changed like plain memory. The collector passes over immortal objects, and wants
// them untracked.
inline void set_immortal_in_stopped_world(PyObject* op) noexcept {
    PyObject_GC_UnTrack(op);
    _Py_atomic_store_uintptr_relaxed(&op->ob_tid, _Py_UNOWNED_TID);
    _Py_atomic_store_uint32_relaxed(&op->ob_ref_local, _Py_IMMORTAL_REFCNT_LOCAL);
    _Py_atomic_store_ssize_relaxed(&op->ob_ref_shared, 0);
}

// A count that is queued for its owner will be merged by that owner later, as a mortal's.
inline bool is_queued(PyObject* op) noexcept {
    const Py_ssize_t shared = _Py_atomic_load_ssize_relaxed(&op->ob_ref_shared);
    return (shared & _Py_REF_SHARED_FLAG_MASK) == _Py_REF_QUEUED;
}

inline void promote(PyObject* op) noexcept {
    if (is_queued(op) || has_weak_references(op)) return;
    if (immortality_spent.fetch_add(1, std::memory_order_relaxed) >= immortality_budget) {
        immortality_spent.fetch_sub(1, std::memory_order_relaxed);
        return;
    }
    bool promoted = false;
    stop_the_world([&] {
        if (is_immortal(op) || is_queued(op) || has_weak_references(op)) return;
        set_immortal_in_stopped_world(op);
        promoted = true;
    });
    if (!promoted) immortality_spent.fetch_sub(1, std::memory_order_relaxed);
}

// Which objects this thread was caught using without owning them. One use in `period` is looked
// at, so a use costs a thread-local increment; an object that is seen twice among the last
// `remembered` samples is in steady use, while one that is passed on and dropped is hardly ever
// seen once. Addresses are only compared, never followed: a reused one makes a guess wrong, no more.
struct UseSampler {
    static constexpr std::uint32_t period = 256;
    static constexpr std::uint32_t remembered = 16;

    std::uint32_t uses = 0;
    std::uint32_t samples = 0;
    const void* recent[remembered] = {};

    bool seen_again(const void* address) noexcept {
        for (const void* other : recent)
            if (other == address) return true;
        recent[samples++ % remembered] = address;
        return false;
    }
};

inline thread_local constinit UseSampler use_sampler;

[[gnu::noinline]] inline void note_foreign_use(PyObject* op) noexcept {
    UseSampler& sampler = use_sampler;
    if (++sampler.uses % UseSampler::period == 0 && sampler.seen_again(op)) promote(op);
}

}  // namespace detail

// Call at the beginning of an operation, with no exception set: it may stop the world.
inline void note_use(PyObject* op) noexcept {
    if (detail::is_immortal(op) || _Py_IsOwnedByCurrentThread(op)) [[likely]] return;
    detail::note_foreign_use(op);
}

inline bool make_immortal(PyObject* op) noexcept {
    return stop_the_world([&] {
        if (!detail::is_immortal(op)) detail::set_immortal_in_stopped_world(op);
    });
}

#else

inline void note_use(PyObject*) noexcept {}

// With a GIL a count is never contended: what remains of immortality is that the object lives on.
inline bool make_immortal(PyObject* op) noexcept {
    Py_INCREF(op);
    return true;
}

#endif

}  // namespace cereggii::atomics
