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

// The C++ objects behind AtomicDict, AtomicSet, and their handles.
namespace cereggii::atomicdict {

using namespace atomics;  // NOLINT: what this package is written in

// What an iterator returns.
enum class IteratorKind { keys, values, items };

// What AtomicDict and AtomicSet have in common: a map, which is the content.
struct MapHolder {
    using Sharing = DeferredPolicy;
    using Value = HashMap;

    HashMap map;  // The content.

    MapHolder() noexcept { map.constructed.store(true, std::memory_order_release); }
    MapHolder(const MapHolder&) = delete;
    MapHolder& operator=(const MapHolder&) = delete;
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
    // Acquire: pairs with the release in the constructor. A thread that has found the object
    // without other synchronization sees a complete map.
    bool constructed() const noexcept { return map.constructed.load(std::memory_order_acquire); }
    Value* value() noexcept { return &map; }
    void clear() {
        if (constructed() && !atomicdict::clear(map)) PyErr_Clear();
    }

protected:
    ~MapHolder() = default;

    // For the destructors.
    static void free_leftovers_at_end() {
#if PY_VERSION_HEX >= 0x030E0000
        free_leftovers();
#endif
    }
};

struct AtomicDict : MapHolder {
    static constexpr const char* name = "AtomicDict";
    // What fast_iter() returns.
    static constexpr IteratorKind fast_iterator = IteratorKind::items;

    HashMap pending;  // The keys whose values are being computed: see compute.cpp.

    AtomicDict() noexcept = default;
    ~AtomicDict() {
        note_destruction(this);
        destroy_both();
        free_leftovers_at_end();
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
    // The bytes that the maps have allocated. -1 with MemoryError.
    Py_ssize_t allocated() {
        const Py_ssize_t content = allocated_by(map), computations = allocated_by(pending);
        return content < 0 || computations < 0 ? -1 : content + computations;
    }
    int traverse(visitproc visit, void* arg) {
        const int stop = atomicdict::traverse(map, visit, arg);
        return stop ? stop : atomicdict::traverse(pending, visit, arg);
    }
};

// An element is a key of the map.
struct AtomicSet : MapHolder {
    static constexpr const char* name = "AtomicSet";
    // What fast_iter() returns.
    static constexpr IteratorKind fast_iterator = IteratorKind::keys;

    AtomicSet() noexcept = default;
    ~AtomicSet() {
        note_destruction(this);
        destroy(map);
        free_leftovers_at_end();
    }
    // Up to 3.13 this is called before the destructor, for the reason given at release_owned().
    void dismantle() {
        destroy(map);
        free_leftovers();
    }
    // The bytes that the map has allocated. -1 with MemoryError.
    Py_ssize_t allocated() { return allocated_by(map); }
    int traverse(visitproc visit, void* arg) { return atomicdict::traverse(map, visit, arg); }
};

// The value of each element of a set. From Python 3.12 on it is immortal, so it is not counted.
inline PyObject* element_value() noexcept { return Py_None; }

using AtomicDictHandle = Handle<AtomicDict>;
using AtomicSetHandle = Handle<AtomicSet>;

inline PyObject* new_reference(bool truth) noexcept {
    return Py_NewRef(truth ? Py_True : Py_False);
}

// The map of an atomic of this type or of its handle, if the object is one; otherwise null without
// an exception.
template <class Atomic>
HashMap* find_map(PyObject* object) noexcept {
    PyObject* target = nullptr;
    if (PyObject_TypeCheck(object, Types<Atomic>::atomic))
        target = object;
    else if (PyObject_TypeCheck(object, Types<Atomic>::handle))
        target = HandleAccessor<Atomic>::target(object);
    if (!target || !payload<Atomic>(target)->constructed()) return nullptr;
    return &payload<Atomic>(target)->map;
}

// Puts the types AtomicDict and AtomicDictHandle into the module (atomic_dict.cpp).
void bind_atomic_dict(nanobind::module_& module);
// Puts the types AtomicSet and AtomicSetHandle into the module (atomic_set.cpp).
void bind_atomic_set(nanobind::module_& module);
// Puts the iterator over a snapshot into the module, which is for pickling (snapshot_iterator.cpp).
void bind_snapshot_iterator(nanobind::module_& module);

}  // namespace cereggii::atomicdict
