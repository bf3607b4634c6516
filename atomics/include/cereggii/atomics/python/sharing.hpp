// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "cereggii/atomics/python/stop_the_world.hpp"
#include "cereggii/atomics/python/try_incref.hpp"

// What the reference count of an object costs the threads that share it, and how it is avoided.
//
// On free-threaded builds a count is biased (PEP 703): the thread that made the object counts in
// `ob_ref_local` without atomics, all others in `ob_ref_shared` with contended ones. An operator
// such as `+=` takes and drops references on each turn, so on a shared object the count, not the
// value, is the bottleneck. Immortal objects (PEP 683) are not counted at all.
//
//   make_immortal(op)   for `immortal=True`: the user knows.
//   note_use(op)        called by every operation: for an object that is caught again and again
//                       being used by threads that do not own it, its type says what is done.
//                       BecomesImmortal: up to a budget of memory, which is then the bounded price.
//                       BecomesDeferred: counted by the collector, which then frees it.
//   note_creation(op)   called for every new object, so that it is not taken for an earlier one.
namespace cereggii::atomics {

#ifdef Py_GIL_DISABLED

// How many bytes of one extension module's objects note_use() makes immortal at the most.
inline constexpr std::size_t immortality_budget = std::size_t{512} * 1024;

namespace detail {

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

// In a stopped world, where no thread is between the load and the store of a count.
inline bool promote_in_stopped_world(PyObject* op) noexcept {
    const Py_ssize_t flags =
        _Py_atomic_load_ssize_relaxed(&op->ob_ref_shared) & _Py_REF_SHARED_FLAG_MASK;
    // Handed over, to be merged as a mortal's count by the owner.
    if (flags == _Py_REF_QUEUED) return false;
    // In a work list of the collector, which links its objects through ob_tid.
    if (flags == _Py_REF_MERGED && _Py_atomic_load_uintptr_relaxed(&op->ob_tid) != 0) return false;
    if (is_immortal(op) || has_weak_references(op)) return false;
    PyObject_GC_UnTrack(op);
    _Py_atomic_store_uintptr_relaxed(&op->ob_tid, _Py_UNOWNED_TID);
    _Py_atomic_store_uint32_relaxed(&op->ob_ref_local, _Py_IMMORTAL_REFCNT_LOCAL);
    _Py_atomic_store_ssize_relaxed(&op->ob_ref_shared, 0);
    return true;
}

[[gnu::noinline]] inline void promote(PyObject* op, std::size_t size) {
    static std::atomic<std::size_t> spent{0};
    if (has_weak_references(op)) return;
    if (spent.fetch_add(size, std::memory_order_relaxed) + size <= immortality_budget) {
        bool promoted = false;
        stop_the_world([&]() noexcept { promoted = promote_in_stopped_world(op); });
        if (promoted) return;
    }
    spent.fetch_sub(size, std::memory_order_relaxed);
}

struct SampledUse {
    std::atomic<PyObject*> object{nullptr};
    std::atomic<std::uintptr_t> thread{0};  // that was caught last
    std::atomic<std::uint32_t> changes{0};  // of that thread
    std::atomic<std::uint32_t> samples{0};
};

// Which objects were caught being used by threads that do not own them. One such use in `period` is
// looked at, so a use costs a thread-local increment. An object is shared if it is caught with one
// thread after another, or very often, while the owner uses it too for all we know; one that is
// passed on, used a few thousand times and dropped is neither. A guess: threads that are caught at
// the same time overwrite each other, and objects that fall in one slot do so, too, which makes it
// late; it is wrong about an object only in the long run, for `size` bytes of the budget.
class UseSampler {
public:
    static constexpr std::uint32_t period = 256;

    // For a sampled use by the calling thread, which does not own the object.
    static bool shared(PyObject* op) noexcept {
        SampledUse& slot = slot_of(op);
        const std::uintptr_t thread = _Py_ThreadId();
        if (slot.object.load(std::memory_order_relaxed) != op) {
            slot.thread.store(thread, std::memory_order_relaxed);
            slot.changes.store(0, std::memory_order_relaxed);
            slot.samples.store(1, std::memory_order_relaxed);
            slot.object.store(op, std::memory_order_relaxed);
            return false;
        }
        const bool changed = slot.thread.exchange(thread, std::memory_order_relaxed) != thread;
        const std::uint32_t changes =
            slot.changes.fetch_add(changed, std::memory_order_relaxed) + changed;
        const std::uint32_t samples = slot.samples.fetch_add(1, std::memory_order_relaxed) + 1;
        return changes >= several_changes || samples >= very_often;
    }

    // For a new object: what an earlier one at its address was caught at is not about this one.
    static void forget(PyObject* op) noexcept {
        SampledUse& slot = slot_of(op);
        if (slot.object.load(std::memory_order_relaxed) == op) [[unlikely]]
            slot.object.store(nullptr, std::memory_order_relaxed);
    }

private:
    // Two threads that hand an object on, one to the other, make one change; to and fro, two.
    static constexpr std::uint32_t several_changes = 3;
    static constexpr std::uint32_t very_often = 64;

    static SampledUse& slot_of(PyObject* op) noexcept {
        return slots_[reinterpret_cast<std::uintptr_t>(op) / 64 % slots_.size()];
    }

    static inline std::array<SampledUse, 64> slots_{};
};

inline thread_local constinit std::uint32_t foreign_uses = 0;

inline bool is_sampled_use() noexcept { return ++foreign_uses % UseSampler::period == 0; }

}  // namespace detail

// What is done for an object that turns out to be shared: `relieve(op)` does it, and may stop the
// world; `is_relieved(op)` costs next to nothing.

// It becomes immortal, within the budget: for objects that own nothing but `size()` bytes.
template <std::size_t (*Size)()>
struct BecomesImmortal {
    static constexpr bool possible = world_can_be_stopped;
    static bool is_relieved(PyObject* op) noexcept { return detail::is_immortal(op); }
    static void relieve(PyObject* op) { detail::promote(op, Size()); }
};

// The interpreter defers counting it, so that only the collector frees it: for objects that the
// collector knows. Never while the collector is switched off.
struct BecomesDeferred {
#if PY_VERSION_HEX >= 0x030E0000
    static constexpr bool possible = true;
    static void relieve(PyObject* op) {
        if (PyGC_IsEnabled() && PyObject_GC_IsTracked(op))
            PyUnstable_Object_EnableDeferredRefcount(op);
    }
#else
    static constexpr bool possible = false;
    static void relieve(PyObject*) noexcept {}
#endif
    // Deferring adds half of what fits to the shared count, and so does make_immortal().
    static bool is_relieved(PyObject* op) noexcept {
        return _Py_atomic_load_ssize_relaxed(&op->ob_ref_shared) > PY_SSIZE_T_MAX / 8;
    }
};

// For a use by a thread that does not own the object. Returns it, so that the caller need not keep
// it.
template <class Atomic>
[[gnu::noinline]] PyObject* note_foreign_use(PyObject* op, const PyTypeObject* exact) {
    if (detail::is_sampled_use() && Py_TYPE(op) == exact && detail::UseSampler::shared(op))
        Atomic::Sharing::relieve(op);
    return op;
}

// Call at the beginning of an operation, with no exception set. `exact` is the type whose instances
// are meant: those of subclasses may own more than we know. Returns the object.
template <class Atomic>
[[gnu::always_inline]] inline PyObject* note_use(PyObject* op, const PyTypeObject* exact) {
    if constexpr (Atomic::Sharing::possible) {
        if (!_Py_IsOwnedByCurrentThread(op) && !Atomic::Sharing::is_relieved(op)) [[unlikely]]
            return note_foreign_use<Atomic>(op, exact);
    }
    return op;
}

inline void note_creation([[maybe_unused]] PyObject* op) noexcept {
    if constexpr (PY_VERSION_HEX >= 0x030E0000) detail::UseSampler::forget(op);
}

// For a new object. Where another thread got hold of it first, it lives on, but is counted.
inline void make_immortal(PyObject* op) noexcept {
    if (!detail::is_immortal(op) && !detail::owner_makes_immortal(op)) Py_INCREF(op);
}

inline bool prepare_sharing() { return prepare_to_stop_the_world(); }

#else

template <std::size_t (*Size)()>
struct BecomesImmortal {};

struct BecomesDeferred {};

template <class Atomic>
PyObject* note_use(PyObject* op, const PyTypeObject*) noexcept {
    return op;
}

inline void note_creation(PyObject*) noexcept {}

// With a GIL a count is never contended: what remains of immortality is that the object lives on.
inline void make_immortal(PyObject* op) noexcept { Py_INCREF(op); }

inline bool prepare_sharing() { return true; }

#endif

}  // namespace cereggii::atomics
