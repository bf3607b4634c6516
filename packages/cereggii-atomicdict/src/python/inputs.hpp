// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/items.hpp"
#include "python/iterables.hpp"
#include "python/mapping_methods.hpp"

// What update() and the reductions take: mappings, and iterables of pairs.
namespace cereggii::atomicdict {

// How the items of an object are found.
enum class ItemsOf {
    map,    // of an AtomicDict or a handle, natively
    dict,   // of an exact dict, natively
    items,  // of an AtomicDict's subclass that has its own items(), by that
    keys,   // of another mapping, as dict() does it: by keys() and []
    pairs,  // it is an iterable of them
    error,
};

// A subclass may show other contents than are in its map: then it is read through what it
// overrides. `map` is set for ItemsOf::map.
ItemsOf find_items(PyObject* object, HashMap*& map);

// Calls use(key, value) for each item of `object`, which are found there, until it returns false.
// False then, and with an exception of the object's.
template <class Use>
bool for_each_item(PyObject* object, ItemsOf where, HashMap* map, const Use& use) {
    switch (where) {
        case ItemsOf::map: {
            Items items;
            Pace pace;
            return take_items(*map, items) &&
                   items.for_each([&](const Items::Item& item, const auto&) {
                       return use(item.key_object(), item.value) && pace.rest_for_signals();
                   });
        }
        case ItemsOf::dict: return DictItems::for_each(object, use);
        case ItemsOf::items: {
            PyObject* items = PyObject_CallMethod(object, "items", nullptr);
            const bool ok = items && for_each_pair(items, use);
            Py_XDECREF(items);
            return ok;
        }
        case ItemsOf::keys: {
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
        case ItemsOf::pairs: return for_each_pair(object, use);
        case ItemsOf::error: break;
    }
    return false;
}

template <class Use>
bool for_each_item(PyObject* object, const Use& use) {
    HashMap* map = nullptr;
    const ItemsOf where = find_items(object, map);
    return for_each_item(object, where, map, use);
}

}  // namespace cereggii::atomicdict
