// SPDX-License-Identifier: Apache-2.0
#include "python/inputs.hpp"

#include "python/abstract_classes.hpp"
#include "python/mapping_methods.hpp"

namespace cereggii::atomicdict {

namespace {

// Whether an object has an attribute `keys`: then dict.update takes it for a mapping. 1 or 0; -1
// with an exception.
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

// Whether a class inherits this attribute from `base` without overriding it. 1 or 0; -1 with an
// exception.
int inherits(PyTypeObject* type, PyTypeObject* base, const char* name) {
    PyObject* theirs = PyObject_GetAttrString(reinterpret_cast<PyObject*>(type), name);
    PyObject* ours =
        theirs ? PyObject_GetAttrString(reinterpret_cast<PyObject*>(base), name) : nullptr;
    const int same = ours ? ours == theirs : -1;
    Py_XDECREF(ours);
    Py_XDECREF(theirs);
    return same;
}

// The source of the items of an AtomicDict, a handle, or an instance of a subclass. `map` is set to
// its map.
ItemSource find_source_of_map(PyObject* object, PyTypeObject* base, HashMap*& map) {
    PyTypeObject* type = Py_TYPE(object);
    map = find_map<AtomicDict>(object);
    if (!map) return ItemSource::keys;  // not constructed: keys() raises the error
    if (type == base) return ItemSource::map;
    const int items = inherits(type, base, "items");
    if (items <= 0) return items < 0 ? ItemSource::error : ItemSource::items;
    for (const char* name : {"__iter__", "keys"})
        if (const int same = inherits(type, base, name); same <= 0)
            return same < 0 ? ItemSource::error : ItemSource::keys;
    return ItemSource::map;
}

}  // namespace

ItemSource find_item_source(PyObject* object, HashMap*& map) {
    if (PyDict_CheckExact(object)) return ItemSource::dict;
    for (PyTypeObject* base : {Types<AtomicDict>::atomic, Types<AtomicDict>::handle})
        if (PyObject_TypeCheck(object, base)) return find_source_of_map(object, base, map);
    const int is_mapping = has_keys(object);
    return is_mapping < 0 ? ItemSource::error : is_mapping ? ItemSource::keys : ItemSource::pairs;
}

PyObject* as_dict(PyObject* object) {
    if (!PyDict_Check(object)) {
        if (is_instance_of_abc<"Mapping">(object) <= 0) return nullptr;
    }
    return PyObject_CallOneArg(reinterpret_cast<PyObject*>(&PyDict_Type), object);
}

}  // namespace cereggii::atomicdict
