// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "cereggii/atomics/compiler.hpp"
#include "cereggii/atomics/python/deferred.hpp"
#include "cereggii/atomics/python/immortal.hpp"
#include "cereggii/atomics/python/instances.hpp"
#include "cereggii/atomics/python/sharing_time.hpp"
#include "cereggii/atomics/python/stop_the_world.hpp"
#include "cereggii/atomics/python/try_incref.hpp"
#include "cereggii/atomics/sharing_policy.hpp"
#include "cereggii/atomics/tuning.hpp"

// Which objects get help because threads share them. It samples the uses of objects, and decides.
//
// On free-threaded builds a reference count is biased (PEP 703): the thread that made the object,
// its owner, counts in `ob_ref_local` without atomics. All other threads count in `ob_ref_shared`
// with contended atomics. An operator such as `+=` takes and drops references each time it runs. So
// for a shared object the count is the bottleneck, not the value.
//
//   note_creation()    Call it for every new object. It forgets what is known of an earlier object
//                      at the same address.
//   note_use()         Call it in every operation. It samples uses by threads that do not own the
//                      object. After some time with such uses, the object gets help: the policy of
//                      its type says which. sharing_policy.hpp says how long that takes.
//
// A type names one of two policies:
//
//   ImmortalPolicy     the object is not counted any more (immortal.hpp). For objects that own
//                      nothing but some bytes, which come out of a budget.
//   DeferredPolicy     the interpreter's loads do not count the object, and only the collector
//                      frees it (deferred.hpp). For objects that the collector knows.
//
// An atomic says with `std::size_t memory() const` how many bytes it owns. Any thread may ask at
// any time, even before the atomic is constructed.
namespace cereggii::atomics {

#ifdef Py_GIL_DISABLED

namespace detail {

// The objects in use. Each extension module has its own.
inline UseWatch use_watch;

// ── refused help ───────────────────────────────────────────────────────────────────────────────

inline bool refuses_help(PyObject* op) noexcept {
    return spare_bits(op).load(std::memory_order_relaxed) & refuses_bit;
}
inline void refuse_help(PyObject* op) noexcept {
    spare_bits(op).fetch_or(refuses_bit, std::memory_order_relaxed);
}

// ── sampling ───────────────────────────────────────────────────────────────────────────────────

inline thread_local constinit std::uint32_t uses_until_sample = tuning::sharing::sampling_period;

// Always inlined: so the compiler looks up the thread's own data once for the whole operation.
CEREGGII_ALWAYS_INLINE bool is_sampled_use() noexcept { return --uses_until_sample == 0; }

// Whether the object has earned help by this use.
inline bool earns_help(PyObject* op, Nanoseconds now, Nanoseconds required_age) noexcept {
    return use_watch.note_use(reinterpret_cast<std::uintptr_t>(op), _Py_ThreadId(), now,
                              required_age);
}

}  // namespace detail

// ── policies ───────────────────────────────────────────────────────────────────────────────────

// `possible`: whether there is such help in this version of Python. `is_mitigated(op)`: whether the
// object has help already. It costs next to nothing. `note_sample<Atomic>(op)`: for a sampled use
// by a thread that does not own the object. It may stop the world.

struct ImmortalPolicy {
    static constexpr bool possible = world_can_be_stopped;
    static bool is_mitigated(PyObject* op) noexcept { return detail::is_immortal(op); }

    template <class Atomic>
    static void note_sample(PyObject* op) {
        const std::size_t size = payload<Atomic>(op)->memory();
        const Nanoseconds age = detail::budget.required_age(size);
        if (age != never && detail::earns_help(op, detail::sharing_time(), age))
            detail::make_shared_immortal(op, size);
    }
};

struct DeferredPolicy {
    static constexpr std::size_t size_of_anything = tuning::sharing::size_of_anything;
    static constexpr bool possible = PY_VERSION_HEX >= 0x030E0000;
    // Deferring adds half of the largest count to the shared count. make_immortal() does the same.
    static bool is_mitigated(PyObject* op) noexcept {
        return _Py_atomic_load_ssize_relaxed(&op->ob_ref_shared) > PY_SSIZE_T_MAX / 8;
    }

    // Does nothing while the collector is switched off.
    template <class Atomic>
    static void note_sample(PyObject* op) {
        if (!PyGC_IsEnabled()) return;
        const std::size_t size = payload<Atomic>(op)->memory();
        const Nanoseconds now = detail::sharing_time();
        if (detail::earns_help(op, now, detail::deferred_memory.required_age(size)))
            detail::defer(op, size, now);
    }

    // For the collector's visit of an object: it may have grown since it was deferred.
    template <class Atomic>
    static void note_visit(PyObject* op) noexcept {
        if (detail::is_accounted_for(op)) [[unlikely]]
            detail::account_for(op, payload<Atomic>(op)->memory());
    }
};

// ── what operations call ───────────────────────────────────────────────────────────────────────

// For a sampled use by a thread that does not own the object. Returns the object, so that the
// caller need not keep it in a register.
template <class Atomic>
CEREGGII_NEVER_INLINE CEREGGII_COLD PyObject* note_sampled_use(PyObject* op,
                                                               const PyTypeObject* exact) {
    detail::uses_until_sample = tuning::sharing::sampling_period;
    if (Py_TYPE(op) == exact && !detail::refuses_help(op))
        Atomic::Sharing::template note_sample<Atomic>(op);
    return op;
}

// Call it at the beginning of an operation, with no exception set. Only instances of `exact` itself
// get help: an instance of a subclass may own more than its type says. Returns the object.
template <class Atomic>
CEREGGII_ALWAYS_INLINE PyObject* note_use(PyObject* op, const PyTypeObject* exact) {
    if constexpr (Atomic::Sharing::possible) {
        if (!_Py_IsOwnedByCurrentThread(op) && !Atomic::Sharing::is_mitigated(op) &&
            detail::is_sampled_use()) [[unlikely]]
            return note_sampled_use<Atomic>(op, exact);
    }
    return op;
}

inline void note_creation(PyObject* op, Immortality immortality) noexcept {
    if constexpr (PY_VERSION_HEX >= 0x030E0000)
        detail::use_watch.forget(reinterpret_cast<std::uintptr_t>(op));
    if (immortality == Immortality::refused) detail::refuse_help(op);
}

// ── for tests ──────────────────────────────────────────────────────────────────────────────────

namespace detail {

// Both functions are private, and may change at any time.

// How often the world was stopped, how many collections were run on request, how many bytes were
// made immortal, and how many bytes deferred objects own.
inline PyObject* sharing_statistics(PyObject*, PyObject*) {
    return Py_BuildValue("{sKsKsnsn}", "world_stops",
                         static_cast<unsigned long long>(count_of_world_stops()), "collections",
                         static_cast<unsigned long long>(collections_run.load()), "immortal",
                         static_cast<Py_ssize_t>(budget.spent()), "deferred",
                         static_cast<Py_ssize_t>(deferred_memory.owned()));
}

// Sets the time that sharing goes by, an int of nanoseconds. None: the clock again.
inline PyObject* set_sharing_time(PyObject*, PyObject* time) {
    const long long nanoseconds = time == Py_None ? -1 : PyLong_AsLongLong(time);
    if (nanoseconds == -1 && PyErr_Occurred()) return nullptr;
    time_of_test.store(nanoseconds, std::memory_order_relaxed);
    Py_RETURN_NONE;
}

}  // namespace detail

// ── when the module is imported ────────────────────────────────────────────────────────────────

// False with an exception set.
inline bool prepare_sharing(PyObject* module) {
    static PyMethodDef functions[] = {
        {"_sharing_statistics", &detail::sharing_statistics, METH_NOARGS, nullptr},
        {"_set_sharing_time", &detail::set_sharing_time, METH_O, nullptr},
        {nullptr, nullptr, 0, nullptr}};
    if (PyModule_AddFunctions(module, functions) < 0) return false;
    return detail::prepare_deferred();
}

#else

// With a GIL counts are never contended, so no object needs help.

struct ImmortalPolicy {};

struct DeferredPolicy {
    static constexpr std::size_t size_of_anything = tuning::sharing::size_of_anything;
    template <class Atomic>
    static void note_visit(PyObject*) noexcept {}
};

template <class Atomic>
PyObject* note_use(PyObject* op, const PyTypeObject*) noexcept {
    return op;
}

inline void note_creation(PyObject*, Immortality) noexcept {}

inline bool prepare_sharing(PyObject*) { return true; }

#endif

}  // namespace cereggii::atomics
