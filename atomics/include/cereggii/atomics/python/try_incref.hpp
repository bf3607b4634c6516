// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include "cereggii/atomics/compiler.hpp"

// Takes a reference to an object, while another thread may be dropping its last reference.
//
//   enable_try_incref(op)   call it once, before others can find op, while holding a reference.
//   try_incref(op)          true: the caller owns a reference. False: op is being freed, or has
//                           been. `contended` is set if another thread was seen to count at the
//                           same time. A thread that counts may also not be seen, and none is seen
//                           where this is Python's own function (3.15).
//
// The memory at `op` may have been freed, as long as the thread has stayed attached and has called
// nothing since it found the pointer. For the memory of Python objects is not given back before all
// threads have passed a point where they hold no such pointer, and the counting fields of a freed
// object say that no reference can be taken. But the memory may also be another object by now. So a
// reference that was taken says nothing about which object it is to, until the caller has looked
// whether the pointer is still where it was found. See object_slot.hpp.
//
// CPython breaks this promise for memory that was allocated by a thread which has ended. Its own
// lists and dicts rely on it, too. See "A fault of CPython" in docs/platforms.md.
namespace cereggii::atomics {

#ifndef Py_GIL_DISABLED

// With a GIL nothing is freed between the load of the pointer and this call.
inline void enable_try_incref(PyObject*) noexcept {}
inline bool try_incref(PyObject* op, bool* = nullptr) noexcept {
    Py_INCREF(op);
    return true;
}

#else

namespace detail {

inline bool is_immortal(PyObject* op) noexcept {
    return _Py_atomic_load_uint32_relaxed(&op->ob_ref_local) == _Py_IMMORTAL_REFCNT_LOCAL;
}

// The two low bits of the shared count are a state. In state 0, the owner that drops its last
// reference frees the object without an atomic operation: then no other thread may try. In any
// other state the owner first merges its count into the shared one, by a compare-and-swap, and a
// try wins or loses against that. No reference can be taken to an object whose shared count is 0 in
// state 0 or in the merged state.

#if PY_VERSION_HEX >= 0x030F0000 || (PY_VERSION_HEX >= 0x030E0000 && defined(Py_REF_DEBUG))

inline void enable_try_incref_of_mortal(PyObject* op) noexcept { PyUnstable_EnableTryIncRef(op); }
inline bool try_incref_of_foreign(PyObject* op, bool*) noexcept {
    return PyUnstable_TryIncRef(op) != 0;
}

#else

// Our own versions: Python 3.13 does not export these functions, and in 3.14 they do the same,
// behind a call. The layout and the protocol of the counts are part of the ABI of a release, as
// Py_INCREF is.

inline void enable_try_incref_of_mortal(PyObject* op) noexcept {
    Py_ssize_t shared = _Py_atomic_load_ssize_relaxed(&op->ob_ref_shared);
    // Lost to a thread that counted, or that left state 0: look at the state again.
    while ((shared & _Py_REF_SHARED_FLAG_MASK) == 0 &&
           !_Py_atomic_compare_exchange_ssize(&op->ob_ref_shared, &shared,
                                              shared | _Py_REF_MAYBE_WEAKREF)) {
    }
}

CEREGGII_ALWAYS_INLINE bool try_incref_of_foreign(PyObject* op, bool* contended) noexcept {
    Py_ssize_t shared = _Py_atomic_load_ssize_relaxed(&op->ob_ref_shared);
    for (;;) {
        if (shared == 0 || shared == _Py_REF_MERGED) return false;
        if (_Py_atomic_compare_exchange_ssize(&op->ob_ref_shared, &shared,
                                              shared + (Py_ssize_t{1} << _Py_REF_SHARED_SHIFT)))
            return true;
        // Lost to a thread that counted or merged: `shared` is what it left.
        if (contended) *contended = true;
    }
}

#endif

}  // namespace detail

CEREGGII_ALWAYS_INLINE void enable_try_incref(PyObject* op) noexcept {
    const Py_ssize_t shared = _Py_atomic_load_ssize_relaxed(&op->ob_ref_shared);
    if ((shared & _Py_REF_SHARED_FLAG_MASK) == 0 && !_Py_IsImmortal(op))
        detail::enable_try_incref_of_mortal(op);
}

CEREGGII_ALWAYS_INLINE bool try_incref(PyObject* op, bool* contended = nullptr) noexcept {
    const uint32_t local = _Py_atomic_load_uint32_relaxed(&op->ob_ref_local);
    if (local == _Py_IMMORTAL_REFCNT_LOCAL) return true;
    // Only the owner drops an object's last local reference, and the owner is the caller, which is
    // busy here: an object that the caller owns is alive. An object that another thread has freed
    // was merged before, so it has no owner.
    if (_Py_IsOwnedByCurrentThread(op)) {
        _Py_atomic_store_uint32_relaxed(&op->ob_ref_local, local + 1);
        return true;
    }
    return detail::try_incref_of_foreign(op, contended);
}

#endif

}  // namespace cereggii::atomics
