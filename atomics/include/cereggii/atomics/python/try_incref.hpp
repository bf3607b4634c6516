// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

// Taking a reference to an object that another thread may be dropping its last reference to.
//
//   enable_try_incref(op)  once, by whoever holds a reference, before op can be found by others.
//   try_incref(op)         true: the caller owns a reference. False: op is being freed, or has
//   been. `contended` is set if another thread was seen to count at the same time; it may
//   have been without that, and is not seen where this is Python's own function (3.15).
//
// What lies at `op` may have been freed, as long as the thread has been attached and has called
// nothing since it found the pointer: the memory of Python objects is not given back before all
// threads have passed a point where they hold no such pointer, and what was in the counting fields
// of a freed object says that it cannot be had. It may also be another object by now: so a
// reference taken says nothing about what object it is to, until the caller has looked whether the
// pointer is still where it was found. See object_slot.hpp.
namespace cereggii::atomics {

#ifndef Py_GIL_DISABLED

// With a GIL nothing is freed between a load and this.
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

// The two low bits of the shared count are a state. In state 0 the object's owner, dropping its
// last reference, frees it without an atomic operation: then nobody else may try. Any other state
// makes the owner merge its count into the shared one first, in a compare-and-swap that a try wins
// or loses against. A count of 0 in state 0, or merged, is that of an object that cannot be had.

#if PY_VERSION_HEX >= 0x030F0000 || (PY_VERSION_HEX >= 0x030E0000 && defined(Py_REF_DEBUG))

inline void enable_try_incref_of_mortal(PyObject* op) noexcept { PyUnstable_EnableTryIncRef(op); }
inline bool try_incref_of_foreign(PyObject* op, bool*) noexcept {
    return PyUnstable_TryIncRef(op) != 0;
}

#else

// In our own words: Python 3.13 keeps these to itself, and in 3.14 they are the same, behind calls.
// The layout and the protocol of the counts are part of the ABI of a release, as Py_INCREF is.

inline void enable_try_incref_of_mortal(PyObject* op) noexcept {
    Py_ssize_t shared = _Py_atomic_load_ssize_relaxed(&op->ob_ref_shared);
    while ((shared & _Py_REF_SHARED_FLAG_MASK) == 0 &&
           !_Py_atomic_compare_exchange_ssize(&op->ob_ref_shared, &shared,
                                              shared | _Py_REF_MAYBE_WEAKREF)) {
    }
}

[[gnu::always_inline]] inline bool try_incref_of_foreign(PyObject* op, bool* contended) noexcept {
    Py_ssize_t shared = _Py_atomic_load_ssize_relaxed(&op->ob_ref_shared);
    for (;;) {
        if (shared == 0 || shared == _Py_REF_MERGED) return false;
        if (_Py_atomic_compare_exchange_ssize(&op->ob_ref_shared, &shared,
                                              shared + (Py_ssize_t{1} << _Py_REF_SHARED_SHIFT)))
            return true;
        if (contended) *contended = true;
    }
}

#endif

}  // namespace detail

[[gnu::always_inline]] inline void enable_try_incref(PyObject* op) noexcept {
    const Py_ssize_t shared = _Py_atomic_load_ssize_relaxed(&op->ob_ref_shared);
    if ((shared & _Py_REF_SHARED_FLAG_MASK) == 0 && !_Py_IsImmortal(op))
        detail::enable_try_incref_of_mortal(op);
}

[[gnu::always_inline]] inline bool try_incref(PyObject* op, bool* contended = nullptr) noexcept {
    const uint32_t local = _Py_atomic_load_uint32_relaxed(&op->ob_ref_local);
    if (local == _Py_IMMORTAL_REFCNT_LOCAL) return true;
    // Nobody but its owner drops an object's last local reference, and the caller is doing
    // something else: what it owns is alive. What has been freed by others, once merged, has no
    // owner.
    if (_Py_IsOwnedByCurrentThread(op)) {
        _Py_atomic_store_uint32_relaxed(&op->ob_ref_local, local + 1);
        return true;
    }
    return detail::try_incref_of_foreign(op, contended);
}

#endif

}  // namespace cereggii::atomics
