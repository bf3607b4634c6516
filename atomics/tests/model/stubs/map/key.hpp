// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <cstddef>
#include <cstdint>
#include <optional>

// For the scenarios of the checker, in the place of the header with this name: keys whose hashes a
// scenario chooses. Two keys are equal if and only if their hashes are. To find that out for a key
// with these contents takes Python code.
namespace cereggii::atomicdict {

inline constexpr int group_bits = 3;
inline constexpr std::uint64_t group_mask = 7;
inline constexpr std::uintptr_t own_hash_bit = 1;
inline constexpr int needs_python = 200;

struct Key {
    PyObject* object;
    std::uint64_t hash;
    std::uintptr_t stored;
};

inline Key make_key(PyObject* object, std::uint64_t hash) noexcept {
    return {object, hash, reinterpret_cast<std::uintptr_t>(object) | own_hash_bit};
}
inline std::optional<std::uint64_t> next_group_of(const Key&) noexcept { return std::nullopt; }
inline PyObject* key_object(std::uintptr_t stored) noexcept {
    return reinterpret_cast<PyObject*>(stored & ~own_hash_bit);
}

enum class Equality { different, equal, unknown };

inline Equality compare_natively(std::uintptr_t, const Key& key) noexcept {
    return key.object->contents == needs_python ? Equality::unknown : Equality::equal;
}

}  // namespace cereggii::atomicdict
