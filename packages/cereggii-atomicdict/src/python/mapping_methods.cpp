// SPDX-License-Identifier: Apache-2.0
#include <initializer_list>
#include <span>

#include "map/items.hpp"
#include "map/tuning.hpp"
#include "python/inputs.hpp"
#include "python/iterables.hpp"
#include "python/mapping_methods.hpp"

// Items from other mappings into an AtomicDict, and comparing them. The errors are those of dict,
// word for word.
namespace cereggii::atomicdict {

// Makes room for `keys` more keys, if most of them are likely to be new: if the map has fewer keys
// than that. False with MemoryError.
bool prepare_for(HashMap& map, std::size_t keys) {
    if (keys <= tuning::keys_without_preparation) return true;
    const Py_ssize_t length = approximate_length(map);
    if (length < 0) return false;
    return static_cast<std::size_t>(length) >= keys || prepare(map, keys);
}

bool update_from_dict(HashMap& map, PyObject* dict) {
    return prepare_for(map, static_cast<std::size_t>(PyDict_Size(dict))) &&
           DictItems::for_each(
               dict, [&](PyObject* key, PyObject* value) { return store(map, key, value); });
}

bool update_from_items(HashMap& map, Items& items) {
    if (!prepare_for(map, items.size())) return false;
    constexpr UpdateSpec set{IfAbsent::insert, IfPresent::replace, Values::any, false, true};
    Pace pace;
    return items.give_away([&](const Items::Item& item, std::span<const Items::Item> rest) {
        if (rest.size() > tuning::homes_ahead) map.prefetch_home(rest[tuning::homes_ahead].hash);
        // The hash is known, so that of the key is not called.
        const Key key{item.key_object(), item.hash, item.key};
        const UpdateResult result = KeyUpdate<set>(map, key, item.value).run();
        drop_found(result);
        return result.outcome != Outcome::error && pace.rest_for_signals();
    });
}

bool update_from(HashMap& map, PyObject* other) {
    HashMap* theirs = nullptr;
    const ItemSource source = find_item_source(other, theirs);
    if (source == ItemSource::dict) return update_from_dict(map, other);
    if (source == ItemSource::map) {
        if (theirs == &map) return true;
        Items items;
        // In an empty map, prepare_for() makes room for all of them.
        const bool is_empty = !map.root.load(std::memory_order_relaxed);
        return take_items(*theirs, items, is_empty ? TakenBy::table : TakenBy::position) &&
               update_from_items(map, items);
    }
    return for_each_item(other, source, theirs,
                         [&](PyObject* key, PyObject* value) { return store(map, key, value); });
}

PyObject* merge(PyObject* left, PyObject* right) {
    for (PyObject* object : {left, right}) {
        if (PyObject* target = find_target<AtomicDict>(object)) {
            if (!AtomicAccessor<AtomicDict>::peek(target)) return nullptr;
        } else if (PyObject_TypeCheck(object, Types<AtomicDict>::handle)) {
            set_not_constructed(object);
            return nullptr;
        } else if (!PyDict_Check(object)) {
            Py_RETURN_NOTIMPLEMENTED;
        }
    }
    PyObject* made = make_instance<AtomicDict>(Types<AtomicDict>::atomic);
    if (!made) return nullptr;
    HashMap& map = payload<AtomicDict>(made)->map;
    if (!update_from(map, left) || !update_from(map, right)) Py_CLEAR(made);
    return made;
}

PyObject* copy_of(HashMap& map) {
    Items items;
    if (!take_items(map, items, TakenBy::table)) return nullptr;
    PyObject* made = make_instance<AtomicDict>(Types<AtomicDict>::atomic);
    if (made && !update_from_items(payload<AtomicDict>(made)->map, items)) Py_CLEAR(made);
    return made;
}

namespace {

// Whether other items, which have as many keys, include all of `ours`. `find(item, value)` looks
// for the key of an item among them: it returns 1 and sets `value` to a new reference, or returns
// 0, or -1 with an exception.
template <class Find>
int equal_to(const Items& ours, const Find& find) {
    int equal = 1;
    Pace pace;
    ours.for_each([&](const Items::Item& item, const auto&) {
        PyObject* theirs = nullptr;
        equal = find(item, theirs);
        if (equal > 0) equal = PyObject_RichCompareBool(theirs, item.value, Py_EQ);
        Py_XDECREF(theirs);
        if (equal > 0 && !pace.rest_for_signals()) equal = -1;
        return equal > 0;
    });
    return equal;
}

}  // namespace

int equals_dict(HashMap& map, PyObject* dict) {
    Items ours;
    if (!take_items(map, ours)) return -1;
    if (static_cast<Py_ssize_t>(ours.size()) != PyDict_Size(dict)) return 0;
    return equal_to(ours, [dict](const Items::Item& item, PyObject*& theirs) {
        return atomics::compat::dict_get(dict, item.key_object(), &theirs);
    });
}

int equals_map(HashMap& map, HashMap& other) {
    Items ours, theirs;
    if (!take_items(map, ours, TakenBy::table) || !take_items(other, theirs, TakenBy::table))
        return -1;
    if (ours.size() != theirs.size()) return 0;
    // Not a builtin dict: it moves all of its keys at once when it grows, and holds up other
    // threads that want to stop the world.
    PyObject* copied = make_instance<AtomicDict>(Types<AtomicDict>::atomic);
    if (!copied) return -1;
    HashMap& copy = payload<AtomicDict>(copied)->map;
    int equal = -1;
    if (update_from_items(copy, theirs))
        equal = equal_to(ours, [&copy](const Items::Item& item, PyObject*& value) {
            const Key key{item.key_object(), item.hash, item.key};
            switch (look_up<true>(copy, key, value)) {
                case Found::present: return 1;
                case Found::absent: return 0;
                case Found::error: break;
            }
            return -1;
        });
    Py_DECREF(copied);
    return equal;
}

PyObject* set_bad_count(const char* method, Py_ssize_t most, Py_ssize_t given) {
    PyErr_Format(PyExc_TypeError, "%s expected at most %zd argument%s, got %zd", method, most,
                 most == 1 ? "" : "s", given);
    return nullptr;
}

}  // namespace cereggii::atomicdict
