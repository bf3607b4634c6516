// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <cstdint>
#include <cstring>
#include <optional>

#include "cereggii/atomics/compiler.hpp"
#include "cereggii/atomics/python/compat.hpp"

// What a table needs to know of a key: its mixed hash, and whether it is equal to another key, as
// far as that can be told without running Python code.
//
//     mixed hash    61 bits: the number of the key's group, from the top on │ 3 bits: home in group
namespace cereggii::atomicdict {

// Hashes that differ in these low bits only are at home in one group, in every table. A group is
// the eight slots of a cache line. Programs count, so the int that is looked up, inserted or
// iterated over after another one is the next int, as a rule, and it is in the same cache line.
inline constexpr int group_bits = 3;
inline constexpr std::uint64_t group_mask = 7;

// Mixes a hash. It is a bijection, so different hashes stay different. Hashes that differ in the
// low three bits only get the same upper 61 bits. The *top* bits choose the group in a table, so
// the order of groups is the order of mixed hashes, in every table. The hashes of ints are the ints
// themselves:
//
//   - The multiplication spreads consecutive numbers as evenly as can be, so there are few
//     collisions of groups of consecutive ints, at any size (Fibonacci hashing; Knuth, The Art of
//     Computer Programming, volume 3, section 6.4).
//   - On its own it would leave arithmetic progressions with certain strides in a small part of the
//     table. The shifts before it break these up. They make a permutation of any 2^n numbers from a
//     multiple of 2^n on, so that consecutive numbers stay so. (They were chosen among many: see
//     tests/test_hashing.py for what is asked of them.)
inline std::uint64_t mix(Py_hash_t hash) noexcept {
    const auto unmixed = static_cast<std::uint64_t>(hash);
    std::uint64_t x = unmixed >> 3;
    x ^= x >> 4 ^ x >> 9 ^ x >> 17 ^ x >> 31;
    // 2^64 divided by the golden ratio, as 8 times an odd number.
    return x * 0x9E3779B97F4A7C18u | ((unmixed ^ x) & group_mask);
}

// Set beside the address of a key in a node if the key is an exact int that is its own hash. Two
// such keys are equal if and only if their hashes are, so neither object has to be read.
inline constexpr std::uintptr_t own_hash_bit = 1;

// A key that is looked for. The caller lends the object for as long as the operation takes.
struct Key {
    PyObject* object;
    // The mixed hash.
    std::uint64_t hash;
    // What a node with this key has: the address, and own_hash_bit.
    std::uintptr_t stored;
};

// What a program calls the keys of a map.
enum class KeyName { key, element };

CEREGGII_COLD inline void explain_unhashable([[maybe_unused]] PyObject* key,
                                             [[maybe_unused]] KeyName name) {
#if PY_VERSION_HEX >= 0x030E0000
    // In the words of dict and set.
    PyObject* error = PyErr_GetRaisedException();
    if (!Py_IS_TYPE(error, reinterpret_cast<PyTypeObject*>(PyExc_TypeError))) {
        PyErr_SetRaisedException(error);
        return;
    }
    const char* what = name == KeyName::key ? "dict key" : "set element";
    PyErr_Format(PyExc_TypeError, "cannot use '%T' as a %s (%S)", key, what, error);
    Py_DECREF(error);
#endif
}

// The hash of a str, if it has been computed before; otherwise -1.
inline Py_hash_t cached_hash(PyObject* str) noexcept {
    const Py_hash_t& hash = reinterpret_cast<PyASCIIObject*>(str)->hash;
#ifdef Py_GIL_DISABLED
    return _Py_atomic_load_ssize_relaxed(&hash);
#else
    return hash;
#endif
}

// Whether an int is its own hash. Ints beyond 61 bits are not, nor is -1, whose hash is that of -2.
inline bool is_own_hash(PyObject* integer, Py_hash_t hash) noexcept {
    int overflow = 0;
    const long long value = PyLong_AsLongLongAndOverflow(integer, &overflow);
    return overflow == 0 && value == hash;
}

// Makes a key of an object whose hash is known.
inline Key key_with_hash(PyObject* object, Py_hash_t hash) noexcept {
    const auto pointer = reinterpret_cast<std::uintptr_t>(object);
    const bool own = PyLong_CheckExact(object) && is_own_hash(object, hash);
    return {object, mix(hash), own ? pointer | own_hash_bit : pointer};
}

template <KeyName name>
CEREGGII_NEVER_INLINE bool make_general_key(PyObject* object, Key& key) {
    const Py_hash_t hash = PyObject_Hash(object);
    if (hash == -1) {
        explain_unhashable(object, name);
        return false;
    }
    key = key_with_hash(object, hash);
    return true;
}

// Makes a key of an object. Runs the object's __hash__. False with an exception.
template <KeyName name = KeyName::key>
CEREGGII_ALWAYS_INLINE bool make_key(PyObject* object, Key& key) {
    const auto pointer = reinterpret_cast<std::uintptr_t>(object);
    if (PyUnicode_CheckExact(object)) {
        const Py_hash_t hash = cached_hash(object);
        if (hash == -1) [[unlikely]]
            return make_general_key<name>(object, key);
        key = {object, mix(hash), pointer};
        return true;
    }
    if (PyLong_CheckExact(object)) {
        if (atomics::compat::is_compact(object)) [[likely]] {
            const Py_ssize_t value = atomics::compat::compact_value(object);
            if (value != -1) [[likely]] {
                key = {object, mix(value), pointer | own_hash_bit};
                return true;
            }
        }
    }
    return make_general_key<name>(object, key);
}

// The mixed hash of the int that is eight larger, if the key is the first of the eight ints that
// are at home in one group. A loop over consecutive ints needs that group next.
inline std::optional<std::uint64_t> next_group_of(const Key& key) noexcept {
    if ((key.stored & own_hash_bit) && atomics::compat::is_compact(key.object)) {
        const Py_ssize_t value = atomics::compat::compact_value(key.object);
        if ((static_cast<std::uint64_t>(value) & group_mask) == 0)
            return mix(value + static_cast<Py_ssize_t>(group_mask + 1));
    }
    return std::nullopt;
}

inline PyObject* key_object(std::uintptr_t stored) noexcept {
    return reinterpret_cast<PyObject*>(stored & ~own_hash_bit);
}

enum class Equality { different, equal, unknown };

inline bool same_text(PyObject* a, PyObject* b) noexcept {
    const Py_ssize_t length = PyUnicode_GET_LENGTH(a);
    const auto kind = PyUnicode_KIND(a);
    return length == PyUnicode_GET_LENGTH(b) && kind == PyUnicode_KIND(b) &&
           std::memcmp(PyUnicode_DATA(a), PyUnicode_DATA(b),
                       static_cast<std::size_t>(length) * static_cast<std::size_t>(kind)) == 0;
}

inline bool same_int(PyObject* a, PyObject* b) {
    // With exact ints this runs no Python code, never fails, and returns True or False, which
    // outlive the call.
    PyObject* equal = PyLong_Type.tp_richcompare(a, b, Py_EQ);
    Py_DECREF(equal);
    return equal == Py_True;
}

inline bool same_bytes(PyObject* a, PyObject* b) noexcept {
    const Py_ssize_t size = PyBytes_GET_SIZE(a);
    return size == PyBytes_GET_SIZE(b) && std::memcmp(PyBytes_AS_STRING(a), PyBytes_AS_STRING(b),
                                                      static_cast<std::size_t>(size)) == 0;
}

inline bool is_text(PyObject* object) noexcept {
    return PyUnicode_CheckExact(object) && atomics::compat::has_characters(object);
}

// Two objects that are not one, if both are exact str, int or bytes.
inline Equality compare_scalars(PyObject* a, PyObject* b) noexcept {
    const bool text = is_text(a), other_text = is_text(b);
    const bool integer = PyLong_CheckExact(a), other_integer = PyLong_CheckExact(b);
    const bool bytes = PyBytes_CheckExact(a), other_bytes = PyBytes_CheckExact(b);
    if (!(text || integer || bytes) || !(other_text || other_integer || other_bytes))
        return Equality::unknown;
    const bool same = (text && other_text && same_text(a, b)) ||
                      (integer && other_integer && same_int(a, b)) ||
                      (bytes && other_bytes && same_bytes(a, b));
    return same ? Equality::equal : Equality::different;
}

// Two exact tuples of such objects, item by item. As Python does it, items that are one object are
// equal.
CEREGGII_NEVER_INLINE inline Equality compare_tuples(PyObject* a, PyObject* b) noexcept {
    const Py_ssize_t size = PyTuple_GET_SIZE(a);
    if (size != PyTuple_GET_SIZE(b)) return Equality::different;
    for (Py_ssize_t i = 0; i < size; ++i) {
        PyObject* item = PyTuple_GET_ITEM(a, i);
        PyObject* other = PyTuple_GET_ITEM(b, i);
        if (item == other) continue;
        if (const Equality equality = compare_scalars(item, other); equality != Equality::equal)
            return equality;
    }
    return Equality::equal;
}

// The part of compare_natively() that reads the objects.
inline Equality compare_objects(PyObject* a, PyObject* b) noexcept {
    if (PyTuple_CheckExact(a) && PyTuple_CheckExact(b)) return compare_tuples(a, b);
    return compare_scalars(a, b);
}

// Compares two keys with one hash, without Python code. Unless both are exact str, int or bytes, or
// tuples of these, the result is `unknown`.
CEREGGII_ALWAYS_INLINE Equality compare_natively(std::uintptr_t stored, const Key& key) noexcept {
    if (stored == key.stored) return Equality::equal;
    if (stored & key.stored & own_hash_bit) return Equality::equal;
    return compare_objects(key.object, key_object(stored));
}

}  // namespace cereggii::atomicdict
