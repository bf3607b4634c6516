// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "cereggii/atomics/python/instances.hpp"
#include "cereggii/atomics/python/stop_the_world.hpp"
#include "cereggii/atomics/python/try_incref.hpp"
#include "cereggii/atomics/python/values.hpp"
#include "cereggii/atomics/sharing_policy.hpp"

// What the reference count of an object costs the threads that share it, and how it is avoided.
//
// On free-threaded builds a count is biased (PEP 703): the thread that made the object counts in
// `ob_ref_local` without atomics, all others in `ob_ref_shared` with contended ones. An operator
// such as `+=` takes and drops references on each turn, so on a shared object the count, not the
// value, is the bottleneck. Immortal objects (PEP 683) are not counted at all.
//
//   note_creation()    for every new object: forgets what it knows of an earlier one at the same
//                      address.
//   make_immortal()    for `immortal=True`: the user knows.
//   note_use()         called by every operation: an object that threads which do not own it have
//                      used for some time gets the help that its type says. sharing_policy.hpp says
//                      how long that takes.
//
//     ImmortalPolicy  it is not counted any more. For objects that own nothing but some bytes,
//                      which come out of a budget.
//     DeferredPolicy  the interpreter's loads do not count it, and only the collector frees it.
//
// An atomic says with `std::size_t memory() const` how many bytes it owns. Any thread may ask, at
// any time, also before the atomic is constructed.
namespace cereggii::atomics {

// ── immortal= ──────────────────────────────────────────────────────────────────────────────────

enum class Immortality : std::uint8_t {
    automatic,  // None: note_use() decides
    always,     // True
    refused,    // False: note_use() does nothing for it
};

// The argument `immortal`, null for none. False with TypeError. Runs the repr of a wrong value.
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

namespace detail {

// What an object counts as that may refer to anything.
inline constexpr std::size_t size_of_anything = std::size_t{1} << 20;

}  // namespace detail

#ifdef Py_GIL_DISABLED

// ── what has been spent ────────────────────────────────────────────────────────────────────────

// All of it for each extension module by itself.

// How many bytes of objects note_use() makes immortal at the most.
inline constexpr std::size_t immortality_budget = std::size_t{512} * 1024;

// How many bytes are deferred before a collection is asked for, and how many an object may own more
// for each second for which threads have used it.
inline constexpr std::size_t room_for_deferred = std::size_t{16} << 20;
inline constexpr std::size_t deferred_per_second = std::size_t{16} << 20;

namespace detail {

inline UseWatch use_watch;
inline ImmortalityBudget budget{immortality_budget};
inline DeferredMemory deferred_memory{room_for_deferred, deferred_per_second};
inline CollectionRequests collection_requests;
inline std::atomic<std::uint64_t> collections_run{0};  // of those asked for

// The time that tests say it is; negative: they do not.
inline std::atomic<Nanoseconds> time_of_test{-1};

inline Nanoseconds sharing_time() noexcept {
    const Nanoseconds time = time_of_test.load(std::memory_order_relaxed);
    if (time >= 0) [[unlikely]]
        return time;
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

// ── what is known about an instance ────────────────────────────────────────────────────────────

// In its spare bits: whether it refuses help, and how much of the deferred memory it counts as.
inline constexpr std::uint16_t refuses_bit = 1;
inline constexpr std::uint16_t most_units = 0x7FFF;
inline constexpr std::size_t deferred_unit = std::size_t{64} << 10;

constexpr std::uint16_t units_of(std::size_t size) noexcept {
    const std::size_t units = size / deferred_unit + (size % deferred_unit != 0);
    return units < most_units ? static_cast<std::uint16_t>(units) : most_units;
}

inline bool refuses_help(PyObject* op) noexcept {
    return spare_bits(op).load(std::memory_order_relaxed) & refuses_bit;
}
inline void refuse_help(PyObject* op) noexcept {
    spare_bits(op).fetch_or(refuses_bit, std::memory_order_relaxed);
}

// From now on the object counts as this much of the deferred memory.
inline void account_for(PyObject* op, std::size_t size) noexcept {
    std::atomic<std::uint16_t>& bits = spare_bits(op);
    const auto fresh = static_cast<unsigned>(units_of(size)) << 1;
    std::uint16_t old = bits.load(std::memory_order_relaxed);
    while (!bits.compare_exchange_weak(old, static_cast<std::uint16_t>(fresh | (old & refuses_bit)),
                                       std::memory_order_relaxed)) {
    }
    deferred_memory.add((fresh >> 1) * deferred_unit);
    deferred_memory.remove(static_cast<std::size_t>(old >> 1) * deferred_unit);
}

inline bool is_accounted_for(PyObject* op) noexcept {
    return (spare_bits(op).load(std::memory_order_relaxed) >> 1) != 0;
}

// ── immortality ────────────────────────────────────────────────────────────────────────────────

inline bool has_weak_references(PyObject* op) noexcept {
    const Py_ssize_t offset = Py_TYPE(op)->tp_weaklistoffset;
    if (offset <= 0) return false;
    return _Py_atomic_load_ptr_relaxed(reinterpret_cast<char*>(op) + offset) != nullptr;
}

// By the owner, the only thread that writes ob_ref_local, and so without stopping anybody: first
// other threads' decrements are kept from ever reaching zero, where they would hand the object to
// its owner to merge the counts; then it is no longer counted. False: the object is not the
// caller's, or has been handed over already.
inline bool owner_makes_immortal(PyObject* op) noexcept {
    if (!_Py_IsOwnedByCurrentThread(op)) return false;
    constexpr Py_ssize_t plenty = Py_ssize_t{1} << (8 * sizeof(Py_ssize_t) - 3);
    Py_ssize_t shared = _Py_atomic_load_ssize_relaxed(&op->ob_ref_shared);
    do {
        const Py_ssize_t flags = shared & _Py_REF_SHARED_FLAG_MASK;
        if (flags == _Py_REF_QUEUED || flags == _Py_REF_MERGED) return false;
    } while (!_Py_atomic_compare_exchange_ssize(&op->ob_ref_shared, &shared, shared + plenty));
    PyObject_GC_UnTrack(op);  // the collector passes over immortal objects
    _Py_atomic_store_uint32_relaxed(&op->ob_ref_local, _Py_IMMORTAL_REFCNT_LOCAL);
    _Py_atomic_store_uintptr_relaxed(&op->ob_tid, _Py_UNOWNED_TID);
    return true;
}

// Whether another thread may make the object immortal, when the world is stopped. What it says
// before that may have changed by then.
inline bool may_become_immortal(PyObject* op) noexcept {
    const Py_ssize_t flags =
        _Py_atomic_load_ssize_relaxed(&op->ob_ref_shared) & _Py_REF_SHARED_FLAG_MASK;
    // Handed over, to be merged as a mortal's count by the owner.
    if (flags == _Py_REF_QUEUED) return false;
    // In a work list of the collector, which links its objects through ob_tid.
    if (flags == _Py_REF_MERGED && _Py_atomic_load_uintptr_relaxed(&op->ob_tid) != 0) return false;
    return !is_immortal(op) && !has_weak_references(op);
}

// In a stopped world, where no thread is between the load and the store of a count.
inline bool make_immortal_in_stopped_world(PyObject* op) noexcept {
    if (!may_become_immortal(op)) return false;
    PyObject_GC_UnTrack(op);
    _Py_atomic_store_uintptr_relaxed(&op->ob_tid, _Py_UNOWNED_TID);
    _Py_atomic_store_uint32_relaxed(&op->ob_ref_local, _Py_IMMORTAL_REFCNT_LOCAL);
    _Py_atomic_store_ssize_relaxed(&op->ob_ref_shared, 0);
    return true;
}

inline void make_shared_immortal(PyObject* op, std::size_t size) {
    if (!may_become_immortal(op) || !budget.spend(size)) return;
    bool done = false;
    stop_the_world([&]() noexcept { done = make_immortal_in_stopped_world(op); });
    if (!done) budget.give_back(size);
}

// ── deferred counting ──────────────────────────────────────────────────────────────────────────

// Set by prepare_sharing() and never freed.
inline PyObject* get_stats = nullptr;

// How many collections the interpreter has run; negative: it does not say.
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

// Takes note of collections that the program, or the interpreter by itself, has run.
inline void look_for_collections() {
    static std::atomic<long long> noted{0};
    const long long now = collections_so_far();
    if (now > noted.load(std::memory_order_relaxed)) {
        noted.store(now, std::memory_order_relaxed);
        deferred_memory.note_collection();
    }
}

// In the main thread, where it runs signal handlers, between two steps of Python code: that is
// where the interpreter collects by itself, too. (Not in the child of a fork by another thread,
// which does not run pending calls.)
inline int run_requested_collection(void*) {
    const Nanoseconds started = sharing_time();
    PyGC_Collect();  // which does nothing if the collector is switched off
    collections_run.fetch_add(1, std::memory_order_relaxed);
    collection_requests.end(started, sharing_time());
    return 0;
}

inline void request_collection(Nanoseconds now) {
    if (collection_requests.begin(now) && Py_AddPendingCall(&run_requested_collection, nullptr) < 0)
        collection_requests.cancel();
}

inline void defer([[maybe_unused]] PyObject* op, [[maybe_unused]] std::size_t size,
                  [[maybe_unused]] Nanoseconds now) {
#if PY_VERSION_HEX >= 0x030E0000
    // Each time: a collection has seen only what was deferred before it.
    look_for_collections();
    if (!deferred_memory.has_room(size)) {
        request_collection(now);
    } else if (PyObject_GC_IsTracked(op) && PyUnstable_Object_EnableDeferredRefcount(op) == 1) {
        account_for(op, size);
    }
#endif
}

// ── sampling ───────────────────────────────────────────────────────────────────────────────────

// One in so many uses is looked at. A prime: a loop that uses several objects in turn is not
// looked at when it uses the same one each time.
inline constexpr std::uint32_t sampling_period = 257;

inline thread_local constinit std::uint32_t uses_until_sample = sampling_period;

// Inlined always: where the thread's own data is, is found out once for all of an operation.
[[gnu::always_inline]] inline bool is_sampled_use() noexcept { return --uses_until_sample == 0; }

}  // namespace detail

// ── what is done for a shared object ───────────────────────────────────────────────────────────

// `note_sample<Atomic>(op)`: for a sampled use by a thread that does not own the object. May stop
// the world. `is_mitigated(op)` costs next to nothing.

struct ImmortalPolicy {
    static constexpr bool possible = world_can_be_stopped;
    static bool is_mitigated(PyObject* op) noexcept { return detail::is_immortal(op); }

    template <class Atomic>
    static void note_sample(PyObject* op) {
        const std::size_t size = payload<Atomic>(op)->memory();
        const Nanoseconds age = detail::budget.required_age(size);
        if (age != never && detail::use_watch.note_use(reinterpret_cast<std::uintptr_t>(op),
                                                       _Py_ThreadId(), detail::sharing_time(), age))
            detail::make_shared_immortal(op, size);
    }
};

// For objects that the collector knows. Never while it is switched off.
struct DeferredPolicy {
    static constexpr std::size_t size_of_anything = detail::size_of_anything;
    static constexpr bool possible = PY_VERSION_HEX >= 0x030E0000;
    // Deferring adds half of what fits to the shared count, and so does make_immortal().
    static bool is_mitigated(PyObject* op) noexcept {
        return _Py_atomic_load_ssize_relaxed(&op->ob_ref_shared) > PY_SSIZE_T_MAX / 8;
    }

    template <class Atomic>
    static void note_sample(PyObject* op) {
        if (!PyGC_IsEnabled()) return;
        const std::size_t size = payload<Atomic>(op)->memory();
        const Nanoseconds now = detail::sharing_time();
        if (detail::use_watch.note_use(reinterpret_cast<std::uintptr_t>(op), _Py_ThreadId(), now,
                                       detail::deferred_memory.required_age(size)))
            detail::defer(op, size, now);
    }

    // For the collector's visit of an object: it may have grown since it was deferred.
    template <class Atomic>
    static void note_visit(PyObject* op) noexcept {
        if (detail::is_accounted_for(op)) [[unlikely]]
            detail::account_for(op, payload<Atomic>(op)->memory());
    }
};

// For the destructor of an atomic that may be deferred.
template <class Atomic>
void note_destruction(Atomic* atomic) noexcept {
    PyObject* op = instance_of(atomic);
    if (detail::is_accounted_for(op)) [[unlikely]]
        detail::account_for(op, 0);
}

// For a sampled use by a thread that does not own the object. Returns it, so that the caller need
// not keep it.
template <class Atomic>
[[gnu::noinline, gnu::cold]] PyObject* note_sampled_use(PyObject* op, const PyTypeObject* exact) {
    detail::uses_until_sample = detail::sampling_period;
    if (Py_TYPE(op) == exact && !detail::refuses_help(op))
        Atomic::Sharing::template note_sample<Atomic>(op);
    return op;
}

// Call at the beginning of an operation, with no exception set. `exact` is the type whose instances
// are meant: those of subclasses may own more than we know. Returns the object.
template <class Atomic>
[[gnu::always_inline]] inline PyObject* note_use(PyObject* op, const PyTypeObject* exact) {
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

// For a new object. Where another thread got hold of it first, it lives on, but is counted.
inline void make_immortal(PyObject* op) noexcept {
    if (!detail::is_immortal(op) && !detail::owner_makes_immortal(op)) Py_INCREF(op);
}

namespace detail {

// For tests, and for nobody else: both are private, and may change at any time.

// How often the world was stopped, and collections were run on request; the bytes that were made
// immortal, and those that deferred objects own.
inline PyObject* sharing_statistics(PyObject*, PyObject*) {
    return Py_BuildValue("{sKsKsnsn}", "world_stops",
                         static_cast<unsigned long long>(count_of_world_stops()), "collections",
                         static_cast<unsigned long long>(collections_run.load()), "immortal",
                         static_cast<Py_ssize_t>(budget.spent()), "deferred",
                         static_cast<Py_ssize_t>(deferred_memory.owned()));
}

// Has sharing go by this time, an int of nanoseconds; None: by the clock.
inline PyObject* set_sharing_time(PyObject*, PyObject* time) {
    const long long nanoseconds = time == Py_None ? -1 : PyLong_AsLongLong(time);
    if (nanoseconds == -1 && PyErr_Occurred()) return nullptr;
    time_of_test.store(nanoseconds, std::memory_order_relaxed);
    Py_RETURN_NONE;
}

}  // namespace detail

// When the module is imported. False with an exception set.
inline bool prepare_sharing(PyObject* module) {
    static PyMethodDef functions[] = {
        {"_sharing_statistics", &detail::sharing_statistics, METH_NOARGS, nullptr},
        {"_set_sharing_time", &detail::set_sharing_time, METH_O, nullptr},
        {nullptr, nullptr, 0, nullptr}};
    if (PyModule_AddFunctions(module, functions) < 0) return false;
    if (detail::get_stats) return true;
    PyObject* gc = PyImport_ImportModule("gc");
    if (!gc) return false;
    detail::get_stats = PyObject_GetAttrString(gc, "get_stats");
    Py_DECREF(gc);
    return detail::get_stats != nullptr;
}

#else

struct ImmortalPolicy {};

struct DeferredPolicy {
    static constexpr std::size_t size_of_anything = detail::size_of_anything;
    template <class Atomic>
    static void note_visit(PyObject*) noexcept {}
};

template <class Atomic>
void note_destruction(Atomic*) noexcept {}

template <class Atomic>
PyObject* note_use(PyObject* op, const PyTypeObject*) noexcept {
    return op;
}

inline void note_creation(PyObject*, Immortality) noexcept {}

// With a GIL a count is never contended: what remains of immortality is that the object lives on.
inline void make_immortal(PyObject* op) noexcept { Py_INCREF(op); }

inline bool prepare_sharing(PyObject*) { return true; }

#endif

}  // namespace cereggii::atomics
