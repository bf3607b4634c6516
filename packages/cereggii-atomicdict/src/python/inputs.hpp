// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/items.hpp"
#include "python/iterables.hpp"
#include "python/types.hpp"

// The items of an argument of update() or of a reduction: a mapping, or an iterable of pairs.
namespace cereggii::atomicdict {

// Where the items of an object are read from.
enum class ItemSource {
    map,    // the map of an AtomicDict or a handle, natively
    dict,   // an exact dict, natively
    items,  // items(), of a subclass of AtomicDict that overrides it
    keys,   // keys() and [], of any other mapping, as dict() does it
    pairs,  // the object itself, which is an iterable of pairs
    error,  // an exception is set
};

// An instance of a subclass may show other items than its map has. Then it is read through the
// methods that the subclass overrides. `map` is set if the result is ItemSource::map.
ItemSource find_item_source(PyObject* object, HashMap*& map);

// A new dict with the items of a dict or of any other `collections.abc.Mapping`, read by keys() and
// []. Null without an exception if the object is neither; null with the exception if reading it
// raises. Not for an AtomicDict: its map is read.
PyObject* as_dict(PyObject* object);

// Calls use(key, value) for each item of `object`, read from `source`, until it returns false.
// False then, or with an exception.
template <class Use>
bool for_each_item(PyObject* object, ItemSource source, HashMap* map, const Use& use) {
    switch (source) {
        case ItemSource::map: {
            Items items;
            Pace pace;
            return take_items(*map, items) &&
                   items.for_each([&](const Items::Item& item, const auto&) {
                       return use(item.key_object(), item.value) && pace.rest_for_signals();
                   });
        }
        case ItemSource::dict:
            return DictItems::for_each(
                object, [&](const DictItems::Item& item) { return use(item.key, item.value); });
        case ItemSource::items: {
            PyObject* items = PyObject_CallMethod(object, "items", nullptr);
            const bool ok = items && for_each_pair(items, use);
            Py_XDECREF(items);
            return ok;
        }
        case ItemSource::keys: {
            PyObject* keys = PyMapping_Keys(object);
            const bool ok = keys && for_each(keys, [&](PyObject* key, Py_ssize_t) {
                                PyObject* value = PyObject_GetItem(object, key);
                                const bool used = value && use(key, value);
                                Py_XDECREF(value);
                                return used;
                            });
            Py_XDECREF(keys);
            return ok;
        }
        case ItemSource::pairs: return for_each_pair(object, use);
        case ItemSource::error: break;
    }
    return false;
}

template <class Use>
bool for_each_item(PyObject* object, const Use& use) {
    HashMap* map = nullptr;
    const ItemSource source = find_item_source(object, map);
    return for_each_item(object, source, map, use);
}

}  // namespace cereggii::atomicdict
