// SPDX-License-Identifier: Apache-2.0
#include <nanobind/nanobind.h>

#include <new>

#include "cereggii/atomics/python/binding.hpp"
#include "cereggii/atomics/python/instances.hpp"
#include "scan.hpp"
#include "types.hpp"

// The iterator of AtomicDict.
namespace cereggii::atomicdict {

namespace {

struct Iterator {
    PyObject_HEAD
    PyObject* dict;  // owned: an AtomicDict
    Yields yields;
    Scan scan;
};

PyTypeObject* iterator_type = nullptr;

Iterator* as_iterator(PyObject* self) { return reinterpret_cast<Iterator*>(self); }

PyObject* iterator_next(PyObject* self) {
    Iterator* iterator = as_iterator(self);
    const Yields yields = iterator->yields;
    // First, so that no item is taken that there is no memory for.
    PyObject* pair = yields == Yields::items ? PyTuple_New(2) : nullptr;
    if (yields == Yields::items && !pair) return nullptr;
    Scan::Item item;
    HashMap& map = payload<AtomicDict>(iterator->dict)->map;
    if (iterator->scan.next(map, yields != Yields::keys, item) != Scan::Result::item) {
        Py_XDECREF(pair);
        return nullptr;
    }
    switch (yields) {
        case Yields::keys: Py_XDECREF(item.value); return item.key;
        case Yields::values: Py_DECREF(item.key); return item.value;
        case Yields::items: break;
    }
    PyTuple_SET_ITEM(pair, 0, item.key);
    PyTuple_SET_ITEM(pair, 1, item.value);
    return pair;
}

int iterator_traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(as_iterator(self)->dict);
    return as_iterator(self)->scan.traverse(visit, arg);
}

// What it holds of keys and values. The dict stays: it has a tp_clear of its own.
int iterator_clear(PyObject* self) {
    for (const Scan::Item& item : as_iterator(self)->scan.take_all()) Scan::release(item);
    return 0;
}

void iterator_dealloc(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    iterator_clear(self);
    PyObject* dict = as_iterator(self)->dict;
    as_iterator(self)->scan.~Scan();
    type->tp_free(self);
    Py_DECREF(type);
    Py_DECREF(dict);
}

PyObject* make(PyObject* dict, Yields yields, Part part, Scan::Start start) {
    auto* iterator = PyObject_GC_New(Iterator, iterator_type);
    if (!iterator) return nullptr;
    iterator->dict = Py_NewRef(dict);
    iterator->yields = yields;
    new (&iterator->scan) Scan(part, start);
    PyObject_GC_Track(iterator);
    return reinterpret_cast<PyObject*>(iterator);
}

}  // namespace

PyObject* make_iterator(PyObject* dict, Yields yields) {
    return make(dict, yields, Part(), Scan::Start::first);
}

PyObject* make_fast_iterator(PyObject* dict, std::uint64_t part, std::uint64_t parts) {
    return make(dict, Yields::items, Part(part, parts), Scan::Start::apart);
}

void bind_iterator() {
    if (iterator_type) return;
    static PyType_Slot slots[] = {
        {Py_tp_doc, const_cast<char*>("An iterator over an AtomicDict, or a part of it.")},
        {Py_tp_dealloc, slot(&iterator_dealloc)},
        {Py_tp_traverse, slot(&iterator_traverse)},
        {Py_tp_clear, slot(&iterator_clear)},
        {Py_tp_iter, slot(&PyObject_SelfIter)},
        {Py_tp_iternext, slot(&iterator_next)},
        {0, nullptr},
    };
    static PyType_Spec spec = {
        "cereggii_atomicdict.AtomicDictIterator", sizeof(Iterator), 0,
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
    iterator_type =
        reinterpret_cast<PyTypeObject*>(owned_or_throw(PyType_FromSpec(&spec)).release().ptr());
}

}  // namespace cereggii::atomicdict
