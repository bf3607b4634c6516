// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "map/update.hpp"
#include "python/container_methods.hpp"
#include "python/key_methods.hpp"
#include "python/types.hpp"

// What the operations of AtomicSet and AtomicSetHandle do with elements, and with other sets.
//
// A `set` is the map of an AtomicSet. Any other object is read as follows:
//
//     an AtomicSet or a handle      all elements at one instant
//     a builtin set, or a dict      elements or keys, in blocks, under its lock; the hashes that a
//                                   set has are used again
//     any other iterable            by iteration
//
// An operand that only has to tell whether elements are in it is not read at all, if it is a
// builtin set, a dict, or another `collections.abc.Set`: it is asked for each element.
namespace cereggii::atomicdict {

// ── one element ────────────────────────────────────────────────────────────────────────────────

// False with ValueError, if the object is a sentinel.
CEREGGII_ALWAYS_INLINE bool may_be_element(PyObject* object) {
    if (!is_sentinel(object)) [[likely]]
        return true;
    refuse_sentinel(object, "an element");
    return false;
}
// Makes a Key of the object. False with an exception.
CEREGGII_ALWAYS_INLINE bool check_element(PyObject* object, Key& key) {
    return may_be_element(object) && make_key<KeyName::element>(object, key);
}

// To be called after check_element() has failed, where an unhashable set stands for a frozenset of
// its elements, as in `set`: returns that frozenset. Null with the exception that was set, or with
// another one.
CEREGGII_COLD PyObject* frozen_stand_in(PyObject* object);

enum class ElementResult { changed, unchanged, error };

// Inserts an element unless an equal one is there. One linearizable step.
inline ElementResult add_element(HashMap& set, const Key& key) {
    constexpr UpdateSpec add{IfAbsent::insert, IfPresent::keep, Values::any, false};
    switch (update_key<add>(set, key, element_value()).outcome) {
        case Outcome::inserted: return ElementResult::changed;
        case Outcome::error: return ElementResult::error;
        default: return ElementResult::unchanged;
    }
}

// Removes the element that is equal to the key, if there is one. One linearizable step.
inline ElementResult discard_element(HashMap& set, const Key& key) {
    constexpr UpdateSpec discard{IfAbsent::leave, IfPresent::remove, Values::any, false};
    const UpdateResult result = update_key<discard>(set, key, nullptr);
    drop_found(result);
    switch (result.outcome) {
        case Outcome::removed: return ElementResult::changed;
        case Outcome::error: return ElementResult::error;
        default: return ElementResult::unchanged;
    }
}

// ── changing a set by other objects ────────────────────────────────────────────────────────────

// Each change of an element is a step of its own. False with an exception; then what was changed
// before stays changed.

bool add_elements(HashMap& set, PyObject* other);
bool discard_elements(HashMap& set, PyObject* other);
// Removes the elements that are in `other`, and adds those of it that were absent.
bool toggle_elements(HashMap& set, PyObject* other);
// Removes the elements that are in the set now, and are not in all of the others.
bool keep_elements(HashMap& set, std::span<PyObject* const> others);
inline bool keep_common_elements(HashMap& set, PyObject* other) {
    return keep_elements(set, std::span(&other, 1));
}

// ── new sets ───────────────────────────────────────────────────────────────────────────────────

// A frozenset of the elements at one instant. Null with an exception.
PyObject* frozenset_of(HashMap& set);

// Null with an exception. The elements of `set` are those of one instant.
PyObject* union_of(HashMap& set, std::span<PyObject* const> others);
PyObject* intersection_of(HashMap& set, std::span<PyObject* const> others);
PyObject* difference_of(HashMap& set, std::span<PyObject* const> others);
PyObject* symmetric_difference_of(HashMap& set, PyObject* other);

enum class SetOperator { unite, intersect, subtract, exclude };

// `left op right`, one of which is an AtomicSet or a handle. NotImplemented if the other one is not
// a set.
PyObject* combine(SetOperator op, PyObject* left, PyObject* right);

// ── comparisons ────────────────────────────────────────────────────────────────────────────────

// Whether an object is a set of any kind: an AtomicSet, a handle, a set, a frozenset, or another
// `collections.abc.Set`. 1 or 0; -1 with an exception.
int is_any_set(PyObject* object);

// 1 or 0; -1 with an exception. The elements of `set` are those of one instant.
int is_subset(HashMap& set, PyObject* other);
int is_superset(HashMap& set, PyObject* other);
int is_disjoint(HashMap& set, PyObject* other);

// The result of a comparison operator. NotImplemented if `other` is not a set.
PyObject* compare_sets(HashMap& set, PyObject* other, int op);

}  // namespace cereggii::atomicdict
