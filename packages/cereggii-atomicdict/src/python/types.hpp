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

// The C++ objects behind AtomicDict and AtomicDictHandle.
namespace cereggii::atomicdict {

using namespace atomics;  // NOLINT: what this package is written in

struct AtomicDict {
    static constexpr const char* name = "AtomicDict";
    using Sharing = DeferredPolicy;
    using Value = HashMap;

    HashMap map;      // The content.
    HashMap pending;  // The keys whose values are being computed: see compute.cpp.

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
    // An estimate of the memory in bytes, from the capacity of the root. The root itself is not
    // read, because it may be freed already. Relaxed: an old value only makes a worse estimate.
    std::size_t memory() const noexcept {
        // Bytes per slot of a table that is well filled, with the keys and values.
        constexpr std::size_t for_each_slot = 96;
        const std::uint32_t shift = map.root_shift.load(std::memory_order_relaxed);
        // Without a root, the shift is that of an earlier root.
        if (!map.root.load(std::memory_order_relaxed) || shift < 24)
            return DeferredPolicy::size_of_anything;
        return std::max(DeferredPolicy::size_of_anything, for_each_slot << (64 - shift));
    }
    // Up to 3.13 this is called before the destructor, for the reason given at release_owned().
    void dismantle() {
        destroy_both();
        free_leftovers();
    }
    // Frees everything at once, even while threads are pinned in other dicts: no thread can be
    // pinned in this one.
    void destroy_both() {
        destroy(map);
        destroy(pending);
    }
    // Acquire: pairs with the release in the constructor. A thread that has found the object
    // without other synchronization sees a complete map.
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

// Puts the types AtomicDict and AtomicDictHandle into the module (atomic_dict.cpp).
void bind_atomic_dict(nanobind::module_& module);
// Puts the iterator over a snapshot into the module, which is for pickling (snapshot_iterator.cpp).
void bind_snapshot_iterator(nanobind::module_& module);

}  // namespace cereggii::atomicdict
