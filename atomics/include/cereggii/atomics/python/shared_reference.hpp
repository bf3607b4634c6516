// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include "cereggii/atomics/compiler.hpp"
#include "cereggii/atomics/python/try_incref.hpp"

// References that belong to a structure, not to a thread: any thread may release them.
//
//   incref_shared(op)       one more reference to an object; the caller has one already.
//   incref_published(op)    the same, for an object that others find without a reference: see
//                           try_incref.hpp.
//   decref_shared(op)       releases a reference. May run finalizers.
//
// The free-threaded interpreter counts the references of an object's owner, the thread that made
// it, apart from those of all other threads (biased reference counting). Py_INCREF by the owner
// counts a structure's reference among the owner's. If another thread then drops the last
// reference, it can free the object only through the owner: the object goes into a queue, under a
// lock, and is freed some time later. A reference that is counted among the shared ones is released
// at once by the thread that drops it. The interpreter adds up both counts, so such a reference is
// an ordinary one: the interpreter may take it over, or may have given it.
namespace cereggii::atomics {

#if !defined(Py_GIL_DISABLED) || defined(Py_REF_DEBUG)

// A build that checks the sum of all references has to be told of each one.
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

CEREGGII_ALWAYS_INLINE void incref_shared(PyObject* op) noexcept {
    if (!detail::is_immortal(op)) _Py_atomic_add_ssize(&op->ob_ref_shared, detail::one_shared);
}

CEREGGII_ALWAYS_INLINE void incref_published(PyObject* op) noexcept {
    if (detail::is_immortal(op)) return;
    Py_ssize_t shared = _Py_atomic_load_ssize_relaxed(&op->ob_ref_shared);
    // The state never becomes 0 again. So this adds the reference and leaves state 0 in one step,
    // unless another thread has left it already.
    while ((shared & _Py_REF_SHARED_FLAG_MASK) == 0) {
        const Py_ssize_t published = (shared + detail::one_shared) | _Py_REF_MAYBE_WEAKREF;
        if (_Py_atomic_compare_exchange_ssize(&op->ob_ref_shared, &shared, published)) return;
        // Lost to a thread that counted, or that left state 0: look at the state again.
    }
    _Py_atomic_add_ssize(&op->ob_ref_shared, detail::one_shared);
}

CEREGGII_ALWAYS_INLINE void decref_shared(PyObject* op) {
    if (_Py_IsOwnedByCurrentThread(op) && !detail::is_immortal(op)) {
        // An object that has an owner has a local reference, so this one is not the last. The
        // object stays the owner's for longer if its local references are kept. The shared count
        // must not go below 0: that is allowed only for a queued object.
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
