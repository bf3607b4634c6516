// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nanobind/nanobind.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>

// The C++ object inside a Python instance of a bound type, found without a call.
namespace cereggii::atomics {

// nanobind puts the C++ object of an instance it allocates right behind its own header of two ints.
// check_layout() confirms it when a module is imported, so that a nanobind that does otherwise is
// an ImportError and not a corrupted heap.
inline constexpr std::size_t payload_offset = sizeof(PyObject) + 2 * sizeof(int);

template <class T>
T* payload(PyObject* self) noexcept {
    static_assert(alignof(T) <= alignof(void*));
    return reinterpret_cast<T*>(reinterpret_cast<char*>(self) + payload_offset);
}

// The instance around a payload.
template <class T>
PyObject* instance_of(T* object) noexcept {
    return reinterpret_cast<PyObject*>(reinterpret_cast<char*>(object) - payload_offset);
}

// The last 16 bits of nanobind's header, which it sets to 0 and has no use for. An instance has no
// other room for what is known about it besides its value: one more word would make each AtomicRef
// larger than a cache line.
inline std::atomic<std::uint16_t>& spare_bits(PyObject* self) noexcept {
    using Bits = std::atomic<std::uint16_t>;
    static_assert(sizeof(Bits) == 2 && Bits::is_always_lock_free);
    return *reinterpret_cast<Bits*>(reinterpret_cast<char*>(self) + payload_offset - sizeof(Bits));
}

template <class T>
void check_layout(nanobind::handle type) {
    const nanobind::object sample = nanobind::inst_alloc(type);
    if (nanobind::inst_ptr<T>(sample) != payload<T>(sample.ptr()) ||
        spare_bits(sample.ptr()).load(std::memory_order_relaxed) != 0)
        throw nanobind::import_error("cereggii was built with a nanobind of another layout");
}

// A new, fully constructed instance; null with an exception set.
template <class T, class... Args>
PyObject* make_instance(PyTypeObject* type, Args&&... args) {
    PyObject* self = nullptr;
    try {
        self = nanobind::inst_alloc(reinterpret_cast<PyObject*>(type)).release().ptr();
    } catch (nanobind::python_error& error) {
        error.restore();
        return nullptr;
    } catch (const std::bad_alloc&) {
        return PyErr_NoMemory();
    }
    new (payload<T>(self)) T(static_cast<Args&&>(args)...);
    nanobind::inst_mark_ready(self);
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
