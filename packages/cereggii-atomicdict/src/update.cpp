// SPDX-License-Identifier: Apache-2.0
#include "dict_protocol.hpp"
#include "pairs.hpp"

#include <atomic>
#include <initializer_list>

// From other mappings into this one. The errors are those of dict, word for word.
namespace cereggii::atomicdict {

namespace {

// Whether an object has a method `keys`, which makes it a mapping to dict.update; -1: an exception.
int has_keys(PyObject* object) {
    PyObject* keys = PyObject_GetAttrString(object, "keys");
    if (!keys) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) return -1;
        PyErr_Clear();
        return 0;
    }
    Py_DECREF(keys);
    return 1;
}

// `collections.abc.Mapping`; borrowed, null with an exception.
PyObject* mapping_class() {
    static std::atomic<PyObject*> found{nullptr};
    PyObject* mapping = found.load(std::memory_order_acquire);
    if (mapping) return mapping;
    PyObject* module = PyImport_ImportModule("collections.abc");
    if (!module) return nullptr;
    mapping = PyObject_GetAttrString(module, "Mapping");
    Py_DECREF(module);
    // Release: pairs with the load. Lost to another thread that looked for it: it is kept for ever.
    PyObject* none = nullptr;
    if (!mapping || found.compare_exchange_strong(none, mapping, std::memory_order_acq_rel,
                                                  std::memory_order_acquire))
        return mapping;
    Py_DECREF(mapping);
    return none;
}

}  // namespace

bool update_from_dict(HashMap& map, PyObject* dict) {
    // Of a copy, which nobody else has: storing runs Python code.
    PyObject* copy = PyDict_Copy(dict);
    if (!copy) return false;
    Py_ssize_t position = 0;
    PyObject* key = nullptr;
    PyObject* value = nullptr;
    bool good = true;
    while (good && PyDict_Next(copy, &position, &key, &value)) good = store(map, key, value);
    Py_DECREF(copy);
    return good;
}

bool update_from_mapping(HashMap& map, PyObject* mapping) {
    PyObject* keys = PyMapping_Keys(mapping);
    if (!keys) return false;
    const bool good = for_each(keys, [&](PyObject* key, Py_ssize_t) {
        PyObject* value = PyObject_GetItem(mapping, key);
        if (!value) return false;
        const bool stored = store(map, key, value);
        Py_DECREF(value);
        return stored;
    });
    Py_DECREF(keys);
    return good;
}

bool update_from_pairs(HashMap& map, PyObject* pairs) {
    return for_each_pair(pairs,
                         [&](PyObject* key, PyObject* value) { return store(map, key, value); });
}

bool update_from(HashMap& map, PyObject* other) {
    if (PyDict_CheckExact(other)) return update_from_dict(map, other);
    if (HashMap* theirs = find_map(other)) {
        if (theirs == &map) return true;
        PyObject* items = snapshot(*theirs);
        if (!items) return false;
        const bool good = update_from_dict(map, items);
        Py_DECREF(items);
        return good;
    }
    const int is_mapping = has_keys(other);
    if (is_mapping < 0) return false;
    return is_mapping ? update_from_mapping(map, other) : update_from_pairs(map, other);
}

PyObject* as_dict(PyObject* object) {
    if (HashMap* map = find_map(object)) return snapshot(*map);
    if (!PyDict_Check(object)) {
        PyObject* mapping = mapping_class();
        const int is_mapping = mapping ? PyObject_IsInstance(object, mapping) : -1;
        if (is_mapping <= 0) return nullptr;
    }
    return PyObject_CallOneArg(reinterpret_cast<PyObject*>(&PyDict_Type), object);
}

PyObject* merge(PyObject* left, PyObject* right) {
    for (PyObject* object : {left, right}) {
        if (PyObject* target = find_target<AtomicDict>(object)) {
            if (!AtomicForm<AtomicDict>::peek(target)) return nullptr;
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

PyObject* set_bad_count(const char* method, Py_ssize_t most, Py_ssize_t given) {
    PyErr_Format(PyExc_TypeError, "%s expected at most %zd argument%s, got %zd", method, most,
                 most == 1 ? "" : "s", given);
    return nullptr;
}

}  // namespace cereggii::atomicdict
