// SPDX-License-Identifier: Apache-2.0
#include <initializer_list>

#include "map/items.hpp"
#include "map/lookup.hpp"
#include "python/inputs.hpp"
#include "python/iterables.hpp"
#include "python/mapping_methods.hpp"

// Items from other mappings into an AtomicDict, and comparing them. The errors are those of dict,
// word for word.
namespace cereggii::atomicdict {

bool update_from_dict(HashMap& map, PyObject* dict) {
    return prepare_for(map, static_cast<std::size_t>(PyDict_Size(dict))) &&
           DictItems::for_each(
               dict, [&](const DictItems::Item& item) { return store(map, item.key, item.value); });
}

bool update_from(HashMap& map, PyObject* other) {
    HashMap* theirs = nullptr;
    const ItemSource source = find_item_source(other, theirs);
    if (source == ItemSource::dict) return update_from_dict(map, other);
    if (source == ItemSource::map) return update_from_map(map, *theirs);
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
    ScratchMap copy;
    if (!update_from_items(copy.map(), theirs)) return -1;
    return equal_to(ours, [&copy](const Items::Item& item, PyObject*& value) {
        const Key key{item.key_object(), item.hash, item.key};
        switch (look_up<true>(copy.map(), key, value)) {
            case Found::present: return 1;
            case Found::absent: return 0;
            case Found::error: break;
        }
        return -1;
    });
}

}  // namespace cereggii::atomicdict
