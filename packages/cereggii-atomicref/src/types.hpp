// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <type_traits>

#include "cereggii/atomics/compiler.hpp"
#include "cereggii/atomics/python/accessors.hpp"
#include "cereggii/atomics/python/object_slot.hpp"
#include "cereggii/atomics/python/sharing.hpp"
#include "cereggii/atomics/python/with_backoff.hpp"

// The C++ objects behind the atomic types of this package. ThreadHandle is in thread_handle/.
namespace cereggii::atomicref {

using namespace atomics;  // NOLINT: what this package is written in

using Slot = WithBackoff<ObjectSlot>;

struct AtomicRef {
    static constexpr const char* name = "AtomicRef";
    static std::size_t memory() noexcept { return DeferredPolicy::size_of_anything; }
    using Sharing = DeferredPolicy;
    using Value = Slot;

    Slot slot;  // The reference.

    explicit AtomicRef(PyObject* object) noexcept : slot(object) {}
    ~AtomicRef() { note_destruction(this); }
    AtomicRef(const AtomicRef&) = delete;
    AtomicRef& operator=(const AtomicRef&) = delete;
    bool constructed() const noexcept { return slot.constructed(); }
    Value* value() noexcept { return &slot; }
    int traverse(visitproc visit, void* arg) const { return slot.traverse(visit, arg); }
    void clear() { slot.clear(Py_None); }
};

using AtomicRefHandle = Handle<AtomicRef>;

// A reference to True or False, and to nothing else.
struct AtomicBool : AtomicRef {
    static constexpr const char* name = "AtomicBool";
    static std::size_t memory() noexcept { return 64; }
    using AtomicRef::AtomicRef;
};

using AtomicBoolHandle = Handle<AtomicBool>;

// Whether an atomic of this type may refer to the object. False with TypeError.
template <class Atomic>
CEREGGII_ALWAYS_INLINE bool accepts(PyObject* object, const char* what) {
    if constexpr (std::is_same_v<Atomic, AtomicBool>) {
        if (!PyBool_Check(object)) [[unlikely]] {
            PyErr_Format(PyExc_TypeError, "%s must be a bool, not %R", what, object);
            return false;
        }
    }
    return true;
}

// A value and its stamp are in one object, the tuple (value, stamp). So one compare-and-swap
// changes both.
struct AtomicStampedRef {
    static constexpr const char* name = "AtomicStampedRef";
    static std::size_t memory() noexcept { return DeferredPolicy::size_of_anything; }
    using Sharing = DeferredPolicy;
    using Value = Slot;

    // The tuple (None, 0), which the garbage collector stores to break a cycle. It is made when the
    // module is imported.
    static inline PyObject* cleared = nullptr;

    Slot pair;  // The reference to the tuple.

    explicit AtomicStampedRef(PyObject* object) noexcept : pair(object) {}
    ~AtomicStampedRef() { note_destruction(this); }
    AtomicStampedRef(const AtomicStampedRef&) = delete;
    AtomicStampedRef& operator=(const AtomicStampedRef&) = delete;
    bool constructed() const noexcept { return pair.constructed(); }
    Value* value() noexcept { return &pair; }
    int traverse(visitproc visit, void* arg) const { return pair.traverse(visit, arg); }
    void clear() { pair.clear(cleared); }
};

// Put the types into the module. AtomicBool is in the file of AtomicRef; each other type is in the
// file with its name.
void bind_atomic_ref(nanobind::module_& module);
void bind_stamped_ref(nanobind::module_& module);
void bind_thread_handle(nanobind::module_& module);

}  // namespace cereggii::atomicref
