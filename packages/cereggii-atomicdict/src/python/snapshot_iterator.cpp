// SPDX-License-Identifier: Apache-2.0
#include <nanobind/nanobind.h>

#include <new>

#include "cereggii/atomics/python/binding.hpp"
#include "map/items.hpp"
#include "python/types.hpp"

// An iterator over the content that an AtomicDict or AtomicSet had at one instant, for pickling. It
// is not a builtin dict or set: they move all of their items when they grow, and release all of
// them at once, which would hold up threads that want to stop the world.
namespace cereggii::atomicdict {

namespace {

struct SnapshotIterator {
    PyObject_HEAD
    bool is_of_set;  // Whether it returns elements, and not pairs.
    Items items;     // The items that are left. Guarded by the lock of the object.
};

PyTypeObject* snapshot_iterator_type = nullptr;

Items& items_of(PyObject* self) { return reinterpret_cast<SnapshotIterator*>(self)->items; }

PyObject* snapshot_iterator_next(PyObject* self) {
    const bool is_of_set = reinterpret_cast<SnapshotIterator*>(self)->is_of_set;
    // Made first, so that no item is lost without memory for it.
    PyObject* pair = is_of_set ? nullptr : PyTuple_New(2);
    if (!pair && !is_of_set) return nullptr;
    Items::Item item{};
    bool found = false;
    atomics::with_object_lock(self, [&] { found = items_of(self).take_next(item); });
    if (!found) {
        Py_XDECREF(pair);
        return nullptr;
    }
    if (is_of_set) {
        Py_DECREF(item.value);
        return item.key_object();
    }
    PyTuple_SET_ITEM(pair, 0, item.key_object());
    PyTuple_SET_ITEM(pair, 1, item.value);
    return pair;
}

PyObject* snapshot_iterator_size_in_bytes(PyObject* self, PyObject*) {
    std::size_t memory = 0;
    with_object_lock(self, [&] { memory = items_of(self).memory(); });
    return PyLong_FromSize_t(sizeof(SnapshotIterator) + memory);
}

PyMethodDef snapshot_iterator_methods[] = {
    plain_method("__sizeof__", &snapshot_iterator_size_in_bytes, nullptr),
    {nullptr, nullptr, 0, nullptr},
};

int snapshot_iterator_traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    int stop = 0;
    items_of(self).for_each([&](const Items::Item& item, const auto&) {
        if (!item.value) return true;  // given away already
        stop = visit(item.key_object(), arg);
        if (stop == 0) stop = visit(item.value, arg);
        return stop == 0;
    });
    return stop;
}

int snapshot_iterator_clear(PyObject* self) {
    items_of(self).clear();
    return 0;
}

void snapshot_iterator_dealloc(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    items_of(self).~Items();
    type->tp_free(self);
    Py_DECREF(type);
}

PyObject* make_snapshot_iterator(PyObject* of) {
    HashMap* const set = find_map<AtomicSet>(of);
    HashMap* const map = set ? set : find_map<AtomicDict>(of);
    if (!map)
        return PyErr_Format(PyExc_TypeError, "an AtomicDict or AtomicSet is needed, not %R", of);
    auto* iterator = PyObject_GC_New(SnapshotIterator, snapshot_iterator_type);
    if (!iterator) return nullptr;
    iterator->is_of_set = set != nullptr;
    new (&iterator->items) Items();
    auto* self = reinterpret_cast<PyObject*>(iterator);
    const bool ok = take_items(*map, iterator->items);
    PyObject_GC_Track(self);
    if (!ok) Py_CLEAR(self);
    return self;
}

}  // namespace

void bind_snapshot_iterator(nanobind::module_& module) {
    static PyMethodDef make = {"_items_at_one_instant",
                               [](PyObject*, PyObject* of) { return make_snapshot_iterator(of); },
                               METH_O, nullptr};
    module.attr("_items_at_one_instant") = owned_or_throw(PyCFunction_New(&make, nullptr));
    if (snapshot_iterator_type) return;
    static PyType_Slot slots[] = {
        {Py_tp_dealloc, slot(&snapshot_iterator_dealloc)},
        {Py_tp_traverse, slot(&snapshot_iterator_traverse)},
        {Py_tp_clear, slot(&snapshot_iterator_clear)},
        {Py_tp_iter, slot(&PyObject_SelfIter)},
        {Py_tp_iternext, slot(&snapshot_iterator_next)},
        {Py_tp_methods, snapshot_iterator_methods},
        {0, nullptr},
    };
    snapshot_iterator_type = make_internal_type("cereggii_atomicdict._SnapshotIterator",
                                                sizeof(SnapshotIterator), slots);
}

}  // namespace cereggii::atomicdict
