// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>

// The C++ object inside a Python instance of one of our types, found without a call.
namespace cereggii::atomics {

// An instance is a PyObject, this header, the C++ object, and the list of weak references.
struct InstanceHeader {
    // Whether there is a C++ object yet, which tp_dealloc has to destroy. It is changed under the
    // instance's own lock, or before another thread can have the instance.
    bool ready;
    // What is known about the instance besides its value (sharing.hpp, deferred.hpp). There is no
    // other room for it: one more word would make each AtomicRef larger than a cache line.
    std::atomic<std::uint16_t> spare_bits;
};
static_assert(std::atomic<std::uint16_t>::is_always_lock_free);

inline constexpr std::size_t header_offset = sizeof(PyObject);
inline constexpr std::size_t payload_offset = header_offset + sizeof(void*);
static_assert(sizeof(InstanceHeader) <= payload_offset - header_offset);

inline InstanceHeader& header_of(PyObject* self) noexcept {
    return *reinterpret_cast<InstanceHeader*>(reinterpret_cast<char*>(self) + header_offset);
}

inline std::atomic<std::uint16_t>& spare_bits(PyObject* self) noexcept {
    return header_of(self).spare_bits;
}

template <class T>
T* payload(PyObject* self) noexcept {
    static_assert(alignof(T) <= alignof(void*));
    return reinterpret_cast<T*>(reinterpret_cast<char*>(self) + payload_offset);
}

// The instance that a payload is in.
template <class T>
PyObject* instance_of(T* object) noexcept {
    return reinterpret_cast<PyObject*>(reinterpret_cast<char*>(object) - payload_offset);
}

// Where an instance has its list of weak references, and how large it is.
template <class T>
inline constexpr std::size_t weak_list_offset =
    payload_offset + (sizeof(T) + sizeof(void*) - 1) / sizeof(void*) * sizeof(void*);
template <class T>
inline constexpr std::size_t instance_size = weak_list_offset<T> + sizeof(PyObject*);

// A new, fully constructed instance; null with an exception set.
template <class T, class... Args>
PyObject* make_instance(PyTypeObject* type, Args&&... args) {
    PyObject* self = type->tp_alloc(type, 0);
    if (!self) return nullptr;
    new (payload<T>(self)) T(static_cast<Args&&>(args)...);
    header_of(self).ready = true;
    return self;
}

// Runs `action` under the object's own lock (on GIL builds, the GIL).
template <class Action>
void with_object_lock([[maybe_unused]] PyObject* object, Action&& action) {
#ifdef Py_GIL_DISABLED
    Py_BEGIN_CRITICAL_SECTION(object);
    action();
    Py_END_CRITICAL_SECTION();
#else
    action();
#endif
}

}  // namespace cereggii::atomics
