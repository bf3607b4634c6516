// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cereggii/atomics/python/arguments.hpp"
#include "cereggii/atomics/python/binding.hpp"
#include "map/hash_map.hpp"
#include "map/items.hpp"
#include "map/popitem.hpp"
#include "python/inputs.hpp"
#include "python/iterator.hpp"
#include "python/key_methods.hpp"
#include "python/repr.hpp"
#include "python/types.hpp"

// The operations of AtomicDict and AtomicDictHandle on all keys: the rest of the mapping protocol.
namespace cereggii::atomicdict {

// ── update ─────────────────────────────────────────────────────────────────────────────────────

// All three return false with an exception. Then the items that were stored before stay stored, as
// in dict.

// Stores the items of an exact dict, or of a dict of keywords.
bool update_from_dict(HashMap& map, PyObject* dict);
// Stores these items, and takes over their references.
bool update_from_items(HashMap& map, Items& items);
// Stores the items of anything that `dict.update` takes, or of another AtomicDict.
bool update_from(HashMap& map, PyObject* other);

// The map of an AtomicDict or a handle, if the object is one; otherwise null without an exception.
inline HashMap* find_map(PyObject* object) noexcept {
    PyObject* target = find_target<AtomicDict>(object);
    if (!target || !payload<AtomicDict>(target)->constructed()) return nullptr;
    return &payload<AtomicDict>(target)->map;
}

// `left | right`: a new AtomicDict with the items of both. If both have a key, it gets the value of
// `right`. NotImplemented if one of them is neither an AtomicDict, nor a handle, nor a dict.
PyObject* merge(PyObject* left, PyObject* right);

// A new AtomicDict with the content of the map at one instant.
PyObject* copy_of(HashMap& map);

// Whether the map and the dict have equal items. 1 or 0; -1 with an exception.
int equals_dict(HashMap& map, PyObject* dict);
// The same for two maps. Each is read at an instant of its own.
int equals_map(HashMap& map, HashMap& other);

// Sets the TypeError of a call with too many arguments. Returns null.
PyObject* set_bad_count(const char* method, Py_ssize_t most, Py_ssize_t given);

template <class Accessor>
struct MappingMethods {
    static Py_ssize_t length(PyObject* self) {
        HashMap* map = Accessor::value(self);
        return map ? exact_length(*map) : -1;
    }

    static PyObject* iterate(PyObject* self) { return make_iterator_of(self, IteratorKind::keys); }
    static PyObject* iterate_values(PyObject* self, PyObject*) {
        return make_iterator_of(self, IteratorKind::values);
    }
    static PyObject* iterate_items(PyObject* self, PyObject*) {
        return make_iterator_of(self, IteratorKind::items);
    }

    static PyObject* repr(PyObject* self) {
        HashMap* map = Accessor::peek(self);
        if (!map) return nullptr;
        if constexpr (Accessor::is_handle) return repr_of(self, Py_NewRef(Accessor::target(self)));
        return repr_of_items(self, *map);
    }

    static PyObject* compare(PyObject* self, PyObject* other, int op) {
        if (op != Py_EQ && op != Py_NE) Py_RETURN_NOTIMPLEMENTED;
        HashMap* map = Accessor::peek(self);
        if (!map) return nullptr;
        if (HashMap* others = find_map(other)) {
            const int equal = others == map ? 1 : equals_map(*map, *others);
            return equal < 0 ? nullptr : new_reference((equal != 0) == (op == Py_EQ));
        }
        PyObject* theirs = PyDict_CheckExact(other) ? Py_NewRef(other) : as_dict(other);
        if (!theirs) {
            if (PyErr_Occurred()) return nullptr;
            Py_RETURN_NOTIMPLEMENTED;
        }
        const int equal = equals_dict(*map, theirs);
        Py_DECREF(theirs);
        return equal < 0 ? nullptr : new_reference((equal != 0) == (op == Py_EQ));
    }

    // One of the operands is an AtomicDict or a handle: either one, or both.
    static PyObject* unite(PyObject* left, PyObject* right) { return merge(left, right); }

    static PyObject* unite_in_place(PyObject* self, PyObject* other) {
        HashMap* map = Accessor::value(self);
        if (!map || !update_from(*map, other)) return nullptr;
        return Py_NewRef(self);
    }

    // ── methods ────────────────────────────────────────────────────────────────────────────────

    static PyObject* popitem(PyObject* self, PyObject*) {
        HashMap* map = Accessor::value(self);
        return map ? pop_item(*map) : nullptr;
    }

    static PyObject* clear(PyObject* self, PyObject*) {
        HashMap* map = Accessor::value(self);
        if (!map || !atomicdict::clear(*map)) return nullptr;
        Py_RETURN_NONE;
    }

    static PyObject* snapshot(PyObject* self, PyObject*) {
        HashMap* map = Accessor::value(self);
        return map ? atomicdict::snapshot(*map) : nullptr;
    }

    static PyObject* copy(PyObject* self, PyObject*) {
        HashMap* map = Accessor::value(self);
        return map ? copy_of(*map) : nullptr;
    }

    // update([other], /, **keywords)
    static PyObject* update(PyObject* self, PyObject* args, PyObject* keywords) {
        const Py_ssize_t count = PyTuple_GET_SIZE(args);
        if (count > 1) return set_bad_count("update", 1, count);
        if (keywords && !PyArg_ValidateKeywordArguments(keywords)) return nullptr;
        HashMap* map = Accessor::value(self);
        if (!map) return nullptr;
        if (count == 1 && !update_from(*map, PyTuple_GET_ITEM(args, 0))) return nullptr;
        if (keywords && !update_from_dict(*map, keywords)) return nullptr;
        Py_RETURN_NONE;
    }

    static PyObject* approx_len(PyObject* self, PyObject*) {
        HashMap* map = Accessor::value(self);
        const Py_ssize_t length = map ? approximate_length(*map) : -1;
        return length < 0 ? nullptr : PyLong_FromSsize_t(length);
    }

    static PyObject* len_bounds(PyObject* self, PyObject*) {
        const Py_ssize_t length = MappingMethods::length(self);
        return length < 0 ? nullptr : Py_BuildValue("(nn)", length, length);
    }

    static PyObject* reserve(PyObject* self, PyObject* const* args, Py_ssize_t count,
                             PyObject* keywords) {
        static constexpr Signature<1> signature{"reserve", {{{"n"}}}};
        std::array<PyObject*, 1> given;
        if (!signature.parse(args, count, keywords, given)) return nullptr;
        HashMap* map = Accessor::value(self);
        std::size_t keys = 0;
        if (!map || !to_size(given[0], "n", keys) || !atomicdict::reserve(*map, keys))
            return nullptr;
        Py_RETURN_NONE;
    }

    static PyObject* fast_iter(PyObject* self, PyObject* const* args, Py_ssize_t count,
                               PyObject* keywords) {
        static constexpr Signature<2> signature{
            "fast_iter", {{{"partitions", false}, {"this_partition", false}}}};
        std::array<PyObject*, 2> given;
        if (!signature.parse(args, count, keywords, given)) return nullptr;
        std::size_t parts = 1, part = 0;
        if ((given[0] && !to_size(given[0], "partitions", parts)) ||
            (given[1] && !to_size(given[1], "this_partition", part)))
            return nullptr;
        if (parts == 0) {
            PyErr_SetString(PyExc_ValueError, "partitions must be at least 1, not 0");
            return nullptr;
        }
        if (part >= parts) {
            PyErr_Format(PyExc_ValueError,
                         "this_partition must be less than partitions (%zu), not %zu", parts, part);
            return nullptr;
        }
        return Accessor::value(self) ? make_fast_iterator(Accessor::target(self), part, parts)
                                     : nullptr;
    }

    static PyObject* size_in_bytes(PyObject* self, PyObject*) {
        HashMap* map = Accessor::peek(self);
        if (!map) return nullptr;
        const auto size = static_cast<std::size_t>(Py_TYPE(self)->tp_basicsize);
        if constexpr (Accessor::is_handle) {
            return PyLong_FromSize_t(size);
        } else {
            const std::size_t memory = memory_of(*map);
            const std::size_t pending = memory_of(payload<AtomicDict>(self)->pending);
            if (memory == 0 || pending == 0) return nullptr;
            return PyLong_FromSize_t(size + memory + pending - 2 * sizeof(HashMap));
        }
    }

    // Converts a non-negative integer. False with an exception.
    static bool to_size(PyObject* object, const char* name, std::size_t& size) {
        std::int64_t value = 0;
        if (!to_int64(object, &value, name)) return false;
        if (value < 0) {
            set_error(PyExc_ValueError, "%s must not be negative, but it is %U", name, object);
            return false;
        }
        size = static_cast<std::size_t>(value);
        return true;
    }

private:
    static PyObject* make_iterator_of(PyObject* self, IteratorKind kind) {
        return Accessor::value(self) ? make_iterator(Accessor::target(self), kind) : nullptr;
    }
};

}  // namespace cereggii::atomicdict
