// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include "cereggii/atomics/python/try_incref.hpp"

// A reference that belongs to a structure, not to a thread: any thread may release it.
//
//   incref_shared(op)      one more reference to an object of which the caller has one already.
//   incref_published(op)    the same, of an object that others find without a reference: see
//                        try_incref.hpp.
//   decref_shared(op)   may run finalizers.
//
// The free-threaded interpreter counts the references of an object's owner, the thread that made
// it, apart from those of all others (biased reference counting). A structure's reference that its
// owner has counted as its own, as Py_INCREF does, can be released by another thread only by way of
// the owner: the object goes into a queue, under a lock, and dies some time later. Counted among
// the shared ones it is released by whoever drops it, at once. The sum is what counts, so such a
// reference is an ordinary one: it can be handed to the interpreter, or have come from there.
namespace cereggii::atomics {

#if !defined(Py_GIL_DISABLED) || defined(Py_REF_DEBUG)

// A build that checks the sum of all references has to be told of each.
inline void incref_shared(PyObject* op) noexcept { Py_INCREF(op); }
inline void incref_published(PyObject* op) noexcept {
    enable_try_incref(op);
    Py_INCREF(op);
}
inline void decref_shared(PyObject* op) { Py_DECREF(op); }

#else

namespace detail {

inline constexpr Py_ssize_t one_shared = Py_ssize_t{1} << _Py_REF_SHARED_SHIFT;

}  // namespace detail

[[gnu::always_inline]] inline void incref_shared(PyObject* op) noexcept {
    if (!detail::is_immortal(op)) _Py_atomic_add_ssize(&op->ob_ref_shared, detail::one_shared);
}

[[gnu::always_inline]] inline void incref_published(PyObject* op) noexcept {
    if (detail::is_immortal(op)) return;
    Py_ssize_t shared = _Py_atomic_load_ssize_relaxed(&op->ob_ref_shared);
    // The state only ever leaves 0: both in one step, but where another thread has done it.
    while ((shared & _Py_REF_SHARED_FLAG_MASK) == 0) {
        const Py_ssize_t findable = (shared + detail::one_shared) | _Py_REF_MAYBE_WEAKREF;
        if (_Py_atomic_compare_exchange_ssize(&op->ob_ref_shared, &shared, findable)) return;
    }
    _Py_atomic_add_ssize(&op->ob_ref_shared, detail::one_shared);
}

[[gnu::always_inline]] inline void decref_shared(PyObject* op) {
    if (_Py_IsOwnedByCurrentThread(op) && !detail::is_immortal(op)) {
        // An object that has an owner has a local reference, so this is not the last. It stays the
        // owner's for longer if that is kept. Not below 0: only a queued object may be there.
        Py_ssize_t shared = _Py_atomic_load_ssize_relaxed(&op->ob_ref_shared);
        while (shared >= detail::one_shared)
            if (_Py_atomic_compare_exchange_ssize(&op->ob_ref_shared, &shared,
                                                  shared - detail::one_shared))
                return;
    }
    Py_DECREF(op);
}

#endif

}  // namespace cereggii::atomics
