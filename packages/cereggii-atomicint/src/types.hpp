// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <atomic>
#include <cstdint>
#include <cstring>

#include "cereggii/atomics/checked_int64.hpp"
#include "cereggii/atomics/python/instances.hpp"
#include "cereggii/atomics/python/sharing.hpp"
#include "cereggii/atomics/striped_adder.hpp"

// The C++ objects behind the four Python types of this module, and how an operation gets at them.
//
// An atomic and its handle have the same operations. Each is written once, as a template over a
// *form*: AtomicForm reaches the shared object in the instance itself, HandleForm through the
// handle's own strong reference. A form is what an operation needs to know, and nothing else:
//
//     using Value = ...;                                  the shared object
//     static const char* name();                          the Python type's name
//     static Value* value(PyObject* self);                null, with an exception: not constructed
//     static Value* peek(PyObject* self);                 the same without note_use(): cold paths
//     static PyObject* target(PyObject* self);            borrowed: the atomic itself
namespace cereggii::atomicint {

using atomics::payload;

// A Python object around a shared value. Zero-filled before __init__.
struct AtomicInt {
    atomics::CheckedInt64 integer;

    // What an immortal instance costs, in bytes.
    static std::size_t footprint() noexcept { return 64; }

    explicit AtomicInt(std::int64_t value) noexcept : integer(value) {}
    bool constructed() const noexcept { return integer.constructed(); }
    using Value = atomics::CheckedInt64;
    Value* value() noexcept { return &integer; }
    static constexpr const char* name = "AtomicInt";
};

struct AtomicCounter {
    atomics::StripedAdder adder;
    std::atomic<bool> ready{false};  // release, acquire: whoever sees it set sees the adder

    static std::size_t footprint() noexcept { return 128 + atomics::StripedAdder::stripes_size(); }

    explicit AtomicCounter(atomics::WideSum value) noexcept : adder(value) {
        ready.store(true, std::memory_order_release);
    }
    bool constructed() const noexcept { return ready.load(std::memory_order_acquire); }
    using Value = atomics::StripedAdder;
    Value* value() noexcept { return &adder; }
    static constexpr const char* name = "AtomicCounter";
};

// One thread's own reference to an atomic. Immutable, so it can be read without synchronization.
template <class Atomic>
struct Handle {
    PyObject* target;                            // owned
    std::atomic<typename Atomic::Value*> value;  // release, acquire: set once target is

    explicit Handle(PyObject* atomic) noexcept : target(Py_NewRef(atomic)) {
        value.store(payload<Atomic>(atomic)->value(), std::memory_order_release);
    }
    ~Handle() { Py_DECREF(target); }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
};

using AtomicIntHandle = Handle<AtomicInt>;
using AtomicCounterHandle = Handle<AtomicCounter>;

// The Python types, set when the module is imported and never freed.
inline PyTypeObject* atomic_int_type = nullptr;
inline PyTypeObject* atomic_int_handle_type = nullptr;
inline PyTypeObject* atomic_counter_type = nullptr;
inline PyTypeObject* atomic_counter_handle_type = nullptr;

template <class Atomic>
PyTypeObject*& atomic_type() noexcept;
template <>
inline PyTypeObject*& atomic_type<AtomicInt>() noexcept {
    return atomic_int_type;
}
template <>
inline PyTypeObject*& atomic_type<AtomicCounter>() noexcept {
    return atomic_counter_type;
}

template <class Atomic>
PyTypeObject*& handle_type() noexcept;
template <>
inline PyTypeObject*& handle_type<AtomicInt>() noexcept {
    return atomic_int_handle_type;
}
template <>
inline PyTypeObject*& handle_type<AtomicCounter>() noexcept {
    return atomic_counter_handle_type;
}

// The name of an object's type without its module, as it goes into a repr.
inline const char* short_name(PyObject* self) {
    const char* name = Py_TYPE(self)->tp_name;
    const char* dot = std::strrchr(name, '.');
    return dot ? dot + 1 : name;
}

[[gnu::cold]] inline void set_not_constructed(PyObject* self) {
    PyErr_Format(PyExc_RuntimeError, "%s.__init__() has not been called", short_name(self));
}

template <class Atomic>
struct AtomicForm {
    using Shared = Atomic;
    using Value = typename Atomic::Value;
    static constexpr bool is_handle = false;

    [[gnu::always_inline]] static Value* value(PyObject* self) {
        atomics::note_use<AtomicForm>(self);
        return peek(self);
    }
    static Value* peek(PyObject* self) {
        auto* atomic = payload<Atomic>(self);
        if (atomic->constructed()) [[likely]]
            return atomic->value();
        set_not_constructed(self);
        return nullptr;
    }
    static PyObject* target(PyObject* self) noexcept { return self; }

    // Subclasses may own more than their bytes, so only exact instances may become immortal.
    static bool may_become_immortal(PyObject* self) noexcept {
        return Py_TYPE(self) == atomic_type<Atomic>();
    }
    static std::size_t footprint() noexcept { return Atomic::footprint(); }
};

template <class Atomic>
struct HandleForm {
    using Shared = Atomic;
    using Value = typename Atomic::Value;
    static constexpr bool is_handle = true;

    static Value* value(PyObject* self) { return peek(self); }
    static Value* peek(PyObject* self) {
        Value* value = payload<Handle<Atomic>>(self)->value.load(std::memory_order_acquire);
        if (value) [[likely]]
            return value;
        set_not_constructed(self);
        return nullptr;
    }
    static PyObject* target(PyObject* self) noexcept {
        return payload<Handle<Atomic>>(self)->target;
    }
};

// The value behind an AtomicInt or an AtomicIntHandle, or their subclasses. `found` is false for
// any other object; null with `found`: an exception is set.
struct Operand {
    bool found;
    atomics::CheckedInt64* value;
};

inline Operand find_atomic_int(PyObject* object) {
    if (PyLong_CheckExact(object)) return {false, nullptr};
    if (PyObject_TypeCheck(object, atomic_int_type))
        return {true, AtomicForm<AtomicInt>::value(object)};
    if (PyObject_TypeCheck(object, atomic_int_handle_type))
        return {true, HandleForm<AtomicInt>::value(object)};
    return {false, nullptr};
}

// Registers the types; one file each.
void bind_atomic_int(nanobind::module_& module);
void bind_atomic_counter(nanobind::module_& module);

}  // namespace cereggii::atomicint
