// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "cereggii/atomics/python/accessors.hpp"
#include "cereggii/atomics/python/sharing.hpp"
#include "map/exact.hpp"
#include "map/hash_map.hpp"
#include "map/leftovers.hpp"

// The C++ objects behind the Python types of this module.
namespace cereggii::atomicdict {

using namespace atomics;  // NOLINT: what this package is written in

struct AtomicDict {
    static constexpr const char* name = "AtomicDict";
    using Sharing = DeferredPolicy;
    using Value = HashMap;

    HashMap map;
    HashMap pending;  // what is being computed: see compute.cpp

    AtomicDict() noexcept { map.constructed.store(true, std::memory_order_release); }
    ~AtomicDict() {
        note_destruction(this);
        destroy_both();
#if PY_VERSION_HEX >= 0x030E0000
        free_leftovers();
#endif
    }
    AtomicDict(const AtomicDict&) = delete;
    AtomicDict& operator=(const AtomicDict&) = delete;
    // A guess, by the capacity of the root, which is not touched: it may be gone.
    std::size_t memory() const noexcept {
        constexpr std::size_t for_each_word = 96;  // with keys and values, of a table well filled
        const std::uint32_t shift = map.root_shift.load(std::memory_order_relaxed);
        // Without a root, the shift is that of an earlier one.
        if (!map.root.load(std::memory_order_relaxed) || shift < 24)
            return DeferredPolicy::size_of_anything;
        return std::max(DeferredPolicy::size_of_anything, for_each_word << (64 - shift));
    }
    // Up to 3.13: before the destructor, for reasons given at Deallocator.
    void dismantle() {
        destroy_both();
        free_leftovers();
    }
    // At once, even while others are pinned in other dicts: nobody can be pinned in this one.
    void destroy_both() {
        destroy(map);
        destroy(pending);
    }
    // Acquire: pairs with the constructor's release, for a thread that found the object early.
    bool constructed() const noexcept { return map.constructed.load(std::memory_order_acquire); }
    Value* value() noexcept { return &map; }
    int traverse(visitproc visit, void* arg) {
        const int stop = atomicdict::traverse(map, visit, arg);
        return stop ? stop : atomicdict::traverse(pending, visit, arg);
    }
    void clear() {
        if (constructed() && !atomicdict::clear(map)) PyErr_Clear();
    }
};

using AtomicDictHandle = Handle<AtomicDict>;

// ── sentinels (sentinels.cpp) ──────────────────────────────────────────────────────────────────

// Objects that stand for no value: static, immortal, and next to each other.
extern PyObject sentinels[3];
inline PyObject* const not_found = &sentinels[0];
inline PyObject* const any = &sentinels[1];
inline PyObject* const expectation_failed = &sentinels[2];

inline bool is_sentinel(const PyObject* object) noexcept {
    return reinterpret_cast<std::uintptr_t>(object) - reinterpret_cast<std::uintptr_t>(sentinels) <
           sizeof(sentinels);
}

// Sets ValueError.
[[gnu::cold]] void refuse_sentinel(PyObject* object, const char* what);

// The exception types, set when the module is imported.
extern PyObject* ExpectationFailed;

// ── iterators (iterator.cpp) ───────────────────────────────────────────────────────────────────

enum class Yields { keys, values, items };

// New iterators; null with MemoryError. Over all, in the same order in every thread as long as
// nothing is changed; and over the items of part `part` of `parts`, in an order of each thread.
PyObject* make_iterator(PyObject* dict, Yields yields);
PyObject* make_fast_iterator(PyObject* dict, std::uint64_t part, std::uint64_t parts);

// Register the types; one file each.
void bind_sentinels(nanobind::module_& module);
void bind_iterator(nanobind::module_& module);

// What an AtomicDict holds at one instant, for pickling (snapshot_iterator.cpp).
void bind_snapshot_iterator(nanobind::module_& module);
void bind_atomic_dict(nanobind::module_& module);

}  // namespace cereggii::atomicdict
