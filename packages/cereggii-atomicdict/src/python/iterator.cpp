// SPDX-License-Identifier: Apache-2.0
#include "python/iterator.hpp"

#include <cstring>
#include <new>

#include "cereggii/atomics/python/binding.hpp"
#include "cereggii/atomics/python/instances.hpp"
#include "map/scan.hpp"

// The types of the iterators of AtomicDict and AtomicSet. They differ in their names only.
namespace cereggii::atomicdict {

namespace {

struct Iterator {
    PyObject_HEAD
    PyObject* owner;    // The AtomicDict or AtomicSet, owned.
    HashMap* map;       // Its map.
    IteratorKind kind;  // What each item is made of.
    Scan scan;          // Where the iterator is.
};

PyTypeObject* dict_iterator_type = nullptr;
PyTypeObject* set_iterator_type = nullptr;

Iterator* as_iterator(PyObject* self) { return reinterpret_cast<Iterator*>(self); }

PyObject* iterator_next(PyObject* self) {
    Iterator* iterator = as_iterator(self);
    const IteratorKind kind = iterator->kind;
    // The tuple is made first, so that no item is lost if there is no memory for it.
    PyObject* pair = kind == IteratorKind::items ? PyTuple_New(2) : nullptr;
    if (kind == IteratorKind::items && !pair) return nullptr;
    Scan::Item item;
    if (iterator->scan.next(*iterator->map, kind != IteratorKind::keys, item) !=
        Scan::Result::item) {
        Py_XDECREF(pair);
        return nullptr;
    }
    switch (kind) {
        case IteratorKind::keys: Py_XDECREF(item.value); return item.key;
        case IteratorKind::values: Py_DECREF(item.key); return item.value;
        case IteratorKind::items: break;
    }
    PyTuple_SET_ITEM(pair, 0, item.key);
    PyTuple_SET_ITEM(pair, 1, item.value);
    return pair;
}

int iterator_traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(as_iterator(self)->owner);
    return as_iterator(self)->scan.traverse(visit, arg);
}

// Releases the keys and values that the iterator holds, but not the owner: that has a tp_clear of
// its own, which breaks every cycle through it.
int iterator_clear(PyObject* self) {
    for (const Scan::Item& item : as_iterator(self)->scan.take_all()) Scan::release(item);
    return 0;
}

void iterator_dealloc(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    iterator_clear(self);
    PyObject* owner = as_iterator(self)->owner;
    as_iterator(self)->scan.~Scan();
    type->tp_free(self);
    Py_DECREF(type);
    Py_DECREF(owner);
}

// A new iterator with the result of `make_scan()`, which may throw std::bad_alloc. Null with
// MemoryError.
template <class MakeScan>
PyObject* make(PyTypeObject* type, PyObject* owner, HashMap& map, IteratorKind kind,
               const MakeScan& make_scan) {
    auto* iterator = PyObject_GC_New(Iterator, type);
    if (!iterator) return nullptr;
    auto* self = reinterpret_cast<PyObject*>(iterator);
    try {
        new (&iterator->scan) Scan(make_scan());
    } catch (const std::bad_alloc&) {
        PyObject_GC_Del(self);
        Py_DECREF(type);
        return PyErr_NoMemory();
    }
    iterator->owner = Py_NewRef(owner);
    iterator->map = &map;
    iterator->kind = kind;
    PyObject_GC_Track(self);
    return self;
}

// An iterator is copied and pickled as the iterators of dict are: as iter(list), with a list of the
// items that are left.
PyObject* iterator_reduce(PyObject* self, PyObject*) {
    Iterator* iterator = as_iterator(self);
    PyObject* other = make(Py_TYPE(self), iterator->owner, *iterator->map, iterator->kind,
                           [&] { return iterator->scan.copy(); });
    PyObject* left = other ? PySequence_List(other) : nullptr;
    PyObject* builtins = left ? PyImport_ImportModule("builtins") : nullptr;
    PyObject* iter = builtins ? PyObject_GetAttrString(builtins, "iter") : nullptr;
    PyObject* reduced = iter ? Py_BuildValue("O(O)", iter, left) : nullptr;
    for (PyObject* object : {iter, builtins, left, other}) Py_XDECREF(object);
    return reduced;
}

PyObject* iterator_length_hint(PyObject* self, PyObject*) {
    Iterator* iterator = as_iterator(self);
    const Py_ssize_t length = approximate_length(*iterator->map);
    if (length < 0) return nullptr;
    return PyLong_FromSize_t(iterator->scan.left_of(static_cast<std::size_t>(length)));
}

PyObject* iterator_size_in_bytes(PyObject* self, PyObject*) {
    return PyLong_FromSize_t(sizeof(Iterator) + as_iterator(self)->scan.memory());
}

PyMethodDef iterator_methods[] = {
    plain_method("__sizeof__", &iterator_size_in_bytes,
                 "__sizeof__($self, /)\n--\n\nReturn the memory of the iterator in bytes."),
    plain_method(
        "__reduce__", &iterator_reduce,
        "__reduce__($self, /)\n--\n\n"
        "Return iter and a list of the items that are left now. The iterator does not move."),
    plain_method(
        "__length_hint__", &iterator_length_hint,
        "__length_hint__($self, /)\n--\n\n"
        "Return how many items are left if no thread inserts or removes any. For an iterator over\n"
        "one of several parts, the result is an estimate."),
    {nullptr, nullptr, 0, nullptr},
};

PyTypeObject* type_for(PyObject* owner) {
    return PyObject_TypeCheck(owner, Types<AtomicSet>::atomic) ? set_iterator_type
                                                               : dict_iterator_type;
}

void bind(nanobind::module_& module, const char* public_name, const char* doc,
          PyTypeObject*& type) {
    const PyType_Slot slots[] = {
        {Py_tp_doc, const_cast<char*>(doc)},        {Py_tp_dealloc, slot(&iterator_dealloc)},
        {Py_tp_traverse, slot(&iterator_traverse)}, {Py_tp_clear, slot(&iterator_clear)},
        {Py_tp_iter, slot(&PyObject_SelfIter)},     {Py_tp_iternext, slot(&iterator_next)},
        {Py_tp_methods, iterator_methods},          {0, nullptr},
    };
    if (!type)
        type = make_internal_type(public_name, sizeof(Iterator), const_cast<PyType_Slot*>(slots));
    module.attr(std::strrchr(public_name, '.') + 1) =
        nanobind::handle(reinterpret_cast<PyObject*>(type));
}

}  // namespace

PyObject* make_iterator(PyObject* owner, HashMap& map, IteratorKind kind) {
    return make(type_for(owner), owner, map, kind, [] { return Scan(Part(), Scan::Start::first); });
}

PyObject* make_fast_iterator(PyObject* owner, HashMap& map, IteratorKind kind, std::uint64_t part,
                             std::uint64_t parts) {
    return make(type_for(owner), owner, map, kind,
                [=] { return Scan(Part(part, parts), Scan::Start::apart); });
}

void bind_iterators(nanobind::module_& module) {
    bind(module, "cereggii_atomicdict.AtomicDictIterator",
         "An iterator over an AtomicDict, or a part of it.", dict_iterator_type);
    bind(module, "cereggii_atomicdict.AtomicSetIterator",
         "An iterator over an AtomicSet, or a part of it.", set_iterator_type);
}

}  // namespace cereggii::atomicdict
