// SPDX-License-Identifier: Apache-2.0
#include <nanobind/nanobind.h>

#include <new>

#include "cereggii/atomics/python/binding.hpp"
#include "cereggii/atomics/python/instances.hpp"
#include "map/scan.hpp"
#include "python/types.hpp"

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

// `make_scan()` returns the Scan, or throws std::bad_alloc.
template <class MakeScan>
PyObject* make(PyObject* dict, Yields yields, const MakeScan& make_scan) {
    auto* iterator = PyObject_GC_New(Iterator, iterator_type);
    if (!iterator) return nullptr;
    auto* self = reinterpret_cast<PyObject*>(iterator);
    try {
        new (&iterator->scan) Scan(make_scan());
    } catch (const std::bad_alloc&) {
        PyObject_GC_Del(self);
        Py_DECREF(iterator_type);
        return PyErr_NoMemory();
    }
    iterator->dict = Py_NewRef(dict);
    iterator->yields = yields;
    PyObject_GC_Track(self);
    return self;
}

// It is copied and pickled as those of dict: as an iterator over a list of what is left.
PyObject* iterator_reduce(PyObject* self, PyObject*) {
    Iterator* iterator = as_iterator(self);
    PyObject* other = make(iterator->dict, iterator->yields, [&] { return iterator->scan.copy(); });
    PyObject* left = other ? PySequence_List(other) : nullptr;
    PyObject* builtins = left ? PyImport_ImportModule("builtins") : nullptr;
    PyObject* iter = builtins ? PyObject_GetAttrString(builtins, "iter") : nullptr;
    PyObject* reduced = iter ? Py_BuildValue("O(O)", iter, left) : nullptr;
    for (PyObject* object : {iter, builtins, left, other}) Py_XDECREF(object);
    return reduced;
}

PyObject* iterator_length_hint(PyObject* self, PyObject*) {
    Iterator* iterator = as_iterator(self);
    const Py_ssize_t length = approximate_length(payload<AtomicDict>(iterator->dict)->map);
    if (length < 0) return nullptr;
    return PyLong_FromSize_t(iterator->scan.left_of(static_cast<std::size_t>(length)));
}

PyObject* iterator_size_in_bytes(PyObject* self, PyObject*) {
    return PyLong_FromSize_t(sizeof(Iterator) + as_iterator(self)->scan.memory());
}

PyMethodDef iterator_methods[] = {
    plain_method("__sizeof__", &iterator_size_in_bytes,
                 "__sizeof__($self, /)\n--\n\nThe memory of the iterator in bytes."),
    plain_method("__reduce__", &iterator_reduce,
                 "__reduce__($self, /)\n--\n\n"
                 "As iter(list), with a list of what is left as of now; nothing is taken from it."),
    plain_method("__length_hint__", &iterator_length_hint,
                 "__length_hint__($self, /)\n--\n\n"
                 "How many items are left if nobody changes the dict; of a part of it, about."),
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

PyObject* make_iterator(PyObject* dict, Yields yields) {
    return make(dict, yields, [] { return Scan(Part(), Scan::Start::first); });
}

PyObject* make_fast_iterator(PyObject* dict, std::uint64_t part, std::uint64_t parts) {
    return make(dict, Yields::items, [=] { return Scan(Part(part, parts), Scan::Start::apart); });
}

void bind_iterator(nanobind::module_& module) {
    static PyType_Slot slots[] = {
        {Py_tp_doc, const_cast<char*>("An iterator over an AtomicDict, or a part of it.")},
        {Py_tp_dealloc, slot(&iterator_dealloc)},
        {Py_tp_traverse, slot(&iterator_traverse)},
        {Py_tp_clear, slot(&iterator_clear)},
        {Py_tp_iter, slot(&PyObject_SelfIter)},
        {Py_tp_iternext, slot(&iterator_next)},
        {Py_tp_methods, iterator_methods},
        {0, nullptr},
    };
    if (!iterator_type)
        iterator_type =
            make_internal_type("cereggii_atomicdict.AtomicDictIterator", sizeof(Iterator), slots);
    module.attr("AtomicDictIterator") =
        nanobind::handle(reinterpret_cast<PyObject*>(iterator_type));
}

}  // namespace cereggii::atomicdict
