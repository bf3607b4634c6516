// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/python/arguments.hpp"
#include "cereggii/atomics/python/binding.hpp"
#include "cereggii/atomics/python/matching.hpp"
#include "docs.hpp"
#include "types.hpp"

// The type AtomicStampedRef: a reference and an integer that change in one step.
namespace cereggii::atomicref {

namespace {

using Accessor = AtomicAccessor<AtomicStampedRef>;

// Converts a stamp to an exact int of any size: a new reference. Null with an exception.
PyObject* read_stamp(PyObject* stamp, const char* name) {
    if (PyLong_CheckExact(stamp)) return Py_NewRef(stamp);
    if (!PyIndex_Check(stamp)) {
        set_error(PyExc_TypeError, "%s must be an integer, not %U", name, stamp);
        return nullptr;
    }
    PyObject* integer = PyNumber_Index(stamp);
    if (!integer || PyLong_CheckExact(integer)) return integer;
    PyObject* exact = PyLong_Type.tp_as_number->nb_int(integer);  // it was a bool, or of a subclass
    Py_DECREF(integer);
    return exact;
}

// A new tuple (value, stamp). `name` is the stamp's, for errors. Null with an exception.
PyObject* make_pair(PyObject* value, PyObject* stamp, const char* name) {
    PyObject* exact = read_stamp(stamp, name);
    PyObject* pair = exact ? PyTuple_Pack(2, value, exact) : nullptr;
    Py_XDECREF(exact);
    return pair;
}

int init(PyObject* self, PyObject* args, PyObject* keywords) {
    static const char* names[] = {"initial_value", "stamp", "immortal", nullptr};
    PyObject* initial_value = Py_None;
    PyObject* stamp = nullptr;
    PyObject* immortal = nullptr;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|OO$O:AtomicStampedRef",
                                     const_cast<char**>(names), &initial_value, &stamp, &immortal))
        return -1;
    Immortality immortality{};
    if (!to_immortality(immortal, immortality)) return -1;
    PyObject* pair =
        stamp ? make_pair(initial_value, stamp, "stamp") : Py_BuildValue("(Oi)", initial_value, 0);
    if (!pair) return -1;
    const bool constructed = construct_once<AtomicStampedRef>(self, pair);
    Py_DECREF(pair);
    if (!constructed) return -1;
    note_creation(self, immortality);
    if (immortality == Immortality::always) make_immortal(self);
    return 0;
}

PyObject* get(PyObject* self, PyObject*) {
    Slot* slot = Accessor::value(self);
    return slot ? slot->load() : nullptr;
}

PyObject* set(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* keywords) {
    static constexpr Signature<2> signature{"set", {{{"value"}, {"stamp"}}}};
    std::array<PyObject*, 2> given;
    if (!signature.parse(args, count, keywords, given)) return nullptr;
    Slot* slot = Accessor::value(self);
    PyObject* pair = slot ? make_pair(given[0], given[1], "stamp") : nullptr;
    if (!pair) return nullptr;
    PyObject* replaced = slot->exchange(pair);
    slot->note_update();
    Py_DECREF(pair);
    Py_DECREF(replaced);
    Py_RETURN_NONE;
}

// Linearizes at the successful compare-and-swap, or where it loaded the pair that does not match.
PyObject* compare_and_set(PyObject* self, PyObject* const* args, Py_ssize_t count,
                          PyObject* keywords) {
    static constexpr Signature<4> signature{
        "compare_and_set",
        {{{"expected"}, {"updated", true, "desired"}, {"expected_stamp"}, {"updated_stamp"}}}};
    std::array<PyObject*, 4> given;
    if (!signature.parse(args, count, keywords, given)) return nullptr;
    Slot* slot = Accessor::value(self);
    PyObject* expected_stamp = slot ? read_stamp(given[2], "expected_stamp") : nullptr;
    PyObject* pair = expected_stamp ? make_pair(given[1], given[3], "updated_stamp") : nullptr;
    PyObject* result = nullptr;
    while (pair && !result) {
        PyObject* found = slot->load();
        if (!matches(PyTuple_GET_ITEM(found, 0), given[0]) ||
            !matches(PyTuple_GET_ITEM(found, 1), expected_stamp)) {
            result = Py_False;
        } else if (compare_exchange_with_backoff(*slot, found, pair)) {
            result = Py_True;
            Py_DECREF(found);  // the reference that the slot had
        }
        // If `result` is still null: lost to a concurrent update. Look at the pair that is stored
        // now.
        Py_DECREF(found);  // the reference from load()
    }
    Py_XDECREF(pair);
    Py_XDECREF(expected_stamp);
    return Py_XNewRef(result);
}

PyObject* repr(PyObject* self) {
    Slot* slot = Accessor::peek(self);
    return slot ? repr_of(self, slot->load(), /*spread=*/true) : nullptr;
}

nb::object new_arguments_of_pair(PyObject* self) { return owned_or_throw(get(self, nullptr)); }

PyObject* size_in_bytes(PyObject* self, PyObject*) {
    if (!Accessor::peek(self)) return nullptr;
    const auto pair = PyTuple_Type.tp_basicsize + 2 * PyTuple_Type.tp_itemsize;
    return PyLong_FromSsize_t(Py_TYPE(self)->tp_basicsize + pair);
}

PyMethodDef method_table[] = {
    plain_method("get", &get, stamped_docs::get),
    fast_method("set", &set, stamped_docs::set),
    fast_method("compare_and_set", &compare_and_set, stamped_docs::compare_and_set),
    plain_method("__sizeof__", &size_in_bytes, stamped_docs::size_in_bytes),
    generic_alias_method(),
    cold_method<&new_arguments_of_pair>("__getnewargs__", nullptr),
    {nullptr, nullptr, 0, nullptr},
};

const PyType_Slot slot_table[] = {
    {Py_tp_init, slot(&init)},
    {Py_tp_methods, method_table},
    {Py_tp_traverse, slot(&traverse<Accessor>)},
    {Py_tp_clear, slot(&clear<Accessor>)},
    {Py_tp_repr, slot(&repr)},
    {0, nullptr},
};

}  // namespace

void bind_stamped_ref(nb::module_& module) {
    if (!AtomicStampedRef::cleared)
        AtomicStampedRef::cleared =
            owned_or_throw(Py_BuildValue("(Oi)", Py_None, 0)).release().ptr();
    bind<AtomicStampedRef>(module, "cereggii_atomicref.AtomicStampedRef",
                           stamped_docs::atomic_stamped_ref, slot_table,
                           Types<AtomicStampedRef>::atomic);
}

}  // namespace cereggii::atomicref
