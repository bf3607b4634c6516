// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/popitem.hpp"
#include "python/container_methods.hpp"
#include "python/inputs.hpp"
#include "python/key_methods.hpp"

// The operations of AtomicDict and AtomicDictHandle on all keys: the rest of the mapping protocol.
namespace cereggii::atomicdict {

// ── update ─────────────────────────────────────────────────────────────────────────────────────

// Both return false with an exception. Then the items that were stored before stay stored, as in
// dict.

// Stores the items of an exact dict, or of a dict of keywords.
bool update_from_dict(HashMap& map, PyObject* dict);
// Stores the items of anything that `dict.update` takes, or of another AtomicDict.
bool update_from(HashMap& map, PyObject* other);

// `left | right`: a new AtomicDict with the items of both. If both have a key, it gets the value of
// `right`. NotImplemented if one of them is neither an AtomicDict, nor a handle, nor a dict.
PyObject* merge(PyObject* left, PyObject* right);

// Whether the map and the dict have equal items. 1 or 0; -1 with an exception.
int equals_dict(HashMap& map, PyObject* dict);
// The same for two maps. Each is read at an instant of its own.
int equals_map(HashMap& map, HashMap& other);

template <class Accessor>
struct MappingMethods : ContainerMethods<Accessor> {
    using Container = ContainerMethods<Accessor>;

    static PyObject* iterate_values(PyObject* self, PyObject*) {
        return Container::make_iterator_of(self, IteratorKind::values);
    }
    static PyObject* iterate_items(PyObject* self, PyObject*) {
        return Container::make_iterator_of(self, IteratorKind::items);
    }

    static PyObject* compare(PyObject* self, PyObject* other, int op) {
        if (op != Py_EQ && op != Py_NE) Py_RETURN_NOTIMPLEMENTED;
        HashMap* map = Accessor::peek(self);
        if (!map) return nullptr;
        if (HashMap* others = find_map<AtomicDict>(other)) {
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
        // Made before an item is taken out, which must not be lost.
        PyObject* pair = map ? PyTuple_New(2) : nullptr;
        if (!pair) return nullptr;
        Popped item{};
        const PopResult result = pop_item(*map, item);
        if (result == PopResult::item) {
            PyTuple_SET_ITEM(pair, 0, item.key);
            PyTuple_SET_ITEM(pair, 1, item.value);
            return pair;
        }
        if (result == PopResult::empty)
            PyErr_SetString(PyExc_KeyError, "popitem(): dictionary is empty");
        Py_DECREF(pair);
        return nullptr;
    }

    static PyObject* snapshot(PyObject* self, PyObject*) {
        HashMap* map = Accessor::value(self);
        return map ? atomicdict::snapshot(*map) : nullptr;
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

    static PyObject* len_bounds(PyObject* self, PyObject*) {
        const Py_ssize_t length = Container::length(self);
        return length < 0 ? nullptr : Py_BuildValue("(nn)", length, length);
    }
};

}  // namespace cereggii::atomicdict
